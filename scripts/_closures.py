"""Tasks on a maze in which a corridor has closed since the agent learned it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hjepa.actor import Actor
from hjepa.evaluate import Outcome, run_episodes
from planners.trace import Episode
from worlds import Map
from worlds.maps import WALL
from worlds.places import place_near, random_task
from worlds.tasks import LEAST_TIME, STEPS_PER_CELL, MazeTasks

Point = NDArray[np.float64]
Cell = tuple[int, int]


def closed(map: Map, cell: Cell) -> Map:
    """The map with one cell walled up."""
    cells = np.array(map.cells)
    cells[cell] = WALL
    return Map(cells, f"{map.name}, ({cell[0]}, {cell[1]}) closed")


@dataclass(frozen=True, eq=False)
class Walk:
    """One start and one goal.

    Attributes:
        start: [2] world units.
        goal: [2] world units.
    """

    start: Point
    goal: Point

    @classmethod
    def drawn(cls, map: Map, generator: np.random.Generator, min_distance: int) -> Walk:
        """Random places, their cells at least so far apart."""
        start, goal, _ = random_task(map, generator, min_distance)
        return cls(place_near(map, start, generator), place_near(map, goal, generator))

    def cells_apart(self, map: Map) -> int:
        """Cells of the shortest path; -1 where there is none."""
        if map.walls[tuple(map.cell_of(self.start))] or map.walls[tuple(map.cell_of(self.goal))]:
            return -1
        return int(map.distances_from(map.cell_of(self.start))[tuple(map.cell_of(self.goal))])

    def run(self, actor: Actor, map: Map, record: bool = False) -> tuple[Outcome, Episode]:
        """One episode. Its time limit is that of :class:`worlds.MazeTasks`: 40 steps a cell, and at least 1000."""
        limit = max(LEAST_TIME, STEPS_PER_CELL * self.cells_apart(map))
        tasks = MazeTasks(map, 1, time_limit=limit)
        tasks.starts, tasks.goals = self.start[None], self.goal[None]
        outcome, episode = run_episodes(actor, tasks, record=0)
        assert episode is not None
        return outcome, episode


@dataclass(frozen=True, eq=False)
class Closure:
    """A task whose way has closed, another that isn't concerned, and the map on which both are to be solved.

    Attributes:
        map: after the closure.
        cell: what has closed.
        walk: the task on whose way it lies.
        before: steps that the agent took for it before.
        other: a task that leads elsewhere.
        other_before: steps that the agent took for that one before.
    """

    map: Map
    cell: Cell
    walk: Walk
    before: int
    other: Walk
    other_before: int


def draw_closure(actor: Actor, map: Map, generator: np.random.Generator, min_distance: int = 6) -> Closure:
    """Lets the agent walk, and closes a random cell of its way so that there is another way round.

    The cells of start and goal, and their neighbours, stay open.
    """
    while True:
        walk = Walk.drawn(map, generator, min_distance)
        outcome, episode = walk.run(actor, map)
        cells = _closable(map, walk, episode) if outcome.success[0] else []
        if cells:
            cell = cells[int(generator.integers(len(cells)))]
            other, steps = _elsewhere(actor, map, cell, generator, min_distance)
            return Closure(closed(map, cell), cell, walk, int(outcome.steps[0]), other, steps)


def _closable(map: Map, walk: Walk, episode: Episode) -> list[Cell]:
    """Cells that the agent went through and could have gone round."""
    visited = {(int(i), int(j)) for i, j in map.cell_of(episode.observations)}
    ends = np.stack([map.cell_of(walk.start), map.cell_of(walk.goal)])
    away = [cell for cell in sorted(visited) if np.abs(ends - cell).sum(1).min() > 1]
    return [cell for cell in away if walk.cells_apart(closed(map, cell)) > 0]


def _elsewhere(
    actor: Actor, map: Map, cell: Cell, generator: np.random.Generator, min_distance: int
) -> tuple[Walk, int]:
    """A task that the agent solves without coming into a cell or next to it, and its steps."""
    while True:
        walk = Walk.drawn(map, generator, min_distance)
        if walk.cells_apart(closed(map, cell)) < 0:
            continue
        outcome, episode = walk.run(actor, map)
        apart = np.abs(map.cell_of(episode.observations) - np.array(cell)).sum(1).min()
        if outcome.success[0] and apart > 1:
            return walk, int(outcome.steps[0])
