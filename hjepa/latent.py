"""The latent variable: what an observed transition cannot be foreseen from, learned from events alone.

At an event the world goes from state ``x`` to one of a few states ``y``. A discrete latent variable ``z`` says which:

    E(x, y, z) = |y - mode_z(x)|^2 / (2 width^2) - log p(z | x),     F(x, y) = min_z E(x, y, z)

(LeCun, 2022, "A path towards autonomous machine intelligence", section 4.4). The prior does not see the action: with
macro-actions in it, which contain what was done after the event, it would learn to "choose" the outcome. The
information in ``z`` is limited to log K nats, and every nat of it has a price, so that spare modes empty.
"""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn

from hjepa.layers import mlp, start_at_zero

HIDDEN = (64, 64)
SHARP = (128, 128, 128)
"""Of the network that tells where events happen: within a step of a border they do, beyond it never."""


@final
class Jumps(nn.Module):
    """Where events happen, and where they lead.

    Args:
        state: D, size of level 1's state.
        modes: K, values of the latent variable.

    Attributes:
        centre, scale: [D] of the states that it was fitted to.
        centres: [K, D] the modes, before the state bends them.
        width: [] standard deviation of a component around its mode.
        alive: [K] zero for modes in use, minus infinity for the others; added to the prior's logits.
    """

    centre: Tensor
    scale: Tensor
    width: Tensor
    alive: Tensor

    def __init__(self, state: int, modes: int) -> None:
        super().__init__()
        self.hazard_net = mlp(state, SHARP, 1)
        self.prior_net = mlp(state, HIDDEN, modes)
        self.bend_net = mlp(state, HIDDEN, modes * state)
        self.centres = nn.Parameter(torch.zeros(modes, state))
        start_at_zero(self.prior_net)
        start_at_zero(self.bend_net)
        for name, value in (("centre", torch.zeros(state)), ("scale", torch.ones(state)), ("width", torch.ones(()))):
            self.register_buffer(name, value)
        self.register_buffer("alive", torch.zeros(modes))

    def hazard(self, states: Tensor) -> Tensor:
        """[..., D] states to the [...] probabilities that the next step is an event."""
        return self.hazard_logits(states).sigmoid()

    def hazard_logits(self, states: Tensor) -> Tensor:
        """[..., D] states to the [...] logits of the same."""
        return self.hazard_net(self._inputs(states)).squeeze(-1)

    def log_prior(self, states: Tensor) -> Tensor:
        """[..., D] states to the [..., K] log-probabilities of the modes, should an event happen there."""
        return (self.prior_net(self._inputs(states)) + self.alive).log_softmax(-1)

    def outcomes(self, states: Tensor) -> Tensor:
        """[..., D] states to the [..., K, D] states that an event may lead to."""
        inputs = self._inputs(states)
        modes = self.centres + self.bend_net(inputs).unflatten(-1, self.centres.shape)
        return self.centre + self.scale * modes

    def energy(self, states: Tensor, after: Tensor) -> Tensor:
        """[..., D] states before and after an event to the [..., K] energies of the modes, nats."""
        apart = (after.unsqueeze(-2) - self.outcomes(states)) / self.scale
        return 0.5 * (apart / self.width).square().sum(-1) - self.log_prior(states)

    def free_energy(self, states: Tensor, after: Tensor, beta: float = math.inf) -> Tensor:
        """[...] the least energy over the modes; with a finite ``beta``, its softmin, -log(sum exp(-beta E)) / beta."""
        energy = self.energy(states, after)
        return energy.amin(-1) if math.isinf(beta) else -(-beta * energy).logsumexp(-1) / beta

    def infer(self, states: Tensor, after: Tensor) -> Tensor:
        """[...] the mode that explains best what happened: the latent variable of least energy."""
        return self.energy(states, after).argmin(-1)

    def _inputs(self, states: Tensor) -> Tensor:
        return (states - self.centre) / self.scale
