"""All that the viewer knows: the recordings, fields and notices that the session has reported so far."""

from __future__ import annotations

from collections.abc import Iterable

from viz.viewer.document import Document, Point
from viz.viewer.messages import (
    Began,
    Edited,
    Field,
    FieldName,
    Fork,
    LevelFacts,
    Loaded,
    Notice,
    PinReached,
    Probed,
    Report,
    Stepped,
)
from viz.viewer.recording import Recording

MOST_FIELDS = 64
FieldKey = tuple[FieldName, int, str, Point | None]


class Run:
    """What is known of one configuration.

    Attributes:
        recording: of the present episode; None until it has begun.
        loaded: whether its agent is there.
        sees_map: whether that agent knows the walls.
        levels: facts about its levels, finest first.
        forks: where it believes that a latent variable decides.
        probe: the newest answer to "what would the plan be from here?".
    """

    def __init__(self) -> None:
        self.recording: Recording | None = None
        self.loaded, self.sees_map = False, False
        self.levels: tuple[LevelFacts, ...] = ()
        self.forks: tuple[Fork, ...] = ()
        self.probe: Probed | None = None
        self._fields: dict[FieldKey, Field] = {}

    @property
    def last(self) -> int:
        """The newest world step; 0 before anything has happened."""
        return self.recording.last if self.recording is not None else 0

    def field(self, name: FieldName, level: int, document: Document) -> Field | None:
        """A field, if it is known for just this document: its map version, and for a heat map its goal."""
        return self._fields.get(_key(name, level, document.version, document.goal))

    def fields(self) -> list[Field]:
        """All fields that are known, whatever document they are for."""
        return list(self._fields.values())

    def keep(self, field: Field) -> None:
        """Keeps a field; the oldest go when there are many."""
        self._fields[_key(field.name, field.level, field.version, field.goal)] = field
        while len(self._fields) > MOST_FIELDS:
            del self._fields[next(iter(self._fields))]


def _key(name: FieldName, level: int, version: str, goal: Point) -> FieldKey:
    return name, level, version, goal if name == "heat" else None


class Model:
    """What the session has told; grows by :meth:`absorb` and by nothing else.

    Attributes:
        runs: one, or two where configurations are compared.
        notices: that came with the latest reports.
        revision: counts reports, so that a picture is drawn anew only when there is something new to see.
    """

    def __init__(self) -> None:
        self.runs: list[Run] = [Run()]
        self.notices: list[Notice] = []
        self.revision = 0

    def run(self, number: int) -> Run:
        """A run by number; an empty one where it has not reported yet."""
        return self.runs[number] if number < len(self.runs) else Run()

    @property
    def last(self) -> int:
        """The newest world step of any run."""
        return max(run.last for run in self.runs)

    def absorb(self, reports: Iterable[Report]) -> None:
        """Takes in what the session has reported."""
        for report in reports:
            self.revision += 1
            if isinstance(report, Notice):
                self.notices.append(report)
                continue
            while report.run >= len(self.runs):
                self.runs.append(Run())
            _absorb(self.runs[report.run], report)

    def forget(self, runs: int) -> None:
        """Keeps the first ``runs`` runs only: the comparison is over."""
        del self.runs[runs:]


def _absorb(run: Run, report: Report) -> None:
    match report:
        case Loaded():
            run.loaded, run.sees_map = True, report.sees_map
            run.levels, run.forks = report.levels, report.forks
        case Began():
            run.recording, run.probe = Recording(report.document, report.observation), None
        case Edited() if run.recording is not None:
            run.recording.edit(report.step, report.document)
            run.probe = None
        case Stepped() if run.recording is not None:
            run.recording.extend(report.observations, report.decisions)
            run.recording.finish(report.status)
            run.recording.seconds += report.seconds
            run.recording.calls += report.calls
        case Field():
            run.keep(report)
        case Probed():
            run.probe = report
        case PinReached() if run.recording is not None:
            run.recording.let_go(report.level)
