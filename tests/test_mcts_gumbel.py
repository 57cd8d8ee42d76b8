"""Gumbel MuZero: against mctx's trees, and what its policy promises."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from planners.base import Budget
from planners.candidates import PlannerError
from planners.mcts import MCTS, Prediction, Root
from planners.mcts.gumbel import GumbelMCTS, considered_visits

GOLDEN = json.loads((Path(__file__).parent / "data" / "mctx_trees.json").read_text())
"""mctx 0.0.71: gumbel_muzero_policy over ``Table(seed, states, actions)``, and the noise that it drew."""


@dataclass(frozen=True)
class Table:
    """A model of S states and A actions as tables of multiples of 1/4096, exact in single precision too."""

    after: Tensor
    rewards: Tensor
    logits: Tensor
    values: Tensor

    @staticmethod
    def random(seed: int, states: int = 12, actions: int = 4) -> Table:
        g = np.random.default_rng(seed)
        after, rewards = g.integers(0, states, (states, actions)), g.integers(-4096, 4097, (states, actions)) / 4096
        logits, values = g.integers(-8192, 8193, (states, actions)) / 4096, g.integers(-8192, 8193, states) / 4096
        return Table(*(torch.from_numpy(array) for array in (after, rewards, logits, values)))

    def root(self, starts: list[int]) -> Root:
        start = torch.tensor(starts)
        return Root(start[:, None].double(), self.logits[start], self.values[start])

    def __call__(self, states: Tensor, actions: Tensor) -> Prediction:
        here = states[:, 0].long()
        after = self.after[here, actions]
        discounts = torch.full_like(self.values[after], 0.96875)
        return Prediction(
            after[:, None].double(), self.rewards[here, actions], discounts, self.logits[after], self.values[after]
        )


def mask(case: dict[str, Any]) -> Tensor:
    invalid = torch.zeros(len(case["starts"]), case["actions"], dtype=torch.bool)
    for problem, action in case["invalid"]:
        invalid[problem, action] = True
    return invalid


@pytest.mark.parametrize("case", GOLDEN["gumbel"], ids=lambda case: f"{case['actions']} actions")
def test_golden_trees_of_mctx(case: dict[str, Any]) -> None:
    table = Table.random(case["seed"], case["states"], case["actions"])
    planner = GumbelMCTS(
        num_simulations=case["simulations"], max_considered_actions=case["max_considered_actions"], gumbel_scale=0.0
    )
    noise = torch.tensor(case["gumbel"])
    result = planner.search(table.root(case["starts"]), table, invalid_actions=mask(case), gumbel=noise)
    assert result.tree.edge_visits[:, 0].tolist() == case["root_visits"]
    assert result.tree.parents.tolist() == case["parents"]
    assert result.tree.visits.tolist() == case["visits"]
    np.testing.assert_allclose(result.tree.values, case["values"], atol=1e-5)
    assert result.action.tolist() == case["action"]
    np.testing.assert_allclose(result.action_weights, case["action_weights"], atol=1e-4)


def test_the_policy_never_picks_worse_than_the_best_prior_action_seen() -> None:
    # With one simulation per action the choice is the best of noise, prior and value among all of them.
    table = Table.random(3)
    noise = torch.from_numpy(np.random.default_rng(0).gumbel(size=(12, 4)))
    root = table.root(list(range(12)))
    result = GumbelMCTS(num_simulations=4).search(root, table, gumbel=noise)
    q = torch.from_numpy(result.tree.q[:, 0])
    low, high = q.amin(1, keepdim=True), q.amax(1, keepdim=True)
    scores = noise + root.prior_logits + (50 + 1) * 0.1 * (q - low) / (high - low)
    assert torch.equal(result.action, scores.argmax(1))
    policy = (root.prior_logits + (50 + 1) * 0.1 * (q - low) / (high - low)).softmax(1)
    torch.testing.assert_close(result.action_weights, policy)


@pytest.mark.parametrize(("actions", "simulations"), [(1, 5), (2, 9), (3, 20), (16, 128), (5, 3)])
def test_halving_considers_visits_that_actions_have(actions: int, simulations: int) -> None:
    visits = [0] * actions
    for considered in considered_visits(actions, simulations)[:simulations]:
        visits[visits.index(considered)] += 1
    assert sum(visits) == simulations and len(considered_visits(actions, simulations)) == simulations + 1


def test_invalid_actions_have_neither_visits_nor_weight() -> None:
    table = Table.random(5)
    table.logits[:, 2] = -math.inf
    root, invalid = table.root(list(range(12))), torch.zeros(12, 4, dtype=torch.bool)
    invalid[:, 0] = True
    result = GumbelMCTS(num_simulations=60).search(
        root, table, invalid_actions=invalid, generator=np.random.default_rng(0)
    )
    assert (result.tree.edge_visits[..., 2] == 0).all() and (result.tree.edge_visits[:, 0, 0] == 0).all()
    assert (result.action_weights[:, [0, 2]] == 0).all() and set(result.action.tolist()) == {1, 3}
    alone = GumbelMCTS(num_simulations=9, gumbel_scale=0.0).search(
        table.root([1]), table, invalid_actions=torch.tensor([[True, False, True, True]])
    )
    assert alone.action.tolist() == [1] and alone.action_weights.tolist() == [[0, 1, 0, 0]]


def test_the_same_seed_repeats_the_search_and_noise_spreads_it() -> None:
    table, planner = Table.random(6), GumbelMCTS(num_simulations=8, max_considered_actions=2)
    root = table.root([1] * 50)
    first, same, other = (planner.search(root, table, generator=np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert torch.equal(first.action, same.action) and torch.equal(first.action_weights, same.action_weights)
    assert not np.array_equal(first.tree.edge_visits, other.tree.edge_visits)
    considered = {tuple(taken) for taken in (first.tree.edge_visits[:, 0] > 0).tolist()}
    assert len(considered) > 2 and all(sum(taken) == 2 for taken in considered)


def test_a_budget_and_a_kept_tree() -> None:
    table, planner = Table.random(7), GumbelMCTS(num_simulations=32, gumbel_scale=0.0)
    short = planner.search(table.root([0, 1]), table, budget=Budget(iterations=5))
    assert short.tree.edge_visits[:, 0].sum(1).tolist() == [5, 5]
    first = MCTS(num_simulations=32).search(table.root([0, 1]), table)
    kept = first.trees.below(first.action)
    before = kept.memory.edges["edge_visits"][:, 0].copy()
    second = planner.search(kept, table)
    added = second.tree.edge_visits[:, 0] - before
    assert (added >= 0).all() and sorted(added[0].tolist()) == sorted(added[1].tolist()) == [4, 4, 12, 12]


def test_what_does_not_fit_is_named() -> None:
    table = Table.random(2)
    with pytest.raises(PlannerError, match="num_simulations must be positive"):
        GumbelMCTS(num_simulations=0)
    with pytest.raises(PlannerError, match="value_scale must not be negative"):
        GumbelMCTS(num_simulations=1, value_scale=math.nan)
    with pytest.raises(PlannerError, match="needs a generator"):
        GumbelMCTS(num_simulations=1).search(table.root([0]), table)
    with pytest.raises(PlannerError, match=r"gumbel must be \[1, 4\], not \[4\]"):
        GumbelMCTS(num_simulations=1).search(table.root([0]), table, gumbel=torch.zeros(4))
    table.values[:] = math.nan
    with pytest.raises(PlannerError, match="for problem 0 is not finite"):
        GumbelMCTS(num_simulations=9, gumbel_scale=0.0).search(Table.random(2).root([0]), table)
