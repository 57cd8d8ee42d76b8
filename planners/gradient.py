"""Planning by gradient descent through the world model, from many starting points at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, final

import torch
from torch import Tensor

from planners.base import Box, Budget, Cost, Dynamics, Plan, Recorder
from planners.candidates import Evaluator, PlannerError, free_actions, require_box, require_positive, white_noise


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
        learning_rate: in half-widths of the box; for ``sgd`` it multiplies the gradient.
        optimizer: ``adam`` or ``sgd``.
        noise: spread of the normal noise added after each gradient step, in half-widths; it decays linearly to 0.
        init_std: spread of the restarts around a warm start, in half-widths.
        hold: steps for which each free action is held.
    """

    horizon: int
    restarts: int = 16
    iterations: int = 30
    learning_rate: float = 0.1
    optimizer: Literal["adam", "sgd"] = "adam"
    noise: float = 0.0
    init_std: float = 0.5
    hold: int = 1

    def __post_init__(self) -> None:
        positive = ("horizon", "restarts", "iterations", "learning_rate", "init_std", "hold")
        require_positive("GradientPlanner", **{name: getattr(self, name) for name in positive})
        if self.optimizer not in ("adam", "sgd"):
            raise PlannerError(f"GradientPlanner.optimizer must be 'adam' or 'sgd', not {self.optimizer!r}")
        if not self.noise >= 0:
            raise PlannerError(f"GradientPlanner.noise must not be negative, not {self.noise!r}")

    def plan(
        self,
        dynamics: Dynamics,
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
        with torch.inference_mode(False), torch.enable_grad():
            begin = start.detach().clone()
            evaluate = Evaluator(dynamics, cost, begin, self.horizon, self.hold, meter, recorder, kind="iterate")
            points = self._first_points(box, begin, warm_start, generator)
            step = _Descent(self.learning_rate, self.optimizer == "adam")
            while meter.iterations < self.iterations and not (meter.iterations and meter.exhausted()):
                points = step(points, self._gradient(evaluate, box, points))
                points = self._disturb(points, meter.iterations, generator).clamp(-1, 1)
                meter.iterations += 1
            complete = meter.iterations == self.iterations
            if not meter.exhausted():
                evaluate(_actions(points, box))
            return evaluate.plan(complete, totals=evaluate.latest)

    def _first_points(
        self, box: Box, start: Tensor, warm_start: Tensor | None, generator: torch.Generator | None
    ) -> Tensor:
        """[B, R, F, A] where the descents begin, as fractions of the box's half-width from its centre."""
        free = -(-self.horizon // self.hold)
        shape = (len(start), self.restarts, free, box.dim)
        centre, half = (box.high + box.low) / 2, (box.high - box.low) / 2
        warm = free_actions(warm_start, len(start), self.horizon, self.hold, box)
        if warm is None:
            points = torch.rand(shape, generator=generator, device=start.device, dtype=start.dtype) * 2 - 1
            points[:, 0] = 0
            return points
        mean = ((warm - centre) / half.clamp(min=1e-12))[:, None]
        points = (mean + self.init_std * white_noise(shape, start, generator)).clamp(-1, 1)
        points[:, 0] = mean[:, 0]
        return points

    def _gradient(self, evaluate: Evaluator, box: Box, points: Tensor) -> Tensor:
        points = points.detach().requires_grad_()
        totals = evaluate(_actions(points, box))
        # The candidates don't touch each other, so the gradient of the sum is every candidate's own.
        (gradient,) = torch.autograd.grad(totals.nan_to_num(posinf=0.0).sum(), points)
        return gradient.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)

    def _disturb(self, points: Tensor, iteration: int, generator: torch.Generator | None) -> Tensor:
        if self.noise == 0:
            return points
        spread = self.noise * (1 - (iteration + 1) / self.iterations)
        return points + spread * white_noise(points.shape, points, generator)


def _actions(points: Tensor, box: Box) -> Tensor:
    """[..., A] points in [-1, 1] to actions in the box."""
    return box.clip(torch.lerp(box.low, box.high, (points + 1) / 2))


@dataclass
class _Descent:
    """Adam (Kingma and Ba, 2015) or plain gradient steps on one tensor.

    Not ``torch.optim``: its bookkeeping costs more than the arithmetic on tensors of this size.
    """

    learning_rate: float
    adam: bool
    count: int = 0
    first: Tensor | float = 0.0
    second: Tensor | float = 0.0
    decays: tuple[float, float] = field(default=(0.9, 0.999))

    def __call__(self, points: Tensor, gradient: Tensor) -> Tensor:
        points = points.detach()
        if not self.adam:
            return points - self.learning_rate * gradient
        self.count += 1
        slow, fast = self.decays
        self.first = slow * self.first + (1 - slow) * gradient
        self.second = fast * self.second + (1 - fast) * gradient**2
        mean, power = self.first / (1 - slow**self.count), self.second / (1 - fast**self.count)
        return points - self.learning_rate * mean / (power.sqrt() + 1e-12)
