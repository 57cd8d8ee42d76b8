"""Runs under edits: nothing stale survives one, and what can't be run is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from hjepa.actor import Actor
from hjepa.agent import Agent, Experiment
from hjepa.level import LevelConfig
from hjepa.stack import Stack, StackConfig
from planners.trace import Points
from tests.viewer_documents import BLIND, RING, SEES, at, begun, of, on, packed, painted, recorded, ring, zoned
from viz.viewer.document import COST, GUARDRAIL, Document, Pin, Setup
from viz.viewer.messages import (
    Advance,
    Apply,
    AskField,
    AskProbe,
    Began,
    Edited,
    Field,
    Loaded,
    Notice,
    PinReached,
    Replan,
    Stepped,
)
from viz.viewer.recording import SPEED, SURPRISE
from worlds.maps import Map, named_map

# --- edits ---


def crosses(way: Points, map: Map) -> bool:
    """Whether a way leads through a wall."""
    fine = np.concatenate([np.linspace(a, b, 50) for a, b in zip(way[:-1], way[1:], strict=True)])
    return bool(map.walls[tuple(map.cell_of(fine).T)].any())


def test_an_agent_that_sees_the_map_plans_around_a_new_wall_at_its_next_look() -> None:
    before = ring()
    session, reports = begun(Apply(before), Advance(40))
    after = painted(before, (1, 5))
    old = of(Stepped, reports)[-1].decisions[-1].levels[1].plan
    assert crosses(old, after.map)
    reports += (news := session.handle([Apply(after), Advance(1)]))
    assert [edited.step for edited in of(Edited, news)] == [40] and len(of(Loaded, news)) == 1
    (decision,) = of(Stepped, news)[0].decisions
    assert decision.step == 40 and decision.levels[1].age == 0 and not crosses(decision.levels[1].plan, after.map)
    reports += session.handle([Advance(1000)])
    recording = recorded(reports)
    assert recording.status == "arrived"
    assert not any(mark.kind in ("rejected", "surprise") for mark in recording.marks)


def test_no_field_survives_an_edit() -> None:
    after = painted(ring(), (1, 5))
    session, _ = begun(Apply(ring()), Advance(7))
    (stale,) = of(Field, session.handle([AskField(0, "heat", 2)]))
    (heat,) = of(Field, session.handle([Apply(after), AskField(0, "heat", 2)]))
    (fresh,) = of(Field, begun(Apply(after), AskField(0, "heat", 2))[1])
    assert np.array_equal(heat.steps, fresh.steps, equal_nan=True)
    assert heat.version == after.version != stale.version == ring().version
    assert not np.array_equal(heat.steps, stale.steps, equal_nan=True)
    moved = replace(after, goal=at(RING, 3, 3))
    (elsewhere,) = of(Field, session.handle([Apply(moved), AskField(0, "heat", 2)]))
    row, column = (np.abs(axis - place).argmin() for axis, place in ((heat.y, moved.goal[1]), (heat.x, moved.goal[0])))
    assert elsewhere.steps[row, column] < 5 < heat.steps[row, column] and elsewhere.goal == moved.goal


def test_a_wall_across_the_plan_of_a_blind_agent_shows_as_a_gap_and_as_a_rejected_subgoal() -> None:
    document = on(named_map("medium"), (1, 1), (6, 6), BLIND)
    session, reports = begun(Apply(document), Advance(12))
    plan = of(Stepped, reports)[-1].decisions[-1].levels[1].plan
    ball = document.map.cell_of(of(Stepped, reports)[-1].observations[-1])
    ahead = [cell for cell in document.map.cell_of(plan)[1:] if np.abs(cell - ball).sum() > 1]
    reports += session.handle([Apply(painted(document, (int(ahead[0][0]), int(ahead[0][1])))), Advance(100)])
    recording = recorded(reports)
    gaps = [recording.gap(2, step) for step in range(12, recording.last)]
    assert gaps[0] < 0.5 and max(gaps) > SURPRISE + 10 * SPEED
    kinds = [(mark.kind, mark.level) for mark in recording.marks]
    assert ("rejected", 2) in kinds and kinds.count(("surprise", 2)) >= 1
    assert kinds.index(("surprise", 2)) < kinds.index(("rejected", 2))


def test_a_blind_agent_keeps_what_it_knows_when_the_map_changes() -> None:
    document = on(named_map("medium"), (1, 1), (6, 6), BLIND)
    session, _ = begun(Apply(document), Advance(9))
    reports = session.handle([Apply(painted(document, (6, 5))), Advance(1)])
    assert not of(Loaded, reports)
    (decision,) = of(Stepped, reports)[0].decisions  # but plans anew
    assert [view.age for view in decision.levels] == [0, 0]


def test_a_new_goal_is_gone_to_from_where_the_agent_is() -> None:
    session, _ = begun(Apply(ring()), Advance(20))
    moved = replace(ring(), goal=at(RING, 3, 1))
    reports = session.handle([Apply(moved), Advance(1000)])
    assert not of(Began, reports) and not of(Loaded, reports)
    (stepped,) = of(Stepped, reports)
    assert stepped.step == 20 and stepped.status == "arrived" and stepped.observations[0, 0] > 1
    assert np.linalg.norm(stepped.observations[-1] - moved.goal) <= 1
    assert of(Stepped, session.handle([Apply(ring()), Advance(3)]))[-1].status == "running"


def test_a_pin_is_gone_to_first_and_let_go_of() -> None:
    pinned = ring().with_pin(2, at(RING, 3, 1))
    session, reports = begun(Apply(ring()), Advance(4), Apply(pinned), Advance(1000))
    assert of(PinReached, reports) == [PinReached(0, 2)] and of(Edited, reports)[0].document.pins == (
        Pin(2, at(RING, 3, 1)),
    )
    recording = recorded(reports)
    assert recording.status == "arrived"
    assert np.linalg.norm(recording.trail(recording.last) - pinned.pins[0].place, axis=1).min() < 3
    assert recording.document(5).pins and not recording.document(recording.last).pins
    assert session.handle([Apply(pinned)]) == []  # the viewer has not heard yet: it stays let go of
    assert session.handle([Apply(ring())]) == []
    assert of(Edited, session.handle([Apply(pinned)]))  # set anew


def test_a_pin_can_be_let_go_of_by_hand() -> None:
    session, _ = begun(Apply(ring().with_pin(2, at(RING, 3, 1))), Advance(8))
    reports = session.handle([Apply(ring()), Advance(1000)])
    assert of(Edited, reports)[0].document.pins == () and not of(PinReached, reports)
    assert of(Stepped, reports)[-1].status == "arrived"


def test_another_planner_takes_over_where_the_ball_is() -> None:
    session, _ = begun(Apply(ring()), Advance(20))
    other = ring().with_setup(0, Setup("map", 2, ("mppi", "supported")))
    reports = session.handle([Apply(other), Advance(1)])
    assert of(Edited, reports) and not of(Loaded, reports) and not of(Began, reports)
    (stepped,) = of(Stepped, reports)
    assert [view.planner for view in stepped.decisions[0].levels] == ["mppi", "supported"]
    assert stepped.step == 20 and stepped.observations[0, 0] > 1


def test_another_agent_is_introduced() -> None:
    session, _ = begun(Apply(ring()), Advance(4))
    reports = session.handle([Apply(ring(BLIND))])
    (loaded,) = of(Loaded, reports)
    assert not loaded.sees_map and of(Edited, reports) and not of(Began, reports)


def test_a_second_configuration_begins_beside_the_first() -> None:
    session, alone = begun(Apply(ring()), Advance(10))
    both = ring(SEES, Setup("map", 1, ("cem",)))
    reports = session.handle([Apply(both), Advance(10)])
    assert [report.run for report in of(Began, reports)] == [0, 1]
    assert [(report.run, report.step) for report in of(Stepped, reports)] == [(0, 0), (1, 0)]
    assert packed(of(Stepped, alone)) == packed(of(Stepped, reports)[:1])
    assert [len(report.decisions[0].levels) for report in of(Stepped, reports)] == [2, 1]
    other = session.handle([Apply(both.with_setup(1, Setup("map", 1, ("mppi",))))])
    assert [report.run for report in of(Edited, other)] == [1]  # the first has nothing to do with it
    dropped = session.handle([Apply(ring()), Advance(1), AskField(1, "heat", 2), AskProbe(1, (0.0, 0.0))])
    assert [report.run for report in of(Stepped, dropped)] == [0] and not of(Field, dropped)


# --- zones ---


def test_a_guardrail_is_kept_out_of_by_every_plan_and_a_dear_place_avoided() -> None:
    for kind in (GUARDRAIL, COST):
        document = zoned(ring(), *((1, column) for column in range(2, 7)), kind=kind)
        session, reports = begun(Apply(document), Advance(1000))
        recording = recorded(reports)
        assert recording.status == "arrived"
        entered = document.zones.cells[tuple(RING.cell_of(recording.trail(recording.last)).T)]
        assert entered.max() == 0


def test_a_guardrail_painted_under_the_ball_is_told_of_once_per_visit() -> None:
    session, _ = begun(Apply(ring()), Advance(50))
    reports = session.handle([Apply(zoned(ring(), (1, 3), (1, 4), kind=GUARDRAIL)), Advance(1000)])
    events = [event for decision in of(Stepped, reports)[-1].decisions for event in decision.events]
    assert events.count("guardrail 0") == 1


def test_zones_change_the_heat() -> None:
    document = ring()
    (plain,) = of(Field, begun(Apply(document), AskField(0, "heat", 2))[1])
    dear = zoned(document, *((1, column) for column in range(2, 7)), kind=COST)
    (heat,) = of(Field, begun(Apply(dear), AskField(0, "heat", 2))[1])
    assert heat.version != plain.version and np.nanmax(heat.steps) > np.nanmax(plain.steps) + 20


def test_a_guardrail_is_no_part_of_the_heat() -> None:
    document = zoned(ring(), (1, 3), (1, 4), kind=GUARDRAIL)
    for setup in (SEES, Setup("map", 3, ("cem", "landmarks"))):
        (heat,) = of(Field, begun(Apply(document.with_setup(0, setup)), AskField(0, "heat", setup.levels))[1])
        inside = (np.abs(heat.x - at(RING, 1, 3)[0]).argmin(), np.abs(heat.y).argmin())
        assert np.isnan(heat.steps[inside[1], inside[0]]) and 100 < np.nanmax(heat.steps) < 400
    everywhere = zoned(ring(), *(tuple(cell) for cell in RING.free_cells()), kind=GUARDRAIL)
    (nothing,) = of(Field, begun(Apply(everywhere), AskField(0, "heat", 2))[1])
    assert np.isnan(nothing.steps).all()


# --- what can't be run ---


def strange_agent(folder: str) -> None:
    stack = Stack(StackConfig(levels=(LevelConfig(),), observation_dim=3)).requires_grad_(False)
    Agent(stack, Experiment(stack=stack.config), {}, {}, {}).save(folder)


TROUBLE: list[tuple[str, Callable[[str], Document]]] = [
    ("the goal is in a wall", lambda _: on(RING, (1, 1), (2, 4), SEES)),
    ("the goal is in a wall", lambda _: replace(ring(), goal=(900.0, -70.0))),
    ("the start is in a wall", lambda _: on(RING, (2, 4), (1, 1), SEES)),
    ("no agent 'nobody': expected map, a folder, or one of", lambda _: ring(Setup("nobody", 2, ("cem",)))),
    ("observes 3 numbers, expected 2", lambda folder: ring(Setup(folder, 1, ("cem",)))),
    ("level 2 has no planner 'guided', expected one of landmarks", lambda _: ring(Setup("map", 2, ("cem", "guided")))),
    ("level 1 has no planner 'landmarks', expected one of", lambda _: ring(Setup("map", 2, ("landmarks",)))),
    ("no planner is named", lambda _: ring(Setup("map", 2, ()))),
]


@pytest.mark.parametrize(("text", "make"), TROUBLE, ids=[text for text, _ in TROUBLE])
def test_what_cannot_be_run_is_told_and_waited_for(
    text: str, make: Callable[[str], Document], tmp_path: object
) -> None:
    strange_agent(str(tmp_path))
    session, reports = begun(Apply(make(str(tmp_path))), Advance(5))
    (notice,) = of(Notice, reports)
    assert text in notice.text and notice.urgent and "\n" not in notice.text and of(Began, reports)
    assert {report.status for report in of(Stepped, reports)} == {f"waiting: {notice.text}"}
    assert not any(len(report.observations) for report in of(Stepped, reports))
    assert session.handle([AskProbe(0, (0.0, 0.0)), Replan(0, 2)]) == []
    mended = session.handle([Apply(ring()), Advance(5)])
    assert not of(Notice, mended) and len(of(Stepped, mended)[-1].observations) == 5


def test_a_wall_painted_onto_the_ball_is_waited_out() -> None:
    session, _ = begun(Apply(ring()), Advance(50))
    reports = session.handle([Apply(painted(ring(), (1, 3), (1, 4))), Advance(5)])
    assert [notice.text for notice in of(Notice, reports)] == ["the ball is in a wall"]
    reports = session.handle([Apply(ring()), Advance(5)])
    assert of(Stepped, reports)[-1].step == 50 and len(of(Stepped, reports)[-1].observations) == 5


def test_a_goal_without_a_way_is_told_of_and_tried_for() -> None:
    walled = painted(ring(), (1, 6), (3, 6))
    session, reports = begun(Apply(walled), Advance(8))
    assert [(notice.text, notice.urgent) for notice in of(Notice, reports)] == [
        ("no way leads to the goal; the agent tries nevertheless", True)
    ]
    assert len(of(Stepped, reports)[-1].observations) == 8


def test_what_is_known_is_not_said_again() -> None:
    lost = painted(ring(), (1, 6), (3, 6)).with_pin(2, at(RING, 2, 4))
    session, reports = begun(Apply(lost))
    assert [notice.text for notice in of(Notice, reports)] == [
        "no way leads to the goal; the agent tries nevertheless",
        "the subgoal of level 2 is in a wall",
    ]
    assert not of(Notice, session.handle([Apply(painted(lost, (3, 2)))]))
    walled = replace(lost, goal=at(RING, 2, 4))
    assert len(of(Notice, session.handle([Apply(walled)]))) == 1
    assert not of(Notice, session.handle([Apply(replace(walled, goal=at(RING, 2, 3)))]))  # in another wall
    assert not of(Notice, session.handle([Apply(ring())]))
    assert len(of(Notice, session.handle([Apply(lost)]))) == 2


def test_levels_that_there_are_not_are_left_out() -> None:
    session, reports = begun(Apply(ring(Setup("medium", 9, ("cem", "landmarks")))), Advance(1))
    (notice,) = of(Notice, reports)
    assert notice.text == "this agent has 3 levels, not 9: 3 plan" and not notice.urgent
    assert len(of(Stepped, reports)[-1].decisions[0].levels) == 3


def test_two_runs_with_the_same_trouble_say_so_once() -> None:
    _, reports = begun(Apply(replace(ring(SEES, SEES), goal=at(RING, 2, 4))))
    assert len(of(Notice, reports)) == 1 and len(of(Stepped, reports)) == 2


def test_a_planner_that_fails_is_a_notice_and_the_run_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    session, _ = begun(Apply(ring()), Advance(10))
    with monkeypatch.context() as patch:
        patch.setattr(Actor, "act", lambda self, seen: 1 / 0)
        reports = session.handle([Advance(5)])
        (notice,) = of(Notice, reports)
        assert notice == Notice("ZeroDivisionError: division by zero", urgent=True)
        assert of(Stepped, reports)[-1].status == f"waiting: {notice.text}"
    goal = at(RING, 3, 3)
    mended = session.handle([Apply(replace(ring(), goal=goal)), Advance(5)])
    assert len(of(Stepped, mended)[-1].observations) == 5


def test_an_action_that_is_no_number_moves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    session, _ = begun(Apply(ring()), Advance(3))
    act = Actor.act
    with monkeypatch.context() as patch:
        patch.setattr(Actor, "act", lambda self, seen: act(self, seen) * np.nan)
        reports = session.handle([Advance(5)])
    assert of(Notice, reports) == [Notice("the planner's action is not a number", urgent=True)]
    assert len(of(Stepped, reports)[0].observations) == 0


def test_an_answer_that_fails_does_not_stop_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    session, _ = begun(Apply(ring()), Advance(3))
    with monkeypatch.context() as patch:
        patch.setattr(Actor, "plan_from", lambda self, place: dict[str, int]()["probe"])
        assert session.handle([AskProbe(0, ring().start)]) == [Notice("KeyError: 'probe'", urgent=True)]
    assert of(Stepped, session.handle([Advance(2)]))[0].status == "running"
