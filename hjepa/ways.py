"""Past plans: ways that worked are remembered place by place, and taken again in the place of a search.

When an episode ends at its goal, as the agent's own critic sees it, what short-term memory holds of it becomes a way in
long-term memory. Later, whoever stands near some place of a way, and wants to be near a later one, recalls what lies
between: any level can hand it down, whatever it else plans with. It is episodic control (Blundell et al. 2016,
"Model-free episodic control") with ways for values. A way that fails is forgotten at once, and a search takes over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hjepa.recall import AssociativeMemory, Recalled, RecallError, Rows
from hjepa.world_model import WorldModel
from planners.base import Recorder
from planners.landmarks import NONE, Path, PathPlanner, Query

Floats = NDArray[np.float32]

NEAR = 10.0
"""World steps within which a remembered place is as good as here: so little that no wall is likely to be between."""
ARRIVED = 7.5
"""World steps from the last place that was seen to the goal at which an episode counts as arrived: the world ends it as
soon as it is."""
JUMP = 5.0
"""World steps that a single one can't be worth: whoever jumped was lucky, and luck is no way."""
NEWS = 1.05
"""How much longer a remembered way may be before a new one is worth keeping."""
EVERY = 5
"""World steps between the places that are kept of a way."""
CAPACITY = 20_000
"""Places in memory."""
RECALLED = -1_000_000_000
"""Less than any number of a landmark's way: ways in memory are numbered down from here when they are rejected."""


@dataclass(frozen=True, eq=False)
class Way:
    """A part of a remembered way.

    Attributes:
        number: of the way.
        places: [n, O] what was seen on it.
        arrival: [n+1] world steps from here to each of them, and at last to the goal.
    """

    number: int
    places: Floats
    arrival: Floats


@final
class Ways:
    """Long-term memory of ways that worked.

    Args:
        stack: level 1's critic says what is near.
        memory: what is remembered so far; nothing by default.

    Raises:
        RecallError: for a memory of something else.
    """

    def __init__(self, stack: WorldModel, memory: AssociativeMemory | None = None) -> None:
        blank: Rows = {
            "place": np.empty((0, stack.config.observation_dim), np.float32),
            "way": np.empty(0, np.int64),
            "time": np.empty(0, np.float32),
        }
        keys = np.empty((0, stack.level(1).config.critic_dim), np.float32)
        self.stack = stack
        self.memory = AssociativeMemory(keys, blank, NEAR, CAPACITY) if memory is None else memory
        if self.memory.keys.shape[1:] != keys.shape[1:] or self.memory.values.keys() != blank.keys():
            raise RecallError(f"ways are kept by {keys.shape[1]} numbers a place, with {', '.join(blank)}")

    def __len__(self) -> int:
        return len(np.unique(self.memory.values["way"]))

    def learn(self, steps: Rows, goals: Floats) -> int:
        """Keeps the episodes that arrived, where no way is known that is as good; returns how many that were.

        Args:
            steps: of short-term memory: ``observation`` [T, B, O] and ``active`` [T, B], which steps counted.
            goals: [B, E] in level 1's critic space.
        """
        if not steps:
            return 0
        trails = [steps["observation"][steps["active"][:, b], b] for b in range(len(goals))]
        return sum(self._learn(trail, goal) for trail, goal in zip(trails, goals, strict=True) if len(trail))

    def way(self, here: Floats, goal: Floats, without: frozenset[int] = frozenset()) -> Way | None:
        """The shortest remembered way between two [E] places in level 1's critic space; None where there is none.

        Args:
            here: where it begins, give or take :data:`NEAR`.
            goal: where it ends, likewise.
            without: numbers of ways that are not to be trusted.
        """
        begins, ends = self.memory.near(here), self.memory.near(goal)
        costs = _costs(begins, ends)
        costs[np.isin(begins.values["way"], list(without))] = np.inf
        if not np.isfinite(costs).any():
            return None
        first, last = np.unravel_index(int(costs.argmin()), costs.shape)
        number, times = int(begins.values["way"][first]), self.memory.values["time"]
        begun, over = begins.values["time"][first], ends.values["time"][last]
        rows = np.flatnonzero((self.memory.values["way"] == number) & (times >= begun) & (times <= over))
        rows = rows[np.argsort(times[rows], kind="stable")]
        arrival = begins.distances[first] + times[rows] - begun
        arrival = np.append(arrival, arrival[-1] + ends.distances[last]).astype(np.float32)
        self.memory.use(rows)
        return Way(number, self.memory.values["place"][rows], arrival)

    def forget(self, ways: frozenset[int]) -> None:
        """Ways that did not lead where they once did, by their numbers."""
        gone = np.isin(self.memory.values["way"], list(ways))
        if gone.any():
            self.memory.keep(~gone)

    def state(self) -> dict[str, Tensor]:
        """Everything, to be saved with the agent."""
        return self.memory.state()

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor], stack: WorldModel) -> Ways:
        """What :meth:`state` gave."""
        return cls(stack, AssociativeMemory.from_state(state, NEAR, CAPACITY))

    @torch.no_grad()
    def _learn(self, trail: Floats, goal: Floats) -> bool:
        """Keeps one [T, O] trail, unless it did not arrive, was lucky, or is no news."""
        seen = torch.from_numpy(trail).to(self.stack.scale.device)
        points = self.stack.level(1).critic.embed(self.stack.encode(seen)).cpu().numpy()
        lucky = np.linalg.norm(np.diff(points, axis=0), axis=1).max(initial=0.0) > JUMP
        if lucky or np.linalg.norm(points[-1] - goal) > ARRIVED:
            return False
        cost, known = len(trail) - 1 + float(np.linalg.norm(points[-1] - goal)), self.way(points[0], goal)
        if known is not None and known.arrival[-1] <= NEWS * cost:
            return False
        kept = np.union1d(np.arange(0, len(trail), EVERY), len(trail) - 1)
        number = 1 + int(self.memory.values["way"].max(initial=-1))
        values = {"place": trail[kept], "way": np.full(len(kept), number), "time": kept.astype(np.float32)}
        self.memory.write(points[kept], values)
        return True


def _costs(begins: Recalled, ends: Recalled) -> NDArray[np.float64]:
    """[b, e] world steps from here to one place of a way, on to a later one and to the goal; infinite off one way."""
    if not len(begins.rows) or not len(ends.rows):
        return np.full((len(begins.rows), len(ends.rows)), np.inf)
    on = ends.values["time"][None, :].astype(np.float64) - begins.values["time"][:, None]
    joined = (begins.values["way"][:, None] == ends.values["way"][None, :]) & (on >= 0)
    return np.where(joined, begins.distances[:, None] + on + ends.distances[None, :], np.inf)


@final
class RecallingPlanner:
    """Takes ways from memory where there are any, and else plans; a :class:`planners.landmarks.PathPlanner`.

    Only ways to goals are recalled. Subgoals are so near that there is little to save.

    Args:
        planner: plans where nothing is recalled.
        ways: long-term memory.
        level: at which it plans.

    Attributes:
        recalled: ways that were taken from memory so far.
    """

    def __init__(self, planner: PathPlanner, ways: Ways, level: int) -> None:
        self.planner, self.ways, self.level = planner, ways, level
        self.recalled = 0

    def paths(self, queries: list[Query], recorder: Recorder | None = None) -> list[Path]:
        """See :class:`planners.landmarks.PathPlanner`."""
        recalled = [self._recalled(query) for query in queries]
        left = [_unaware(query) for query, path in zip(queries, recalled, strict=True) if path is None]
        planned = iter(self.planner.paths(left, recorder) if left else ())
        return [next(planned) if path is None else path for path in recalled]

    def below(self, landmark: int) -> int:
        """See :class:`planners.landmarks.PathPlanner`; places of remembered ways are no landmarks."""
        return self.planner.below(landmark)

    def _recalled(self, query: Query) -> Path | None:
        if query.target.goal is None:
            return None
        failed = frozenset(RECALLED - edge for edge in query.rejected if edge <= RECALLED)
        self.ways.forget(failed)
        here, goal = query.points[0], query.target.goal[0]
        way = None if np.linalg.norm(goal - here) <= NEAR else self.ways.way(here, goal, failed)
        if way is None:
            return None
        self.recalled += 1
        return self._path(query, way, query.target.goal[self.level - 1])

    @torch.no_grad()
    def _path(self, query: Query, way: Way, goal: Floats) -> Path:
        """A way as this level's plan: its places in this level's latent space, and then the goal."""
        stack, count = self.ways.stack, len(way.places)
        states = stack.encode(torch.from_numpy(way.places).to(stack.scale.device), self.level)
        points = stack.level(self.level).critic.embed(states).cpu().numpy()
        latents = states.cpu().numpy()
        return Path(
            states=np.concatenate([query.state[None], latents, latents[-1:]]),
            embedding=np.concatenate([query.points[self.level - 1][None], points, goal[None]]),
            arrival=np.concatenate([np.zeros(1, np.float32), way.arrival]),
            landmarks=np.full(count + 2, NONE),
            edges=np.full(count + 1, RECALLED - way.number),
            final=True,
        )


def _unaware(query: Query) -> Query:
    """A query for a planner that knows nothing of remembered ways: not even that some were rejected."""
    return replace(query, rejected=frozenset(edge for edge in query.rejected if edge > RECALLED))
