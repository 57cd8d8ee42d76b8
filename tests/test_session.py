"""Taking hold of a hierarchy's plans: pins, forgotten plans, recorders, and what a plan's energy is made of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from planners.hierarchy import HierarchicalPlanner, Session
from planners.landmarks import Target
from planners.sampling import CEM
from tests.plane_world import COMMIT, GOALS, STARTS, begin, build_graphs, critic_space, decide, make, move

START, GOAL = [2.0, 2.0], [58.0, 57.0]


def target_at(place: list[float], k: int, levels: int) -> Target:
    """A place as level ``k`` hands it down."""
    points = tuple(critic_space(j, np.array(place, np.float32)) for j in range(1, levels + 1))
    return Target(points[k - 1], goal=points)


class Journey:
    """One problem on the plane, decision by decision."""

    def __init__(self, planner: HierarchicalPlanner, start: list[float] = START, goal: list[float] = GOAL) -> None:
        self.planner, self.session = planner, begin(planner, np.array([goal], np.float32))
        self.trail = [np.array([start], np.float32)]
        self.events: list[list[str]] = []

    def go(self, steps: int, **options: Any) -> None:
        for _ in range(steps // COMMIT):
            elapsed = float(COMMIT) if self.events else 0.0
            plan = decide(self.planner, self.trail[-1], self.session, elapsed=elapsed, **options)
            self.events.append(self.session.events[0])
            for action in plan.actions[:, :COMMIT].numpy().swapaxes(0, 1):
                self.trail.append(move(self.trail[-1], action))

    def pin(self, k: int, place: list[float] | None) -> None:
        target = None if place is None else target_at(place, k, len(self.planner))
        self.session.pin(k, 0, target)

    def nearest(self, place: list[float]) -> tuple[float, int]:
        """How near it has come to a place, and when."""
        apart = np.linalg.norm(np.stack(self.trail)[:, 0] - place, axis=-1)
        return float(apart.min()), int(apart.argmin())

    def happened(self, first: int = 0) -> list[str]:
        return [event for events in self.events[first:] for event in events]


PINS = {2: [14.0, 14.0], 3: [3.0, 57.0], 4: [58.0, 3.0]}
"""Off the way; that of level 2 in plain sight, for level 1 knows no walls."""


@pytest.mark.parametrize(("levels", "k"), [(2, 2), (3, 2), (3, 3), (4, 3), (4, 4)])
def test_the_agent_goes_to_the_pin_first_and_then_to_its_goal(levels: int, k: int) -> None:
    journey = Journey(make(build_graphs(levels)))
    journey.go(8)
    journey.pin(k, PINS[k])
    journey.go(700)
    to_pin, when = journey.nearest(PINS[k])
    to_goal, arrived = journey.nearest(GOAL)
    assert to_pin <= journey.planner.PIN_REACHED and to_goal < 0.5
    assert 8 < when < arrived
    assert [event for event in journey.happened() if "pin" in event] == [f"pinned {k}", f"pin-reached {k}"]


@pytest.mark.parametrize("k", [2, 3])
def test_meanwhile_the_levels_from_the_pin_up_keep_their_paths(k: int) -> None:
    """Level 2's pin is behind a wall: level 1 never gets there, and nobody above is to blame."""
    journey = Journey(make(build_graphs(4)))
    journey.go(8)
    kept = [journey.session.track(j, 0).path for j in range(k, 5)]
    ages = [journey.session.track(j, 0).age for j in range(k, 5)]
    journey.pin(k, [28.0, 6.0] if k == 2 else [58.0, 3.0])
    journey.go(60)
    assert [journey.session.track(j, 0).path for j in range(k, 5)] == kept
    assert [journey.session.track(j, 0).age for j in range(k, 5)] == [age + 60 for age in ages]
    blamed = [event for event in journey.happened(4) if event.startswith(("replan", "rejected"))]
    assert all(int(event.split()[1]) < k for event in blamed), "rejections may happen below only"
    assert all(journey.session.held(j, 0) == (j >= k) for j in range(2, 5))


def test_a_pin_out_of_reach_is_let_go_and_the_goal_is_reached() -> None:
    journey = Journey(make(build_graphs(3)))
    journey.pin(2, [28.0, 6.0])
    journey.go(80)
    assert np.linalg.norm(journey.trail[-1] - journey.trail[-20]) < 0.1, "it stands at the wall"
    assert not any(event.startswith("rejected") for event in journey.happened()), "the wall is not the plan's fault"
    journey.pin(2, None)
    assert not journey.session.held(3, 0)
    journey.go(400)
    assert journey.nearest(GOAL)[0] < 0.5
    assert "pin-reached 2" not in journey.happened()


def test_a_pin_that_no_path_leads_to() -> None:
    journey = Journey(make(build_graphs(3)))
    journey.pin(3, [500.0, 500.0])
    journey.go(200)
    assert not any(event.endswith(" 3") for event in journey.happened(1))
    journey.pin(3, None)
    journey.go(500)
    assert journey.nearest(GOAL)[0] < 0.5


def test_two_pins_of_two_levels() -> None:
    journey = Journey(make(build_graphs(3)))
    journey.pin(3, [3.0, 57.0])
    journey.pin(2, PINS[2])
    journey.go(600)
    assert journey.nearest(PINS[2])[1] < journey.nearest([3.0, 57.0])[1] < journey.nearest(GOAL)[1]
    assert [event for event in journey.happened() if "pin" in event] == [
        "pinned 3", "pinned 2", "pin-reached 2", "pin-reached 3"
    ]  # fmt: skip


def test_a_pin_is_one_problems_own() -> None:
    planner = make(build_graphs(3))
    alone, pinned = (begin(planner, np.array(GOALS, np.float32)) for _ in range(2))
    pinned.pin(3, 1, target_at([3.0, 57.0], 3, 3))
    places = np.array(STARTS, np.float32)
    same = (decide(planner, places, alone).actions == decide(planner, places, pinned).actions).flatten(1).all(1)
    assert same.tolist() == [True, False, True, True]
    assert [any("pin" in event for event in events) for events in pinned.events] == [False, True, False, False]


def test_a_pin_by_its_point_alone() -> None:
    """Without a goal, the target is measured in the pinned level's own space."""
    journey = Journey(make(build_graphs(2)))
    journey.session.pin(2, 0, replace(target_at(PINS[2], 2, 2), goal=None))
    journey.go(40)
    assert journey.nearest(PINS[2])[0] <= journey.planner.PIN_REACHED
    assert "pin-reached 2" in journey.happened()


@pytest.mark.parametrize(
    ("levels", "k", "problem", "message"),
    [
        (3, 1, 0, "level must be 2 to 3, not 1"),
        (3, 4, 0, "level must be 2 to 3, not 4"),
        (1, 2, 0, "level must be none: one level plans alone, not 2"),
        (3, 2, 1, "problem must be 0 to 0, not 1"),
    ],
)
def test_pins_that_make_no_sense(levels: int, k: int, problem: int, message: str) -> None:
    session = Session([torch.zeros(1, 2)] * levels, levels)
    with pytest.raises(ValueError, match=f"^{message}$"):
        session.pin(k, problem, target_at([0.0, 0.0], 1, levels))


@pytest.mark.parametrize("k", [2, 3, 4])
def test_what_is_forgotten_is_planned_anew_from_there_down(k: int) -> None:
    journey = Journey(make(build_graphs(4)))
    journey.go(4)
    kept = {j: journey.session.track(j, 0).path for j in range(2, 5)}
    journey.session.forget(k, 0)
    assert all(journey.session.track(j, 0).path is kept[j] for j in kept), "until the next decision"
    journey.go(2)
    assert [event for event in journey.events[-1] if "replan" in event] == [f"replan {j}" for j in range(k, 1, -1)]
    assert all((journey.session.track(j, 0).path is kept[j]) == (j > k) for j in kept)


def test_level_1_has_nothing_to_forget() -> None:
    one, other = (Journey(make(build_graphs(3))) for _ in range(2))
    for journey in (one, other):
        journey.go(4)
    one.session.forget(1, 0)
    for journey in (one, other):
        journey.go(20)
    assert one.events == other.events and np.array_equal(one.trail, other.trail)


def test_a_level_that_there_is_not_cannot_forget() -> None:
    with pytest.raises(ValueError, match="level must be 1 to 3, not 4"):
        begin(make(build_graphs(3)), np.array([GOAL], np.float32)).forget(4, 0)


class Heard:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.kinds: list[str] = []

    def record(self, kind: str, **data: Any) -> None:
        self.kinds.append(kind)


def test_recorders_hear_their_own_levels_planner() -> None:
    planner, heard = make(build_graphs(2), CEM(horizon=4, samples=20, iterations=3)), {k: Heard() for k in (1, 2)}
    Journey(planner).go(2, recorders=heard)
    assert heard[1].kinds == ["candidates"] * len(heard[1].kinds) and len(heard[1].kinds) >= 3
    assert heard[2].kinds == [], "a path over landmarks tells of its search itself"


def test_recorders_are_for_one_problem() -> None:
    planner = make(build_graphs(2))
    session = begin(planner, np.array(GOALS, np.float32))
    with pytest.raises(ValueError, match="recorders listen to a session of one problem; this one has 4"):
        decide(planner, np.array(STARTS, np.float32), session, recorders={1: Heard()})


def test_terms_of_a_path_add_up_to_the_way_that_is_left() -> None:
    journey = Journey(make(build_graphs(3)))
    assert journey.planner.terms(2, journey.session, 0) == {} == journey.planner.terms(1, journey.session, 0)
    journey.go(30)
    for k in (2, 3):
        terms, track = journey.planner.terms(k, journey.session, 0), journey.session.track(k, 0)
        assert list(terms) == ["to next state", "rest of the path", "zones", "rejected"]
        place = critic_space(k, journey.trail[-1 - COMMIT])[0]
        way = np.linalg.norm(track.path.embedding[track.next] - place)
        assert terms["to next state"] == pytest.approx(way, rel=1e-4)
        assert sum(terms.values()) == pytest.approx(way + track.path.arrival[-1] - track.path.arrival[track.next])


def test_terms_of_level_1_add_up_to_its_plans_cost() -> None:
    planner = make(build_graphs(2), CEM(horizon=4, samples=20, iterations=2))
    surcharge = lambda states: states[..., 0].abs()  # noqa: E731
    planner = HierarchicalPlanner(replace(planner.controller, surcharge=surcharge), planner.levels)
    session = begin(planner, np.array(GOALS, np.float32))
    plan = decide(planner, np.array(STARTS, np.float32), session, active=np.array([True, False, True, True]))
    for problem in (0, 2, 3):
        terms = planner.terms(1, session, problem)
        assert terms["zones"] == pytest.approx(float(plan.states[problem, :, 0].abs().sum()), rel=1e-5)
        assert sum(terms.values()) == pytest.approx(float(plan.cost[problem]), rel=1e-5)
    assert planner.terms(1, session, 1) == {}, "nothing was planned for it"


def near_the_wall(states: Tensor) -> Tensor:
    """A place in front of the start, in states of level 1."""
    return (states[..., 0] > 6) & (states[..., 0] < 9)


def test_level_1_pays_its_surcharge_and_says_where_it_enters_all_the_same() -> None:
    cem = CEM(horizon=4, samples=64, iterations=3)
    straight = make({}, cem)
    priced = replace(straight.controller, surcharge=lambda states: 100.0 * near_the_wall(states))
    forbidding = replace(straight.controller, forbidden=near_the_wall)
    for controller, stops in ((priced, True), (forbidding, False)):
        journey = Journey(HierarchicalPlanner(controller, []), goal=[18.0, 2.0])
        journey.go(40, generator=torch.Generator().manual_seed(0))
        assert (np.stack(journey.trail)[-1, 0, 0] <= 6) == stops
        assert ("guardrail 1" in journey.happened()) != stops


def test_a_guarded_level_that_finds_no_path_says_so() -> None:
    planner = make(build_graphs(2))
    graph = planner.levels[0].planner.landmarks.graph  # type: ignore[attr-defined]
    cut = make({2: replace(build_graphs(2)[2], graph=graph.without(np.arange(graph.num_edges)))})
    for guarded in (False, True):
        levels = [replace(cut.levels[0], guarded=guarded)]
        journey = Journey(HierarchicalPlanner(cut.controller, levels))
        journey.go(2)
        assert ("guardrail 2" in journey.happened()) == guarded
