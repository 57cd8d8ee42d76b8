"""Exact shortest paths on grids: A*, Dijkstra, weighted and anytime A*, compiled.

A cell is (row, column), counted from the top left. A straight move is 1 long and a diagonal one √2; through cells with
weights a move costs its length times the mean weight of its two cells, the same in both directions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planners.base import Budget, Recorder
from planners.grid_kernels import CELL, ENTRY, ROOT2, Memory, Metric, allowed_moves
from planners.grid_search import GridPath, Terrain, Workspace, frozen, improve, solve

Moves = Literal["octile", "cut-corners", "four"]
"""Diagonals only where both orthogonal neighbours are free (as in the MovingAI benchmark), any diagonal, or none."""

_TIE = 2.0**30  # sums that differ by less than the inverse of this are the same sum, rounded differently


class GridError(ValueError):
    """A grid, or a question to it, that makes no sense; the message names the argument."""


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
        self.free = frozen(_checked_cells(free))
        self.weights = None if weights is None else frozen(_checked_weights(weights, self.free))
        padded = np.pad(self.free, 1)
        self._bits = allowed_moves(padded, moves != "four", moves == "cut-corners")
        prices, self._cheapest, self._dearest = np.empty(0), 1.0, 1.0
        if self.weights is not None and self.free.any():
            prices = np.pad(self.weights, 1, constant_values=1.0).reshape(-1)
            walked = self.weights[self.free]
            self._cheapest, self._dearest = float(walked.min()), float(walked.max())
        self._terrain = Terrain(padded.reshape(-1), prices, padded.shape[1])
        self._workspaces: list[Workspace] = []

    def plan(
        self,
        start: ArrayLike,
        goal: ArrayLike,
        weight: float = 1.0,
        bidirectional: bool = False,
        recorder: Recorder | None = None,
    ) -> GridPath:
        """The path from one cell to another.

        Args:
            start: row and column.
            goal: row and column.
            weight: of the heuristic. 1 is A*, 0 is Dijkstra; both are exact. Above 1 the path costs at most ``weight``
                times the least possible (weighted A*, Pohl 1970), and fewer cells are expanded.
            bidirectional: search from both ends (NBA*, Pijls and Post 2009). Exact, hence with a weight of at most 1.
            recorder: receives one ``expansion``: the ``cells`` [n, 2] in the order of their expansion, the ``frontier``
                [m, 2] of cells that were reached and not expanded, and the ``weight``.

        Raises:
            GridError: for a cell outside the grid, or a weight that is negative, not finite or too large.
        """
        begins, ends = self._cells("starts", np.asarray(start)[None]), self._cells("goals", np.asarray(goal)[None])
        metric = self._metric(weight, bidirectional)
        (workspace,) = self._prepared(1, bidirectional)
        return solve(self._terrain, workspace, metric, bidirectional, begins, ends, recorder)[0]

    def improve(
        self,
        start: ArrayLike,
        goal: ArrayLike,
        weights: Sequence[float] = (5.0, 2.0, 1.5, 1.2, 1.0),
        *,
        budget: Budget = Budget(),
        recorder: Recorder | None = None,
    ) -> Iterator[GridPath]:
        """Anytime A*: a first path soon, then better ones, until the best is proven or the budget is used up.

        One weighted search after the other, each from scratch (restarting weighted A*, Richter, Thayer and Ruml 2010).

        Args:
            start: row and column.
            goal: row and column.
            weights: of the heuristic, descending.
            budget: bounds seconds and iterations, which are cells expanded by all searches together.
            recorder: receives one ``expansion`` per search, as that of :meth:`plan`.

        Yields:
            After every search the cheapest path so far, with a ``bound`` that only decreases and ``expanded`` so far;
            at least one answer, which is not found and has an infinite bound if the budget didn't suffice.

        Raises:
            GridError: as :meth:`plan`, or for weights that don't descend.
        """
        if not weights or any(not second < first for first, second in zip(weights, weights[1:], strict=False)):
            raise GridError(f"weights: expected descending numbers, not {tuple(weights)}")
        begins, ends = self._cells("starts", np.asarray(start)[None]), self._cells("goals", np.asarray(goal)[None])
        metrics = [self._metric(weight) for weight in weights]
        self.plan(start, start)  # compiles, which is no part of the budget
        (workspace,) = self._prepared(1, bidirectional=False)
        return improve(self._terrain, workspace, metrics, int(begins[0]), int(ends[0]), budget.meter(), recorder)

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
        if threads < 1:
            raise GridError(f"threads: expected at least 1, not {threads}")
        metric = self._metric(weight, bidirectional)
        threads = max(1, min(threads, len(begin)))
        workspaces = self._prepared(threads, bidirectional)
        if threads == 1:
            return solve(self._terrain, workspaces[0], metric, bidirectional, begin, end)
        with ThreadPoolExecutor(threads) as pool:
            parts = [
                pool.submit(
                    solve,
                    self._terrain,
                    workspaces[index],
                    metric,
                    bidirectional,
                    begin[index::threads],
                    end[index::threads],
                )  # fmt: skip
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

    def _metric(self, weight: float, bidirectional: bool = False) -> Metric:
        """The heuristic's lengths (every cell as cheap as the cheapest), and the order's resolution."""
        if bidirectional and weight > 1:
            raise GridError(f"weight: a bidirectional search expects at most 1, not {weight}")
        if not (math.isfinite(weight) and weight >= 0):
            raise GridError(f"weight: expected a finite number >= 0, not {weight}")
        low = self._cheapest
        longest = ROOT2 * self._dearest * self.free.size * (1 + weight)
        scale = min(_TIE / low, 2.0**62 / longest)  # the largest key must fit into 63 bits
        return Metric(low, low * (2.0 if self.moves == "four" else ROOT2), weight, scale)

    def _prepared(self, count: int, bidirectional: bool) -> list[Workspace]:
        """So many workspaces."""
        while len(self._workspaces) < count:
            self._workspaces.append(Workspace(self._memory()))
        for workspace in self._workspaces[:count] if bidirectional else ():
            workspace.back = workspace.back or self._memory()
        return self._workspaces[:count]

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
