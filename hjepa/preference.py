"""A preference: a learned cost of places, and of ways through them, that every level plans with.

It is a sum of bumps over level 1's critic space, where distances are world steps: some over places ("not there"), some
over motions, which are places with a heading ("not there in this direction"). :mod:`hjepa.inverse` learns one from
demonstrations. It is a :class:`hjepa.zones.PlaceCost`, like what a person paints on the ground.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hjepa.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from hjepa.world_model import WorldModel
from hjepa.zones import PlaceCost

Floats = NDArray[np.float32]

AHEAD = 0.5
"""Where a heading leads, in reaches of a bump: far enough that no bump extends to the opposite heading."""
STRIDE = 8
"""World steps of a demonstration that are looked at as one straight way: its noise is no preference."""
BLOCK = 16_384
"""Places embedded at once."""


class PreferenceError(ValueError):
    """Demonstrations from which nothing can be learned, or a preference that fits no agent; the message is one line."""


@final
@dataclass(frozen=True, eq=False)
class Bumps:
    """A sum of compactly supported bumps (Wendland, 1995): where nothing was learned, it is exactly zero.

    Attributes:
        centres: [C, E] where they are.
        weights: [C] their heights, 0 or more; world steps per world step.
        reach: of a bump, world steps.
    """

    centres: Tensor
    weights: Tensor
    reach: float

    def __len__(self) -> int:
        return len(self.weights)

    def __call__(self, points: Tensor) -> Tensor:
        """[..., E] points to their [...] sums; differentiable."""
        return self.heights(points) @ self.weights

    def heights(self, points: Tensor) -> Tensor:
        """[..., E] points to the [..., C] heights of Wendland's C2 bumps there: 1 at a centre, 0 from ``reach`` on."""
        return wendland(torch.cdist(points, self.centres) / self.reach)

    def chosen(self, which: Tensor) -> Bumps:
        """Those of some numbers, or [C] flags."""
        return replace(self, centres=self.centres[which], weights=self.weights[which])


@final
@dataclass(frozen=True, eq=False)
class Preference:
    """What is paid for being somewhere, and for going through there in some direction.

    Attributes:
        stack: whose level 1 embeds places.
        places: [C, E] bumps over level 1's critic space.
        motions: [M, 2 E] bumps over places and headings; see :func:`in_motion`.
        size: reach of a bump in the units of observations: the distance over which the cost changes.
        most: bound of the cost; world steps per world step.
    """

    stack: WorldModel
    places: Bumps
    motions: Bumps
    size: float
    most: float = 30.0

    @property
    def empty(self) -> bool:
        """Whether nothing was learned."""
        return not len(self.places) + len(self.motions)

    @property
    def guarded(self) -> bool:
        """A preference forbids nothing."""
        return False

    @cached_property
    def dearest(self) -> float:
        """An upper bound of the cost, and as a rule the cost of the dearest motion; world steps per world step."""
        tops = [float(bumps(bumps.centres).amax()) for bumps in (self.places, self.motions) if len(bumps)]
        return min(self.most, sum(tops))

    def capped(self, most: float) -> Preference:
        """The same with no cost above a bound."""
        return replace(self, most=min(most, self.most))

    def toll(self, observations: Tensor) -> Tensor:
        """[..., O] places to the [...] extra world steps per world step there, in whatever direction; differentiable.

        What only some directions cost is not in it.
        """
        return self.places(embed(self.stack, observations)).clamp(max=self.most)

    def along(self, ways: Tensor) -> Tensor:
        """[..., T, O] places one after the other to their [..., T] tolls, directions included; differentiable."""
        return self._along(embed(self.stack, ways))

    def clean(self, observations: Tensor) -> Tensor:
        """[..., O] places to [...] true: a preference forbids nothing."""
        return torch.ones(observations.shape[:-1], dtype=torch.bool, device=observations.device)

    @torch.no_grad()
    def energy(self, trajectory: Floats) -> float:
        """Of a [T, O] observed or planned trajectory: its time and what it pays on the way, world steps."""
        points = embed(self.stack, paced(self.stack, trajectory))
        return len(points) + float(self._along(points).sum())

    def save(self, folder: str | Path) -> None:
        """Writes the preference as a checkpoint; it belongs to the agent that learned it."""
        kinds = {"places": self.places, "motions": self.motions}
        tensors = {name: {"centres": bumps.centres, "weights": bumps.weights} for name, bumps in kinds.items()}
        reach = {name: bumps.reach for name, bumps in kinds.items()}
        save_checkpoint(
            folder, tensors, {"kind": "preference", "reach": reach, "size": self.size, "most": float(self.most)}
        )

    @classmethod
    def load(cls, folder: str | Path, stack: WorldModel) -> Preference:
        """Reads a preference for the agent with this stack, which must be the one that learned it.

        Raises:
            CheckpointError: where the folder holds none, or a damaged one.
            PreferenceError: for a stack whose critic space has another size.
        """
        tensors, meta = load_checkpoint(folder)
        if meta.get("kind") != "preference":
            raise CheckpointError(f"{folder}: this is a {meta.get('kind', 'training')!r} checkpoint, not a preference")
        places, motions = (Bumps(**tensors[name], reach=meta["reach"][name]) for name in ("places", "motions"))
        size = embed(stack, torch.zeros(1, stack.config.observation_dim)).shape[-1]
        if places.centres.shape[1] != size:
            raise PreferenceError(
                f"{folder}: learned in a critic space of {places.centres.shape[1]}, but this agent's has {size}"
            )
        return cls(stack, places, motions, meta["size"], meta["most"])

    def _along(self, points: Tensor) -> Tensor:
        """[..., T, E] points in level 1's critic space, one after the other, to their [..., T] tolls."""
        cost = self.places(points)
        if len(self.motions):
            cost = cost + self.motions(in_motion(points, self.motions.reach))
        return cost.clamp(max=self.most)


def wendland(apart: Tensor) -> Tensor:
    """[...] distances in reaches to the [...] heights of Wendland's C2 bump: 1 at its centre, 0 from its reach on."""
    return (1 - apart).clamp(min=0).square().square() * (4 * apart + 1)


def in_motion(points: Tensor, reach: float) -> Tensor:
    """[..., T, E] points, one after the other, to the [..., T, 2 E] motions there: the place, and where it heads for.

    The heading is the direction from the point before to the one after, as a vector of :data:`AHEAD` reaches; whoever
    hardly moves has a shorter one.
    """
    before = torch.cat([points[..., :1, :], points[..., :-1, :]], -2)
    after = torch.cat([points[..., 1:, :], points[..., -1:, :]], -2)
    change = after - before
    length = change.square().sum(-1, keepdim=True).clamp(min=0.25).sqrt()
    return torch.cat([points, AHEAD * reach * change / length], -1)


def embed(stack: WorldModel, observations: Tensor) -> Tensor:
    """[..., O] observations to [..., E] places in level 1's critic space."""
    return stack.level(1).critic.embed(stack.encode(observations, 1))


@torch.no_grad()
def paced(stack: WorldModel, trajectory: Floats, stride: int = STRIDE) -> Tensor:
    """[T, O] a trajectory, however slowly it was gone, to [T', O] places one world step apart, as level 1 judges."""
    chosen = np.unique(np.append(np.arange(0, len(trajectory), stride), len(trajectory) - 1))
    corners = torch.from_numpy(np.ascontiguousarray(trajectory[chosen], np.float32))
    legs = torch.linalg.vector_norm(embed(stack, corners).diff(dim=0), dim=-1).numpy()
    arrival = np.concatenate([[0.0], legs.cumsum()])
    times = np.linspace(0, arrival[-1], max(2, round(float(arrival[-1]))))
    columns = [np.interp(times, arrival, column) for column in corners.numpy().T]
    return torch.from_numpy(np.stack(columns, -1).astype(np.float32))


@torch.no_grad()
def costs_of(cost: PlaceCost, places: Floats, headings: Floats) -> Floats:
    """[N, O] places and [H, O] headings to the [N, H] extra world steps per world step of going through there.

    Args:
        cost: learned or painted.
        places: where; observations that can be added to, such as positions.
        headings: how far to go on from there, and from how far before to come.
    """
    shares = torch.tensor([-1.0, 0.0, 1.0])[:, None]
    moves = torch.from_numpy(headings)[:, None] * shares
    blocks = torch.from_numpy(places).split(max(1, BLOCK // len(moves)))
    return torch.cat([cost.along(block[:, None, None] + moves)[..., 1] for block in blocks]).numpy()
