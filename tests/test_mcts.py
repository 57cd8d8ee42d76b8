"""Monte Carlo tree search: against a slow reference, against mctx's trees, and on worlds with a known optimum."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from planners.astar import SearchGoal
from planners.base import Box, Budget, Discrete
from planners.candidates import PlannerError
from planners.mcts import MCTS, CostToGoModel, Prediction, Root, SearchResult


@dataclass(frozen=True)
class Table:
    """A model of S states and A actions as tables; states are [M, 1] numbers."""

    after: Tensor
    rewards: Tensor
    logits: Tensor
    values: Tensor
    discounts: Tensor

    @staticmethod
    def random(seed: int, states: int = 9, actions: int = 3) -> Table:
        g = np.random.default_rng(seed)
        after, rewards = g.integers(0, states, (states, actions)), g.standard_normal((states, actions))
        logits, values = g.standard_normal((states, actions)), g.standard_normal(states)
        logits[g.random((states, actions)) < 0.1] = -np.inf
        discounts = np.where(g.random((states, actions)) < 0.1, 0.0, 0.95)
        return Table(*(torch.from_numpy(array) for array in (after, rewards, logits, values, discounts)))

    def root(self, starts: list[int]) -> Root:
        start = torch.tensor(starts)
        return Root(start[:, None].double(), self.logits[start].nan_to_num(neginf=-9.0), self.values[start])

    def __call__(self, states: Tensor, actions: Tensor) -> Prediction:
        here = states[:, 0].long()
        after = self.after[here, actions]
        follows = (self.rewards[here, actions], self.discounts[here, actions])
        return Prediction(after[:, None].double(), *follows, self.logits[after], self.values[after])


class Node:
    """One node of the reference."""

    def __init__(self, state: int, priors: list[float], value: float, parent: Node | None = None, action: int = -1):
        self.state, self.priors, self.value, self.visits = state, priors, value, 1
        self.parent, self.action, self.reward, self.discount = parent, action, 0.0, 1.0
        self.children: dict[int, Node] = {}
        self.counts = [0] * len(priors)

    def q(self, action: int) -> float:
        child = self.children[action]
        return child.reward + child.discount * child.value

    def choose(self) -> int:
        seen = {action: self.q(action) for action in self.children}
        low, high = min([self.value, *seen.values()]), max([self.value, *seen.values()])
        weight = math.sqrt(self.visits) * (1.25 + math.log((self.visits + 19653.0) / 19652.0))
        scores = {}
        for action, prior in enumerate(self.priors):
            if prior > 0:
                scaled = (seen[action] - low) * (1.0 / max(high - low, 1e-8)) if action in seen else 0.0
                scores[action] = weight * prior / (self.counts[action] + 1) + scaled
        return max(scores, key=lambda action: (scores[action], -action))


def softmax(logits: list[float]) -> list[float]:
    if max(logits) == -math.inf:
        return [1 / len(logits)] * len(logits)
    weights = [math.exp(logit - max(logits)) for logit in logits]
    return [weight / sum(weights) for weight in weights]


def reference(table: Table, start: int, priors: list[float], simulations: int) -> list[Node]:
    """The nodes of one problem's tree, in the order of their expansion."""
    nodes = [Node(start, priors, float(table.values[start]))]
    for _ in range(simulations):
        node = nodes[0]
        while (action := node.choose()) in node.children:
            node = node.children[action]
        state = int(table.after[node.state, action])
        new = Node(state, softmax(table.logits[state].tolist()), float(table.values[state]), node, action)
        new.reward, new.discount = float(table.rewards[node.state, action]), float(table.discounts[node.state, action])
        node.children[action] = new
        nodes.append(new)
        returns = new.value
        while new.parent is not None:
            returns = new.reward + new.discount * returns
            above = new.parent
            above.value = (above.value * above.visits + returns) / (above.visits + 1)
            above.visits += 1
            above.counts[new.action] += 1
            new = above
    return nodes


def search(table: Table, starts: list[int], simulations: int, **options: Any) -> SearchResult:
    return MCTS(num_simulations=simulations).search(table.root(starts), table, **options)


def assert_same_tree(result: SearchResult, problem: int, nodes: list[Node]) -> None:
    tree = result.tree
    numbers = {id(node): number for number, node in enumerate(nodes)}
    assert tree.parents[problem].tolist() == [numbers.get(id(node.parent), -1) for node in nodes]
    assert tree.actions[problem].tolist() == [node.action for node in nodes]
    assert tree.visits[problem].tolist() == [node.visits for node in nodes]
    assert tree.edge_visits[problem].tolist() == [node.counts for node in nodes]
    assert tree.values[problem].tolist() == pytest.approx([node.value for node in nodes], abs=1e-12)
    assert result.states[problem, :, 0].tolist() == [node.state for node in nodes]
    for number, node in enumerate(nodes):
        below = [numbers[id(node.children[a])] if a in node.children else 0 for a in range(len(node.priors))]
        assert tree.children[problem, number].tolist() == below
        q = [node.q(a) if a in node.children else 0.0 for a in range(len(node.priors))]
        assert tree.q[problem, number].tolist() == pytest.approx(q, abs=1e-12)


@given(st.integers(0, 10_000), st.lists(st.integers(0, 8), min_size=1, max_size=5), st.integers(1, 60))
def test_grows_the_same_trees_as_a_slow_reference(seed: int, starts: list[int], simulations: int) -> None:
    table = Table.random(seed)
    result = search(table, starts, simulations)
    for problem, start in enumerate(starts):
        priors = result.tree.priors[problem, 0].tolist()
        assert priors == pytest.approx(softmax(table.root([start]).prior_logits[0].tolist()), abs=1e-12)
        assert_same_tree(result, problem, reference(table, start, priors, simulations))


def test_problems_do_not_leak_into_each_other() -> None:
    table, starts = Table.random(3), [0, 5, 2, 5, 8]
    together = search(table, starts, 80)
    for problem, start in enumerate(starts):
        alone = search(table, [start], 80)
        for name in together.tree._fields:
            np.testing.assert_array_equal(getattr(together.tree, name)[problem], getattr(alone.tree, name)[0])


def golden_table() -> tuple[Table, Root]:
    g = np.random.default_rng(7)
    after, rewards = g.integers(0, 12, (12, 4)), g.integers(-4096, 4097, (12, 4)) / 4096
    logits, values = g.integers(-8192, 8193, (12, 4)) / 4096, g.integers(-8192, 8193, 12) / 4096
    arrays = (after, rewards, logits, values, np.full((12, 4), 0.96875))
    table = Table(*(torch.from_numpy(array) for array in arrays))
    return table, table.root([0, 3, 5])


def test_golden_trees_of_mctx() -> None:
    # mctx 0.0.71, muzero_policy(dirichlet_fraction=0, num_simulations=64), the second problem's action 2 invalid.
    table, root = golden_table()
    invalid = torch.zeros(3, 4, dtype=torch.bool)
    invalid[1, 2] = True
    result = MCTS(num_simulations=64).search(root, table, invalid_actions=invalid)
    assert result.tree.edge_visits[:, 0].tolist() == [[56, 3, 1, 4], [6, 50, 0, 8], [18, 44, 0, 2]]
    assert result.root_value.tolist() == pytest.approx([-0.38289931, -0.21563099, 0.46912751], abs=1e-6)
    assert result.tree.parents[:, :20].tolist() == [
        [-1, 0, 1, 0, 3, 4, 5, 5, 3, 8, 9, 8, 11, 12, 13, 13, 11, 16, 17, 16],
        [-1, 0, 1, 1, 0, 4, 5, 4, 7, 8, 9, 9, 7, 12, 13, 12, 15, 16, 17, 17],
        [-1, 0, 1, 2, 2, 1, 5, 6, 5, 8, 9, 10, 10, 8, 13, 14, 13, 16, 17, 18],
    ]
    assert result.action.tolist() == [0, 1, 1]
    torch.testing.assert_close(result.action_weights.sum(1), torch.ones(3, dtype=torch.float64))


def test_invalid_actions_are_never_taken_at_the_root_nor_below() -> None:
    table = Table.random(11)
    starts = list(range(9))
    invalid = torch.zeros(9, 3, dtype=torch.bool)
    invalid[:, 1] = True
    generator = np.random.default_rng(0)
    planner = MCTS(num_simulations=150, dirichlet_fraction=0.5, temperature=1.0)
    result = planner.search(table.root(starts), table, invalid_actions=invalid, generator=generator)
    assert (result.tree.edge_visits[:, 0, 1] == 0).all() and (result.action != 1).all()
    below = result.states[..., 0].long()[:, 1:]
    barred = (table.logits[below] == -math.inf) & ~(table.logits[below] == -math.inf).all(-1, keepdim=True)
    assert barred.any() and (result.tree.edge_visits[:, 1:][barred.numpy()] == 0).all()


class Grid:
    """Moves on an open 5 x 5 grid: states are cells, in cells."""

    actions = Discrete(4)
    moves = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        return (state + self.moves[action]).clamp(0, 4)


def manhattan(states: Tensor, goals: Tensor) -> Tensor:
    return (states - goals).abs().sum(-1)


def grid_model(goals: Tensor, critic: bool) -> CostToGoModel:
    heuristic = manhattan if critic else lambda states, goals: torch.zeros(len(states))
    cost = SearchGoal(goals, heuristic, 0.5)
    return CostToGoModel(dynamics=Grid(), cost=cost, arrived=lambda states: manhattan(states, goals) < 0.5)


@pytest.mark.parametrize(("critic", "simulations"), [(True, 30), (False, 600)])
def test_walks_the_shortest_way_with_and_without_a_critic(critic: bool, simulations: int) -> None:
    start = torch.tensor([[0.0, 0.0], [4.0, 1.0], [2.0, 2.0]])
    goals = torch.tensor([[2.0, 1.0], [3.0, 3.0], [2.0, 0.0]])
    model, states = grid_model(goals, critic), start
    for left in (3, 2, 1):
        result = MCTS(num_simulations=simulations).search(model.root(states), model)
        after = model.dynamics.step(states, result.action)
        nearer = manhattan(after, goals) < manhattan(states, goals)
        assert (nearer | (manhattan(states, goals) == 0)).all(), f"{left} steps left"
        states = torch.where((manhattan(states, goals) == 0)[:, None], states, after)
    assert (manhattan(states, goals) == 0).all()


def test_an_episode_that_ended_costs_nothing_more() -> None:
    goals = torch.tensor([[1.0, 0.0]])
    model = grid_model(goals, critic=True)
    prediction = model(torch.zeros(1, 2), torch.tensor([0]))
    assert (prediction.rewards.item(), prediction.discounts.item(), prediction.values.item()) == (-1.0, 0.0, 0.0)
    assert model(torch.zeros(1, 2), torch.tensor([1])).discounts.item() == 1.0
    assert model.root(torch.zeros(1, 2)).values.tolist() == [-1.0]


def test_the_same_seed_repeats_the_search_and_another_does_not() -> None:
    table, planner = Table.random(5), MCTS(num_simulations=30, dirichlet_fraction=0.5, temperature=1.0)
    results = [planner.search(table.root([1] * 20), table, generator=np.random.default_rng(seed)) for seed in (0, 0, 1)]
    weights = [result.action_weights for result in results]
    assert torch.equal(weights[0], weights[1]) and torch.equal(results[0].action, results[1].action)
    assert not torch.equal(weights[0], weights[2])


def test_a_temperature_of_one_draws_actions_by_their_visits() -> None:
    table, planner = Table.random(5), MCTS(num_simulations=30, temperature=1.0)
    result = planner.search(table.root([1] * 4000), table, generator=np.random.default_rng(0))
    shares = torch.bincount(result.action, minlength=3) / 4000
    torch.testing.assert_close(shares.double(), result.action_weights[0], atol=0.03, rtol=0)


def test_a_budget_ends_the_search_early_with_a_whole_tree() -> None:
    table = Table.random(6)
    for budget in (Budget(iterations=7), Budget(model_calls=14)):
        short, exact = search(table, [0, 1], 500, budget=budget), search(table, [0, 1], 7)
        for a, b in zip(short.tree, exact.tree, strict=True):
            np.testing.assert_array_equal(a, b)
    assert search(table, [0, 1], 500, budget=Budget(seconds=1e-9)).tree.visits.shape == (2, 2)
    assert MCTS(num_simulations=500).search(table.root([0]), table, 3).states.shape == (1, 4, 1)


def test_a_state_without_a_valid_action_has_uniform_priors() -> None:
    table = Table.random(8)
    table.logits[:] = -math.inf
    assert (search(table, [0], 20).tree.priors[0, 1:] == 1 / 3).all()


@pytest.mark.parametrize("field", ["rewards", "logits", "values", "discounts"])
def test_numbers_that_are_none_are_seen(field: str) -> None:
    table = Table.random(9)
    getattr(table, field)[:] = math.nan
    root = Table.random(9).root([0, 1])
    with pytest.raises(PlannerError, match="for problem 0 is not finite"):
        MCTS(num_simulations=9).search(root, table)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_simulations": 0}, "num_simulations must be positive"),
        ({"dirichlet_fraction": 1.5}, r"dirichlet_fraction must be in 0\.\.1"),
        ({"temperature": -1.0}, "temperature must not be negative"),
        ({"pb_c_init": math.nan}, "pb_c_init must not be negative"),
    ],
)
def test_a_setting_without_sense_is_named(options: dict[str, float], message: str) -> None:
    with pytest.raises(PlannerError, match=message):
        MCTS(**{"num_simulations": 1, **options})  # type: ignore[arg-type]


def test_what_does_not_fit_is_named() -> None:
    table, planner = Table.random(2), MCTS(num_simulations=5)
    root = table.root([0, 1])
    with pytest.raises(PlannerError, match=r"root.values must be \[2\]"):
        planner.search(root._replace(values=torch.zeros(3)), table)
    with pytest.raises(PlannerError, match=r"root.prior_logits must be \[2, A\]"):
        planner.search(root._replace(prior_logits=torch.zeros(3, 3)), table)
    with pytest.raises(PlannerError, match="root.states must be"):
        planner.search(root._replace(states=torch.zeros(2)), table)
    with pytest.raises(PlannerError, match=r"invalid_actions must be \[2, 3\] of bool"):
        planner.search(root, table, invalid_actions=torch.zeros(2, 3))
    with pytest.raises(PlannerError, match="problem 1 has no valid action"):
        planner.search(root, table, invalid_actions=torch.tensor([[False] * 3, [True] * 3]))
    with pytest.raises(PlannerError, match=r"the model's rewards must be \[2\], not \[1\]"):
        planner.search(root, lambda s, a: table(s, a)._replace(rewards=torch.zeros(1)))
    with pytest.raises(PlannerError, match="needs a generator"):
        MCTS(num_simulations=5, temperature=1.0).search(root, table)
    with pytest.raises(PlannerError, match="needs Discrete actions, the dynamics has Box"):
        grid = Grid()
        grid.actions = Box(torch.zeros(1), torch.ones(1))  # type: ignore[assignment]
        CostToGoModel(dynamics=grid, cost=SearchGoal(torch.zeros(1, 2), manhattan, 0.5))
