"""What all tree searches share: a model's predictions, trees that grow a node per simulation, and what was found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, final

import numpy as np
import torch
from torch import Tensor

from planners.base import Meter
from planners.candidates import PlannerError
from planners.mcts.kernels import Doubles, Leaf, Longs, Memory, Outcomes, Tree
from planners.mcts.trees import Trees


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
        action_weights: [B, A] how good the actions at the root are, as probabilities.
        action: [B] the action chosen.
        root_value: [B] mean return of all simulations.
        tree: the trees; nodes are numbered in the order of their expansion.
        states: [B, N, D] the states of their nodes (wider if afterstates are, with zeros behind the narrower ones).
        trees: the same trees, to go on from: ``trees.below(action)`` is what the next search may begin with.
    """

    action_weights: Tensor
    action: Tensor
    root_value: Tensor
    tree: Tree
    states: Tensor
    trees: Trees

    @classmethod
    def of(cls, trees: Trees, weights: Doubles, action: Longs) -> SearchResult:
        """From [B, A] weights and [B] actions; raises a :class:`PlannerError` if a root's value is not finite."""
        tree = trees.memory.view(trees.memory.nodes.shape[1])
        finite = np.isfinite(tree.values[:, 0])
        if not finite.all():
            where = f"problem {int(np.argmin(finite))}"
            raise PlannerError(f"the model's reward, discount, prior_logits or value for {where} is not finite")
        states = trees.states.transpose(0, 1)
        return cls(
            action_weights=torch.from_numpy(weights).to(states),
            action=torch.from_numpy(action).to(states.device),
            root_value=torch.from_numpy(tree.values[:, 0].copy()).to(states),
            tree=tree,
            states=states,
            trees=trees,
        )


class Rule(Protocol):
    """How a search selects and backs up: compiled loops and their settings."""

    def begin(self, memory: Memory, leaf: Leaf, size: int) -> None:
        """Brings trees of a size up to date and finds their leaves."""
        ...

    def advance(self, memory: Memory, leaf: Leaf, outcomes: Outcomes, new: int) -> None:
        """Adds a node to every tree, backs its value up, and finds the next leaves."""
        ...


@final
class Forest:
    """The trees of one search while they grow.

    Attributes:
        leaf: where the next simulation leaves the trees.
        size: nodes in each tree.
    """

    def __init__(self, trees: Trees, rule: Rule, room: int) -> None:
        """Goes on from trees, with room for more nodes."""
        self.size, batch = trees.states.shape[:2]
        self._planted, self._memory, self._rule = trees, _with_room(trees.memory, room), rule
        self._states = trees.states.new_empty((self.size + room, *trees.states.shape[1:]))
        self._states[: self.size] = trees.states
        self._flat_states = self._states.flatten(0, 1)
        self._rows, self._actions = torch.zeros(batch, dtype=torch.long), torch.zeros(batch, dtype=torch.long)
        self.leaf = Leaf(self._rows.numpy(), self._actions.numpy(), np.zeros(batch, np.bool_))
        shapes = (batch, batch, (batch, self._memory.edges.shape[2]), batch)
        self._buffers = [torch.zeros(shape, dtype=torch.float64) for shape in shapes]
        self._outcomes = Outcomes(*(buffer.numpy() for buffer in self._buffers))
        self._unchecked = True
        rule.begin(self._memory, self.leaf, self.size)

    @property
    def trees(self) -> Trees:
        """The trees so far, without a copy."""
        memory = Memory(self._memory.nodes[:, : self.size], self._memory.edges[:, : self.size])
        return replace(self._planted, memory=memory, states=self._states[: self.size])

    def grow(self, model: Model, nodes: int, meter: Meter, settled: Callable[[Trees, int], bool] | None = None) -> None:
        """Adds nodes to every tree, at least one and as many as the meter allows.

        Args:
            model: what the search knows of the world.
            nodes: how many nodes to add.
            meter: counts what is spent.
            settled: told the trees and how many nodes are left to add, says whether they can't matter any more.
        """
        batch = len(self._rows)
        for left in range(nodes - 1, -1, -1):
            self._simulate(model)
            meter.iterations += 1
            meter.model_calls += batch
            if meter.exhausted() or (settled is not None and settled(self.trees, left)):
                return

    def _simulate(self, model: Model) -> None:
        """Adds one node to every tree."""
        device = self._states.device
        states = self._flat_states.index_select(0, self._rows.to(device))
        # A copy: the model may keep its actions, and the leaf is overwritten.
        prediction = Prediction(*model(states, self._actions.to(device, copy=True)))
        if self._unchecked:
            self._check(prediction)
        self._states[self.size] = prediction.states
        for buffer, given in zip(self._buffers, prediction[1:], strict=True):
            buffer.copy_(given)
        self._rule.advance(self._memory, self.leaf, self._outcomes, self.size)
        self.size += 1

    def _check(self, prediction: Prediction) -> None:
        shapes = (self._states.shape[1:], *(buffer.shape for buffer in self._buffers))
        for name, given, shape in zip(Prediction._fields, prediction, shapes, strict=True):
            if given.shape != shape:
                raise PlannerError(f"the model's {name} must be {list(shape)}, not {list(given.shape)}")
        self._unchecked = False


def _with_room(memory: Memory, room: int) -> Memory:
    """A copy of trees with room for more nodes, which is left as it is: new pages are what costs most here."""
    batch, size, edges = memory.edges.shape
    nodes = np.empty((batch, size + room), memory.nodes.dtype)
    larger = Memory(nodes, np.empty((batch, size + room, edges), memory.edges.dtype))
    larger.nodes[:, :size], larger.edges[:, :size] = memory.nodes, memory.edges
    return larger


def with_root_priors(
    trees: Trees,
    invalid: Tensor | None,
    fraction: float = 0.0,
    alpha: float = 1.0,
    generator: np.random.Generator | None = None,
) -> Trees:
    """Trees whose roots' priors have a share of Dirichlet noise, and are 0 for [B, A] invalid actions.

    Raises:
        PlannerError: for a root without a valid action.
    """
    priors = trees.root_priors
    if invalid is not None and (invalid.shape != priors.shape or invalid.dtype != torch.bool):
        shape = list(priors.shape)
        raise PlannerError(f"invalid_actions must be {shape} of bool, not {list(invalid.shape)} of {invalid.dtype}")
    changed = priors.copy()
    if fraction > 0 and generator is not None:
        noise = generator.dirichlet(np.full(priors.shape[1], alpha), len(priors))
        changed = (1 - fraction) * priors + fraction * np.where(priors == 0, 0.0, noise)
    if invalid is not None:
        changed[invalid.cpu().numpy()] = 0.0
    total = changed.sum(1, keepdims=True)
    if not (total > 0).all():
        problem = int(np.argmin(total[:, 0] > 0))
        raise PlannerError(f"root.prior_logits: problem {problem} has no valid action of a finite prior")
    if fraction == 0 and invalid is None:
        return trees
    edges = trees.memory.edges.copy()
    edges["priors"][:, 0, : trees.num_actions] = changed / total
    return replace(trees, memory=Memory(trees.memory.nodes, edges))
