"""What planners, dynamics and costs agree on.

Dimension letters used throughout the toolkit: ``B`` problems in a batch, ``N`` candidates, ``T`` time,
``H`` horizon, ``D`` state, ``A`` action, ``Z`` latent variable, ``K`` levels (level 1 is the finest).

A planner sees a world only through :class:`Dynamics` and :class:`Cost`: it knows no world and no network.
Leading dimensions are free (``[..., D]``), and the first one is always the problem ``B``, so that a cost can
hold one goal per problem and broadcast it over candidates.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from typing_extensions import TypeIs


@dataclass(frozen=True)
class Box:
    """A box of continuous actions.

    Attributes:
        low: [A] smallest value of each component.
        high: [A] largest value of each component.
    """

    low: Tensor
    high: Tensor

    @property
    def dim(self) -> int:
        """Number of action components, A."""
        return self.low.shape[-1]

    def clip(self, actions: Tensor) -> Tensor:
        """Projects [..., A] actions onto the box."""
        return torch.minimum(torch.maximum(actions, self.low), self.high)

    def sample(self, shape: tuple[int, ...], generator: torch.Generator | None = None) -> Tensor:
        """Draws [*shape, A] actions uniformly."""
        noise = torch.rand((*shape, self.dim), generator=generator, device=self.low.device, dtype=self.low.dtype)
        return self.low + noise * (self.high - self.low)


@dataclass(frozen=True)
class Discrete:
    """A finite set of actions ``0 .. n-1``, passed to :meth:`Dynamics.step` as integer tensors without the A axis."""

    n: int

    def sample(self, shape: tuple[int, ...], generator: torch.Generator | None = None) -> Tensor:
        """Draws [*shape] action indices uniformly."""
        return torch.randint(self.n, shape, generator=generator)


ActionSpace = Box | Discrete


@dataclass(frozen=True)
class Categorical:
    """A latent variable with ``n`` modes, passed to :meth:`StochasticDynamics.step` as integers without the Z axis."""

    n: int


@dataclass(frozen=True)
class Gaussian:
    """A standard normal latent variable with ``dim`` components, Z."""

    dim: int


LatentSpace = Categorical | Gaussian


@runtime_checkable
class Dynamics(Protocol):
    """One level's world model, as a planner sees it."""

    @property
    def actions(self) -> ActionSpace:
        """The actions that :meth:`step` takes."""
        ...

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        """[..., D] states and [..., A] (or [...] integer) actions to the [..., D] next states, differentiable."""
        ...


class StochasticDynamics(Protocol):
    """The model of a world that is not deterministic: what happens also depends on a latent variable ``z``.

    Where a planner finds one of these, it weighs what the latent variable may do by its :class:`planners.risk.Risk`.
    """

    @property
    def actions(self) -> ActionSpace:
        """The actions that :meth:`step` takes."""
        ...

    @property
    def latents(self) -> LatentSpace:
        """What the latent variable may be."""
        ...

    def step(self, state: Tensor, action: Tensor, latent: Tensor) -> Tensor:
        """[..., D] states, [..., A] (or [...] integer) actions and [..., Z] (or [...] integer) latents to next states.

        Differentiable with respect to states and continuous actions.
        """
        ...

    def log_prior(self, state: Tensor, action: Tensor) -> Tensor:
        """[..., D] states and actions to the [..., n] log-probabilities of the modes; not asked of a Gaussian."""
        ...


def is_stochastic(dynamics: Dynamics | StochasticDynamics) -> TypeIs[StochasticDynamics]:
    """Whether a model has a latent variable: that it says what ``latents`` there are decides, and nothing else."""
    return getattr(dynamics, "latents", None) is not None


class Cost(Protocol):
    """What a planner minimises, per time step of a predicted trajectory."""

    def __call__(self, states: Tensor, actions: Tensor) -> Tensor:
        """[B, ..., T+1, D] states and [B, ..., T, A] actions to [B, ..., T+1] costs, differentiable."""
        ...


AnyDynamics = Dynamics | StochasticDynamics


@dataclass(frozen=True)
class Budget:
    """How much a planner may spend; ``None`` means unbounded. Every planner is anytime.

    Attributes:
        seconds: wall-clock seconds.
        model_calls: states passed through the dynamics, summed over the batch and the candidates.
        iterations: rounds of the planner's outer loop (expansions for a search).
    """

    seconds: float | None = None
    model_calls: int | None = None
    iterations: int | None = None

    def __post_init__(self) -> None:
        for name in ("seconds", "model_calls", "iterations"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"Budget.{name} must be positive or None, not {value!r}")

    def meter(self) -> Meter:
        """Starts counting against this budget."""
        return Meter(self)


@dataclass
class Meter:
    """What has been spent of a :class:`Budget` so far.

    Attributes:
        budget: the bounds.
        model_calls: states passed through the dynamics.
        iterations: rounds that are done.
        started: clock at the start, seconds.
        lap_seconds: how long the latest lap took; the next one is expected to take as long.
    """

    budget: Budget
    model_calls: int = 0
    iterations: int = 0
    started: float = field(default_factory=time.perf_counter)
    lap_seconds: float = 0.0

    def __post_init__(self) -> None:
        self._lap_started = time.perf_counter()

    def lap(self) -> None:
        """Ends a lap: a piece of work that is done or left as a whole, such as a round or one pass of the model."""
        now = time.perf_counter()
        self.lap_seconds, self._lap_started = now - self._lap_started, now

    def out_of_time(self) -> bool:
        """True once another lap would end too late; without laps, once the seconds are spent."""
        seconds = self.budget.seconds
        return seconds is not None and time.perf_counter() - self.started + self.lap_seconds >= seconds

    def exhausted(self) -> bool:
        """True once any bound of the budget is reached, or would be before the end of another lap."""
        bound = self.budget
        return (
            (bound.iterations is not None and self.iterations >= bound.iterations)
            or (bound.model_calls is not None and self.model_calls >= bound.model_calls)
            or self.out_of_time()
        )


@dataclass(frozen=True)
class Plan:
    """What a planner returns.

    Attributes:
        actions: [B, H, A] the best actions found ([B, H] integers where actions are discrete).
        states: [B, H+1, D] the states that the dynamics predicts for them, the start first.
        cost: [B] their total cost.
        complete: [B] false where the budget ran out before the planner was done.
        model_calls: states passed through the dynamics, summed over the batch.
        extras: what else the planner can tell (elites, visits, ...), by name.
    """

    actions: Tensor
    states: Tensor
    cost: Tensor
    complete: Tensor
    model_calls: int = 0
    extras: dict[str, Any] = field(default_factory=dict)


class Recorder(Protocol):
    """Receives what a planner does, so that a viewer can replay it; planners never print or draw."""

    def record(self, kind: str, **data: Any) -> None:
        """``kind`` is one of ``candidates``, ``iterate``, ``expansion``, ``tree``; arrays are passed as they are."""
        ...


class Planner(Protocol):
    """Finds actions that minimise a cost under a dynamics."""

    def plan(
        self,
        dynamics: AnyDynamics,
        cost: Cost,
        start: Tensor,
        *,
        budget: Budget = Budget(),
        warm_start: Tensor | None = None,
        generator: torch.Generator | None = None,
        recorder: Recorder | None = None,
    ) -> Plan:
        """Plans from [B, D] start states; ``warm_start`` is [B, H, A] actions to begin with."""
        ...


def rollout(dynamics: Dynamics, start: Tensor, actions: Tensor) -> Tensor:
    """[..., D] starts and [..., T, A] actions to the [..., T+1, D] predicted states, the start first."""
    states = [start]
    for action in actions.unbind(-2):
        states.append(dynamics.step(states[-1], action))
    return torch.stack(states, -2)
