"""Dynamic programming over world models: beside a search, under risk, and what is kept of a model."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from planners.astar import LatentAStar, SearchGoal
from planners.base import Box, Budget, Categorical, Discrete, Gaussian, LatentSpace
from planners.candidates import PlannerError
from planners.dynamic_programming import DynamicProgramming
from planners.finite_model import Discretisation
from planners.risk import MEAN, WORST, Risk


class Compass:
    """A point that moves one step north, east, south or west; it counts the rows that it is asked for."""

    actions = Discrete(4)
    moves = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, -1.0], [-1.0, 0.0]])

    def __init__(self) -> None:
        self.rows = 0

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        self.rows += len(state)
        return state + self.moves[action]


def lattice(size: int) -> Tensor:
    return torch.cartesian_prod(torch.arange(float(size)), torch.arange(float(size)))


def manhattan(states: Tensor, goals: Tensor) -> Tensor:
    return (states - goals).abs().sum(-1)


def aim(*goals: tuple[float, float]) -> SearchGoal:
    return SearchGoal(torch.tensor(goals), manhattan, 0.5)


def outside_walls(before: Tensor, after: Tensor) -> Tensor:
    """A wall at x = 2 with a gap at y = 4."""
    return (after[:, 0].round() != 2) | (after[:, 1].round() == 4)


WORLD = Discretisation(states=lattice(6), tolerance=0.4, valid=outside_walls)
STARTS = torch.tensor([[0.0, 0.0], [1.1, 1.0], [5.0, 0.0], [4.0, 4.0]])
GOALS = aim((5.0, 0.0), (4.0, 4.1), (0.0, 0.0), (4.0, 4.0))


def test_finds_the_same_costs_as_a_search() -> None:
    plan = DynamicProgramming(world=WORLD).plan(Compass(), GOALS, STARTS)
    search = LatentAStar(resolution=1.0, valid=outside_walls).plan(Compass(), GOALS, STARTS)
    assert plan.extras["found"].all() and plan.complete.all()
    assert plan.cost.tolist() == search.cost.tolist() == [13, 6, 13, 0]
    assert plan.extras["path_lengths"].tolist() == [13, 6, 13, 0]
    assert plan.extras["policy"].values[0, 0] == 13
    assert (plan.actions[3] == -1).all() and (plan.states[3] == STARTS[3]).all()


def test_the_nearest_representative_counts() -> None:
    g = torch.Generator().manual_seed(0)
    states, queries = torch.rand(200, 3, generator=g), torch.rand(500, 3, generator=g)
    apart = torch.cdist(queries, states)
    expected = torch.where(apart.amin(1) <= 0.12, apart.argmin(1), -1)
    found = Discretisation(states=states, tolerance=0.12).nearest(queries)
    assert found.tolist() == expected.tolist()
    assert 0.1 < (expected < 0).float().mean() < 0.9


def test_a_goal_out_of_reach_is_said_so() -> None:
    walled = replace(WORLD, valid=lambda before, after: after[:, 0].round() != 2)
    plan = DynamicProgramming(world=walled).plan(Compass(), aim((5.0, 0.0), (1.0, 0.0)), STARTS[:2])
    assert plan.extras["found"].tolist() == [False, True] and plan.complete.all()
    assert plan.cost.tolist() == [5, 1] and (plan.actions[0] == -1).all()
    assert plan.extras["policy"].values[0, 0] == math.inf


def test_costs_of_edges_may_differ() -> None:
    dear = replace(WORLD, edge_cost=lambda before, after: torch.where(after[:, 1] > 1.5, 0.5, 3.0), valid=None)
    plan = DynamicProgramming(world=dear).plan(Compass(), aim((5.0, 0.0)), STARTS[:1])
    assert plan.cost.item() == 3 + 0.5 + 0.5 * 5 + 3 + 3
    nowhere = replace(dear, edge_cost=lambda before, after: torch.full_like(after[:, 0], math.inf))
    assert not DynamicProgramming(world=nowhere).plan(Compass(), aim((5.0, 0.0)), STARTS[:1]).extras["found"]


def test_a_better_warm_start_wins() -> None:
    # To the representatives, the gap in the wall is unknown.
    blind = replace(WORLD, states=lattice(6)[lattice(6)[:, 1] < 4])
    planner, north, east, south = DynamicProgramming(world=blind), [0] * 4, [1] * 5, [2] * 4
    assert not planner.plan(Compass(), aim((5.0, 0.0)), STARTS[:1]).extras["found"]
    warm = torch.tensor([north + east + south + [-1, 3]])
    plan = planner.plan(Compass(), aim((5.0, 0.0)), STARTS[:1], warm_start=warm)
    assert plan.extras["found"].all() and plan.cost.item() == 13 and plan.actions.tolist() == [warm[0, :13].tolist()]


def test_the_model_is_kept_only_if_asked_and_only_for_the_same_dynamics() -> None:
    kept = DynamicProgramming(world=WORLD, reuse=True)
    first, second = Compass(), Compass()
    calls = [kept.plan(dynamics, GOALS, STARTS).model_calls for dynamics in (first, first, second, first)]
    assert calls[0] == calls[2] == calls[3] == calls[1] + 4 * 36
    assert first.rows == calls[0] + calls[1] + calls[3]
    fresh = DynamicProgramming(world=WORLD)
    assert fresh.plan(first, GOALS, STARTS).model_calls == fresh.plan(first, GOALS, STARTS).model_calls == calls[0]
    cut = DynamicProgramming(world=WORLD, reuse=True)
    cut.plan(first, GOALS, STARTS, budget=Budget(iterations=1))
    assert cut.plan(first, GOALS, STARTS).cost.tolist() == [13, 6, 13, 0]


def test_more_actions_tried_never_make_it_worse() -> None:
    planner = DynamicProgramming(world=WORLD)
    plans = [planner.plan(Compass(), GOALS, STARTS, budget=Budget(iterations=count)) for count in range(1, 10)]
    costs = torch.stack([torch.where(plan.extras["found"], plan.cost, torch.inf) for plan in plans])
    assert (costs[1:] <= costs[:-1]).all()
    assert costs[0].isinf().sum() == 3 and costs[-1].isfinite().all()
    assert not plans[2].complete.any() and plans[-1].complete.all()


@dataclass(frozen=True)
class Slippery:
    """Compass moves of which the second mode is another: east from the row y = 0 falls into a pit at y = -9."""

    slip: float = 0.1
    latents: LatentSpace = Categorical(3)
    actions = Discrete(4)

    def step(self, state: Tensor, action: Tensor, latent: Tensor) -> Tensor:
        falls = (latent == 1) & (action == 1) & (state[..., 1].round() == 0)
        pit = torch.tensor([2.0, -9.0])
        there = state[..., 1] < -5
        moved = torch.where(there[..., None], state, state + Compass.moves[action])
        return torch.where(falls[..., None], pit, moved)

    def log_prior(self, state: Tensor, action: Tensor) -> Tensor:
        likely = torch.tensor([1 - self.slip - 1e-5, self.slip, 1e-5]).log()
        return likely.expand(*state.shape[:-1], 3)


RISKY = Discretisation(states=torch.cat([lattice(5), torch.tensor([[2.0, -9.0]])]), tolerance=0.4)


@pytest.mark.parametrize(
    ("risk", "give_up", "cost", "row"),
    [(MEAN, 8.0, 2.71, 0), (WORST, 8.0, 5.0, 1), (MEAN, math.inf, 5.0, 1), (Risk(0.2), 8.0, 5.0, 1)],
)
def test_a_risky_shortcut_is_taken_by_the_mean_and_avoided_by_the_worst_case(
    risk: Risk, give_up: float, cost: float, row: int
) -> None:
    # East along y = 0 for 3 steps, each with a chance to fall; or round by y = 1 for 5.
    planner = DynamicProgramming(world=RISKY, risk=risk, give_up=give_up)
    dynamics = Slippery(0.1 if risk.tail < 1 or give_up > 8 else 0.01)
    plan = planner.plan(dynamics, aim((3.0, 0.0)), STARTS[:1])
    expected = cost if row else sum(0.99**k for k in range(3)) + (1 - 0.99**3) * 8
    assert plan.cost.item() == pytest.approx(expected, rel=1e-3)
    assert plan.states[0, :, 1].max() == row and plan.extras["found"].all()


def test_modes_that_hardly_ever_happen_are_left_out() -> None:
    model = RISKY.model(Slippery(0.1))
    assert (model.chances[..., 2] == 0).all() and (model.next_states[..., 2] == -1).all()
    np.testing.assert_allclose(model.chances[0, 1, :2], [0.9, 0.1], rtol=1e-4)
    uniform = replace(RISKY, negligible=0.9).model(Slippery(0.4))
    assert (uniform.chances[..., 0] == 1).all()


class Drift(Slippery):
    """Compass moves that the wind carries sideways."""

    def step(self, state: Tensor, action: Tensor, latent: Tensor) -> Tensor:
        return state + Compass.moves[action] + 0.3 * latent


def test_a_gaussian_latent_variable_is_sampled() -> None:
    drift, world = Drift(latents=Gaussian(2)), replace(RISKY, tolerance=0.8, samples=64)
    models = [world.model(drift, generator=torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert (models[0].chances == 1 / 64).all()
    np.testing.assert_array_equal(models[0].next_states, models[1].next_states)
    assert (models[0].next_states != models[2].next_states).any()
    planner = DynamicProgramming(world=world, give_up=60.0)
    plan = planner.plan(drift, aim((3.0, 3.0)), STARTS[:1], generator=torch.Generator().manual_seed(0))
    assert 6 < plan.cost.item() < 20
    with pytest.raises(PlannerError, match="generator: Discretisation samples"):
        planner.plan(drift, aim((3.0, 3.0)), STARTS[:1])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Discretisation(states=torch.zeros(3), tolerance=1.0), r"states must be \[S, D\], not \[3\]"),
        (lambda: replace(WORLD, tolerance=0.0), "tolerance must be positive"),
        (lambda: replace(WORLD, negligible=1.0), r"negligible must be in \[0, 1\)"),
        (lambda: DynamicProgramming(world=WORLD, horizon=0), "horizon must be positive"),
        (lambda: _plan(cost=lambda states, actions: states), "needs a SearchGoal as its cost, not function"),
        (lambda: _plan(start=STARTS[:3]), "one goal per start"),
        (lambda: _plan(warm_start=torch.zeros(4, 2)), r"warm_start must be \[4, H\] actions under 4"),
        (lambda: _plan(warm_start=torch.full((4, 2), 4)), r"warm_start must be \[4, H\] actions under 4"),
        (lambda: _plan(dynamics=_Continuous()), "needs Discrete actions, the dynamics has Box"),
    ],
)
def test_what_makes_no_sense_is_named(make: Any, message: str) -> None:
    with pytest.raises(PlannerError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


class _Continuous(Compass):
    actions = Box(torch.zeros(1), torch.ones(1))  # type: ignore[assignment]


def _plan(dynamics: Any = None, cost: Any = GOALS, start: Tensor = STARTS, **more: Any) -> None:
    DynamicProgramming(world=WORLD).plan(dynamics or Compass(), cost, start, **more)
