"""Planning by gradient descent through the world model, from many starting points at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final, get_args

import torch
from torch import Tensor

from planners.base import AnyDynamics, Budget, Cost, Plan, Recorder
from planners.candidates import (
    Evaluator,
    PlannerError,
    require_box,
    require_not_negative,
    require_positive,
    white_noise,
)
from planners.descent import LBFGS, SGD, Adam, Descent
from planners.risk import MEAN, Risk
from planners.scenarios import draw_scenarios
from planners.shooting import Shooting, first_points

Optimizer = Literal["adam", "sgd", "lbfgs"]
"""How gradients become steps."""

DESCENTS: dict[Optimizer, type[Descent]] = {"adam": Adam, "sgd": SGD, "lbfgs": LBFGS}


@final
@dataclass(frozen=True, kw_only=True)
class GradientPlanner:
    """Descends the cost of ``R`` action sequences per problem and returns the cheapest iterate that it has seen.

    The actions are kept in the box by projection after every step, not by a ``tanh``: the best actions are often at
    the box's faces, which a projected iterate reaches and a ``tanh`` only approaches, with a vanishing gradient. All
    lengths are in half-widths of the box, so that one learning rate suits boxes of any size.

    The first restart begins at the warm start (or at the box's centre). The others are spread around the warm start,
    or drawn uniformly without one. A budget ends the descent after the round in which it is used up.

    Attributes:
        horizon: steps to plan, H.
        restarts: action sequences per problem, R.
        iterations: gradient steps.
        learning_rate: in half-widths of the box; for ``sgd`` it multiplies the gradient, for ``lbfgs`` it is the
            length of the first step only.
        optimizer: ``adam``, ``sgd`` or ``lbfgs``, which needs far fewer steps where the cost is smooth.
        noise: spread of the normal noise added after each gradient step, in half-widths; it decays linearly to 0.
        init_std: spread of the restarts around a warm start, in half-widths.
        hold: steps for which each free action is held.
        chunk: most rows (problems x restarts x scenarios) in one pass of the model forward and backward, to bound
            memory; None for all at once.
        risk: what an action sequence's many possible costs count as, where the dynamics has a latent variable.
        scenarios: draws of the latent variable under which every action sequence is imagined, S.
    """

    horizon: int
    restarts: int = 16
    iterations: int = 30
    learning_rate: float = 0.1
    optimizer: Optimizer = "adam"
    noise: float = 0.0
    init_std: float = 0.5
    hold: int = 1
    chunk: int | None = None
    risk: Risk = MEAN
    scenarios: int = 16

    def __post_init__(self) -> None:
        positive = ("horizon", "restarts", "iterations", "learning_rate", "init_std", "hold", "scenarios")
        chunk = 1 if self.chunk is None else self.chunk
        require_positive("GradientPlanner", **{name: getattr(self, name) for name in positive}, chunk=chunk)
        if self.optimizer not in DESCENTS:
            names = ", ".join(map(repr, get_args(Optimizer)))
            raise PlannerError(f"GradientPlanner.optimizer must be one of {names}, not {self.optimizer!r}")
        require_not_negative("GradientPlanner", noise=self.noise)

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

        ``extras`` holds ``totals``, the [B, R] costs of the restarts at the last iterate.
        """
        box, meter = require_box("GradientPlanner", dynamics), budget.meter()
        # A caller may plan inside no_grad or inference_mode; here gradients are needed.
        with torch.inference_mode(False), torch.no_grad():
            begin = start.detach().clone()
            drawn = draw_scenarios(dynamics, begin, self.horizon, self.scenarios, generator)
            evaluate = Evaluator(
                dynamics, cost, begin, self.horizon, self.hold, meter, recorder,
                kind="iterate", risk=self.risk, scenarios=drawn,
            )  # fmt: skip
            shooting = Shooting(evaluate, box, self.chunk)
            points = first_points(shooting, self.restarts, warm_start, self.init_std, generator)
            descend = DESCENTS[self.optimizer](self.learning_rate)
            while meter.iterations < self.iterations and not (meter.iterations and meter.exhausted()):
                totals, gradient = shooting.slope(points)
                points = descend(points, totals, gradient)
                points = self._disturb(points, meter.iterations, generator).clamp_(-1, 1)
                meter.iterations += 1
            complete = meter.iterations == self.iterations
            if not meter.exhausted():
                totals = shooting.totals(points)
            return evaluate.plan(complete, totals=totals)

    def _disturb(self, points: Tensor, iteration: int, generator: torch.Generator | None) -> Tensor:
        if self.noise == 0:
            return points
        spread = self.noise * (1 - (iteration + 1) / self.iterations)
        return points + spread * white_noise(points.shape, points, generator)
