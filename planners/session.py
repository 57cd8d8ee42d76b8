"""Short-term memory of the hierarchy: goals and pins, the levels' paths, what was rejected, and what was spent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from planners.landmarks import Path, Target

Floats = NDArray[np.float32]
Embed = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class SubgoalCost:
    """Predicted time to a target, summed over the trajectory: what the level above asks of the level below.

    Attributes:
        measure: [..., D] states to [..., E] points whose distances are world steps.
        target: [B, E] one target per problem.
        surcharge: [..., D] states to the [...] world steps that a step there costs extra; None where nothing does.
    """

    measure: Embed
    target: Tensor
    surcharge: Embed | None = None

    def __call__(self, states: Tensor, actions: Tensor) -> Tensor:
        """[B, ..., T+1, D] states to [B, ..., T+1] world steps."""
        distance = self.distance(states)
        return distance if self.surcharge is None else distance + self.surcharge(states)

    def distance(self, states: Tensor) -> Tensor:
        """[B, ..., T+1, D] states to their [B, ..., T+1] distances to the target, world steps."""
        points = self.measure(states)
        target = self.target.reshape(len(self.target), *[1] * (points.dim() - 2), -1)
        return torch.linalg.vector_norm(points - target, dim=-1)


@dataclass(frozen=True)
class Pursuit:
    """Level 1's newest plan.

    Attributes:
        cost: what it minimises, for [n] problems.
        states: [n, T+1, D] the states that level 1 predicts.
        problems: [n] the numbers of these problems.
    """

    cost: SubgoalCost
    states: Tensor
    problems: NDArray[np.int64]

    @torch.no_grad()
    def terms(self, problem: int) -> dict[str, float]:
        """The energy of one problem's plan by term, world steps summed over the plan; nothing for one that is idle."""
        row = np.flatnonzero(self.problems == problem)
        if not len(row):
            return {}
        states, cost = self.states[row], replace(self.cost, target=self.cost.target[row])
        extra = 0.0 if cost.surcharge is None else float(cost.surcharge(states).sum())
        return {"distance to subgoal": float(cost.distance(states).sum()), "zones": extra}


@dataclass
class Track:
    """How far one problem has come along one level's path.

    Attributes:
        path: the way.
        purpose: what it is for; None has the level plan anew.
        target: where it leads.
        at: number of the last state that was passed.
        carrot: number of the state that is asked of the level below.
        best: least world steps that remained so far.
        since: world steps without progress.
        age: world steps since the path was made.
        distance: world steps to the next state.
    """

    path: Path
    purpose: object
    target: Target
    at: int = 0
    carrot: int = 1
    best: float = np.inf
    since: float = 0.0
    age: float = 0.0
    distance: float = 0.0

    @property
    def next(self) -> int:
        """Number of the next state on the path."""
        return min(self.at + 1, len(self.path.arrival) - 1)

    def terms(self) -> dict[str, float]:
        """The energy of the rest of the path by term, world steps."""
        arrival = self.path.arrival
        extra = {name: float(paid[self.at :].sum()) for name, paid in self.path.surcharges.items()}
        return {"to next state": self.distance, "rest of the path": float(arrival[-1] - arrival[self.next]), **extra}


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
    """Short-term memory of the hierarchy for B problems.

    Args:
        goals: [B, E_k] the goals in every level's critic space, finest level first.
        levels: number of levels, K.

    Attributes:
        tracks: by level and problem, how far it has come; None before the first plan.
        pins: by level and problem, the subgoal that was set by hand.
        rejected: by level and problem, numbers of the ways that did not lead where the model said.
        spent: what planning has cost so far.
        events: by problem, what happened at the newest decision, as ``replan k``, ``rejected k``, ``guardrail k``,
            ``pinned k`` and ``pin-reached k``.
        pursuit: level 1's newest plan.
    """

    def __init__(self, goals: list[Tensor], levels: int) -> None:
        self.goals, self.levels = goals, levels
        self.goal_points = [goal.cpu().numpy() for goal in goals]
        self.size = len(goals[0])
        self.tracks: list[list[Track | None]] = [[None] * self.size for _ in range(levels + 1)]
        self.pins: list[list[Target | None]] = [[None] * self.size for _ in range(levels + 1)]
        self.rejected: list[list[frozenset[int]]] = [[frozenset()] * self.size for _ in range(levels + 1)]
        self.spent = Spent()
        self.events: list[list[str]] = [[] for _ in range(self.size)]
        self.pursuit: Pursuit | None = None
        self._news: list[list[str]] = [[] for _ in range(self.size)]

    def goal(self, problem: int) -> tuple[Floats, ...]:
        """One problem's goal in every level's critic space, finest first."""
        return tuple(points[problem] for points in self.goal_points)

    def track(self, k: int, problem: int) -> Track:
        """The present track of one level for one problem."""
        track = self.tracks[k][problem]
        assert track is not None
        return track

    def pin(self, k: int, problem: int, target: Target | None) -> None:
        """Sets one level's subgoal by hand, or lets it go.

        Until it is reached, level ``k`` hands this target down in the place of its own. The levels below plan towards
        it at the next decision. Level ``k`` and those above keep their paths, and blame no edge for what happens
        meanwhile; afterwards level ``k`` plans anew from where the agent then is. Level 2's pin goes straight to
        level 1, which knows no way round a wall: out of sight, it keeps the agent there until it is let go.

        Args:
            k: 2 to K.
            problem: whose.
            target: its point in level ``k``'s critic space, and as its goal the same in every level's; None lets go.

        Raises:
            ValueError: for a level that hands no subgoal down, or a problem that there is not.
        """
        self._require(k, problem, 2)
        if target is None:
            self.release(k, problem)
        else:
            self.pins[k][problem] = target
            self._news[problem].append(f"pinned {k}")

    def release(self, k: int, problem: int) -> None:
        """Lets a pin go, if there is one: level ``k`` plans anew, and the levels above take their paths up again."""
        if self.pins[k][problem] is None:
            return
        self.pins[k][problem] = None
        for j in range(k, self.levels + 1):
            track = self.tracks[j][problem]
            if track is not None:
                track.best, track.since = np.inf, 0.0
        self._void(k, problem)

    def held(self, k: int, problem: int) -> bool:
        """Whether a level waits for the agent to come back from a pin, its own or that of a level below."""
        return any(self.pins[j][problem] is not None for j in range(2, k + 1))

    def forget(self, k: int, problem: int) -> None:
        """Makes level ``k`` and all below plan anew at the next decision; level 1 does so in any case.

        Raises:
            ValueError: for a level or a problem that there is not.
        """
        self._require(k, problem, 1)
        for j in range(2, k + 1):
            self._void(j, problem)

    def turn(self) -> None:
        """Begins a decision: what was announced since the last one are its first events."""
        self.events, self._news = self._news, [[] for _ in range(self.size)]

    def _void(self, k: int, problem: int) -> None:
        track = self.tracks[k][problem]
        if track is not None:
            track.purpose = None

    def _require(self, k: int, problem: int, lowest: int) -> None:
        if not lowest <= k <= self.levels:
            expected = f"{lowest} to {self.levels}" if lowest <= self.levels else "none: one level plans alone"
            raise ValueError(f"level must be {expected}, not {k}")
        if not 0 <= problem < self.size:
            raise ValueError(f"problem must be 0 to {self.size - 1}, not {problem}")
