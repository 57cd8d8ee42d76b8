"""Scenarios of a latent variable: the futures under which every candidate of a problem is imagined.

All candidates of a problem meet the same scenarios (common random numbers), so that they differ by what they do and
not by luck. ``S`` is the number of scenarios. They stand in the axis before time, right after the candidates: states
are [B, N, S, T+1, D].
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import final

import torch
from torch import Tensor

from planners.base import AnyDynamics, Categorical, StochasticDynamics, is_stochastic


@final
@dataclass(frozen=True)
class Scenarios:
    """What the latent variable does in S futures, the same for every candidate of a problem.

    Attributes:
        dynamics: the model whose latent variable it is.
        draws: [B, S, H] uniform numbers that choose modes by the inverse of their cumulative prior, or
            [B, S, H, Z] values of a Gaussian, or [B, S, H] modes (integers) where all futures are enumerated.
    """

    dynamics: StochasticDynamics
    draws: Tensor

    @property
    def count(self) -> int:
        """Number of scenarios, S."""
        return self.draws.shape[1]

    def latents(self, state: Tensor, action: Tensor, time: int | slice) -> Tensor:
        """[B, N, S, D] states and [B, N, S, A] actions to the [B, N, S] modes, or [B, N, S, Z] values, of a step.

        With a slice of times, for that many steps at once: states and actions then have an axis T after S.
        """
        draw = self.draws[:, None, :, time]
        if isinstance(self.dynamics.latents, Categorical) and not self._enumerated:
            cumulative = self._prior(state, action).cumsum(-1)
            # Rounding may leave the last cumulative probability below 1.
            return (draw[..., None] >= cumulative[..., :-1]).sum(-1)
        return draw.expand(*state.shape[:-1], *self.draws.shape[3:])

    def chances(self, state: Tensor, action: Tensor, latent: Tensor) -> Tensor | None:
        """[B, N, S] probabilities of a step's modes; None if they were drawn, which makes all scenarios alike."""
        if not self._enumerated:
            return None
        return self._prior(state, action).gather(-1, latent[..., None]).squeeze(-1)

    @property
    def _enumerated(self) -> bool:
        return not self.draws.is_floating_point()

    @torch.no_grad()
    def _prior(self, state: Tensor, action: Tensor) -> Tensor:
        """[B, N, S, n] probabilities of the modes."""
        return self.dynamics.log_prior(state, action).exp()


def draw_scenarios(
    dynamics: AnyDynamics, start: Tensor, horizon: int, count: int, generator: torch.Generator | None = None
) -> Scenarios | None:
    """Draws ``count`` scenarios of ``horizon`` steps for every one of [B, D] starts; None if nothing is random.

    Modes are enumerated instead, each sequence with its probability, where there are no more than ``count`` sequences.
    """
    if not is_stochastic(dynamics):
        return None
    shape, latents = (len(start), count, horizon), dynamics.latents
    if not isinstance(latents, Categorical):
        noise = torch.randn((*shape, latents.dim), generator=generator, device=start.device, dtype=start.dtype)
        return Scenarios(dynamics, noise)
    if latents.n**horizon <= count:
        modes = torch.tensor(list(product(range(latents.n), repeat=horizon)), device=start.device)
        return Scenarios(dynamics, modes.expand(len(start), -1, -1))
    return Scenarios(dynamics, stratified_uniforms(shape, start, generator))


def stratified_uniforms(shape: tuple[int, int, int], like: Tensor, generator: torch.Generator | None) -> Tensor:
    """[B, S, H] uniform numbers in [0, 1): at every step, one in each of S equal strata, in random order.

    Source: Latin hypercube sampling (McKay, Beckman and Conover, 1979).
    """
    noise = torch.rand((2, *shape), generator=generator, device=like.device, dtype=like.dtype)
    return (noise[0].argsort(1) + noise[1]) / shape[1]
