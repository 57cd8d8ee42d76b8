"""Goal-reaching tasks in Four Rooms, as H-JEPA evaluates: two rooms away, at most 75 steps off, 210 steps of time.

Doors are drawn again where the opposite room can't be reached through one neighbour. The notes on the paper don't tell
when an episode succeeds: here, when the agent's disc would touch a disc at the goal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from worlds.four_rooms import RADIUS, SPEED, FourRooms, draw_distractors, draw_layouts, draw_places, room_of
from worlds.four_rooms_way import DOORS_BETWEEN, MIDDLES, aims, next_door, other_room
from worlds.goal_tasks import Controller, GoalTasks
from worlds.picture_world import require_counts

SUCCESS_RADIUS = 2 * RADIUS
"""Pixels."""
TIME_LIMIT = 210
"""World steps."""
MOST_STEPS = 75
"""Goals are at most so many steps away."""


class FourRoomsTasks(GoalTasks):
    """Episode ``e`` depends on the seed and ``e`` only.

    Attributes:
        path_steps: [B] length of the way through the doors' middles, world steps.
    """

    def __init__(self, episodes: int, seed: int = 0, time_limit: int = TIME_LIMIT, first: int = 0) -> None:
        """Draws the tasks.

        Args:
            episodes: B.
            seed: of doors, starts, goals and distractors.
            time_limit: steps.
            first: number of the first episode.

        Raises:
            ValueError: for episodes or a time limit below 1.
        """
        require_counts("FourRoomsTasks", episodes, time_limit)
        drawn = [_draw(np.random.default_rng((seed, first + episode))) for episode in range(episodes)]
        maps = np.array([task[0] for task in drawn])
        starts, goals = (np.array([task[k] for task in drawn]) for k in (1, 2))
        self.path_steps = np.array([task[3] for task in drawn])
        self.task_names = [f"doors {map:04b}" for map in maps]
        super().__init__(FourRooms(episodes), maps, starts, goals, SUCCESS_RADIUS, time_limit, seed)

    def oracle(self) -> Controller:
        """Goes from door to door."""
        maps, goals = self.maps.numpy(), self.goals.numpy().astype(np.float64)

        def steer(states: NDArray[np.floating]) -> NDArray[np.float64]:
            gap = (aims(maps, states[:, :2], goals) - states[:, :2]) / SPEED
            return gap / np.maximum(np.linalg.norm(gap, axis=1, keepdims=True), 1)

        return steer


def _draw(generator: np.random.Generator) -> tuple[int, NDArray[np.float64], NDArray[np.float64], float]:
    """Doors, a state to start from, a goal, and the steps between them."""
    while True:
        map, ends = draw_layouts(generator, 1), draw_places(generator, (2,))
        rooms = room_of(ends)
        if rooms.sum() != 3 or DOORS_BETWEEN[map[0], rooms[0], rooms[1]] != 2:
            continue
        steps = _path_steps(map, ends)
        if steps <= MOST_STEPS:
            start = np.concatenate([ends[0], draw_distractors(generator, 1).reshape(-1)])
            return int(map[0]), start, ends[1], steps


def _path_steps(map: NDArray[np.int64], ends: NDArray[np.float64]) -> float:
    """Steps from one of [2, 2] places to the other, through the middles of the two doors between them."""
    rooms = room_of(ends)
    first = next_door(map, rooms[:1], rooms[1:])
    second = next_door(map, other_room(first, rooms[:1]), rooms[1:])
    corners = np.concatenate([ends[:1], MIDDLES[first], MIDDLES[second], ends[1:]])
    return float(np.linalg.norm(np.diff(corners, axis=0), axis=1).sum()) / SPEED
