"""Discrete actions as numbers with an axis of their own, so that sequences of any kind of action are [..., H, A]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from planners.base import AnyDynamics, Cost, Discrete, Dynamics, LatentSpace, StochasticDynamics, is_stochastic
from planners.mcts.branches import AllActions, Branches
from planners.outcomes import ConstrainedCost


@final
@dataclass(frozen=True)
class IndexedDynamics:
    """A dynamics whose discrete actions are numbers with an axis of their own, as sequences of any kind are kept.

    Attributes:
        inner: the dynamics.
        branches: tell actions from numbers.
    """

    inner: Dynamics
    branches: AllActions

    @property
    def actions(self) -> Discrete:
        """The same actions."""
        return self.branches.space

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        """[..., D] states and [..., 1] actions to the [..., D] next states."""
        return self.inner.step(state, self.branches.decode(action))


@final
@dataclass(frozen=True)
class IndexedStochasticDynamics:
    """The same for a dynamics with a latent variable.

    Attributes:
        inner: the dynamics.
        branches: tell actions from numbers.
    """

    inner: StochasticDynamics
    branches: AllActions

    @property
    def actions(self) -> Discrete:
        """The same actions."""
        return self.branches.space

    @property
    def latents(self) -> LatentSpace:
        """The same latent variable."""
        return self.inner.latents

    def step(self, state: Tensor, action: Tensor, latent: Tensor) -> Tensor:
        """[..., D] states, [..., 1] actions and latents to the [..., D] next states."""
        return self.inner.step(state, self.branches.decode(action), latent)

    def log_prior(self, state: Tensor, action: Tensor) -> Tensor:
        """[..., D] states and [..., 1] actions to the [..., n] log-probabilities of the modes."""
        return self.inner.log_prior(state, self.branches.decode(action))


@final
@dataclass(frozen=True)
class IndexedCost:
    """A cost of such actions.

    Attributes:
        inner: the cost.
        branches: tell actions from numbers.
    """

    inner: Cost
    branches: Branches

    def __call__(self, states: Tensor, actions: Tensor) -> Tensor:
        """[B, ..., T+1, D] states and [B, ..., T, 1] actions to [B, ..., T+1] costs."""
        return self.inner(states, self.branches.decode(actions))


def with_indices(dynamics: AnyDynamics, cost: Cost, branches: Branches) -> tuple[AnyDynamics, Cost]:
    """The dynamics and the cost as they take [..., A] numbers for actions."""
    if not isinstance(branches, AllActions):
        return dynamics, cost
    if isinstance(cost, ConstrainedCost):
        cost = ConstrainedCost(IndexedCost(cost.cost, branches), IndexedCost(cost.constraint, branches))
    else:
        cost = IndexedCost(cost, branches)
    if is_stochastic(dynamics):
        return IndexedStochasticDynamics(dynamics, branches), cost
    return IndexedDynamics(dynamics, branches), cost
