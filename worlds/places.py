"""Where episodes begin and end: OGBench's five tasks of a maze, or anywhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from worlds.compiled import NOISE
from worlds.maps import EXIT, FREE, Map

Cell = tuple[int, int]

OFFICIAL_TASKS: dict[str, tuple[tuple[Cell, Cell], ...]] = {
    "arena": (((1, 1), (6, 6)),),
    "medium": (((1, 1), (6, 6)), ((6, 1), (1, 6)), ((5, 3), (4, 2)), ((6, 5), (6, 1)), ((2, 6), (1, 1))),
    "large": (((1, 1), (7, 10)), ((5, 4), (7, 1)), ((7, 4), (1, 10)), ((3, 8), (5, 4)), ((1, 1), (5, 4))),
    "giant": (((1, 1), (10, 14)), ((1, 14), (10, 1)), ((8, 14), (1, 1)), ((8, 3), (5, 12)), ((5, 9), (3, 8))),
    "teleport": (((1, 10), (7, 1)), ((1, 1), (7, 10)), ((5, 6), (7, 10)), ((7, 1), (7, 10)), ((5, 6), (7, 1))),
}
"""OGBench's (start cell, goal cell) of tasks 1, 2, ... by the name of the maze."""


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


def place_near(map: Map, cell: NDArray[np.int64] | Cell, generator: np.random.Generator) -> NDArray[np.float64]:
    """[2] a random place near a cell's centre, as OGBench draws starts and goals."""
    return map.center(cell) + generator.uniform(-NOISE, NOISE, 2)
