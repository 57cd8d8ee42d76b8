"""A continuous latent variable at every level: what wind, slips and a long macro-action leave open.

    E(x, a, y, z) = |y - Pred(x, a, z)|^2 / (2 width^2) + |z|^2 / 2,        z of Z numbers, N(0, I) a priori

(LeCun, 2022, "A path towards autonomous machine intelligence", section 4.4.) In training ``z`` is inferred from what
happened, and its information is limited (:mod:`hjepa.drift_fit`); in planning it is drawn from the prior. It comes on
top of the level's own prediction, which stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor, nn

from hjepa.dynamics import LevelDynamics
from hjepa.layers import mlp
from hjepa.stack import Stack
from hjepa.world_model import WorldLevel, WorldModel
from planners.base import Box, Gaussian

HIDDEN = (96, 96)
FREQUENCIES = (2.0, 4.0, 8.0, 16.0)
"""Of the waves of a state that the networks see beside it, radians per standard deviation: a wall is where it is to a
hundredth of the maze, and a small network bends too slowly for that (Tancik et al., 2020, "Fourier features")."""


@final
class Drift(nn.Module):
    """What ``z`` does to one level's predictions.

    Args:
        state: D, size of the level's state.
        action: A, size of its macro-action.
        latent: Z, components of the latent variable.
        hidden: widths of the networks' hidden layers.

    Attributes:
        centre, scale: [D] of the states that it was fitted to.
        action_centre, action_scale: [A] of the macro-actions.
        unit: [] root mean square of what the level's predictor leaves unexplained.
        width: [] of what ``z`` leaves unexplained, state units.
        temperature: [] factor on what is drawn from the prior; fitted on held-out recordings, else 1.
    """

    centre: Tensor
    scale: Tensor
    action_centre: Tensor
    action_scale: Tensor
    unit: Tensor
    width: Tensor
    temperature: Tensor

    def __init__(self, state: int, action: int, latent: int, hidden: tuple[int, ...] = HIDDEN) -> None:
        super().__init__()
        self.latent = latent
        seen = _seen(state, action)
        self.mean_net = mlp(seen, hidden, state)
        self.shift_net = mlp(seen + latent, hidden, state)
        self.posterior_net = mlp(seen + state, hidden, 2 * latent)
        for name, size in (("centre", state), ("action_centre", action)):
            self.register_buffer(name, torch.zeros(size))
        for name, size in (("scale", state), ("action_scale", action)):
            self.register_buffer(name, torch.ones(size))
        for name in ("unit", "width", "temperature"):
            self.register_buffer(name, torch.ones(()))

    def mean(self, states: Tensor, actions: Tensor) -> Tensor:
        """[..., D] states and [..., A] macro-actions to the [..., D] mean changes of the level's own prediction."""
        return self.unit * self.mean_net(self._inputs(states, actions))

    def shift(self, states: Tensor, actions: Tensor, latents: Tensor) -> Tensor:
        """[..., D] states, [..., A] macro-actions and [..., Z] latents to the [..., D] changes of the prediction."""
        seen = self._inputs(states, actions)
        return self.unit * (self.mean_net(seen) + self.shift_net(torch.cat([seen, latents], -1)))

    def posterior(self, states: Tensor, actions: Tensor, surprise: Tensor) -> tuple[Tensor, Tensor]:
        """[..., Z] means and log-variances of ``z``, given the [..., D] error of the level's own prediction."""
        seen = torch.cat([self._inputs(states, actions), surprise / self.unit], -1)
        mean, log_variance = self.posterior_net(seen).chunk(2, -1)
        return mean, log_variance.clamp(-12, 4)

    def calibrate(self, states: Tensor, actions: Tensor, surprise: Tensor) -> None:
        """Sets the units from [N, D] states, [N, A] macro-actions and [N, D] prediction errors."""
        self.centre.copy_(states.mean(0))
        self.scale.copy_(states.std(0).clamp_min(1e-6))
        self.action_centre.copy_(actions.mean(0))
        self.action_scale.copy_(actions.std(0).clamp_min(1e-6))
        self.unit.copy_(surprise.square().mean().sqrt().clamp_min(1e-9))
        self.width.copy_(self.unit)

    def _inputs(self, states: Tensor, actions: Tensor) -> Tensor:
        """[..., D] states and [..., A] macro-actions to the [..., I] numbers that the networks see of them."""
        states = (states - self.centre) / self.scale
        waves = [wave(frequency * states) for frequency in FREQUENCIES for wave in (torch.sin, torch.cos)]
        return torch.cat([states, *waves, (actions - self.action_centre) / self.action_scale], -1)


@final
class DriftDynamics:
    """One level's predictor with a continuous latent variable (:class:`planners.base.StochasticDynamics`).

    Args:
        level: whose predictor it completes.
        drift: what ``z`` does.
        box: bounds of the macro-actions; the level's percentile box if None.
    """

    def __init__(self, level: WorldLevel, drift: Drift, box: Box | None = None) -> None:
        self.level, self.drift = level, drift
        self.actions = LevelDynamics(level, box).actions
        self.latents = Gaussian(drift.latent)

    def predict(self, states: Tensor, actions: Tensor, latents: Tensor) -> Tensor:
        """Pred(x, a, z): [..., D] states, [..., A] macro-actions and [..., Z] latents to [..., D] states."""
        return self.level.predictor(states, actions) + self.drift.shift(states, actions, latents)

    def step(self, state: Tensor, action: Tensor, latent: Tensor | None = None) -> Tensor:
        """The same for ``z`` drawn from the prior, whose temperature applies; for the likeliest one, 0, if None."""
        if latent is None:
            latent = state.new_zeros(()).expand(*state.shape[:-1], self.drift.latent)
        return self.predict(state, action, self.drift.temperature * latent)

    def log_prior(self, state: Tensor, action: Tensor) -> Tensor:
        """Not asked of a Gaussian.

        Raises:
            TypeError: always.
        """
        raise TypeError("a Gaussian latent variable has no modes; its prior is N(0, I)")

    def posterior(self, states: Tensor, actions: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
        """[..., Z] means and log-variances of what ``z`` was, given the [..., D] states that followed."""
        return self.drift.posterior(states, actions, after - self.level.predictor(states, actions))

    def sample(self, start: Tensor, actions: Tensor, count: int, generator: torch.Generator) -> Tensor:
        """[B, D] starts and [B, H, A] macro-actions to [B, count, H+1, D] futures, ``z`` drawn from the prior."""
        states = [start.unsqueeze(1).expand(-1, count, -1)]
        for action in actions.unsqueeze(1).expand(-1, count, -1, -1).unbind(-2):
            noise = torch.randn((*action.shape[:2], self.drift.latent), generator=generator)
            states.append(self.step(states[-1], action, noise.to(start)))
        return torch.stack(states, -2)


def level_dynamics(stack: WorldModel, k: int, box: Box | None = None) -> LevelDynamics | DriftDynamics:
    """What planners see of a level: with its continuous latent variable, if it has one.

    Args:
        stack: the world model.
        k: level, counted from 1.
        box: bounds of the macro-actions; the level's percentile box if None.
    """
    drift = drift_of(stack, k)
    return LevelDynamics(stack.level(k), box) if drift is None else DriftDynamics(stack.level(k), drift, box)


def drift_of(stack: WorldModel, k: int) -> Drift | None:
    """A level's continuous latent variable; None where it has none."""
    if not isinstance(stack, Stack) or str(k) not in stack.drifts:
        return None
    drift = stack.drifts[str(k)]
    assert isinstance(drift, Drift)
    return drift


def make_drifts(stack: Stack, weights: Mapping[str, Tensor]) -> None:
    """Gives a stack the latent variables that its saved weights, by name, were saved with: all but their numbers."""
    for k in range(1, len(stack) + 1):
        layers = [name for name in weights if re.fullmatch(rf"drifts\.{k}\.shift_net\.\d+\.bias", name)]
        if layers:
            level, hidden = stack.level(k), tuple(len(weights[name]) for name in layers[:-1])
            seen = weights[layers[0].replace("bias", "weight")].shape[1]
            latent = seen - _seen(level.config.state_dim, level.action_dim)
            stack.drifts[str(k)] = Drift(level.config.state_dim, level.action_dim, latent, hidden)


def _seen(state: int, action: int) -> int:
    """How many numbers the networks see of a state and a macro-action."""
    return state * (1 + 2 * len(FREQUENCIES)) + action
