"""What can be dragged on a map, and where."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.viewer_scene import MAZE, STEPS, document, model, view, way
from viz.viewer.layout import Camera, Rect, projection
from viz.viewer.marks import MapMark, agent_place, map_marks, shown_document, shown_step, shown_views, subgoal
from viz.viewer.messages import Edited
from viz.viewer.model import Model

WHERE = projection(Camera(), MAZE.shape, Rect(40, 20, 500, 330))


def world(mark: MapMark) -> tuple[float, float]:
    return WHERE.world(mark.x, mark.y)


def test_goal_on_top_then_subgoals_then_the_agent() -> None:
    marks = map_marks(view(step=45), model(), 0, WHERE)
    assert [(mark.kind, mark.level) for mark in marks] == [
        ("goal", 0), ("subgoal", 2), ("subgoal", 3), ("agent", 0), ("start", 0),
    ]  # fmt: skip
    goal, pinned, planned, agent, start = map(world, marks)
    assert goal == pytest.approx((28, 0)) and start == pytest.approx((0, 0)) and pinned == pytest.approx((8, 4))
    assert agent == pytest.approx(way()[45].tolist(), abs=1e-4)
    assert planned == pytest.approx(shown_views(view(step=45), model(), 0)[2].subgoal.tolist(), abs=1e-4)


def test_before_anything_is_known() -> None:
    marks = map_marks(view(step=45), Model(), 0, WHERE)
    assert [(mark.kind, mark.level) for mark in marks] == [("goal", 0), ("subgoal", 2), ("agent", 0), ("start", 0)]
    assert agent_place(view(), Model(), 0) == document().start
    assert map_marks(view(), Model(), 3, WHERE)  # a run that is not there


def test_a_subgoal_is_pinned_planned_or_missing() -> None:
    views = shown_views(view(step=45), model(), 0)
    assert subgoal(document(), views, 2) == (8.0, 4.0)
    assert np.array_equal(subgoal(document(), views, 3), views[2].subgoal)  # type: ignore[arg-type]
    assert subgoal(document(), views, 4) is None


def test_a_run_that_has_ended_stays_at_its_end() -> None:
    assert shown_step(view(step=STEPS + 50), model(), 0) == STEPS
    assert agent_place(view(step=STEPS + 50), model(), 0) == pytest.approx(way()[STEPS].tolist())


def test_the_document_shown_is_the_newest_until_it_has_a_past() -> None:
    told, edited = model(), document().with_pin(3, (20.0, 8.0))
    state = replace(view(step=10), document=edited)
    assert shown_document(state, told, 0) == edited  # not in force yet: seen at once
    told.absorb([Edited(0, 60, edited)])
    assert shown_document(state, told, 0) == document()
    assert shown_document(replace(state, step=60), told, 0) == edited
    assert shown_document(replace(state, step=STEPS), told, 0) == edited
