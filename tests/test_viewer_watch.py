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


def place(x: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.array([x, 0], np.float32)


def events(watch: Watch, step: int, *views: LevelView) -> tuple[str, ...]:
    return watch.complete(Decision(step, views, ("replan 2",))).events


def test_a_surprise_is_what_the_stride_does_not_explain_and_is_told_once_per_plan() -> None:
    watch = Watch([1, 10])
    assert events(watch, 0, a_view(), a_view()) == ("replan 2",)
    watch.look(50, place(10 - SURPRISE), False)
    assert events(watch, 50, a_view(50), a_view(50)) == ("replan 2",)
    for step in (51, 52):
        watch.look(step, place(step * SPEED - SURPRISE - 5 * SPEED), False)  # too far for level 1, not for level 2
    assert events(watch, 52, a_view(52), a_view(52)) == ("replan 2", "surprise 1")
    watch.look(53, place(53 * SPEED - SURPRISE - 11 * SPEED), False)
    assert events(watch, 53, a_view(), a_view(53)) == ("replan 2", "surprise 2")
    watch.look(54, place(SPEED + SURPRISE + 2 * SPEED), False)
    assert events(watch, 54, a_view(1), a_view(54)) == ("replan 2", "surprise 1")  # of its new plan


def test_who_waits_for_a_pin_is_not_surprised() -> None:
    watch = Watch([1, 10, 60])
    events(watch, 0, a_view(), a_view(), a_view())
    events(watch, 4, a_view(4), a_view(4, pinned=True), a_view(4))
    watch.look(90, place(0), False)
    assert events(watch, 90, a_view(), a_view(90), a_view(90)) == ("replan 2", "surprise 1")


def test_a_plan_without_times_surprises_nobody() -> None:
    watch = Watch([1])
    plan = np.zeros((2, 2), np.float32)
    events(watch, 0, LevelView(plan, plan[0]))
    watch.look(1, place(1000), False)
    assert events(watch, 1, a_view(1)) == ("replan 2",)


def test_a_guardrail_is_told_of_when_it_is_entered() -> None:
    watch, told = Watch([1]), []
    for step, inside in enumerate((False, True, True, False, True)):
        watch.look(step, place(step * SPEED), inside)
        told.append("guardrail 0" in events(watch, step, a_view()))
    assert told == [False, True, False, False, True]
