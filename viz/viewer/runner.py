"""One run of a session: episodes on documents that change, told as reports."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from planners.trace import Decision
from viz.viewer.agents import Library
from viz.viewer.document import Document, Point
from viz.viewer.driver import Driver
from viz.viewer.messages import AskField, Began, Edited, Notice, PinReached, Probed, Report, Stepped
from viz.viewer.world import World, on_floor

RUNNING, ARRIVED, LATE, WAITING = "running", "arrived", "out of time", "waiting: "


class Runner:
    """One configuration on one document.

    Nothing that it is asked raises: what can't be done is told in an urgent notice, and the run waits.

    Args:
        number: of the run.
        library: of trained agents.
    """

    _document: Document
    _world: World

    def __init__(self, number: int, library: Library) -> None:
        self.number, self._driver = number, Driver(number, library)
        self._status = self._told = RUNNING
        self._step = self._limit = 0
        self._reached: dict[int, Point] = {}

    # --- documents -------------------------------------------------------------------------------------------------

    def begin(self, document: Document) -> list[Report]:
        """Begins an episode on a document; of the one before, nothing is left but the agent."""
        self._document, self._world, self._step = document, World(document), 0
        self._status = self._told = RUNNING
        self._reached, self._driver.actor = {}, None
        return [Began(self.number, document, document.start), *self._prepare()]

    def apply(self, document: Document) -> list[Report]:
        """Makes a document the present one, between two world steps."""
        document = self._without_reached(document)
        before, self._document = self._document, document
        if self._own(before) == self._own(document):
            return []
        if _episode(before) != _episode(document):
            return self.begin(document)
        self._world.change(document)
        return [Edited(self.number, self._step, document), *self._prepare()]

    def _prepare(self) -> list[Report]:
        reports: list[Report] = []
        try:
            for report in self._driver.prepare(self._document, self._world):
                reports.append(report)
            self._limit = self._step + self._world.allowance()  # after an edit, time counts anew
            self._status = ARRIVED if self._status == ARRIVED and self._world.arrived else RUNNING
        except Exception as error:  # whatever files and planners come up with, the viewer goes on
            reports += self._wait(error)
        return reports + self._tell()

    def _own(self, document: Document) -> Document:
        """The document, as far as it concerns this run."""
        return replace(document, setups=document.setups[self.number : self.number + 1])

    def _without_reached(self, document: Document) -> Document:
        """A pin that has been reached stays let go of, until it is set anew or taken away."""
        pins = {pin.level: pin.place for pin in document.pins}
        self._reached = {level: place for level, place in self._reached.items() if pins.get(level) == place}
        return replace(document, pins=tuple(pin for pin in document.pins if pin.level not in self._reached))

    # --- time ------------------------------------------------------------------------------------------------------

    def advance(self, steps: int) -> list[Report]:
        """Goes on for so many world steps, or until there is nothing more to do; answers in any case."""
        begun, seen = self._step, []
        decisions: list[Decision] = []
        more: list[Report] = []
        seconds, calls = self._driver.seconds, self._driver.calls
        try:
            while self._status == RUNNING and self._step < begun + steps:
                decision = self._driver.act(self._world, self._step)
                seen.append(self._world.seen)
                self._step += 1
                self._status = ARRIVED if self._world.arrived else LATE if self._step >= self._limit else RUNNING
                if decision is not None:
                    decisions.append(decision)
                    more += self._let_go(decision)
        except Exception as error:
            more += self._wait(error)
        self._told = self._status
        seconds, calls = self._driver.seconds - seconds, self._driver.calls - calls
        observations = np.array(seen, np.float32).reshape(-1, 2)
        stepped = Stepped(self.number, begun, observations, tuple(decisions), seconds, calls, self._status)
        return [stepped, *more]

    def _let_go(self, decision: Decision) -> list[Report]:
        """Pins that the agent has come to."""
        levels = [int(event.split()[1]) for event in decision.events if event.startswith("pin-reached ")]
        for level in levels:
            pin = self._document.pin(level)
            if pin is not None:
                self._reached[level] = pin.place
            self._document = self._document.with_pin(level, None)
            self._driver.let_go(level)
        return [PinReached(self.number, level) for level in levels]

    # --- questions -------------------------------------------------------------------------------------------------

    def field(self, ask: AskField) -> list[Report]:
        """A field as the agent knows it; nothing while there is no agent."""
        field = self._driver.field(ask, self._document)
        return [] if field is None else [field]

    def probe(self, place: Point) -> list[Report]:
        """What the plan would be from another place; nothing while nothing can move."""
        actor = self._driver.actor
        if actor is None:
            return []
        if not on_floor(self._document.map, place):
            return [Notice("there is no plan from inside a wall")]
        decision = actor.plan_from(np.array(place, np.float32))
        return [Probed(self.number, place, self._document.version, decision)]

    def replan(self, level: int) -> list[Report]:
        """Makes a level plan anew at its next look."""
        if self._driver.actor is not None:
            self._driver.actor.forget(level)
        return []

    # --- what goes wrong -------------------------------------------------------------------------------------------

    def _wait(self, error: Exception) -> list[Report]:
        """Until a person changes something; says why, where it is something new."""
        self._driver.actor = None
        before, self._status = self._status, WAITING + one_line(error)
        return [Notice(one_line(error), urgent=True)] if self._status != before else []

    def _tell(self) -> list[Report]:
        """The status, where it has changed without a world step."""
        if self._status == self._told:
            return []
        return self.advance(0)


def _episode(document: Document) -> tuple[object, ...]:
    """What begins a new episode when it changes."""
    return document.start, document.seed, document.episode


def one_line(error: Exception) -> str:
    """What went wrong, for a banner; of an error that is none of ours, with its kind."""
    text = " ".join(str(error).split())
    return text if isinstance(error, ValueError) and text else f"{type(error).__name__}: {text}".rstrip(": ")
