"""One search after the other on a grid: what :class:`planners.grid.GridPlanner` does with a checked question."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from planners.base import Meter, Recorder
from planners.grid_kernels import Memory, Metric, begin, search, search_both, trace

_SEARCHES = 2**31 - 1  # numbers of searches that a cell's stamp can tell apart
_SLICE = 20_000  # cells between two looks at the clock: a few milliseconds
_NO_ORDER = np.empty(0, np.int64)
_SAME = 1e-9  # ratios this near to 1 are rounded sums of the same steps


@dataclass(frozen=True, eq=False)
class GridPath:
    """The answer to one problem.

    Attributes:
        found: False where no path leads from the start to the goal.
        cost: of the path; infinite where there is none.
        cells: [n, 2] row and column of each cell from the start to the goal, both included; [0, 2] where none is.
        expanded: cells expanded by the search.
        bound: the cost is at most so many times the least possible: 1 is a proof that no path is shorter (or that
            there is none), and infinity says that the search was cut off before it found one.
    """

    found: bool
    cost: float
    cells: NDArray[np.int32]
    expanded: int
    bound: float = 1.0

    @property
    def complete(self) -> bool:
        """Whether the answer is proven to be the best."""
        return self.bound == 1


@dataclass(eq=False)
class Workspace:
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


class Terrain(NamedTuple):
    """A padded grid: [C] whether one may walk in a cell, [C] prices of a unit of length (or [0]), and its width."""

    free: NDArray[np.bool_]
    prices: NDArray[np.float64]
    width: int


def solve(
    terrain: Terrain,
    workspace: Workspace,
    metric: Metric,
    bidirectional: bool,
    starts: Iterable[int],
    goals: Iterable[int],
    recorder: Recorder | None = None,
) -> list[GridPath]:
    """Plans one problem after the other in one workspace."""
    find = _from_both_ends if bidirectional else _from_the_start
    return [
        find(terrain, workspace, metric, start, goal, recorder)
        if terrain.free[start] and terrain.free[goal]
        else _nowhere(0)
        for start, goal in zip(starts, goals, strict=True)
    ]


def improve(
    terrain: Terrain,
    workspace: Workspace,
    metrics: list[Metric],
    start: int,
    goal: int,
    meter: Meter,
    recorder: Recorder | None,
) -> Iterator[GridPath]:
    """See :meth:`planners.grid.GridPlanner.improve`."""
    best = _nowhere(0, math.inf)
    if not (terrain.free[start] and terrain.free[goal]):
        yield _nowhere(0)
        return
    for metric in metrics:
        path = _from_the_start(terrain, workspace, metric, start, goal, recorder, meter)
        if not path.found:
            if not best.found:
                yield path
            return
        # What one search proves of the least cost holds for every path.
        least = max(path.cost / path.bound, best.cost / best.bound if best.found else 0.0)
        shorter = path if path.cost <= best.cost else best
        best = replace(shorter, expanded=meter.iterations, bound=_ratio(shorter.cost, least))
        yield best
        if best.complete or meter.exhausted():
            return


def frozen(array: NDArray) -> NDArray:
    """The same array, read-only."""
    array.flags.writeable = False
    return array


def _nowhere(expanded: int, bound: float = 1.0) -> GridPath:
    return GridPath(False, math.inf, frozen(np.empty((0, 2), np.int32)), expanded, bound)


def _ratio(cost: float, least: float) -> float:
    """At most how many times the least possible cost."""
    return cost / least if cost > least * (1 + _SAME) else 1.0


def _from_the_start(
    terrain: Terrain,
    workspace: Workspace,
    metric: Metric,
    start: int,
    goal: int,
    recorder: Recorder | None,
    meter: Meter | None = None,
) -> GridPath:
    """A*; with a meter, it stops when that is exhausted."""
    number, (cells, heap) = workspace.next_number(), workspace.memory
    order = _NO_ORDER if recorder is None else np.empty(len(cells), np.int64)
    begin(cells, heap, start, number)
    size, expanded, cost, cut = 1, 0, math.inf, False
    while size > 0 and math.isinf(cost) and not cut:
        before, most = expanded, len(cells) if meter is None else expanded + _room(meter)
        cost, size, expanded = search(
            cells, heap, terrain.prices, terrain.width, goal, metric, number, size, expanded, most, order
        )
        if meter is not None:
            meter.iterations += expanded - before
            meter.lap()
            cut = meter.exhausted()
    if recorder is not None:
        _tell(recorder, order[:expanded], cells["stamp"] == 2 * number, metric.weight, terrain.width)
    if math.isinf(cost):
        return _nowhere(expanded, math.inf if size > 0 else 1.0)
    least = max(cost / max(metric.weight, 1.0), _straight(start, goal, terrain.width, metric))
    return GridPath(True, cost, frozen(trace(cells, terrain.width, goal)), expanded, _ratio(cost, least))


def _from_both_ends(
    terrain: Terrain, workspace: Workspace, metric: Metric, start: int, goal: int, recorder: Recorder | None
) -> GridPath:
    assert workspace.back is not None
    number, width = workspace.next_number(), terrain.width
    sides, heaps = zip(workspace.memory, workspace.back, strict=True)
    order = _NO_ORDER if recorder is None else np.empty(len(sides[0]), np.int64)
    cost, expanded, meeting = search_both(sides, heaps, terrain.prices, width, start, goal, metric, number, order)
    if recorder is not None:
        opened = (sides[0]["stamp"] == 2 * number) | (sides[1]["stamp"] == 2 * number)
        opened[order[:expanded]] = False
        _tell(recorder, order[:expanded], opened, metric.weight, width)
    if meeting < 0:
        return _nowhere(expanded)
    path = np.concatenate([trace(sides[0], width, meeting), trace(sides[1], width, meeting)[-2::-1]])
    return GridPath(True, cost, frozen(path), expanded)


def _room(meter: Meter) -> int:
    """Cells to expand before the next look at the budget."""
    most = meter.budget.iterations
    return _SLICE if most is None else min(_SLICE, most - meter.iterations)


def _straight(start: int, goal: int, width: int, metric: Metric) -> float:
    """The least that a path between two cells can cost."""
    down, across = abs(start // width - goal // width), abs(start % width - goal % width)
    return metric.straight * max(down, across) + (metric.diagonal - metric.straight) * min(down, across)


def _tell(recorder: Recorder, order: NDArray[np.int64], opened: NDArray[np.bool_], weight: float, width: int) -> None:
    """Records the cells of a search as rows and columns without the padding."""
    cells, frontier = (np.stack(np.divmod(part, width), -1) - 1 for part in (order, np.flatnonzero(opened)))
    recorder.record("expansion", cells=cells, frontier=frontier, weight=weight)
