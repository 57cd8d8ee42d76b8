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
ROUNDING = 1e-5
"""By how much of a point's norm its distances may be off after the rotation in single precision; generous."""


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
        self.reach = float(np.linalg.norm(self.points, axis=1).max())
        self.shape = (extent / self.side).astype(np.int64) + 1
        bucket = _bucket_of(self.points, self.low, self.side, self.shape)
        self.members = np.argsort(bucket, kind="stable")
        counts = np.bincount(bucket, minlength=int(self.shape.prod()))
        self.indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])

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

    def around(self, query: Floats, at_least: int) -> Ints:
        """Whoever may lie within the radius of one [E] query, or be one of the ``at_least`` points nearest to it.

        The answer lacks none of them, however points are rounded; for that, it may hold a few that lie further away.
        For one query at a time: no threads are started.
        """
        (rotated,) = self._rotate(query[None])
        margin = ROUNDING * (self.reach + float(np.linalg.norm(rotated)))
        if not np.isfinite(margin):
            return np.arange(len(self.points))
        return _around(rotated, *self._tables(), self.radius, min(at_least, len(self.points)), margin)

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


@numba.njit(cache=True)
def _visit(query, points, members, numbers, squares, count, nearest):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Appends members to the candidates, and keeps the smallest squared distances in order; returns the new count."""
    for number in members:
        square = _squared(query, points[number], np.inf)
        numbers[count], squares[count] = number, square
        count += 1
        place = len(nearest) - 1
        if place < 0 or square >= nearest[place]:
            continue
        while place > 0 and nearest[place - 1] > square:
            nearest[place] = nearest[place - 1]
            place -= 1
        nearest[place] = square
    return count


@numba.njit(cache=True)
def _around(query, points, indptr, members, low, side, shape, radius, at_least, margin):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Rings of buckets, from the query outwards, until all that is left is too far away."""
    numbers, squares = np.empty(len(points), np.int64), np.empty(len(points))
    nearest, count, width = np.full(at_least, np.inf), 0, shape[1]
    x = np.int64(np.floor((query[0] - low[0]) / side))
    y = np.int64(np.floor((query[1] - low[1]) / side))
    ring = max(0, -x, x - shape[0] + 1, -y, y - width + 1)
    while True:
        first, last = max(0, y - ring), min(width - 1, y + ring)
        for row in range(max(0, x - ring), min(shape[0] - 1, x + ring) + 1):
            whole = abs(row - x) == ring
            for column in (first, last):
                if not whole and abs(column - y) != ring:
                    continue
                end = last if whole else column
                slots = members[indptr[row * width + column] : indptr[row * width + end + 1]]
                count = _visit(query, points, slots, numbers, squares, count, nearest)
                if whole or first == last:
                    break
        limit = radius if at_least == 0 else max(radius, np.sqrt(nearest[at_least - 1]))
        if ring * side >= limit + margin or count == len(points):
            break
        ring += 1
    return numbers[:count][squares[:count] <= (limit + margin) ** 2]


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
