"""The compiled loops behind :mod:`planners.grid`: a best-first search over the cells of a padded grid.

Everything here runs without the interpreter lock. A cell's memory is 16 bytes and is stamped with the number of the
search, so that it is never cleared. Allowed moves are eight bits per cell, computed once: the search doesn't know
whether corners may be cut.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

ROOT2 = math.sqrt(2.0)
ROWS = (-1, 1, 0, 0, -1, -1, 1, 1)
COLUMNS = (0, 0, -1, 1, -1, 1, -1, 1)
"""Row and column of each of the eight moves; the first four are straight."""

# ``stamp`` is twice the number of the search that reached the cell, plus one once the cell is expanded.
CELL = np.dtype([("cost", np.float64), ("stamp", np.uint32), ("move", np.uint8), ("moves", np.uint8), ("pad", "u2")])
ENTRY = np.dtype([("key", np.int64), ("left", np.float32), ("cell", np.int32)])

NATURAL = (1, 2, 4, 8, 16 + 1 + 4, 32 + 1 + 8, 64 + 2 + 4, 128 + 2 + 8, 255)
"""Bits of the moves worth trying after each move, and at the start, where all neighbours are free.

After a straight move: straight on. After a diagonal: straight on, and its two components. Whatever else can be reached
from the cell before, without this one, for no more: diagonal first (jump point search's rule, Harabor and Grastien
2011, here without its jumps). With a weighted heuristic or weighted cells that doesn't hold.
"""


class Metric(NamedTuple):
    """How the search is ordered.

    The key of a cell is ``round(scale * (cost + weight * distance))``: equal sums that floating point would tell apart
    by their last bits become real ties, which are broken towards the goal. That saves the larger part of a plateau.
    """

    straight: float
    diagonal: float
    weight: float
    scale: float


@njit(cache=True, nogil=True)
def allowed_moves(free, diagonal, cut):  # type: ignore[no-untyped-def]
    """[rows + 2, columns + 2] padded free cells to [cells] bits of the moves that each may make."""
    rows, columns = free.shape
    moves = np.zeros((rows, columns), np.uint8)
    for i in range(1, rows - 1):
        for j in range(1, columns - 1):
            for k in range(8 if diagonal else 4):
                a, b = i + ROWS[k], j + COLUMNS[k]
                clear = k < 4 or cut or (free[a, j] and free[i, b])
                if free[i, j] and free[a, b] and clear:
                    moves[i, j] |= np.uint8(1 << k)
    return moves.reshape(-1)


@njit(cache=True, nogil=True, inline="always")
def _push(heap, size, key, left, cell):  # type: ignore[no-untyped-def]
    """Adds an entry to a heap of ``size`` entries, four children each (a line of the processor's cache)."""
    index = size
    while index > 0:
        above = (index - 1) >> 2
        if heap[above].key < key or (heap[above].key == key and heap[above].left <= left):
            break
        heap[index].key, heap[index].left, heap[index].cell = heap[above].key, heap[above].left, heap[above].cell
        index = above
    heap[index].key, heap[index].left, heap[index].cell = key, left, cell


@njit(cache=True, nogil=True, inline="always")
def _pop(heap, size):  # type: ignore[no-untyped-def]
    """Removes the first of ``size`` entries, whose cell the caller has read."""
    last = size - 1
    key, left, cell = heap[last].key, heap[last].left, heap[last].cell
    index, child = 0, 1
    while child < last:
        best, best_key, best_left = child, heap[child].key, heap[child].left
        for other in range(child + 1, min(child + 4, last)):
            if heap[other].key < best_key or (heap[other].key == best_key and heap[other].left < best_left):
                best, best_key, best_left = other, heap[other].key, heap[other].left
        if best_key > key or (best_key == key and best_left >= left):
            break
        heap[index].key, heap[index].left, heap[index].cell = best_key, best_left, heap[best].cell
        index, child = best, 4 * best + 1
    heap[index].key, heap[index].left, heap[index].cell = key, left, cell


@njit(cache=True, nogil=True, inline="always")
def _distance(down, across, straight, diagonal):  # type: ignore[no-untyped-def]
    """The least cost of going so many rows and columns."""
    down, across = abs(down), abs(across)
    return straight * max(down, across) + (diagonal - straight) * min(down, across)


@njit(cache=True, nogil=True)
def begin(cells, heap, start, number):  # type: ignore[no-untyped-def]
    """Makes a cell the first entry of an empty heap."""
    cells[start].cost, cells[start].stamp, cells[start].move = 0.0, np.uint32(2 * number), 8
    heap[0].key, heap[0].left, heap[0].cell = 0, np.float32(0), start


@njit(cache=True, nogil=True)
def search(cells, heap, weights, width, goal, metric, number, size, expanded, most, order):  # type: ignore[no-untyped-def]
    """A*, from where it was left; returns the goal's cost (infinite until it is reached), heap size and expansions.

    Where the cost is infinite and the heap isn't empty, the search can be gone on with.

    Args:
        cells: [C] ``CELL``, whose ``moves`` are set.
        heap: ``ENTRY``, one more than there are moves on the whole grid: each is tried at most once.
        weights: [C] cost of a unit of length in each cell, or [0] where it is one everywhere.
        width: of the padded grid.
        goal: cell.
        metric: lengths of moves, and the order.
        number: of the search, as :func:`begin` got it; never used before on these cells.
        size: of the heap: 1 after :func:`begin`.
        expanded: cells expanded so far.
        most: cells after which the search pauses.
        order: [n] takes the first n cells in the order of their expansion; empty where nobody listens.
    """
    straight, diagonal, weight, scale = metric
    opened, closed, weighted = np.uint32(2 * number), np.uint32(2 * number + 1), len(weights) > 0
    prune = not weighted and weight <= 1.0
    goal_row, goal_column, step = goal // width, goal % width, 1.0
    while size > 0 and expanded < most:
        cell = heap[0].cell
        _pop(heap, size)
        size -= 1
        if cells[cell].stamp == closed:
            continue
        cells[cell].stamp = closed
        if expanded < len(order):
            order[expanded] = cell
        expanded += 1
        cost, moves = cells[cell].cost, cells[cell].moves
        if cell == goal:
            return cost, size, expanded
        if prune and moves == 255:
            moves = np.uint8(NATURAL[cells[cell].move])
        row = cell // width
        column = cell - row * width
        for k in range(8):
            if not (moves >> k) & 1:
                continue
            there = cell + ROWS[k] * width + COLUMNS[k]
            stamp = cells[there].stamp
            if stamp == closed:
                continue
            step = 1.0 if k < 4 else ROOT2
            if weighted:
                step *= 0.5 * (weights[cell] + weights[there])
            total = cost + step
            if stamp == opened and total >= cells[there].cost:
                continue
            cells[there].cost, cells[there].stamp, cells[there].move = total, opened, k
            left = _distance(row + ROWS[k] - goal_row, column + COLUMNS[k] - goal_column, straight, diagonal)
            _push(heap, size, np.int64(scale * (total + weight * left) + 0.5), np.float32(left), there)
            size += 1
    return np.inf, size, expanded


@njit(cache=True, nogil=True)
def _expand(own, other, heap, size, weights, width, cell, target, metric, number, best, meeting):  # type: ignore[no-untyped-def]
    """Expands a cell on one side of a bidirectional search; returns the heap's size, the best cost and where it meets.

    ``best`` is the least cost of a path found so far, through the cell ``meeting``.
    """
    straight, diagonal, weight, scale = metric
    opened, closed, weighted = np.uint32(2 * number), np.uint32(2 * number + 1), len(weights) > 0
    cost, moves, row, column = own[cell].cost, own[cell].moves, cell // width, cell % width
    for k in range(8):
        there = cell + ROWS[k] * width + COLUMNS[k]
        if not (moves >> k) & 1 or own[there].stamp == closed or other[there].stamp == closed:
            continue
        step = 1.0 if k < 4 else ROOT2
        if weighted:
            step *= 0.5 * (weights[cell] + weights[there])
        total = cost + step
        if own[there].stamp == opened and total >= own[there].cost:
            continue
        own[there].cost, own[there].stamp, own[there].move = total, opened, k
        left = _distance(row + ROWS[k] - target // width, column + COLUMNS[k] - target % width, straight, diagonal)
        _push(heap, size, np.int64(scale * (total + weight * left) + 0.5), np.float32(left), there)
        size += 1
        if other[there].stamp == opened and total + other[there].cost < best:
            best, meeting = total + other[there].cost, there
    return size, best, meeting


@njit(cache=True, nogil=True)
def search_both(sides, heaps, weights, width, start, goal, metric, number, order):  # type: ignore[no-untyped-def]
    """NBA* (Pijls and Post 2009), exact for a consistent heuristic; returns cost, cells expanded, where the sides meet.

    A cell is closed once, by the side that comes first. It isn't expanded where no path through it can be better than
    the best one: by its own estimate, or by its cost and what the other side still has to spend outside of its reach.
    Arguments are those of :func:`search`, cells and heaps one from each end.
    """
    closed = np.uint32(2 * number + 1)
    ends, sizes, expanded, best, meeting = (start, goal), np.ones(2, np.int64), 0, np.inf, -1
    floors = np.zeros(2)
    for side in range(2):
        begin(sides[side], heaps[side], ends[side], number)
    if start == goal:
        return 0.0, 0, start
    # Sums that the order takes for equal are equal here too.
    same = 1.0 / metric.scale
    while sizes[0] > 0 and sizes[1] > 0:
        side = 0 if sizes[0] <= sizes[1] else 1
        own, other, heap, home = sides[side], sides[1 - side], heaps[side], ends[side]
        cell, key = heap[0].cell, heap[0].key
        if (key - 1) * same >= best - same:
            break
        _pop(heap, sizes[side])
        sizes[side] -= 1
        floors[side] = max(floors[side], (key - 1) * same)
        if own[cell].stamp == closed or other[cell].stamp == closed:
            continue
        own[cell].stamp = closed
        back = _distance(cell // width - home // width, cell % width - home % width, metric.straight, metric.diagonal)
        if own[cell].cost + floors[1 - side] - metric.weight * back >= best - same:
            continue
        if expanded < len(order):
            order[expanded] = cell
        expanded += 1
        sizes[side], best, meeting = _expand(
            own, other, heap, sizes[side], weights, width, cell, ends[1 - side], metric, number, best, meeting
        )
    return best, expanded, meeting


@njit(cache=True, nogil=True)
def trace(cells, width, goal):  # type: ignore[no-untyped-def]
    """The [n, 2] rows and columns, without the padding, from the start to a goal that was found."""
    length, cell = 1, goal
    while cells[cell].move < 8:
        cell -= ROWS[cells[cell].move] * width + COLUMNS[cells[cell].move]
        length += 1
    path, cell = np.empty((length, 2), np.int32), goal
    for index in range(length - 1, -1, -1):
        path[index, 0], path[index, 1] = cell // width - 1, cell % width - 1
        if index > 0:
            cell -= ROWS[cells[cell].move] * width + COLUMNS[cells[cell].move]
    return path


class Memory(NamedTuple):
    """Working memory of one search at a time."""

    cells: NDArray[np.void]
    heap: NDArray[np.void]
