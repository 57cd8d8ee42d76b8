"""Oracles, for diagnosis only: an actor parts of which are replaced by the truth that is hidden from the agent.

Where success comes back with a part, that part was what lost it.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hjepa.vision.actor import Look, VisionActor
from hjepa.vision.agent import VisionAgent
from hjepa.vision.diagnostics import Affine
from hjepa.vision.place_level import LAYOUT, PLACE
from hjepa.vision.planning import VisionPlanning
from hjepa.vision.reachability import Reachability
from hjepa.vision.ways import WayPlanner
from planners.base import Box, Recorder
from planners.hierarchy import HierarchicalPlanner, PlanningLevel, Session
from planners.landmarks import NONE, Path, Query
from scripts._oracle_walls import TrueWalls
from scripts._seen import SeenTasks
from worlds.goal_tasks import GoalTasks
from worlds.picture_world import PictureWorld

Part = Literal["places", "dynamics", "walls", "subgoals"]
"""What is true: where the agent and the goal are; what level 1's actions do; which of the upper levels' edges a wall
crosses; level 2's path, walked by the world's oracle."""
SURE = 8.0
"""Logit of what is known."""


class OracleActor(VisionActor):
    """An actor some parts of which are true.

    Args:
        agent: whose stack to use for the others.
        seen: the episodes, whose hidden states are looked at.
        calibration: from the agent's places to those of the world.
        parts: what is true.
        levels: that plan; 2 where subgoals are true.
        config: how they plan.
        seed: of the planners.
    """

    def __init__(
        self,
        agent: VisionAgent,
        seen: SeenTasks,
        calibration: Affine,
        parts: frozenset[Part],
        levels: int | None = None,
        config: VisionPlanning | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(agent, 2 if "subgoals" in parts else levels, config, seed)
        self.seen, self.calibration, self.parts = seen, calibration, parts

    def _look(self, frames: NDArray[np.uint8]) -> Look:
        found = super()._look(frames)
        if "places" not in self.parts:
            return found
        goal = frames is self._goal_frames
        truth = self.seen.tasks.goals if goal else self.seen.tasks.states()[:, :2]
        return found._replace(places=self.calibration.inverse()(truth))

    def _states(self, now: Look, before: Look) -> list[Tensor]:
        states = super()._states(now, before)
        return [self._true_state(), *states[1:]] if "dynamics" in self.parts else states

    def _true_state(self) -> Tensor:
        """[B, 3 + S] the agent's place as level 1 has it, the number of the episode, and the state of the world."""
        truth = self.seen.tasks.states()
        numbers = torch.arange(len(truth), dtype=truth.dtype).unsqueeze(1)
        return torch.cat([self.calibration.inverse()(truth[:, :2]), numbers, truth], 1)

    def _look_around(self, now: Look) -> tuple[HierarchicalPlanner, Session]:
        planner, session = super()._look_around(now)
        controller, levels = planner.controller, planner.levels
        if "dynamics" in self.parts:
            box = controller.dynamics.actions
            assert isinstance(box, Box)
            controller = replace(controller, dynamics=Simulator(self.seen.tasks, self.calibration, box))
        if "walls" in self.parts:
            levels = [self._with_walls(level) for level in levels]
        if "subgoals" in self.parts:
            walks = OracleWalks(self.seen.tasks, self.calibration, self.stack.config.levels[1].stride, self.stack.pace)
            levels = [replace(levels[0], planner=walks)]
        return HierarchicalPlanner(controller, levels), session

    def _with_walls(self, level: PlanningLevel) -> PlanningLevel:
        if not isinstance(level.planner, WayPlanner):
            return level  # one that looks far, whose ways those below verify
        crossed = Crossed(TrueWalls.of(self.seen.raster), self.seen.tasks.maps, self.calibration)
        edges = replace(level.planner.edges, reachability=cast(Reachability, crossed))
        return replace(level, planner=replace(level.planner, edges=edges))


@dataclass(frozen=True)
class Crossed:
    """In an edge classifier's place: sure that there is an edge where no wall is crossed.

    Attributes:
        walls: of all layouts.
        maps: [B] each problem's layout.
        calibration: from the agent's places to those of the world.
    """

    walls: TrueWalls
    maps: Tensor
    calibration: Affine

    def __call__(self, layouts: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """[N, 5] states to [N] logits."""
        ends = [self.calibration(states[:, PLACE]) for states in (before, after)]
        return SURE - 2 * SURE * self.walls.crosses(self.maps[before[:, LAYOUT].long()], *ends).float()


@dataclass(frozen=True)
class Simulator:
    """The world itself as level 1's predictor, for states of :meth:`OracleActor._true_state`.

    Attributes:
        tasks: the episodes.
        calibration: from the agent's places to those of the world.
        actions: of the world.
    """

    tasks: GoalTasks
    calibration: Affine
    actions: Box

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        """[..., 3 + S] states and [..., A] actions to the [..., 3 + S] states one world step later."""
        rows, moves = state.reshape(-1, state.shape[-1]), action.reshape(-1, action.shape[-1])
        world = twin(self.tasks.world, self.tasks.maps[rows[:, 2].long()].numpy(), rows[:, 3:].numpy())
        after = world.step(moves.numpy())
        places = self.calibration.inverse()(after[:, :2])
        return torch.cat([places, rows[:, 2:3], after], 1).view(state.shape)


def twin(world: PictureWorld, maps: NDArray[np.int64], states: NDArray[np.floating]) -> PictureWorld:
    """The same world with other episodes in it: [N] layouts, [N, S] states."""
    other: Any = copy(world)
    other.num_envs, other.maps, other.state = len(maps), maps, states.astype(np.float64)
    return cast(PictureWorld, other)


@dataclass(frozen=True)
class OracleWalks:
    """In a level's planner's place: the way that the world's oracle would walk, in strides.

    Attributes:
        tasks: the episodes.
        calibration: from the agent's places to those of the world.
        stride: world steps between two states of a path.
        pace: [] cells per world step.
    """

    tasks: GoalTasks
    calibration: Affine
    stride: int
    pace: Tensor

    def below(self, landmark: int) -> int:
        """There are no landmarks."""
        return NONE

    def paths(self, queries: list[Query], recorder: Recorder | None = None) -> list[Path]:
        """One for each query, from where its episode truly is."""
        places, reached = self._walk()
        return [self._path(query, *self._of(places, reached, int(query.state[LAYOUT]))) for query in queries]

    def _walk(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """[T+1, B, 2] places of all episodes from now on, and the [B] first times at which they are at their goals."""
        tasks, oracle = self.tasks, self.tasks.oracle()
        world = twin(tasks.world, tasks.maps.numpy(), tasks.states().numpy())
        trail = [tasks.states().numpy()]
        near = [self._arrived(trail[0])]
        while not np.all(np.any(near, 0)) and len(trail) <= tasks.time_limit:
            trail.append(world.step(oracle(trail[-1])).numpy())
            near.append(self._arrived(trail[-1]))
        last = np.where(np.any(near, 0), np.argmax(near, 0), len(trail) - 1)
        return np.stack(trail)[..., :2], last

    def _arrived(self, states: NDArray[np.float32]) -> NDArray[np.bool_]:
        return np.linalg.norm(states[:, :2] - self.tasks.goals.numpy(), axis=1) < self.tasks.radius

    def _of(
        self, places: NDArray[np.float32], reached: NDArray[np.int64], number: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """One episode's [n+1, 2] places, the goal itself the last one, cells; and the [n+1] times of them."""
        times = np.append(np.arange(0, max(1, int(reached[number])), self.stride), max(1, int(reached[number])))
        way = np.append(places[times[:-1], number], self.tasks.goals[number].numpy()[None], axis=0)
        return self.calibration.inverse()(torch.from_numpy(way)).numpy(), times.astype(np.float32)

    def _path(self, query: Query, places: NDArray[np.float32], times: NDArray[np.float32]) -> Path:
        states = np.repeat(np.asarray(query.state)[None], len(places), 0)
        states[:, PLACE] = places
        none = np.full(len(places), NONE)
        return Path(states, places / float(self.pace), times, none, none[1:], final=True)
