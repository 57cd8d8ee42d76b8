"""Sessions: what is asked and what is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.viewer_documents import BLIND, RING, SEES, at, begun, of, on, packed, painted, recorded, ring, zoned
from viz.viewer.document import Document, Setup
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
    Probed,
    Replan,
    Request,
    Stepped,
)
from viz.viewer.model import Model
from viz.viewer.recording import SPEED
from viz.viewer.session import Session
from worlds.maps import FREE, named_map

# --- episodes ---


def test_the_first_document_begins_an_episode_and_introduces_the_agent() -> None:
    _, reports = begun(Apply(ring()))
    (began,), (loaded,) = of(Began, reports), of(Loaded, reports)
    assert began.observation == ring().start and began.document == ring() and loaded.sees_map
    first, second = loaded.levels[:2]
    assert (first.stride, second.stride) == (1, 10) and len(first.places) == 0
    assert "cem" in first.planners and "landmarks" not in first.planners
    assert second.planners[0] == "landmarks" and len(set(second.planners)) == len(second.planners)
    begin, end = second.edges.T
    assert (begin < end).all() and len(np.unique(second.edges, axis=0)) == len(second.edges)
    assert second.latent.shape == second.places.shape and not RING.walls[tuple(RING.cell_of(second.places).T)].any()


def test_it_goes_on_until_the_agent_has_arrived() -> None:
    session, reports = begun(Apply(ring()), Advance(60), Advance(1000))
    recording = recorded(reports)
    assert recording.status == "arrived" and 100 < recording.last < 200
    assert np.linalg.norm(recording.observation(recording.last) - ring().goal) <= 1
    assert np.abs(np.diff(recording.trail(recording.last), axis=0)).max() <= SPEED + 1e-6
    assert recording.calls > 0 and recording.seconds > 0
    assert [report.step for report in of(Stepped, reports)] == [0, 60]
    assert [decision.step for decision in recording.decisions] == list(range(0, recording.last, 4))
    assert [mark.kind for mark in recording.marks][-1] == "arrived"
    (still,) = session.handle([Advance(10)])
    assert isinstance(still, Stepped) and len(still.observations) == 0 and still.status == "arrived"


def test_time_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("viz.viewer.world.LEAST_TIME", 12)
    monkeypatch.setattr("viz.viewer.world.STEPS_PER_CELL", 1)
    session, reports = begun(Apply(ring()), Advance(100))
    assert len(of(Stepped, reports)[-1].observations) == 12 and of(Stepped, reports)[-1].status == "out of time"
    more = session.handle([Apply(replace(ring(), goal=at(RING, 3, 7))), Advance(5)])
    assert of(Stepped, more)[-1].status == "running"  # from an edit on, time counts anew


def test_equal_requests_make_equal_reports_however_they_are_cut() -> None:
    wall = Apply(painted(ring(), (1, 5)))
    story: list[Request] = [Apply(ring()), Advance(30), wall, Advance(30), AskField(0, "heat", 2)]
    again: list[Request] = [*story[:1], *[Advance(1)] * 30, *story[2:]]
    one, two, cut = (begun(*requests)[1] for requests in (story, story, again))
    assert packed(one) == packed(two)
    assert np.array_equal(recorded(one).trail(60), recorded(cut).trail(60))


def test_a_new_episode_is_as_good_as_a_new_session() -> None:
    session, first = begun(Apply(ring()), Advance(40))
    again = session.handle([Apply(replace(ring(), episode=1)), Advance(40)])
    assert of(Began, again) and not of(Loaded, again)
    assert packed(of(Stepped, first)) == packed(of(Stepped, again))


def test_of_documents_that_follow_each_other_only_the_last_counts() -> None:
    session, _ = begun(Apply(ring()), Advance(5))
    goals = [at(RING, 3, column) for column in range(1, 8)]
    reports = session.handle([Apply(replace(ring(), goal=goal)) for goal in goals])
    (edited,) = of(Edited, reports)
    assert edited.document.goal == goals[-1] and edited.step == 5
    assert session.handle([Apply(edited.document)]) == []


# --- questions ---


def test_fields_grow_away_from_the_goal_and_from_what_is_remembered() -> None:
    session, _ = begun(Apply(ring()))
    for level in (1, 2, 3):
        (heat,) = of(Field, session.handle([AskField(0, "heat", level)]))
        assert heat.level == level and heat.steps.shape == (len(heat.y), len(heat.x)) and heat.steps.dtype == np.float32
        row, column = (
            np.abs(axis - place).argmin() for axis, place in ((heat.y, heat.goal[1]), (heat.x, heat.goal[0]))
        )
        assert heat.steps[row, column] < 6 and 100 < np.nanmax(heat.steps) < 200
    one, two = (of(Field, session.handle([AskField(0, "unfamiliar", level)]))[0] for level in (1, 2))
    assert np.nanmin(two.steps) >= 0 and np.nanmax(two.steps) < 10
    assert (one.level, two.level) == (1, 2) and np.array_equal(one.steps, two.steps, equal_nan=True)


def test_a_probe_tells_a_plan_and_disturbs_nothing() -> None:
    session, _ = begun(Apply(ring()), Advance(6))
    (probed,) = of(Probed, session.handle([AskProbe(0, at(RING, 3, 1))]))
    assert np.allclose(probed.decision.levels[1].plan[0], at(RING, 3, 1), atol=0.1) and probed.version == ring().version
    other, _ = begun(Apply(ring()), Advance(6))
    assert packed(session.handle([Advance(20)])) == packed(other.handle([Advance(20)]))
    assert session.handle([AskProbe(0, at(RING, 2, 4))]) == [Notice("there is no plan from inside a wall")]


def test_a_level_plans_anew_when_it_is_asked_to() -> None:
    session, _ = begun(Apply(ring()), Advance(8))
    quiet = of(Stepped, session.handle([Advance(4)]))[0].decisions[0]
    asked = of(Stepped, session.handle([Replan(0, 2), Advance(4)]))[0].decisions[0]
    assert quiet.levels[1].age > 0 and asked.levels[1].age == 0 and "replan 2" in asked.events


def test_before_any_document_nothing_happens() -> None:
    assert Session().handle([Advance(3), AskField(0, "heat", 2), AskProbe(0, (0.0, 0.0)), Replan(0, 1)]) == []


def test_portals_are_believed_in_by_whoever_sees_them() -> None:
    map = named_map("teleport")
    _, reports = begun(Apply(on(map, (1, 10), (7, 1), SEES)))
    forks = of(Loaded, reports)[0].forks
    assert len(forks) == len(map.entrances()) and all(fork.probabilities.sum() == pytest.approx(1) for fork in forks)
    assert np.array_equal(forks[0].outcomes, map.center(map.exits()))
    assert of(Loaded, begun(Apply(on(map, (1, 10), (7, 1), BLIND)))[1])[0].forks == ()


# --- anything ---

CELLS = st.tuples(st.integers(1, 3), st.integers(1, 7))
PLACES = st.tuples(st.floats(-3, 30), st.floats(-3, 14))


@st.composite
def edits(draw: st.DrawFn) -> Callable[[Document], Document]:
    cell, place, number = draw(CELLS), draw(PLACES), draw(st.integers(0, 3))
    setups = (
        SEES,
        Setup("map", 1, ("mppi",)),
        Setup("map", 3, ("cem", "nobody")),
        Setup("medium", 2, ("cem", "landmarks")),
    )
    return draw(
        st.sampled_from(
            [
                lambda document: painted(document, cell),
                lambda document: painted(document, cell, kind=FREE),
                lambda document: zoned(document, cell, kind=number % 3),
                lambda document: replace(document, goal=place),
                lambda document: replace(document, start=place),
                lambda document: document.with_pin(1 + number, place),
                lambda document: document.with_pin(2, None),
                lambda document: replace(document, episode=document.episode + 1),
                lambda document: replace(document, setups=(document.setups[0], setups[number])[: 1 + number % 2]),
                lambda document: document.with_setup(0, setups[number]),
            ]
        )
    )


@settings(max_examples=12)
@given(st.lists(edits(), min_size=1, max_size=8), st.lists(st.integers(0, 9), min_size=8, max_size=8))
def test_no_edit_breaks_it(changes: list[Callable[[Document], Document]], pauses: list[int]) -> None:
    session, model, document = Session(), Model(), ring()
    for change, steps in zip(changes, pauses, strict=False):
        document = change(document)
        reports = session.handle([Apply(document), Advance(steps), AskField(0, "heat", 2), AskProbe(0, document.start)])
        model.absorb(reports)
        model.forget(len(document.setups))
        assert all("Error" not in notice.text for notice in of(Notice, reports)), reports
        for run in model.runs:
            assert run.recording is not None and run.recording.document(run.recording.last).map == document.map
            assert run.recording.status.startswith(("running", "arrived", "waiting: "))
            jumps = np.linalg.norm(np.diff(run.recording.trail(run.recording.last), axis=0), axis=1)
            assert jumps.max(initial=0) < 2.5  # no further than out of a wall that was painted beside the ball
