"""A taste that is told instead of shown: painted by hand, one ground for each way of going."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch
from torch import Tensor

from hjepa.zones import PlaceCost, Zones
from scripts._tastes import EASTS, Taste
from worlds.compiled import RADIUS
from worlds.maps import CELL_SIZE

PRICE = 20.0
"""World steps that a step in a disliked place costs extra."""


def told(taste: Taste) -> PlaceCost:
    """What a person would paint who knew the taste."""
    grounds = [_painted(taste, heading) for heading in EASTS]
    return Told(tuple(grounds)) if taste.turns else grounds[0]


@final
@dataclass(frozen=True, eq=False)
class Told:
    """Costs that depend on the heading (:class:`hjepa.zones.PlaceCost`): between two grounds, a bit of both.

    Attributes:
        grounds: what is painted for whoever goes in each of the directions :data:`scripts._tastes.EASTS`.
    """

    grounds: tuple[Zones, ...]

    @property
    def empty(self) -> bool:
        """Whether nothing is painted."""
        return all(ground.empty for ground in self.grounds)

    @property
    def guarded(self) -> bool:
        """Nothing is forbidden."""
        return False

    @property
    def size(self) -> float:
        """Side of a painted cell; world units."""
        return self.grounds[0].size

    @property
    def dearest(self) -> float:
        """The highest cost; world steps per world step."""
        return max(ground.dearest for ground in self.grounds)

    def capped(self, most: float) -> Told:
        """The same with no cost above a bound."""
        return replace(self, grounds=tuple(ground.capped(most) for ground in self.grounds))

    def toll(self, observations: Tensor) -> Tensor:
        """[..., 2] places to the [...] tolls that are paid in all directions."""
        return torch.stack([ground.toll(observations) for ground in self.grounds]).amin(0)

    def along(self, ways: Tensor) -> Tensor:
        """[..., T, 2] places one after the other to their [..., T] tolls."""
        before = torch.cat([ways[..., :1, :], ways[..., :-1, :]], -2)
        after = torch.cat([ways[..., 1:, :], ways[..., -1:, :]], -2)
        heading = torch.nn.functional.normalize(after - before, dim=-1)
        shares = (heading @ ways.new_tensor(EASTS).T).clamp(min=0).square()  # of four directions: they sum to 1
        return (shares * torch.stack([ground.toll(ways) for ground in self.grounds], -1)).sum(-1)

    def clean(self, observations: Tensor) -> Tensor:
        """[..., 2] places to [...] true: nothing is forbidden."""
        return torch.ones(observations.shape[:-1], dtype=torch.bool, device=observations.device)


def _painted(taste: Taste, heading: tuple[float, float]) -> Zones:
    """The ground for one heading, a quarter of a cell at a time."""
    half = CELL_SIZE / 2
    rows, columns = (2 * size for size in taste.map.shape)
    corner = -1.5 * CELL_SIZE
    x, y = np.meshgrid(corner + half * (np.arange(columns) + 0.5), corner + half * (np.arange(rows) + 0.5))
    disliked = taste.disliked(np.stack([x, y], -1), np.array(heading))
    return Zones(PRICE * disliked.astype(np.float32), (corner, corner), half, margin=RADIUS)
