"""What the sampling and gradient planners share: candidate action sequences, rolled out and scored in one batch.

``F`` is the number of free actions of a candidate: with ``hold`` greater than 1 each free action is repeated for
that many steps, so that a horizon of 12 with ``hold=3`` has 4 free actions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from planners.base import AnyDynamics, Box, Cost, Meter, Plan, Recorder
from planners.imagination import Imagination, Precision
from planners.outcomes import ConstrainedCost, Outcomes, scores
from planners.risk import MEAN, Risk
from planners.scenarios import Scenarios

CPU_ROWS: dict[Precision, int] = {"full": 2048, "bfloat16": 4096}
"""Rows of one pass on a CPU, by default: few enough for its caches, enough for its matrix units."""
DEVICE_ROWS = 1 << 18
"""Rows of one pass on another device, by default: enough to fill it, and a bound on its memory."""


class PlannerError(ValueError):
    """A planner's setting, or what it was given to plan with, makes no sense; the message names it."""


def require_positive(owner: str, **values: float) -> None:
    """Raises a :class:`PlannerError` for the first value that is not positive."""
    for name, value in values.items():
        if not value > 0:
            raise PlannerError(f"{owner}.{name} must be positive, not {value!r}")


def require_not_negative(owner: str, **values: float) -> None:
    """Raises a :class:`PlannerError` for the first value that is negative, or not a number."""
    for name, value in values.items():
        if not value >= 0:
            raise PlannerError(f"{owner}.{name} must not be negative, not {value!r}")


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
    """[..., F, A] free actions to [..., H, A] actions, each repeated ``hold`` times and the last one cut short.

    The actions of one time lie together in memory, as a roll-out reads them.
    """
    by_time = free.movedim(-2, 0).contiguous()
    if hold > 1:
        by_time = by_time.repeat_interleave(hold, 0)[:horizon]
    return by_time.movedim(0, -2)


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
        recorder: receives every call as one record: its iteration, states, actions and totals.
        kind: the kind of those records.
        chunk: most rows (problems x candidates x scenarios) in one pass of the model, to bound memory; never less than
            one candidate of every problem. None is what suits the device; with gradients on, everything at once.
        risk: what a candidate's costs in all scenarios count as.
        scenarios: of the dynamics' latent variable (see :func:`planners.scenarios.draw_scenarios`); None without one.
        precision: in which the model computes. A plan is always rolled out and priced in full precision.
        best: [B, 1] the best so far, None before the first candidates.
        cut: whether the time was up before all of the latest candidates were scored.
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
    precision: Precision = "full"
    best: Outcomes | None = None
    cut: bool = False

    def __post_init__(self) -> None:
        self._imagine = Imagination(self.dynamics, self.scenarios, self.precision)

    def __call__(self, free: Tensor) -> Tensor:
        """[B, N] scores of [B, N, F, A] candidates, the lower the better, differentiable.

        A score is the candidate's total, unless there is a constraint (see :func:`planners.outcomes.scores`). NaN
        counts as infinite, and so does a candidate that was left out because the time is up; the first pass never is.
        """
        passes: list[tuple[Tensor, Tensor | None]] = []
        seen: list[Outcomes] = []
        count = free.shape[1]
        for part in free.split(self._width(count), dim=1):
            self.cut = bool(passes) and self.meter.out_of_time()
            if self.cut:
                break
            outcomes = self._outcomes(hold_actions(part, self.hold, self.horizon))
            passes.append((outcomes.totals, outcomes.violations))
            self._remember(outcomes.detach())
            if self.recorder is not None:
                seen.append(Outcomes.combine(Tensor.clone, outcomes.detach()))
        self._record(seen)
        totals = torch.cat([total for total, _ in passes], 1)
        violations = [violation for _, violation in passes if violation is not None]
        result = scores(totals, torch.cat(violations, 1) if violations else None)
        return pad(result, (0, count - result.shape[1]), value=torch.inf) if self.cut else result

    def _width(self, count: int) -> int:
        """Candidates of every problem in one pass."""
        rows = self.chunk
        if rows is None:
            if torch.is_grad_enabled():
                return count
            rows = CPU_ROWS[self.precision] if self.start.device.type == "cpu" else DEVICE_ROWS
        return max(1, rows // (len(self.start) * self._fan))

    @property
    def _fan(self) -> int:
        """Roll-outs per candidate."""
        return 1 if self.scenarios is None else self.scenarios.count

    def _outcomes(self, actions: Tensor) -> Outcomes:
        """What [B, N, H, A] candidates lead to, counted and timed."""
        states, chances = self._imagine(self.start, actions)
        doing = actions if self.scenarios is None else actions.unsqueeze(2).expand(-1, -1, self._fan, -1, -1)
        costs, violations = self._total(self.cost, states, doing), None
        if isinstance(self.cost, ConstrainedCost):
            violations = self._total(self.cost.violation, states, doing)
        outcomes = Outcomes(costs, actions, states, violations)
        if self.scenarios is not None:
            weighed = None if violations is None else self.risk(violations, chances)
            outcomes = Outcomes(self.risk(costs, chances), actions, states, weighed, costs, chances)
        self.meter.model_calls += states[..., 1:, 0].numel()
        self._lap()
        return outcomes

    @staticmethod
    def _total(cost: Cost, states: Tensor, actions: Tensor) -> Tensor:
        """[B, ...] costs summed over time; NaN is infinite."""
        total = cost(states, actions).sum(-1)
        return torch.where(total.isnan(), torch.inf, total)

    def _lap(self) -> None:
        if self.meter.budget.seconds is not None and self.start.device.type != "cpu":
            # What is still queued on the device takes time, too.
            torch.accelerator.synchronize(self.start.device)
        self.meter.lap()

    def _remember(self, outcomes: Outcomes) -> None:
        if self.best is None:
            self.best = outcomes.cheapest()
        else:
            self.best.take_better(outcomes)

    def _record(self, passes: list[Outcomes]) -> None:
        if self.recorder is None:
            return
        seen = Outcomes.combine(lambda *values: torch.cat(values, 1), *passes)
        arrays = {"states": seen.states, "actions": seen.actions, "totals": seen.totals}
        self.recorder.record(self.kind, iteration=self.meter.iterations, **arrays)

    def plan(self, complete: bool, **extras: object) -> Plan:
        """The best so far, as a plan; raises a :class:`PlannerError` before the first candidates.

        Under scenarios, ``extras`` also holds their ``outcomes`` (costs, [B, S]), ``chances`` [B, S] and
        ``scenario_states`` [B, S, H+1, D], and the plan's states are those of the scenario whose cost is nearest to
        the plan's; under a constraint, it holds the plan's ``violation`` [B].
        """
        if self.best is None:
            raise PlannerError("a plan needs at least one candidate")
        best = self.best
        if self.precision != "full":
            best = replace(self, precision="full")._outcomes(best.actions)
        best = Outcomes.combine(lambda values: values.squeeze(1), best)
        states, more = best.states, dict(extras)
        if best.costs is not None:
            chances = torch.full_like(best.costs, 1 / self._fan) if best.chances is None else best.chances
            more |= {"outcomes": best.costs, "chances": chances, "scenario_states": states}
            states = states[torch.arange(len(states), device=states.device), best.nearest_scenario()]
        if best.violations is not None:
            more["violation"] = best.violations
        done = torch.full((len(states),), complete, device=states.device)
        return Plan(best.actions, states, best.totals, done, self.meter.model_calls, more)
