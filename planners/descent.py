"""Steps of gradient descent for many independent points at once: Adam, plain gradient steps, and L-BFGS.

Points are [B, R, F, A]: every restart ``R`` of every problem ``B`` is a point of its own, with its own steps. They lie
in the box [-1, 1]; who calls keeps them inside. Not ``torch.optim``: its bookkeeping costs more than the arithmetic
on tensors of this size, and its L-BFGS takes the whole batch for one point.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor


@dataclass
class Descent(ABC):
    """Turns gradients into steps.

    Attributes:
        learning_rate: in half-widths of the box: the length of a step of Adam, the length of L-BFGS's first step, the
            factor of the gradient in plain steps.
    """

    learning_rate: float

    @abstractmethod
    def __call__(self, points: Tensor, totals: Tensor, gradient: Tensor) -> Tensor:
        """[B, R, F, A] points, their [B, R] totals and gradient to the next points, which may replace the old ones."""


@final
@dataclass
class SGD(Descent):
    """Plain gradient steps."""

    def __call__(self, points: Tensor, totals: Tensor, gradient: Tensor) -> Tensor:
        return points.sub_(gradient, alpha=self.learning_rate)


@final
@dataclass
class Adam(Descent):
    """Steps along the mean of past gradients, each component in units of its own root mean square.

    Source: Kingma and Ba, 2015.

    Attributes:
        decays: shares of the mean and of the mean square that are kept in every step.
    """

    decays: tuple[float, float] = (0.9, 0.999)
    _count: int = 0
    _moments: tuple[Tensor, Tensor] | None = None

    def __call__(self, points: Tensor, totals: Tensor, gradient: Tensor) -> Tensor:
        slow, fast = self.decays
        self._count += 1
        self._moments = self._moments or (torch.zeros_like(points), torch.zeros_like(points))
        mean, power = self._moments
        mean.lerp_(gradient, 1 - slow)
        power.mul_(fast).addcmul_(gradient, gradient, value=1 - fast)
        scale = (power / (1 - fast**self._count)).sqrt_().add_(1e-12)
        return points.addcdiv_(mean, scale, value=-self.learning_rate / (1 - slow**self._count))


@dataclass(frozen=True)
class _Pair:
    """What one trial tells of the curvature.

    Attributes:
        step: [B, R, F, A] how the points moved.
        change: [B, R, F, A] how the gradient changed.
        weight: [B, R, 1, 1] 1 / (step . change), or 0 where the trial is not to be used.
    """

    step: Tensor
    change: Tensor
    weight: Tensor


@dataclass(frozen=True)
class _Accepted:
    """Where the points stand, and how their line searches are doing.

    Attributes:
        points: [B, R, F, A] the latest places that were accepted.
        totals: [B, R, 1, 1] what they cost.
        gradient: [B, R, F, A] their slope.
        curvature: [B, R, 1, 1] of the latest usable step.
        reach: [B, R, 1, 1] share of the next step that is tried.
    """

    points: Tensor
    totals: Tensor
    gradient: Tensor
    curvature: Tensor
    reach: Tensor


@final
@dataclass
class LBFGS(Descent):
    """Quasi-Newton steps from the last few gradients; every call is one trial, whatever a point's line search does.

    Every point goes on from its last accepted place: a trial that falls too little (Armijo's condition) is taken
    back, and the next one goes half as far. Components at a face of the box that would leave it stay where they are
    (two-metric projection; Bertsekas, 1982), and no component moves by more than a half-width of the box at a time.
    Source: two-loop recursion, Nocedal and Wright, 2006, algorithm 7.4.

    Attributes:
        memory: latest trials that are remembered; one that was taken back is remembered as nothing, so that a point
            that keeps failing returns to plain gradient steps.
    """

    memory: int = 8
    _pairs: deque[_Pair] = field(default_factory=deque)
    _accepted: _Accepted | None = None

    def __call__(self, points: Tensor, totals: Tensor, gradient: Tensor) -> Tensor:
        trial = points, totals[..., None, None], gradient
        at = self._begin(*trial) if self._accepted is None else self._judge(self._accepted, *trial)
        self._accepted = at
        free = (at.points.abs() < 1) | (at.points * at.gradient >= 0)
        direction = self._newton(at.gradient * free, at.curvature) * free
        longest = direction.abs().amax((-2, -1), keepdim=True)
        return at.points - at.reach / longest.clamp(min=1) * direction

    def _begin(self, points: Tensor, totals: Tensor, gradient: Tensor) -> _Accepted:
        steepest = gradient.abs().amax((-2, -1), keepdim=True).clamp(min=1e-12)
        return _Accepted(points, totals, gradient, steepest / self.learning_rate, torch.ones_like(totals))

    def _judge(self, old: _Accepted, points: Tensor, totals: Tensor, gradient: Tensor) -> _Accepted:
        """Takes each trial, or takes it back."""
        step, change = points - old.points, gradient - old.gradient
        accept = totals <= old.totals + 1e-4 * _dot(old.gradient, step).clamp(max=0)
        return _Accepted(
            torch.where(accept, points, old.points),
            torch.where(accept, totals, old.totals),
            torch.where(accept, gradient, old.gradient),
            self._remember(step, change, accept, old.curvature),
            torch.where(accept, 1.0, old.reach / 2),
        )

    def _remember(self, step: Tensor, change: Tensor, accept: Tensor, curvature: Tensor) -> Tensor:
        """Keeps what the trials tell; the curvature that is known then."""
        along, square = _dot(step, change), _dot(change, change)
        # Where the curvature isn't clearly positive, the step would not lead downhill.
        usable = accept & (along > 1e-6 * (square * _dot(step, step)).sqrt())
        self._pairs.append(_Pair(step, change, torch.where(usable, 1 / along, 0.0)))
        if len(self._pairs) > self.memory:
            self._pairs.popleft()
        return torch.where(usable, square / along, curvature)

    def _newton(self, gradient: Tensor, curvature: Tensor) -> Tensor:
        """The gradient, divided by the curvature that is known."""
        shares = []
        for pair in reversed(self._pairs):
            shares.append(pair.weight * _dot(pair.step, gradient))
            gradient = gradient - shares[-1] * pair.change
        result = gradient / curvature
        for pair in self._pairs:
            result = result + pair.step * (shares.pop() - pair.weight * _dot(pair.change, result))
        return result


def _dot(left: Tensor, right: Tensor) -> Tensor:
    """[B, R, 1, 1] inner products of [B, R, F, A] points."""
    return (left * right).sum((-2, -1), keepdim=True)
