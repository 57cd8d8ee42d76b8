"""The cost module: an intrinsic cost that cannot be changed, a trainable cost, and the cost of the task at hand.

Source: LeCun 2022, "A Path Towards Autonomous Machine Intelligence", section 3.2: the intrinsic cost is immutable
(drives, and guardrails that no configuration can switch off); the trainable cost, a critic, predicts future cost; the
configurator weighs everything but the guardrails.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol, final

import torch
from torch import Tensor

from hjepa.guardrails import Guardrail, GuardrailError, Margins, Percept, Scene
from hjepa.zones import GUARDRAIL
from planners.base import Cost
from planners.outcomes import ConstrainedCost

Read = Callable[[Tensor], Tensor]
CRITIC, TASK = "critic", "task"


class Drive(Protocol):
    """An intrinsic cost that may be weighed against others, such as the effort of moving."""

    @property
    def name(self) -> str:
        """Under which it is reported."""
        ...

    def __call__(self, scene: Scene, actions: Tensor) -> Tensor:
        """A scene of [B, ..., T+1, 2] places and [B, ..., T, A] actions to [B, ..., T+1] costs, differentiable."""
        ...

    def fingerprint(self) -> str:
        """The same for drives that cost the same."""
        ...


@final
@dataclass(frozen=True)
class Effort:
    """The effort of moving: the squared length of every action, paid where it leads.

    Attributes:
        name: see :class:`Drive`.
    """

    name: str = "effort"

    def __call__(self, scene: Scene, actions: Tensor) -> Tensor:
        """[B, ..., T, A] actions to [B, ..., T+1] costs; the present state is free."""
        spent = actions.square().sum(-1)
        return torch.cat([torch.zeros_like(spent[..., :1]), spent], -1)

    def fingerprint(self) -> str:
        """Of the name: there is nothing to set."""
        return self.name


@final
@dataclass(frozen=True, eq=False)
class IntrinsicCost:
    """Guardrails and drives, for as long as the agent exists.

    There is nothing to set. A copy with anything else in it carries the digest of the original, which does not fit, and
    whatever was altered behind Python's back is found out at the next use.

    Attributes:
        guardrails: what must never be broken, on the whole of a trajectory, at every level.
        drives: what else costs by nature.
        digest: SHA-256 of all of it; worked out unless given, and checked if given.

    Raises:
        GuardrailError: for two terms of one name, and for a digest of something else.
    """

    guardrails: tuple[Guardrail, ...]
    drives: tuple[Drive, ...] = ()
    digest: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "guardrails", tuple(self.guardrails))
        object.__setattr__(self, "drives", tuple(self.drives))
        names = [*self.names, CRITIC, TASK]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise GuardrailError(f"two terms are called {twice!r}; every term of a cost needs a name of its own")
        if not self.digest:
            object.__setattr__(self, "digest", self._digest())
        self.verify()

    @property
    def names(self) -> list[str]:
        """Of all terms, guardrails first."""
        return [rail.name for rail in self.guardrails] + [drive.name for drive in self.drives]

    def verify(self) -> None:
        """Raises a :class:`GuardrailError` where anything is not what it was when it was built."""
        if self.digest != self._digest():
            raise GuardrailError(
                f"the intrinsic cost ({', '.join(self.names)}) is immutable; this one differs from what was built"
            )

    def clearance(self, scene: Scene) -> Tensor:
        """[B, ..., T+1] the least clearance of all guardrails; below 0 one is broken. Infinite without any."""
        self.verify()
        least = torch.full_like(scene.places[..., 0], torch.inf)
        for guardrail in self.guardrails:
            least = torch.minimum(least, guardrail.clearance(scene))
        return least

    def broken(self, scene: Scene) -> dict[str, Tensor]:
        """By how much each guardrail is broken, by name: [B, ..., T+1], 0 where it is kept."""
        self.verify()
        return {each.name: (-each.clearance(scene)).clamp(min=0) for each in self.guardrails}

    def _digest(self) -> str:
        told = [each.fingerprint() for each in self.guardrails], [each.fingerprint() for each in self.drives]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


@final
@dataclass(frozen=True)
class TrainableCost:
    """The critic as a cost: what it expects to be paid after the last state of a trajectory.

    Attributes:
        critic: [B, ..., D] states to the [B, ...] world steps to come.
    """

    critic: Read

    def __call__(self, states: Tensor, actions: Tensor) -> Tensor:
        """[B, ..., T+1, D] states to [B, ..., T+1] world steps, 0 but for the last."""
        expected = self.critic(states[..., -1, :]).unsqueeze(-1)
        return torch.cat([torch.zeros_like(expected).expand(*states.shape[:-2], states.shape[-2] - 1), expected], -1)


@final
@dataclass(frozen=True)
class CostWeights:
    """Weights of what may be weighed; a table of this in a configuration file is read by :mod:`hjepa.config`.

    Attributes:
        drives: of each drive.
        critic: of the trainable cost.
        task: of the task's cost.
        guardrails: world steps that a world unit within a guardrail counts as. It is written down, and it is fixed.

    Raises:
        GuardrailError: for another weight of the guardrails.
        ValueError: for a weight that is negative or NaN.
    """

    drives: float = 1.0
    critic: float = 1.0
    task: float = 1.0
    guardrails: float = GUARDRAIL

    def __post_init__(self) -> None:
        self.verify()
        for name in ("drives", "critic", "task"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"weights.{name} must not be negative, not {getattr(self, name)!r}")

    def verify(self) -> None:
        """Raises a :class:`GuardrailError` for another weight of the guardrails, however it got there."""
        if self.guardrails != GUARDRAIL:
            raise GuardrailError(f"guardrails weigh {GUARDRAIL:g}, always; {self.guardrails!r} was asked for")


@final
@dataclass(frozen=True, eq=False)
class CostModule:
    """All that one level minimises; a :class:`planners.base.Cost`.

    Attributes:
        intrinsic: guardrails and drives, which stay.
        read: [B, ..., T+1, D] the level's states to the [B, ..., T+1, 2] places that they stand for.
        task: what is asked of the level now; None if nothing is.
        trainable: the critic's forecast; None without one.
        stride: world steps between states.
        percept: what is perceived to move, now.
        margins: that are kept on top of the guardrails, because predictions may be wrong.
        weights: of everything but the guardrails.
        seal: the digest of the intrinsic cost that the module was built with.

    Raises:
        GuardrailError: for a copy with another intrinsic cost.
    """

    intrinsic: IntrinsicCost
    read: Read
    task: Cost | None = None
    trainable: TrainableCost | None = None
    stride: int = 1
    percept: Percept | None = None
    margins: Margins = Margins()
    weights: CostWeights = field(default_factory=CostWeights)
    seal: str = ""

    def __post_init__(self) -> None:
        self.intrinsic.verify()
        if self.seal and self.seal != self.intrinsic.digest:
            raise GuardrailError("a cost module keeps the intrinsic cost that it was built with; build another agent")
        object.__setattr__(self, "seal", self.intrinsic.digest)

    def weighed(self, weights: CostWeights) -> CostModule:
        """The same with other weights of what may be weighed."""
        return replace(self, weights=weights)

    def __call__(self, states: Tensor, actions: Tensor) -> Tensor:
        """[B, ..., T+1, D] states and [B, ..., T, A] actions to [B, ..., T+1] costs: the sum of all terms."""
        return _sum(states, self.terms(states, actions))

    def terms(self, states: Tensor, actions: Tensor) -> dict[str, Tensor]:
        """Every term by name, as it is weighed: [B, ..., T+1] world steps, differentiable."""
        broken = self.intrinsic.broken(self.scene(states))
        return {name: GUARDRAIL * depth for name, depth in broken.items()} | self.weighed_terms(states, actions)

    def weighed_terms(self, states: Tensor, actions: Tensor) -> dict[str, Tensor]:
        """The same without the guardrails: what a planner minimises that puts these before any cost."""
        weights, terms = self.weights, dict[str, Tensor]()
        weights.verify()
        if self.intrinsic.drives:
            scene = self.scene(states)
            terms = {drive.name: weights.drives * drive(scene, actions) for drive in self.intrinsic.drives}
        if self.trainable is not None:
            terms[CRITIC] = weights.critic * self.trainable(states, actions)
        if self.task is not None:
            terms[TASK] = weights.task * self.task(states, actions)
        return terms

    def violation(self, states: Tensor, actions: Tensor) -> Tensor:
        """[B, ..., T+1] by how much guardrails are broken after the present state, which can't be helped any more."""
        broken = (-self.intrinsic.clearance(self.scene(states))).clamp(min=0)
        return torch.cat([torch.zeros_like(broken[..., :1]), broken[..., 1:]], -1)

    def constrained(self) -> ConstrainedCost:
        """For planners: the same, with the guardrails before any cost."""
        return ConstrainedCost(
            lambda states, actions: _sum(states, self.weighed_terms(states, actions)), self.violation
        )

    def scene(self, states: Tensor) -> Scene:
        """[B, ..., T+1, D] states as places, with what is perceived."""
        return Scene(self.read(states), self.stride, self.percept, self.margins)


def _sum(states: Tensor, terms: dict[str, Tensor]) -> Tensor:
    """[B, ..., T+1] the sum of all terms; zeros where there is none."""
    return sum(terms.values(), start=torch.zeros_like(states[..., 0]))
