"""What the sampling and gradient planners share: candidate action sequences, rolled out and scored in one batch.

``F`` is the number of free actions of a candidate: with ``hold`` greater than 1 each free action is repeated for
that many steps, so that a horizon of 12 with ``hold=3`` has 4 free actions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from planners.base import AnyDynamics, Box, Cost, Dynamics, Meter, Plan, Recorder, rollout
from planners.outcomes import ConstrainedCost, Outcomes, scores
from planners.risk import MEAN, Risk
from planners.scenarios import Scenarios


class PlannerError(ValueError):
    """A planner's setting, or what it was given to plan with, makes no sense; the message names it."""


def require_positive(owner: str, **values: float) -> None:
    """Raises a :class:`PlannerError` for the first value that is not positive."""
    for name, value in values.items():
        if not value > 0:
            raise PlannerError(f"{owner}.{name} must be positive, not {value!r}")


def require_box(owner: str, dynamics: AnyDynamics) -> Box:
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


@dataclass
class Evaluator:
    """Rolls out and scores candidates, counts the model calls, and remembers the best.

    Attributes:
        dynamics: the world model.
        cost: what is minimised; its sum over the T+1 states is a candidate's total. A
            :class:`planners.outcomes.ConstrainedCost` puts a constraint before it.
        start: [B, D] start states.
        horizon: steps, H.
        hold: steps for which a free action is repeated.
        meter: what has been spent.
        recorder: receives every pass as one record: its iteration, states, actions and totals.
        kind: the kind of those records.
        chunk: most rows (problems x candidates x scenarios) in one pass of the model; never less than one candidate
            of every problem.
        risk: what a candidate's costs in all scenarios count as.
        scenarios: of the dynamics' latent variable (see :func:`planners.scenarios.draw_scenarios`); None without one.
        best: [B, 1] the best so far, None before the first candidates.
        latest: [B, N] scores of the latest candidates.
    """

    dynamics: AnyDynamics
    cost: Cost
    start: Tensor
    horizon: int
    hold: int
    meter: Meter
    recorder: Recorder | None = None
    kind: str = "candidates"
    chunk: int | None = None
    risk: Risk = MEAN
    scenarios: Scenarios | None = None
    best: Outcomes | None = None
    latest: Tensor | None = None

    def __call__(self, free: Tensor) -> Tensor:
        """[B, N] scores of [B, N, F, A] candidates, the lower the better, differentiable.

        A score is the candidate's total, unless there is a constraint (see :func:`planners.outcomes.scores`). NaN
        counts as infinite.
        """
        width = free.shape[1] if self.chunk is None else max(1, self.chunk // (len(self.start) * self._fan))
        parts = [self._score(part) for part in free.split(width, dim=1)]
        totals = torch.cat([total for total, _ in parts], 1)
        violations = [violation for _, violation in parts if violation is not None]
        result = scores(totals, torch.cat(violations, 1) if violations else None)
        self.latest = result.detach()
        return result

    @property
    def _fan(self) -> int:
        """Roll-outs per candidate."""
        return 1 if self.scenarios is None else self.scenarios.count

    def _score(self, free: Tensor) -> tuple[Tensor, Tensor | None]:
        """The [B, N] totals of one pass, and its violations where there is a constraint."""
        actions = hold_actions(free, self.hold, self.horizon)
        outcomes = self._imagine(actions)
        self.meter.model_calls += actions.shape[0] * actions.shape[1] * actions.shape[2] * self._fan
        self._remember(outcomes.detach())
        return outcomes.totals, outcomes.violations

    def _imagine(self, actions: Tensor) -> Outcomes:
        """What [B, N, H, A] candidates lead to."""
        if self.scenarios is None:
            dynamics = cast(Dynamics, self.dynamics)
            states = rollout(dynamics, self.start[:, None].expand(-1, actions.shape[1], -1), actions)
            return Outcomes(self._total(self.cost, states, actions), actions, states, self._violations(states, actions))
        states, chances = self.scenarios.rollout(self.start, actions)
        doing = actions[:, :, None].expand(-1, -1, self._fan, -1, -1)
        costs, violations = self._total(self.cost, states, doing), self._violations(states, doing)
        if violations is not None:
            violations = self.risk(violations, chances)
        return Outcomes(self.risk(costs, chances), actions, states, violations, costs, chances)

    def _violations(self, states: Tensor, actions: Tensor) -> Tensor | None:
        if not isinstance(self.cost, ConstrainedCost):
            return None
        constraint = self.cost.constraint
        return self._total(lambda *imagined: constraint(*imagined).clamp(min=0), states, actions)

    @staticmethod
    def _total(cost: Cost, states: Tensor, actions: Tensor) -> Tensor:
        """[B, ...] costs summed over time; NaN is infinite."""
        total = cost(states, actions).sum(-1)
        return torch.where(total.isnan(), torch.inf, total)

    def _remember(self, outcomes: Outcomes) -> None:
        found = outcomes.cheapest()
        self.best = found if self.best is None else self.best.or_better(found)
        if self.recorder is not None:
            arrays = {"states": outcomes.states, "actions": outcomes.actions, "totals": outcomes.totals}
            self.recorder.record(self.kind, iteration=self.meter.iterations, **arrays)

    def plan(self, complete: bool, **extras: object) -> Plan:
        """The best so far, as a plan; raises a :class:`PlannerError` before the first candidates.

        Under scenarios, ``extras`` also holds their ``outcomes`` (costs, [B, S]), ``chances`` [B, S] and
        ``scenario_states`` [B, S, H+1, D], and the plan's states are those of the scenario whose cost is nearest to
        the plan's; under a constraint, it holds the plan's ``violation`` [B].
        """
        if self.best is None:
            raise PlannerError("a plan needs at least one candidate")
        best = Outcomes.combine(lambda values: values.squeeze(1), self.best)
        states, more = best.states, dict(extras)
        if best.costs is not None:
            more |= {"outcomes": best.costs, "chances": best.chances, "scenario_states": states}
            states = states[torch.arange(len(states), device=states.device), best.nearest_scenario()]
        if best.violations is not None:
            more["violation"] = best.violations
        done = torch.full((len(states),), complete, device=states.device)
        return Plan(best.actions, states, best.totals, done, self.meter.model_calls, more)
