"""What happens to an agent that no planner tells of: surprises, and guardrails that it has run into."""

from __future__ import annotations

from dataclasses import replace

from planners.trace import Decision, LevelView, Points
from viz.viewer.recording import SURPRISE, gap_of


class Watch:
    """Compares what every level imagined with what came of it."""

    def __init__(self) -> None:
        self._made: dict[int, tuple[int, LevelView]] = {}
        self._events: list[str] = []
        self._inside = False

    def look(self, step: int, seen: Points, in_guardrail: bool) -> None:
        """Notes what there is to see at one world step: each surprise once per plan, each guardrail once per visit."""
        for level, (made, view) in list(self._made.items()):
            if gap_of(view, step - made, seen) > SURPRISE:
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
