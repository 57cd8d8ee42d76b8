"""Trees that are kept for the next search, searches that end early, and what both leave unchanged."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from planners.base import Budget
from planners.candidates import PlannerError
from planners.mcts import MCTS, Prediction, Root, SearchResult
from planners.mcts.kernels import Tree
from planners.mcts.trees import Trees


@dataclass(frozen=True)
class Table:
    """A model of S states and A actions as tables; states are [M, 1] numbers."""

    after: Tensor
    rewards: Tensor
    logits: Tensor
    values: Tensor

    @staticmethod
    def random(seed: int, states: int = 9, actions: int = 3) -> Table:
        g = np.random.default_rng(seed)
        after, rewards = g.integers(0, states, (states, actions)), g.standard_normal((states, actions))
        logits, values = g.standard_normal((states, actions)), g.standard_normal(states)
        return Table(*(torch.from_numpy(array) for array in (after, rewards, logits, values)))

    def root(self, starts: list[int]) -> Root:
        start = torch.tensor(starts)
        return Root(start[:, None].double(), self.logits[start], self.values[start])

    def __call__(self, states: Tensor, actions: Tensor) -> Prediction:
        here = states[:, 0].long()
        after = self.after[here, actions]
        discounts = torch.full_like(self.values[after], 0.95)
        return Prediction(
            after[:, None].double(), self.rewards[here, actions], discounts, self.logits[after], self.values[after]
        )


def search(table: Table, root: Root | Trees, simulations: int, **options: Any) -> SearchResult:
    return MCTS(num_simulations=simulations).search(root, table, **options)


def assert_same_below(old: Tree, new: Tree, b: int, first: int) -> int:
    """Walks both trees of a problem at once; returns the number of nodes."""
    pairs, count = [(first, 0)], 0
    while pairs:
        before, now = pairs.pop()
        count += 1
        for name in ("visits", "values", "edge_visits", "priors", "q"):
            np.testing.assert_array_equal(getattr(old, name)[b, before], getattr(new, name)[b, now])
        for action, (child, kept) in enumerate(zip(old.children[b, before], new.children[b, now], strict=True)):
            assert (child == 0) == (kept == 0)
            if child:
                assert (new.parents[b, kept], new.actions[b, kept]) == (now, action)
                assert old.rewards[b, child] == new.rewards[b, kept]
                pairs.append((child, kept))
    return count


@given(st.integers(0, 10_000), st.integers(5, 60))
def test_what_is_kept_is_exactly_what_was_there(seed: int, simulations: int) -> None:
    table, starts = Table.random(seed), [0, 4, 7]
    first = search(table, table.root(starts), simulations)
    kept = first.trees.below(first.action)
    tree = kept.memory.view(len(kept.states))
    for b, action in enumerate(first.action.tolist()):
        child = first.tree.children[b, 0, action]
        count = assert_same_below(first.tree, tree, b, child)
        assert count == first.tree.visits[b, child] == (tree.visits[b] > 0).sum()
        assert tree.parents[b, 0] == tree.actions[b, 0] == -1 and (tree.parents[b, count:] == -1).all()
        assert kept.states[0, b] == first.states[b, child]


def test_a_kept_tree_grows_as_if_its_search_had_never_stopped() -> None:
    # A problem with one action at the root spends every simulation below it, as a search from there does.
    table, start = Table.random(1), 3
    only = torch.tensor([[False, True, True]])
    first = search(table, table.root([start]), 21, invalid_actions=only)
    second = search(table, first.trees.below(first.action), 40)
    whole = search(table, table.root([start]), 61, invalid_actions=only)
    assert assert_same_below(whole.tree, second.tree, 0, 1) == 61
    assert torch.equal(second.states[0], whole.states[0, 1:])


def test_problems_keep_trees_of_different_sizes_and_do_not_leak() -> None:
    table, starts = Table.random(2), [0, 1, 2, 3]
    first = search(table, table.root(starts), 50)
    actions = torch.tensor([0, 1, 2, 0])
    together = search(table, first.trees.below(actions), 30)
    for b, start in enumerate(starts):
        one = search(table, table.root([start]), 50)
        alone = search(table, one.trees.below(actions[b : b + 1]), 30)
        assert alone.tree.edge_visits[0, 0].tolist() == together.tree.edge_visits[b, 0].tolist()
        assert alone.root_value[0] == together.root_value[b]


def test_a_step_that_was_never_searched_begins_afresh() -> None:
    table = Table.random(3)
    barred = torch.tensor([[False, True, False], [False, False, False]])
    first = search(table, table.root([0, 1]), 40, invalid_actions=barred)
    action = torch.tensor([1, int(first.action[1])])
    with pytest.raises(PlannerError, match="problem 0 never searched the step taken"):
        first.trees.below(action)
    fresh = table.root([5, 6])
    second = search(table, first.trees.below(action, fresh=fresh), 25)
    alone = search(table, table.root([5]), 25)
    assert second.tree.edge_visits[0, 0].tolist() == alone.tree.edge_visits[0, 0].tolist()
    assert second.states[0, 0] == 5 and second.root_value[0] == alone.root_value[0]
    assert second.tree.visits[1, 0] == first.tree.visits[1, first.tree.children[1, 0, action[1]]] + 25


def test_a_kept_root_takes_noise_and_a_mask() -> None:
    table = Table.random(4)
    first = search(table, table.root([0]), 60)
    kept = first.trees.below(first.action)
    barred = torch.zeros(1, 3, dtype=torch.bool)
    barred[0, int(kept.memory.edges["edge_visits"][0, 0].argmax())] = True
    second = search(table, kept, 5, invalid_actions=barred)
    assert not barred[0, second.action] and (second.action_weights[barred] == 0).all()
    noisy = MCTS(num_simulations=5, dirichlet_fraction=0.5)
    third = noisy.search(kept, table, generator=np.random.default_rng(0))
    assert not np.allclose(third.tree.priors[0, 0], kept.root_priors[0])
    assert kept.root_priors[0].tolist() == first.tree.priors[0, first.tree.children[0, 0, first.action[0]]].tolist()


@given(st.integers(0, 10_000), st.sampled_from([1, 3, 7, 40, 120]))
def test_a_search_that_stops_when_decided_takes_the_same_action(seed: int, simulations: int) -> None:
    table = Table.random(seed, actions=int(seed % 4) + 1)
    root = table.root([0, 2, 4])
    full = search(table, root, simulations)
    early = MCTS(num_simulations=simulations, stop_when_decided=True).search(root, table)
    assert torch.equal(full.action, early.action)
    used = early.tree.visits.shape[1] - 1
    assert used == simulations or decided(early, simulations - used)
    if used > 1:
        before = search(table, root, simulations, budget=Budget(iterations=used - 1))
        assert not decided(before, simulations - used + 1)


def decided(result: SearchResult, left: int) -> bool:
    counts = np.sort(result.tree.edge_visits[:, 0], 1)
    second = counts[:, -2] if counts.shape[1] > 1 else -left - 1
    return bool((counts[:, -1] - second > left).all())


def test_stopping_when_decided_saves_simulations() -> None:
    table = Table.random(0)
    table.logits[:, 0] += 8.0
    early = MCTS(num_simulations=200, stop_when_decided=True).search(table.root([0, 1]), table)
    assert early.tree.visits.shape[1] <= 120
    barred = torch.tensor([[True, False, True]])
    single = MCTS(num_simulations=200, stop_when_decided=True).search(table.root([0]), table, invalid_actions=barred)
    assert single.tree.visits.shape[1] == 2 and single.action.tolist() == [1]
    with pytest.raises(PlannerError, match="stop_when_decided needs a temperature of 0"):
        MCTS(num_simulations=1, stop_when_decided=True, temperature=1.0)


def test_a_budget_of_time_is_kept() -> None:
    table = Table.random(5)
    root = table.root([0, 1])
    search(table, root, 2)

    def slow(states: Tensor, actions: Tensor) -> Prediction:
        time.sleep(0.002)
        return table(states, actions)

    def spent() -> float:
        started = time.perf_counter()
        MCTS(num_simulations=10**4).search(root, slow, budget=Budget(seconds=0.2))
        return time.perf_counter() - started

    # The least of a few runs: a busy machine may pause any one of them.
    assert 0.2 <= min(spent() for _ in range(3)) <= 0.24


def test_what_does_not_fit_is_named() -> None:
    table = Table.random(6)
    trees = search(table, table.root([0, 1]), 9).trees
    with pytest.raises(PlannerError, match=r"actions must be \[2\] integers, not \[2\] of torch.float32"):
        trees.below(torch.zeros(2))
    with pytest.raises(PlannerError, match=r"actions must be \[2\] integers, not \[3\]"):
        trees.below(torch.zeros(3, dtype=torch.long))
    with pytest.raises(PlannerError, match=r"actions must be in 0\.\.2, not \[0, 3\]"):
        trees.below(torch.tensor([0, 3]))
    with pytest.raises(PlannerError, match=r"root.prior_logits must be \[2, 3\], not \[1, 3\]"):
        trees.below(torch.tensor([0, 0]), fresh=table.root([0, 1])._replace(prior_logits=torch.zeros(1, 3)))
