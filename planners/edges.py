"""The model's side of :mod:`planners.astar`: what macro-actions lead to, what they cost, and which cells that is in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from planners.base import AnyDynamics, Categorical, Dynamics, StochasticDynamics, is_stochastic
from planners.candidates import PlannerError
from planners.risk import Risk

StateFunction = Callable[[Tensor, Tensor], Tensor]
"""[M, D] states and [M, D] others (goals, next states) to [M] numbers or flags."""

Measure = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""[M, D] states of [M] problems to their [M] costs to go and [M] flags of arrival."""


@dataclass(frozen=True)
class Steps:
    """What [m] macro-actions lead to.

    Attributes:
        states: [m, D] the next states.
        numbers: [3, m] costs of the steps (infinite where they may not be taken), estimated costs to go, and arrivals.
        cells: [m] numbers of the states' cells.
    """

    states: Tensor
    numbers: Tensor
    cells: Tensor


@dataclass(frozen=True)
class HashGrid:
    """Cells of a latent space.

    Attributes:
        resolution: [D] or [] cell size of each component.
        factors: [D] odd numbers that hash a cell's coordinates to 64 bits.
    """

    resolution: Tensor
    factors: Tensor

    @classmethod
    def of(cls, resolution: float | tuple[float, ...], start: Tensor) -> HashGrid:
        """The grid over the space of [B, D] starts; raises a :class:`PlannerError` unless there is a size for each D.

        The factors are the same in every process.
        """
        size = torch.as_tensor(resolution, dtype=start.dtype, device=start.device)
        dim = start.shape[-1]
        if size.dim() and size.shape != (dim,):
            raise PlannerError(f"LatentAStar.resolution must be one number or {dim}, not {len(size)}")
        generator = torch.Generator().manual_seed(0)
        factors = torch.randint(2**62, (dim,), generator=generator) * 2 + 1
        return cls(size, factors.to(start.device))

    def cells(self, states: Tensor) -> Tensor:
        """[M, D] states to the [M] numbers of their cells; two cells share a number with a chance of 2 ** -64."""
        # A multiplication of integers wraps around, which is what a hash wants.
        return (states / self.resolution).round_().long().mul_(self.factors).sum(-1)


@final
@dataclass(frozen=True)
class Edges:
    """A dynamics as the edges of an implicit graph.

    Attributes:
        predict: [m, D] states, [m] actions and [m] problems to the [m, D] next states, and what is added to the cost.
        measure: of the goal.
        grid: tells states apart.
        stride: cost of an edge, unless there is an edge cost.
        edge_cost: [m, D] states and [m, D] next states to [m] costs.
        valid: [m, D] states and [m, D] next states to [m] flags.
    """

    predict: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor | None]]
    measure: Measure
    grid: HashGrid
    stride: float
    edge_cost: StateFunction | None = None
    valid: StateFunction | None = None

    def starts(self, states: Tensor) -> Steps:
        """[B, D] starts as steps that cost nothing."""
        problems = torch.arange(len(states), device=states.device)
        return self._measured(states, states.new_zeros(len(states), dtype=torch.double), problems)

    def take(self, states: Tensor, actions: Tensor, problems: Tensor) -> Steps:
        """Takes [m] actions in [m, D] states."""
        after, more = self.predict(states, actions, problems)
        if self.edge_cost is None:
            costs = after.new_full((len(after),), self.stride, dtype=torch.double)
        else:
            costs = self.edge_cost(states, after).double()
        if more is not None:
            costs = costs + more
        usable = torch.isfinite(after.sum(-1))  # a sum is as finite as its terms, and one pass over them
        if self.valid is not None:
            usable &= self.valid(states, after)
        return self._measured(after, costs.masked_fill(~usable, torch.inf), problems)

    def _measured(self, states: Tensor, costs: Tensor, problems: Tensor) -> Steps:
        estimates, arrived = self.measure(states, problems)
        return Steps(states, torch.stack([costs, estimates.double(), arrived.double()]), self.grid.cells(states))


@final
@dataclass(frozen=True)
class Certain:
    """What a deterministic dynamics predicts; nothing is added to the cost."""

    dynamics: Dynamics
    outcomes: int = 1

    def __call__(self, states: Tensor, actions: Tensor, problems: Tensor) -> tuple[Tensor, None]:
        return self.dynamics.step(states, actions), None


@final
@dataclass(frozen=True)
class Determinised:
    """A stochastic dynamics as if the most likely outcome of an action were certain, at a surcharge for its risk.

    The surcharge is what the risk measure makes of the estimated costs to go of all outcomes, less the estimate of the
    most likely one; never less than nothing. It is an all-outcomes look at one step in a most-likely-outcome
    determinisation (as in FF-Replan: Yoon, Fern and Givan, 2007): not the cost of a policy that reacts.

    Attributes:
        dynamics: whose outcomes are weighed.
        measure: of the goal.
        risk: the attitude to risk.
        noise: [S, Z] samples of a Gaussian latent variable, the same for all edges; None where it is categorical.
    """

    dynamics: StochasticDynamics
    measure: Measure
    risk: Risk
    noise: Tensor | None = None

    @property
    def outcomes(self) -> int:
        """Predictions per edge."""
        latents = self.dynamics.latents
        return latents.n if isinstance(latents, Categorical) else 1 + len(self._samples())

    def __call__(self, states: Tensor, actions: Tensor, problems: Tensor) -> tuple[Tensor, Tensor]:
        """[m, D] most likely next states, and [m] surcharges."""
        if isinstance(self.dynamics.latents, Categorical):
            latents = torch.arange(self.dynamics.latents.n, device=states.device).expand(len(states), -1)
            log_prior = self.dynamics.log_prior(states, actions)
            likely, chances = log_prior.argmax(-1), log_prior.exp()
        else:
            # The density's peak comes first, as an outcome that has no share in the mean of the samples.
            noise = self._samples()
            latents = torch.cat([torch.zeros_like(noise[:1]), noise]).expand(len(states), -1, -1)
            likely = torch.zeros(len(states), dtype=torch.long, device=states.device)
            chances = noise.new_ones(1 + len(noise)).index_fill(0, likely[:1], 0.0) / len(noise)
        return self._weighed(states, actions, problems, latents, likely, chances)

    def _weighed(
        self, states: Tensor, actions: Tensor, problems: Tensor, latents: Tensor, likely: Tensor, chances: Tensor
    ) -> tuple[Tensor, Tensor]:
        count, outcomes = latents.shape[:2]
        before = states[:, None].expand(-1, outcomes, -1)
        after = self.dynamics.step(before, actions[:, None].expand(-1, outcomes), latents)
        estimates, _ = self.measure(after.flatten(0, 1), problems.repeat_interleave(outcomes))
        guess, rows = estimates.view(count, outcomes), torch.arange(count, device=states.device)
        surcharge = self.risk(guess, chances) - guess[rows, likely]
        return after[rows, likely], surcharge.clamp(min=0).double()

    def _samples(self) -> Tensor:
        assert self.noise is not None
        return self.noise


def outcomes_of(
    dynamics: AnyDynamics,
    measure: Measure,
    risk: Risk,
    scenarios: int,
    start: Tensor,
    generator: torch.Generator | None,
) -> Certain | Determinised:
    """How a dynamics is to be predicted; the noise of a Gaussian latent variable is drawn here."""
    if not is_stochastic(dynamics):
        return Certain(dynamics)
    latents = dynamics.latents
    if isinstance(latents, Categorical):
        return Determinised(dynamics, measure, risk)
    if generator is None:
        raise PlannerError("generator: LatentAStar samples the dynamics' Gaussian latent variable and needs one")
    shape = (scenarios, latents.dim)
    noise = torch.randn(shape, generator=generator, device=start.device, dtype=start.dtype)
    return Determinised(dynamics, measure, risk, noise)
