"""A* over a dynamics: equal to networkx on grid worlds, anytime, and honest about what it did not find."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import networkx
import numpy as np
import pytest
import torch
from torch import Tensor

from planners.astar import LatentAStar, SearchGoal
from planners.base import Box, Budget, Discrete, Meter
from planners.candidates import PlannerError

MOVES = torch.tensor([[0.0, 1.0], [0.0, -1.0], [1.0, 0.0], [-1.0, 0.0]])


@dataclass
class GridWorld:
    """A known maze as a dynamics: a move into a wall stays where it is."""

    free: Tensor
    actions: Discrete = field(default=Discrete(4))

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        there = state + MOVES[action]
        size = torch.tensor(self.free.shape)
        inside = ((there >= 0) & (there < size)).all(-1)
        cell = there.long().clamp(min=0).minimum(size - 1)
        return torch.where((inside & self.free[cell[..., 0], cell[..., 1]])[..., None], there, state)


class Flight:
    """Free flight in the plane in 12 directions: predicted states never repeat exactly."""

    actions = Discrete(12)

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        angle = action.to(state.dtype) * (2 * torch.pi / 12)
        return state + torch.stack([angle.cos(), angle.sin()], -1)


def manhattan(states: Tensor, goals: Tensor) -> Tensor:
    return (states - goals).abs().sum(-1)


def euclid(states: Tensor, goals: Tensor) -> Tensor:
    return (states - goals).norm(dim=-1)


def aim(goal: Tensor, **more) -> SearchGoal:
    return SearchGoal(goal, more.pop("heuristic", manhattan), more.pop("tolerance", 0.1), **more)


def as_graph(free: Tensor, costs: dict | None = None) -> networkx.DiGraph:
    graph = networkx.DiGraph()
    graph.add_nodes_from(map(tuple, free.nonzero().tolist()))
    for cell in list(graph):
        for move in MOVES.int().tolist():
            there = (cell[0] + move[0], cell[1] + move[1])
            if there in graph:
                graph.add_edge(cell, there, weight=1.0 if costs is None else costs[there])
    return graph


def random_cells(free: Tensor, count: int, rng: np.random.Generator) -> Tensor:
    cells = free.nonzero()
    return cells[torch.from_numpy(rng.integers(0, len(cells), count))].float()


def cell(state: Tensor) -> tuple[int, int]:
    return int(state[0]), int(state[1])


@pytest.mark.parametrize("batch", [1, 7, 32])
def test_equals_networkx_on_random_mazes(batch: int) -> None:
    rng = np.random.default_rng(batch)
    reached = 0
    for _ in range(12):
        free = torch.from_numpy(rng.random((15, 15)) > 0.35)
        world, graph = GridWorld(free), as_graph(free)
        start, goal = random_cells(free, 8, rng), random_cells(free, 8, rng)
        plan = LatentAStar(resolution=0.5, batch=batch).plan(world, aim(goal), start)
        for row in range(8):
            expected = networkx.has_path(graph, cell(start[row]), cell(goal[row]))
            assert bool(plan.complete[row]) == bool(plan.extras["found"][row]) == expected
            if not expected:
                continue
            reached += 1
            length = int(plan.extras["path_lengths"][row])
            assert length == networkx.shortest_path_length(graph, cell(start[row]), cell(goal[row]))
            assert plan.cost[row] == length
            states = rollout_discrete(world, start[row], plan.actions[row, :length])
            torch.testing.assert_close(states, plan.states[row, : length + 1])
            assert (plan.actions[row, length:] == -1).all()
            assert (plan.states[row, length:] == goal[row]).all()
    assert reached > 40


def rollout_discrete(world, start: Tensor, actions: Tensor) -> Tensor:
    states = [start]
    for action in actions:
        states.append(world.step(states[-1], action))
    return torch.stack(states)


def test_edge_costs_equal_networkx() -> None:
    rng = np.random.default_rng(3)
    free = torch.from_numpy(rng.random((15, 15)) > 0.2)
    price = torch.from_numpy(rng.uniform(1, 5, (15, 15))).float()
    graph = as_graph(free, {tuple(c): float(price[c[0], c[1]]) for c in free.nonzero().tolist()})
    start, goal = random_cells(free, 32, rng), random_cells(free, 32, rng)

    def edge_cost(before: Tensor, after: Tensor) -> Tensor:
        return price[after[:, 0].long(), after[:, 1].long()]

    plan = LatentAStar(resolution=0.5, edge_cost=edge_cost).plan(GridWorld(free), aim(goal), start)
    for row in range(32):
        if plan.extras["found"][row]:
            expected = networkx.dijkstra_path_length(graph, cell(start[row]), cell(goal[row]))
            assert float(plan.cost[row]) == pytest.approx(expected, rel=1e-5)
    assert plan.extras["found"].sum() > 20


def test_unreachable_goal_is_not_complete_and_the_nearest_state_is_returned() -> None:
    free = torch.ones(9, 9, dtype=torch.bool)
    free[:, 4] = False
    start, goal = torch.tensor([[4.0, 0.0]]), torch.tensor([[4.0, 8.0]])
    plan = LatentAStar(resolution=0.5).plan(GridWorld(free), aim(goal), start)
    assert not plan.complete.item()
    assert not plan.extras["found"].item()
    assert plan.extras["expanded"].item() == 36
    assert plan.states[0, -1].tolist() == [4, 3]
    assert plan.cost.item() == 3 + 5


def test_problems_do_not_leak_into_each_other() -> None:
    rng = np.random.default_rng(5)
    free = torch.from_numpy(rng.random((15, 15)) > 0.25)
    start, goal = random_cells(free, 6, rng), random_cells(free, 6, rng)
    together = LatentAStar(resolution=0.5).plan(GridWorld(free), aim(goal), start)
    for row in range(6):
        alone = LatentAStar(resolution=0.5).plan(GridWorld(free), aim(goal[row : row + 1]), start[row : row + 1])
        length = int(alone.extras["path_lengths"])
        assert torch.equal(alone.actions[0], together.actions[row, :length])
        assert alone.cost == together.cost[row]
        assert alone.extras["expanded"] == together.extras["expanded"][row]


def test_budgets_are_honoured_and_the_best_so_far_is_returned() -> None:
    free = torch.ones(40, 40, dtype=torch.bool)
    start, goal = torch.zeros(2, 2), torch.tensor([[39.0, 39.0], [0.0, 1.0]])
    planner = LatentAStar(resolution=0.5, batch=8, weight=0)
    world = GridWorld(free)
    few = planner.plan(world, aim(goal), start, budget=Budget(iterations=20))
    assert few.extras["expanded"].max() == 20
    assert few.complete.tolist() == [False, True]
    assert 0 < few.extras["path_lengths"][0] <= 20
    calls = planner.plan(world, aim(goal), start, budget=Budget(model_calls=100))
    assert 100 <= calls.model_calls < 100 + 2 * 8 * 4
    assert not calls.complete[0]
    assert not planner.plan(world, aim(goal), start, budget=Budget(seconds=1e-9)).complete[0]
    capped = LatentAStar(resolution=0.5, weight=0, max_expansions=33).plan(world, aim(goal), start)
    assert capped.extras["expanded"][0] == 33


def test_weight_expands_less_and_bounds_the_loss() -> None:
    rng = np.random.default_rng(7)
    free = torch.from_numpy(rng.random((40, 40)) > 0.3)
    start, goal = random_cells(free, 20, rng), random_cells(free, 20, rng)
    exact = LatentAStar(resolution=0.5, batch=1).plan(GridWorld(free), aim(goal), start)
    greedy = LatentAStar(resolution=0.5, batch=1, weight=2).plan(GridWorld(free), aim(goal), start)
    both = exact.extras["found"]
    assert both.sum() > 10
    assert torch.equal(both, greedy.extras["found"])
    assert (exact.cost[both] <= greedy.cost[both]).all()
    assert (greedy.cost[both] <= 2 * exact.cost[both]).all()
    assert greedy.extras["expanded"][both].sum() < exact.extras["expanded"][both].sum()


def test_invalid_edges_are_not_taken() -> None:
    def valid(before: Tensor, after: Tensor) -> Tensor:
        return ~((after[:, 1] == 4) & (after[:, 0] != 8))

    free = torch.ones(9, 9, dtype=torch.bool)
    start, goal = torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 8.0]])
    plan = LatentAStar(resolution=0.5, valid=valid).plan(GridWorld(free), aim(goal), start)
    assert plan.cost.item() == 8 + 2 * 8
    assert [8.0, 4.0] in plan.states[0].tolist()


def test_a_non_finite_prediction_is_no_edge() -> None:
    class Broken(Flight):
        def step(self, state: Tensor, action: Tensor) -> Tensor:
            return torch.where((action < 6)[..., None], super().step(state, action), torch.nan)

    goal = aim(torch.tensor([[4.0, 0.0]]), heuristic=euclid, tolerance=0.5)
    plan = LatentAStar(resolution=0.5).plan(Broken(), goal, torch.zeros(1, 2))
    assert plan.extras["found"].item()
    assert plan.states.isfinite().all()


def test_latent_cells_keep_a_continuous_search_small() -> None:
    goal = aim(torch.tensor([[7.3, 5.1]]), heuristic=euclid, tolerance=0.7)
    plan = LatentAStar(resolution=0.4).plan(Flight(), goal, torch.zeros(1, 2))
    assert plan.complete.item()
    assert plan.cost.item() == plan.extras["path_lengths"].item() == 9
    assert euclid(plan.states[:, -1], goal.goal) <= 0.7
    assert plan.extras["expanded"].item() < 300
    coarse = LatentAStar(resolution=(2.0, 2.0)).plan(Flight(), goal, torch.zeros(1, 2))
    assert coarse.extras["expanded"] < plan.extras["expanded"]


def test_goal_test_may_differ_from_the_heuristic() -> None:
    def row_gap(states: Tensor, goals: Tensor) -> Tensor:
        return (states[:, 1] - goals[:, 1]).abs()

    goal = aim(torch.tensor([[0.0, 6.0]]), distance=row_gap, heuristic=lambda states, goals: states[:, 0] * 0)
    world = GridWorld(torch.ones(9, 9, dtype=torch.bool))
    plan = LatentAStar(resolution=0.5).plan(world, goal, torch.tensor([[3.0, 0.0]]))
    assert plan.cost.item() == 6
    assert plan.states[0, -1].tolist() == [3, 6]


def test_already_there_needs_no_action() -> None:
    plan = LatentAStar(resolution=0.5).plan(Flight(), aim(torch.zeros(3, 2)), torch.zeros(3, 2))
    assert plan.actions.shape == (3, 0)
    assert plan.complete.all()
    assert (plan.cost == 0).all()
    assert plan.model_calls == 0


def test_warm_start_gives_a_path_at_once() -> None:
    free = torch.ones(30, 30, dtype=torch.bool)
    start, goal = torch.zeros(2, 2), torch.tensor([[20.0, 20.0], [0.0, 3.0]])
    warm = torch.full((2, 40), -1)
    warm[0, :20], warm[0, 20:], warm[1, :3] = 0, 2, 0
    planner = LatentAStar(resolution=0.5, weight=0)
    few = Budget(iterations=5)
    assert not planner.plan(GridWorld(free), aim(goal), start, budget=few).extras["found"][0]
    plan = planner.plan(GridWorld(free), aim(goal), start, budget=few, warm_start=warm)
    assert plan.extras["found"].all()
    assert plan.cost.tolist() == [40, 3]
    with pytest.raises(PlannerError, match="warm_start must be"):
        planner.plan(GridWorld(free), aim(goal), start, warm_start=warm + 9)


def test_goal_is_a_cost() -> None:
    goal = aim(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
    states = torch.randn(2, 5, 4, 2)
    expected = (states - goal.goal[:, None, None]).abs().sum(-1)
    torch.testing.assert_close(goal(states, torch.zeros(2, 5, 3)), expected)


class Tape:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.records: list[dict] = []

    def record(self, kind: str, **data) -> None:
        assert kind == "expansion"
        self.records.append(data)


@pytest.mark.parametrize("chunk", [4, 4096])
def test_recorder_sees_every_expansion_in_order_and_the_frontier(chunk: int) -> None:
    tape, goal = Tape(), aim(torch.tensor([[3.0, 3.0], [0.0, 4.0]]))
    world = GridWorld(torch.ones(5, 5, dtype=torch.bool))
    planner = LatentAStar(resolution=0.5, chunk=chunk)
    plan = planner.plan(world, goal, torch.zeros(2, 2), recorder=tape)
    assert sum(len(data["states"]) for data in tape.records) == plan.model_calls == 4 * plan.extras["expanded"].sum()
    for problem, start in enumerate(torch.zeros(2, 2)):
        reached, expanded = {cell(start)}, []
        for data in tape.records:
            rows = data["problems"] == problem
            expanded += [cell(state) for state in data["states"][rows][::4]]
            reached |= {cell(state) for state in data["next_states"][rows & data["new"]]}
            waiting = {cell(state) for state in data["frontier"][data["frontier_problems"] == problem]}
            if chunk > 4:
                assert waiting == reached - set(expanded)
        assert expanded[0] == (0, 0)
        assert len(expanded) == len(set(expanded)) == plan.extras["expanded"][problem]


def random_lattice(seed: int, count: int = 6) -> tuple[GridWorld, Tensor, Tensor, SearchGoal, dict, list[float]]:
    """A maze whose cells have prices of at least 1, problems in it, and their optimal costs."""
    rng = np.random.default_rng(seed)
    free = torch.from_numpy(rng.random((14, 14)) > 0.2)
    price = torch.from_numpy(rng.uniform(1, 4, (14, 14))).float()
    graph = as_graph(free, {tuple(c): float(price[c[0], c[1]]) for c in free.nonzero().tolist()})
    start, goal = random_cells(free, count, rng), random_cells(free, count, rng)
    settings = {"resolution": 0.5, "edge_cost": lambda before, after: price[after[:, 0].long(), after[:, 1].long()]}
    best = [
        networkx.dijkstra_path_length(graph, cell(s), cell(g))
        if networkx.has_path(graph, cell(s), cell(g))
        else math.inf
        for s, g in zip(start, goal, strict=True)
    ]
    return GridWorld(free), start, goal, aim(goal), settings, best


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("anytime", [False, True])
def test_the_bound_holds_at_every_budget_and_more_is_never_worse(seed: int, anytime: bool) -> None:
    world, start, _, goal, settings, best = random_lattice(seed)
    optimum, last = torch.tensor(best), torch.full((6,), math.inf)
    planner = LatentAStar(weight=4, anytime=anytime, batch=3, **settings)
    for expansions in (1, 3, 10, 20, 40, 60, 90, 200, 2000):
        plan = planner.plan(world, goal, start, budget=Budget(iterations=expansions))
        found, bound = plan.extras["found"], plan.extras["bound"]
        assert (bound >= 1).all()
        assert torch.isinf(bound[~found]).all() and torch.isfinite(bound[found]).all()
        assert (plan.cost[found] <= bound[found] * optimum[found] * (1 + 1e-5)).all()
        if not anytime:
            assert (bound[plan.complete] <= 4 * (1 + 1e-5)).all()
        costs = torch.where(found, plan.cost, torch.inf)
        assert (costs <= last).all()
        last = costs
    assert torch.equal(found, torch.isfinite(optimum)) and found.sum() > 1
    assert torch.equal(plan.complete, found)
    if anytime:
        assert (bound[found] == 1).all()
        torch.testing.assert_close(plan.cost[found], optimum[found])


def test_anytime_finds_a_first_path_as_soon_as_its_weight_does() -> None:
    free = torch.from_numpy(np.random.default_rng(12).random((50, 50)) > 0.3)
    free[:2, :2] = free[-2:, -2:] = True
    start, goal = torch.zeros(1, 2), aim(torch.full((1, 2), 49.0))
    found = {}
    for name, planner in {
        "exact": LatentAStar(resolution=0.5, batch=1),
        "greedy": LatentAStar(resolution=0.5, batch=1, weight=5),
        "anytime": LatentAStar(resolution=0.5, batch=1, weight=5, anytime=True),
    }.items():
        costs = [planner.plan(GridWorld(free), goal, start, budget=Budget(iterations=n)) for n in (150, 300, 1500)]
        found[name] = [plan.cost.item() if plan.extras["found"] else math.inf for plan in costs]
    assert found["exact"][0] == math.inf > found["greedy"][0] == found["anytime"][0]
    assert found["anytime"][-1] == found["exact"][-1] < found["greedy"][-1]


def test_chunks_change_nothing() -> None:
    world, start, _, goal, settings, _ = random_lattice(20)
    plans = [LatentAStar(chunk=chunk, **settings).plan(world, goal, start) for chunk in (1, 36, 4096)]
    for plan in plans[1:]:
        assert torch.equal(plan.cost, plans[0].cost)
        assert torch.equal(plan.actions, plans[0].actions)


@pytest.mark.parametrize("call", [0.001, 0.03, 0.07])
def test_seconds_hold_to_the_call_of_the_predictor(call: float, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    monkeypatch.setattr(Budget, "meter", lambda self: Meter(self, started=clock[0]))

    class Slow(GridWorld):
        def step(self, state: Tensor, action: Tensor) -> Tensor:
            clock[0] += call
            return super().step(state, action)

    planner = LatentAStar(resolution=0.5, weight=0, chunk=40, max_expansions=10**6)
    world, goal = Slow(torch.ones(60, 60, dtype=torch.bool)), aim(torch.full((4, 2), 59.0))
    plan = planner.plan(world, goal, torch.zeros(4, 2), budget=Budget(seconds=0.2))
    assert not plan.complete.any()
    assert 0.2 - 2 * call <= clock[0] - 100 <= 0.2
    assert plan.model_calls == 4 * plan.extras["expanded"].sum(), "what was not expanded is not counted"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LatentAStar(resolution=0), "resolution must be positive"),
        (lambda: LatentAStar(resolution=1, batch=0), "LatentAStar.batch must be positive"),
        (lambda: LatentAStar(resolution=1, chunk=0), "LatentAStar.chunk must be positive"),
        (lambda: LatentAStar(resolution=1, scenarios=0), "LatentAStar.scenarios must be positive"),
        (lambda: LatentAStar(resolution=1, weight=-1), "weight must not be negative"),
        (lambda: SearchGoal(torch.zeros(2), euclid, 1), r"goal must be \[B, G\]"),
        (lambda: SearchGoal(torch.zeros(1, 2), euclid, -1), "tolerance must not be negative"),
        (lambda: LatentAStar(resolution=1).plan(Flight(), aim(torch.zeros(2, 2)), torch.zeros(1, 2)), "one goal"),
        (lambda: LatentAStar(resolution=1).plan(Flight(), lambda s, a: s, torch.zeros(1, 2)), "SearchGoal"),
        (
            lambda: LatentAStar(resolution=(1, 1, 1)).plan(Flight(), aim(torch.zeros(1, 2)), torch.zeros(1, 2)),
            "one number or 2, not 3",
        ),
    ],
)
def test_nonsense_gets_one_clear_line(call, message: str) -> None:
    with pytest.raises(PlannerError, match=message):
        call()


def test_continuous_actions_are_refused() -> None:
    world = Flight()
    world.actions = Box(torch.zeros(1), torch.ones(1))
    with pytest.raises(PlannerError, match="LatentAStar needs Discrete actions, the dynamics has Box"):
        LatentAStar(resolution=1).plan(world, aim(torch.zeros(1, 2)), torch.zeros(1, 2))
