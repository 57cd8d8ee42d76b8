"""Goal-reaching tasks on any map, for evaluation: random starts and goals, or OGBench's five tasks of a maze."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from worlds.base import Flags, Points
from worlds.compiled import NOISE
from worlds.maps import EXIT, FREE, Map
from worlds.oracle import walk
from worlds.point_maze import PointMaze

Cell = tuple[int, int]

OFFICIAL_TASKS: dict[str, tuple[tuple[Cell, Cell], ...]] = {
    "arena": (((1, 1), (6, 6)),),
    "medium": (((1, 1), (6, 6)), ((6, 1), (1, 6)), ((5, 3), (4, 2)), ((6, 5), (6, 1)), ((2, 6), (1, 1))),
    "large": (((1, 1), (7, 10)), ((5, 4), (7, 1)), ((7, 4), (1, 10)), ((3, 8), (5, 4)), ((1, 1), (5, 4))),
    "giant": (((1, 1), (10, 14)), ((1, 14), (10, 1)), ((8, 14), (1, 1)), ((8, 3), (5, 12)), ((5, 9), (3, 8))),
    "teleport": (((1, 10), (7, 1)), ((1, 1), (7, 10)), ((5, 6), (7, 10)), ((7, 1), (7, 10)), ((5, 6), (7, 1))),
}
"""OGBench's (start cell, goal cell) of tasks 1, 2, ... by the name of the maze."""

STEPS_PER_CELL = 40
"""Time allowed per cell of the shortest path; walking straight takes 20 steps a cell."""
LEAST_TIME = 1000
"""Every episode gets at least OGBench's limit, world steps."""


def official_task(map: Map, task_id: int) -> tuple[Cell, Cell]:
    """OGBench's start and goal cell of task ``task_id`` (from 1) on one of its mazes.

    Raises:
        ValueError: where there is no such task.
    """
    tasks = OFFICIAL_TASKS.get(map.name, ())
    if not 1 <= task_id <= len(tasks):
        known = f"1..{len(tasks)}" if tasks else f"none: tasks are for the maps {', '.join(OFFICIAL_TASKS)}"
        raise ValueError(f"map {map.name} has no task {task_id!r}, expected {known}")
    return tasks[task_id - 1]


def random_task(
    map: Map, generator: np.random.Generator, min_distance: int = 1
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """A random start cell, a random goal cell that can be walked to around all portals, and their distance in cells.

    The start is uniform over the free cells that aren't portal entrances, the goal over those at least ``min_distance``
    steps away from it. Starts without such a goal are drawn again.

    Raises:
        ValueError: where no start has one.
    """
    cells = np.argwhere((map.cells == FREE) | (map.cells == EXIT))
    for index in generator.permutation(len(cells)):
        distances = map.distances_from(cells[index], around_portals=True)
        goals = np.argwhere(distances >= max(min_distance, 1))
        if len(goals):
            goal = goals[generator.integers(len(goals))]
            return cells[index], goal, int(distances[tuple(goal)])
    raise ValueError(f"map {map.name} has no two free cells {max(min_distance, 1)} steps apart")


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


def place_near(map: Map, cell: NDArray[np.int64] | Cell, generator: np.random.Generator) -> NDArray[np.float64]:
    """[2] a random place near a cell's centre, as OGBench draws starts and goals."""
    return map.center(cell) + generator.uniform(-NOISE, NOISE, 2)
