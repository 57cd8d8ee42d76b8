"""The world of one run: a ball in a maze that can change under it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from planners.trace import Points
from viz.viewer.document import GUARDRAIL, Document
from worlds.compiled import SUCCESS_RADIUS
from worlds.maps import Map
from worlds.point_maze import PointMaze
from worlds.tasks import LEAST_TIME, STEPS_PER_CELL


class World:
    """One ball on a document's map.

    Args:
        document: whose start it begins from; that may be in a wall, in which case it can't be stepped.

    Attributes:
        seen: [2] the newest observation; world units.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self._maze = PointMaze(document.map, 1, seed=document.seed)
        self._maze.position = torch.tensor([document.start], dtype=torch.float64)
        self.seen: Points = np.array(document.start, np.float32)
        self.change(document)

    def change(self, document: Document) -> None:
        """Makes another document the present one; the ball stays where it is, and so does its luck at portals."""
        before = self._maze
        if document.map != self.document.map:
            self._maze = PointMaze(document.map, 1)
            self._maze.position = before.position
            self._maze.generator.set_state(before.generator.get_state())
        self._maze.goal = torch.tensor([document.goal], dtype=torch.float32)
        self.document = document

    def step(self, actions: NDArray[np.floating]) -> None:
        """One world step with [1, 2] actions.

        Raises:
            ValueError: for actions that are not finite.
        """
        if not np.isfinite(actions).all():
            raise ValueError("the planner's action is not a number")
        self.seen = self._maze.step(torch.from_numpy(actions))[0][0].numpy().copy()

    @property
    def place(self) -> NDArray[np.float64]:
        """[2] where the ball is: as seen, or at the exit of the portal that has just taken it; world units."""
        place: NDArray[np.float64] = self._maze.position[0].numpy()
        return place

    @property
    def arrived(self) -> bool:
        """Whether the ball is at the goal."""
        return bool(np.linalg.norm(self.seen - np.array(self.document.goal)) <= SUCCESS_RADIUS)

    @property
    def in_guardrail(self) -> bool:
        """Whether the ball is in a cell with a guardrail."""
        row, column = self.document.map.cell_of(self.place)
        return bool(self.document.zones.cells[row, column] == GUARDRAIL)

    def obstacle(self) -> str | None:
        """Why nothing can move here, in a line; None where something can."""
        if not on_floor(self.document.map, self.document.goal):
            return "the goal is in a wall"
        if not on_floor(self.document.map, self.place):
            return "the start is in a wall" if self._at_start() else "the ball is in a wall"
        return None

    def reachable(self) -> bool:
        """Whether there is a way to the goal, portals included."""
        here, goal = self.document.map.cell_of(np.stack([self.place, self.document.goal]))
        return bool(self.document.map.reach(here)[tuple(goal)])

    def allowance(self) -> int:
        """World steps that the way to the goal may take, as in evaluations."""
        here, goal = self.document.map.cell_of(np.stack([self.place, self.document.goal]))
        cells = int(self.document.map.distances_from(here)[tuple(goal)])
        return max(LEAST_TIME, STEPS_PER_CELL * cells)

    def _at_start(self) -> bool:
        return bool(np.array_equal(self.place, self.document.start))


def on_floor(map: Map, place: ArrayLike) -> bool:
    """Whether a place is on the map, and not in a wall."""
    cell = map.cell_of(place)
    inside = bool(((cell >= 0) & (cell < map.shape)).all())
    return inside and not map.walls[tuple(cell)]
