"""Hierarchical planning, top down, for any number of levels, with feedback from below.

Level ``K`` plans a path to the goal. The next state on it becomes the target of level ``K-1``, and so on down to
level 1, whose planner finds the world's actions. A level whose predicted progress does not come, or whose target
has no path, rejects the edge that the level above relied on, and the level above plans again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from planners.base import Box, Budget, Dynamics, Plan, Planner
from planners.landmarks import NONE, Path, PathPlanner, Query, Target

Floats = NDArray[np.float32]
Embed = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class SubgoalCost:
    """Predicted time to a target, summed over the trajectory: what the level above asks of the level below.

    Attributes:
        measure: [..., D] states to [..., E] points whose distances are world steps.
        target: [B, E] one target per problem.
    """

    measure: Embed
    target: Tensor

    def __call__(self, states: Tensor, actions: Tensor) -> Tensor:
        """[B, ..., T+1, D] states to [B, ..., T+1] world steps."""
        points = self.measure(states)
        target = self.target.reshape(len(self.target), *[1] * (points.dim() - 2), -1)
        return torch.linalg.vector_norm(points - target, dim=-1)


@dataclass(frozen=True)
class PlanningLevel:
    """One level above the first, as the hierarchy sees it.

    Attributes:
        planner: finds paths of the level's states.
        embed: [..., D] states to [..., E] points of the level's critic space.
        lookahead: the subgoal is the furthest state on the path within this many world steps, at least the next one.
        patience: world steps without progress after which the present edge is rejected.
        off_path: the level plans again when the agent is further from its path than this, in world steps.
        reached: a state on the path counts as passed within this many world steps of it: the tolerance of the planner
            below, which would else see nothing left to do while this level waits.
    """

    planner: PathPlanner
    embed: Embed
    lookahead: float
    patience: float
    off_path: float
    reached: float = 0.0


@dataclass(frozen=True)
class Controller:
    """Level 1: turns the lowest subgoal into the world's actions.

    Attributes:
        planner: any planner of continuous actions.
        dynamics: level 1's predictor.
        embed: level-1 states to the points of level 1's critic space.
        measure: level-1 states to the space of its targets (the critic of the level above).
    """

    planner: Planner
    dynamics: Dynamics
    embed: Embed
    measure: Embed


@dataclass
class Track:
    """How far one problem has come along one level's path."""

    path: Path
    purpose: object
    at: int = 0
    carrot: int = 1
    best: float = np.inf
    since: float = 0.0
    age: float = 0.0


@dataclass
class Spent:
    """What planning has cost so far, summed over problems.

    Attributes:
        expanded: per level, search nodes (level 1: candidate trajectories).
        calls: per level, states passed through the level's predictor.
        plans: per level, plans made.
    """

    expanded: dict[int, int] = field(default_factory=dict)
    calls: dict[int, int] = field(default_factory=dict)
    plans: dict[int, int] = field(default_factory=dict)

    def add(self, level: int, expanded: int, calls: int, plans: int = 1) -> None:
        """Counts one plan (or a batch of them) of one level."""
        for counter, amount in ((self.expanded, expanded), (self.calls, calls), (self.plans, plans)):
            counter[level] = counter.get(level, 0) + amount


class Session:
    """Short-term memory of the hierarchy for B problems: goals, paths, rejected edges, and what was spent.

    Args:
        goals: [B, E_k] the goals in every level's critic space, finest level first.
        levels: number of levels, K.
    """

    def __init__(self, goals: list[Tensor], levels: int) -> None:
        self.goals = goals
        self.goal_points = [goal.cpu().numpy() for goal in goals]
        self.size = len(goals[0])
        self.tracks: list[list[Track | None]] = [[None] * self.size for _ in range(levels + 1)]
        self.rejected: list[list[frozenset[int]]] = [[frozenset()] * self.size for _ in range(levels + 1)]
        self.spent = Spent()
        self.events: list[list[str]] = [[] for _ in range(self.size)]

    def goal(self, problem: int) -> tuple[Floats, ...]:
        """One problem's goal in every level's critic space, finest first."""
        return tuple(points[problem] for points in self.goal_points)

    def track(self, k: int, problem: int) -> Track:
        """The present track of one level for one problem."""
        track = self.tracks[k][problem]
        assert track is not None
        return track


class HierarchicalPlanner:
    """Plans top down through any number of levels. With one level it is the controller's planner, exactly.

    Args:
        controller: level 1.
        levels: levels 2 to K, finest first.
    """

    MAX_REPAIRS = 3

    def __init__(self, controller: Controller, levels: list[PlanningLevel]) -> None:
        self.controller, self.levels = controller, levels

    def __len__(self) -> int:
        return 1 + len(self.levels)

    def embed(self, states: list[Tensor]) -> list[Tensor]:
        """[B, D_k] states to [B, E_k] points in every level's critic space, finest level first."""
        embeds = [self.controller.embed, *(level.embed for level in self.levels)]
        return [embed(state) for embed, state in zip(embeds, states, strict=True)]

    def start(self, goals: list[Tensor]) -> Session:
        """Begins B problems, given their [B, E_k] goals in every level's critic space."""
        return Session(goals, len(self))

    @torch.no_grad()
    def plan(
        self,
        states: list[Tensor],
        session: Session,
        *,
        elapsed: float = 0.0,
        active: NDArray[np.bool_] | None = None,
        budget: Budget = Budget(),
        generator: torch.Generator | None = None,
    ) -> Plan:
        """One decision for every problem: level 1's plan towards the subgoals that the levels above hand down.

        Args:
            states: [B, D_k] the present state of every level, finest first.
            session: the problems' short-term memory, brought up to date.
            elapsed: world steps since the last decision.
            active: [B] problems that still matter; the others keep their old paths and get zero actions. Where none
                does, the plan is a single step long.
            budget: of level 1's planner.
            generator: randomness of level 1's planner.
        """
        session.events = [[] for _ in range(session.size)]
        problems = np.arange(session.size) if active is None else np.flatnonzero(active)
        if not len(problems):
            return _idle(self.controller.dynamics, states[0])
        if self.levels:
            here = [point.cpu().numpy() for point in self.embed(states)]
            self._descend(states, here, session, problems.tolist(), elapsed)
            points = np.stack([self._handed_down(session, 2, b).point for b in problems.tolist()])
            target = torch.as_tensor(points).to(states[0])
        else:
            target = session.goals[0][problems]
        cost = SubgoalCost(self.controller.measure, target)
        plan = self.controller.planner.plan(
            self.controller.dynamics, cost, states[0][problems], budget=budget, generator=generator
        )
        session.spent.add(1, plan.model_calls // max(1, plan.actions.shape[1]), plan.model_calls, len(problems))
        return plan if len(problems) == session.size else _spread(plan, problems, session.size)

    def _descend(
        self, states: list[Tensor], here: list[Floats], session: Session, problems: list[int], elapsed: float
    ) -> None:
        """Brings the paths of all levels up to date, from the top, and repairs them from below."""
        pending = problems
        for repair in range(self.MAX_REPAIRS + 1):
            failed: set[int] = set()
            for k in range(len(self), 1, -1):
                stale = [b for b in pending if self._stale(k, b, here[k - 1][b], session, 0.0 if repair else elapsed)]
                failed |= self._replan(k, stale, states, here, session)
            pending = sorted(failed)
            if not pending:
                return

    def _stale(self, k: int, b: int, here: Floats, session: Session, elapsed: float) -> bool:
        """Moves one track on, and says whether its level must plan again."""
        track, level = session.tracks[k][b], self.levels[k - 2]
        if track is None or track.purpose != self._purpose(session, k, b):
            return True
        if not self._follow(track, level, here, elapsed):
            return False
        if track.since > level.patience:
            self._reject(session, k, b)
        return True

    def _follow(self, track: Track, level: PlanningLevel, here: Floats, elapsed: float) -> bool:
        """Advances along the path; true where the agent is off it, stuck, or at an end that is not the goal."""
        path = track.path
        last = len(path.arrival) - 1
        near = np.linalg.norm(path.embedding[track.at : track.at + 4] - here, axis=-1)
        track.at += int(near.argmin())
        while track.at < last and np.linalg.norm(path.embedding[track.at + 1] - here) <= level.reached:
            track.at += 1
        track.age += elapsed
        track.carrot = max(min(track.at + 1, last), self._ahead(path, track.at, level.lookahead))
        distance = float(np.linalg.norm(path.embedding[min(track.at + 1, last)] - here))
        remaining = float(path.arrival[last] - path.arrival[min(track.at + 1, last)]) + distance
        if remaining < track.best - 1.0:
            track.best, track.since = remaining, 0.0
        else:
            track.since += elapsed
        arrived = track.at == last and not path.final
        return arrived or float(near.min()) > level.off_path or track.since > level.patience

    @staticmethod
    def _ahead(path: Path, at: int, lookahead: float) -> int:
        return int(np.searchsorted(path.arrival, path.arrival[at] + lookahead, side="right")) - 1

    def _purpose(self, session: Session, k: int, b: int) -> object:
        """What a track is for: the goal, or one state of the present path of the level above."""
        if k == len(self):
            return "goal"
        above = session.track(k + 1, b)
        return (above.path, above.carrot)

    def _handed_down(self, session: Session, k: int, b: int) -> Target:
        """The target that level ``k`` hands to the level below it."""
        track = session.track(k, b)
        path = track.path
        if path.final and track.carrot == len(path.arrival) - 1:
            return Target(path.embedding[track.carrot], goal=session.goal(b))
        landmark = self.levels[k - 2].planner.below(int(path.landmarks[track.carrot]))
        return Target(path.embedding[track.carrot], landmark)

    def _target(self, session: Session, k: int, b: int) -> Target:
        """The target of level ``k``."""
        if k == len(self):
            return Target(session.goal_points[k - 1][b], goal=session.goal(b))
        return self._handed_down(session, k + 1, b)

    def _replan(self, k: int, stale: list[int], states: list[Tensor], here: list[Floats], session: Session) -> set[int]:
        """Plans anew at one level; returns the problems for which the level above must think again."""
        if not stale:
            return set()
        level, failed = self.levels[k - 2], set()
        present = states[k - 1][stale].cpu().numpy()
        queries = [
            Query(state, tuple(point[b] for point in here), self._target(session, k, b), session.rejected[k][b])
            for b, state in zip(stale, present, strict=True)
        ]
        for b, path in zip(stale, level.planner.paths(queries), strict=True):
            track = Track(path, self._purpose(session, k, b))
            self._follow(track, level, here[k - 1][b], 0.0)
            session.tracks[k][b] = track
            session.spent.add(k, path.expanded, path.calls)
            session.events[b].append(f"replan {k}")
            if not path.found and k < len(self) and self._reject(session, k + 1, b):
                session.tracks[k + 1][b] = None
                failed.add(b)
        return failed

    def _reject(self, session: Session, k: int, b: int) -> bool:
        """Marks the edges that one problem is on, so that the next path avoids them; false where there are none new."""
        track = session.track(k, b)
        worn = {int(edge) for edge in track.path.edges[max(0, track.at - 1) : track.carrot] if edge != NONE}
        if worn <= session.rejected[k][b]:
            return False
        session.rejected[k][b] = session.rejected[k][b] | worn
        session.events[b].append(f"rejected {k}")
        return True


def _idle(dynamics: Dynamics, start: Tensor) -> Plan:
    """One step of zero actions for every problem."""
    size, space = len(start), dynamics.actions
    actions = space.low.new_zeros(size, 1, space.dim) if isinstance(space, Box) else start.new_zeros(size, 1).long()
    states, cost = start.new_zeros(size, 2, *start.shape[1:]), start.new_zeros(size)
    return Plan(actions, states, cost, complete=torch.zeros(size, dtype=torch.bool, device=start.device))


def _spread(plan: Plan, problems: NDArray[np.int64], size: int) -> Plan:
    """A plan for some problems as one for all of them, zero for the others."""

    def spread(values: Tensor) -> Tensor:
        rows = torch.as_tensor(problems, device=values.device)
        return values.new_zeros((size, *values.shape[1:])).index_copy_(0, rows, values)

    return replace(
        plan,
        actions=spread(plan.actions),
        states=spread(plan.states),
        cost=spread(plan.cost),
        complete=spread(plan.complete),
        extras={},
    )
