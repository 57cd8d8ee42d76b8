"""Surprises and guardrails, as they are noticed between decisions."""

from __future__ import annotations

import numpy as np

from planners.trace import Decision, LevelView
from viz.viewer.recording import SPEED, SURPRISE
from viz.viewer.watch import Watch


def a_view(age: int = 0, pinned: bool = False) -> LevelView:
    """Straight along x at full speed."""
    plan = np.array([[0, 0], [20, 0]], np.float32)
    return LevelView(plan, plan[1], age, arrival=np.array([0, 100], np.float32) - np.float32(age), pinned=pinned)


REACH = SPEED * 2**0.5


def place(x: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.array([x, 0], np.float32)


def events(watch: Watch, step: int, *views: LevelView) -> tuple[str, ...]:
    return watch.complete(Decision(step, views, ("replan 2",))).events


def test_a_surprise_is_what_times_do_not_explain_and_is_told_once_per_plan() -> None:
    """The plan leads from 0 to its end in 100 steps: before that, the agent may take any way that is in time."""
    watch, end = Watch(), float(a_view().plan[1][0])
    assert events(watch, 0, a_view(), a_view()) == ("replan 2",)
    watch.look(50, place(end - REACH * 50), False)
    assert events(watch, 50, a_view(50), a_view(50)) == ("replan 2",)
    for step in (99, 100):
        watch.look(step, place(end - REACH * (100 - step) - SURPRISE - 0.1), False)
    assert events(watch, 100, a_view(), a_view(100)) == ("replan 2", "surprise 1", "surprise 2")
    watch.look(101, place(0.1), False)
    assert events(watch, 104, a_view(4), a_view(104)) == ("replan 2",)  # the new plan has time


def test_who_waits_for_a_pin_is_not_surprised() -> None:
    watch = Watch()
    events(watch, 0, a_view(), a_view(), a_view())
    events(watch, 4, a_view(4), a_view(4, pinned=True), a_view(4))
    watch.look(90, place(0), False)
    assert events(watch, 90, a_view(), a_view(90), a_view(90)) == ("replan 2", "surprise 1")


def test_a_plan_without_times_surprises_nobody() -> None:
    watch = Watch()
    plan = np.zeros((2, 2), np.float32)
    events(watch, 0, LevelView(plan, plan[0]))
    watch.look(1, place(1000), False)
    assert events(watch, 1, a_view(1)) == ("replan 2",)


def test_a_guardrail_is_told_of_when_it_is_entered() -> None:
    watch, told = Watch(), []
    for step, inside in enumerate((False, True, True, False, True)):
        watch.look(step, place(step * SPEED), inside)
        told.append("guardrail 0" in events(watch, step, a_view()))
    assert told == [False, True, False, False, True]
