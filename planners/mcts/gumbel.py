"""Gumbel MuZero: Monte Carlo tree search that improves on its prior with few simulations, batched over problems.

Danihelka et al., "Policy improvement by planning with Gumbel", ICLR 2022; the formulas are those of mctx's
``gumbel_muzero_policy``. At the root, sequential halving spreads the simulations over actions drawn without
replacement; below, visits follow the improved policy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from planners.base import Budget
from planners.candidates import PlannerError, require_not_negative, require_positive
from planners.mcts.forest import Forest, Model, SearchResult, with_root_priors
from planners.mcts.gumbel_kernels import Halving, advance, begin, conclude
from planners.mcts.kernels import Doubles, Ints, Leaf, Memory, Outcomes
from planners.mcts.trees import Root, Trees


@final
@dataclass(frozen=True, kw_only=True)
class GumbelMCTS:
    """Gumbel MuZero's search. Its ``action_weights`` are the improved policy: softmax of prior logits plus values.

    Attributes:
        num_simulations: nodes added to each tree.
        max_considered_actions: actions that sequential halving begins with, at most.
        gumbel_scale: size of the noise that draws them; 0 takes those with the largest prior.
        value_scale: weight of values against prior logits.
        maxvisit_init: visits that this weight begins with; it grows with those of the most visited action.
    """

    num_simulations: int
    max_considered_actions: int = 16
    gumbel_scale: float = 1.0
    value_scale: float = 0.1
    maxvisit_init: float = 50.0

    def __post_init__(self) -> None:
        numbers = {"num_simulations": self.num_simulations, "max_considered_actions": self.max_considered_actions}
        require_positive("GumbelMCTS", **numbers)
        require_not_negative(
            "GumbelMCTS", gumbel_scale=self.gumbel_scale, value_scale=self.value_scale, maxvisit_init=self.maxvisit_init
        )

    @torch.no_grad()
    def search(
        self,
        root: Root | Trees,
        model: Model,
        num_simulations: int | None = None,
        *,
        invalid_actions: Tensor | None = None,
        budget: Budget = Budget(),
        generator: np.random.Generator | None = None,
        gumbel: Tensor | None = None,
    ) -> SearchResult:
        """Searches from B roots at once; arguments and errors are those of :meth:`planners.mcts.MCTS.search`.

        Args:
            gumbel: [B, A] the root's noise, instead of drawing it with the generator.
        """
        meter = budget.meter()
        simulations = self.num_simulations if num_simulations is None else num_simulations
        require_positive("GumbelMCTS.search", num_simulations=simulations)
        trees = root if isinstance(root, Trees) else Trees.plant(root)
        trees = with_root_priors(trees, invalid_actions)
        halving = self._halving(trees, self._noise(trees, gumbel, generator), simulations)
        forest = Forest(trees, SequentialHalving(halving), simulations)
        forest.grow(model, simulations, meter)
        return _conclude(forest.trees, halving)

    def _noise(self, trees: Trees, gumbel: Tensor | None, generator: np.random.Generator | None) -> Doubles:
        """[B, A] noise of the roots' actions."""
        shape = trees.root_priors.shape
        if gumbel is not None:
            if gumbel.shape != shape:
                raise PlannerError(f"gumbel must be {list(shape)}, not {list(gumbel.shape)}")
            return gumbel.double().cpu().numpy()
        if self.gumbel_scale == 0:
            return np.zeros(shape)
        if generator is None:
            raise PlannerError("GumbelMCTS with a gumbel_scale needs a generator")
        return self.gumbel_scale * generator.gumbel(size=shape)

    def _halving(self, trees: Trees, noise: Doubles, simulations: int) -> Halving:
        priors = trees.root_priors
        with np.errstate(divide="ignore"):
            logits = np.log(priors / priors.max(1, keepdims=True))
        counts = np.minimum((priors > 0).sum(1), self.max_considered_actions)
        table = {count: considered_visits(int(count), simulations) for count in np.unique(counts)}
        kept = trees.memory.edges["edge_visits"][:, 0].copy()
        considered = np.stack([table[count] for count in counts])
        return Halving(noise + logits, considered, kept, self.value_scale, self.maxvisit_init)


@final
@dataclass(frozen=True)
class SequentialHalving:
    """The rule of a Gumbel search, with what it goes by."""

    halving: Halving

    def begin(self, memory: Memory, leaf: Leaf, size: int) -> None:
        begin(memory, self.halving, leaf, size)

    def advance(self, memory: Memory, leaf: Leaf, outcomes: Outcomes, new: int) -> None:
        advance(memory, self.halving, leaf, outcomes, new)


def considered_visits(actions: int, simulations: int) -> Ints:
    """[S + 1] visits of the actions among which each simulation chooses; the last is for after the search.

    All actions that are left are visited equally often, then the worse half of them is dropped.

    >>> considered_visits(4, 10).tolist()
    [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4]
    """
    if actions <= 1:
        return np.arange(simulations + 1, dtype=np.int32)
    rounds, left = math.ceil(math.log2(actions)), actions
    visits, sequence = [0] * actions, list[int]()
    while len(sequence) <= simulations:
        for _ in range(max(1, simulations // (rounds * left))):
            sequence.extend(visits[:left])
            visits[:left] = [count + 1 for count in visits[:left]]
        left = max(2, left // 2)
    return np.array(sequence[: simulations + 1], dtype=np.int32)


def _conclude(trees: Trees, halving: Halving) -> SearchResult:
    """Chooses the best of the most visited actions."""
    visits = trees.memory.edges["edge_visits"][:, 0] - halving.kept
    scores, policy = np.empty(visits.shape), np.empty(visits.shape)
    conclude(trees.memory, halving, scores, policy)
    scores[(visits < visits.max(1, keepdims=True)) | (trees.root_priors == 0)] = -np.inf
    return SearchResult.of(trees, policy, scores.argmax(1))
