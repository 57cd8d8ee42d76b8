"""A session in a process of its own, so that no planner ever holds up the window; or in this one, for tests.

The child imports what plans (torch, numba); this module, which the window imports, does not. The child is spawned, and
a spawned process imports the main script anew: a script that makes a :class:`Worker` needs the usual guard,
``if __name__ == "__main__":``.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

from viz.viewer.messages import Advance, Notice, Report, Request, Stepped

if TYPE_CHECKING:
    from viz.viewer.session import Session

GRACE = 0.5
"""Seconds that the child has to end by itself."""
Inbox = SimpleQueue[list[Request]]
"""What the child has been sent."""


class Worker:
    """A session in a child process. Nothing here waits for it, but for :meth:`close`.

    The session takes its time for each world step; what else is asked for overtakes the steps still to be walked.
    """

    def __init__(self) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), name="session", daemon=True)
        self._process.start()
        theirs.close()
        self._lost: list[Report] = []
        self._open = True

    @property
    def alive(self) -> bool:
        """Whether the child is there."""
        return self._open and self._process.is_alive()

    def send(self, requests: Iterable[Request]) -> None:
        """Passes requests on; if the child is gone, the next :meth:`poll` says so."""
        try:
            if self._open:
                self._pipe.send(list(requests))
        except OSError:
            self._lose()

    def poll(self) -> list[Report]:
        """What has been reported since the last call."""
        reports: list[Report] = []
        try:
            while self._open and self._pipe.poll():
                reports += self._pipe.recv()
        except (EOFError, OSError):
            self._lose()
        lost, self._lost = self._lost, []
        return reports + lost

    def close(self) -> None:
        """Ends the child, which has nothing to lose: by closing its pipe, and where it does not notice, by force."""
        if self._open:
            self._open = False
            self._pipe.close()
        self._process.join(GRACE)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join(GRACE)
        if self._process.is_alive():
            self._process.kill()
        self._process.join()

    def _lose(self) -> None:
        """The child is gone: said once, and never asked again."""
        self._open = False
        self._pipe.close()
        self._process.join(GRACE)
        code = self._process.exitcode
        self._lost = [Notice(f"the session has ended (exit code {code}); what was recorded can still be seen", True)]


class Inline:
    """A session in this process: requests are answered at once, in order, before :meth:`send` returns."""

    def __init__(self) -> None:
        from viz.viewer.session import Session

        self._session: Session | None = Session()
        self._reports: list[Report] = []

    @property
    def alive(self) -> bool:
        """Whether it has not been closed."""
        return self._session is not None

    def send(self, requests: Iterable[Request]) -> None:
        """Answers requests."""
        if self._session is not None:
            self._reports += self._session.handle(requests)

    def poll(self) -> list[Report]:
        """What has been reported since the last call."""
        reports, self._reports = self._reports, []
        return reports

    def close(self) -> None:
        """Answers no more."""
        self._session = None


def _serve(pipe: Connection) -> None:
    """The child's life: listens in a thread, so that the window's sending never has to wait."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the window, which then closes the pipe
    inbox: Inbox = SimpleQueue()
    Thread(target=_listen, args=(pipe, inbox), daemon=True).start()
    from hjepa.threads import use_one_thread
    from viz.viewer.session import Session

    use_one_thread()

    with suppress(OSError):  # the window may be gone just when it is to be told
        _answer(Session(), inbox, pipe)


def _listen(pipe: Connection, inbox: Inbox) -> None:
    """Takes in requests until the window is gone; then nothing is left to be done, however busy the session is."""
    with suppress(EOFError, OSError):
        while True:
            inbox.put(pipe.recv())
    os._exit(0)


def _answer(session: Session, inbox: Inbox, pipe: Connection) -> None:
    """Answers for ever: one world step at a time, and before each whatever else was asked."""
    steps = 0
    while True:
        requests = _received(inbox, wait=steps == 0)
        steps += sum(request.steps for request in requests if isinstance(request, Advance))
        reports = session.handle(request for request in requests if not isinstance(request, Advance))
        if steps:
            walked = session.handle([Advance(1)])
            moved = any(isinstance(report, Stepped) and len(report.observations) for report in walked)
            steps = steps - 1 if moved else 0
            reports += walked
        if reports:
            pipe.send(reports)


def _received(inbox: Inbox, wait: bool) -> list[Request]:
    """All requests that have come; where none has, waits for one if asked to."""
    requests = inbox.get() if wait else []
    with suppress(Empty):
        while True:
            requests += inbox.get_nowait()
    return requests
