"""Worlds of finitely many states: given as arrays, made of a graph, or of a learned world model seen at some states.

``S`` is the number of states, ``A`` of actions, ``K`` of outcomes that one action can have. What an action does is
drawn from its outcomes; where it has only one, the world is deterministic.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from planners.base import AnyDynamics, Budget, Categorical, Discrete, Meter, StochasticDynamics, is_stochastic
from planners.candidates import PlannerError
from planners.edges import StateFunction
from planners.graph import SearchGraph
from planners.neighbors import NeighborIndex

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Doubles = NDArray[np.float64]

NOWHERE = -1
"""The next state of an outcome from which nothing leads on; also pads."""


@final
@dataclass(frozen=True, eq=False)
class FiniteModel:
    """A Markov decision process without goals. Its arrays are not to be written to.

    Build it with :meth:`of`, which checks, or :meth:`from_graph`.

    Attributes:
        next_states: [S, A, K] where each outcome leads; -1 is nowhere, a dead end.
        chances: [S, A, K] probability of each outcome; all 0 where the action is not possible.
        costs: [S, A, K] cost of the step, not negative.
    """

    next_states: Ints
    chances: Doubles
    costs: Doubles

    @classmethod
    def of(cls, next_states: ArrayLike, costs: ArrayLike, chances: ArrayLike | None = None) -> FiniteModel:
        """Builds a model from arrays.

        Args:
            next_states: [S, A, K], or [S, A] where every action has one outcome; -1 is nowhere.
            costs: [S, A, K], or [S, A] where they don't depend on the outcome.
            chances: [S, A, K], each action's sum to 1, or are all 0. If None, an action has one outcome, and is not
                possible where that is -1.

        Raises:
            PlannerError: shapes don't fit, or a number is out of its range.
        """
        after = np.asarray(next_states)
        if chances is None and after.ndim == 2:
            after = after[..., None]
        weights = (after >= 0).astype(np.float64) if chances is None else np.asarray(chances, np.float64)
        prices = np.asarray(costs, np.float64)
        _check_shapes(after, weights, prices)
        prices = np.broadcast_to(prices if prices.ndim == 3 else prices[..., None], after.shape)
        _check_numbers(after, weights, prices)
        totals = weights.sum(-1, keepdims=True)
        weights = np.divide(weights, totals, out=np.zeros_like(weights), where=totals > 0)
        return cls(np.where(weights > 0, after, NOWHERE).astype(np.int32), weights, np.where(weights > 0, prices, 0.0))

    @classmethod
    def from_graph(cls, graph: SearchGraph) -> FiniteModel:
        """A graph's nodes as states; action ``a`` of node ``s`` is the edge ``indptr[s] + a``."""
        degrees = np.diff(graph.indptr)
        shape = (graph.num_nodes, max(1, int(degrees.max(initial=0))))
        taken = np.arange(shape[1]) < degrees[:, None]
        after, costs = np.full(shape, NOWHERE), np.zeros(shape)
        after[taken], costs[taken] = graph.targets, graph.costs
        return cls.of(after, costs)

    @property
    def num_states(self) -> int:
        """Number of states, S."""
        return self.next_states.shape[0]

    @property
    def num_actions(self) -> int:
        """Number of actions, A."""
        return self.next_states.shape[1]

    @cached_property
    def possible(self) -> tuple[Ints, NDArray[np.bool_]]:
        """[S, A] how many outcomes each action may have, and whether one of them leads nowhere."""
        likely = self.chances > 0
        return likely.sum(-1, dtype=np.int32), np.asarray((likely & (self.next_states < 0)).any(-1))

    @cached_property
    def incoming(self) -> tuple[Longs, Longs]:
        """The outcomes that lead to each state, in compressed rows: [S+1] pointers and flat numbers in [S, A, K]."""
        flat = self.next_states.reshape(-1)
        order = np.argsort(flat, kind="stable")[np.count_nonzero(flat < 0) :]
        counts = np.bincount(flat[order], minlength=self.num_states)
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]), order


def _check_shapes(after: NDArray[np.integer], weights: Doubles, prices: Doubles) -> None:
    if after.ndim != 3 or 0 in after.shape or not np.issubdtype(after.dtype, np.integer):
        raise PlannerError(f"next_states must be [S, A, K] integers, not {list(after.shape)} of {after.dtype}")
    if weights.shape != after.shape:
        raise PlannerError(f"chances must be {list(after.shape)} as next_states are, not {list(weights.shape)}")
    if prices.shape not in (after.shape, after.shape[:2]):
        raise PlannerError(
            f"costs must be {list(after.shape)} or {list(after.shape[:2])} as next_states are, not {list(prices.shape)}"
        )


def _check_numbers(after: NDArray[np.integer], weights: Doubles, prices: Doubles) -> None:
    if not (after.min() >= NOWHERE and after.max() < len(after)):
        raise PlannerError(f"next_states must be -1 .. {len(after) - 1}; found {after.min()} .. {after.max()}")
    totals = weights.sum(-1)
    if not (weights >= 0).all() or not ((totals == 0) | (np.abs(totals - 1) < 1e-4)).all():
        raise PlannerError(
            f"the chances of an action must not be negative and sum to 1 or all be 0; "
            f"the smallest is {weights.min()}, sums are {totals.min()} .. {totals.max()}"
        )
    used = prices[weights > 0]
    if not (np.isfinite(used) & (used >= 0)).all():
        raise PlannerError(f"costs must be finite and not negative; found {used.min()} .. {used.max()}")


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Discretisation:
    """How a learned world model becomes a finite one: predicted states count as the nearest representative.

    An outcome further than the tolerance from all of them leads nowhere.

    Attributes:
        states: [S, D] the representative states, such as remembered landmarks.
        tolerance: largest distance between a predicted state and its representative, in units of the state.
        stride: cost of one action, world steps; not used where ``edge_cost`` is given.
        edge_cost: [M, D] states and [M, D] next states to [M] costs of going there, not negative.
        valid: [M, D] states and [M, D] next states to [M] flags: whether the model's prediction is to be believed.
        samples: draws of a :class:`planners.base.Gaussian` latent variable; one of finitely many modes is enumerated.
        negligible: modes that are less likely are left out, as a learned prior rules nothing out.
    """

    states: Tensor
    tolerance: float
    stride: float = 1.0
    edge_cost: StateFunction | None = None
    valid: StateFunction | None = None
    samples: int = 16
    negligible: float = 1e-3

    def __post_init__(self) -> None:
        if self.states.dim() != 2 or not len(self.states):
            raise PlannerError(f"Discretisation.states must be [S, D], not {list(self.states.shape)}")
        for name in ("tolerance", "stride", "samples"):
            if not getattr(self, name) > 0:
                raise PlannerError(f"Discretisation.{name} must be positive, not {getattr(self, name)!r}")
        if not 0 <= self.negligible < 1:
            raise PlannerError(f"Discretisation.negligible must be in [0, 1), not {self.negligible!r}")

    @cached_property
    def index(self) -> NeighborIndex:
        """Finds representatives."""
        return NeighborIndex(_floats(self.states), self.tolerance)

    def nearest(self, states: Tensor) -> Longs:
        """[M, D] states to the [M] numbers of their representatives, -1 where none is within the tolerance."""
        points, known = _floats(states), _floats(self.states)
        queries, numbers = self.index.within(points)
        apart = np.square(points[queries] - known[numbers]).sum(1)
        order = np.lexsort((apart, queries))
        first, place = np.unique(queries[order], return_index=True)
        found = np.full(len(points), NOWHERE)
        found[first] = numbers[order][place]
        return found

    def outcomes(
        self, dynamics: AnyDynamics, states: Tensor, actions: Tensor, generator: torch.Generator | None = None
    ) -> Transitions:
        """What [M] actions may do in [M, D] states; one call of the dynamics per outcome."""
        if is_stochastic(dynamics):
            latents, chances = self._latents(dynamics, states, actions, generator)
            reached = torch.stack([dynamics.step(states, actions, latent) for latent in latents], 1)
        else:
            reached = dynamics.step(states, actions).unsqueeze(1)
            chances = torch.ones_like(reached[..., 0])
        before, after = states.unsqueeze(1).expand_as(reached).flatten(0, 1), reached.flatten(0, 1)
        usable = torch.isfinite(after).all(-1)
        if self.valid is not None:
            usable &= self.valid(before, after).bool()
        costs = torch.full_like(after[:, 0], self.stride) if self.edge_cost is None else self.edge_cost(before, after)
        usable &= torch.isfinite(costs)
        valid = usable.cpu().numpy()
        numbers = np.where(valid, self.nearest(after), NOWHERE)
        prices = torch.where(usable, costs, 0.0).double().cpu().numpy()
        shape = reached.shape[:2]
        likely = chances.double().cpu().numpy()
        return Transitions(reached, numbers.reshape(shape), valid.reshape(shape), prices.reshape(shape), likely)

    def _latents(
        self, dynamics: StochasticDynamics, states: Tensor, actions: Tensor, generator: torch.Generator | None
    ) -> tuple[list[Tensor], Tensor]:
        """K latent variables for [M] steps, and their [M, K] probabilities."""
        space = dynamics.latents
        if isinstance(space, Categorical):
            chances = dynamics.log_prior(states, actions).exp()
            least = chances.amax(-1, keepdim=True).clamp(max=self.negligible)
            chances = torch.where(chances >= least, chances, 0.0)
            return [torch.full_like(actions, mode) for mode in range(space.n)], chances / chances.sum(-1, keepdim=True)
        if generator is None:
            raise PlannerError("generator: Discretisation samples the dynamics' Gaussian latent variable and needs one")
        # The same draws for every state: values of neighbours differ by where they are, not by luck.
        draws = torch.randn((self.samples, space.dim), generator=generator, device=states.device, dtype=states.dtype)
        chances = states.new_full((len(states), self.samples), 1 / self.samples)
        return [draw.expand(len(states), -1) for draw in draws], chances

    @torch.no_grad()
    def model(
        self, dynamics: AnyDynamics, *, generator: torch.Generator | None = None, meter: Meter | None = None
    ) -> FiniteModel:
        """The finite model of a dynamics with ``Discrete`` actions: every action is tried in all states at once.

        Args:
            dynamics: the world model.
            generator: draws a Gaussian latent variable.
            meter: what may be spent; a model that was cut short has fewer actions, and at least one.
        """
        space, spent = require_discrete("Discretisation", dynamics), meter or Budget().meter()
        columns: list[Transitions] = []
        while len(columns) < space.n and not (columns and spent.exhausted()):
            actions = torch.full((len(self.states),), len(columns), device=self.states.device)
            columns.append(self.outcomes(dynamics, self.states, actions, generator))
            spent.model_calls += columns[-1].chances.size
            spent.iterations += 1
            spent.lap()
        numbers, costs, chances = (
            np.stack([getattr(column, name) for column in columns], 1) for name in ("numbers", "costs", "chances")
        )
        return FiniteModel.of(numbers, costs, chances)


@dataclass(frozen=True, eq=False)
class Transitions:
    """What may come of M steps.

    Attributes:
        states: [M, K, D] the predicted states.
        numbers: [M, K] their representatives; -1 is nowhere.
        valid: [M, K] whether the prediction is to be believed.
        costs: [M, K] of the steps.
        chances: [M, K] their probabilities.
    """

    states: Tensor
    numbers: Longs
    valid: NDArray[np.bool_]
    costs: Doubles
    chances: Doubles


def _floats(states: Tensor) -> NDArray[np.float32]:
    return states.detach().float().cpu().numpy()


def require_discrete(owner: str, dynamics: AnyDynamics) -> Discrete:
    """The dynamics' actions; raises a :class:`PlannerError` if they are not :class:`Discrete`."""
    space = dynamics.actions
    if not isinstance(space, Discrete):
        raise PlannerError(f"{owner} needs Discrete actions, the dynamics has {type(space).__name__}")
    return space
