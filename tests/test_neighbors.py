"""Neighbours and nets against a comparison of all pairs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planners.neighbors import NeighborIndex

SLACK = 1e-3
"""Points are rotated in single precision: whoever lies this near the radius may fall on either side."""


def draw(seed: int, count: int, dim: int) -> np.ndarray:
    """Clusters, a line, duplicates and outliers: what buckets find hard."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(count, dim)) * rng.choice([0.1, 1, 5], (count, 1))
    points[rng.random(count) < 0.2] = points[0]
    points[rng.random(count) < 0.2, 1:] = 0
    return points.astype(np.float32)


def distances(queries: np.ndarray, points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(queries[:, None].astype(float) - points[None].astype(float), axis=-1)


def pairs_of(index: NeighborIndex, queries: np.ndarray) -> set[tuple[int, int]]:
    query, point = index.within(queries)
    assert (np.diff(query) >= 0).all()
    found = list(zip(query.tolist(), point.tolist(), strict=True))
    assert len(found) == len(set(found)), "a pair is listed twice"
    return set(found)


cases = given(
    st.integers(0, 10**6), st.integers(1, 120), st.integers(1, 6), st.sampled_from([0.01, 0.3, 1.0, 4.0, 100.0])
)


@cases
def test_within_equals_all_pairs(seed: int, count: int, dim: int, radius: float) -> None:
    points, queries = draw(seed, count, dim), draw(seed + 1, 40, dim) * 2
    apart = distances(queries, points)
    index = NeighborIndex(points, radius)
    found = pairs_of(index, queries)
    assert found >= set(map(tuple, np.argwhere(apart <= radius - SLACK * (1 + radius)).tolist()))
    assert found <= set(map(tuple, np.argwhere(apart <= radius + SLACK * (1 + radius)).tolist()))
    counts = np.bincount([query for query, _ in found], minlength=len(queries))
    assert index.count(queries).tolist() == counts.tolist()
    assert (index.count(queries) > 0).tolist() == (counts > 0).tolist()


@cases
def test_net_is_spaced_and_covers(seed: int, count: int, dim: int, radius: float) -> None:
    points = draw(seed, count, dim)
    order = np.random.default_rng(seed).permutation(count)[: max(1, count // 2)]
    net = NeighborIndex(points, radius).net(order)
    assert net[0] == order[0]
    ranks = [order.tolist().index(point) for point in net]
    assert ranks == sorted(ranks), "earlier points of the order come first"
    apart = distances(points[net], points[net]) + np.diag(np.full(len(net), np.inf))
    assert (apart >= radius - SLACK * (1 + radius)).all()
    assert (distances(points[order], points[net]).min(1) <= radius + SLACK * (1 + radius)).all()


def test_net_takes_the_first_of_each_heap() -> None:
    points = np.array([[0, 0], [5, 0], [0.1, 0], [5, 0.1], [9, 9]], np.float32)
    assert NeighborIndex(points, 1.0).net(np.arange(5)).tolist() == [0, 1, 4]
    assert NeighborIndex(points, 1.0).net(np.array([3, 2, 1])).tolist() == [3, 2]
    assert NeighborIndex(points, 1.0).net(np.empty(0, np.int64)).tolist() == []


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_a_single_point(dim: int) -> None:
    point = np.full((1, dim), 3.0, np.float32)
    index = NeighborIndex(point, 0.5)
    assert (index.count(np.concatenate([point, point + 0.2, point + 2])) > 0).tolist() == [True, True, False]
    assert index.net(np.zeros(1, np.int64)).tolist() == [0]


def test_duplicates_all_count() -> None:
    index = NeighborIndex(np.ones((7, 3), np.float32), 0.1)
    assert index.count(np.ones((1, 3), np.float32)).tolist() == [7]
    assert index.net(np.arange(7)).tolist() == [0]


def test_points_on_a_line() -> None:
    points = np.arange(100, dtype=np.float32)[:, None]
    index = NeighborIndex(points, 2.5)
    assert index.count(points).tolist() == [3, 4, *[5] * 96, 4, 3]
    assert index.net(np.arange(100)).tolist() == list(range(0, 100, 3))


def test_no_queries() -> None:
    index = NeighborIndex(np.zeros((3, 2), np.float32), 1.0)
    assert index.count(np.empty((0, 2), np.float32)).shape == (0,)
    assert [len(part) for part in index.within(np.empty((0, 2), np.float32))] == [0, 0]


@pytest.mark.parametrize("far", [30.0, 1e4, 1e6, 1e12, np.inf, np.nan])
def test_queries_far_outside_have_no_neighbours(far: float) -> None:
    """Such queries once read past the end of the bucket table: a predictor may well leave the remembered world."""
    grid = np.indices((9, 5)).reshape(2, -1).T.astype(np.float32) - [4, 2]  # its axes are already the principal ones
    queries = np.array([[x, sign * far] for x in range(-4, 5) for sign in (-1, 1)])
    queries = np.concatenate([queries, queries[:, ::-1]]).astype(np.float32)
    index = NeighborIndex(grid.astype(np.float32), 0.5)
    with np.errstate(invalid="ignore"):
        assert not (index.count(queries) > 0).any()
        assert len(index.within(queries)[0]) == 0


def test_more_extent_than_buckets() -> None:
    points = np.concatenate([draw(3, 50, 2) * 1e-3, np.full((1, 2), 1e5, np.float32)])
    index = NeighborIndex(points, 1e-3)
    apart = distances(points, points)
    found = pairs_of(index, points)
    # Rotation about a centre 2000 away costs single precision its fourth digit.
    assert found >= set(map(tuple, np.argwhere(apart == 0).tolist()))
    assert (50, 50) in found
    assert all(query != 50 or point == 50 for query, point in found)


@given(
    st.integers(0, 10**6), st.integers(1, 120), st.integers(1, 6), st.sampled_from([0.01, 0.3, 4.0]), st.integers(0, 5)
)
def test_around_lacks_nobody_and_brings_few(seed: int, count: int, dim: int, radius: float, at_least: int) -> None:
    points, queries = draw(seed, count, dim), draw(seed + 1, 20, dim) * 2
    index, wanted = NeighborIndex(points, radius), min(at_least, count)
    for query, apart in zip(queries, distances(queries, points), strict=True):
        found = index.around(query, at_least)
        assert len(set(found.tolist())) == len(found) >= wanted
        limit = max(radius, np.sort(apart)[wanted - 1] if wanted else 0.0)
        assert set(found) >= set(np.flatnonzero(apart <= limit).tolist())
        assert (apart[found] <= limit + SLACK * (1 + limit)).all()


@pytest.mark.parametrize("far", [30.0, 1e4, 1e6])
def test_around_a_query_far_outside_are_the_nearest(far: float) -> None:
    line = np.arange(50, dtype=np.float32)[:, None] * np.ones(2, np.float32)
    index = NeighborIndex(line, 1.0)
    assert index.around(np.full(2, -far, np.float32), 0).tolist() == []
    assert {0, 1, 2} <= set(index.around(np.full(2, -far, np.float32), 3).tolist())
    assert {47, 48, 49} <= set(index.around(np.full(2, 49 + far, np.float32), 3).tolist())


def test_around_no_number_is_everybody() -> None:
    index = NeighborIndex(np.eye(4, dtype=np.float32), 0.1)
    assert index.around(np.full(4, np.nan, np.float32), 2).tolist() == [0, 1, 2, 3]
