"""The hierarchy on a plane with walls, for any number of levels; the world is made of plain functions.

Every level has a state and a critic space of its own (a multiple of the position; a rotated and shifted copy of the
plane), so that a mix-up of levels or spaces leads astray.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from planners.base import Box, Budget, Plan, Recorder, rollout
from planners.graph import SearchGraph, bounded_distances
from planners.hierarchy import Controller, HierarchicalPlanner, PlanningLevel, Session, SubgoalCost
from planners.landmarks import DIRECT, NONE, LandmarkGraph, LandmarkPlanner, Path, PathPlanner, Query
from planners.neighbors import NeighborIndex
from planners.sampling import CEM

STRIDES = (1, 5, 15, 45)
COMMIT = 2
SIZE = 60.0


def serpentine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[...] whether the way between [..., 2] places is barred: walls at x = 20 up to y = 50 and at x = 40 from 10."""
    crossed = np.zeros(np.broadcast_shapes(a.shape, b.shape)[:-1], bool)
    for x, barred in ((20.0, lambda y: y < 50), (40.0, lambda y: y > 10)):
        with np.errstate(divide="ignore", invalid="ignore"):
            share = (x - a[..., 0]) / (b[..., 0] - a[..., 0])
            y = a[..., 1] + share * (b[..., 1] - a[..., 1])
        crossed |= ((a[..., 0] < x) != (b[..., 0] < x)) & barred(y)
    return crossed


def move(positions: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """One step of the world: whoever walks into a wall slides along it."""
    for axis in np.eye(2, dtype=np.float32):
        moved = positions + axis * np.clip(actions, -1, 1)
        positions = np.where(serpentine(positions, moved)[:, None], positions, moved)
    return positions.astype(np.float32)


def critic_space(k: int, positions: Any) -> Any:
    """[..., 2] positions to level ``k``'s critic space; distances stay, and one unit takes one world step."""
    turn = [[math.cos(0.7 * k), math.sin(0.7 * k)], [-math.sin(0.7 * k), math.cos(0.7 * k)]]
    if isinstance(positions, Tensor):
        return positions @ torch.tensor(turn, dtype=positions.dtype) + 10 * k
    return (positions @ np.array(turn) + 10 * k).astype(np.float32)


def state_of(k: int, positions: Any) -> Any:
    return positions * float(k)


class Walker:
    """Level 1's model of the world: one step of at most one unit along each axis, walls unknown."""

    actions = Box(-torch.ones(2), torch.ones(2))

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        return state + action


@dataclass
class Straight:
    """A controller without randomness: walks straight to the subgoal, and keeps what it was asked."""

    horizon: int = 4
    targets: list[Tensor] = field(default_factory=list)

    def plan(self, dynamics, cost, start, *, budget=None, warm_start=None, generator=None, recorder=None) -> Plan:
        assert isinstance(cost, SubgoalCost)
        self.targets.append(cost.target)
        way = cost.target - cost.measure(start)
        undo = critic_space(2, torch.eye(2)) - critic_space(2, torch.zeros(2))
        way = way @ undo.T
        length = way.norm(dim=-1, keepdim=True)
        moves = [(way / length.clamp_min(1e-6)) * (length - t).clamp(0, 1) for t in range(self.horizon)]
        actions = torch.stack(moves, 1)
        done = torch.ones(len(start), dtype=torch.bool)
        return Plan(actions, rollout(dynamics, start, actions), length[:, 0], done, model_calls=actions.shape[1])


def fine_places(margin: float) -> np.ndarray:
    """A square grid, at least a margin off the walls."""
    axis = np.arange(1.25, SIZE, 2.5)
    x, y = (part.reshape(-1) for part in np.meshgrid(axis, axis))
    near = ((np.abs(x - 20) < margin) & (y < 50 + margin)) | ((np.abs(x - 40) < margin) & (y > 10 - margin))
    return np.stack([x, y], 1)[~near].astype(np.float32)


def build_graphs(levels: int, margin: float = 4.0) -> dict[int, LandmarkGraph]:
    """Nested landmarks whose edges respect the walls, as a verified memory has them.

    The critic spaces know no walls: with a smaller margin, landmarks behind one look near.
    """
    graphs: dict[int, LandmarkGraph] = {}
    places = fine_places(margin)
    for k in range(2, levels + 1):
        stride = STRIDES[k - 1]
        if k == 2:
            chosen = np.arange(len(places))
            apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
            edges = np.argwhere((apart <= stride) & (apart > 0) & ~serpentine(places[:, None], places[None]))
            costs = apart[edges[:, 0], edges[:, 1]]
        else:
            chosen = NeighborIndex(places, 0.5 * stride).net(np.arange(len(places)))
            balls = bounded_distances(graphs[k - 1].graph, chosen, 1.5 * stride)
            number = np.full(len(places), -1)
            number[chosen] = np.arange(len(chosen))
            source, end = np.repeat(np.arange(len(chosen)), np.diff(balls.indptr)), number[balls.nodes]
            keep = (end >= 0) & (end != source)
            edges, costs = np.stack([source[keep], end[keep]], 1), balls.costs[keep]
        places = places[chosen]
        graph = SearchGraph.from_edges(len(places), edges[:, 0], edges[:, 1], costs)
        above = min(k + 1, levels)
        graphs[k] = LandmarkGraph(
            k, state_of(k, places), critic_space(k, places), critic_space(above, places), places, chosen, graph, stride
        )
    return graphs


def embed_of(k: int, above: int | None = None) -> Callable[[Tensor], Tensor]:
    return lambda states: critic_space(above or k, states / k)


def make(
    graphs: dict[int, LandmarkGraph], controller: Any = None, planners: dict[int, PathPlanner] | None = None
) -> HierarchicalPlanner:
    """The hierarchy over levels 1 .. 1 + len(graphs)."""
    finer, levels = None, []
    for k in range(2, len(graphs) + 2):
        stride = STRIDES[k - 1]
        planner = finer = LandmarkPlanner(graphs[k], finer, attach=0.75)
        planner = (planners or {}).get(k, planner)
        levels.append(PlanningLevel(planner, embed_of(k), 1.2 * stride, 3.0 * stride, 2.5 * stride))
    target = min(2, len(graphs) + 1)
    return HierarchicalPlanner(Controller(controller or Straight(), Walker(), embed_of(1), embed_of(1, target)), levels)


def begin(planner: HierarchicalPlanner, goals: np.ndarray) -> Session:
    return planner.start([critic_space(k, torch.from_numpy(goals)) for k in range(1, len(planner) + 1)])


def decide(planner: HierarchicalPlanner, positions: np.ndarray, session: Session, **options: Any) -> Plan:
    here = torch.from_numpy(positions)
    return planner.plan([state_of(k, here) for k in range(1, len(planner) + 1)], session, **options)


def walk(
    planner: HierarchicalPlanner, starts: Any, goals: Any, steps: int
) -> tuple[np.ndarray, list[list[list[str]]], Session]:
    """[T+1, B, 2] where the problems went, and each decision's events."""
    positions, goals = np.array(starts, np.float32), np.array(goals, np.float32)
    session, trail, events = begin(planner, goals), [positions], []
    for decision in range(steps // COMMIT):
        plan = decide(planner, positions, session, elapsed=0.0 if decision == 0 else float(COMMIT))
        events.append(session.events)
        for action in plan.actions[:, :COMMIT].numpy().swapaxes(0, 1):
            positions = move(positions, action)
            trail.append(positions)
    return np.stack(trail), events, session


STARTS = [[2, 2], [10, 55], [55, 5], [30, 30]]
GOALS = [[58, 57], [58, 3], [3, 3], [31, 33]]


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
