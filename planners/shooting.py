"""Shooting: the cost of a roll-out as a function of its actions, with its slope, in units that suit every box.

Descents move *points* in [-1, 1]: fractions of the action box's half-width from its centre. ``R`` is the number of
restarts, action sequences that are improved side by side for each problem.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from planners.base import Box
from planners.candidates import Evaluator, PlannerError, free_actions, white_noise


@final
@dataclass(frozen=True)
class Shooting:
    """What points cost and where they would rather be.

    Attributes:
        evaluate: rolls candidates out and scores them.
        box: the action box.
        chunk: most rows (problems x restarts x scenarios) in one pass of the model forward and backward, to bound
            memory; never less than one restart of every problem. None for all at once.
    """

    evaluate: Evaluator
    box: Box
    chunk: int | None = None

    def actions(self, points: Tensor) -> Tensor:
        """[..., A] points in [-1, 1] to actions in the box."""
        return self.box.clip(torch.lerp(self.box.low, self.box.high, (points + 1) / 2))

    def totals(self, points: Tensor) -> Tensor:
        """[B, R] scores of [B, R, F, A] points, without a gradient."""
        with torch.no_grad():
            return self.evaluate(self.actions(points))

    def slope(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """[B, R] scores of [B, R, F, A] points and the gradient with respect to them, 0 where it is not finite."""
        parts, meter, seconds = [], self.evaluate.meter, 0.0
        for part in self.actions(points).split(self._width(points.shape[1]), dim=1):
            parts.append(self._slope(part))
            seconds += meter.lap_seconds
        # The next round has as many passes.
        meter.lap_seconds = seconds
        totals, gradients = zip(*parts, strict=True)
        return torch.cat(totals, 1), torch.cat(gradients, 1) * ((self.box.high - self.box.low) / 2)

    def _width(self, restarts: int) -> int:
        """Restarts per pass; each pass is differentiated, and its memory freed, before the next begins."""
        if self.chunk is None:
            return restarts
        scenarios = self.evaluate.scenarios
        return max(1, self.chunk // (len(self.evaluate.start) * (1 if scenarios is None else scenarios.count)))

    def _slope(self, actions: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            actions = actions.detach().requires_grad_()
            totals = self.evaluate(actions)
            if not totals.requires_grad:
                raise PlannerError("the cost must depend on the actions in a differentiable way, and it does not")
            (gradient,) = slopes(totals, actions)
        return totals.detach(), gradient


def slopes(totals: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    """The gradients of [B, R, ...] totals with respect to each input, 0 where they are not finite or there is none.

    Candidates don't touch each other, so the gradient of their sum is every candidate's own. Asked of the inputs alone,
    it costs no gradients of the model's weights.
    """
    if not totals.requires_grad:
        return tuple(torch.zeros_like(each) for each in inputs)
    gradients = torch.autograd.grad(totals.nan_to_num(posinf=0.0).sum(), inputs, materialize_grads=True)
    return tuple(gradient.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0) for gradient in gradients)


def first_points(
    shooting: Shooting, restarts: int, warm_start: Tensor | None, init_std: float, generator: torch.Generator | None
) -> Tensor:
    """[B, R, F, A] where the restarts begin.

    The first one begins at the warm start, or at the centre of the box; the others are spread around the warm start,
    or drawn uniformly without one.
    """
    evaluate, box = shooting.evaluate, shooting.box
    start, free = evaluate.start, -(-evaluate.horizon // evaluate.hold)
    shape = (len(start), restarts, free, box.dim)
    warm = free_actions(warm_start, len(start), evaluate.horizon, evaluate.hold, box)
    if warm is None:
        points = torch.rand(shape, generator=generator, device=start.device, dtype=start.dtype) * 2 - 1
        points[:, 0] = 0
        return points
    centre, half = (box.high + box.low) / 2, (box.high - box.low) / 2
    mean = ((warm - centre) / half.clamp(min=1e-12))[:, None]
    points = (mean + init_std * white_noise(shape, start, generator)).clamp(-1, 1)
    points[:, 0] = mean[:, 0]
    return points
