"""The actor: observes, plans through the hierarchy or reacts, and acts, for a batch of episodes at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hjepa.adaptation import Adaptation
from hjepa.agent import Agent
from hjepa.listener import Listener, elites_of
from hjepa.planning import Attitude, LevelPlanner, make_hierarchy
from hjepa.recall import ShortTermMemory
from hjepa.reflex import reflex_of
from hjepa.telling import Mind, Pins, Seen, Teller
from hjepa.ways import RecallingPlanner, Ways
from hjepa.zones import PlaceCost
from planners.base import Recorder
from planners.hierarchy import HierarchicalPlanner, Session, Track
from planners.landmarks import Target
from planners.trace import Decision

Points = NDArray[np.float32]
RECENT, EPISODE = 64, 4096
"""World steps that short-term memory holds, and where ways are to be learned from it."""


class Actor:
    """Acts towards goals. It sees observations and goals, nothing else of the world.

    Args:
        agent: whose stack and landmarks to use.
        levels: levels to plan with, counted from the finest; all by default.
        planners: overrides what plans at each level, the finest first (see :class:`hjepa.planning.PlanningConfig`).
        seed: of the planners' randomness.
        risk: overrides what possible costs of one choice count as.
        zones: costs and guardrails laid over the agent's plans, at every level.
        adaptation: learns from what the world does otherwise than predicted, and corrects what is planned with.
        ways: long-term memory of ways that worked, which the top level takes again; learned when episodes are over. It
            is left alone among zones, of which it knows nothing.
        around: what is done to the hierarchy whenever it is made, such as to wrap its planners.
        watch: listens to the planners of a batch of one, so that :meth:`view` can tell how each plan was found. The
            plans are the same.

    Attributes:
        recent: short-term memory: by step what was seen (``observation``), done (``action``), whether it counted
            (``active``), and what the newest plans expected to pay (``plan``: level 1's cost, NaN where a reflex acted;
            ``level k``: world steps to the end of level k's path).
        fresh: whether the newest action was the first of a new decision.
        reflex: acts in the hierarchy's place where all levels are in Mode-1, until somebody wants to look into the
            plan or takes hold of it; None where it can't.
    """

    def __init__(
        self,
        agent: Agent,
        levels: int | None = None,
        planners: tuple[LevelPlanner, ...] | None = None,
        seed: int = 0,
        *,
        risk: Attitude | None = None,
        zones: PlaceCost | None = None,
        adaptation: Adaptation | None = None,
        ways: Ways | None = None,
        around: Callable[[HierarchicalPlanner], HierarchicalPlanner] | None = None,
        watch: bool = False,
    ) -> None:
        self.agent, self.stack, self.seed = agent, agent.stack, seed
        self.levels = len(agent.stack) if levels is None else levels
        planning = agent.experiment.planning
        self.config = replace(
            planning, planners=planning.planners if planners is None else planners, risk=risk or planning.risk
        )
        self.generator = torch.Generator(self.stack.scale.device).manual_seed(seed)
        self.zones, self.adaptation, self.around = zones, adaptation, around
        self.ways = ways if self.levels > 1 and (zones is None or zones.empty) else None
        self.planner = self._hierarchy()
        planning_at = [self.planner.controller.planner, *(level.planner for level in self.planner.levels)]
        self.listeners = {k: Listener(elites_of(each)) for k, each in enumerate(planning_at, 1)} if watch else {}
        reactive = adaptation is None and around is None and not watch
        self.reflex = reflex_of(self.stack, self.planner, self.config.commit) if reactive else None
        self.session: Session | None = None
        self.recent = ShortTermMemory(RECENT)
        self.fresh = False

    def begin(self, goals: Points) -> None:
        """Starts new episodes with [B, O] goals.

        Raises:
            ValueError: for several episodes where the planners are watched.
        """
        if self.listeners and len(goals) != 1:
            raise ValueError(f"Actor(watch=True) watches one episode at a time, not {len(goals)}")
        if self.adaptation is not None and self.session is not None and self.adaptation.recall(self.session):
            self.planner = self._hierarchy()
        self.end()
        self._goals = self._see(goals)
        self.session = self._start(self._goals)
        self._teller = Teller(self.agent, self.config, self.planner, self.listeners)
        self._pins: dict[tuple[int, int], Seen] = {}
        self._queue: list[Points] = []
        self._mind: Mind | None = None
        self._reacting = self.reflex is not None
        if self.reflex is not None:
            self.reflex.begin(self.session)

    def end(self) -> None:
        """Takes the episodes for over: the ways that worked go into long-term memory. New ones begin with this, too."""
        if self.ways is not None and self.session is not None:
            self.ways.learn(self.recent.last(), self.session.goal_points[0])
        self.recent, self._acted = ShortTermMemory(RECENT if self.ways is None else EPISODE), 0

    def act(self, observations: Points, active: NDArray[np.bool_] | None = None) -> Points:
        """[B, O] observations to the [B, A] actions of one world step; plans anew every ``commit`` steps.

        Args:
            observations: what is seen now.
            active: [B] episodes that still run.

        Raises:
            RuntimeError: before :meth:`begin`.
        """
        session = self._running("act()")
        self.fresh = not self._queue
        if self.fresh and self._reacting and self.reflex is not None:
            self._queue = self.reflex.act(observations, active)
            self._expected, self._acted = self.reflex.expected(), 0
        elif self.fresh:
            if self.adaptation is not None and self._acted:
                self._adapt(self.adaptation, observations, active)
            for listener in self.listeners.values():
                listener.clear()
            elapsed = 0.0 if self._mind is None else float(self.config.commit)
            self._mind = self._decide(
                self._see(observations),
                self._goals,
                session,
                self._pins,
                elapsed=elapsed,
                active=active,
                recorders=self.listeners,
            )
            actions = self._mind.plan.actions[:, : self.config.commit]
            self._queue = [action.cpu().numpy() for action in actions.unbind(1)]
            self._expected, self._acted = expectations(self._mind), 0
        action = self._queue.pop(0)
        counts = np.ones(session.size, bool) if active is None else active
        self.recent.write({"observation": observations, "action": action, "active": counts, **self._expected})
        self._acted += 1
        return action

    def acted(self, actions: Points) -> None:
        """Tells what was done instead of the newest actions, [B, A], where somebody else has the last word."""
        self.recent.amend("action", actions)

    def view(self, step: int, problem: int = 0) -> Decision:
        """What the hierarchy has in mind for one episode, decoded for people.

        Raises:
            RuntimeError: before the first :meth:`act` of an episode.
        """
        self._running("view()")
        self._think()
        if self._mind is None:
            raise RuntimeError("Actor.act(observations) must come before view()")
        return self._teller.decision(self._mind, step, problem)

    def pin(self, level: int, place: Points | None, problem: int = 0) -> None:
        """Sets a level's subgoal by hand: the levels below plan towards it until it is reached, or let go (None).

        Args:
            level: 2 or above.
            place: [O] what would be seen there.
            problem: whose subgoal.

        Raises:
            ValueError: for a level that hands no subgoal down.
        """
        session = self._running("pin()")
        self._think()
        if place is None:
            session.pin(level, problem, None)
            return
        seen = self._see(np.asarray(place)[None])
        points = tuple(point[0].cpu().numpy() for point in self._points(seen))
        own = points[level - 1] if 2 <= level <= self.levels else points[0]  # the session refuses other levels
        session.pin(level, problem, Target(own, goal=points))
        self._pins[level, problem] = seen

    def forget(self, level: int, problem: int = 0) -> None:
        """Makes a level and those below plan anew at the next decision.

        Raises:
            ValueError: for a level that does not plan.
        """
        session = self._running("forget()")
        self._think()
        session.forget(level, problem)

    def plan_from(self, observation: Points, problem: int = 0) -> Decision:
        """What would be planned from another place towards the present goal and pins; the episode takes no notice.

        Args:
            observation: [O] what would be seen there.
            problem: whose goal.
        """
        session, goal = self._running("plan_from()"), self._goals.of(problem)
        aside, pins = self._start(goal), {}
        for k in range(2, self.levels + 1):
            pin = session.pins[k][problem]
            if pin is not None:
                aside.pin(k, 0, pin)
                pins[k, 0] = self._pins[k, problem]
        with self._aside():
            mind = self._decide(self._see(np.asarray(observation)[None]), goal, aside, pins)
        return Teller(self.agent, self.config, self.planner).decision(mind, step=0)

    def _think(self) -> None:
        """Lets the hierarchy take over, if a reflex acts; it plans anew from where the reflex decided."""
        if self._reacting and self.reflex is not None and self.reflex.newest is not None:
            seen, active = self.reflex.newest
            self._mind = self._decide(self._see(seen), self._goals, self._running("act()"), self._pins, active=active)
        self._reacting = False

    @torch.no_grad()
    def _decide(
        self,
        here: Seen,
        goals: Seen,
        session: Session,
        pins: Pins,
        *,
        elapsed: float = 0.0,
        active: NDArray[np.bool_] | None = None,
        recorders: Mapping[int, Recorder] | None = None,
    ) -> Mind:
        plan = self.planner.plan(
            here.states[: self.levels], session,
            elapsed=elapsed, active=active, generator=self.generator, recorders=recorders,
        )  # fmt: skip
        planned = session.size if active is None else int(active.sum())
        return Mind(here, goals, session, plan, planned, pins)

    def _hierarchy(self) -> HierarchicalPlanner:
        """What plans, with the agent's graphs and dynamics as they are believed now."""
        agent, adaptation = self.agent, self.adaptation
        planner = make_hierarchy(
            self.stack, agent.graphs if adaptation is None else adaptation.graphs, self.config, self.levels,
            self.generator, agent.policy, self.zones, agent.signposts,
        )  # fmt: skip
        if adaptation is not None:
            planner.controller = replace(planner.controller, dynamics=adaptation.corrected(planner.controller.dynamics))
        if self.ways is not None:
            recalling = RecallingPlanner(planner.levels[-1].planner, self.ways, len(planner))
            planner.levels[-1] = replace(planner.levels[-1], planner=recalling)
        return planner if self.around is None else self.around(planner)

    def _adapt(self, adaptation: Adaptation, observations: Points, active: NDArray[np.bool_] | None) -> None:
        """Learns from the steps since the last decision; where that changes a belief, everything is planned anew."""
        session, done = self._running("act()"), self.recent.last(self._acted)
        seen, rows = done["observation"], None if active is None else np.tile(active, self._acted)
        after = np.concatenate([*seen[1:], observations])
        if not adaptation.observe(np.concatenate(seen), np.concatenate(done["action"]), after, rows):
            return
        self.planner = self._hierarchy()
        self._teller = Teller(self.agent, self.config, self.planner, self.listeners)
        for problem in range(session.size):
            session.forget(self.levels, problem)

    def _start(self, goals: Seen) -> Session:
        """Short-term memory in which nothing but the goals is known."""
        return self.planner.start(self._points(goals))

    @torch.no_grad()
    def _points(self, seen: Seen) -> list[Tensor]:
        """[B, E_k] places in every level's critic space; for one level alone, in the space of its goals."""
        if self.levels == 1:
            return [self.planner.controller.measure(seen.states[0])]
        return self.planner.embed(seen.states[: self.levels])

    @torch.no_grad()
    def _see(self, observations: Points) -> Seen:
        places = np.asarray(observations, np.float32)
        return Seen(places, self.stack.encode_all(torch.as_tensor(places, device=self.stack.scale.device)))

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """Lets the planners draw from their first random numbers, and then go on as if nothing had been drawn."""
        state = self.generator.get_state()
        self.generator.manual_seed(self.seed)
        try:
            yield
        finally:
            self.generator.set_state(state)

    def _running(self, what: str) -> Session:
        if self.session is None:
            raise RuntimeError(f"Actor.begin(goals) must come before {what}")
        return self.session


def expectations(mind: Mind) -> dict[str, Points]:
    """What the newest plans expect to pay, as [B] world steps by level: see :attr:`Actor.recent`."""
    session, expected = mind.session, {"plan": mind.plan.cost.cpu().numpy()}
    for k in range(2, session.levels + 1):
        expected[f"level {k}"] = np.array([_left(track) for track in session.tracks[k]], np.float32)
    return expected


def _left(track: Track | None) -> float:
    """World steps to the end of a path; 0 without one."""
    if track is None:
        return 0.0
    return track.distance + float(track.path.arrival[-1] - track.path.arrival[track.next])
