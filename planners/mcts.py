"""Monte Carlo tree search over a learned model, batched over problems: MuZero's PUCT (arXiv 1911.08265).

All problems simulate in step: a compiled loop selects a leaf in every tree, one call of the model evaluates the
leaves of all problems, and a compiled loop adds them and backs their values up. The formulas are those of mctx's
``muzero_policy``: priors, visit counts, and values scaled to 0..1 by the parent's and its children's values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, final

import numba
import numpy as np
import torch
from torch import Tensor

from planners.base import Budget, Cost, Discrete, Dynamics
from planners.candidates import PlannerError, require_positive
from planners.mcts_kernels import (
    EDGE,
    NODE,
    Doubles,
    Leaf,
    Longs,
    Memory,
    Outcomes,
    Tree,
    advance,
    advance_threaded,
    select,
)

THREADED_FROM = 128
"""Problems from which on sharing them among threads is worth waking the threads."""


class Root(NamedTuple):
    """Where a search begins: [B, D] states, [B, A] prior logits and [B] values of them."""

    states: Tensor
    prior_logits: Tensor
    values: Tensor


class Prediction(NamedTuple):
    """What a model says of a step, and of the state after it.

    Attributes:
        states: [M, D] next states.
        rewards: [M] rewards of the step.
        discounts: [M] weight of what follows; 0 ends the episode.
        prior_logits: [M, A] unnormalised log-probabilities of the next action; -inf marks an invalid one.
        values: [M] expected returns from the next states.
    """

    states: Tensor
    rewards: Tensor
    discounts: Tensor
    prior_logits: Tensor
    values: Tensor


Model = Callable[[Tensor, Tensor], Prediction | tuple[Tensor, Tensor, Tensor, Tensor, Tensor]]
"""[M, D] states and [M] actions to a prediction. Row b always belongs to problem b."""


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        action_weights: [B, A] share of the simulations that took each action first.
        action: [B] the action chosen.
        root_value: [B] mean return of all simulations.
        tree: the trees; nodes are numbered in the order of their expansion.
        states: [B, N, D] the states of their nodes.
    """

    action_weights: Tensor
    action: Tensor
    root_value: Tensor
    tree: Tree
    states: Tensor


@final
@dataclass(frozen=True, kw_only=True)
class MCTS:
    """MuZero's search: the edge with the largest ``Q + P * sqrt(N) / (n + 1) * (init + log((N + base + 1) / base))``.

    Attributes:
        num_simulations: nodes added to each tree.
        pb_c_init: weight of the prior against the value.
        pb_c_base: visits at which the prior's weight has grown noticeably.
        dirichlet_fraction: share of noise in the root's priors, 0..1.
        dirichlet_alpha: concentration of that noise.
        temperature: 0 takes the most visited action; else actions are drawn by ``visits ** (1 / temperature)``.
    """

    num_simulations: int
    pb_c_init: float = 1.25
    pb_c_base: float = 19652.0
    dirichlet_fraction: float = 0.0
    dirichlet_alpha: float = 0.3
    temperature: float = 0.0

    def __post_init__(self) -> None:
        numbers = {"num_simulations": self.num_simulations, "pb_c_base": self.pb_c_base}
        require_positive("MCTS", **numbers, dirichlet_alpha=self.dirichlet_alpha)
        if not 0 <= self.dirichlet_fraction <= 1:
            raise PlannerError(f"MCTS.dirichlet_fraction must be in 0..1, not {self.dirichlet_fraction!r}")
        for name in ("pb_c_init", "temperature"):
            if not getattr(self, name) >= 0:
                raise PlannerError(f"MCTS.{name} must not be negative, not {getattr(self, name)!r}")

    @torch.no_grad()
    def search(
        self,
        root: Root,
        model: Model,
        num_simulations: int | None = None,
        *,
        invalid_actions: Tensor | None = None,
        budget: Budget = Budget(),
        generator: np.random.Generator | None = None,
    ) -> SearchResult:
        """Searches from B roots at once.

        Args:
            root: the states to search from.
            model: what the search knows of the world; called once per simulation with one row per problem.
            num_simulations: instead of the planner's own number.
            invalid_actions: [B, A] true for actions that must not be taken at the root. Below, an action is invalid
                where the model's prior logit is -inf (if all are, the priors are taken as uniform).
            budget: may end the search early, after at least one simulation.
            generator: draws the root's noise and, with a temperature, the action.

        Raises:
            PlannerError: for shapes that don't fit, a root without a valid action, or values that are not finite.
        """
        simulations = self.num_simulations if num_simulations is None else num_simulations
        require_positive("MCTS.search", num_simulations=simulations)
        if generator is None and (self.dirichlet_fraction > 0 or self.temperature > 0):
            raise PlannerError("MCTS with root noise or a temperature needs a generator")
        _check_root(root, invalid_actions)
        priors = self._root_priors(root.prior_logits, invalid_actions, generator)
        forest = _Forest(root, priors, self._exploration(simulations), simulations)
        meter = budget.meter()
        while forest.size <= simulations and not (forest.size > 1 and meter.exhausted()):
            forest.simulate(model)
            meter.iterations += 1
            meter.model_calls += len(root.values)
        return self._result(forest, generator)

    def _exploration(self, simulations: int) -> Doubles:
        """[N + 1] weight of the priors at a node with that many visits."""
        visits = np.arange(simulations + 2, dtype=np.float64)
        return np.sqrt(visits) * (self.pb_c_init + np.log((visits + self.pb_c_base + 1) / self.pb_c_base))

    def _root_priors(self, logits: Tensor, invalid: Tensor | None, generator: np.random.Generator | None) -> Doubles:
        """[B, A] priors with noise, 0 for invalid actions."""
        priors = logits.double().softmax(-1).cpu().numpy()
        if self.dirichlet_fraction > 0 and generator is not None:
            noise = generator.dirichlet(np.full(priors.shape[1], self.dirichlet_alpha), len(priors))
            noise[priors == 0] = 0
            priors = (1 - self.dirichlet_fraction) * priors + self.dirichlet_fraction * noise
        if invalid is not None:
            priors = np.where(invalid.cpu().numpy(), 0.0, priors)
        total = priors.sum(1, keepdims=True)
        if not (total > 0).all():
            problem = int(np.argmin(total[:, 0] > 0))
            raise PlannerError(f"root.prior_logits: problem {problem} has no valid action of a finite prior")
        return priors / total

    def _result(self, forest: _Forest, generator: np.random.Generator | None) -> SearchResult:
        tree = forest.memory.view(forest.size)
        if not np.isfinite(tree.values[:, 0]).all():
            problem = int(np.argmin(np.isfinite(tree.values[:, 0])))
            raise PlannerError(
                f"the model's reward, discount, prior_logits or value for problem {problem} is not finite"
            )
        counts = tree.edge_visits[:, 0].astype(np.float64)
        weights = counts / counts.sum(1, keepdims=True)
        states = forest.states[: forest.size].transpose(0, 1)
        return SearchResult(
            action_weights=torch.from_numpy(weights).to(states),
            action=torch.from_numpy(self._draw(weights, generator)).to(states.device),
            root_value=torch.from_numpy(tree.values[:, 0].copy()).to(states),
            tree=tree,
            states=states,
        )

    def _draw(self, weights: Doubles, generator: np.random.Generator | None) -> Longs:
        """[B] actions for [B, A] weights: the largest weight's, or drawn (by the Gumbel trick)."""
        if self.temperature == 0 or generator is None:
            return weights.argmax(1)
        with np.errstate(divide="ignore"):
            logits = np.log(weights) / self.temperature
        return (logits + generator.gumbel(size=weights.shape)).argmax(1)


class _Forest:
    """The trees of one search while they grow.

    Attributes:
        memory: the trees, with room for all nodes to come.
        states: [N, B, D] states of the nodes, nodes first so that a simulation writes to one place.
        size: nodes in each tree.
    """

    def __init__(self, root: Root, priors: Doubles, exploration: Doubles, simulations: int) -> None:
        batch, actions = priors.shape
        self.memory = _plant(priors, root.values, simulations + 1)
        self.states = root.states.new_empty((simulations + 1, *root.states.shape))
        self.states[0] = root.states
        self.size = 1
        self._exploration = exploration
        self._nodes, self._actions = torch.zeros(batch, dtype=torch.long), torch.zeros(batch, dtype=torch.long)
        self._leaf = Leaf(self._nodes.numpy(), self._actions.numpy())
        self._flat_states, self._offsets = self.states.flatten(0, 1), torch.arange(batch)
        self._buffers = [torch.zeros(shape, dtype=torch.float64) for shape in (batch, batch, (batch, actions), batch)]
        self._outcomes = Outcomes(*(buffer.numpy() for buffer in self._buffers))
        threaded = batch >= THREADED_FROM and numba.get_num_threads() > 1
        self._advance = advance_threaded if threaded else advance
        select(self.memory, exploration, self._leaf)

    def simulate(self, model: Model) -> None:
        """Adds one node to every tree."""
        device = self.states.device
        rows = torch.add(self._offsets, self._nodes, alpha=len(self._offsets))
        states = self._flat_states.index_select(0, rows.to(device))
        # A copy: the model may keep its actions, and the leaf is overwritten.
        actions = self._actions.to(device, copy=True)
        prediction = Prediction(*model(states, actions))
        if self.size == 1:
            self._check(prediction)
        self.states[self.size] = prediction.states
        for buffer, given in zip(self._buffers, prediction[1:], strict=True):
            buffer.copy_(given)
        self._advance(self.memory, self._exploration, self._leaf, self._outcomes, self.size)
        self.size += 1

    def _check(self, prediction: Prediction) -> None:
        shapes = (self.states.shape[1:], *(buffer.shape for buffer in self._buffers))
        for name, given, shape in zip(Prediction._fields, prediction, shapes, strict=True):
            if given.shape != shape:
                raise PlannerError(f"the model's {name} must be {list(shape)}, not {list(given.shape)}")


def _plant(priors: Doubles, values: Tensor, nodes: int) -> Memory:
    """Trees with room for N nodes of which only the root, already evaluated once, is there."""
    batch, actions = priors.shape
    memory = Memory(np.zeros((batch, nodes), NODE), np.zeros((batch, nodes, actions), EDGE))
    tree = memory.view(1)
    tree.visits[:], tree.parents[:], tree.actions[:], tree.discounts[:] = 1, -1, -1, 1.0
    tree.values[:, 0], tree.priors[:, 0] = values.cpu().numpy(), priors
    return memory


def _check_root(root: Root, invalid: Tensor | None) -> None:
    batch = len(root.states)
    if root.states.dim() != 2:
        raise PlannerError(f"root.states must be [B, D], not {list(root.states.shape)}")
    if root.prior_logits.dim() != 2 or len(root.prior_logits) != batch:
        raise PlannerError(f"root.prior_logits must be [{batch}, A], not {list(root.prior_logits.shape)}")
    if root.values.shape != (batch,):
        raise PlannerError(f"root.values must be [{batch}], not {list(root.values.shape)}")
    if invalid is not None and (invalid.shape != root.prior_logits.shape or invalid.dtype != torch.bool):
        shape = list(root.prior_logits.shape)
        raise PlannerError(f"invalid_actions must be {shape} of bool, not {list(invalid.shape)} of {invalid.dtype}")


@final
@dataclass(frozen=True, kw_only=True)
class CostToGoModel:
    """A :data:`Model` made of a dynamics with ``Discrete`` actions and a critic: values are negative costs to go.

    Attributes:
        dynamics: the world model.
        cost: a cost whose value at a state is the estimated cost to go from there, as a ``SearchGoal``'s is.
        step_cost: cost of one action, in the unit of ``cost``.
        discount: weight of each further step.
        arrived: [B, D] states, one per problem, to [B] flags: where an episode ends, at no further cost.
    """

    dynamics: Dynamics
    cost: Cost
    step_cost: float = 1.0
    discount: float = 1.0
    arrived: Callable[[Tensor], Tensor] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.dynamics.actions, Discrete):
            name = type(self.dynamics.actions).__name__
            raise PlannerError(f"CostToGoModel needs Discrete actions, the dynamics has {name}")

    def root(self, states: Tensor) -> Root:
        """Evaluates [B, D] states to search from, with uniform priors."""
        return Root(states, self._uniform(states), self._values(states))

    def __call__(self, states: Tensor, actions: Tensor) -> Prediction:
        """[B, D] states and [B] actions to what follows."""
        reached = self.dynamics.step(states, actions)
        goes_on = reached.new_full((len(reached),), self.discount)
        if self.arrived is not None:
            goes_on = goes_on.masked_fill(self.arrived(reached), 0.0)
        rewards = torch.full_like(goes_on, -self.step_cost)
        return Prediction(reached, rewards, goes_on, self._uniform(reached), self._values(reached))

    def _uniform(self, states: Tensor) -> Tensor:
        space = self.dynamics.actions
        assert isinstance(space, Discrete)
        return states.new_zeros((len(states), space.n))

    def _values(self, states: Tensor) -> Tensor:
        """[B, D] states to [B] values; a trajectory without a step has no action."""
        none = torch.zeros((len(states), 0), dtype=torch.long, device=states.device)
        return -self.cost(states.unsqueeze(1), none).squeeze(1)
