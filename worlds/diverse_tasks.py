"""Goal-reaching tasks in Diverse Mazes, as HWM evaluates, and the oracle that shows that they can be solved.

Start: where the recorded data has been, at rest. Goal: anywhere in a random cell whose breadth-first distance from the
start's is in a range (HWM: 5..8, 9..12, 13..16). Success: ever within 0.5 cells. 500 steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from worlds.diverse_maze import DiverseMaze, record_diverse_maze
from worlds.force import RADIUS, STEADY, Physics
from worlds.goal_tasks import Controller, GoalTasks
from worlds.layouts import Layouts
from worlds.maps import Map
from worlds.picture_world import require_counts

SUCCESS_RADIUS = 0.5
"""Cells."""
TIME_LIMIT = 500
"""World steps."""
STIFFNESS, BRAKE = 4.0, 0.9
"""Of the oracle: force per cell of error, and per cell a second of velocity."""


class DiverseMazeTasks(GoalTasks):
    """HWM's tasks; episode ``e`` depends on the layouts, the range, the seed and ``e`` only.

    Attributes:
        cell_distances: [B] breadth-first distance of start and goal, cells.
    """

    def __init__(
        self,
        layouts: Layouts,
        episodes: int,
        distance: tuple[int, int] = (5, 8),
        seed: int = 0,
        time_limit: int = TIME_LIMIT,
        physics: Physics = STEADY,
        first: int = 0,
    ) -> None:
        """Draws the tasks.

        Args:
            layouts: M layouts; episode ``e`` is in number ``e mod M``, or the next that has cells so far apart.
            episodes: B.
            distance: least and largest breadth-first distance of start and goal, cells.
            seed: of the starts and goals.
            time_limit: steps.
            physics: what a force does.
            first: number of the first episode.

        Raises:
            ValueError: for episodes or a time limit below 1, or where no layout has cells so far apart.
        """
        require_counts("DiverseMazeTasks", episodes, time_limit)
        drawn = [_draw(layouts, distance, seed, first + episode, physics) for episode in range(episodes)]
        maps = np.array([task[0] for task in drawn], dtype=np.int64)
        starts, goals = (np.array([task[k] for task in drawn]) for k in (1, 2))
        self.layouts = layouts
        self.cell_distances = np.array([task[3] for task in drawn])
        self.task_names = [layouts.maps[map].name for map in maps]
        super().__init__(
            DiverseMaze(layouts, episodes, physics=physics), maps, starts, goals, SUCCESS_RADIUS, time_limit, seed
        )

    def oracle(self) -> Controller:
        """See :class:`Oracle`."""
        return Oracle(self.layouts, self.maps.numpy(), self.goals.numpy())


class Oracle:
    """Sees the map: follows a shortest path from cell centre to cell centre with a spring and a brake."""

    def __init__(self, layouts: Layouts, maps: NDArray[np.int64], goals: NDArray[np.floating]) -> None:
        """Measures the distances to [B, 2] goals, each in layout [B]."""
        self.goals = goals
        self._distances = np.stack(
            [distances(layouts.maps[map], _cell(goal)) for map, goal in zip(maps, goals, strict=True)]
        ).astype(np.int64)
        self._distances[self._distances < 0] = np.iinfo(np.int32).max

    def __call__(self, states: NDArray[np.floating]) -> NDArray[np.float64]:
        """[B, 2] forces in [B, 4] states."""
        error = self._ahead(states[:, :2]) - states[:, :2]
        force = STIFFNESS * error - BRAKE * states[:, 2:]
        return force / np.maximum(np.linalg.norm(force, axis=1, keepdims=True), 1)

    def _ahead(self, places: NDArray[np.floating]) -> NDArray[np.float64]:
        """[B, 2] centre of the next cell on the way, or the goal in its own cell."""
        batch, columns, rows = np.arange(len(places)), *places.astype(np.int64).T
        moves = np.array([(-1, 0), (0, -1), (1, 0), (0, 1)])
        around = np.stack([self._distances[batch, rows + i, columns + j] for i, j in moves], 1)
        step = moves[around.argmin(1)]
        ahead = np.stack([columns + step[:, 1], rows + step[:, 0]], 1) + 0.5
        return np.where((self._distances[batch, rows, columns] == 0)[:, None], self.goals, ahead)


def _cell(place: NDArray[np.floating]) -> tuple[int, int]:
    return int(place[1]), int(place[0])


@lru_cache(maxsize=65_536)
def distances(map: Map, cell: tuple[int, int]) -> NDArray[np.int32]:
    """[rows, columns] breadth-first steps from a cell; kept, because every task asks again."""
    found = map.distances_from(cell)
    found.flags.writeable = False
    return found


@lru_cache(maxsize=4096)
def _has_pair(map: Map, distance: tuple[int, int]) -> bool:
    return any(_within(distances(map, (int(i), int(j))), distance).any() for i, j in map.free_cells())


def _within(steps: NDArray[np.int32], distance: tuple[int, int]) -> NDArray[np.bool_]:
    return (steps >= distance[0]) & (steps <= distance[1])


def _draw(
    layouts: Layouts, distance: tuple[int, int], seed: int, episode: int, physics: Physics
) -> tuple[int, NDArray[np.float64], NDArray[np.float64], int]:
    """A layout, a start, a goal, and the cells between them."""
    generator = np.random.default_rng((seed, episode))
    number = next((m for m in _round(episode, len(layouts)) if _has_pair(layouts.maps[m], distance)), None)
    if number is None:
        raise ValueError(f"{layouts.name}: no layout has two cells {distance[0]}..{distance[1]} steps apart")
    map = layouts.maps[number]
    one = Layouts((map,), map.name)
    while True:
        data = record_diverse_maze(one, 1, int(generator.integers(2**31)), physics=physics)
        start = data.states[0, generator.integers(len(data.states[0])), :2].astype(np.float64)
        steps = distances(map, _cell(start))
        goals = np.argwhere(_within(steps, distance))
        if len(goals):
            goal = goals[generator.integers(len(goals))]
            place = goal[::-1] + generator.uniform(RADIUS, 1 - RADIUS, 2)
            return number, start, place, int(steps[tuple(goal)])


def _round(first: int, count: int) -> Iterator[int]:
    return ((first + k) % count for k in range(count))
