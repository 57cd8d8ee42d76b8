"""The actions that a tree search considers at a node: all of a finite set, or some drawn from a box.

Actions of either kind are [..., A] numbers here (A = 1 for the number of a discrete one), so that a search needs one
way only to keep and to take them. What was drawn for a node travels with the node's state, as ``carried`` numbers:
a search over a box then needs nothing that one over a finite set doesn't have. Source: Hubert et al., 2021, Learning
and planning in complex action spaces (Sampled MuZero).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, final

import torch
from torch import Tensor

from planners.base import AnyDynamics, Box, Discrete
from planners.candidates import PlannerError, require_box, white_noise


class Branches(Protocol):
    """The edges of a node."""

    @property
    def count(self) -> int:
        """Edges per node, K."""
        ...

    @property
    def dim(self) -> int:
        """Numbers per action, A."""
        ...

    def guess(self, steps: int, like: Tensor) -> Tensor:
        """[B, steps, A] actions to begin with where there are none better, for [B, D] starts."""
        ...

    def offer(self, base: Tensor) -> Tensor:
        """[B, A] actions that a node should not be without, to the [B, W] numbers that it carries."""
        ...

    def base_edges(self, base: Tensor) -> Tensor:
        """[B] edges of the [B, A] actions that were offered as base."""
        ...

    def all(self, carried: Tensor) -> Tensor:
        """[B, W] carried numbers to the [B, K, A] actions of all edges."""
        ...

    def take(self, carried: Tensor, edges: Tensor) -> Tensor:
        """[B, W] carried numbers and [B] edges to the [B, A] actions."""
        ...

    def encode(self, actions: Tensor, like: Tensor) -> Tensor:
        """Actions as the dynamics takes them to [..., A] numbers, in the type and on the device of a tensor."""
        ...

    def decode(self, numbers: Tensor) -> Tensor:
        """[..., A] numbers to actions as the dynamics takes them."""
        ...


@final
@dataclass(frozen=True)
class AllActions:
    """Every action of a finite set; nothing is carried.

    Attributes:
        space: the actions.
    """

    space: Discrete

    @property
    def count(self) -> int:
        """Number of actions."""
        return self.space.n

    @property
    def dim(self) -> int:
        """The number of an action."""
        return 1

    def guess(self, steps: int, like: Tensor) -> Tensor:
        """The first action."""
        return like.new_zeros((len(like), steps, 1))

    def offer(self, base: Tensor) -> Tensor:
        """[B, 0] numbers."""
        return base[:, :0]

    def base_edges(self, base: Tensor) -> Tensor:
        """[B] the actions themselves."""
        return base[:, 0].long()

    def all(self, carried: Tensor) -> Tensor:
        """[B, K, 1] all numbers."""
        numbers = torch.arange(self.count, dtype=carried.dtype, device=carried.device)
        return numbers[:, None].expand(len(carried), -1, -1)

    def take(self, carried: Tensor, edges: Tensor) -> Tensor:
        """[B, 1] the edges themselves."""
        return edges[:, None].to(carried.dtype)

    def encode(self, actions: Tensor, like: Tensor) -> Tensor:
        """[...] integers to [..., 1] numbers."""
        if actions.is_floating_point() or int(actions.amax()) >= self.count:
            found = actions.dtype if actions.is_floating_point() else int(actions.amax())
            raise PlannerError(f"actions must be integers under {self.count}, not {found}")
        return actions[..., None].to(like)

    def decode(self, numbers: Tensor) -> Tensor:
        """[..., 1] numbers to [...] integers."""
        return numbers[..., 0].long()


@final
@dataclass(frozen=True)
class SampledActions:
    """The base action, and others drawn from a normal distribution around it and projected to the box.

    Projected ones often lie on the box's faces, where the best actions often are too.

    Attributes:
        space: the box.
        count: actions per node, K.
        spread: of the distribution, in half-widths of the box.
        generator: draws the actions.
    """

    space: Box
    count: int
    spread: float
    generator: torch.Generator | None

    @property
    def dim(self) -> int:
        """Number of action components."""
        return self.space.dim

    def guess(self, steps: int, like: Tensor) -> Tensor:
        """The middle of the box."""
        return ((self.space.low + self.space.high) / 2).to(like).expand(len(like), steps, -1)

    def offer(self, base: Tensor) -> Tensor:
        """[B, K * A] actions, the base first."""
        noise = white_noise((len(base), self.count, self.dim), base, self.generator)
        noise[:, 0] = 0
        half_width = (self.space.high - self.space.low) / 2
        return self.space.clip(base[:, None] + self.spread * half_width * noise).flatten(1)

    def base_edges(self, base: Tensor) -> Tensor:
        """[B] zeros."""
        return torch.zeros(len(base), dtype=torch.long, device=base.device)

    def all(self, carried: Tensor) -> Tensor:
        """[B, K, A] the carried actions."""
        return carried.unflatten(1, (self.count, self.dim))

    def take(self, carried: Tensor, edges: Tensor) -> Tensor:
        """[B, A] the carried actions of these numbers."""
        return self.all(carried)[torch.arange(len(edges), device=edges.device), edges]

    def encode(self, actions: Tensor, like: Tensor) -> Tensor:
        """[..., A] actions, projected to the box."""
        return self.space.clip(actions.detach().to(like))

    def decode(self, numbers: Tensor) -> Tensor:
        """[..., A] the numbers themselves."""
        return numbers


def branches_of(
    owner: str, dynamics: AnyDynamics, samples: int, spread: float, generator: torch.Generator | None
) -> Branches:
    """The branches that suit the dynamics' actions."""
    if isinstance(dynamics.actions, Discrete):
        return AllActions(dynamics.actions)
    return SampledActions(require_box(owner, dynamics), samples, spread, generator)
