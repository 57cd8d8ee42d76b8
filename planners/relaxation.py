"""A planning problem with leaps: what the lifted planner descends between true roll-outs.

``R`` is the number of restarts, ``S`` that of scenarios of a latent variable, an axis that is there only if the
dynamics has one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast, final

import torch
from torch import Tensor

from planners.base import Dynamics, Meter
from planners.candidates import Evaluator, hold_actions
from planners.imagination import Imagination
from planners.shooting import Shooting, slopes


@final
@dataclass(frozen=True)
class Relaxation:
    """A planning problem in which states may leap, at a price.

    States are told in units of the length of a typical step, and costs by their slope in these units.

    Attributes:
        shooting: the problem without leaps.
        unit: [B, 1, (1,) 1, 1] length of a typical step.
        steepness: [B, 1] the cost's steepest slope along a trajectory, per unit.
        consistency: price of a squared leap, in steepnesses.
        shaping: weight of the cost of what the model predicts from virtual states.
        detached: whether the model's gradient with respect to its input state is left out.
        chunk: most rows (problems x restarts x scenarios x time) in one pass of the model; None for all at once.
    """

    shooting: Shooting
    unit: Tensor
    steepness: Tensor
    consistency: float
    shaping: float
    detached: bool
    chunk: int | None = None

    @classmethod
    def around(
        cls,
        shooting: Shooting,
        points: Tensor,
        *,
        consistency: float,
        shaping: float,
        detached: bool,
        chunk: int | None = None,
    ) -> Relaxation:
        """The relaxation whose units are those of the roll-outs of [B, R, F, A] points."""
        states, actions = _roll_out(shooting, points)
        steps = states.diff(dim=-2).square().sum(-1, keepdim=True)
        unit = steps.mean(tuple(range(1, steps.dim())), keepdim=True).sqrt().clamp(min=1e-6)
        with torch.enable_grad():
            (slope,) = slopes(shooting.evaluate.cost(states.requires_grad_(), actions), states)
        steepness = (slope * unit).norm(dim=-1).amax(-1).flatten(1).mean(1, keepdim=True).clamp(min=1e-9)
        return cls(shooting, unit, steepness, consistency, shaping, detached, chunk)

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
        width = virtual.shape[1] if self.chunk is None else max(1, self.chunk // rows)
        free, box = self.shooting.actions(points), self.shooting.box
        parts = [self._slope(*part) for part in zip(free.split(width, 1), virtual.split(width, 1), strict=True)]
        totals, push, pull = (torch.cat(part, 1) for part in zip(*parts, strict=True))
        return totals, push * ((box.high - box.low) / 2), pull

    def _slope(self, free: Tensor, virtual: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        with torch.enable_grad():
            free, virtual = free.detach().requires_grad_(), virtual.detach().requires_grad_()
            totals = self._totals(free, virtual)
            push, pull = slopes(totals, free, virtual)
        return totals.detach(), push, pull

    def _totals(self, free: Tensor, virtual: Tensor) -> Tensor:
        """[B, R] what [B, R, F, A] free actions and [B, R, (S,) H, D] virtual states cost, leaps included."""
        evaluate = self.shooting.evaluate
        actions = _actions(evaluate, free)
        states = _prepend(evaluate.start, virtual * self.unit)
        before, after = states[..., :-1, :], states[..., 1:, :]
        predicted, chances = self._predict(before.detach() if self.detached else before, actions)
        costs = evaluate.cost(states, actions).sum(-1)
        if self.shaping:
            shaped = evaluate.cost(_prepend(evaluate.start, predicted), actions).sum(-1)
            costs = costs + self.shaping * shaped
        leaps = ((predicted - after) / self.unit).square().sum((-2, -1))
        if evaluate.scenarios is not None:
            costs, leaps = evaluate.risk(costs, chances), leaps.mean(-1)
        return self.consistency * leaps + costs / self.steepness

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
