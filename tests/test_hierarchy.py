"""The hierarchy on a plane with walls, for any number of levels (see ``plane_world``)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from planners.base import Budget, Recorder
from planners.graph import SearchGraph
from planners.hierarchy import HierarchicalPlanner, SubgoalCost
from planners.landmarks import DIRECT, NONE, LandmarkGraph, LandmarkPlanner, Path, Query
from planners.sampling import CEM
from tests.plane_world import (
    COMMIT,
    GOALS,
    STARTS,
    STRIDES,
    Straight,
    Walker,
    begin,
    build_graphs,
    critic_space,
    decide,
    embed_of,
    make,
    serpentine,
    walk,
)  # fmt: skip


@pytest.mark.parametrize("levels", [2, 3, 4])
def test_goals_behind_walls_are_reached(levels: int) -> None:
    planner = make(build_graphs(levels))
    assert len(planner) == levels
    trail, _, session = walk(planner, STARTS, GOALS, 400)
    apart = np.linalg.norm(trail - np.array(GOALS), axis=-1)
    assert (apart.min(0) < 0.5).all()
    assert (apart[-1] < 0.5).all(), "the goal is not left again"
    arrival = (apart < 0.5).argmax(0)
    shortest = np.array([146, 75, 111, 4])
    assert (arrival < 1.6 * shortest + 5).all()
    assert set(session.spent.plans) == set(range(1, levels + 1))


def test_one_level_cannot_see_around_walls() -> None:
    """The comparison that shows the walls to be real: straight to the goal gets stuck."""
    planner = make(build_graphs(2))
    blind = [replace(level, planner=Nowhere()) for level in planner.levels]
    trail, _, _ = walk(HierarchicalPlanner(planner.controller, blind), STARTS[:1], GOALS[:1], 400)
    assert np.linalg.norm(trail[-1] - GOALS[0], axis=-1).min() > 15


class Nowhere:
    """Plans straight to its target, whatever is in between."""

    def __init__(self, found: bool = True) -> None:
        self.queries: list[Query] = []
        self.found = found

    def below(self, landmark: int) -> int:
        return NONE

    def paths(self, queries: list[Query], recorder: Recorder | None = None) -> list[Path]:
        self.queries += queries
        return [straight(query, self.found) for query in queries]


def straight(query: Query, found: bool = True, level: int = 2) -> Path:
    points = np.stack([query.points[level - 1], query.target.point])
    none = np.full(2, NONE)
    arrival = np.array([0, np.linalg.norm(points[1] - points[0])], np.float32)
    final = query.target.goal is not None
    return Path(np.stack([query.state, query.state]), points, arrival, none, none[:1], final, found=found)


def test_with_one_level_it_is_the_flat_planner_exactly() -> None:
    flat = CEM(horizon=5, samples=40, iterations=3)
    planner = make({}, flat)
    goals, starts = np.array(GOALS, np.float32), np.array(STARTS, np.float32)
    session = begin(planner, goals)
    mine, other = torch.Generator().manual_seed(5), torch.Generator().manual_seed(5)
    cost = SubgoalCost(embed_of(1), critic_space(1, torch.from_numpy(goals)))
    for budget in (Budget(), Budget(iterations=2)):
        plan = decide(planner, starts, session, budget=budget, generator=mine)
        expected = flat.plan(Walker(), cost, torch.from_numpy(starts), budget=budget, generator=other)
        for name in ("actions", "states", "cost", "complete"):
            assert torch.equal(getattr(plan, name), getattr(expected, name)), name
        assert plan.model_calls == expected.model_calls
    assert session.events == [[] for _ in GOALS]


@pytest.mark.parametrize("levels", [2, 3, 4])
def test_problems_do_not_leak_into_each_other(levels: int) -> None:
    graphs = build_graphs(levels)
    together, events, _ = walk(make(graphs), STARTS, GOALS, 160)
    for b in range(len(STARTS)):
        alone, own_events, _ = walk(make(graphs), STARTS[b : b + 1], GOALS[b : b + 1], 160)
        assert np.array_equal(alone[:, 0], together[:, b])
        assert [own[0] for own in own_events] == [all_[b] for all_ in events]


@pytest.mark.parametrize("levels", [2, 3, 4])
def test_the_final_goal_is_handed_down_exactly(levels: int) -> None:
    controller = Straight()
    planner = make(build_graphs(levels), controller)
    heard: dict[int, list[Query]] = {k: [] for k in range(2, levels + 1)}
    for k in range(2, levels + 1):
        listen(planner.levels[k - 2].planner, heard[k])
    goals = np.array([[33.3, 33.7]], np.float32)
    walk(planner, [[25, 30]], goals, 20)
    assert torch.equal(controller.targets[-1], critic_space(2, torch.from_numpy(goals)))
    for k in range(2, levels + 1):
        target = heard[k][-1].target
        assert target.goal is not None
        assert [point.tolist() for point in target.goal] == [
            critic_space(j, torch.from_numpy(goals))[0].tolist() for j in range(1, levels + 1)
        ]
        assert target.point.tolist() == target.goal[min(k + 1, levels) - 1].tolist()


def listen(planner: Any, queries: list[Query]) -> None:
    """Keeps the questions that a path planner is asked."""
    answer = planner.paths

    def paths(asked: list[Query], recorder: Recorder | None = None) -> list[Path]:
        queries.extend(asked)
        return answer(asked)

    planner.paths = paths


@pytest.mark.parametrize("levels", [3, 4])
def test_a_level_is_asked_for_the_next_state_of_the_level_above(levels: int) -> None:
    planner = make(build_graphs(levels))
    heard: list[Query] = []
    listen(planner.levels[0].planner, heard)
    session = begin(planner, np.array(GOALS[:1], np.float32))
    decide(planner, np.array(STARTS[:1], np.float32), session)
    above = session.track(3, 0)
    upper = planner.levels[1].planner
    assert heard[0].target.landmark == upper.below(int(above.path.landmarks[above.carrot]))
    assert heard[0].target.point.tolist() == above.path.embedding[above.carrot].tolist()
    assert above.path.arrival[above.carrot] <= planner.levels[1].lookahead
    assert session.events[0] == [f"replan {k}" for k in range(levels, 1, -1)]


def test_paths_are_kept_until_there_is_a_reason() -> None:
    planner = make(build_graphs(3))
    _, events, session = walk(planner, STARTS[:1], GOALS[:1], 120)
    flat = [name for event in events for name in event[0]]
    assert flat.count("replan 3") < 8
    assert not any("rejected" in name for name in flat)
    assert session.spent.plans[2] == flat.count("replan 2")
    assert session.spent.plans[1] == 60


def two_routes(levels: int) -> tuple[dict[int, LandmarkGraph], set[int]]:
    """Graphs in which only the top level knows a short cut through the first wall; and its edges."""
    graphs = build_graphs(levels)
    top = graphs[levels]
    places = top.observations
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
    shortcuts = np.argwhere((apart < 1.2 * top.stride) & serpentine(places[:, None], places[None]))
    graph = top.graph
    ends = [np.concatenate(pair) for pair in ((graph.sources, shortcuts[:, 0]), (graph.targets, shortcuts[:, 1]))]
    costs = np.concatenate([graph.costs, apart[shortcuts[:, 0], shortcuts[:, 1]]])
    wider = SearchGraph.from_edges(len(places), *ends, costs)
    wrong = serpentine(places[wider.sources], places[wider.targets])
    return graphs | {levels: replace(top, graph=wider)}, set(np.flatnonzero(wrong).tolist())


@dataclass
class Limited:
    """A path planner that finds no path longer than a bound: a level below that knows its walls."""

    planner: LandmarkPlanner
    longest: float

    def below(self, landmark: int) -> int:
        return self.planner.below(landmark)

    def paths(self, queries: list[Query], recorder: Recorder | None = None) -> list[Path]:
        found = self.planner.paths(queries)
        return [replace(path, found=path.found and path.arrival[-1] <= self.longest) for path in found]


@pytest.mark.parametrize("levels", [3, 4])
def test_an_edge_that_the_level_below_cannot_follow_is_rejected(levels: int) -> None:
    graphs, wrong = two_routes(levels)
    finer = LandmarkPlanner(graphs[2], attach=0.75)
    for k in range(3, levels):
        finer = LandmarkPlanner(graphs[k], finer, attach=0.75)
    planners = {levels - 1: Limited(finer, 1.7 * STRIDES[levels - 1])}
    planner = make(graphs, planners=planners)
    planner.MAX_REPAIRS = 12
    start, goal = [[12, 3]], [[28, 3]]
    trail, events, session = walk(planner, start, goal, 250)
    assert np.linalg.norm(trail[-1, 0] - goal[0]) < 0.5
    rejected = session.rejected[levels][0]
    assert rejected & wrong
    told = next(event[0] for event in events if f"rejected {levels}" in event[0])
    assert f"replan {levels}" in told[told.index(f"rejected {levels}") :], "in the same decision"
    assert trail[:, 0, 1].max() > 45, "around the wall"


class Replanned:
    """An upper level whose every path is a new object over a new edge to the same place."""

    def __init__(self) -> None:
        self.asked: list[Query] = []

    def below(self, landmark: int) -> int:
        return NONE

    def paths(self, queries: list[Query], recorder: Recorder | None = None) -> list[Path]:
        self.asked += queries
        return [replace(straight(query, level=3), edges=np.array([len(self.asked)])) for query in queries]


def test_every_new_path_of_the_level_above_is_planned_for_below() -> None:
    """Paths were once told apart by their addresses, which Python gives out again."""
    upper, lower = Replanned(), Nowhere(found=False)
    planner = make(build_graphs(3), planners={2: lower, 3: upper})
    session = begin(planner, np.array(GOALS[:1], np.float32))
    decide(planner, np.array(STARTS[:1], np.float32), session)
    assert len(upper.asked) == len(lower.queries) == planner.MAX_REPAIRS + 1
    assert session.events[0] == ["replan 3", "replan 2", "rejected 3"] * (planner.MAX_REPAIRS + 1)


def phantom_edge() -> dict[int, LandmarkGraph]:
    """A level-2 graph with one edge through the first wall, and a way around it."""
    places = np.array([[x, 5] for x in (4, 8, 12, 16)] + [[x, 5] for x in (24, 28, 32)], np.float32)
    around = [[16, y] for y in range(9, 54, 4)] + [[20, 54], [24, 54]] + [[24, y] for y in range(50, 8, -4)]
    places = np.concatenate([places, np.array(around, np.float32)])
    route = [3, *range(7, len(places)), 4]
    pairs = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), *zip(route, route[1:], strict=False)]
    pairs += [(b, a) for a, b in pairs]
    ends = np.array(pairs)
    costs = np.linalg.norm(places[ends[:, 0]] - places[ends[:, 1]], axis=1)
    graph = SearchGraph.from_edges(len(places), ends[:, 0], ends[:, 1], costs)
    points = critic_space(2, places)
    return {2: LandmarkGraph(2, 2 * places, points, points, places, np.arange(len(places)), graph, 5)}


def test_an_edge_without_progress_is_rejected_after_patience() -> None:
    graphs = phantom_edge()
    planner = make(graphs)
    goal = [[32, 5]]
    trail, events, session = walk(planner, [[4, 5]], goal, 260)
    flat = [(decision * COMMIT, name) for decision, event in enumerate(events) for name in event[0]]
    first = next(step for step, name in flat if name == "rejected 2")
    stuck = int((np.linalg.norm(np.diff(trail[:, 0], axis=0), axis=1) < 1e-6).argmax())
    patience = planner.levels[0].patience
    assert stuck + patience - COMMIT < first <= stuck + patience + 4 * COMMIT
    graph = graphs[2].graph
    wall = set(graph.edge_numbers([3, 4], [4, 3]).tolist())
    assert session.rejected[2][0] & wall
    assert trail[:, 0, 1].max() > 50, "around the wall"
    assert np.linalg.norm(trail[-1, 0] - goal[0]) < 0.5


def test_the_straight_way_to_a_near_goal_is_rejected_too() -> None:
    """A goal within a stride, behind a wall: without progress the level must fall back on its graph."""
    planner = make(build_graphs(2))
    trail, _, session = walk(planner, [[18.5, 20]], [[21.5, 20]], 200)
    assert DIRECT in session.rejected[2][0]
    assert np.linalg.norm(trail[-1, 0] - [21.5, 20]) < 0.5
    assert trail[:, 0, 1].max() > 49


def test_entries_behind_a_wall_are_rejected_in_turn() -> None:
    """Landmarks close behind the wall look like the nearest entries; once, an agent stood there for ever."""
    planner = make(build_graphs(2, margin=1.0))
    trail, _, session = walk(planner, [[19, 21.25]], [[58, 3]], 400)
    assert any(number < DIRECT for number in session.rejected[2][0])
    assert np.linalg.norm(trail[-1, 0] - [58, 3]) < 0.5


class Satisfied:
    """Plans straight, but sees nothing to do near a target that is not the goal, as a search with a tolerance does."""

    TOLERANCE = 6.0

    def below(self, landmark: int) -> int:
        return NONE

    def paths(self, queries: list[Query], recorder: Recorder | None = None) -> list[Path]:
        return [self.path(query) for query in queries]

    def path(self, query: Query) -> Path:
        here, final = query.points[1], query.target.goal is not None
        turn = critic_space(3, np.eye(2)) - critic_space(3, np.zeros(2))  # targets are in the space of the level above
        target = critic_space(2, (query.target.point - 30) @ turn.T)
        distance = np.linalg.norm(target - here)
        points = np.stack([here, target if final or distance > self.TOLERANCE else here])
        states, none = np.stack([query.state, query.state]), np.full(2, NONE)
        return Path(states, points, np.array([0, distance], np.float32), none, none[:1], final)


class Via(Satisfied):
    """Plans through a place that lies four world steps ahead."""

    def path(self, query: Query) -> Path:
        assert query.target.goal is not None
        here, goal = query.points[2], query.target.goal[2]
        between = here + 4 * (goal - here) / np.linalg.norm(goal - here)
        none, times = np.full(3, NONE), np.array([0, 4, np.linalg.norm(goal - here)], np.float32)
        return Path(np.stack([query.state] * 3), np.stack([here, between, goal]), times, none, none[:2], True)


@pytest.mark.parametrize(("reached", "moves"), [(0.0, False), (Satisfied.TOLERANCE, True)])
def test_a_level_moves_on_where_the_one_below_sees_nothing_left_to_do(reached: float, moves: bool) -> None:
    """Once, agents that began beside a coarse landmark stood there for ever."""
    planner = make(build_graphs(3), planners={2: Satisfied(), 3: Via()})
    levels = [planner.levels[0], replace(planner.levels[1], lookahead=0.0, reached=reached)]
    trail, _, _ = walk(HierarchicalPlanner(planner.controller, levels), [[8, 2]], [[8, 57]], 80)
    assert (np.linalg.norm(trail[-1, 0] - [8, 57]) < 0.5) == moves


def test_inactive_problems_keep_their_paths() -> None:
    planner = make(build_graphs(3))
    session = begin(planner, np.array(GOALS, np.float32))
    decide(planner, np.array(STARTS, np.float32), session)
    before = [session.track(k, b).path for k in (2, 3) for b in range(4)]
    far = np.array([[2, 2]] * 4, np.float32)  # off the others' paths
    decide(planner, far, session, elapsed=2.0, active=np.array([False, True, False, False]))
    after = [session.track(k, b).path for k in (2, 3) for b in range(4)]
    assert [old is new for old, new in zip(before, after, strict=True)] == [True, False, True, True] * 2
    assert [bool(event) for event in session.events] == [False, True, False, False]


@pytest.mark.parametrize("levels", [1, 3])
def test_where_no_problem_is_active_nothing_is_planned(levels: int) -> None:
    planner = make(build_graphs(levels))
    session = begin(planner, np.array(GOALS, np.float32))
    places = np.array(STARTS, np.float32)
    plan = decide(planner, places, session, active=np.zeros(4, bool))
    assert plan.actions.shape == (4, 1, 2) and plan.states.shape == (4, 2, 2) and plan.cost.shape == (4,)
    assert not plan.actions.any() and not plan.complete.any()
    assert plan.model_calls == 0 and not session.spent.plans
    again = decide(planner, places, session)
    fresh = decide(planner, places, begin(planner, np.array(GOALS, np.float32)))
    assert torch.equal(again.actions, fresh.actions) and again.actions.any()


def test_subgoal_cost_is_one_target_per_problem() -> None:
    cost = SubgoalCost(embed_of(1), critic_space(1, torch.tensor([[3.0, 4.0], [0.0, 0.0]])))
    states = torch.zeros(2, 7, 5, 2)
    torch.testing.assert_close(cost(states, torch.zeros(2, 7, 4, 2))[0], torch.full((7, 5), 5.0))
    torch.testing.assert_close(cost(states[:, 0], torch.zeros(2, 4, 2))[1], torch.zeros(5), atol=1e-5, rtol=0)
