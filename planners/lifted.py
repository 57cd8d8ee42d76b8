"""Planning with lifted states: the states between now and the horizon are optimised together with the actions.

A roll-out of ``H`` steps is ``H`` model calls in a row, and a gradient through it is a product of ``H`` Jacobians: it
vanishes or explodes. Here every state is a variable of its own, tied to the one before by a penalty: all times go
through the model in one batched call, and each gradient passes through the model once. Source: GRASP, Psenka et al.,
2026, Parallel stochastic gradient-based planning for world models, arXiv 2602.00475.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from planners.base import AnyDynamics, Budget, Cost, Meter, Plan, Recorder
from planners.candidates import (
    Evaluator,
    require_box,
    require_not_negative,
    require_positive,
    white_noise,
)
from planners.descent import Adam
from planners.relaxation import Relaxation
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
    from which the virtual states start again. Only true roll-outs count: the plan is the cheapest of them. A constraint
    (:class:`planners.outcomes.ConstrainedCost`) is known to the true roll-outs only.

    Virtual states move in units of the length of a typical step, and a cost counts by its slope in these units, so that
    one setting suits states and costs of any scale; actions move in half-widths of their box.

    Attributes:
        horizon: steps to plan, H.
        restarts: action sequences that are improved side by side for each problem, R.
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
        require_not_negative("LiftedPlanner", noise=self.noise, shaping=self.shaping)

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
                seconds, relaxation = meter.lap_seconds, relaxation or self._relax(shooting, points)
                points = self._explore(relaxation, points, generator)
                # The true roll-out that comes next takes longer than a lifted step.
                meter.lap_seconds = max(meter.lap_seconds, seconds)
                points = self._sync(shooting, points)
                if not meter.exhausted():
                    totals = shooting.totals(points)
            return evaluate.plan(meter.iterations == self.iterations, totals=totals)

    def _goes_on(self, meter: Meter) -> bool:
        return meter.iterations < self.iterations and not meter.exhausted()

    def _relax(self, shooting: Shooting, points: Tensor) -> Relaxation:
        terms = {"consistency": self.consistency, "shaping": self.shaping}
        return Relaxation.around(shooting, points, **terms, detached=self.detached, chunk=self.chunk)

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
