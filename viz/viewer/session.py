"""A session: worlds, agents and their edits behind messages. Requests in, reports out; it knows no window and no time.

The same requests make the same reports, apart from the seconds that planning took.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from viz.viewer.agents import Library
from viz.viewer.document import Document
from viz.viewer.messages import Advance, Apply, AskField, AskProbe, Notice, Replan, Report, Request
from viz.viewer.runner import Runner, one_line


class Session:
    """Runs documents: one world and one agent for each of a document's setups.

    Nothing that it is asked raises. What can't be done is told in an urgent notice.
    """

    def __init__(self) -> None:
        self._library = Library()
        self._runners: list[Runner] = []

    def handle(self, requests: Iterable[Request]) -> list[Report]:
        """Does what is asked, in order; of documents that follow each other at once, only the last counts."""
        reports: list[Report] = []
        for request in _without_superseded(requests):
            try:
                reports += self._answer(request)
            except Exception as error:  # the window that asked must live on, whatever happens here
                reports.append(Notice(one_line(error), urgent=True))
        return list(_without_repeats(reports))

    def _answer(self, request: Request) -> list[Report]:
        match request:
            case Apply():
                return self._apply(request.document)
            case Advance():
                return [report for runner in self._runners for report in runner.advance(request.steps)]
            case AskField():
                return [report for runner in self._asked(request.run) for report in runner.field(request)]
            case AskProbe():
                return [report for runner in self._asked(request.run) for report in runner.probe(request.place)]
            case Replan():
                return [report for runner in self._asked(request.run) for report in runner.replan(request.level)]

    def _apply(self, document: Document) -> list[Report]:
        del self._runners[len(document.setups) :]
        missing = range(len(self._runners), len(document.setups))
        if not missing:
            return [report for runner in self._runners for report in runner.apply(document)]
        self._runners += [Runner(number, self._library) for number in missing]
        return [report for runner in self._runners for report in runner.begin(document)]  # all from the same start

    def _asked(self, run: int) -> list[Runner]:
        """The runner of a number; none where its run has just been dropped."""
        return self._runners[run : run + 1]


def _without_superseded(requests: Iterable[Request]) -> Iterator[Request]:
    waiting: Apply | None = None
    for request in requests:
        if waiting is not None and not isinstance(request, Apply):
            yield waiting
        waiting = request if isinstance(request, Apply) else None
        if waiting is None:
            yield request
    if waiting is not None:
        yield waiting


def _without_repeats(reports: Iterable[Report]) -> Iterator[Report]:
    """Two runs with the same trouble say so once."""
    said: set[Notice] = set()
    for report in reports:
        if isinstance(report, Notice):
            if report in said:
                continue
            said.add(report)
        yield report
