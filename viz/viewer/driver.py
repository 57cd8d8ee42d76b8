"""Who drives a run: the agent of its setup, and an actor that has heard of every edit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import cast

import numpy as np

from hjepa.actor import Actor
from hjepa.agent import Agent
from hjepa.planning import LevelPlanner
from planners.trace import Decision
from viz.viewer.agents import MAP, Library, believed, build, facts, forks, laid_over, unfit
from viz.viewer.document import Document, Point, Setup
from viz.viewer.fields import Sampler
from viz.viewer.messages import AskField, Field, Loaded, Notice, Report
from viz.viewer.watch import Watch
from viz.viewer.world import World, on_floor


class Driver:
    """An agent and its actor, brought up to date with a document by the least that has to be done.

    Args:
        run: its number.
        library: of trained agents.

    Attributes:
        agent: None until one was found.
        actor: None until it has begun, and after something went wrong.
        seconds: of planning so far.
        calls: states passed through predictors so far.
    """

    def __init__(self, run: int, library: Library) -> None:
        self.run, self._library = run, library
        self.agent: Agent | None = None
        self.actor: Actor | None = None
        self.seconds, self.calls = 0.0, 0
        self._watch = Watch()
        self._sampler: Sampler | None = None
        self._keys: dict[str, object] = {}
        self._pins: dict[int, Point] = {}
        self._said: list[Notice] = []

    def prepare(self, document: Document, world: World) -> Iterator[Report]:
        """Finds the agent, and instructs its actor.

        Raises:
            ValueError: where the document can't be run, in one line.
        """
        setup = document.setups[self.run]
        if self._is_new("agent", (setup.agent, document.map if setup.agent == MAP else None), self.agent):
            self.agent = None
            self.agent = build(document.map) if setup.agent == MAP else self._library.find(setup.agent)
            yield self._introduction(self.agent, document)
        assert self.agent is not None
        levels = max(1, min(setup.levels, len(self.agent.stack)))
        for fault in (unfit(self.agent, setup, levels), world.obstacle()):
            if fault is not None:
                raise ValueError(fault)
        yield from self._remarks(document, world, levels)
        self._instruct(self.agent, setup, levels, document)

    def _remarks(self, document: Document, world: World, levels: int) -> list[Notice]:
        """What a person should know, but can be tried nevertheless; said once, for as long as it holds."""
        remarks, wanted = [], document.setups[self.run].levels
        if self.agent is not None and levels != wanted:
            remarks.append(Notice(f"this agent has {len(self.agent.stack)} levels, not {wanted}: {levels} plan"))
        if not world.reachable():
            remarks.append(Notice("no way leads to the goal; the agent tries nevertheless", urgent=True))
        for pin in document.pins:
            if not on_floor(document.map, pin.place):
                remarks.append(Notice(f"the subgoal of level {pin.level} is in a wall", urgent=True))
        said, self._said = self._said, remarks
        return [remark for remark in remarks if remark not in said]

    def act(self, world: World, step: int) -> Decision | None:
        """Moves the world on by one step; answers with the decision, if a new one was taken for it."""
        assert self.actor is not None and self.actor.session is not None
        begun, spent = time.perf_counter(), self.actor.session.spent.calls
        before = sum(spent.values())
        actions = self.actor.act(world.seen[None])
        self.seconds += time.perf_counter() - begun
        self.calls += sum(spent.values()) - before
        decision = self._watch.complete(self.actor.view(step)) if self.actor.fresh else None
        world.step(actions)
        self._watch.look(step + 1, world.seen, world.in_guardrail)
        return decision

    def field(self, ask: AskField, document: Document) -> Field | None:
        """A field as the agent knows it; None while there is no agent."""
        if self.agent is None:
            return None
        if self._is_new("fields", (self._keys["agent"], document.version), self._sampler):
            self._sampler = Sampler(self.agent, document)
        assert self._sampler is not None
        return self._sampler.field(ask, document)

    def let_go(self, level: int) -> None:
        """Takes note that a pinned subgoal has been reached, and is no longer asked for."""
        self._pins.pop(level, None)

    def _is_new(self, name: str, key: object, present: object) -> bool:
        """Whether something has to be made again: it isn't there, or was made for another key."""
        fresh = present is None or self._keys.get(name) != key
        self._keys[name] = key
        return fresh

    def _introduction(self, agent: Agent, document: Document) -> Loaded:
        sees_map = document.setups[self.run].agent == MAP
        return Loaded(self.run, sees_map, facts(agent), forks(document.map) if sees_map else believed(agent))

    def _instruct(self, agent: Agent, setup: Setup, levels: int, document: Document) -> None:
        """A new actor where one is needed; else a new goal, or other pins."""
        everything = (self._keys["agent"], setup, document.version, document.seed)
        if self._is_new("actor", everything, self.actor):
            self.actor = None
            planners = cast(tuple[LevelPlanner, ...], setup.planners)  # checked by ``unfit``
            zones = laid_over(document)
            self.actor = Actor(agent, levels, planners, document.seed, risk=setup.risk, zones=zones, watch=True)
        assert self.actor is not None
        if self._is_new("goal", document.goal, self.actor.session):
            self.actor.begin(np.array([document.goal], np.float32))
            self._watch = Watch()
            self._pins = {}
        self._pin(self.actor, document)

    def _pin(self, actor: Actor, document: Document) -> None:
        wanted = {pin.level: pin.place for pin in document.pins if pin.level <= actor.levels}
        for level in sorted(self._pins.keys() | wanted.keys()):
            if self._pins.get(level) != wanted.get(level):
                place = wanted.get(level)
                actor.pin(level, None if place is None else np.array(place, np.float32))
        self._pins = wanted
