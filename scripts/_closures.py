"""Tasks on a maze in which a corridor has closed since the agent learned it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hjepa.actor import Actor
from worlds import Map, MazeTasks
from worlds.maps import WALL
from worlds.oracle import walk
from worlds.point_maze import PointMaze
from worlds.tasks import LEAST_TIME, STEPS_PER_CELL

Points = NDArray[np.float32]
Cell = tuple[int, int]
APART = 6
"""Least number of cells between start and goal."""
CLOSABLE = 4
"""Tasks tried for each closure wanted: some ways have no cell that can be gone round."""


def closed(map: Map, *cells: Cell) -> Map:
    """The map with some cells walled up."""
    changed = np.array(map.cells)
    for cell in cells:
        changed[cell] = WALL
    return Map(changed, f"{map.name}, closed at {', '.join(str(cell) for cell in cells)}")


@dataclass(frozen=True, eq=False)
class Task:
    """One start and one goal, [2] each, world units."""

    start: NDArray[np.float64]
    goal: NDArray[np.float64]

    def cells(self, map: Map) -> int:
        """Length of the shortest way; -1 where there is none."""
        start, goal = map.cell_of(self.start), map.cell_of(self.goal)
        blocked = map.walls[tuple(start)] or map.walls[tuple(goal)]
        return -1 if blocked else int(map.distances_from(start)[tuple(goal)])

    def limit(self, map: Map) -> int:
        """The time limit of :class:`worlds.MazeTasks`: 40 steps a cell of the shortest way, and at least 1000."""
        return max(LEAST_TIME, STEPS_PER_CELL * self.cells(map))

    def oracle(self, map: Map) -> int:
        """Steps of the breadth-first oracle, which sees the map."""
        return int(walk(map, self.start[None], self.goal[None], np.array([self.limit(map)]))[0])

    def avoidable(self, map: Map, way: Points) -> list[Cell]:
        """Cells on a [T, 2] way that can be gone round; none next to the start or the goal."""
        visited = sorted({(int(i), int(j)) for i, j in map.cell_of(way)})
        ends = map.cell_of(np.stack([self.start, self.goal]))
        away = [cell for cell in visited if np.abs(ends - cell).sum(1).min() > 1]
        return [cell for cell in away if self.cells(closed(map, cell)) > 0]


@dataclass(frozen=True, eq=False)
class Attempt:
    """One episode: whether the goal was reached, and the [T+1, 2] places on the way, the start first."""

    success: bool
    way: Points

    @property
    def steps(self) -> int:
        """World steps that it took."""
        return len(self.way) - 1


def attempt(actor: Actor, tasks: Sequence[Task], maps: Sequence[Map]) -> list[Attempt]:
    """Episodes side by side, each on a map of its own: the actor sees places and goals only."""
    worlds = [PointMaze(map, 1) for map in maps]
    starts, goals = (torch.from_numpy(np.stack(ends)) for ends in zip(*((t.start, t.goal) for t in tasks), strict=True))
    for world, start, goal in zip(worlds, starts, goals, strict=True):
        world.reset(start[None], goal[None])
    limits = np.array([task.limit(map) for task, map in zip(tasks, maps, strict=True)])
    here, reached = starts.numpy().astype(np.float32), np.zeros(len(tasks), bool)
    ways = [[place] for place in here]
    actor.begin(goals.numpy().astype(np.float32))
    for step in range(limits.max()):
        active = ~reached & (step < limits)
        if not active.any():
            break
        actions, here = actor.act(here, active), here.copy()
        for number in np.flatnonzero(active):
            place, success = worlds[number].step(torch.from_numpy(actions[[number]]))
            here[number], reached[number] = place[0].numpy(), bool(success[0])
            ways[number].append(here[number].copy())
    return [Attempt(bool(success), np.stack(way)) for success, way in zip(reached, ways, strict=True)]


@dataclass(frozen=True, eq=False)
class Closure:
    """A task whose way has closed, another that isn't concerned, and what the agent did before.

    Attributes:
        original: the map that the agent learned.
        cell: what has closed.
        task: its way led through the cell.
        other: a task that the agent solved without coming into the cell, or next to it.
        before: both on the original map.
    """

    original: Map
    cell: Cell
    task: Task
    other: Task
    before: tuple[Attempt, Attempt]

    @property
    def map(self) -> Map:
        """After the closure."""
        return closed(self.original, self.cell)

    def swapped(self, way: Points) -> Map | None:
        """The corridor open again, and one on another way closed, so that the first one is needed; None if none is."""
        avoidable = self.task.avoidable(self.original, way)
        needed = [cell for cell in avoidable if self.task.cells(closed(self.original, self.cell, cell)) < 0]
        return closed(self.original, needed[len(needed) // 2]) if needed else None


def draw_closures(actor: Actor, map: Map, count: int, seed: int) -> list[Closure]:
    """Lets the agent walk, and closes random cells of its ways so that there is another way round each.

    Raises:
        ValueError: where too few of the ways can be closed.
    """
    drawn = MazeTasks(map, CLOSABLE * count, seed, min_distance=APART)
    tasks = [Task(start, goal) for start, goal in zip(drawn.starts, drawn.goals, strict=True)]
    attempts = attempt(actor, tasks, [map] * len(tasks))
    done = [(task, one) for task, one in zip(tasks, attempts, strict=True) if one.success]
    generator, closures = np.random.default_rng(seed), []
    for number, (task, before) in enumerate(done):
        cells = task.avoidable(map, before.way)
        cell = cells[int(generator.integers(len(cells)))] if cells else None
        others = done[number + 1 :] + done[:number]
        elsewhere = next((other for other in others if cell is not None and _spared(map, cell, other[1])), None)
        if cell is not None and elsewhere is not None:
            closures.append(Closure(map, cell, task, elsewhere[0], (before, elsewhere[1])))
    if len(closures) < count:
        raise ValueError(f"map {map.name}: only {len(closures)} of {len(tasks)} ways can be closed, not {count}")
    return closures[:count]


def _spared(map: Map, cell: Cell, before: Attempt) -> bool:
    """Whether a way kept clear of a cell and of those next to it."""
    return bool(np.abs(map.cell_of(before.way) - np.array(cell)).sum(1).min() > 1)
