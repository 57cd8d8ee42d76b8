"""Exact shortest paths on grids: A*, Dijkstra and weighted A*, compiled.

A cell is (row, column), counted from the top left. A straight move is 1 long and a diagonal one √2; through cells with
weights a move costs its length times the mean weight of its two cells, the same in both directions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planners.grid_kernels import CELL, ENTRY, ROOT2, Memory, Metric, allowed_moves, search, search_both, trace

Moves = Literal["octile", "cut-corners", "four"]
"""Diagonals only where both orthogonal neighbours are free (as in the MovingAI benchmark), any diagonal, or none."""

_SEARCHES = 2**31 - 1  # numbers of searches that a cell's stamp can tell apart
_TIE = 2.0**30  # sums that differ by less than the inverse of this are the same sum, rounded differently


class GridError(ValueError):
    """A grid, or a question to it, that makes no sense; the message names the argument."""


@dataclass(frozen=True, eq=False)
class GridPath:
    """The answer to one problem.

    Attributes:
        found: False where no path leads from the start to the goal.
        cost: of the path; infinite where there is none.
        cells: [n, 2] row and column of each cell from the start to the goal, both included; [0, 2] where none is.
        expanded: cells expanded by the search.
    """

    found: bool
    cost: float
    cells: NDArray[np.int32]
    expanded: int


@dataclass(eq=False)
class _Workspace:
    """Working memory, that of the other end for a bidirectional search, and the number of the last search in it."""

    memory: Memory
    back: Memory | None = None
    number: int = 0

    def next_number(self) -> int:
        """A number that no search in this memory has had, or the first one after clearing it."""
        if self.number == _SEARCHES:
            for memory in filter(None, (self.memory, self.back)):
                memory.cells["stamp"] = 0
            self.number = 0
        self.number += 1
        return self.number


class GridPlanner:
    """Plans on one grid, as often as asked; a search pays only for the cells that it touches.

    Not for several threads at once: :meth:`plan_many` has threads of its own.

    Attributes:
        free: [rows, columns] read-only bool, where one may walk.
        weights: [rows, columns] read-only cost of a unit of length in each cell; None is 1 everywhere.
        moves: which moves there are.

    >>> path = GridPlanner([[1, 1, 1], [1, 0, 1]]).plan((1, 0), (1, 2))
    >>> path.cost, path.cells.tolist()
    (4.0, [[1, 0], [0, 0], [0, 1], [0, 2], [1, 2]])
    """

    def __init__(self, free: ArrayLike, weights: ArrayLike | None = None, moves: Moves = "octile") -> None:
        """Copies the arguments (later edits of them change nothing) and finds every cell's moves.

        Raises:
            GridError: if a shape, a weight or the name of the moves is wrong.
        """
        if moves not in get_args(Moves):
            raise GridError(f"moves: unknown {moves!r}, expected one of {', '.join(get_args(Moves))}")
        self.moves = moves
        self.free = _frozen(_checked_cells(free))
        self.weights = None if weights is None else _frozen(_checked_weights(weights, self.free))
        padded = np.pad(self.free, 1)
        self._open = padded.reshape(-1)
        self._bits = allowed_moves(padded, moves != "four", moves == "cut-corners")
        self._prices, self._cheapest, self._dearest = np.empty(0), 1.0, 1.0
        if self.weights is not None and self.free.any():
            self._prices = np.pad(self.weights, 1, constant_values=1.0).reshape(-1)
            walked = self.weights[self.free]
            self._cheapest, self._dearest = float(walked.min()), float(walked.max())
        self._workspaces: list[_Workspace] = []

    def plan(self, start: ArrayLike, goal: ArrayLike, weight: float = 1.0, bidirectional: bool = False) -> GridPath:
        """The path from one cell to another.

        Args:
            start: row and column.
            goal: row and column.
            weight: of the heuristic. 1 is A*, 0 is Dijkstra; both are exact. Above 1 the path costs at most ``weight``
                times the least possible (weighted A*, Pohl 1970), and fewer cells are expanded.
            bidirectional: search from both ends (NBA*, Pijls and Post 2009). Exact, hence with a weight of at most 1.

        Raises:
            GridError: for a cell outside the grid, or a weight that is negative, not finite or too large.
        """
        return self.plan_many(np.asarray(start)[None], np.asarray(goal)[None], weight, bidirectional)[0]

    def plan_many(
        self,
        starts: ArrayLike,
        goals: ArrayLike,
        weight: float = 1.0,
        bidirectional: bool = False,
        threads: int = 1,
    ) -> list[GridPath]:
        """As :meth:`plan`, for [B, 2] starts and [B, 2] goals; the answers don't depend on the number of threads."""
        begin, end = self._cells("starts", starts), self._cells("goals", goals)
        if len(begin) != len(end):
            raise GridError(f"goals: expected as many as starts, {len(begin)}, not {len(end)}")
        if bidirectional and weight > 1:
            raise GridError(f"weight: a bidirectional search expects at most 1, not {weight}")
        if not (math.isfinite(weight) and weight >= 0):
            raise GridError(f"weight: expected a finite number >= 0, not {weight}")
        if threads < 1:
            raise GridError(f"threads: expected at least 1, not {threads}")
        metric = self._metric(weight)
        threads = max(1, min(threads, len(begin)))
        while len(self._workspaces) < threads:
            self._workspaces.append(_Workspace(self._memory()))
        for workspace in self._workspaces[:threads] if bidirectional else ():
            workspace.back = workspace.back or self._memory()
        if threads == 1:
            return _solve(self, self._workspaces[0], metric, bidirectional, begin, end)
        with ThreadPoolExecutor(threads) as pool:
            parts = [
                pool.submit(
                    _solve,
                    self,
                    self._workspaces[index],
                    metric,
                    bidirectional,
                    begin[index::threads],
                    end[index::threads],
                )
                for index in range(threads)
            ]
            return _interleave([part.result() for part in parts], len(begin))

    def _cells(self, name: str, cells: ArrayLike) -> NDArray[np.int64]:
        """[B] numbers of [B, 2] rows and columns on the padded grid."""
        points = np.asarray(cells)
        if points.size == 0:
            return np.empty(0, np.int64)
        if points.ndim != 2 or points.shape[1] != 2 or not np.issubdtype(points.dtype, np.integer):
            raise GridError(f"{name}: expected [B, 2] integers, not {points.dtype} of shape {points.shape}")
        outside = ((points < 0) | (points >= self.free.shape)).any(axis=1)
        if outside.any():
            cell, size = tuple(points[outside][0].tolist()), " x ".join(map(str, self.free.shape))
            raise GridError(f"{name}: cell {cell} is outside the grid of {size} rows and columns")
        return (points[:, 0].astype(np.int64) + 1) * (self.free.shape[1] + 2) + points[:, 1] + 1

    def _metric(self, weight: float) -> Metric:
        """The heuristic's lengths (every cell as cheap as the cheapest), and the order's resolution."""
        low = self._cheapest
        longest = ROOT2 * self._dearest * self.free.size * (1 + weight)
        scale = min(_TIE / low, 2.0**62 / longest)  # the largest key must fit into 63 bits
        return Metric(low, low * (2.0 if self.moves == "four" else ROOT2), weight, scale)

    def _memory(self) -> Memory:
        cells = np.zeros(len(self._bits), CELL)
        cells["moves"] = self._bits
        moves = int(np.bitwise_count(self._bits).sum())
        return Memory(cells, np.empty(moves + 1, ENTRY))


def path_cost(cells: ArrayLike, weights: ArrayLike | None = None) -> float:
    """What walking along [n, 2] neighbouring cells costs."""
    path = np.asarray(cells)
    lengths = np.where(np.abs(np.diff(path, axis=0)).sum(axis=1) == 2, ROOT2, 1.0)
    if weights is not None:
        price = np.asarray(weights, float)[path[:, 0], path[:, 1]]
        lengths = lengths * 0.5 * (price[1:] + price[:-1])
    return float(lengths.sum())


def _solve(
    planner: GridPlanner,
    workspace: _Workspace,
    metric: Metric,
    bidirectional: bool,
    starts: Iterable[int],
    goals: Iterable[int],
) -> list[GridPath]:
    """Plans one problem after the other in one workspace."""
    find = _from_both_ends if bidirectional else _from_the_start
    nowhere = GridPath(False, math.inf, _frozen(np.empty((0, 2), np.int32)), 0)
    free = planner._open
    return [
        find(planner, workspace, metric, start, goal) if free[start] and free[goal] else nowhere
        for start, goal in zip(starts, goals, strict=True)
    ]


def _from_the_start(planner: GridPlanner, workspace: _Workspace, metric: Metric, start: int, goal: int) -> GridPath:
    number, width, (cells, heap) = workspace.next_number(), planner.free.shape[1] + 2, workspace.memory
    cost, expanded = search(cells, heap, planner._prices, width, start, goal, metric, number)
    found = math.isfinite(cost)
    path = trace(cells, width, goal) if found else np.empty((0, 2), np.int32)
    return GridPath(found, cost, _frozen(path), expanded)


def _from_both_ends(planner: GridPlanner, workspace: _Workspace, metric: Metric, start: int, goal: int) -> GridPath:
    assert workspace.back is not None
    number, width = workspace.next_number(), planner.free.shape[1] + 2
    sides, heaps = zip(workspace.memory, workspace.back, strict=True)
    cost, expanded, meeting = search_both(sides, heaps, planner._prices, width, start, goal, metric, number)
    if meeting < 0:
        return GridPath(False, math.inf, _frozen(np.empty((0, 2), np.int32)), expanded)
    path = np.concatenate([trace(sides[0], width, meeting), trace(sides[1], width, meeting)[-2::-1]])
    return GridPath(True, cost, _frozen(path), expanded)


def _interleave(parts: list[list[GridPath]], total: int) -> list[GridPath]:
    """Puts what every so-many-th problem gave back into the problems' order."""
    return [parts[index % len(parts)][index // len(parts)] for index in range(total)]


def _checked_cells(free: ArrayLike) -> NDArray[np.bool_]:
    cells = np.array(free)
    if cells.ndim != 2 or cells.size == 0 or cells.size >= 2**30:
        raise GridError(f"free: expected [rows, columns] with 1 to 2^30 cells, not shape {cells.shape}")
    return cells.astype(bool)


def _checked_weights(weights: ArrayLike, free: NDArray[np.bool_]) -> NDArray[np.float64]:
    values = np.array(weights, np.float64)
    if values.shape != free.shape:
        raise GridError(f"weights: expected shape {free.shape}, that of the cells, not {values.shape}")
    if not (np.isfinite(values) & (values > 0))[free].all():
        raise GridError("weights: expected finite numbers > 0 in all free cells")
    return values


def _frozen(array: NDArray) -> NDArray:
    array.flags.writeable = False
    return array
