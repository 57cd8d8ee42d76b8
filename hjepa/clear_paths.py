"""Paths of the levels above the first that keep to the guardrails, exactly: whatever breaks one is rejected.

The landmark graphs lack the edges that lead into a guardrail, but not the ways from the agent to its first landmarks,
nor a landmark that lies in a guardrail itself. Here every path is checked as it is, state by state and, where a level's
ways are straight, way by way; what is not clean is rejected as the level below would reject it, and the level plans
again. Where no clean path is found, it ends where the last clean state is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hjepa.cost import IntrinsicCost
from hjepa.guardrails import KeepOut, SpeedLimit
from planners.base import Recorder
from planners.landmarks import NONE, Path, PathPlanner, Query

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]
ATTEMPTS = 8
"""Plans that are made for one query before the best of them is cut off."""


@dataclass(eq=False)
class Sights:
    """What was seen where a level knows a state or a point of its own only: the agents' places and goals.

    Attributes:
        here: [2] world units, by the bytes of the present state.
        goals: [2] world units, by the bytes of the goal's first point.
    """

    here: dict[bytes, Floats] = field(default_factory=dict)
    goals: dict[bytes, Floats] = field(default_factory=dict)

    def goal(self, query: Query) -> Floats | None:
        """[2] where a query's goal is; None for a target that is no goal, and for a goal set by hand."""
        goal = query.target.goal
        return None if goal is None else self.goals.get(goal[0].tobytes())


@final
@dataclass(frozen=True, eq=False)
class ClearPaths:
    """A level's :class:`planners.landmarks.PathPlanner`, whose paths keep to the guardrails that stand still.

    Attributes:
        planner: plans.
        intrinsic: the guardrails.
        decode: [n, D] states of the level to the [n, 2] places that they stand for, world units.
        remembered: [L, 2] places of the level's landmarks, as they were observed; world units.
        sights: where the agents and their goals are.
        straight: whether the ways between the states are straight, so that all of them can be judged; else the states.
    """

    planner: PathPlanner
    intrinsic: IntrinsicCost
    decode: Callable[[Tensor], Tensor]
    remembered: Floats
    sights: Sights
    straight: bool

    def below(self, landmark: int) -> int:
        """See :class:`planners.landmarks.PathPlanner`."""
        return self.planner.below(landmark)

    def paths(self, queries: list[Query], recorder: Recorder | None = None) -> list[Path]:
        """One clean path per query; see :class:`planners.landmarks.PathPlanner`."""
        self.intrinsic.verify()
        result, pending = dict[int, Path](), dict(enumerate(queries))
        for attempt in range(ATTEMPTS):
            paths = self.planner.paths(list(pending.values()), recorder)
            for (number, query), path in zip(list(pending.items()), paths, strict=True):
                places = self.places(query, path)
                wrong = self._wrong(places)
                worn = {int(edge) for edge in path.edges[wrong[: len(path.edges)]] if edge != NONE}
                if not wrong.any():
                    result[number] = self._timed(path, places)
                elif attempt == ATTEMPTS - 1 or worn <= query.rejected:
                    result[number] = self._kept(path, wrong, places)
                else:
                    pending[number] = replace(query, rejected=query.rejected | worn)
            pending = {number: query for number, query in pending.items() if number not in result}
            if not pending:
                break
        return [result[number] for number in range(len(queries))]

    def places(self, query: Query, path: Path) -> Floats:
        """[n+1, 2] the places that a path leads to, the present one first; world units. NaN for an unknown goal."""
        with torch.no_grad():
            places = self.decode(torch.from_numpy(path.states)).cpu().numpy().astype(np.float32)
        known = path.landmarks != NONE
        places[known] = self.remembered[path.landmarks[known]]
        places[0] = self.sights.here.get(query.state.tobytes(), places[0])
        if path.final:
            goal = self.sights.goal(query)
            places[-1] = np.nan if goal is None else goal
        return places

    def _wrong(self, places: Floats) -> Flags:
        """[n] which of the ways between [n+1, 2] places break a guardrail; those to an unknown goal do not."""
        begin, end = places[:-1] if self.straight else places[1:], places[1:]
        wrong = np.zeros(len(end), bool)
        for rail in self.intrinsic.guardrails:
            if isinstance(rail, KeepOut):
                wrong |= rail.region.distance_along(begin, end) < rail.body
        return wrong

    def _kept(self, path: Path, wrong: Flags, places: Floats) -> Path:
        """What is left of a path some of whose ways are wrong.

        Where ways are straight, those up to the first wrong one; else all states that are clean: the level below finds
        its way between them.
        """
        ways = np.arange(int(wrong.argmax())) if self.straight else np.flatnonzero(~wrong)
        return self._timed(_only(path, ways), places)

    def _timed(self, path: Path, places: Floats) -> Path:
        """The path, with the time that the speed limits make its straight ways take."""
        if not self.straight:
            return path
        begin, end = places[: len(path.edges)], places[1 : len(path.edges) + 1]
        taken, length = np.diff(path.arrival), np.linalg.norm(end - begin, axis=-1)
        for rail in self.intrinsic.guardrails:
            if isinstance(rail, SpeedLimit):
                share = rail.region.share_along(begin, end)
                inside = np.maximum(share * length / rail.limit, share * taken)
                taken = np.where(share > 0, (1 - share) * taken + inside, taken)
        arrival = path.arrival[0] + np.concatenate([np.zeros(1), taken.cumsum()])
        return replace(path, arrival=arrival.astype(np.float32))


def _only(path: Path, ways: NDArray[np.int64]) -> Path:
    """A path with the present state and the ends of some of its ways; it is not found if the last one is missing."""
    states, complete = np.concatenate([[0], ways + 1]), len(path.edges) - 1 in ways
    return replace(
        path,
        states=path.states[states],
        embedding=path.embedding[states],
        arrival=path.arrival[states],
        landmarks=path.landmarks[states],
        edges=path.edges[ways],
        final=path.final and complete,
        found=path.found and complete,
        surcharges={name: paid[ways] for name, paid in path.surcharges.items()},
    )
