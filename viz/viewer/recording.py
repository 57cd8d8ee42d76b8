"""Everything that happened in one run, by world step: grows while it is watched, and is looked up in no time.

Look-up is latched per level: at a world step a level shows its newest plan, with its age.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from planners.trace import Decision, Episode, Floats, LevelView, Points
from viz.viewer.document import Document

SURPRISE = 2.0
"""Gap between imagined and actual that is a surprise; world units."""
SPEED = 0.2
"""World units that an agent moves in a world step at most, along each axis."""

ENDS = {"arrived": "arrived", "out of time": "late"}
"""How an episode may end, and the mark of that."""


@dataclass(frozen=True)
class Mark:
    """Something that happened, for the time line.

    Attributes:
        step: when.
        kind: ``replan``, ``rejected``, ``guardrail``, ``surprise``, ``pinned``, ``edit``, ``arrived``, ``late``.
        level: whose; 0 where it is nobody's.
    """

    step: int
    kind: str
    level: int = 0


class Recording:
    """One run of one episode.

    Args:
        document: in force at the beginning.
        observation: [2] where the agent begins; world units.

    Attributes:
        documents: each with the world step from which on it was in force.
        decisions: in the order of their steps.
        marks: in the order of their steps.
        status: see :class:`viz.viewer.messages.Stepped`.
        seconds: of planning so far.
        calls: states passed through predictors so far.
    """

    def __init__(self, document: Document, observation: Iterable[float]) -> None:
        self._observations = np.empty((1024, 2), np.float32)
        self._observations[0] = tuple(observation)
        self._count = 1
        self.documents: list[tuple[int, Document]] = [(0, document)]
        self._steps: list[int] = []
        self._made: dict[int, list[int]] = {}  # per level, numbers of the decisions at which it planned
        self.decisions: list[Decision] = []
        self.marks: list[Mark] = []
        self.status, self.seconds, self.calls = "running", 0.0, 0

    @property
    def last(self) -> int:
        """The newest world step."""
        return self._count - 1

    @property
    def levels(self) -> int:
        """Levels of the newest decision; 0 before the first one."""
        return len(self.decisions[-1].levels) if self.decisions else 0

    def extend(self, observations: Points, decisions: Iterable[Decision]) -> None:
        """Adds [n, 2] observations of the next world steps, and the decisions that led to them."""
        self._grow(len(observations))
        self._observations[self._count : self._count + len(observations)] = observations
        self._count += len(observations)
        for decision in decisions:
            self._add(decision)

    def edit(self, step: int, document: Document) -> None:
        """From here on another document is in force."""
        self.documents.append((step, document))
        self.marks.append(Mark(step, "edit"))

    def let_go(self, level: int) -> None:
        """A pinned subgoal has been reached, and is no longer asked for."""
        self.documents.append((self.last, self.document(self.last).with_pin(level, None)))

    def finish(self, status: str) -> None:
        """Takes note of how the run stands, with a mark where the episode is over."""
        if status != self.status and status in ENDS:
            self.marks.append(Mark(self.last, ENDS[status]))
        self.status = status

    def observation(self, step: int) -> Points:
        """[2] where the agent was."""
        return self._observations[step]

    def trail(self, step: int) -> Points:
        """[step + 1, 2] where it has been so far."""
        return self._observations[: step + 1]

    def document(self, step: int) -> Document:
        """What was in force at a world step."""
        return self.documents[bisect_right(self.documents, step, key=lambda entry: entry[0]) - 1][1]

    def number(self, step: int) -> int:
        """The number of the newest decision at or before a world step; -1 before the first one."""
        return bisect_right(self._steps, step) - 1

    def decision(self, step: int) -> Decision | None:
        """The newest decision at or before a world step."""
        number = self.number(step)
        return self.decisions[number] if number >= 0 else None

    def view(self, level: int, step: int) -> LevelView | None:
        """What a level had in mind: its newest plan, its age brought up to date."""
        decision = self.decision(step)
        if decision is None or level > len(decision.levels):
            return None
        view = decision.levels[level - 1]
        return replace(view, age=view.age + step - decision.step)

    def made(self, level: int, step: int) -> Decision | None:
        """The decision at which a level's plan of that moment was made; its view tells how (``work``)."""
        numbers = self._made.get(level, [])
        place = bisect_right(numbers, self.number(step)) - 1
        return self.decisions[numbers[place]] if place >= 0 else None

    def plannings(self, level: int) -> list[int]:
        """Numbers of the decisions at which a level made a plan."""
        return self._made.get(level, [])

    def imagined(self, level: int, step: int) -> Points | None:
        """[2] where the level's plan of that moment, when it was made, had the agent to be by now."""
        decision = self.made(level, step)
        if decision is None or level > len(decision.levels):
            return None
        return expected(decision.levels[level - 1], step - decision.step)

    def gap(self, level: int, step: int) -> float:
        """World units between where the level imagined the agent and where it is (see :func:`gap_of`)."""
        decision = self.made(level, step)
        if decision is None or level > len(decision.levels):
            return 0.0
        return gap_of(decision.levels[level - 1], step - decision.step, self._observations[step])

    def episode(self, title: str = "") -> Episode:
        """What was recorded so far, for a figure."""
        document = self.document(self.last)
        arrived = self.status == "arrived"
        return Episode(self.trail(self.last), np.array(document.goal, np.float32), arrived, self.decisions, title)

    def _add(self, decision: Decision) -> None:
        number = len(self.decisions)
        self.decisions.append(decision)
        self._steps.append(decision.step)
        for level, view in enumerate(decision.levels, 1):
            if view.age == 0 or not self._made.get(level):
                self._made.setdefault(level, []).append(number)
        for event in decision.events:
            kind, _, whose = event.rpartition(" ")
            self.marks.append(Mark(decision.step, kind or event, int(whose) if whose.isdigit() else 0))

    def _grow(self, more: int) -> None:
        if self._count + more > len(self._observations):
            larger = np.empty((2 * (self._count + more), 2), np.float32)
            larger[: self._count] = self._observations[: self._count]
            self._observations = larger


def expected(view: LevelView, elapsed: float) -> Points | None:
    """[2] where a plan had the agent to be some world steps after the decision; None where it doesn't say.

    Between two of the plan's states, on the straight line between them.
    """
    if len(view.arrival) == 0:
        return None
    return np.array([np.interp(elapsed, view.arrival, view.plan[:, axis]) for axis in (0, 1)], np.float32)


def gap_of(view: LevelView, elapsed: float, place: Points) -> float:
    """World units by which the agent is further from a plan than the plan's own times explain; 0 where it says nothing.

    A level imagines states a stride apart, and nothing between them. There an agent may be wherever it can have come to
    from the state before, and from where it can still reach the next one in time.
    """
    if len(view.arrival) == 0:
        return 0.0
    before = max(0, int(np.searchsorted(view.arrival, elapsed, side="right")) - 1)
    after = min(before + 1, len(view.arrival) - 1)
    since, until = elapsed - view.arrival[before], view.arrival[after] - elapsed
    return float(unexplained(view.plan[before], view.plan[after], since, until if after > before else np.inf, place))


def unexplained(before: ArrayLike, after: ArrayLike, since: ArrayLike, until: ArrayLike, places: ArrayLike) -> Floats:
    """[...] world units that remain of the distances to the states [..., 2] before and after.

    Args:
        before: the state due last.
        after: the state due next.
        since: [...] world steps since the one was due; below 0 counts as 0.
        until: [...] world steps until the other is due; infinite where there is none.
        places: [..., 2] where the agent is.
    """
    reach = SPEED * np.sqrt(2)  # along both axes at once
    late, early = (np.linalg.norm(np.subtract(places, state), axis=-1) for state in (before, after))
    return np.maximum(0, np.maximum(late - reach * np.maximum(since, 0), early - reach * np.asarray(until)))
