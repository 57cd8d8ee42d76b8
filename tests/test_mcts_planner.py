"""The MCTS planner: against brute force and known optima, anytime, within its budgets, and told what it does."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from planners.astar import LatentAStar, SearchGoal
from planners.base import Box, Budget, Categorical, Discrete, Gaussian, Plan
from planners.candidates import PlannerError
from planners.mcts import planner as mcts_planner
from planners.mcts.device import DeviceMCTS
from planners.mcts.planner import MCTSPlanner
from planners.outcomes import ConstrainedCost
from planners.risk import MEAN, WORST, Risk

HORIZON = 5


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@dataclass(frozen=True)
class Worlds:
    """W random worlds of 12 places and 3 actions; a state is a world's number and a place. Also their cost."""

    after: Tensor
    prices: Tensor
    actions: Discrete = Discrete(3)

    @staticmethod
    def random(count: int, seed: int = 0) -> Worlds:
        g = seeded(seed)
        return Worlds(torch.randint(12, (count, 12, 3), generator=g), torch.rand(count, 12, generator=g))

    @property
    def starts(self) -> Tensor:
        return torch.stack([torch.arange(len(self.after)), torch.zeros(len(self.after))], 1)

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        world, place = state.long().unbind(-1)
        return torch.stack([world, self.after[world, place, action]], -1).to(state)

    def __call__(self, states: Tensor, actions: Tensor) -> Tensor:
        world, place = states.long().unbind(-1)
        return self.prices[world, place]

    def brute_force(self, horizon: int = HORIZON) -> Tensor:
        """[W, 3 ** H] costs of all sequences."""
        sequences = torch.tensor(list(product(range(3), repeat=horizon)))
        states = self.starts[:, None].expand(-1, len(sequences), -1)
        totals = self(states, sequences)
        for action in sequences.unbind(1):
            states = self.step(states, action.expand(len(states), -1))
            totals = totals + self(states, sequences)
        return totals


class Integrator:
    """A point that moves by its action."""

    actions = Box(-torch.ones(2), torch.ones(2))

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        return state + action


def distance(states: Tensor, actions: Tensor) -> Tensor:
    return (states - torch.tensor([3.0, -2.0])).norm(dim=-1)


class Room:
    """A grid with a wall at x = 3 whose gap is at y = 6; the four moves of length 1 are blocked by the wall."""

    actions = Discrete(4)

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        moved = state + torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])[action]
        blocked = ((moved[..., 0] == 3) & (moved[..., 1] != 6))[..., None]
        return torch.where(blocked, state, moved)


def to(*goals: list[float]) -> SearchGoal:
    return SearchGoal(torch.tensor(goals), lambda states, goal: (states - goal).abs().sum(-1), tolerance=0.5)


class Shortcut:
    """A line; action 1 moves by 1, action 0 by 3 with a chance of 0.8, and else by -4."""

    actions = Discrete(2)
    latents = Categorical(2)

    def step(self, state: Tensor, action: Tensor, latent: Tensor) -> Tensor:
        jump = torch.where(latent == 0, 3.0, -4.0)
        return state + torch.where(action == 0, jump, 1.0)[..., None]

    def log_prior(self, state: Tensor, action: Tensor) -> Tensor:
        return torch.tensor([0.8, 0.2]).log().expand(*action.shape, 2)


AHEAD = SearchGoal(torch.tensor([[6.0]]), lambda states, goal: (goal - states).clamp(min=0)[:, 0], tolerance=0.5)


class Tape:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.records: list[tuple[str, dict[str, Any]]] = []

    def record(self, kind: str, **data: Any) -> None:
        self.records.append(
            (kind, {name: part.clone() if torch.is_tensor(part) else part for name, part in data.items()})
        )


def test_close_to_brute_force_on_random_worlds() -> None:
    worlds = Worlds.random(250)
    every = worlds.brute_force()
    plan = MCTSPlanner(horizon=HORIZON, num_simulations=48).plan(worlds, worlds, worlds.starts, generator=seeded())
    gap = (plan.cost - every.amin(1)) / (every.mean(1) - every.amin(1))
    assert (gap >= -1e-5).all()
    assert gap.mean() < 0.02
    assert (gap < 1e-5).double().mean() > 0.85


def test_enough_simulations_find_the_optimum() -> None:
    worlds = Worlds.random(40, seed=1)
    planner = MCTSPlanner(horizon=3, num_simulations=60)
    plan = planner.plan(worlds, worlds, worlds.starts, generator=seeded())
    torch.testing.assert_close(plan.cost, worlds.brute_force(3).amin(1))


def test_continuous_actions_go_straight_to_where_it_is_cheap() -> None:
    planner = MCTSPlanner(horizon=5, num_simulations=60, samples=12)
    plan = planner.plan(Integrator(), distance, torch.zeros(4, 2), generator=seeded())
    # Moves of (1, -1), (1, -1), (1, 0) and then none are the best there are.
    best = distance(torch.tensor([[0.0, 0.0], [1.0, -1.0], [2.0, -2.0]]), torch.zeros(())).sum()
    assert (plan.cost < 1.25 * best).all()


@settings(max_examples=30)
@given(st.integers(0, 1000), st.booleans())
def test_more_simulations_never_cost_more(seed: int, discrete: bool) -> None:
    worlds = Worlds.random(3, seed)
    world, cost, start = (worlds, worlds, worlds.starts) if discrete else (Integrator(), distance, torch.zeros(2, 2))
    planner = MCTSPlanner(horizon=4, num_simulations=40, samples=4)
    costs = [
        planner.plan(world, cost, start, generator=seeded(seed), budget=Budget(iterations=count)).cost
        for count in (1, 3, 8, 20)
    ]
    assert all((later <= earlier).all() for earlier, later in zip(costs, costs[1:], strict=False))


def test_more_simulations_never_make_a_path_longer() -> None:
    goal, starts = to([6.0, 0.0], [5.0, 3.0]), torch.tensor([[0.0, 4.0], [2.0, 5.0]])
    plans = [MCTSPlanner(horizon=20, num_simulations=count).plan(Room(), goal, starts) for count in (1, 20, 100, 300)]
    for earlier, later in zip(plans, plans[1:], strict=False):
        assert (later.extras["found"] >= earlier.extras["found"]).all()
        assert (later.cost <= earlier.cost)[earlier.extras["found"]].all()


def test_paths_to_a_goal_are_as_short_as_those_of_astar() -> None:
    goal, starts = to([5.0, 5.0], [6.0, 6.0], [0.0, 2.0]), torch.tensor([[1.0, 5.0], [2.0, 5.0], [2.0, 0.0]])
    plan = MCTSPlanner(horizon=16, num_simulations=300).plan(Room(), goal, starts)
    expected = LatentAStar(resolution=0.5).plan(Room(), goal, starts)
    assert plan.extras["found"].all()
    assert torch.equal(plan.extras["path_lengths"], expected.extras["path_lengths"])
    torch.testing.assert_close(plan.cost, expected.cost)
    assert plan.extras["visits"].sum(1).tolist() == [300] * 3


def test_a_path_to_a_goal_with_continuous_actions() -> None:
    goal = SearchGoal(torch.tensor([[3.0, -2.0]]), lambda states, goals: (states - goals).norm(dim=-1), tolerance=0.5)
    plan = MCTSPlanner(horizon=12, num_simulations=100).plan(Integrator(), goal, torch.zeros(1, 2), generator=seeded())
    assert plan.extras["found"].all()
    assert plan.cost.item() == plan.extras["path_lengths"].item() <= 4
    assert (plan.states[0, -1] - goal.goal[0]).norm() <= 0.5


def test_a_warm_start_is_kept_where_the_search_finds_nothing_as_good() -> None:
    warm = torch.tensor([[1, 1, 0, 0, 0, 3, 3, 3, 3, 3, 3, -1]])
    options = {"start": torch.tensor([[1.0, 4.0]]), "cost": to([4.0, 0.0])}
    planner = MCTSPlanner(horizon=16, num_simulations=3)
    alone, warmed = planner.plan(Room(), **options), planner.plan(Room(), **options, warm_start=warm)
    assert not alone.extras["found"].any()
    assert warmed.extras["found"].all()
    assert torch.equal(warmed.actions, warm[:, :11])
    sequence = torch.tensor([[0, 2, 1, 0, 2]])
    worlds = Worlds.random(1, 2)
    again = MCTSPlanner(horizon=5, num_simulations=1).plan(
        worlds, worlds, worlds.starts, warm_start=sequence, generator=seeded()
    )
    assert again.cost <= worlds.brute_force()[0, 0 * 81 + 2 * 27 + 1 * 9 + 0 * 3 + 2]


def test_a_path_is_no_longer_than_the_horizon() -> None:
    plan = MCTSPlanner(horizon=4, num_simulations=60).plan(Room(), to([6.0, 6.0]), torch.tensor([[0.0, 6.0]]))
    assert not plan.extras["found"].any()
    assert plan.states[0, -1].tolist() == [4.0, 6.0]
    assert plan.cost.item() == 4 + 2


def test_a_start_at_the_goal_needs_no_step() -> None:
    plan = MCTSPlanner(horizon=4, num_simulations=3).plan(Room(), to([1.0, 1.0]), torch.tensor([[1.0, 1.0]]))
    assert plan.actions.shape == (1, 0)
    assert plan.extras["found"].all()
    assert plan.cost.item() == 0


@pytest.mark.parametrize(
    ("risk", "action", "low", "high"), [(MEAN, 0, 3.9, 4.6), (WORST, 1, 6, 9), (Risk(0.3), 1, 6, 9)]
)
def test_chance_nodes_take_the_gamble_that_the_risk_allows(risk: Risk, action: int, low: float, high: float) -> None:
    # Jumping until it works costs 2 steps with a chance of 0.64; walking always costs 6.
    planner = MCTSPlanner(horizon=12, num_simulations=200, risk=risk)
    plan = planner.plan(Shortcut(), AHEAD, torch.zeros(1, 1))
    assert plan.extras["found"].all()
    assert (plan.actions == action).all()
    assert low <= plan.cost.item() <= high
    assert plan.states[0, -1, 0] == 6


def test_scenarios_weigh_sequences_by_risk() -> None:
    def behind(states: Tensor, actions: Tensor) -> Tensor:
        return (6 - states[..., 0]).clamp(min=0)

    # Of 2 steps of 2 modes all 4 scenarios are enumerated.
    plans = [
        MCTSPlanner(horizon=2, num_simulations=12, risk=risk).plan(
            Shortcut(), behind, torch.zeros(1, 1), generator=seeded()
        )
        for risk in (MEAN, WORST)
    ]
    assert [plan.actions.tolist() for plan in plans] == [[[0, 0]], [[1, 1]]]
    one, two = 0.8 * 3 + 0.2 * 10, 0.64 * 0 + 0.32 * 7 + 0.04 * 14
    assert plans[0].cost.item() == pytest.approx(6 + one + two, rel=1e-5)
    assert plans[1].cost.item() == pytest.approx(6 + 5 + 4)


def test_a_latent_variable_without_modes_is_sampled_on_the_way_to_a_goal() -> None:
    class Wind(Integrator):
        latents = Gaussian(2)

        def step(self, state: Tensor, action: Tensor, latent: Tensor) -> Tensor:  # type: ignore[override]
            return state + action + 0.1 * latent

        def log_prior(self, state: Tensor, action: Tensor) -> Tensor:
            raise NotImplementedError

    goal = SearchGoal(torch.tensor([[3.0, -2.0]]), lambda states, goals: (states - goals).norm(dim=-1), tolerance=0.5)
    plan = MCTSPlanner(horizon=9, num_simulations=30).plan(Wind(), goal, torch.zeros(1, 2), generator=seeded())
    assert plan.extras["found"].all()
    torch.testing.assert_close(plan.states[:, 1:], plan.states[:, :-1] + plan.actions)


def test_a_constraint_comes_before_the_cost() -> None:
    cost = ConstrainedCost(distance, lambda states, actions: states[..., 0] - 1.5)
    plan = MCTSPlanner(horizon=4, num_simulations=30).plan(Integrator(), cost, torch.zeros(2, 2), generator=seeded())
    assert (plan.extras["violation"] <= 0).all()
    assert (plan.states[..., 0] <= 1.5).all()


def test_costs_that_are_not_finite_are_avoided() -> None:
    worlds = Worlds.random(30, 3)
    for price in (torch.inf, torch.nan):
        worlds.prices[:, 8:] = price
        plan = MCTSPlanner(horizon=3, num_simulations=60).plan(worlds, worlds, worlds.starts, generator=seeded())
        expected = worlds.brute_force(3).nan_to_num(nan=torch.inf).amin(1)
        assert not plan.cost.isnan().any()
        assert torch.isclose(plan.cost, expected).double().mean() > 0.9


def test_estimates_that_are_not_finite_are_avoided() -> None:
    def estimate(states: Tensor, goals: Tensor) -> Tensor:
        return torch.where(states[:, 1] < 0, torch.nan, (states - goals).abs().sum(-1))

    goal = SearchGoal(torch.tensor([[2.0, 1.0]]), estimate, tolerance=0.5)
    plan = MCTSPlanner(horizon=6, num_simulations=40).plan(Room(), goal, torch.tensor([[0.0, 0.0]]))
    assert plan.cost.item() == 3


class Slow(Integrator):
    """Takes its time."""

    calls = 0

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        self.calls += state[..., 0].numel()
        time.sleep(1e-3)
        return state + action


@pytest.mark.parametrize("aim", [None, to([90.0, 90.0])], ids=["any cost", "a goal"])
def test_seconds_are_kept(aim: SearchGoal | None) -> None:
    planner = MCTSPlanner(horizon=6, num_simulations=100_000)
    planner.plan(Slow(), aim or distance, torch.zeros(1, 2), generator=seeded(), budget=Budget(iterations=1))
    started = time.perf_counter()
    plan = planner.plan(Slow(), aim or distance, torch.zeros(1, 2), generator=seeded(), budget=Budget(seconds=0.5))
    assert 0.4 <= time.perf_counter() - started <= 0.6
    assert not plan.complete.any()


@pytest.mark.parametrize("aim", [None, to([90.0, 90.0], [9.0, 9.0])], ids=["any cost", "a goal"])
def test_model_calls_are_counted_and_bounded(aim: SearchGoal | None) -> None:
    dynamics, planner = Slow(), MCTSPlanner(horizon=3, num_simulations=50, samples=4)
    plan = planner.plan(
        dynamics, aim or distance, torch.zeros(2, 2), generator=seeded(), budget=Budget(model_calls=400)
    )
    assert plan.model_calls == dynamics.calls
    assert 300 <= plan.model_calls <= 400
    assert not plan.complete.any()


def test_model_calls_of_chance_nodes_are_counted() -> None:
    class Counting(Shortcut):
        calls = 0

        def step(self, state: Tensor, action: Tensor, latent: Tensor) -> Tensor:
            self.calls += state[..., 0].numel()
            return super().step(state, action, latent)

    dynamics = Counting()
    plan = MCTSPlanner(horizon=12, num_simulations=20).plan(dynamics, AHEAD, torch.zeros(1, 1))
    assert plan.model_calls == dynamics.calls


def drawn(world: Any, cost: Any, start: Tensor, **options: Any) -> tuple[Plan, dict[str, Any]]:
    tape = Tape()
    planner = MCTSPlanner(num_simulations=25, samples=4, **options)
    plan = planner.plan(world, cost, start, generator=seeded(), recorder=tape)
    return plan, next(data for kind, data in tape.records if kind == "tree")


def test_the_recorded_tree_can_be_drawn() -> None:
    worlds, zero = Worlds.random(2, 4), torch.zeros(2, 2)
    aim = to([6.0, 0.0], [5.0, 3.0])
    cases = [
        (worlds, worlds, worlds.starts, {"horizon": 4}),
        (Integrator(), distance, zero, {"horizon": 3}),
        (Integrator(), aim, zero, {"horizon": 9}),
        (Room(), aim, zero, {"horizon": 9}),
    ]
    for world, cost, start, options in cases:
        plan, tree = drawn(world, cost, start, **options)
        rows, parents = torch.arange(2)[:, None], tree["parents"]
        assert (parents[:, 0] == -1).all()
        assert (parents[:, 1:] < torch.arange(1, 26)).all()
        assert torch.equal(tree["states"][:, 0], start)
        assert (tree["visits"][:, 0] == 26).all()
        assert ((tree["priors"] > 0) & (tree["priors"] <= 1)).all()
        # A node below the horizon stands for the sequence itself.
        depth = torch.zeros_like(parents)
        for node in range(1, 26):
            depth[:, node] = depth[rows[:, 0], parents[:, node]] + 1
        inside = (depth[:, 1:] <= options["horizon"])[..., None]
        expected = world.step(tree["states"][rows, parents[:, 1:]], tree["actions"][:, 1:])
        torch.testing.assert_close(torch.where(inside, tree["states"][:, 1:], expected), expected)
        assert not tree["chance"].any()
        visits = plan.extras["visits"]
        below = [tree["visits"][b][parents[b] == 0].sort().values.tolist() for b in range(2)]
        assert below == [visits[b][visits[b] > 0].sort().values.tolist() for b in range(2)]
        torch.testing.assert_close(tree["q"][:, 0].to(plan.cost), plan.extras["root_value"])


def test_a_recorded_tree_says_which_nodes_are_chance_nodes() -> None:
    _, tree = drawn(Shortcut(), AHEAD, torch.zeros(1, 1), horizon=12)
    chance, parents = tree["chance"][0], tree["parents"][0]
    assert not chance[0]
    assert (chance[1:] != chance[parents[1:]]).all()
    first = (parents == 0).nonzero()[:, 0]
    assert set(tree["actions"][0, first].tolist()) == {0, 1}
    moved = tree["states"][0, 1:, 0] - tree["states"][0, parents[1:], 0]
    assert (moved[chance[1:]] == 0).all()
    assert set(moved[~chance[1:]].tolist()) <= {1.0, 3.0, -4.0}


def test_trees_on_the_device_give_the_same_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    worlds, zero, aim = Worlds.random(2, 5), torch.zeros(2, 2).double(), to([6.0, 0.0], [5.0, 3.0])
    cases = [(worlds, worlds, worlds.starts.double(), 4), (Integrator(), distance, zero, 3), (Room(), aim, zero, 9)]
    for world, cost, start, horizon in cases:
        planner = MCTSPlanner(horizon=horizon, num_simulations=30, samples=4)
        expected, heard = planner.plan(world, cost, start, generator=seeded()), Tape()
        with monkeypatch.context() as patch:
            patch.setattr(mcts_planner, "MCTS", DeviceMCTS)
            plan = planner.plan(world, cost, start, generator=seeded(), recorder=heard)
        assert torch.equal(plan.actions, expected.actions)
        torch.testing.assert_close(plan.cost, expected.cost)
        assert torch.equal(plan.extras["visits"], expected.extras["visits"])
        assert heard.records[-1][0] == "tree"


@pytest.mark.parametrize("name", ["horizon", "num_simulations", "samples", "spread", "contrast", "hold", "stride"])
def test_settings_that_make_no_sense_are_named(name: str) -> None:
    with pytest.raises(PlannerError, match=f"MCTSPlanner.{name} must be positive, not 0"):
        MCTSPlanner(**{"horizon": 3, name: 0})


def test_what_cannot_be_planned_gets_one_clear_line() -> None:
    planner, start = MCTSPlanner(horizon=3, num_simulations=2), torch.zeros(2, 2)
    with pytest.raises(PlannerError, match="one goal per start is needed"):
        planner.plan(Room(), to([1.0, 1.0]), start)
    with pytest.raises(PlannerError, match="actions must be integers under 4, not 7"):
        planner.plan(Room(), distance, start, warm_start=torch.tensor([[0, 1, 2], [0, 1, 7]]))
    with pytest.raises(PlannerError, match="actions must be integers under 4, not torch.float32"):
        planner.plan(Room(), distance, start, warm_start=torch.zeros(2, 3))
    with pytest.raises(PlannerError, match=r"warm_start must be \[2, 3, 2\], not \[2, 4, 2\]"):
        planner.plan(Integrator(), distance, start, warm_start=torch.zeros(2, 4, 2))
    with pytest.raises(PlannerError, match="MCTSPlanner.pb_c_init must not be negative"):
        MCTSPlanner(horizon=3, pb_c_init=-1)
