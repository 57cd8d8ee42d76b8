"""Costs and guardrails that a person paints on the ground, and what they make of an agent's landmark graphs.

The agent learned nothing of them: they are laid over its plans while it runs, at every level. What a level predicts is
decoded to the ground first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hjepa.memory import path_costs
from planners.landmarks import LandmarkGraph

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

GUARDRAIL = 1000.0
"""World steps that a step within a guardrail counts as, where a planner needs a number: any way round is better."""
SAMPLES = 8
"""Places on an edge as long as a cell at which its toll is looked up."""


class ZoneError(ValueError):
    """Zones that make no sense; the message is one line."""


class PlaceCost(Protocol):
    """What places, and ways through them, cost on top of the time: painted (:class:`Zones`), or learned."""

    @property
    def size(self) -> float:
        """Distance over which it changes; world units."""
        ...

    @property
    def empty(self) -> bool:
        """Whether nothing costs anything."""
        ...

    @property
    def guarded(self) -> bool:
        """Whether there is a guardrail."""
        ...

    @property
    def dearest(self) -> float:
        """The highest cost that is no guardrail; world steps per world step."""
        ...

    def capped(self, most: float) -> PlaceCost:
        """The same with no cost above a bound; guardrails stay."""
        ...

    def toll(self, observations: Tensor) -> Tensor:
        """[..., O] places to the [...] extra world steps per world step spent there; differentiable."""
        ...

    def along(self, ways: Tensor) -> Tensor:
        """[..., T, O] places one after the other to [..., T] the same, where the direction of motion may matter."""
        ...

    def clean(self, observations: Tensor) -> Tensor:
        """[..., O] places to the [...] flags of those that are in no guardrail."""
        ...


@dataclass(frozen=True, eq=False)
class Zones:
    """What is painted on a grid of cells; nothing is beyond it.

    Attributes:
        cells: [rows, columns] world steps that a world step spent there costs extra; infinite for a guardrail, which
            must not be entered. Columns count along x, rows along y.
        corner: (x, y) of the outer corner of cell (0, 0), world units.
        size: side of a cell, world units.
        margin: half the width of the agent's body, world units: what it pays is the mean over the square that it
            covers, so that it feels a border before it crosses it, and which way is out.

    Raises:
        ZoneError: for costs that are negative or NaN, or a size or margin out of range.
    """

    cells: Floats
    corner: tuple[float, float]
    size: float
    margin: float = 0.5

    def __post_init__(self) -> None:
        cells = np.array(self.cells, np.float32)
        if cells.ndim != 2 or not (cells >= 0).all():
            raise ZoneError(f"cells must be [rows, columns] of costs from 0 to inf, not {_summary(cells)}")
        if not self.size > 0:
            raise ZoneError(f"size must be positive, not {self.size!r}")
        if not 0 < self.margin <= self.size / 2:
            raise ZoneError(f"margin must be above 0 and at most half a cell ({self.size / 2:g}), not {self.margin!r}")
        cells.flags.writeable = False
        object.__setattr__(self, "cells", cells)

    @property
    def empty(self) -> bool:
        """Whether nothing is painted."""
        return not self.cells.any()

    @property
    def guarded(self) -> bool:
        """Whether there is a guardrail."""
        return bool(np.isinf(self.cells).any())

    @property
    def dearest(self) -> float:
        """The highest cost that is no guardrail; world steps per world step."""
        return float(self.cells[np.isfinite(self.cells)].max(initial=0.0))

    def capped(self, most: float) -> Zones:
        """The same with no cost above a bound; guardrails stay."""
        return replace(self, cells=np.where(np.isinf(self.cells), self.cells, np.minimum(self.cells, most)))

    def toll(self, observations: Tensor) -> Tensor:
        """[..., 2] places to the [...] extra world steps per world step spent there; differentiable at borders."""
        table = torch.from_numpy(self._table).to(observations)
        column, row = self._cell(observations).unbind(-1)
        inside = self._relative(observations).frac()
        near = torch.minimum(inside, 1 - inside)
        share_x, share_y = ((0.5 - near * (0.5 * self.size / self.margin)).clamp(min=0)).unbind(-1)
        next_column, next_row = torch.where(inside < 0.5, -1, 1).unbind(-1)
        this = torch.lerp(table[row, column], table[row, column + next_column], share_x)
        other = torch.lerp(table[row + next_row, column], table[row + next_row, column + next_column], share_x)
        return torch.lerp(this, other, share_y)

    def along(self, ways: Tensor) -> Tensor:
        """[..., T, 2] places one after the other to their [..., T] tolls: what is painted costs in all directions."""
        return self.toll(ways)

    def clean(self, observations: Tensor) -> Tensor:
        """[..., 2] places to the [...] flags of those that are in no guardrail."""
        column, row = self._cell(observations).unbind(-1)
        return torch.from_numpy(self._table).to(observations)[row, column] < GUARDRAIL

    @cached_property
    def _table(self) -> Floats:
        """[rows + 4, columns + 4] finite costs, with a border of two cells that cost nothing."""
        return np.pad(np.where(np.isinf(self.cells), GUARDRAIL, self.cells), 2).astype(np.float32)

    def _relative(self, observations: Tensor) -> Tensor:
        """[..., 2] places in cells from the corner of the table; those far outside are in the middle of its border."""
        rows, columns = self.cells.shape
        places = (observations - observations.new_tensor(self.corner)) / self.size + 2
        return torch.minimum(places.nan_to_num(1.5).clamp(min=1.5), places.new_tensor([columns + 2.5, rows + 2.5]))

    def _cell(self, observations: Tensor) -> Tensor:
        """[..., 2] (column, row) in the table."""
        return self._relative(observations).long()


def priced(graphs: dict[int, LandmarkGraph], zones: PlaceCost) -> dict[int, LandmarkGraph]:
    """Landmark graphs whose edges pay the tolls on their ways, and lack those that lead into a guardrail.

    An edge of level 2 is looked up along the straight way. One of a level above takes the cheapest way through the
    graph below, which may be a detour; it goes where that costs more than the dearest zone could make of it. Edges that
    lead out of a guardrail stay: whoever is in one must be able to leave.

    Args:
        graphs: by level, from 2 up.
        zones: what places cost.
    """
    if zones.empty:
        return graphs
    result: dict[int, LandmarkGraph] = {}
    for k, landmarks in sorted(graphs.items()):
        graph = landmarks.graph
        if k == 2:
            costs = _straight_costs(landmarks, zones)
        else:
            edges = np.stack([graph.sources, graph.targets], 1).astype(np.int64)
            limit = float(graph.costs.max(initial=0.0)) * (1 + zones.dearest)
            costs = path_costs(result[k - 1].graph, landmarks.below, edges, limit)
        result[k] = _repriced(landmarks, costs)
    return result


def _straight_costs(landmarks: LandmarkGraph, zones: PlaceCost) -> Floats:
    """[E] what edges cost with the tolls along their straight ways; infinite where these enter a guardrail."""
    graph = landmarks.graph
    begin, end = (torch.from_numpy(landmarks.observations[ends]) for ends in (graph.sources, graph.targets))
    longest = float(torch.linalg.vector_norm(end - begin, dim=-1).amax()) if graph.num_edges else 0.0
    shares = torch.linspace(0, 1, 2 + int(SAMPLES * longest / zones.size))[:, None]
    places = torch.lerp(begin[:, None], end[:, None], shares)
    clean = zones.clean(places)
    entering = (clean[:, :-1] & ~clean[:, 1:]).any(1).numpy()
    costs: Floats = graph.costs * (1 + zones.along(places).mean(1).numpy())
    return np.where(entering, np.inf, costs)


def _repriced(landmarks: LandmarkGraph, costs: Floats) -> LandmarkGraph:
    """With other costs of its [E] edges, without those that are infinite."""
    gone = ~np.isfinite(costs)
    graph = landmarks.graph.without(gone)
    old, new = graph.costs, costs[~gone].astype(graph.costs.dtype)
    tolls = (new - old).clip(min=0).astype(np.float32)
    return replace(landmarks, graph=replace(graph, costs=new), tolls=tolls)


def _summary(cells: Floats) -> str:
    if cells.ndim != 2:
        return f"an array of shape {list(cells.shape)}"
    return f"{cells[~(cells >= 0)][0]}"
