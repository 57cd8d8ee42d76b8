"""Monte Carlo tree search over a learned model, batched over problems: MuZero's PUCT (arXiv 1911.08265).

All problems simulate in step: one call of the model evaluates a leaf of every problem's tree, and a compiled loop adds
the leaves, backs their values up and selects the next ones. The formulas are those of mctx's ``muzero_policy``: priors,
visit counts, and values scaled to 0..1 by the parent's and its children's values. Over a
:class:`planners.mcts.chance.StochasticModel` the trees have chance nodes, as in Stochastic MuZero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from planners.base import Budget, Cost, Discrete, Dynamics
from planners.candidates import PlannerError, require_not_negative, require_positive
from planners.mcts.chance import Alternation, PuctWithChance, StochasticModel
from planners.mcts.forest import Forest, Model, Prediction, SearchResult, with_root_priors
from planners.mcts.kernels import Doubles, Leaf, Longs, Memory, Outcomes, advance, begin
from planners.mcts.trees import Root, Trees
from planners.risk import MEAN, Risk


@final
@dataclass(frozen=True)
class Puct:
    """The edge with the largest ``Q + P * sqrt(N) / (n + 1) * (init + log((N + base + 1) / base))``.

    Attributes:
        exploration: [N] weight of the priors at a node with that many visits.
    """

    exploration: Doubles

    @classmethod
    def of(cls, pb_c_init: float, pb_c_base: float, most_visits: int) -> Puct:
        """The rule for trees whose roots are visited no more often than that."""
        visits = np.arange(most_visits + 1, dtype=np.float64)
        return cls(np.sqrt(visits) * (pb_c_init + np.log((visits + pb_c_base + 1) / pb_c_base)))

    def begin(self, memory: Memory, leaf: Leaf, size: int) -> None:
        begin(memory, self.exploration, leaf, size)

    def advance(self, memory: Memory, leaf: Leaf, outcomes: Outcomes, new: int) -> None:
        advance(memory, self.exploration, leaf, outcomes, new)


@final
@dataclass(frozen=True, kw_only=True)
class MCTS:
    """MuZero's search; :class:`Puct` says which edges it follows.

    Attributes:
        num_simulations: nodes added to each tree.
        pb_c_init: weight of the prior against the value.
        pb_c_base: visits at which the prior's weight has grown noticeably.
        dirichlet_fraction: share of noise in the root's priors, 0..1.
        dirichlet_alpha: concentration of that noise.
        temperature: 0 takes the most visited action; else actions are drawn by ``visits ** (1 / temperature)``.
        risk: how the outcomes at a chance node count. The mean is that of all simulations, as in Stochastic MuZero;
            else outcomes are weighed by their probabilities, one that was never visited having the afterstate's value.
        stop_when_decided: ends the search once no further simulation can change which action is taken.
    """

    num_simulations: int
    pb_c_init: float = 1.25
    pb_c_base: float = 19652.0
    dirichlet_fraction: float = 0.0
    dirichlet_alpha: float = 0.3
    temperature: float = 0.0
    risk: Risk = MEAN
    stop_when_decided: bool = False

    def __post_init__(self) -> None:
        numbers = {"num_simulations": self.num_simulations, "pb_c_base": self.pb_c_base}
        require_positive("MCTS", **numbers, dirichlet_alpha=self.dirichlet_alpha)
        if not 0 <= self.dirichlet_fraction <= 1:
            raise PlannerError(f"MCTS.dirichlet_fraction must be in 0..1, not {self.dirichlet_fraction!r}")
        require_not_negative("MCTS", pb_c_init=self.pb_c_init, temperature=self.temperature)
        if self.stop_when_decided and self.temperature > 0:
            raise PlannerError("MCTS.stop_when_decided needs a temperature of 0: drawing an action takes all visits")

    @torch.no_grad()
    def search(
        self,
        root: Root | Trees,
        model: Model | StochasticModel,
        num_simulations: int | None = None,
        *,
        invalid_actions: Tensor | None = None,
        budget: Budget = Budget(),
        generator: np.random.Generator | None = None,
    ) -> SearchResult:
        """Searches from B roots at once.

        Args:
            root: the states to search from, or what is left of an older search: its ``trees.below(action)``.
            model: what the search knows of the world; called once per simulation with one row per problem.
            num_simulations: instead of the planner's own number.
            invalid_actions: [B, A] true for actions that must not be taken at the root. Below, an action is invalid
                where the model's prior logit is -inf (if all are, the priors are taken as uniform).
            budget: may end the search early, after at least one simulation.
            generator: draws the root's noise and, with a temperature, the action.

        Raises:
            PlannerError: for shapes that don't fit, a root without a valid action, or values that are not finite.
        """
        meter = budget.meter()
        simulations = self.num_simulations if num_simulations is None else num_simulations
        require_positive("MCTS.search", num_simulations=simulations)
        if generator is None and (self.dirichlet_fraction > 0 or self.temperature > 0):
            raise PlannerError("MCTS with root noise or a temperature needs a generator")
        trees = _planted(root, model)
        trees = with_root_priors(trees, invalid_actions, self.dirichlet_fraction, self.dirichlet_alpha, generator)
        most_visits = int(trees.memory.nodes["visits"].max()) + simulations
        puct = Puct.of(self.pb_c_init, self.pb_c_base, most_visits)
        settled = Race().settled if self.stop_when_decided else None
        if isinstance(model, StochasticModel):
            rule = PuctWithChance(puct.exploration, self.risk.tail, trees.num_actions, model.num_outcomes)
            forest = Forest(trees, rule, simulations)
            forest.grow(Alternation(model, trees, forest.leaf), simulations, meter, settled)
        else:
            forest = Forest(trees, puct, simulations)
            forest.grow(model, simulations, meter, settled)
        return self._result(forest.trees, generator)

    def _result(self, trees: Trees, generator: np.random.Generator | None) -> SearchResult:
        counts = root_visits(trees).astype(np.float64)
        weights = counts / counts.sum(1, keepdims=True)
        return SearchResult.of(trees, weights, self._draw(weights, generator))

    def _draw(self, weights: Doubles, generator: np.random.Generator | None) -> Longs:
        """[B] actions for [B, A] weights: the largest weight's, or drawn (by the Gumbel trick)."""
        if self.temperature == 0 or generator is None:
            return weights.argmax(1)
        with np.errstate(divide="ignore"):
            logits = np.log(weights) / self.temperature
        return (logits + generator.gumbel(size=weights.shape)).argmax(1)


def _planted(root: Root | Trees, model: Model | StochasticModel) -> Trees:
    """Trees to begin with, with room for what the model's nodes need."""
    if isinstance(root, Trees):
        return root
    if not isinstance(model, StochasticModel):
        return Trees.plant(root)
    return Trees.plant(root, model.num_outcomes, model.afterstate_dim(root.states.shape[-1]))


def root_visits(trees: Trees) -> Longs:
    """[B, A] simulations that took each valid action at the root."""
    visits: Longs = trees.memory.edges["edge_visits"][:, 0, : trees.num_actions] * (trees.root_priors > 0)
    return visits


@final
class Race:
    """Says when the most visited action can't be overtaken any more, in any problem."""

    def __init__(self) -> None:
        self._look_again = -1

    def settled(self, trees: Trees, left: int) -> bool:
        """True if with so many simulations left no problem's choice can change.

        A simulation brings the lead and what is left at most two closer: there is no need to look every time.
        """
        if self._look_again < 0 or left <= self._look_again:
            visits = np.where(trees.root_priors > 0, root_visits(trees), -left - 1)
            second, first = np.sort(np.pad(visits, ((0, 0), (1, 0)), constant_values=-left - 1), 1)[:, -2:].T
            missing = int((left + 1 - (first - second)).max())
            self._look_again = left - (missing + 1) // 2
            return missing <= 0
        return False


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
