"""What the sampling and gradient planners share: candidate action sequences, rolled out and scored in one batch.

``F`` is the number of free actions of a candidate: with ``hold`` greater than 1 each free action is repeated for
that many steps, so that a horizon of 12 with ``hold=3`` has 4 free actions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from planners.base import Box, Cost, Dynamics, Meter, Plan, Recorder, rollout


class PlannerError(ValueError):
    """A planner's setting, or what it was given to plan with, makes no sense; the message names it."""


def require_positive(owner: str, **values: float) -> None:
    """Raises a :class:`PlannerError` for the first value that is not positive."""
    for name, value in values.items():
        if not value > 0:
            raise PlannerError(f"{owner}.{name} must be positive, not {value!r}")


def require_box(owner: str, dynamics: Dynamics) -> Box:
    """The dynamics' action box; raises a :class:`PlannerError` if its actions are discrete or unbounded."""
    space = dynamics.actions
    if not isinstance(space, Box):
        raise PlannerError(f"{owner} needs a Box of actions, the dynamics has {space!r}")
    if not (torch.isfinite(space.low).all() and torch.isfinite(space.high).all()):
        raise PlannerError(f"{owner} needs a finite Box of actions, not {space.low.tolist()} .. {space.high.tolist()}")
    return space


def white_noise(shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Standard normal noise of a shape, with the device and type of another tensor."""
    return torch.randn(shape, generator=generator, device=like.device, dtype=like.dtype)


def hold_actions(free: Tensor, hold: int, horizon: int) -> Tensor:
    """[..., F, A] free actions to [..., H, A] actions, each repeated ``hold`` times and the last one cut short."""
    if hold == 1:
        return free
    return free.repeat_interleave(hold, dim=-2)[..., :horizon, :]


def free_actions(warm_start: Tensor | None, batch: int, horizon: int, hold: int, box: Box) -> Tensor | None:
    """[B, H, A] warm start to its [B, F, A] free actions, inside the box; None stays None."""
    if warm_start is None:
        return None
    if warm_start.shape != (batch, horizon, box.dim):
        raise PlannerError(f"warm_start must be {[batch, horizon, box.dim]}, not {list(warm_start.shape)}")
    return box.clip(warm_start.detach()[:, ::hold])


@dataclass(frozen=True)
class Incumbent:
    """The best candidate of each problem so far.

    Attributes:
        total: [B] its cost, summed over time.
        actions: [B, H, A] its actions.
        states: [B, H+1, D] the states predicted for it.
    """

    total: Tensor
    actions: Tensor
    states: Tensor

    @classmethod
    def best_of(cls, totals: Tensor, actions: Tensor, states: Tensor) -> Incumbent:
        """Picks the cheapest of [B, N] candidates for each problem."""
        total, index = totals.min(dim=1)
        rows = torch.arange(len(index), device=index.device)
        return cls(total, actions[rows, index], states[rows, index])

    def or_better(self, other: Incumbent) -> Incumbent:
        """The cheaper of the two, problem by problem."""
        better = other.total < self.total
        pick = better[:, None, None]
        return Incumbent(
            torch.where(better, other.total, self.total),
            torch.where(pick, other.actions, self.actions),
            torch.where(pick, other.states, self.states),
        )


@dataclass
class Evaluator:
    """Rolls out and scores candidates, counts the model calls, and remembers the best.

    Attributes:
        dynamics: the world model.
        cost: what is minimised; its sum over the T+1 states is a candidate's total.
        start: [B, D] start states.
        horizon: steps, H.
        hold: steps for which a free action is repeated.
        meter: what has been spent.
        recorder: receives every pass as one record: its iteration, states, actions and totals.
        kind: the kind of those records.
        chunk: most rows (problems x candidates) in one pass; never less than one candidate of every problem.
        best: the best so far, None before the first candidates.
        latest: [B, N] totals of the latest pass.
    """

    dynamics: Dynamics
    cost: Cost
    start: Tensor
    horizon: int
    hold: int
    meter: Meter
    recorder: Recorder | None = None
    kind: str = "candidates"
    chunk: int | None = None
    best: Incumbent | None = None
    latest: Tensor | None = None

    def __call__(self, free: Tensor) -> Tensor:
        """[B, N] totals of [B, N, F, A] candidates; NaN counts as infinite."""
        width = free.shape[1] if self.chunk is None else max(1, self.chunk // len(self.start))
        if width >= free.shape[1]:
            return self._score(free)
        return torch.cat([self._score(part) for part in free.split(width, dim=1)], dim=1)

    def _score(self, free: Tensor) -> Tensor:
        actions = hold_actions(free, self.hold, self.horizon)
        start = self.start[:, None].expand(-1, free.shape[1], -1)
        states = rollout(self.dynamics, start, actions)
        totals = self.cost(states, actions).sum(-1)
        totals = torch.where(totals.isnan(), torch.inf, totals)
        self.meter.model_calls += actions.shape[0] * actions.shape[1] * actions.shape[2]
        self._remember(states.detach(), actions.detach(), totals.detach())
        return totals

    def _remember(self, states: Tensor, actions: Tensor, totals: Tensor) -> None:
        found, self.latest = Incumbent.best_of(totals, actions, states), totals
        self.best = found if self.best is None else self.best.or_better(found)
        if self.recorder is not None:
            iteration = self.meter.iterations
            self.recorder.record(self.kind, iteration=iteration, states=states, actions=actions, totals=totals)

    def plan(self, complete: bool, **extras: object) -> Plan:
        """The best so far, as a plan; raises a :class:`PlannerError` before the first candidates."""
        best = self.best
        if best is None:
            raise PlannerError("a plan needs at least one candidate")
        done = torch.full((len(self.start),), complete, device=self.start.device)
        return Plan(best.actions, best.states, best.total, done, self.meter.model_calls, dict(extras))
