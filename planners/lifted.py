"""Planning with lifted states: the states between now and the horizon are optimised together with the actions.

A roll-out of ``H`` steps is ``H`` model calls in a row, and a gradient through it is a product of ``H`` Jacobians: it
vanishes or explodes. Here every state is a variable of its own, tied to the one before by a penalty: all times go
through the model in one batched call, and each gradient passes through the model once. Source: GRASP, Psenka et al.,
2026, Parallel stochastic gradient-based planning for world models, arXiv 2602.00475.

``R`` is the number of restarts, ``S`` that of scenarios of a latent variable, an axis that is there only if the
dynamics has one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast, final

import torch
from torch import Tensor

from planners.base import AnyDynamics, Budget, Cost, Dynamics, Meter, Plan, Recorder
from planners.candidates import Evaluator, PlannerError, hold_actions, require_box, require_positive, white_noise
from planners.descent import Adam
from planners.imagination import Imagination
from planners.risk import MEAN, Risk
from planners.scenarios import draw_scenarios
from planners.shooting import Shooting, first_points


@final
@dataclass(frozen=True, kw_only=True)
class LiftedPlanner:
    """Descends a relaxed problem, in which states may leap at a price, and returns to true roll-outs now and then.

    *Virtual* states start as the roll-out of the first actions. A lifted step then moves actions and virtual states
    along the gradient of: the leaps (the squared distances between what the model predicts from each virtual state and
    the next virtual state), the cost of the virtual states, and the cost of what the model predicts from them. Noise on
    the virtual states explores. After ``sync_every`` lifted steps come ``sync_steps`` gradient steps on true roll-outs,
    from which the virtual states start again. Only true roll-outs count: the plan is the cheapest of them.

    Virtual states move in units of the length of a typical step, and a cost counts by its slope in these units, so that
    one setting suits states and costs of any scale; actions move in half-widths of their box.

    Attributes:
        horizon: steps to plan, H.
        restarts: action sequences per problem, R.
        iterations: gradient steps, lifted ones and those on true roll-outs.
        learning_rate: of Adam on the actions, in half-widths of the box.
        state_rate: of Adam on the virtual states, in typical steps.
        noise: spread of the normal noise on the virtual states after each lifted step, in typical steps; it decays
            linearly to 0.
        consistency: price of leaps, relative to that of the cost's steepest slope.
        shaping: weight of the cost of what the model predicts from virtual states.
        detached: whether the model's gradient with respect to its input state is left out, as in the paper: learned
            models often have misleading ones. Then only ``shaping`` tells actions what the cost is.
        sync_every: lifted steps in a row.
        sync_steps: gradient steps on true roll-outs that follow them.
        init_std: spread of the restarts around a warm start, in half-widths.
        hold: steps for which each free action is held.
        chunk: most rows (problems x restarts x scenarios x time) in one lifted pass of the model, to bound memory.
        risk: what an action sequence's many possible costs count as, where the dynamics has a latent variable.
        scenarios: draws of the latent variable under which every action sequence is imagined, S.
    """

    horizon: int
    restarts: int = 16
    iterations: int = 240
    learning_rate: float = 0.1
    state_rate: float = 0.1
    noise: float = 0.1
    consistency: float = 0.3
    shaping: float = 1.0
    detached: bool = True
    sync_every: int = 50
    sync_steps: int = 10
    init_std: float = 0.5
    hold: int = 1
    chunk: int | None = None
    risk: Risk = MEAN
    scenarios: int = 16

    def __post_init__(self) -> None:
        positive = (
            "horizon", "restarts", "iterations", "learning_rate", "state_rate", "consistency",
            "sync_every", "sync_steps", "init_std", "hold", "scenarios",
        )  # fmt: skip
        chunk = 1 if self.chunk is None else self.chunk
        require_positive("LiftedPlanner", **{name: getattr(self, name) for name in positive}, chunk=chunk)
        for name in ("noise", "shaping"):
            if not getattr(self, name) >= 0:
                raise PlannerError(f"LiftedPlanner.{name} must not be negative, not {getattr(self, name)!r}")

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
        """Plans from [B, D] start states; see :class:`planners.base.Planner`.

        ``extras`` holds ``totals``, the [B, R] costs of the restarts in their last true roll-out. A recorder also sees
        the lifted iterates, with virtual states and relaxed totals, marked by ``virtual=True``.
        """
        box, meter = require_box("LiftedPlanner", dynamics), budget.meter()
        # A caller may plan inside no_grad or inference_mode; here gradients are needed.
        with torch.inference_mode(False), torch.no_grad():
            begin = start.detach().clone()
            drawn = draw_scenarios(dynamics, begin, self.horizon, self.scenarios, generator)
            evaluate = Evaluator(
                dynamics, cost, begin, self.horizon, self.hold, meter, recorder,
                kind="iterate", risk=self.risk, scenarios=drawn,
            )  # fmt: skip
            shooting = Shooting(evaluate, box)
            points = first_points(shooting, self.restarts, warm_start, self.init_std, generator)
            totals, relaxation = shooting.totals(points), None
            while self._goes_on(meter):
                relaxation, seconds = relaxation or Relaxation.around(self, shooting, points), meter.lap_seconds
                points = self._explore(relaxation, points, generator)
                # A roll-out takes longer than the lifted step before it.
                meter.lap_seconds = max(meter.lap_seconds, seconds)
                points = self._sync(shooting, points)
                if not meter.exhausted():
                    totals = shooting.totals(points)
            return evaluate.plan(meter.iterations == self.iterations, totals=totals)

    def _goes_on(self, meter: Meter) -> bool:
        return meter.iterations < self.iterations and not meter.exhausted()

    def _explore(self, relaxation: Relaxation, points: Tensor, generator: torch.Generator | None) -> Tensor:
        """The points after a run of lifted steps."""
        meter, virtual = relaxation.meter, relaxation.lift(points)
        act, move = Adam(self.learning_rate), Adam(self.state_rate)
        for _ in range(self.sync_every):
            if not self._goes_on(meter):
                break
            totals, push, pull = relaxation.slope(points, virtual)
            relaxation.record(points, virtual, totals)
            points = act(points, totals, push).clamp_(-1, 1)
            meter.iterations += 1
            spread = self.noise * (1 - meter.iterations / self.iterations)
            virtual = move(virtual, totals, pull)
            virtual += spread * white_noise(virtual.shape, virtual, generator)
            meter.lap()
        return points

    def _sync(self, shooting: Shooting, points: Tensor) -> Tensor:
        """The points after a few steps on true roll-outs."""
        meter, descend = shooting.evaluate.meter, Adam(self.learning_rate)
        for _ in range(self.sync_steps):
            if not self._goes_on(meter):
                break
            points = descend(points, *shooting.slope(points)).clamp_(-1, 1)
            meter.iterations += 1
        return points


@final
@dataclass(frozen=True)
class Relaxation:
    """A planning problem in which states may leap, at a price.

    Attributes:
        settings: the weights of its terms.
        shooting: the problem without leaps.
        unit: [B, 1, (1,) 1, 1] length of a typical step.
        steepness: [B, 1] the cost's steepest slope along a trajectory, per unit.
    """

    settings: LiftedPlanner
    shooting: Shooting
    unit: Tensor
    steepness: Tensor

    @classmethod
    def around(cls, settings: LiftedPlanner, shooting: Shooting, points: Tensor) -> Relaxation:
        """The relaxation whose units are those of the roll-outs of [B, R, F, A] points."""
        states, actions = _roll_out(shooting, points)
        steps = states.diff(dim=-2).square().sum(-1, keepdim=True)
        unit = steps.mean(tuple(range(1, steps.dim())), keepdim=True).sqrt().clamp(min=1e-6)
        with torch.enable_grad():
            states = states.requires_grad_()
            costs = shooting.evaluate.cost(states, actions)
            (slope,) = torch.autograd.grad(costs.nan_to_num(posinf=0.0).sum(), states)
        steepest = (slope.nan_to_num() * unit).norm(dim=-1).amax(-1)
        return cls(settings, shooting, unit, steepest.flatten(1).mean(1, keepdim=True).clamp(min=1e-9))

    @property
    def meter(self) -> Meter:
        """What has been spent."""
        return self.shooting.evaluate.meter

    def lift(self, points: Tensor) -> Tensor:
        """[B, R, (S,) H, D] virtual states that begin at the true ones, in units."""
        states, _ = _roll_out(self.shooting, points)
        return states[..., 1:, :] / self.unit

    def record(self, points: Tensor, virtual: Tensor, totals: Tensor) -> None:
        """Tells the recorder of a lifted iterate: the same as of a true one, marked as ``virtual``."""
        evaluate = self.shooting.evaluate
        if evaluate.recorder is not None:
            states = _prepend(evaluate.start, virtual * self.unit)
            actions = hold_actions(self.shooting.actions(points), evaluate.hold, evaluate.horizon)
            arrays = {"states": states, "actions": actions, "totals": totals}
            evaluate.recorder.record("iterate", iteration=self.meter.iterations, **arrays, virtual=True)

    def slope(self, points: Tensor, virtual: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The [B, R] relaxed totals, and their gradients with respect to points and virtual states."""
        rows = len(virtual) * virtual[0, 0, ..., 0].numel()
        width = virtual.shape[1] if self.settings.chunk is None else max(1, self.settings.chunk // rows)
        free, box = self.shooting.actions(points), self.shooting.box
        parts = [self._slope(*part) for part in zip(free.split(width, 1), virtual.split(width, 1), strict=True)]
        totals, push, pull = (torch.cat(part, 1) for part in zip(*parts, strict=True))
        return totals, push * ((box.high - box.low) / 2), pull

    def _slope(self, free: Tensor, virtual: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        with torch.enable_grad():
            free, virtual = free.detach().requires_grad_(), virtual.detach().requires_grad_()
            totals = self._totals(free, virtual)
            gradients = torch.autograd.grad(totals.nan_to_num(posinf=0.0).sum(), (free, virtual))
        push, pull = (gradient.nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0) for gradient in gradients)
        return totals.detach(), push, pull

    def _totals(self, free: Tensor, virtual: Tensor) -> Tensor:
        """[B, R] what [B, R, F, A] free actions and [B, R, (S,) H, D] virtual states cost, leaps included."""
        evaluate = self.shooting.evaluate
        actions = _actions(evaluate, free)
        states = _prepend(evaluate.start, virtual * self.unit)
        before, after = states[..., :-1, :], states[..., 1:, :]
        predicted, chances = self._predict(before.detach() if self.settings.detached else before, actions)
        costs = evaluate.cost(states, actions).sum(-1)
        if self.settings.shaping:
            shaped = evaluate.cost(_prepend(evaluate.start, predicted), actions).sum(-1)
            costs = costs + self.settings.shaping * shaped
        leaps = ((predicted - after) / self.unit).square().sum((-2, -1))
        if evaluate.scenarios is not None:
            costs, leaps = evaluate.risk(costs, chances), leaps.mean(-1)
        return self.settings.consistency * leaps + costs / self.steepness

    def _predict(self, states: Tensor, actions: Tensor) -> tuple[Tensor, Tensor | None]:
        """What follows each of [B, R, (S,) H, D] states, all times at once, and the chances of the scenarios."""
        actions, scenarios = actions.expand(*states.shape[:-1], -1), self.shooting.evaluate.scenarios
        self.meter.model_calls += states[..., 0].numel()
        if scenarios is None:
            return cast(Dynamics, self.shooting.evaluate.dynamics).step(states, actions), None
        latents = scenarios.latents(states, actions, slice(None))
        chances = scenarios.chances(states, actions, latents)
        return scenarios.dynamics.step(states, actions, latents), None if chances is None else chances.prod(-1)


def _roll_out(shooting: Shooting, points: Tensor) -> tuple[Tensor, Tensor]:
    """[B, R, (S,) H+1, D] true states of [B, R, F, A] points, and their [B, R, (1,) H, A] actions."""
    evaluate, free = shooting.evaluate, shooting.actions(points)
    whole = hold_actions(free, evaluate.hold, evaluate.horizon)
    states, _ = Imagination(evaluate.dynamics, evaluate.scenarios)(evaluate.start, whole)
    evaluate.meter.model_calls += states[..., 1:, 0].numel()
    return states, _actions(evaluate, free)


def _actions(evaluate: Evaluator, free: Tensor) -> Tensor:
    """[B, R, (1,) H, A] actions of [B, R, F, A] free ones, with an axis for the scenarios where there are any."""
    actions = hold_actions(free, evaluate.hold, evaluate.horizon)
    return actions if evaluate.scenarios is None else actions.unsqueeze(2)


def _prepend(start: Tensor, states: Tensor) -> Tensor:
    """[B, ..., H+1, D] the [B, D] starts and the [B, ..., H, D] states after them."""
    first = start.view(len(start), *[1] * (states.dim() - 2), -1).expand_as(states[..., :1, :])
    return torch.cat([first, states], -2)
