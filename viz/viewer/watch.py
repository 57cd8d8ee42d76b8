"""What happens to an agent that no planner tells of: surprises, and guardrails that it has run into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from planners.trace import Decision, LevelView, Points
from viz.viewer.recording import SPEED, SURPRISE, expected


class Watch:
    """Compares what every level imagined with what came of it.

    Args:
        strides: of the levels, finest first; world steps.
    """

    def __init__(self, strides: Sequence[int]) -> None:
        self._allowed = [SURPRISE + SPEED * stride for stride in strides]
        self._made: dict[int, tuple[int, LevelView]] = {}
        self._events: list[str] = []
        self._inside = False

    def look(self, step: int, seen: Points, in_guardrail: bool) -> None:
        """Notes what there is to see at one world step: each surprise once per plan, each guardrail once per visit."""
        for level, (made, view) in list(self._made.items()):
            imagined = expected(view, step - made)
            if imagined is not None and np.linalg.norm(imagined - seen) > self._allowed[level - 1]:
                self._events.append(f"surprise {level}")
                del self._made[level]
        if in_guardrail and not self._inside:
            self._events.append("guardrail 0")
        self._inside = in_guardrail

    def complete(self, decision: Decision) -> Decision:
        """The decision with what was noted since the last one; from now on its new plans are compared."""
        held = False
        for level, view in enumerate(decision.levels, 1):
            held = held or view.pinned
            if held:  # this level, and those above, wait: the agent goes where a hand has pointed
                self._made.pop(level, None)
            elif view.age == 0:
                self._made[level] = (decision.step, view)
        events, self._events = (*decision.events, *self._events), []
        return replace(decision, events=events)
