"""What the hierarchy has in mind at a decision, decoded for people to look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, final
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from hjepa.agent import Agent
from hjepa.listener import Listener
from hjepa.planning import PlanningConfig
from planners.base import Plan
from planners.hierarchy import HierarchicalPlanner, Session, Track
from planners.landmarks import NONE, Path
from planners.trace import Decision, Expansion, Floats, LevelView, Points, Work


class Plane(NamedTuple):
    """The plane through a level's states in which they differ most, turned so that it resembles the map.

    Attributes:
        mean: [D] its origin.
        axes: [D, 2] its two directions, orthonormal.
    """

    mean: Floats
    axes: Floats

    def project(self, states: Floats) -> Points:
        """[..., D] states to [..., 2] places in the plane."""
        return ((states - self.mean) @ self.axes).astype(np.float32)


_planes: WeakKeyDictionary[Agent, dict[int, Plane]] = WeakKeyDictionary()


def principal_plane(agent: Agent, k: int) -> Plane:
    """The plane of the two principal components of what an agent remembers, as level ``k`` encodes it.

    That is the landmarks of the level (for level 1: those of level 2). It is worked out once per agent and level.
    """
    known = _planes.setdefault(agent, {})
    if k not in known:
        known[k] = _plane(remembered_states(agent, k), agent.graphs[max(k, 2)].observations)
    return known[k]


@torch.no_grad()
def remembered_states(agent: Agent, k: int) -> Floats:
    """[L, D] states of the landmarks of level ``k`` (level 1: its states at those of level 2)."""
    if k > 1:
        return agent.graphs[k].states
    observations = torch.from_numpy(agent.graphs[2].observations).to(agent.stack.scale.device)
    return agent.stack.encode(observations, 1).cpu().numpy()


def _plane(states: Floats, observations: Floats) -> Plane:
    """The principal plane of [L, D] states, turned by the orthogonal Procrustes rotation towards [L, O] observations.

    Principal components are known up to their signs; the rotation settles these, too.
    """
    mean = states.mean(0)
    away = (states - mean).astype(np.float64)
    _, directions = np.linalg.eigh(away.T @ away)  # the largest last
    axes = directions[:, :-3:-1]
    places = (observations - observations.mean(0)).astype(np.float64)[:, :2]
    left, _, right = np.linalg.svd((away @ axes).T @ places)
    return Plane(mean, (axes @ left @ right).astype(np.float32))


@dataclass(frozen=True, eq=False)
class Seen:
    """Places as an agent sees them.

    Attributes:
        observations: [B, O].
        states: [B, D_k] the same as states of every level, finest first.
    """

    observations: Points
    states: list[Tensor]

    def of(self, problem: int) -> Seen:
        """One of them."""
        one = slice(problem, problem + 1)
        return Seen(self.observations[one], [states[one] for states in self.states])


Pins = Mapping[tuple[int, int], Seen]
"""By level and problem, the places of subgoals that were set by hand, now or before."""


@dataclass(frozen=True, eq=False)
class Mind:
    """One decision for B problems.

    Attributes:
        here: where they are.
        goals: where they should go.
        session: the hierarchy's short-term memory, after the decision.
        plan: of level 1.
        planned: problems that were planned for.
        pins: see :data:`Pins`; the session knows which are in force.
    """

    here: Seen
    goals: Seen
    session: Session
    plan: Plan
    planned: int
    pins: Pins


@final
class Teller:
    """Tells what an agent's hierarchy has in mind.

    Args:
        agent: whose.
        config: how it plans.
        planner: its hierarchy.
        listeners: by level, to what is told during a decision; none where nobody watches.
    """

    def __init__(
        self,
        agent: Agent,
        config: PlanningConfig,
        planner: HierarchicalPlanner,
        listeners: Mapping[int, Listener] = MappingProxyType({}),
    ) -> None:
        self.agent, self.stack, self.config = agent, agent.stack, config
        self.planner, self.listeners = planner, listeners
        self._origins: dict[tuple[int, int], tuple[Path, Points]] = {}

    @torch.no_grad()
    def decision(self, mind: Mind, step: int, problem: int = 0) -> Decision:
        """A decision taken at a world step, for one problem."""
        upper = [self._upper(k, mind, problem) for k in range(2, len(self.planner) + 1)]
        return Decision(step, (self._lowest(mind, problem), *upper), tuple(mind.session.events[problem]))

    def _lowest(self, mind: Mind, problem: int) -> LevelView:
        plan, states = mind.plan, mind.plan.states[problem]
        points, horizon = self._decoded(1, states), plan.actions.shape[1]
        points[0] = mind.here.observations[problem]
        calls = plan.model_calls // max(1, mind.planned)
        return LevelView(
            plan=points,
            subgoal=points[-1],
            expanded=calls // horizon,
            arrival=np.arange(horizon + 1, dtype=np.float32),
            planner=self.config.planner(1),
            calls=calls,
            terms=self.planner.terms(1, mind.session, problem),
            work=self._told(1),
            latent=self._latent(1, states.cpu().numpy()),
        )

    def _upper(self, k: int, mind: Mind, problem: int) -> LevelView:
        track = mind.session.track(k, problem)
        path, at, pin = track.path, track.at, mind.session.pins[k][problem]
        points, states = self._way(k, track, mind, problem)
        return LevelView(
            plan=points[at:],
            subgoal=points[track.carrot] if pin is None else mind.pins[k, problem].observations[0],
            age=int(track.age),
            expanded=path.expanded,
            arrival=path.arrival[at:] - np.float32(track.age),
            planner=self.config.planner(k),
            calls=path.calls,
            terms=self.planner.terms(k, mind.session, problem),
            pinned=pin is not None,
            work=self._work(k, path) if track.age == 0 else (),
            latent=self._latent(k, states[at:]),
        )

    def _way(self, k: int, track: Track, mind: Mind, problem: int) -> tuple[Points, Floats]:
        """A path as [n+1, O] places and [n+1, D] states: what was observed there is truer than what can be decoded."""
        path, states = track.path, track.path.states
        places = self._decoded(k, torch.from_numpy(states).to(self.stack.scale.device))
        known = path.landmarks != NONE
        places[known] = self.agent.graphs[k].observations[path.landmarks[known]]
        if track.age == 0:
            self._origins[k, problem] = path, mind.here.observations[problem]
        origin, place = self._origins.get((k, problem), (None, None))
        if origin is path:
            places[0] = place
        if path.final:
            end = self._end(k, track, mind, problem)
            places[-1] = end.observations[0]
            states = np.concatenate([states[:-1], end.states[k - 1].cpu().numpy()])
        return places, states

    @staticmethod
    def _end(k: int, track: Track, mind: Mind, problem: int) -> Seen:
        """The place to stay at that a path leads to: the goal, or the pin of a level above."""
        for (level, whose), place in mind.pins.items():
            pin = mind.session.pins[level][problem]
            if level > k and whose == problem and pin is not None and pin.goal is track.target.goal:
                return place
        return mind.goals.of(problem)

    def _work(self, k: int, path: Path) -> tuple[Work, ...]:
        if k not in self.listeners or not len(path.order):
            return self._told(k)
        places = self.agent.graphs[k].observations[path.order]
        return (Expansion(places, path.came_from.astype(np.int32)),)

    def _told(self, k: int) -> tuple[Work, ...]:
        listener = self.listeners.get(k)
        return () if listener is None else listener.work(lambda states: self.stack.decode(states, k))

    def _decoded(self, k: int, states: Tensor) -> Points:
        """[n, O] places of [n, D] states, in memory of their own."""
        return self.stack.decode(states, k).to("cpu", torch.float32, copy=True).numpy()

    def _latent(self, k: int, states: Floats) -> Points:
        """[n, 2] in the plane of what is remembered; an agent of one level remembers nothing."""
        return principal_plane(self.agent, k).project(states) if self.agent.graphs else np.empty((0, 2), np.float32)
