"""What planners tell becomes rounds, searches and trees that agree with their plans."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hjepa.listener import CANDIDATES, Listener, elites_of
from planners.astar import LatentAStar, SearchGoal
from planners.base import Box, Discrete, Plan, Planner
from planners.dynamic_programming import DynamicProgramming
from planners.finite_model import Discretisation
from planners.gradient import GradientPlanner
from planners.lifted import LiftedPlanner
from planners.mcts import MCTSPlanner
from planners.sampling import CEM, ICEM, MPPI, RandomShooting
from planners.trace import Expansion, Round, Tree

START, GOAL = torch.tensor([[0.0, 0.0]]), torch.tensor([[4.0, 2.0]])


class Plane:
    """A point that goes where it is pushed."""

    actions = Box(-torch.ones(2), torch.ones(2))

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        return state + action


class Lattice:
    """A point that moves to one of its four neighbours."""

    actions = Discrete(4)
    moves = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        return state + self.moves[action]


@dataclass(frozen=True)
class Gap:
    goal: Tensor

    def __call__(self, states: Tensor, actions: Tensor) -> Tensor:
        return (states - self.goal.view(len(self.goal), *[1] * (states.dim() - 2), -1)).norm(dim=-1)


def manhattan(goal: Tensor = GOAL) -> SearchGoal:
    return SearchGoal(goal, lambda states, goals: (states - goals).abs().sum(-1), tolerance=0.1)


def decode(states: Tensor) -> Tensor:
    return states[..., :2]


def listen(planner: Planner, listener: Listener, discrete: bool = False, seed: int = 0) -> Plan:
    generator = torch.Generator().manual_seed(seed)
    if discrete:
        return planner.plan(Lattice(), manhattan(), START, generator=generator, recorder=listener)
    return planner.plan(Plane(), Gap(GOAL), START, generator=generator, recorder=listener)


OPTIMIZERS = {
    "random": (RandomShooting(horizon=4, samples=100), 1),
    "cem": (CEM(horizon=4, samples=100, iterations=3, elites=8), 4),
    "icem": (ICEM(horizon=4, samples=40, iterations=3, elites=8), 4),
    "mppi": (MPPI(horizon=4, samples=40, iterations=2), 3),
    "gradient": (GradientPlanner(horizon=4, restarts=4, iterations=6), 7),
    "lifted": (LiftedPlanner(horizon=4, restarts=4, iterations=8, sync_every=4, sync_steps=2), None),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rounds_are_sorted_and_hold_the_plan(name: str) -> None:
    planner, rounds = OPTIMIZERS[name]
    listener = Listener(elites_of(planner))
    plan = listen(planner, listener)
    work = listener.work(decode)
    assert all(isinstance(part, Round) for part in work)
    assert rounds is None or len(work) == rounds
    for part in work:
        assert part.candidates.shape == (len(part.costs), 5, 2)
        assert part.candidates.dtype == part.costs.dtype == np.float32
        assert (np.diff(part.costs) >= 0).all()
        assert 1 <= part.elites <= len(part.costs) <= CANDIDATES
        assert (part.candidates[:, 0] == 0).all(), "all begin where the agent is"
    best = min((part for part in work if not part.relaxed), key=lambda part: part.costs[0])
    assert best.costs[0] == pytest.approx(float(plan.cost[0]))
    np.testing.assert_allclose(best.candidates[0], plan.states[0], atol=1e-6)
    assert any(part.relaxed for part in work) == (name == "lifted")


def test_elites_are_the_planners_own_number() -> None:
    planner = OPTIMIZERS["cem"][0]
    listener, guessing = Listener(elites_of(planner)), Listener(elites_of(OPTIMIZERS["random"][0]))
    for each in (listener, guessing):
        listen(planner, each)
    assert [part.elites for part in listener.work(decode)] == [8, 8, 8, 1], "at last the mean alone"
    assert [part.elites for part in guessing.work(decode)] == [10, 10, 10, 1], "a tenth"


@given(st.integers(1, 700), st.integers(1, 100), st.integers(0, 2**31))
def test_the_elites_and_a_fair_choice_of_others_are_kept(count: int, elites: int, seed: int) -> None:
    totals = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).float()
    listener = Listener(elites)
    listener.record(
        "candidates", iteration=0, states=totals.view(1, -1, 1, 1).expand(-1, -1, 3, 2), totals=totals[None]
    )
    (part,) = listener.work(decode)
    assert isinstance(part, Round)
    assert len(part.costs) == min(count, CANDIDATES)
    assert len(set(part.costs)) == len(part.costs)
    assert part.elites == min(elites, count, CANDIDATES)
    assert part.costs[: part.elites].tolist() == list(range(part.elites))
    assert np.array_equal(part.candidates[:, 0, 0], part.costs), "states stay with their costs"
    if elites < CANDIDATES:
        assert part.costs[-1] == count - 1, "the worst shows how wide the round was"


def test_of_several_scenarios_the_first_is_kept() -> None:
    listener, states = Listener(), torch.arange(2.0 * 3 * 4 * 5 * 2).view(2, 3, 4, 5, 2)[:1]
    listener.record("candidates", iteration=0, states=states, totals=torch.tensor([[2.0, 0.0, 1.0]]))
    (part,) = listener.work(decode)
    assert isinstance(part, Round)
    assert np.array_equal(part.candidates, states[0, [1, 2, 0], 0])


def test_a_search_tells_where_it_came_from() -> None:
    listener = Listener()
    planner = LatentAStar(resolution=0.5, batch=4, max_expansions=60, weight=0.5)
    plan = listen(planner, listener, discrete=True)
    (search,) = listener.work(decode)
    assert isinstance(search, Expansion)
    assert len(search.places) == int(plan.extras["expanded"][0]) > 10
    assert len(np.unique(search.places, axis=0)) == len(search.places)
    assert search.parents[0] == -1
    assert (search.parents[1:] >= 0).all()
    assert (search.parents < np.arange(len(search.places))).all()
    steps = np.abs(search.places[1:] - search.places[search.parents[1:]]).sum(1)
    assert np.array_equal(steps, np.ones(len(steps))), "each is one move from its parent"


def test_each_search_of_a_decision_is_told_by_itself() -> None:
    """A level that has to think again plans several times in one decision."""
    listener, planner = Listener(), LatentAStar(resolution=0.5, max_expansions=30)
    listen(planner, listener, discrete=True)
    (alone,) = listener.work(decode)
    listen(planner, listener, discrete=True)
    twice = listener.work(decode)
    assert isinstance(alone, Expansion)
    assert len(twice) == 2
    for search in twice:
        assert isinstance(search, Expansion)
        assert np.array_equal(search.places, alone.places)
        assert np.array_equal(search.parents, alone.parents)
    listener.clear()
    assert listener.work(decode) == ()


def test_value_iteration_is_a_wave_from_the_goal() -> None:
    side = torch.arange(-1.0, 6.0)
    world = Discretisation(states=torch.cartesian_prod(side, side), tolerance=0.1)
    listener, planner = Listener(), DynamicProgramming(world=world)
    for _ in range(2):
        listen(planner, listener, discrete=True)
    first, second = listener.work(decode)
    for wave in (first, second):
        assert isinstance(wave, Expansion)
        assert len(wave.places) == 49
        distances = np.abs(wave.places - GOAL.numpy()).sum(1)
        assert (np.diff(distances) >= 0).all()
        assert (wave.parents == -1).all()


@pytest.mark.parametrize("discrete", [False, True], ids=["sequences", "to a goal"])
def test_a_tree_search_tells_its_tree_and_nothing_else(discrete: bool) -> None:
    listener = Listener()
    plan = listen(MCTSPlanner(horizon=4, num_simulations=20, samples=4), listener, discrete)
    (tree,) = listener.work(decode)
    assert isinstance(tree, Tree)
    assert len(tree.places) == len(tree.values) == len(tree.visits) == len(tree.chance) == len(tree.parents) == 21
    assert tree.parents[0] == -1
    assert ((tree.parents[1:] >= 0) & (tree.parents[1:] < np.arange(1, 21))).all()
    assert tree.visits[0] == 21, "the root counts itself"
    children = np.flatnonzero(tree.parents == 0)
    assert tree.visits[children].sum() == 20
    assert np.array_equal(tree.places[0], START[0])
    assert (tree.values < 0).all()
    assert not tree.chance.any()
    assert int(plan.extras["visits"].sum()) == 20
