"""The landmark planner on toy graphs whose critic space is the plane, against networkx."""

from __future__ import annotations

from dataclasses import replace

import networkx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planners.graph import SearchGraph
from planners.landmarks import DIRECT, NONE, LandmarkGraph, LandmarkPlanner, Path, Query, Target, attachment


def landmarks_at(
    points: np.ndarray,
    edges: np.ndarray,
    level: int = 2,
    below: np.ndarray | None = None,
    stride: int = 10,
    uphill: float = 1.0,
) -> LandmarkGraph:
    """Landmarks at [L, 2] places; [M, 2] edges cost the straight distance between their ends, ``uphill`` times up y."""
    points = np.asarray(points, np.float32)
    costs = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
    costs *= np.where(points[edges[:, 0], 1] < points[edges[:, 1], 1], uphill, 1.0)
    graph = SearchGraph.from_edges(len(points), edges[:, 0], edges[:, 1], costs)
    numbers = np.arange(len(points)) if below is None else below
    return LandmarkGraph(level, -points, points, points, points, numbers, graph, stride)


def neighbours(points: np.ndarray, longest: float, blocked=lambda a, b: False) -> np.ndarray:
    """[M, 2] edges between all places at most so far apart."""
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
    edges = np.argwhere((apart <= longest) & (apart > 0))
    return np.array([(a, b) for a, b in edges if not blocked(points[a], points[b])], int).reshape(-1, 2)


def through_wall(a: np.ndarray, b: np.ndarray) -> bool:
    """A wall at x = 0, with a gap above y = 35."""
    return a[0] * b[0] < 0 and min(a[1], b[1]) < 35


def grid(step: float, size: float = 45.0) -> np.ndarray:
    axis = np.arange(-size, size + 1, step)
    return np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)


def query(start, goal=None, landmark: int = NONE, point=None, rejected=(), levels: int = 2) -> Query:
    start = np.asarray(start, np.float32)
    if goal is not None:
        goal = np.asarray(goal, np.float32)
        target = Target(goal, goal=(goal,) * levels)
    else:
        target = Target(np.asarray(point, np.float32), landmark)
    return Query(-start, (start,) * levels, target, frozenset(rejected))


def plan(planner: LandmarkPlanner, *args, **options) -> Path:
    (path,) = planner.paths([query(*args, **options)])
    assert len(path.states) == len(path.embedding) == len(path.arrival) == len(path.landmarks) == len(path.edges) + 1
    assert path.arrival[0] == 0
    assert (np.diff(path.arrival) >= 0).all()
    return path


def reference(graph: LandmarkGraph, begins: dict[int, float], ends: dict[int, float]) -> float:
    """Cost of the best path by networkx; infinite if there is none."""
    known = graph.graph.to_networkx()
    known.add_weighted_edges_from([("start", node, cost) for node, cost in begins.items()])
    known.add_weighted_edges_from([(node, "goal", cost) for node, cost in ends.items()])
    return (
        networkx.dijkstra_path_length(known, "start", "goal") if networkx.has_path(known, "start", "goal") else np.inf
    )


def around(points: np.ndarray, place: np.ndarray, radius: float) -> dict[int, float]:
    """Landmarks within a radius, or the nearest three."""
    apart = np.linalg.norm(points - place, axis=1)
    inside = np.flatnonzero(apart <= radius)
    inside = inside if len(inside) >= 3 else np.argsort(apart)[:3]
    return {int(node): float(apart[node]) for node in inside}


@given(st.integers(0, 10**6))
def test_paths_are_the_shortest_entries_and_exits_included(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.uniform(-50, 50, (60, 2)).astype(np.float32)
    graph = landmarks_at(points, neighbours(points, 30.0))
    start, goal = rng.uniform(-50, 50, (2, 2)).astype(np.float32)
    path = plan(LandmarkPlanner(graph, attach=0.75, direct=0.0), start, goal)
    begins, ends = around(points, start, 7.5), around(points, goal, 7.5)
    best = reference(graph, begins, ends)
    assert path.final
    assert path.found == np.isfinite(best)
    if path.found:
        assert path.arrival[-1] == pytest.approx(best, rel=1e-4)
        assert path.landmarks[1] in begins
        assert path.landmarks[-2] in ends


def test_a_path_says_where_it_goes() -> None:
    # Three landmarks around either end, so that no entry is far away; the outer ones are no use.
    points = np.array([[0, 0], [20, 0], [40, 0], [60, 0], [-4, 1], [-4, -1], [65, 1], [65, -1]], float)
    graph = landmarks_at(points, neighbours(points, 20.0))
    path = plan(LandmarkPlanner(graph), [-3, 0], [64, 0])
    assert path.landmarks.tolist() == [NONE, 0, 1, 2, 3, NONE]
    assert path.arrival.tolist() == [0, 3, 23, 43, 63, 67]
    assert path.embedding[:, 0].tolist() == [-3, 0, 20, 40, 60, 64]
    assert path.states[:5, 0].tolist() == [3, 0, -20, -40, -60], "states are the level's, not the critic's"
    ends = [(int(graph.graph.sources[e]), int(graph.graph.targets[e])) for e in path.edges[1:-1]]
    assert ends == [(0, 1), (1, 2), (2, 3)]
    assert path.edges[[0, -1]].tolist() == attachment(np.array([0, 3])).tolist()
    assert path.expanded >= 4


def test_a_landmark_as_target_ends_the_path_there() -> None:
    points = grid(15)
    graph = landmarks_at(points, neighbours(points, 15.0))
    path = plan(LandmarkPlanner(graph), points[0], landmark=40, point=points[40])
    assert path.landmarks[-1] == 40
    assert not path.final
    assert path.arrival[-1] == pytest.approx(np.abs(points[40] - points[0]).sum())


def test_a_target_that_is_no_landmark_ends_near_it() -> None:
    points = grid(15)
    graph = landmarks_at(points, neighbours(points, 15.0))
    place = points[40] + [2, 1]
    path = plan(LandmarkPlanner(graph), points[0], point=place)
    assert path.landmarks[-1] == 40
    assert not path.final


@pytest.mark.parametrize(("goal", "straight"), [([8, 5], True), ([9, 5], False)])
def test_a_near_goal_is_gone_to_directly(goal: list[int], straight: bool) -> None:
    points = grid(15)
    planner = LandmarkPlanner(landmarks_at(points, neighbours(points, 15.0)))
    path = plan(planner, [0, 0], goal)
    assert (path.landmarks.tolist() == [NONE, NONE]) == straight
    assert path.final
    assert path.found
    if straight:
        assert path.arrival[-1] == pytest.approx(np.hypot(8, 5))
        assert path.expanded == 0
        assert path.edges.tolist() == [DIRECT]
        assert plan(planner, [0, 0], goal, rejected=[0]).edges.tolist() == [DIRECT]
        assert len(plan(planner, [0, 0], goal, rejected=[DIRECT]).landmarks) > 2, "once rejected, it searches"


def test_rejected_edges_are_avoided_while_there_is_another_way() -> None:
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    ring = np.stack([np.cos(angles), np.sin(angles)], 1) * 40
    graph = landmarks_at(ring, neighbours(ring, 4.5))
    planner = LandmarkPlanner(graph)
    first = plan(planner, ring[0], ring[20])
    assert {5, 10, 15} < set(first.landmarks.tolist())
    rejected = [int(first.edges[5])]
    second = plan(planner, ring[0], ring[20], rejected=rejected)
    assert second.found
    assert {25, 30, 55} < set(second.landmarks.tolist())
    assert not set(rejected) & set(second.edges.tolist())
    last = plan(planner, ring[0], ring[20], rejected=[*rejected, int(second.edges[9])])
    assert last.found, "a rejected edge is a last resort, not forbidden"
    assert last.landmarks.tolist() == first.landmarks.tolist()
    assert last.arrival[-1] == first.arrival[-1], "a penalty is no travel time"
    assert plan(planner, ring[0], ring[20]).landmarks.tolist() == first.landmarks.tolist(), "nothing is remembered"


def test_rejected_entries_and_exits_are_avoided_while_there_are_others() -> None:
    points = grid(15)
    planner = LandmarkPlanner(landmarks_at(points, neighbours(points, 15.0)))
    first = plan(planner, [-29, 0], [29, 1])
    assert (first.edges[0], first.edges[-1]) == tuple(attachment(first.landmarks[[1, -2]]))
    second = plan(planner, [-29, 0], [29, 1], rejected=first.edges[[0, -1]].tolist())
    assert second.found
    assert second.landmarks[1] != first.landmarks[1]
    assert second.landmarks[-2] != first.landmarks[-2]
    entry = np.linalg.norm(points[second.landmarks[1]] - [-29, 0])
    assert second.arrival[1] == pytest.approx(entry), "a penalty is no travel time"


def test_an_unreachable_goal_is_not_found() -> None:
    points = grid(15)
    edges = neighbours(points, 15.0, blocked=lambda a, b: a[0] < 0 <= b[0])  # one way only
    planner = LandmarkPlanner(landmarks_at(points, edges))
    there = plan(planner, [-30, 0], [30, 0])
    assert not there.found
    assert there.final
    assert plan(planner, [30, 0], [-30, 0]).found
    landmark = int(np.flatnonzero((points == [30, 0]).all(1))[0])
    nowhere = plan(planner, [-30, 0], landmark=landmark, point=[30, 0])
    assert not nowhere.found
    assert not nowhere.final
    assert nowhere.landmarks[-1] == landmark


def nested(wall: bool, attach: float = 0.6, uphill: float = 1.0) -> tuple[LandmarkPlanner, LandmarkPlanner]:
    """Levels 2 and 3 on a square: fine landmarks every 5, coarse ones every 15, and perhaps a wall."""
    fine = grid(5)
    fine = fine[fine[:, 0] != 0]
    blocked = through_wall if wall else (lambda a, b: False)
    level2 = landmarks_at(fine, neighbours(fine, 10.1, blocked), level=2, stride=10, uphill=uphill)
    coarse = np.flatnonzero((np.abs(fine) % 15 == 5).all(1))
    edges = neighbours(fine[coarse], 30.1, blocked)
    level3 = landmarks_at(fine[coarse], edges, level=3, below=coarse, stride=30)
    finer = LandmarkPlanner(level2, attach=0.75)
    return LandmarkPlanner(level3, finer, attach=attach), finer


def test_below_numbers_landmarks_of_the_level_below() -> None:
    coarser, finer = nested(wall=False)
    for number in range(len(coarser.landmarks.below)):
        below = coarser.below(number)
        assert finer.landmarks.observations[below].tolist() == coarser.landmarks.observations[number].tolist()
    assert coarser.below(NONE) == NONE
    assert finer.below(0) == NONE


@pytest.mark.parametrize("leaving", [False, True])
def test_entries_of_an_upper_level_are_found_by_the_level_below(leaving: bool) -> None:
    coarser, finer = nested(wall=True, uphill=1.5)
    place = np.array([-4, -3], np.float32)
    nodes, costs, expanded = coarser.entries((place,) * 3, leaving)
    points = coarser.landmarks.observations[nodes]
    assert (points[:, 0] < 0).all(), "nothing behind the wall, however near"
    assert np.linalg.norm(coarser.landmarks.observations - place, axis=1).min() < costs.max() + 10
    begins = around(finer.landmarks.observations, place, 7.5)
    for node, cost in zip(nodes, costs, strict=True):
        below = coarser.below(int(node))
        ends = ({below: 0.0}, begins) if leaving else (begins, {below: 0.0})
        expected = reference(finer.landmarks, *ends)
        assert cost == pytest.approx(expected, rel=1e-5)
        assert cost <= 0.6 * 30
    assert expanded > 0


def test_the_way_round_a_wall_is_not_taken_for_straight() -> None:
    start, goal = [-4, -40], [6, -40]
    free, _ = nested(wall=False)
    walled, _ = nested(wall=True)
    assert plan(free, start, goal, levels=3).arrival[-1] < 20
    # The goal is 10 away, well within a stride, but around the wall it is 150.
    path = plan(LandmarkPlanner(walled.landmarks, walled.finer, direct=0.0), start, goal, levels=3)
    assert path.found
    assert path.arrival[-1] > 140
    assert path.embedding[:, 1].max() > 30


def test_entries_widen_until_there_are_any() -> None:
    """Nothing is within 3 steps; the third nearest by a straight line would be behind the wall."""
    coarser, _ = nested(wall=True, attach=0.1)
    nodes, costs, _ = coarser.entries((np.array([-2, -12], np.float32),) * 3)
    assert len(nodes) > 0
    assert (coarser.landmarks.observations[nodes, 0] < 0).all()
    assert ((costs > 3) & (costs <= 24)).all()


def test_a_batch_is_as_good_as_one_by_one() -> None:
    coarser, _ = nested(wall=True)
    rng = np.random.default_rng(0)
    queries = [query(*rng.uniform(-45, 45, (2, 2)), levels=3) for _ in range(10)]
    for one, path in zip(queries, coarser.paths(queries), strict=True):
        (alone,) = coarser.paths([one])
        assert alone.landmarks.tolist() == path.landmarks.tolist()
        assert alone.arrival.tolist() == path.arrival.tolist()


@given(st.integers(0, 10**6), st.sampled_from([1, 3, 40]), st.sampled_from([0.01, 0.5, 3.0]))
def test_entries_equal_a_comparison_with_every_landmark(seed: int, count: int, attach: float) -> None:
    rng = np.random.default_rng(seed)
    points = rng.uniform(-50, 50, (count, 2)).astype(np.float32)
    planner = LandmarkPlanner(landmarks_at(points, np.empty((0, 2), int)), attach=attach)
    for place in rng.uniform(-80, 80, (10, 2)).astype(np.float32):
        nodes, costs, _ = planner.entries((place, place))
        squared = np.square(points - place).sum(1)
        order = np.argsort(squared)
        expected = order[: max(min(3, count), (squared <= (10 * attach) ** 2).sum())]
        assert nodes.tolist() == expected.tolist()
        assert np.array_equal(costs, np.sqrt(squared[expected]))


def test_tolls_turn_the_way_but_are_no_time() -> None:
    """Two ways of the same length; the lower one is dear."""
    points = np.array([[0, 0], [30, -20], [60, 0], [30, 20], [-4, 1], [-4, -1], [65, 1], [65, -1]], float)
    free = landmarks_at(points, np.array([[0, 1], [1, 2], [0, 3], [3, 2]]))
    times = free.graph.costs
    tolls = np.where(free.graph.edge_numbers([0, 1], [1, 2])[:, None] == np.arange(4), 7, 0).sum(0).astype(np.float32)
    dear = replace(free, graph=replace(free.graph, costs=times + tolls), tolls=tolls)
    path = plan(LandmarkPlanner(dear), [-3, 0], [64, 0])
    assert path.landmarks.tolist() == [NONE, 0, 3, 2, NONE]
    assert path.surcharges["zones"].tolist() == [0, 0, 0, 0]
    forced = plan(LandmarkPlanner(dear), [-3, 0], [64, 0], rejected=dear.graph.edge_numbers([0], [3]).tolist())
    assert forced.landmarks.tolist() == [NONE, 0, 1, 2, NONE]
    assert forced.surcharges["zones"].tolist() == [0, 7, 7, 0]
    assert forced.arrival.tolist() == path.arrival.tolist(), "arrival is when, not how dear"


def test_what_is_paid_for_a_way_that_was_rejected() -> None:
    points = np.array([[0, 0], [20, 0], [40, 0], [-4, 1], [-4, -1], [45, 1], [45, -1]], float)
    graph = landmarks_at(points, neighbours(points[:3], 20.0))
    edge = int(graph.graph.edge_numbers([0], [1])[0])
    path = plan(LandmarkPlanner(graph, penalty=500.0), [-3, 0], [44, 0], rejected=[edge, attachment(np.array([2]))[0]])
    assert path.surcharges["rejected"].tolist() == [0, 500, 0, 500], "there is no other"


def test_where_the_search_came_from() -> None:
    points = grid(10.0)
    path = plan(LandmarkPlanner(landmarks_at(points, neighbours(points, 15.0, through_wall))), [-40, 0], [40, 0])
    begun = path.came_from < 0
    assert len(path.came_from) == len(path.order) > 10 and begun[0] and not begun.all()
    assert (path.came_from < np.arange(len(path.order))).all()
    apart = np.linalg.norm(points[path.order[~begun]] - points[path.order[path.came_from[~begun]]], axis=1)
    assert (apart <= 15).all()


def test_a_dear_entry_is_better_than_one_behind_a_wall() -> None:
    """Where tolls make the way to the first coarse landmark long, it is still looked for by the way, not by eye."""
    fine = np.array([[0, 0], [10, 0], [20, 0], [30, 0], [40, 0], [0, 35]], float)  # nothing leads to the last one
    finer = landmarks_at(fine, neighbours(fine, 10.0))
    tolls = np.full(finer.graph.num_edges, 5000.0, np.float32)
    finer = replace(finer, graph=replace(finer.graph, costs=finer.graph.costs + tolls), tolls=tolls)
    numbers = np.array([4, 5])
    coarse = landmarks_at(fine[numbers], np.array([[0, 1], [1, 0]]), level=3, below=numbers, stride=30)
    coarse = replace(coarse, tolls=np.zeros(2, np.float32))
    entries, costs, _ = LandmarkPlanner(coarse, LandmarkPlanner(finer)).entries((np.zeros(2, np.float32),) * 3)
    assert entries.tolist() == [0] and costs[0] > 10_000
