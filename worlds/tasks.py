"""Goal-reaching tasks on any map, for evaluation."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from worlds.base import Flags, Points
from worlds.maps import Map
from worlds.oracle import walk
from worlds.places import place_near, random_task
from worlds.point_maze import PointMaze

STEPS_PER_CELL = 40
"""Time allowed per cell of the shortest path; walking straight takes 20 steps a cell."""
LEAST_TIME = 1000
"""Every episode gets at least OGBench's limit, world steps."""


class MazeTasks:
    """A :class:`~worlds.base.TaskBatch` of random tasks on any map, in our own simulator.

    Episode ``e`` starts from and leads to places that depend on the seed and on ``e`` only. Its time limit is
    ``max(1000, 40 x cells of the shortest path)`` steps unless one is given: twice what walking the path takes.
    """

    def __init__(
        self, map: Map, episodes: int, seed: int = 0, time_limit: int | None = None, min_distance: int = 1
    ) -> None:
        """Draws the tasks.

        Args:
            map: where to walk.
            episodes: B.
            seed: of the starts, goals and portal exits.
            time_limit: steps per episode, the same for all; scaled with each one's shortest path by default.
            min_distance: least number of cells between start and goal.

        Raises:
            ValueError: for episodes or a time limit below 1, or where no cells are so far apart.
        """
        if episodes < 1 or (time_limit is not None and time_limit < 1):
            raise ValueError(f"MazeTasks needs episodes and time_limit >= 1, not {episodes} and {time_limit}")
        self.map = map
        self.num_envs = episodes
        self.task_names = ["random"] * episodes
        tasks = [_draw(map, np.random.default_rng((seed, episode)), min_distance) for episode in range(episodes)]
        self.starts, self.goals = (np.array([task[k] for task in tasks]) for k in (0, 1))
        self.cell_distances = np.array([task[2] for task in tasks])
        scaled = np.maximum(LEAST_TIME, STEPS_PER_CELL * self.cell_distances)
        self.limits = scaled if time_limit is None else np.full(episodes, time_limit)
        self.time_limit = int(self.limits.max())
        self._seed = seed
        self._world = PointMaze(map, episodes, seed=seed)
        self.reset()

    def reset(self) -> tuple[Points, Points]:
        """Begins all episodes: [B, 2] observations and [B, 2] goals, world units."""
        self._world.seed(self._seed)
        observations = self._world.reset(torch.from_numpy(self.starts), torch.from_numpy(self.goals)).numpy()
        self._observations = observations.copy()
        self._succeeded = np.zeros(self.num_envs, dtype=bool)
        self._steps = 0
        return observations, self._world.goal.numpy().copy()

    def step(self, actions: NDArray[np.floating]) -> tuple[Points, Flags]:
        """One step with [B, 2] actions: [B, 2] observations, [B] who has succeeded so far."""
        active = self.active()
        before = self._world.position
        seen, success = self._world.step(torch.from_numpy(np.asarray(actions, dtype=np.float64)))
        self._world.position = torch.where(torch.from_numpy(active)[:, None], self._world.position, before)
        self._observations = np.where(active[:, None], seen.numpy(), self._observations)
        self._succeeded |= active & success.numpy()
        self._steps += 1
        return self._observations.copy(), self._succeeded.copy()

    def active(self) -> Flags:
        """[B] which episodes still run."""
        return ~self._succeeded & (self._steps < self.limits)

    def oracle_steps(self) -> NDArray[np.int64]:
        """[B] steps that the breadth-first oracle needs for the same starts and goals; its limit if it fails."""
        return walk(self.map, self.starts, self.goals, self.limits, self._seed)

    def close(self) -> None:
        """Does nothing: memory is all that the episodes hold."""


def _draw(
    map: Map, generator: np.random.Generator, min_distance: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """A random start and goal, with noise around their cells' centres, and the cells between them."""
    start, goal, distance = random_task(map, generator, min_distance)
    return place_near(map, start, generator), place_near(map, goal, generator), distance
