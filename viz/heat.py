"""A cost sampled over a map, for a heat map: numbers only, so that whatever draws can share them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worlds.compiled import RADIUS
from worlds.maps import CELL_SIZE, WALL

Array = NDArray[Any]
CostToGo = Callable[[NDArray[np.float64]], Any]


class FigureError(ValueError):
    """A picture can't be drawn from what was passed."""


@dataclass(frozen=True)
class HeatMap:
    """Cost-to-go sampled over a map.

    Attributes:
        x: [w] sample positions; world units.
        y: [h] sample positions; world units.
        steps: [h, w] cost-to-go in world steps; NaN where unknown and deep inside walls.
    """

    x: Array
    y: Array
    steps: Array

    @property
    def far(self) -> float:
        """The largest cost-to-go, ignoring the last percent so that one outlier can't bleach the picture."""
        known = self.steps[np.isfinite(self.steps)]
        return max(float(np.quantile(known, 0.99)), 1e-6) if known.size else 1.0

    def isolines(self, most: int = 12) -> Array:
        """Evenly spaced round numbers of steps, ``most`` of them at the most."""
        decade = 10.0 ** np.floor(np.log10(self.far / most))
        spacing = next(m * decade for m in (1, 2, 5, 10, 20) if self.far / (m * decade) <= most)
        return np.arange(spacing, self.far, spacing)


@dataclass(frozen=True, eq=False)
class Samples:
    """Where a map is sampled: at points of a regular grid at which the agent's centre can be.

    Nearer to the walls no agent has ever been, and a learned cost says anything there: those samples take after their
    neighbours.

    Attributes:
        x: [w] sample positions; world units.
        y: [h] sample positions; world units.
        free: [h, w] which lie on free floor.
        within: [h, w] which of those the agent's centre can be at.
    """

    x: Array
    y: Array
    free: NDArray[np.bool_]
    within: NDArray[np.bool_]

    @classmethod
    def of(cls, cells: Array) -> Samples:
        """The samples of a [rows, columns] map; the fewer per cell, the larger it is."""
        per_cell = int(np.clip(260 // max(cells.shape), 3, 10))
        free = np.kron(cells != WALL, np.ones((per_cell, per_cell), bool))
        rows, cols = free.shape
        x, y = (((np.arange(n) + 0.5) / per_cell - 1.5) * CELL_SIZE for n in (cols, rows))
        return cls(x, y, free, _eroded(free, round(RADIUS / CELL_SIZE * per_cell)))

    @property
    def places(self) -> Array:
        """[M, 2] the positions at which the agent's centre can be; world units."""
        return np.stack(np.meshgrid(self.x, self.y), -1)[self.within]

    def spread(self, values: Array) -> HeatMap:
        """The map of [M] values, world steps, at :attr:`places`, evened out a little."""
        steps = np.full(self.free.shape, np.nan)
        steps[self.within] = np.where(np.isfinite(values), values, np.nan)
        to_the_walls = _diffused(_bleed(_bleed(steps)), self.free)
        return HeatMap(self.x, self.y, _bleed(_bleed(to_the_walls)))  # and a little under their edges


def sample_cost(cells: Array, cost_to_go: CostToGo) -> HeatMap:
    """Evaluates ``cost_to_go`` ([M, 2] world positions to [M] world steps) wherever the agent's centre can be.

    Raises:
        FigureError: if it returns anything but one number per position.
    """
    samples = Samples.of(cells)
    points = samples.places
    values = np.asarray(cost_to_go(points), dtype=float)
    if values.shape != (len(points),):
        raise FigureError(f"cost_to_go: expected [{len(points)}] steps for [{len(points)}, 2] xy, got {values.shape}")
    return samples.spread(values)


def _eroded(free: Array, reach: int) -> Array:
    """[h, w] free samples that have no other within ``reach`` samples."""
    for _ in range(reach):
        padded = np.pad(free, 1)
        rows, cols = free.shape
        free = np.all([padded[i : i + rows, j : j + cols] for i in range(3) for j in range(3)], axis=0)
    return free


def _bleed(image: Array) -> Array:
    """Gives unknown samples the mean of their known neighbours, so that colour reaches under the walls' edges."""
    padded = np.pad(image, 1, constant_values=np.nan)
    rows, cols = image.shape
    shifts = [padded[i : i + rows, j : j + cols] for i in range(3) for j in range(3)]
    count = np.sum([np.isfinite(shift) for shift in shifts], axis=0)
    total = np.sum([np.nan_to_num(shift) for shift in shifts], axis=0)
    return np.where(np.isfinite(image), image, np.where(count > 0, total / np.maximum(count, 1), np.nan))


def _diffused(image: Array, free: Array, rounds: int = 6) -> Array:
    """Evens out what is known of [h, w] free samples, a little, for calm iso-lines.

    Neighbours across a corner don't count: where walls touch at a corner, what lies behind is far away.
    """
    calm = np.where(free, image, np.nan)
    for _ in range(rounds):
        padded = np.pad(calm, 1, constant_values=np.nan)
        around = [calm, padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]]
        count = np.sum([np.isfinite(one) for one in around], axis=0)
        total = np.sum([np.nan_to_num(one) for one in around], axis=0)
        calm = np.where(np.isfinite(calm), total / np.maximum(count, 1), np.nan)
    return calm
