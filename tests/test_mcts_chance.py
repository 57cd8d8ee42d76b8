"""Chance nodes: against mctx's trees, values by risk against a recursion, and worlds in which luck decides."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from planners.astar import SearchGoal
from planners.base import Categorical, Discrete, Gaussian
from planners.candidates import PlannerError
from planners.mcts import MCTS, Prediction, Root, SearchResult
from planners.mcts.chance import Afterstate, StochasticCostToGoModel
from planners.risk import MEAN, WORST, Risk

GOLDEN = json.loads((Path(__file__).parent / "data" / "mctx_trees.json").read_text())
"""mctx 0.0.71: stochastic_muzero_policy(dirichlet_fraction=0, temperature=0) over ``Table(seed, S, A, C)``."""


@dataclass(frozen=True)
class Table:
    """A model of S states, A actions and C outcomes as tables of multiples of 1/4096; an afterstate is [state, action].

    Attributes:
        after: [S * A, C] next states.
        rewards: [S * A, C] rewards.
        logits: [S, A] prior logits.
        values: [S] values of states.
        chance_logits: [S * A, C] logits of outcomes.
        own: [S * A] values of afterstates.
    """

    after: Tensor
    rewards: Tensor
    logits: Tensor
    values: Tensor
    chance_logits: Tensor
    own: Tensor

    @staticmethod
    def random(seed: int, states: int = 9, actions: int = 3, outcomes: int = 3) -> Table:
        g, rows = np.random.default_rng(seed), states * actions
        after, rewards = g.integers(0, states, (rows, outcomes)), g.integers(-4096, 4097, (rows, outcomes)) / 4096
        logits, values = g.integers(-8192, 8193, (states, actions)) / 4096, g.integers(-8192, 8193, states) / 4096
        chances, own = g.integers(-8192, 8193, (rows, outcomes)) / 4096, g.integers(-8192, 8193, rows) / 4096
        return Table(*(torch.from_numpy(array) for array in (after, rewards, logits, values, chances, own)))

    @property
    def num_outcomes(self) -> int:
        return self.after.shape[1]

    def afterstate_dim(self, state_dim: int) -> int:
        return 2

    def root(self, starts: list[int]) -> Root:
        start = torch.tensor(starts)
        return Root(start[:, None].double(), self.logits[start], self.values[start])

    def row(self, afterstates: Tensor) -> Tensor:
        return (afterstates[:, 0] * self.logits.shape[1] + afterstates[:, 1]).long()

    def afterstate(self, states: Tensor, actions: Tensor, problems: Tensor) -> Afterstate:
        assert states.shape == (problems.sum(), 1)
        after = torch.stack([states[:, 0], actions.double()], 1)
        return Afterstate(after, self.chance_logits[self.row(after)], self.own[self.row(after)])

    def outcome(self, afterstates: Tensor, outcomes: Tensor, problems: Tensor) -> Prediction:
        assert afterstates.shape == (problems.sum(), 2)
        row = self.row(afterstates)
        after = self.after[row, outcomes]
        discounts = torch.full_like(self.values[after], 0.96875)
        return Prediction(
            after[:, None].double(), self.rewards[row, outcomes], discounts, self.logits[after], self.values[after]
        )


@pytest.mark.parametrize("case", GOLDEN["stochastic"], ids=lambda case: f"{case['actions']}x{case['outcomes']}")
def test_golden_trees_of_mctx(case: dict[str, Any]) -> None:
    table = Table.random(case["seed"], case["states"], case["actions"], case["outcomes"])
    result = MCTS(num_simulations=case["simulations"]).search(table.root(case["starts"]), table)
    assert result.tree.edge_visits[:, 0, : case["actions"]].tolist() == case["root_visits"]
    assert result.action_weights.shape == (len(case["starts"]), case["actions"])
    assert result.tree.parents.tolist() == case["parents"]
    assert result.tree.visits.tolist() == case["visits"]
    assert result.trees.memory.nodes["chance"].tolist() == case["chance"]
    np.testing.assert_allclose(result.tree.values, case["values"], atol=1e-5)
    assert result.action.tolist() == case["action"]


def assert_weighed(result: SearchResult, table: Table, risk: Risk) -> None:
    """Recomputes all values of the trees from what hangs below them."""
    tree, chance = result.tree, result.trees.memory.nodes["chance"]
    for b in range(len(tree.visits)):
        for node in reversed(range(tree.visits.shape[1])):
            counts, q = torch.from_numpy(tree.edge_visits[b, node]), torch.from_numpy(tree.q[b, node])
            if chance[b, node]:
                own = table.own[table.row(result.states[b, node][None])]
                prior = torch.from_numpy(tree.priors[b, node])
                expected = -risk(torch.where(counts > 0, -q, -own), prior)
            else:
                own = table.values[result.states[b, node, 0].long()]
                expected = (own + (counts * q).sum()) / (counts.sum() + 1)
            assert tree.values[b, node] == pytest.approx(expected.item(), abs=1e-12)
            if node:
                edge = (b, tree.parents[b, node], tree.actions[b, node])
                through = tree.rewards[b, node] + tree.discounts[b, node] * tree.values[b, node]
                assert tree.q[edge] == through and tree.edge_visits[edge] == tree.visits[b, node]


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.2, 0.5, 0.99]))
def test_a_chance_node_is_worth_what_the_risk_makes_of_its_outcomes(seed: int, tail: float) -> None:
    table = Table.random(seed, outcomes=4)
    result = MCTS(num_simulations=40, risk=Risk(tail)).search(table.root([0, 5]), table)
    assert_weighed(result, table, Risk(tail))


def test_visits_at_chance_nodes_follow_the_probabilities() -> None:
    table = Table.random(1, actions=1)
    result = MCTS(num_simulations=400).search(table.root([0, 4]), table)
    for b in range(2):
        visits = result.tree.edge_visits[b, 1]
        share = table.chance_logits[[0, 4][b]].softmax(-1)
        np.testing.assert_allclose(visits / visits.sum(), share, atol=0.02)


def test_invalid_actions_and_impossible_outcomes_are_never_taken() -> None:
    table = Table.random(2)
    table.logits[:, 1] = -math.inf
    table.chance_logits[:, 2] = -math.inf
    invalid = torch.tensor([[True, False, False]] * 3)
    result = MCTS(num_simulations=90).search(table.root([0, 1, 2]), table, invalid_actions=invalid)
    chance = result.trees.memory.nodes["chance"] == 1
    assert (result.tree.edge_visits[chance][:, 2] == 0).all() and (result.tree.edge_visits[~chance][:, 1] == 0).all()
    assert result.action.tolist() == [2, 2, 2] and result.tree.edge_visits[:, 0, 2].tolist() == [90] * 3


class Ferry:
    """From 0 to 5 on a line: action 1 walks a step, action 0 takes a ferry over 3 steps that founders at times.

    A ferry that founders drifts to -6, from where it's a long way back.
    """

    actions, latents = Discrete(2), Categorical(2)

    def __init__(self, founders: float) -> None:
        self.founders = founders

    def step(self, state: Tensor, action: Tensor, latent: Tensor) -> Tensor:
        ferry = torch.where(latent == 1, -6.0, state[..., 0] + 3)
        return torch.where(action == 0, ferry, state[..., 0] + 1).unsqueeze(-1)

    def log_prior(self, state: Tensor, action: Tensor) -> Tensor:
        founders = torch.where(action == 0, self.founders, 0.0).expand(state.shape[:-1])
        return torch.stack([1 - founders, founders], -1).log()


def distance(states: Tensor, goals: Tensor) -> Tensor:
    return (states - goals).abs().sum(-1)


def ferry_model(founders: float, goals: Tensor, risk: Risk) -> StochasticCostToGoModel:
    return StochasticCostToGoModel(
        dynamics=Ferry(founders),
        cost=SearchGoal(goals, distance, 0.5),
        arrived=lambda states: distance(states, goals) < 0.5,
        risk=risk,
    )


@pytest.mark.parametrize(
    ("founders", "risk", "action"), [(0.1, MEAN, 0), (0.1, WORST, 1), (0.5, MEAN, 1), (0.1, Risk(0.15), 1)]
)
def test_a_gamble_is_taken_or_left_by_its_risk(founders: float, risk: Risk, action: int) -> None:
    goals = torch.tensor([[5.0], [3.0], [6.0]])
    model = ferry_model(founders, goals, risk)
    result = MCTS(num_simulations=300, risk=risk).search(model.root(torch.zeros(3, 1)), model)
    assert result.action.tolist() == [action] * 3


def test_each_problem_has_its_own_goal() -> None:
    goals = torch.tensor([[3.0], [1.0]])
    model = ferry_model(0.0, goals, MEAN)
    assert model.root(torch.zeros(2, 1)).values.tolist() == [-3.0, -1.0]
    after = model.afterstate(torch.zeros(1, 1), torch.tensor([1]), torch.tensor([False, True]))
    assert after.states.tolist() == [[0.0, 1.0]] and after.values.tolist() == [-1.0]
    for problems, discount in (([False, True], 0.0), ([True, False], 1.0)):
        assert model.outcome(after.states, torch.tensor([0]), torch.tensor(problems)).discounts.tolist() == [discount]
    assert MCTS(num_simulations=60).search(model.root(torch.zeros(2, 1)), model).action.tolist() == [0, 1]


def test_a_search_goes_on_below_the_outcome_that_came() -> None:
    table = Table.random(4)
    first = MCTS(num_simulations=80, risk=Risk(0.3)).search(table.root([0, 1, 2]), table)
    with pytest.raises(PlannerError, match="chance nodes: give the outcomes"):
        first.trees.below(first.action)
    kept = first.trees.below(first.action, torch.tensor([0, 1, 2]))
    assert (kept.memory.nodes["chance"][:, 0] == 0).all()
    after = table.after[torch.tensor([0, 1, 2]) * 3 + first.action, torch.tensor([0, 1, 2])]
    assert kept.states[0, :, 0].tolist() == after.tolist()
    second = MCTS(num_simulations=40, risk=Risk(0.3)).search(kept, table)
    live = second.tree.visits[:, : len(kept.states)] > 0
    assert (second.tree.visits[:, : len(kept.states)][live] >= kept.memory.nodes["visits"][live]).all()
    assert second.tree.edge_visits[:, 0].sum(1).tolist() == (kept.memory.nodes["visits"][:, 0] + 39).tolist()


def test_what_does_not_fit_is_named() -> None:
    table = Table.random(5)

    @dataclass(frozen=True)
    class Odd:
        part: str
        num_outcomes: int = 3

        def afterstate_dim(self, state_dim: int) -> int:
            return 2

        def afterstate(self, *given: Tensor) -> Afterstate:
            after = table.afterstate(*given)
            return after._replace(chance_logits=torch.zeros(1, 7)) if self.part == "afterstate" else after

        def outcome(self, *given: Tensor) -> Prediction:
            return table.outcome(*given)._replace(rewards=torch.zeros(9))

    with pytest.raises(PlannerError, match=r"the model's afterstate's chance_logits must be \[2, 3\], not \[1, 7\]"):
        MCTS(num_simulations=9).search(table.root([0, 1]), Odd("afterstate"))
    with pytest.raises(PlannerError, match=r"the model's outcome's rewards must be \[\d\], not \[9\]"):
        MCTS(num_simulations=9).search(table.root([0, 1]), Odd("outcome"))
    ferry = Ferry(0.1)
    ferry.latents = Gaussian(2)  # type: ignore[assignment]
    with pytest.raises(PlannerError, match="needs a Categorical space, the dynamics has Gaussian"):
        StochasticCostToGoModel(dynamics=ferry, cost=SearchGoal(torch.zeros(1, 1), distance, 0.5))
