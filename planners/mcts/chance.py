"""Models of worlds that are not deterministic, and the search rule for them (Stochastic MuZero, ICLR 2022).

An action leads to an afterstate, the world's answer to it (the outcome) to the next state. Trees have a node for each:
:class:`planners.mcts.MCTS` searches them when it is given a :class:`StochasticModel`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, final, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from planners.base import Categorical, Cost, Discrete, StochasticDynamics
from planners.candidates import PlannerError
from planners.mcts.chance_kernels import advance, begin
from planners.mcts.forest import Prediction
from planners.mcts.kernels import Doubles, Leaf, Memory, Outcomes
from planners.mcts.trees import Root, Trees
from planners.risk import MEAN, Risk


class Afterstate(NamedTuple):
    """What a model says of an action, before the world answers.

    Attributes:
        states: [M, E] afterstates.
        chance_logits: [M, C] unnormalised log-probabilities of the outcomes; -inf marks an impossible one.
        values: [M] expected returns from the afterstates.
    """

    states: Tensor
    chance_logits: Tensor
    values: Tensor


@runtime_checkable
class StochasticModel(Protocol):
    """What a search knows of a world that is not deterministic.

    At a time some problems need an afterstate and others an outcome: rows are those of the M problems, in their order,
    that ``problems``, [B] flags, is true for.
    """

    @property
    def num_outcomes(self) -> int:
        """Number of outcomes that an action may have, C."""
        ...

    def afterstate_dim(self, state_dim: int) -> int:
        """Components of an afterstate, E, where states have D."""
        ...

    def afterstate(self, states: Tensor, actions: Tensor, problems: Tensor) -> Afterstate:
        """[M, D] states and [M] actions to what they lead to."""
        ...

    def outcome(self, afterstates: Tensor, outcomes: Tensor, problems: Tensor) -> Prediction:
        """[M, E] afterstates and [M] outcomes to the next states; the step's reward and discount belong here."""
        ...


@final
@dataclass(frozen=True)
class PuctWithChance:
    """PUCT at decision nodes; at chance nodes the outcome visited least for its probability.

    Attributes:
        exploration: [N] weight of the priors at a decision node with that many visits.
        tail: how outcomes count, as in :class:`planners.risk.Risk`; 1 takes the mean of the simulations.
        num_actions: edges of a decision node, A.
        num_outcomes: edges of a chance node, C.
    """

    exploration: Doubles
    tail: float
    num_actions: int
    num_outcomes: int

    def begin(self, memory: Memory, leaf: Leaf, size: int) -> None:
        begin(memory, self.exploration, self.tail, leaf, size)

    def advance(self, memory: Memory, leaf: Leaf, outcomes: Outcomes, new: int) -> None:
        advance(memory, self.exploration, self.tail, self.num_actions, self.num_outcomes, leaf, outcomes, new)


@final
class Alternation:
    """A :data:`planners.mcts.forest.Model` that asks a stochastic one for what each leaf needs."""

    def __init__(self, model: StochasticModel, trees: Trees, leaf: Leaf) -> None:
        self._model, self._leaf, self._edges = model, leaf, trees.memory.edges.shape[2]
        self._dim, self._num_actions = trees.state_dim, trees.num_actions
        self._afterstate_dim = model.afterstate_dim(trees.state_dim)
        self._unchecked = {"afterstate", "outcome"}

    def __call__(self, states: Tensor, actions: Tensor) -> Prediction:
        """[B, W] nodes and the [B] edges taken there to what hangs below; rows are as wide as the wider kind's."""
        batch = len(states)
        blank = states.new_zeros(batch)
        logits = states.new_full((batch, self._edges), -torch.inf)
        answer = Prediction(torch.zeros_like(states), blank, torch.ones_like(blank), logits, blank.clone())
        for chance, ask in ((False, self._afterstate), (True, self._outcome)):
            here = self._leaf.chance == chance
            if here.any():
                rows = torch.from_numpy(np.flatnonzero(here)).to(states.device)
                _fill(answer, ask(states[rows], actions[rows], torch.from_numpy(here).to(states.device)), rows)
        return answer

    def _afterstate(self, states: Tensor, actions: Tensor, problems: Tensor) -> Prediction:
        after = Afterstate(*self._model.afterstate(states[:, : self._dim], actions, problems))
        self._check("afterstate", after, ((self._afterstate_dim,), (self._model.num_outcomes,), ()))
        nothing = torch.zeros_like(after.values)
        return Prediction(after.states, nothing, nothing + 1, after.chance_logits, after.values)

    def _outcome(self, afterstates: Tensor, outcomes: Tensor, problems: Tensor) -> Prediction:
        given = Prediction(*self._model.outcome(afterstates[:, : self._afterstate_dim], outcomes, problems))
        self._check("outcome", given, ((self._dim,), (), (), (self._num_actions,), ()))
        return given

    def _check(self, kind: str, given: Afterstate | Prediction, shapes: tuple[tuple[int, ...], ...]) -> None:
        """Raises a :class:`PlannerError` if the first answer of a kind has not one row per problem, of the shapes."""
        if kind not in self._unchecked:
            return
        rows = len(given.values)
        for name, tensor, shape in zip(given._fields, given, shapes, strict=True):
            if tensor.shape != (rows, *shape):
                expected = [rows, *shape]
                raise PlannerError(f"the model's {kind}'s {name} must be {expected}, not {list(tensor.shape)}")
        self._unchecked.remove(kind)


def _fill(answer: Prediction, given: Prediction, rows: Tensor) -> None:
    """Writes what was said of some rows into the answer for all."""
    for whole, part in zip(answer, given, strict=True):
        if whole.dim() == 2:
            whole[rows, : part.shape[1]] = part.to(whole)
        else:
            whole[rows] = part.to(whole)


@final
@dataclass(frozen=True, kw_only=True)
class StochasticCostToGoModel:
    """A :class:`StochasticModel` made of a dynamics and a critic: values are negative costs to go.

    An afterstate is the state with the action; its own value is what the risk makes of all its outcomes, one step on.

    Attributes:
        dynamics: the world model, with ``Discrete`` actions and ``Categorical`` latents.
        cost: a cost whose value at a state is the estimated cost to go from there, as a ``SearchGoal``'s is.
        step_cost: cost of one action, in the unit of ``cost``.
        discount: weight of each further step.
        arrived: [B, D] states, one per problem, to [B] flags: where an episode ends, at no further cost.
        risk: how outcomes count; the search's own.
    """

    dynamics: StochasticDynamics
    cost: Cost
    step_cost: float = 1.0
    discount: float = 1.0
    arrived: Callable[[Tensor], Tensor] | None = None
    risk: Risk = MEAN

    def __post_init__(self) -> None:
        for kind, space in ((Discrete, self.dynamics.actions), (Categorical, self.dynamics.latents)):
            if not isinstance(space, kind):
                found = type(space).__name__
                raise PlannerError(f"StochasticCostToGoModel needs a {kind.__name__} space, the dynamics has {found}")

    @property
    def num_outcomes(self) -> int:
        """Modes of the dynamics, C."""
        space = self.dynamics.latents
        assert isinstance(space, Categorical)
        return space.n

    def afterstate_dim(self, state_dim: int) -> int:
        """The state's components and the action."""
        return state_dim + 1

    def root(self, states: Tensor) -> Root:
        """Evaluates [B, D] states to search from, with uniform priors."""
        everywhere = torch.ones(len(states), dtype=torch.bool, device=states.device)
        return Root(states, self._uniform(states), self._values(states, everywhere))

    def afterstate(self, states: Tensor, actions: Tensor, problems: Tensor) -> Afterstate:
        """[M, D] states and [M] actions to afterstates."""
        chance_logits = self.dynamics.log_prior(states, actions)
        steps = [
            self._step(states, actions, torch.full_like(actions, mode), problems) for mode in range(self.num_outcomes)
        ]
        worth = torch.stack([step.rewards + step.discounts * step.values for step in steps], -1)
        values = -self.risk(-worth, chance_logits.softmax(-1))
        return Afterstate(torch.cat([states, actions[:, None].to(states)], -1), chance_logits, values)

    def outcome(self, afterstates: Tensor, outcomes: Tensor, problems: Tensor) -> Prediction:
        """[M, D + 1] afterstates and [M] modes to what follows."""
        return self._step(afterstates[:, :-1], afterstates[:, -1].round().long(), outcomes, problems)

    def _step(self, states: Tensor, actions: Tensor, modes: Tensor, problems: Tensor) -> Prediction:
        reached = self.dynamics.step(states, actions, modes)
        goes_on = reached.new_full((len(reached),), self.discount)
        if self.arrived is not None:
            goes_on = goes_on.masked_fill(self.arrived(_in_batch(reached, problems))[problems], 0.0)
        rewards = torch.full_like(goes_on, -self.step_cost)
        return Prediction(reached, rewards, goes_on, self._uniform(reached), self._values(reached, problems))

    def _uniform(self, states: Tensor) -> Tensor:
        space = self.dynamics.actions
        assert isinstance(space, Discrete)
        return states.new_zeros((len(states), space.n))

    def _values(self, states: Tensor, problems: Tensor) -> Tensor:
        """[M, D] states to [M] values; a trajectory without a step has no action."""
        none = torch.zeros((len(problems), 0), dtype=torch.long, device=states.device)
        return -self.cost(_in_batch(states, problems).unsqueeze(1), none).squeeze(1)[problems]


def _in_batch(rows: Tensor, problems: Tensor) -> Tensor:
    """[M, D] rows at their places among all problems, [B, D], because costs hold a goal per problem."""
    batch = rows.new_zeros((len(problems), rows.shape[1]))
    batch[problems] = rows
    return batch
