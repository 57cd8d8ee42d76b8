"""Energies: how well what was observed goes with what was done, at any level of any stack.

    E(x, a, y, z) = D(s_y, Pred(s_x, a, z)) + R(z)
    F(x, a, y)    = min_z E,  or its softmin  -1/beta log integral exp(-beta E) dz
    p(y | x, a)   = exp(-beta F(x, a, y)) / sum over candidates y'        (Gibbs and Boltzmann)

Sources: LeCun et al., 2006, "A tutorial on energy-based learning", section 1.3; LeCun, 2022, "A path towards autonomous
machine intelligence", section 4. ``R`` is the negative logarithm of the prior, so that energies count in nats.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, final

import torch
from torch import Tensor

from hjepa.drift import Drift, DriftDynamics, drift_of
from hjepa.latent import Jumps
from hjepa.level import Level
from hjepa.stack import Stack

ROUNDS = 6
"""Gauss-Newton steps in which the latent variable of least energy is sought."""
DAMPING = 1e-3


class EnergyError(ValueError):
    """An energy that can't be told; the message is one line."""


class EnergyModel(Protocol):
    """One level's predictions, with whatever latent variable it has, as energies of [..., D] states."""

    def energy(self, states: Tensor, actions: Tensor, after: Tensor, latents: Tensor | None = None) -> Tensor:
        """[...] E of states before, [..., A] macro-actions, states after and latents (None where there is none)."""
        ...

    def infer(self, states: Tensor, actions: Tensor, after: Tensor) -> Tensor | None:
        """The latent variable of least energy; None where there is none."""
        ...

    def free_energy(self, states: Tensor, actions: Tensor, after: Tensor, beta: float = math.inf) -> Tensor:
        """[...] F: the least energy over latents, or with a finite ``beta`` its softmin."""
        ...


@final
@dataclass(frozen=True)
class Foreseen:
    """A level without a latent variable: F is E.

    Attributes:
        level: predicts.
        width: by how much a component of a state may be off, one standard deviation; the root mean square of its change
            over one prediction if None, so that an energy of D / 2 is that of a model that copies its input.
    """

    level: Level
    width: Tensor | None = None

    def energy(self, states: Tensor, actions: Tensor, after: Tensor, latents: Tensor | None = None) -> Tensor:
        """[...] squared errors, in widths, halved."""
        width = (self.level.change / states.shape[-1]).sqrt() if self.width is None else self.width
        return 0.5 * ((after - self.level.predictor(states, actions)) / width).square().sum(-1)

    def infer(self, states: Tensor, actions: Tensor, after: Tensor) -> Tensor | None:
        """There is nothing to infer."""
        return None

    def free_energy(self, states: Tensor, actions: Tensor, after: Tensor, beta: float = math.inf) -> Tensor:
        """[...] the energy itself."""
        return self.energy(states, actions, after)


@final
@dataclass(frozen=True)
class Eventful:
    """Level 1 of a world with events: ``z`` is 0 where nothing unforeseen happens, and 1 .. K for the event's modes.

    Attributes:
        calm: the level without events.
        jumps: where events happen, and where they lead.
    """

    calm: Foreseen
    jumps: Jumps

    def energies(self, states: Tensor, actions: Tensor, after: Tensor) -> Tensor:
        """[..., K + 1] the energy of every value of ``z``."""
        happens = self.jumps.hazard_logits(states)
        calm = self.calm.energy(states, actions, after) + torch.nn.functional.softplus(happens)
        width = self.calm.width if self.calm.width is not None else (self.calm.level.change / states.shape[-1]).sqrt()
        # Two densities are compared: the narrower one is the higher.
        volume = (self.jumps.scale * self.jumps.width / width).log().sum()
        event = self.jumps.energy(states, after) + torch.nn.functional.softplus(-happens).unsqueeze(-1) + volume
        return torch.cat([calm.unsqueeze(-1), event], -1)

    def energy(self, states: Tensor, actions: Tensor, after: Tensor, latents: Tensor | None = None) -> Tensor:
        """[...] the energy of [...] integer latents."""
        if latents is None:
            raise EnergyError("energy: this level has a latent variable; give its values, or ask for the free energy")
        return self.energies(states, actions, after).gather(-1, latents.unsqueeze(-1)).squeeze(-1)

    def infer(self, states: Tensor, actions: Tensor, after: Tensor) -> Tensor:
        """[...] which value explains best what happened."""
        return self.energies(states, actions, after).argmin(-1)

    def free_energy(self, states: Tensor, actions: Tensor, after: Tensor, beta: float = math.inf) -> Tensor:
        """[...] the least energy, or the softmin over all values."""
        energies = self.energies(states, actions, after)
        return energies.amin(-1) if math.isinf(beta) else -(-beta * energies).logsumexp(-1) / beta


@final
@dataclass(frozen=True)
class Drifting:
    """A level with a continuous latent variable.

    Attributes:
        dynamics: the level and its latent variable.
    """

    dynamics: DriftDynamics

    def energy(self, states: Tensor, actions: Tensor, after: Tensor, latents: Tensor | None = None) -> Tensor:
        """[...] the energy of [..., Z] latents."""
        if latents is None:
            raise EnergyError("energy: this level has a latent variable; give its values, or ask for the free energy")
        return 0.5 * self._residuals(states, actions, after, latents).square().sum(-1)

    @torch.no_grad()
    def infer(self, states: Tensor, actions: Tensor, after: Tensor) -> Tensor:
        """[..., Z] a latent variable of least energy: Levenberg and Marquardt's descent from the amortised guess."""
        return self._descend(*self._flat(states, actions, after)).view(*after.shape[:-1], -1)

    @torch.no_grad()
    def free_energy(self, states: Tensor, actions: Tensor, after: Tensor, beta: float = math.inf) -> Tensor:
        """[...] the energy of that latent variable; with a finite ``beta`` Laplace's approximation of the softmin."""
        given = self._flat(states, actions, after)
        latents = self._descend(*given)
        least = self.energy(*given, latents)
        if not math.isinf(beta):
            curvature = self._linear(*given, latents)[1]
            size = latents.shape[-1]
            least = least + (torch.linalg.slogdet(curvature)[1] - size * math.log(2 * math.pi / beta)) / (2 * beta)
        return least.view(after.shape[:-1])

    def _descend(self, states: Tensor, actions: Tensor, after: Tensor) -> Tensor:
        """[N, D], [N, A] and [N, D] to [N, Z] latents: a step is taken where it lowers the energy."""
        latents = self.dynamics.posterior(states, actions, after)[0]
        energy, damping = self.energy(states, actions, after, latents), torch.full_like(latents[:, :1, None], DAMPING)
        for _ in range(ROUNDS):
            slope, curvature = self._linear(states, actions, after, latents)
            damped = curvature + damping * torch.diag_embed(curvature.diagonal(dim1=-2, dim2=-1))
            tried = latents - torch.linalg.solve(damped, slope)
            lower = self.energy(states, actions, after, tried)
            better = lower < energy
            latents = torch.where(better.unsqueeze(-1), tried, latents)
            energy = torch.where(better, lower, energy)
            damping = torch.where(better[:, None, None], damping / 10, damping * 30)
        return latents

    def _linear(self, states: Tensor, actions: Tensor, after: Tensor, latents: Tensor) -> tuple[Tensor, Tensor]:
        """[N, Z] slopes of the energy and its [N, Z, Z] curvatures, as Gauss and Newton approximate them."""

        def residuals(latent: Tensor, state: Tensor, action: Tensor, later: Tensor) -> tuple[Tensor, Tensor]:
            value = self._residuals(state, action, later, latent)
            return value, value

        slopes = torch.func.jacrev(residuals, has_aux=True)
        jacobian, value = torch.func.vmap(slopes)(latents, states, actions, after)
        return (jacobian.mT @ value.unsqueeze(-1)).squeeze(-1), jacobian.mT @ jacobian

    def _residuals(self, states: Tensor, actions: Tensor, after: Tensor, latents: Tensor) -> Tensor:
        """[..., D + Z] numbers whose squares, halved, add up to the energy."""
        missed = (after - self.dynamics.predict(states, actions, latents)) / self.dynamics.drift.width
        return torch.cat([missed, latents], -1)

    @staticmethod
    def _flat(states: Tensor, actions: Tensor, after: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Whatever broadcasts, as rows."""
        shape = after.shape[:-1]
        return (
            states.expand(*shape, -1).reshape(-1, states.shape[-1]),
            actions.expand(*shape, -1).reshape(-1, actions.shape[-1]),
            after.reshape(-1, after.shape[-1]),
        )


def energy_model(stack: Stack, k: int, drift: Drift | None = None, width: Tensor | None = None) -> EnergyModel:
    """The energies of a level as it is: with a continuous latent variable, events (level 1), or neither.

    Args:
        stack: a trained stack.
        k: level, counted from 1.
        drift: the level's continuous latent variable; the stack's own if None.
        width: see :class:`Foreseen`.
    """
    level, drift = stack.level(k), drift or drift_of(stack, k)
    if drift is not None:
        return Drifting(DriftDynamics(level, drift))
    if k == 1 and stack.jumps is not None:
        return Eventful(Foreseen(level, width), stack.jumps)
    return Foreseen(level, width)


@final
@dataclass(frozen=True)
class LevelEnergy:
    """How compatible an observation, actions and a later observation are, as one level of a stack sees it.

    Attributes:
        stack: encodes.
        k: level, counted from 1; it compares what is ``stride`` world steps apart.
        model: its energies; those of :func:`energy_model` if None.

    >>> from hjepa.stack import StackConfig
    >>> energy = LevelEnergy(Stack(StackConfig()), 2)
    >>> energy(torch.zeros(5, 2), torch.zeros(5, 10, 2), torch.ones(5, 2)).shape
    torch.Size([5])
    """

    stack: Stack
    k: int
    model: EnergyModel | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.k <= len(self.stack):
            raise EnergyError(f"k must be 1 to {len(self.stack)} for this stack, not {self.k}")

    @torch.no_grad()
    def __call__(self, observation: Tensor, actions: Tensor, later: Tensor, beta: float = math.inf) -> Tensor:
        """[B, O] observations, [B, stride, A_1] world actions and [B, ..., O] later ones to [B, ...] free energies.

        Raises:
            EnergyError: for another number of actions than the level's stride, or a ``beta`` that is not positive.
        """
        stride = self.stack.level(self.k).config.stride
        if actions.shape[-2] != stride:
            raise EnergyError(f"level {self.k} compares over {stride} world steps, not over {actions.shape[-2]}")
        if not beta > 0:
            raise EnergyError(f"beta must be positive, not {beta!r}")
        model = self.model or energy_model(self.stack, self.k)
        aside = [1] * (later.dim() - observation.dim())
        before = self.stack.encode(observation, self.k)
        doing = self.stack.macro_actions(actions, self.k)[..., 0, :]
        before, doing = (part.view(len(part), *aside, part.shape[-1]) for part in (before, doing))
        return model.free_energy(before, doing, self.stack.encode(later, self.k), beta)

    def probabilities(self, observation: Tensor, actions: Tensor, candidates: Tensor, beta: float = 1.0) -> Tensor:
        """[B, N] probabilities that each of [B, N, O] candidates is what followed: the Gibbs-Boltzmann distribution.

        Raises:
            EnergyError: as :meth:`__call__`, and for an infinite ``beta``.
        """
        if math.isinf(beta):
            raise EnergyError("beta must be finite for probabilities; without a temperature there is only the best one")
        return (-beta * self(observation, actions, candidates, beta)).softmax(-1)

    def ranks(self, observation: Tensor, actions: Tensor, candidates: Tensor) -> Tensor:
        """[B, N] the place of each of [B, N, O] candidates, 1 for the one of least energy."""
        return 1 + self(observation, actions, candidates).argsort(-1).argsort(-1)
