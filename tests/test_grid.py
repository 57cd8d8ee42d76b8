"""Grid paths are shortest paths: beside networkx, on every kind of move, with and without weights."""

from __future__ import annotations

import math

import networkx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from planners.base import Budget
from planners.grid import GridError, GridPath, GridPlanner, Moves, path_cost
from planners.grid_search import Workspace

MOVES: tuple[Moves, ...] = ("octile", "cut-corners", "four")
STEPS = [(0, 1), (1, 0), (1, 1), (1, -1)]


def reference(free: NDArray[np.bool_], weights: NDArray[np.float64] | None, moves: Moves) -> networkx.Graph:
    """The same grid as a networkx graph, cell by cell."""
    graph = networkx.Graph()
    cells = {(int(i), int(j)) for i, j in np.argwhere(free)}
    graph.add_nodes_from(cells)
    for i, j in cells:
        for di, dj in STEPS[: 2 if moves == "four" else 4]:
            there = (i + di, j + dj)
            beside = {(i + di, j), (i, j + dj)} if di and dj else set()
            if there in cells and (moves == "cut-corners" or beside <= cells):
                price = 1.0 if weights is None else (weights[i, j] + weights[there]) / 2
                graph.add_edge((i, j), there, weight=math.hypot(di, dj) * price)
    return graph


def random_grid(generator: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.float64] | None, Moves]:
    free = generator.random(generator.integers(1, 12, size=2)) >= generator.choice([0.0, 0.2, 0.4])
    free[tuple(generator.integers(free.shape))] = True
    weights = generator.uniform(0.1, 5.0, free.shape) if generator.random() < 0.7 else None
    return free, weights, MOVES[generator.integers(3)]


def require_valid(path: GridPath, graph: networkx.Graph, start: tuple[int, ...], goal: tuple[int, ...]) -> None:
    """The path goes along edges of the graph from start to goal, and costs what it says."""
    cells = [tuple(cell) for cell in path.cells.tolist()]
    assert cells[0] == start and cells[-1] == goal
    assert path.cost == pytest.approx(sum(graph.edges[edge]["weight"] for edge in networkx.utils.pairwise(cells)))


def check(seed: int, maps: int, goals: int = 2, bidirectional: bool = False) -> int:
    """Compares random problems with networkx's Dijkstra; returns how many had no path."""
    generator, unreachable = np.random.default_rng(seed), 0
    for _ in range(maps):
        free, weights, moves = random_grid(generator)
        cells = np.argwhere(free)
        start, ends = cells[generator.integers(len(cells))], cells[generator.integers(len(cells), size=goals)]
        graph, begin = reference(free, weights, moves), tuple(start.tolist())
        distances = networkx.single_source_dijkstra_path_length(graph, begin)
        paths = GridPlanner(free, weights, moves).plan_many([start] * goals, ends, bidirectional=bidirectional)
        for end, path in zip(ends, paths, strict=True):
            goal = tuple(end.tolist())
            assert path.found == (goal in distances)
            if not path.found:
                unreachable += 1
                assert math.isinf(path.cost) and path.cells.shape == (0, 2)
                continue
            assert path.cost == pytest.approx(distances[goal], rel=1e-9, abs=1e-9)
            require_valid(path, graph, begin, goal)
    return unreachable


@pytest.mark.parametrize("bidirectional", [False, True])
def test_costs_are_those_of_networkx(bidirectional: bool) -> None:
    assert check(seed=0, maps=1500, bidirectional=bidirectional) > 300


@pytest.mark.parametrize("moves", MOVES)
def test_a_large_grid_agrees_with_its_own_dijkstra(moves: Moves) -> None:
    generator = np.random.default_rng(1)
    free = generator.random((120, 90)) > 0.25
    weights = generator.uniform(1, 3, free.shape)
    cells = np.argwhere(free)
    starts, goals = cells[generator.integers(len(cells), size=(2, 40))]
    for prices in (None, weights):
        planner = GridPlanner(free, prices, moves)
        astar, dijkstra = planner.plan_many(starts, goals), planner.plan_many(starts, goals, weight=0.0)
        assert [a.found for a in astar] == [d.found for d in dijkstra]
        for weight in (0.0, 0.5, 1.0):
            both = planner.plan_many(starts, goals, weight, bidirectional=True)
            assert [b.cost for b in both] == pytest.approx([d.cost for d in dijkstra], rel=1e-9)
            assert [path_cost(b.cells, prices) for b in both if b.found] == pytest.approx(
                [b.cost for b in both if b.found]
            )
            if weight == 0:
                assert sum(b.expanded for b in both) < 0.8 * sum(d.expanded for d in dijkstra)
        for a, d in zip(astar, dijkstra, strict=True):
            if a.found:
                assert a.cost == pytest.approx(d.cost, rel=1e-12) == path_cost(a.cells, prices)
        assert sum(a.expanded for a in astar) < 0.8 * sum(d.expanded for d in dijkstra)


@given(st.integers(0, 10**6), st.sampled_from(MOVES), st.sampled_from([0.0, 1.0]))
def test_moves_left_out_in_the_open_cost_nothing(seed: int, moves: Moves, weight: float) -> None:
    generator = np.random.default_rng(seed)
    free = generator.random(generator.integers(10, 60, size=2)) > generator.choice([0.0, 0.01, 0.03, 0.1, 0.3])
    starts, goals = np.argwhere(free)[generator.integers(free.sum(), size=(2, 20))]
    quick = GridPlanner(free, moves=moves).plan_many(starts, goals, weight)
    # Where cells have weights, even equal ones, every move is tried.
    thorough = GridPlanner(free, np.ones(free.shape), moves).plan_many(starts, goals, weight)
    assert [path.cost for path in quick] == pytest.approx([path.cost for path in thorough], rel=1e-12)


@given(st.integers(0, 10**6), st.floats(1.0, 20.0))
def test_weighted_astar_keeps_its_bound(seed: int, weight: float) -> None:
    generator = np.random.default_rng(seed)
    free, weights, moves = random_grid(generator)
    cells = np.argwhere(free)
    planner = GridPlanner(free, weights, moves)
    start, goal = cells[generator.integers(len(cells), size=2)]
    best, fast = planner.plan(start, goal), planner.plan(start, goal, weight)
    assert best.found == fast.found
    if best.found:
        assert best.cost * (1 - 1e-9) <= fast.cost <= best.cost * weight * (1 + 1e-9)


def test_a_heavier_heuristic_expands_fewer_cells() -> None:
    free = np.random.default_rng(3).random((200, 200)) > 0.2
    free[0, 0] = free[-1, -1] = True
    planner = GridPlanner(free)
    expanded = [planner.plan((0, 0), (199, 199), weight).expanded for weight in (0.0, 1.0, 2.0)]
    assert expanded[0] > 2 * expanded[1] > 4 * expanded[2]


def test_ties_are_broken_towards_the_goal() -> None:
    path = GridPlanner(np.ones((300, 300))).plan((10, 20), (280, 120))
    assert path.expanded == len(path.cells) == 271
    assert path.cost == pytest.approx(170 + 100 * math.sqrt(2))


@pytest.mark.parametrize(("moves", "cost"), [("octile", 2.0), ("cut-corners", math.sqrt(2)), ("four", 2.0)])
def test_corners(moves: Moves, cost: float) -> None:
    assert GridPlanner([[1, 1], [1, 1]], moves=moves).plan((0, 0), (1, 1)).cost == pytest.approx(
        2.0 if moves == "four" else math.sqrt(2)
    )
    assert GridPlanner([[1, 0], [1, 1]], moves=moves).plan((0, 0), (1, 1)).cost == pytest.approx(cost)
    assert GridPlanner([[1, 0], [0, 1]], moves=moves).plan((0, 0), (1, 1)).found == (moves == "cut-corners")


def test_weights_are_averaged_over_a_move() -> None:
    planner = GridPlanner(np.ones((1, 3)), weights=[[1.0, 4.0, 2.0]])
    assert planner.plan((0, 0), (0, 2)).cost == planner.plan((0, 2), (0, 0)).cost == 2.5 + 3.0


class Tape:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.records: list[dict] = []

    def record(self, kind: str, **data) -> None:
        assert kind == "expansion"
        self.records.append(data)


@given(st.integers(0, 10**6))
def test_anytime_paths_get_better_up_to_the_shortest(seed: int) -> None:
    generator = np.random.default_rng(seed)
    free, weights, moves = random_grid(generator)
    start, goal = np.argwhere(free)[generator.integers(free.sum(), size=2)]
    planner, tape = GridPlanner(free, weights, moves), Tape()
    best, paths = planner.plan(start, goal), list(planner.improve(start, goal, recorder=tape))
    assert [path.complete for path in paths] == [False] * (len(paths) - 1) + [True]
    assert paths[-1].found == best.found and paths[-1].cost == pytest.approx(best.cost, rel=1e-9)
    assert all(path.found and path.cost <= path.bound * best.cost * (1 + 1e-9) for path in paths[:-1])
    for worse, better in zip(paths, paths[1:], strict=False):
        assert better.cost <= worse.cost and better.bound <= worse.bound and better.expanded > worse.expanded
    assert paths[-1].expanded == sum(len(data["cells"]) for data in tape.records)
    if best.found:
        require_valid(paths[0], reference(free, weights, moves), tuple(start.tolist()), tuple(goal.tolist()))


def test_anytime_keeps_its_budget() -> None:
    free = np.random.default_rng(3).random((300, 300)) > 0.2
    free[0, 0] = free[-1, -1] = True
    planner, ends = GridPlanner(free), ((0, 0), (299, 299))
    best, bounds, costs = planner.plan(*ends), [], []
    for cells in (100, 700, 5000, 20_000, 40_000, 10**6):
        *_, path = planner.improve(*ends, budget=Budget(iterations=cells))
        assert path.expanded <= cells
        assert path.cost <= path.bound * best.cost
        bounds.append(path.bound)
        costs.append(path.cost)
    assert bounds[0] == math.inf == costs[0], "nothing found in time is said so"
    assert bounds == sorted(bounds, reverse=True) and costs == sorted(costs, reverse=True)
    assert 1 < bounds[2] <= 5 and bounds[-1] == 1 and costs[-1] == best.cost
    first, *later = planner.improve(*ends, budget=Budget(seconds=1e-9))
    assert first.bound > 1 and not later
    assert planner.plan(*ends).expanded == best.expanded, "a search cut off leaves nothing behind"


def test_nothing_to_improve() -> None:
    planner = GridPlanner([[1, 0, 1], [1, 0, 0]])
    for goal, cost in (((0, 2), math.inf), ((0, 1), math.inf), ((0, 0), 0.0), ((1, 0), 1.0)):
        (path,) = planner.improve((0, 0), goal)
        assert path.cost == cost and path.complete
    with pytest.raises(GridError, match="weights: expected descending numbers"):
        planner.improve((0, 0), (1, 0), weights=(1.0, 2.0))
    with pytest.raises(GridError, match="weights: expected descending numbers"):
        planner.improve((0, 0), (1, 0), weights=())


@pytest.mark.parametrize("both", [False, True])
def test_recorder_is_told_the_order_and_the_frontier(both: bool) -> None:
    free = np.random.default_rng(8).random((30, 20)) > 0.2
    free[0, 0] = free[-1, -1] = True
    planner, tape = GridPlanner(free), Tape()
    heard = planner.plan((0, 0), (29, 19), bidirectional=both, recorder=tape)
    alone = planner.plan((0, 0), (29, 19), bidirectional=both)
    assert (heard.cost, heard.expanded) == (alone.cost, alone.expanded)
    (data,) = tape.records
    cells, frontier = (set(map(tuple, data[name].tolist())) for name in ("cells", "frontier"))
    assert len(cells) == len(data["cells"]) == heard.expanded and not cells & frontier
    assert all(free[cell] for cell in cells | frontier)
    assert data["cells"][0].tolist() == [0, 0] or both
    beside = {(i + a, j + b) for i, j in cells for a in (-1, 0, 1) for b in (-1, 0, 1)}
    assert frontier and frontier <= beside | {(29, 19)}
    if not both:
        assert data["cells"][-1].tolist() == [29, 19]


def test_special_ends() -> None:
    planner = GridPlanner([[1, 0, 1], [1, 0, 0]])
    here = planner.plan((0, 2), (0, 2))
    assert here.found and here.cost == 0 and here.cells.tolist() == [[0, 2]]
    assert planner.plan((0, 2), (0, 2), bidirectional=True).cells.tolist() == [[0, 2]]
    for start, goal in (((0, 1), (0, 0)), ((0, 0), (0, 1)), ((0, 1), (0, 1)), ((0, 0), (0, 2))):
        assert not planner.plan(start, goal).found and not planner.plan(start, goal, bidirectional=True).found
    assert planner.plan_many([], []) == []
    assert not GridPlanner(np.zeros((2, 2))).plan((0, 0), (1, 1)).found
    assert not GridPlanner(np.zeros((2, 2)), np.ones((2, 2))).plan((0, 0), (1, 1)).found


@pytest.mark.parametrize("both", [False, True])
def test_answers_do_not_depend_on_threads_or_on_what_was_asked_before(both: bool) -> None:
    generator = np.random.default_rng(5)
    free = generator.random((60, 60)) > 0.3
    starts, goals = np.argwhere(free)[generator.integers(free.sum(), size=(2, 25))]
    alone = [GridPlanner(free).plan(start, goal, 1.0, both) for start, goal in zip(starts, goals, strict=True)]
    planner = GridPlanner(free)
    for threads in (1, 3, 100):
        for one, other in zip(alone, planner.plan_many(starts, goals, 1.0, both, threads), strict=True):
            assert (one.found, one.cost, one.expanded) == (other.found, other.cost, other.expanded)
            assert np.array_equal(one.cells, other.cells)


def test_the_numbers_of_searches_start_anew() -> None:
    planner = GridPlanner(np.ones((5, 5)))
    first = planner.plan((0, 0), (4, 4))
    workspace: Workspace = planner._workspaces[0]
    workspace.number = 2**31 - 2
    for _ in range(3):
        assert planner.plan((0, 0), (4, 4)).cost == first.cost
        assert planner.plan((0, 0), (4, 4), bidirectional=True).cost == first.cost
    assert workspace.number == 5


def test_arrays_are_copied_and_frozen() -> None:
    free = np.ones((2, 2), bool)
    planner = GridPlanner(free)
    free[:] = False
    path = planner.plan((0, 0), (1, 1))
    assert path.found
    for array in (planner.free, path.cells):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_extreme_weights_stay_exact() -> None:
    generator = np.random.default_rng(7)
    for scale in (1e-9, 1e9):
        free, weights = np.ones((20, 20)), generator.uniform(1, 3, (20, 20))
        plain = GridPlanner(free, weights).plan((0, 0), (19, 19))
        scaled = GridPlanner(free, scale * weights).plan((0, 0), (19, 19))
        assert scaled.cost == pytest.approx(scale * plain.cost, rel=1e-9)


def test_mistakes_are_named() -> None:
    ok = GridPlanner(np.ones((3, 4)))
    for wrong, hint in (
        (lambda: GridPlanner(np.ones(3)), "free: expected [rows, columns]"),
        (lambda: GridPlanner(np.ones((0, 3))), "free: expected [rows, columns]"),
        (lambda: GridPlanner(np.ones((3, 3)), np.ones((3, 2))), "weights: expected shape (3, 3)"),
        (lambda: GridPlanner(np.ones((3, 3)), np.zeros((3, 3))), "weights: expected finite numbers > 0"),
        (lambda: GridPlanner(np.ones((3, 3)), moves="knight"), "unknown 'knight', expected one of octile"),
        (lambda: ok.plan((0, 0), (3, 0)), "goals: cell (3, 0) is outside the grid of 3 x 4"),
        (lambda: ok.plan((0, -1), (1, 0)), "starts: cell (0, -1) is outside"),
        (lambda: ok.plan((0, 0), (1, 0), weight=-1), "weight: expected a finite number >= 0"),
        (lambda: ok.plan((0, 0), (1, 0), weight=math.nan), "weight: expected a finite number >= 0"),
        (lambda: ok.plan((0, 0), (1, 0), 2.0, bidirectional=True), "bidirectional search expects at most 1, not 2.0"),
        (lambda: ok.plan((0.5, 0), (1, 0)), "starts: expected [B, 2] integers"),
        (lambda: ok.plan(0, (1, 0)), "starts: expected [B, 2] integers"),
        (lambda: ok.plan_many([(0, 0)], [(0, 0), (1, 1)]), "goals: expected as many as starts, 1, not 2"),
        (lambda: ok.plan_many([(0, 0)], [(1, 1)], threads=0), "threads: expected at least 1"),
    ):
        with pytest.raises(GridError) as caught:
            wrong()
        assert hint in str(caught.value) and "\n" not in str(caught.value)
