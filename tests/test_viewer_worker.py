"""A session in a process of its own: it never holds anything up, and it always ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from viz.viewer.document import Document, Setup, Zones
from viz.viewer.messages import Advance, Apply, AskField, Began, Edited, Field, Notice, Report, Request, Stepped
from viz.viewer.worker import Inbox, Inline, Worker, _answer
from worlds.maps import Map

PATIENCE = 60.0
LANE = Map.parse("#########\n#.......#\n#########", "lane")
DOCUMENT = Document(LANE, Zones.none(LANE.shape), (0.0, 0.0), (24.0, 0.0), (Setup("map", 2, ("cem", "landmarks")),))


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.close()


def heard(worker: Worker, enough: Callable[[list[Report]], bool]) -> list[Report]:
    """What is reported until it is enough."""
    reports: list[Report] = []
    deadline = time.monotonic() + PATIENCE
    while not enough(reports):
        assert time.monotonic() < deadline, reports
        reports += worker.poll()
        time.sleep(0.002)
    return reports


def walked(reports: list[Report]) -> int:
    return sum(len(report.observations) for report in reports if isinstance(report, Stepped))


def test_it_reports_what_a_session_here_does(worker: Worker) -> None:
    begun = time.monotonic()
    worker.send([Apply(DOCUMENT), Advance(30)])
    assert worker.poll() == [] and time.monotonic() - begun < 0.5  # nothing waits for the child
    reports = heard(worker, lambda reports: walked(reports) >= 30)
    inline = Inline()
    inline.send([Apply(DOCUMENT), Advance(30)])
    here = inline.poll()
    trails = [[r.observations for r in told if isinstance(r, Stepped)] for told in (reports, here)]
    assert np.array_equal(np.concatenate(trails[0]), np.concatenate(trails[1]))
    assert isinstance(reports[0], Began) and reports[0].document == DOCUMENT and worker.alive


def test_an_edit_overtakes_the_steps_still_to_be_walked(worker: Worker) -> None:
    worker.send([Apply(replace(DOCUMENT, episode=1))])
    heard(worker, lambda reports: any(isinstance(report, Began) for report in reports))
    worker.send([Advance(110)])
    worker.send([Apply(replace(DOCUMENT, episode=1, goal=(12.0, 0.0))), AskField(0, "heat", 2)])
    reports = heard(worker, lambda reports: any(isinstance(report, Field) for report in reports))
    (edited,) = [report for report in reports if isinstance(report, Edited)]
    assert edited.step < 100 and walked(reports) < 100
    worker.send([Advance(100)])
    last = heard(worker, lambda reports: any(isinstance(r, Stepped) and r.status == "arrived" for r in reports))
    assert walked(last) > 0


def test_steps_that_nobody_can_walk_are_dropped(worker: Worker) -> None:
    worker.send([Apply(replace(DOCUMENT, goal=(900.0, 0.0), episode=2)), Advance(50)])
    reports = heard(worker, lambda reports: len([r for r in reports if isinstance(r, Stepped)]) >= 2)
    assert walked(reports) == 0
    worker.send([Apply(replace(DOCUMENT, episode=2)), Advance(1)])
    assert walked(heard(worker, lambda reports: walked(reports) > 0)) == 1
    time.sleep(0.1)
    assert walked(worker.poll()) == 0


def test_it_ends_when_it_is_closed_even_before_it_has_begun() -> None:
    worker = Worker()
    begun = time.monotonic()
    worker.close()
    assert not worker.alive and time.monotonic() - begun < 3
    worker.send([Advance(1)])
    assert worker.poll() == []
    worker.close()


def test_a_child_that_dies_is_told_of_once() -> None:
    worker = Worker()
    worker._process.kill()
    (notice,) = heard(worker, bool)
    assert isinstance(notice, Notice) and notice.urgent and "exit code -9" in notice.text
    worker.send([Advance(1)])
    assert worker.poll() == [] and not worker.alive
    worker.close()


def test_a_busy_child_is_ended_by_force(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker()
    monkeypatch.setattr("viz.viewer.worker.GRACE", 0.05)
    os.kill(worker._process.pid or 0, signal.SIGSTOP)  # as deaf as can be
    worker.close()
    assert worker._process.exitcode is not None


def test_a_child_does_not_outlive_a_window_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "window.py"
    script.write_text(
        "import time\nfrom viz.viewer.worker import Worker\n"
        "if __name__ == '__main__':\n    print(Worker()._process.pid, flush=True)\n    time.sleep(60)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True, env=environment) as window:
        assert window.stdout is not None
        child = int(window.stdout.readline())
        window.kill()
    deadline = time.monotonic() + PATIENCE
    while _runs(child):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")  # nobody may reap it


def test_the_window_needs_no_torch() -> None:
    code = "import sys, viz.viewer.worker, viz.viewer.model; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class Recorder:
    """In the place of a session: says in which order it was asked for what."""

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def handle(self, requests: Iterator[Request]) -> list[Report]:
        given = list(requests)
        self.asked += given
        nowhere = np.zeros((1, 2), np.float32)
        return [Stepped(0, 0, nowhere, (), 0.0, 0, "running") for request in given if isinstance(request, Advance)]


class Ear:
    """In the place of a pipe: hears so many reports, sends a request with the first, and then breaks."""

    def __init__(self, inbox: Inbox, left: int) -> None:
        self.inbox, self.left = inbox, left

    def send(self, reports: list[Report]) -> None:
        if self.left == 3:
            self.inbox.put([AskField(0, "heat", 2)])
        self.left -= 1
        if self.left == 0:
            raise BrokenPipeError


def test_a_long_walk_is_cut_into_steps_and_other_requests_come_between() -> None:
    inbox: Inbox = Inbox()
    inbox.put([Advance(2), Apply(DOCUMENT)])
    inbox.put([Advance(5)])
    session = Recorder()
    with pytest.raises(BrokenPipeError):
        _answer(session, inbox, Ear(inbox, 3))  # type: ignore[arg-type]
    assert session.asked == [Apply(DOCUMENT), Advance(1), AskField(0, "heat", 2), Advance(1), Advance(1)]


def test_inline_answers_in_order_until_it_is_closed() -> None:
    inline = Inline()
    inline.send([Apply(DOCUMENT), Advance(2), Apply(replace(DOCUMENT, goal=(8.0, 0.0)))])
    assert [report.step for report in inline.poll() if isinstance(report, Edited)] == [2] and inline.alive
    assert inline.poll() == []
    inline.close()
    inline.send([Advance(2)])
    assert inline.poll() == [] and not inline.alive
