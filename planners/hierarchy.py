"""Hierarchical planning, top down, for any number of levels, with feedback from below.

Level ``K`` plans a path to the goal. The next state on it becomes the target of level ``K-1``, and so on down to
level 1, whose planner finds the world's actions. A level whose predicted progress does not come, or whose target
has no path, rejects the edge that the level above relied on, and the level above plans again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from planners.base import Box, Budget, Dynamics, Plan, Planner, Recorder
from planners.landmarks import NONE, Path, PathPlanner, Query, Target
from planners.session import Embed, Floats, Pursuit, Session, Spent, SubgoalCost, Track

__all__ = ["Controller", "HierarchicalPlanner", "PlanningLevel", "Session", "Spent", "SubgoalCost", "Track"]


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
        guarded: whether there are places that its paths must not enter: where it then finds no path, it says so.
        window: states of the path of which the nearest one is where the agent is now. With 1 a state has to be reached
            to be passed: those of long strides may be near, but behind a wall.
        forgiving: whether the level forgets what it has rejected where that leaves it no path.
    """

    planner: PathPlanner
    embed: Embed
    lookahead: float
    patience: float
    off_path: float
    reached: float = 0.0
    guarded: bool = False
    window: int = 4
    forgiving: bool = False


@dataclass(frozen=True)
class Controller:
    """Level 1: turns the lowest subgoal into the world's actions.

    Attributes:
        planner: any planner of continuous actions.
        dynamics: level 1's predictor.
        embed: level-1 states to the points of level 1's critic space.
        measure: level-1 states to the space of its targets (the critic of the level above).
        surcharge: [..., D] level-1 states to the [...] world steps that a step there costs extra; None if none does.
        forbidden: [..., D] level-1 states to [...] whether they are where the agent must not be; None if none is.
    """

    planner: Planner
    dynamics: Dynamics
    embed: Embed
    measure: Embed
    surcharge: Embed | None = None
    forbidden: Embed | None = None


class HierarchicalPlanner:
    """Plans top down through any number of levels. With one level it is the controller's planner, exactly.

    Args:
        controller: level 1.
        levels: levels 2 to K, finest first.
    """

    MAX_REPAIRS = 3
    PIN_REACHED = 5.0
    """World steps from a pin at which it counts as reached: about what the agent goes between two decisions."""

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
        recorders: Mapping[int, Recorder] | None = None,
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
            recorders: by level, what listens to its planner; for a single problem only.

        Raises:
            ValueError: for recorders where there are several problems.
        """
        recorders = _of_one_problem(recorders or {}, session.size)
        session.turn()
        problems = np.arange(session.size) if active is None else np.flatnonzero(active)
        if not len(problems):
            return _idle(self.controller.dynamics, states[0])
        if self.levels:
            here = [point.cpu().numpy() for point in self.embed(states)]
            self._let_go(here, session, problems.tolist())
            self._descend(states, here, session, problems.tolist(), elapsed, recorders)
            points = np.stack([self._handed_down(session, 2, b).point for b in problems.tolist()])
            target = torch.as_tensor(points).to(states[0])
        else:
            target = session.goals[0][problems]
        cost = SubgoalCost(self.controller.measure, target, self.controller.surcharge)
        plan = self.controller.planner.plan(
            self.controller.dynamics, cost, states[0][problems], budget=budget, generator=generator,
            recorder=recorders.get(1),
        )  # fmt: skip
        session.spent.add(1, plan.model_calls // max(1, plan.actions.shape[1]), plan.model_calls, len(problems))
        session.pursuit = Pursuit(cost, plan.states, problems)
        self._watch(session.pursuit, session)
        return plan if len(problems) == session.size else _spread(plan, problems, session.size)

    def terms(self, k: int, session: Session, problem: int) -> dict[str, float]:
        """The energy of a level's newest plan by term, for one problem; world steps.

        Level 1: ``distance to subgoal`` and ``zones`` (the surcharge), each summed over the predicted states. Levels
        above: ``to next state`` and ``rest of the path``, and what is paid on the rest of it by name
        (:attr:`planners.landmarks.Path.surcharges`). Nothing for a problem that was not planned for.
        """
        if k == 1:
            return {} if session.pursuit is None else session.pursuit.terms(problem)
        track = session.tracks[k][problem]
        return {} if track is None else track.terms()

    def _watch(self, pursuit: Pursuit, session: Session) -> None:
        """Tells where level 1 is about to enter a forbidden place."""
        if self.controller.forbidden is None:
            return
        entering = self.controller.forbidden(pursuit.states[:, 1:]).any(-1).cpu().numpy()
        for b in pursuit.problems[entering].tolist():
            session.events[b].append("guardrail 1")

    def _let_go(self, here: list[Floats], session: Session, problems: list[int]) -> None:
        """Lets go of the pins that are reached."""
        for k in range(2, len(self) + 1):
            for b in problems:
                pin = session.pins[k][b]
                if pin is not None and _apart(pin, k, b, here) <= self.PIN_REACHED:
                    session.release(k, b)
                    session.events[b].append(f"pin-reached {k}")

    def _descend(
        self,
        states: list[Tensor],
        here: list[Floats],
        session: Session,
        problems: list[int],
        elapsed: float,
        recorders: Mapping[int, Recorder],
    ) -> None:
        """Brings the paths of all levels up to date, from the top, and repairs them from below."""
        pending = problems
        for repair in range(self.MAX_REPAIRS + 1):
            failed: set[int] = set()
            for k in range(len(self), 1, -1):
                stale = [b for b in pending if self._stale(k, b, here[k - 1][b], session, 0.0 if repair else elapsed)]
                failed |= self._replan(k, stale, states, here, session, recorders.get(k))
            pending = sorted(failed)
            if not pending:
                return

    def _stale(self, k: int, b: int, here: Floats, session: Session, elapsed: float) -> bool:
        """Moves one track on, and says whether its level must plan again."""
        track, level = session.tracks[k][b], self.levels[k - 2]
        if track is None or track.purpose != self._purpose(session, k, b):
            return True
        if session.held(k, b):
            track.age += elapsed
            track.distance = float(np.linalg.norm(track.path.embedding[track.next] - here))
            return False
        if not self._follow(track, level, here, elapsed):
            return False
        if track.since > level.patience:
            self._reject(session, k, b)
        return True

    def _follow(self, track: Track, level: PlanningLevel, here: Floats, elapsed: float) -> bool:
        """Advances along the path; true where the agent is off it, stuck, or at an end that is not the goal."""
        path = track.path
        last = len(path.arrival) - 1
        near = np.linalg.norm(path.embedding[track.at : track.at + level.window] - here, axis=-1)
        track.at += int(near.argmin())
        while track.at < last and np.linalg.norm(path.embedding[track.at + 1] - here) <= level.reached:
            track.at += 1
        track.age += elapsed
        track.carrot = max(min(track.at + 1, last), self._ahead(path, track.at, level.lookahead))
        track.distance = float(np.linalg.norm(path.embedding[track.next] - here))
        remaining = float(path.arrival[last] - path.arrival[track.next]) + track.distance
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
        """What a track is for: the goal, a pin, or one state of the present path of the level above."""
        if k == len(self):
            return "goal"
        pin = session.pins[k + 1][b]
        if pin is not None:
            return pin
        above = session.track(k + 1, b)
        return (above.path, above.carrot)

    def _handed_down(self, session: Session, k: int, b: int) -> Target:
        """The target that level ``k`` hands to the level below it."""
        pin = session.pins[k][b]
        if pin is not None:
            return pin
        track = session.track(k, b)
        path = track.path
        if path.final and track.carrot == len(path.arrival) - 1:
            return Target(path.embedding[track.carrot], goal=track.target.goal)
        landmark = self.levels[k - 2].planner.below(int(path.landmarks[track.carrot]))
        return Target(path.embedding[track.carrot], landmark)

    def _target(self, session: Session, k: int, b: int) -> Target:
        """The target of level ``k``."""
        if k == len(self):
            return Target(session.goal_points[k - 1][b], goal=session.goal(b))
        return self._handed_down(session, k + 1, b)

    def _replan(
        self,
        k: int,
        stale: list[int],
        states: list[Tensor],
        here: list[Floats],
        session: Session,
        recorder: Recorder | None,
    ) -> set[int]:
        """Plans anew at one level; returns the problems for which the level above must think again."""
        if not stale:
            return set()
        level, failed = self.levels[k - 2], set()
        present = states[k - 1][stale].cpu().numpy()
        targets = [self._target(session, k, b) for b in stale]
        queries = [
            Query(state, tuple(point[b] for point in here), target, session.rejected[k][b])
            for b, state, target in zip(stale, present, targets, strict=True)
        ]
        for b, target, path in zip(stale, targets, level.planner.paths(queries, recorder), strict=True):
            track = Track(path, self._purpose(session, k, b), target)
            self._follow(track, level, here[k - 1][b], 0.0)
            session.tracks[k][b] = track
            session.spent.add(k, path.expanded, path.calls)
            session.events[b].append(f"replan {k}")
            if not path.found and level.forgiving:
                session.rejected[k][b] = frozenset()
            if not path.found and self._blame(level, k, b, session):
                session.tracks[k + 1][b] = None
                failed.add(b)
        return failed

    def _blame(self, level: PlanningLevel, k: int, b: int, session: Session) -> bool:
        """What a level says that found no path; true where the one above rejects an edge for it, and not a pin."""
        if level.guarded:
            session.events[b].append(f"guardrail {k}")
        return k < len(self) and not session.held(k + 1, b) and self._reject(session, k + 1, b)

    def _reject(self, session: Session, k: int, b: int) -> bool:
        """Marks the edges that one problem is on, so that the next path avoids them; false where there are none new."""
        track = session.track(k, b)
        worn = {int(edge) for edge in track.path.edges[max(0, track.at - 1) : track.carrot] if edge != NONE}
        if worn <= session.rejected[k][b]:
            return False
        session.rejected[k][b] = session.rejected[k][b] | worn
        session.events[b].append(f"rejected {k}")
        return True


def _of_one_problem(recorders: Mapping[int, Recorder], problems: int) -> Mapping[int, Recorder]:
    if recorders and problems != 1:
        raise ValueError(f"recorders listen to a session of one problem; this one has {problems}")
    return recorders


def _apart(pin: Target, k: int, b: int, here: list[Floats]) -> float:
    """World steps between one problem and level ``k``'s pin, by the finest critic that knows the pin."""
    place, point = (here[k - 1][b], pin.point) if pin.goal is None else (here[0][b], pin.goal[0])
    return float(np.linalg.norm(place - point))


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
