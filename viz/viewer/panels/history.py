"""What a level had in mind over a whole recording, as arrays that grow with it: for charts and the time line."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planners.trace import LevelView, Points
from viz.viewer.recording import Recording, unexplained

Array = NDArray[np.float64]


class History:
    """One level of one recording.

    Args:
        recording: what is read; only what is new in it, from one :meth:`update` to the next.
        level: which level.

    Attributes:
        steps: [D] world steps of the decisions.
        terms: name to [D] energy of that term; world steps.
        starts: [P] world steps at which the level planned.
        gap: [T + 1] world units between imagined and actual, by world step.
    """

    def __init__(self, recording: Recording, level: int) -> None:
        self.recording, self.level = recording, level
        self._steps: list[int] = []
        self._terms: dict[str, list[float]] = {}
        self._starts: list[int] = []
        self._read, self._planned = 0, 0
        self.gap: Array = np.zeros(0)

    @property
    def steps(self) -> Array:
        """[D] world steps of the decisions."""
        return np.array(self._steps, dtype=np.float64)

    @property
    def terms(self) -> dict[str, Array]:
        """Name to [D] energy of that term; world steps."""
        return {name: np.array(values) for name, values in self._terms.items()}

    @property
    def starts(self) -> Array:
        """[P] world steps at which the level planned."""
        return np.array(self._starts, dtype=np.float64)

    def update(self) -> History:
        """Reads what has been recorded since the last time."""
        decisions, numbers = self.recording.decisions, self.recording.plannings(self.level)
        for decision in decisions[self._read :]:
            if self.level <= len(decision.levels):
                self._add(decision.step, decision.levels[self.level - 1])
        self._starts += [decisions[number].step for number in numbers[self._planned :]]
        if len(self.gap) <= self.recording.last or self._read < len(decisions):
            self._extend_gap()
        self._read, self._planned = len(decisions), len(numbers)
        return self

    def _add(self, step: int, view: LevelView) -> None:
        self._steps.append(step)
        for name in view.terms:
            self._terms.setdefault(name, [0.0] * (len(self._steps) - 1))
        for name, values in self._terms.items():
            value = float(view.terms.get(name, 0.0))
            values.append(value if 0 < value < np.inf else 0.0)

    def _extend_gap(self) -> None:
        """Works out the gap from the newest step known on: a decision taken there may have come only now."""
        first = max(0, len(self.gap) - 1)
        steps = np.arange(first, self.recording.last + 1)
        before = max(0, int(np.searchsorted(self._starts, first, side="right")) - 1)
        plans = [self._plan(number) for number in self.recording.plannings(self.level)[before:]]
        which = np.searchsorted(self._starts[before:], steps, side="right") - 1
        places = self.recording.trail(self.recording.last)[first:]
        self.gap = np.concatenate([self.gap[:first], _gaps(plans, which, steps, places)])

    def _plan(self, number: int) -> tuple[int, LevelView]:
        decision = self.recording.decisions[number]
        return decision.step, decision.levels[self.level - 1]


def _gaps(
    plans: list[tuple[int, LevelView]], which: NDArray[np.intp], steps: NDArray[np.int_], places: Points
) -> Array:
    """[T] gaps between the plans in force at [T] steps and where the agent was; 0 where there was no plan.

    All plans are looked up at once: their arrivals are laid end to end, too far apart to meet.
    """
    timed = [(step, view) for step, view in plans if len(view.arrival)]
    lengths = np.array([len(view.arrival) for _, view in plans], dtype=np.int64)
    known = (which >= 0) & (lengths[np.maximum(which, 0)] > 0) if plans else np.zeros(len(steps), np.bool_)
    gaps = np.zeros(len(steps))
    if not timed or not known.any():
        return gaps
    arrivals = np.concatenate([view.arrival for _, view in timed]).astype(np.float64)
    states = np.concatenate([view.plan for _, view in timed])
    ends = np.cumsum([len(view.arrival) for _, view in timed])
    begins = ends - [len(view.arrival) for _, view in timed]
    row = (np.cumsum(lengths > 0) - 1)[which[known]]
    elapsed = steps[known] - np.array([step for step, _ in timed])[row]
    apart = 2 * max(np.abs(arrivals).max(), np.abs(elapsed).max()) + 2
    keys = arrivals + apart * np.repeat(np.arange(len(timed)), ends - begins)
    due = np.searchsorted(keys, elapsed + apart * row, side="right") - 1
    before = np.clip(due, begins[row], ends[row] - 1)
    after = np.minimum(before + 1, ends[row] - 1)
    until = np.where(after > before, arrivals[after] - elapsed, np.inf)
    gaps[known] = unexplained(states[before], states[after], elapsed - arrivals[before], until, places[known])
    return gaps
