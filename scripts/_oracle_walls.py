"""The true walls of layouts, by the pixels of their pictures: what planned edges are judged by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import max_pool2d

from planners.grid import GridPlanner
from worlds.raster import FLOOR_COLOUR, WALL_COLOUR, Raster

SAMPLES = 64
"""Points of a straight line that are looked at."""


@dataclass(frozen=True, eq=False)
class TrueWalls:
    """Where a raster's layouts have walls.

    Attributes:
        solid: [M, H, W] pixels of wall.
        deep: [M, H, W] pixels of wall that are a pixel away from the floor: who is in one is no rounding error.
        raster: where places are in the picture.
    """

    solid: Tensor
    deep: Tensor
    raster: Raster

    @classmethod
    def of(cls, raster: Raster) -> TrueWalls:
        """Read from the pictures of the layouts."""
        wall, floor = (
            (raster.backgrounds[:, :3].float() - torch.tensor(colour, dtype=torch.float32).view(3, 1, 1)).norm(dim=1)
            for colour in (WALL_COLOUR, FLOOR_COLOUR)
        )
        solid = wall < floor
        return cls(solid, ~max_pool2d((~solid).float().unsqueeze(1), 3, 1, 1)[:, 0].bool(), raster)

    def crosses(self, maps: Tensor, starts: Tensor, ends: Tensor) -> Tensor:
        """[N] whether the straight lines between [N, 2] places in layouts [N] go through a wall; world units."""
        shares = torch.linspace(0, 1, SAMPLES).view(-1, 1)
        line = self.raster.pixels(starts.unsqueeze(1) + shares * (ends - starts).unsqueeze(1))
        x, y = self._inside(line)
        return self.deep[maps.unsqueeze(1), y, x].any(1)

    def detour(self, map: int, start: Tensor, end: Tensor) -> float:
        """How much longer the shortest way between two [2] places is than the straight line; infinite if there is none.

        Ways go from pixel to pixel, which makes them up to 8 % longer, and begin and end on the floor nearest to the
        places.
        """
        free = ~self.solid[map].numpy()
        a, b = (_nearest(free, self.raster.pixels(place).numpy()) for place in (start, end))
        length = GridPlanner(free).plan(a, b).cost
        straight = float(np.hypot(a[0] - b[0], a[1] - b[1]))
        return float(length) / max(straight, 1.0)

    def _inside(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        height, width = self.solid.shape[1:]
        return pixels[..., 0].long().clamp(0, width - 1), pixels[..., 1].long().clamp(0, height - 1)


def _nearest(free: NDArray[np.bool_], pixel: NDArray[np.floating]) -> tuple[int, int]:
    """(row, column) of the free pixel that is nearest to (column, row)."""
    places = np.argwhere(free)
    row, column = places[np.square(places + 0.5 - pixel[::-1]).sum(1).argmin()]
    return int(row), int(column)
