"""Goal-reaching tasks in Diverse Mazes, as HWM evaluates, and the oracle that shows that they can be solved.

Start: where the recorded data has been, at rest. Goal: anywhere in a random cell whose breadth-first distance from the
start's is in a range (HWM: 5..8, 9..12, 13..16). Success: ever within 0.5 cells. 500 steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worlds.base import Flags, Points
from worlds.diverse_maze import DiverseMaze, record
from worlds.force import RADIUS, STEADY, Physics
from worlds.layouts import Layouts
from worlds.maps import Map

SUCCESS_RADIUS = 0.5
"""Cells."""
TIME_LIMIT = 500
"""World steps."""
STIFFNESS, BRAKE = 4.0, 0.9
"""Of the oracle: force per cell of error, and per cell a second of velocity."""


class DiverseMazeTasks:
    """B episodes side by side; episode ``e`` depends on the layouts, the range, the seed and ``e`` only.

    Like a :class:`~worlds.base.TaskBatch`, but observations are [B, 4] states, or [B, 2] places by :meth:`places`; a
    learner from pictures draws them: ``raster(tasks.places(), tasks.maps)``, ``raster(tasks.goals, tasks.maps)``.

    Attributes:
        num_envs: B.
        time_limit: 500 steps.
        task_names: [B] the layout of each.
        maps: [B] int64 tensor, each episode's layout: ``e mod M`` (the next one, where it has no such distance).
        goals: [B, 2] float32 tensor, cells.
        cell_distances: [B] breadth-first distance of start and goal.
    """

    def __init__(
        self,
        layouts: Layouts,
        episodes: int,
        distance: tuple[int, int] = (5, 8),
        seed: int = 0,
        time_limit: int = TIME_LIMIT,
        physics: Physics = STEADY,
    ) -> None:
        """Draws the tasks.

        Raises:
            ValueError: for episodes or a time limit below 1, or where no layout has cells so far apart.
        """
        if episodes < 1 or time_limit < 1:
            raise ValueError(f"DiverseMazeTasks needs episodes and time_limit >= 1, not {episodes} and {time_limit}")
        self.layouts, self.num_envs, self.time_limit = layouts, episodes, time_limit
        drawn = [_draw(layouts, distance, seed, episode, physics) for episode in range(episodes)]
        self.maps = torch.tensor([task[0] for task in drawn])
        self.starts = np.array([task[1] for task in drawn])
        self.goals = torch.tensor(np.array([task[2] for task in drawn]), dtype=torch.float32)
        self.cell_distances = np.array([task[3] for task in drawn])
        self.task_names = [layouts.maps[map].name for map in self.maps]
        self.world = DiverseMaze(layouts, episodes, physics=physics)
        self.reset()

    def reset(self) -> tuple[Points, Points]:
        """Begins all episodes (always the same ones): [B, 4] states and [B, 2] goals."""
        states = self.world.reset(self.starts, self.maps.numpy()).numpy()
        self._succeeded = self._near_goal()
        self._steps = 0
        return states, self.goals.numpy().copy()

    def step(self, actions: NDArray[np.floating] | Tensor) -> tuple[Points, Flags]:
        """One step under [B, 2] forces: [B, 4] states, [B] who has succeeded so far; those stay where they are."""
        active, before = self.active(), self.world.state
        self.world.step(actions)
        self.world.state = np.where(active[:, None], self.world.state, before)
        self._succeeded |= active & self._near_goal()
        self._steps += 1
        return self.world.observe().numpy(), self._succeeded.copy()

    def active(self) -> Flags:
        """[B] which episodes still run."""
        return ~self._succeeded & (self._steps < self.time_limit)

    def places(self) -> Tensor:
        """[B, 2] float32 where the discs are, cells."""
        return self.world.observe()[:, :2]

    def oracle_steps(self) -> NDArray[np.int64]:
        """[B] steps that the oracle needs from the same starts to the same goals; the limit where it fails."""
        oracle = Oracle(self.layouts, self.maps.numpy(), self.goals.numpy())
        states, _ = self.reset()
        steps = np.zeros(self.num_envs, dtype=np.int64)
        while self.active().any():
            steps += self.active()
            states, _ = self.step(oracle(states))
        self.reset()
        return steps

    def close(self) -> None:
        """Does nothing: memory is all that the episodes hold."""

    def _near_goal(self) -> Flags:
        gap = self.world.state[:, :2] - self.goals.numpy()
        return (gap**2).sum(1) <= SUCCESS_RADIUS**2


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
        data = record(one, 1, int(generator.integers(2**31)), physics=physics)
        start = data.states[0, generator.integers(len(data.states[0])), :2].astype(np.float64)
        steps = distances(map, _cell(start))
        goals = np.argwhere(_within(steps, distance))
        if len(goals):
            goal = goals[generator.integers(len(goals))]
            place = goal[::-1] + generator.uniform(RADIUS, 1 - RADIUS, 2)
            return number, start, place, int(steps[tuple(goal)])


def _round(first: int, count: int) -> Iterator[int]:
    return ((first + k) % count for k in range(count))
