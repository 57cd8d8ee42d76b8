"""Neighbours within a radius, and nets of well-spread points, compiled.

Points are rotated onto their principal axes, which changes no distance, and hashed into square buckets along the
two widest ones: whatever is within a radius of a point lies in the 3 x 3 buckets around it.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
MAX_BUCKETS_PER_AXIS = 2048


class NeighborIndex:
    """Finds which of N points lie within a fixed radius.

    Args:
        points: [N, E] the points.
        radius: largest distance that a query can ask for, in the points' units.
    """

    def __init__(self, points: Floats, radius: float) -> None:
        self.radius = float(radius)
        self.centre = points.mean(0)
        spread = points - self.centre
        self.axes = np.linalg.eigh(spread.T @ spread)[1][:, ::-1].astype(np.float32)
        self.points = np.ascontiguousarray(spread @ self.axes, np.float32)
        if self.points.shape[1] < 2:
            self.points = np.pad(self.points, ((0, 0), (0, 2 - self.points.shape[1])))
        self.low = self.points[:, :2].min(0)
        extent = self.points[:, :2].max(0) - self.low
        self.side = float(max(self.radius, extent.max() / MAX_BUCKETS_PER_AXIS, 1e-9))
        self.shape = (extent / self.side).astype(np.int64) + 1
        bucket = _bucket_of(self.points, self.low, self.side, self.shape)
        self.members = np.argsort(bucket, kind="stable")
        counts = np.bincount(bucket, minlength=int(self.shape.prod()))
        self.indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])

    def covers(self, queries: Floats) -> NDArray[np.bool_]:
        """[Q] whether any point lies within the radius of each of [Q, E] queries."""
        return self.count(queries) > 0

    def count(self, queries: Floats) -> Ints:
        """[Q] how many points lie within the radius of each of [Q, E] queries."""
        return _count(self._rotate(queries), *self._tables(), self.radius)

    def within(self, queries: Floats) -> tuple[Ints, Ints]:
        """[Q, E] queries to all pairs of (query, point) within the radius: two [M] arrays of numbers."""
        rotated = self._rotate(queries)
        counts = _count(rotated, *self._tables(), self.radius)
        first = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        points = _list(rotated, first, *self._tables(), self.radius)
        return np.repeat(np.arange(len(queries)), counts), points

    def net(self, order: Ints) -> Ints:
        """Picks points in a given order, each at least a radius from all picked before; returns their numbers.

        Every point that ``order`` names ends up within a radius of a picked one.
        """
        return _net(self.points, np.ascontiguousarray(order), self.low, self.side, self.shape, self.radius)

    def _rotate(self, queries: Floats) -> Floats:
        rotated = (queries - self.centre) @ self.axes
        missing = self.points.shape[1] - rotated.shape[1]
        return np.ascontiguousarray(np.pad(rotated, ((0, 0), (0, missing))), np.float32)

    def _tables(self) -> tuple[Any, ...]:
        return self.points, self.indptr, self.members, self.low, self.side, self.shape


def _bucket_of(points: Floats, low: Floats, side: float, shape: Ints) -> Ints:
    cell = np.clip(((points[:, :2] - low) / side).astype(np.int64), 0, shape - 1)
    return cell[:, 0] * shape[1] + cell[:, 1]


@numba.njit(cache=True, inline="always")
def _span(coordinate: float, low: float, side: float, size: int) -> tuple[int, int]:  # pragma: no cover - compiled
    bucket = np.floor((coordinate - low) / side)
    if not -2.0 <= bucket <= size + 1.0:  # far outside, or not a number: no buckets
        return size, size - 1
    middle = int(bucket)
    return min(size, max(0, middle - 1)), min(size - 1, middle + 1)


@numba.njit(cache=True, inline="always")
def _squared(a: Floats, b: Floats, bound: float) -> float:  # pragma: no cover - compiled
    total = 0.0
    for d in range(len(a)):
        total += (a[d] - b[d]) ** 2
        if total > bound:
            break
    return total


@numba.njit(cache=True, parallel=True)
def _count(queries, points, indptr, members, low, side, shape, radius):  # type: ignore[no-untyped-def]  # pragma: no cover
    counts = np.zeros(len(queries), np.int64)
    bound = radius * radius
    for q in numba.prange(len(queries)):
        first_x, last_x = _span(queries[q, 0], low[0], side, shape[0])
        first_y, last_y = _span(queries[q, 1], low[1], side, shape[1])
        for x in range(first_x, last_x + 1):
            for slot in range(indptr[x * shape[1] + first_y], indptr[x * shape[1] + last_y + 1]):
                if _squared(queries[q], points[members[slot]], bound) <= bound:
                    counts[q] += 1
    return counts


@numba.njit(cache=True, parallel=True)
def _list(queries, first, points, indptr, members, low, side, shape, radius):  # type: ignore[no-untyped-def]  # pragma: no cover
    found = np.empty(first[-1], np.int64)
    bound = radius * radius
    for q in numba.prange(len(queries)):
        at = first[q]
        first_x, last_x = _span(queries[q, 0], low[0], side, shape[0])
        first_y, last_y = _span(queries[q, 1], low[1], side, shape[1])
        for x in range(first_x, last_x + 1):
            for slot in range(indptr[x * shape[1] + first_y], indptr[x * shape[1] + last_y + 1]):
                if _squared(queries[q], points[members[slot]], bound) <= bound:
                    found[at] = members[slot]
                    at += 1
    return found


@numba.njit(cache=True)
def _net(points, order, low, side, shape, radius):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    head = np.full(shape[0] * shape[1], -1, np.int64)
    behind = np.full(len(points), -1, np.int64)
    picked = np.empty(len(order), np.int64)
    count = 0
    for candidate in order:
        first_x, last_x = _span(points[candidate, 0], low[0], side, shape[0])
        first_y, last_y = _span(points[candidate, 1], low[1], side, shape[1])
        free = True
        for x in range(first_x, last_x + 1):
            for y in range(first_y, last_y + 1):
                member = head[x * shape[1] + y]
                while free and member >= 0:
                    free = _squared(points[candidate], points[member], radius * radius) >= radius * radius
                    member = behind[member]
        if free:
            x = min(max(int(np.floor((points[candidate, 0] - low[0]) / side)), 0), shape[0] - 1)
            y = min(max(int(np.floor((points[candidate, 1] - low[1]) / side)), 0), shape[1] - 1)
            behind[candidate] = head[x * shape[1] + y]
            head[x * shape[1] + y] = candidate
            picked[count] = candidate
            count += 1
    return picked[:count]
