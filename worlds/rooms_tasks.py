"""Goal-reaching tasks in Two Rooms: from one room into the other, by PLDM's and by eb_jepa's rule.

PLDM: success at the first step after which ``mean((place - goal)^2) < 1``: a distance below 1.41 pixels. eb_jepa: the
distance after the last of 200 steps is below 4.5 pixels. Starts and goals keep 2.6 pixels off all walls.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from worlds.bounce import DOT, HALF_WALL, HIGH, LOW, MAX_STEP
from worlds.goal_tasks import Controller, GoalTasks
from worlds.picture_world import require_counts
from worlds.two_rooms import Rooms, TwoRooms

TIME_LIMIT = 200
"""World steps."""
FIRST_HIT_RADIUS = math.sqrt(2.0)
"""PLDM's, pixels."""
FINAL_RADIUS = 4.5
"""eb_jepa's, pixels."""
APPROACH = 3.0
"""How far before and behind the door's middle the oracle aims, pixels."""

Rule = Literal["first hit", "final"]


class TwoRoomsTasks(GoalTasks):
    """Episode ``e`` depends on the layouts, the seed and ``e`` only."""

    def __init__(
        self,
        rooms: Rooms,
        episodes: int,
        seed: int = 0,
        rule: Rule = "first hit",
        time_limit: int = TIME_LIMIT,
        first: int = 0,
    ) -> None:
        """Draws the tasks.

        Args:
            rooms: M layouts; episode ``e`` is in number ``e mod M``.
            episodes: B.
            seed: of starts, goals and bounces.
            rule: ``first hit`` (PLDM) or ``final`` (eb_jepa).
            time_limit: steps.
            first: number of the first episode.

        Raises:
            ValueError: for an unknown rule, and episodes or a time limit below 1.
        """
        require_counts("TwoRoomsTasks", episodes, time_limit)
        if rule not in ("first hit", "final"):
            raise ValueError(f"unknown rule {rule!r}, expected 'first hit' or 'final'")
        self.rooms, self.rule = rooms, rule
        maps = np.arange(first, first + episodes) % len(rooms)
        drawn = [_draw(rooms.walls[maps[k]], np.random.default_rng((seed, first + k))) for k in range(episodes)]
        starts, goals = (np.array([task[k] for task in drawn]) for k in (0, 1))
        self.task_names = [f"wall {rooms.walls[map]:g}, door {rooms.doors[map]:g}" for map in maps]
        radius = FIRST_HIT_RADIUS if rule == "first hit" else FINAL_RADIUS
        super().__init__(TwoRooms(rooms, episodes), maps, starts, goals, radius, time_limit, seed)

    def oracle(self) -> Controller:
        """Goes to the door, through it, and to the goal."""
        walls, doors = self.rooms.walls[self.maps.numpy()], self.rooms.doors[self.maps.numpy()]
        goals = self.goals.numpy().astype(np.float64)
        side = np.sign(goals[:, 0] - walls)

        def steer(states: NDArray[np.floating]) -> NDArray[np.float64]:
            offset = (states[:, 0] - walls) * side  # negative in the other room
            at_door = (abs(states[:, 1] - doors) < 2) & (offset >= -APPROACH - 1)
            before, behind = (np.stack([walls + k * APPROACH * side, doors], 1) for k in (-1, 1))
            aim = np.where(at_door[:, None], behind, before)
            aim = np.where((offset > HALF_WALL)[:, None], goals, aim)
            gap = aim - states
            return gap / np.maximum(np.linalg.norm(gap, axis=1, keepdims=True) / MAX_STEP, 1)

        return steer

    def _judged(self) -> bool:
        return self.rule == "first hit" or self._steps == self.time_limit


def _draw(wall: float, generator: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A start in one room and a goal in the other."""
    margin = 2 * DOT
    low, high = LOW + margin, HIGH - margin
    left = np.array([generator.uniform(low, wall - HALF_WALL - margin), generator.uniform(low, high)])
    right = np.array([generator.uniform(wall + HALF_WALL + margin, high), generator.uniform(low, high)])
    return (left, right) if generator.random() < 0.5 else (right, left)
