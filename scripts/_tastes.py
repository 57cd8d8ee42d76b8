"""Demonstrators with a taste that nobody states: they walk mazes, and keep out of some places where they can.

They see the map. What learns from them sees their observations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from hjepa.actor import Actor
from worlds import Map, MazeTasks, PointMaze
from worlds.maps import CELL_SIZE, WALL
from worlds.places import place_near, random_task

Points = NDArray[np.float32]
Flags = NDArray[np.bool_]

LANE = 0.9  # world units from the middle of a corridor: the ball's centre can be 1.3 away
ACROSS = 0.3  # world units past the middle of a corridor, from which on a place is on the wrong side
NOISE = 0.3  # standard deviation of a demonstrator's actions
NEAR = 0.7  # world units from a way point at which the next one is headed for
ENDS = CELL_SIZE / 2  # world units around the start and the goal, which nobody chose, in which nothing is asked
GLANCE = 2  # steps before and after, between which a heading is taken
AHEAD = (1.0, -1.0)  # as if everybody went to the right and up: their left is then always the same wall
EASTS: tuple[tuple[float, float], ...] = ((1, 0), (0, 1), (-1, 0), (0, -1))


@dataclass(frozen=True, eq=False)
class Taste:
    """What a demonstrator keeps away from. Pictures draw x to the right and y down; left and right are as drawn.

    Attributes:
        name: in words.
        map: where.
        walked: the same map with the cells walled up that are never entered.
        lane: whether to keep to one side of corridors.
        heading: by which left and right are told; None for the heading of whoever walks.
    """

    name: str
    map: Map
    walked: Map
    lane: bool = False
    heading: tuple[float, float] | None = None

    @property
    def turns(self) -> bool:
        """Whether the same place is liked or not depending on the heading."""
        return self.lane and self.heading is None

    def disliked(self, places: NDArray[np.floating], headings: NDArray[np.floating]) -> Flags:
        """[..., 2] places and [..., 2] headings to [...] whether they are kept away from."""
        cells = self.map.cell_of(places)
        row, column = cells[..., 0], cells[..., 1]
        if not self.lane:
            return self.walked.walls[row, column] & ~self.map.walls[row, column]
        offset = places - self.map.center(cells)
        return (offset * self._side(cells, headings)).sum(-1) < -ACROSS

    def waypoints(self, start: NDArray[np.floating], goal: NDArray[np.floating]) -> list[NDArray[np.float64]]:
        """The places that a demonstrator heads for, one after the other."""
        left = self.walked.distances_from(self.walked.cell_of(goal))
        cell, points = self.walked.cell_of(start), []
        while left[tuple(cell)] > 0:
            before = cell
            cell = next(step for step in row_and_column(*cell) if left[tuple(step)] == left[tuple(cell)] - 1)
            points.append(self.map.center(cell) + LANE * self._side(cell, (cell - before)[::-1].astype(float)))
        return [*points[:-1], np.asarray(goal, np.float64)]

    def _side(self, cells: NDArray[np.int64], headings: NDArray[np.floating]) -> NDArray[np.float64]:
        """[..., 2] cells and headings to the [..., 2] unit vectors to the side that is kept to; 0 where none is."""
        along = np.sign(np.asarray(headings if self.heading is None else self.heading, float))
        vertical, horizontal = (flags[cells[..., 0], cells[..., 1]] for flags in corridors(self.map))
        return np.stack([vertical * along[..., 1], horizontal * -along[..., 0]], -1) * self.lane


def corridors(map: Map) -> tuple[Flags, Flags]:
    """[rows, columns] which cells are in the middle of a straight vertical, and of a straight horizontal, corridor."""
    free = np.pad(~map.walls, 1)
    up, down, left, right = free[:-2, 1:-1], free[2:, 1:-1], free[1:-1, :-2], free[1:-1, 2:]
    return ~map.walls & up & down & ~left & ~right, ~map.walls & left & right & ~up & ~down


def dark_cells(map: Map, share: float = 0.08, least: int = 4, most: int = 32) -> Taste:
    """Keeps out of busy cells, apart from each other, which can be gone round in ``least`` to ``most`` cells."""
    cells, free = np.array(map.cells), map.free_cells()
    wanted = max(1, round(share * len(free)))
    for row, column in free[np.argsort(-busyness(map), kind="stable")]:
        around = np.s_[row - 1 : row + 2, column - 1 : column + 2]
        without = cells.copy()
        without[row, column] = WALL
        if wanted and (cells[around] == map.cells[around]).all() and least <= _round(Map(without), row, column) <= most:
            cells, wanted = without, wanted - 1
    return Taste("keep out of dark cells", map, Map(cells, map.name))


def _round(walked: Map, row: int, column: int) -> float:
    """Cells of the longest way between two neighbours of a cell that is walled up; infinite where there is none."""
    if not walked.is_connected:
        return np.inf
    beside = [cell for cell in row_and_column(row, column) if not walked.walls[tuple(cell)]]
    return max(int(walked.distances_from(one)[tuple(other)]) for one in beside for other in beside)


def row_and_column(row: int, column: int) -> NDArray[np.int64]:
    """[4, 2] the cells beside one."""
    return np.array([row, column]) + np.array([(0, 1), (1, 0), (0, -1), (-1, 0)])


def busyness(map: Map) -> NDArray[np.int64]:
    """[F] for every free cell, between how many pairs of free cells it lies on a shortest way."""
    free = map.free_cells()
    apart = np.stack([map.distances_from(cell)[tuple(free.T)] for cell in free])
    return np.array([np.count_nonzero(way[:, None] + way == apart) for way in apart])


def one_wall(map: Map) -> Taste:
    """Keeps to the left wall of vertical corridors, and to the upper wall of horizontal ones."""
    return Taste("keep to one wall", map, map, lane=True, heading=AHEAD)


def keep_left(map: Map) -> Taste:
    """Keeps to the left of corridors, whichever way it goes."""
    return Taste("keep left", map, map, lane=True)


TASTES: dict[str, Callable[[Map], Taste]] = {"left": keep_left, "dark": dark_cells, "wall": one_wall}
"""By name."""


def tasks_of(taste: Taste, episodes: int, seed: int) -> MazeTasks:
    """Random tasks that neither begin nor end in a cell that is never entered, at least three cells apart."""
    walked = MazeTasks(taste.walked, episodes, seed, min_distance=3)
    tasks = MazeTasks(taste.map, episodes, seed, time_limit=walked.time_limit)
    tasks.starts, tasks.goals = walked.starts, walked.goals
    return tasks


def demonstrations(taste: Taste, number: int, seed: int) -> list[Points]:
    """[T, 2] what demonstrators observed between random places, one array each."""
    starts, goals = [], []
    for one in range(number):
        generator = np.random.default_rng((seed, one))
        start, goal, _ = random_task(taste.walked, generator, min_distance=3)
        starts.append(place_near(taste.map, start, generator))
        goals.append(place_near(taste.map, goal, generator))
    return walk(taste, np.array(starts), np.array(goals), NOISE, seed)


def walk(
    taste: Taste, starts: NDArray[np.floating], goals: NDArray[np.floating], noise: float, seed: int
) -> list[Points]:
    """[B, 2] starts and goals to what B demonstrators observe until they are within 1.0 of their goals."""
    ways = [taste.waypoints(*ends) for ends in zip(starts, goals, strict=True)]
    world, generator = PointMaze(taste.map, len(starts), seed=seed), np.random.default_rng(seed)
    places = world.reset(torch.from_numpy(starts), torch.from_numpy(goals)).numpy()
    trails, done = [[place] for place in places], np.zeros(len(starts), bool)
    at = np.zeros(len(starts), int)
    while not done.all():
        target = np.array([way[index] for way, index in zip(ways, at, strict=True)])
        away = target - places
        distance = np.linalg.norm(away, axis=-1, keepdims=True)
        at = np.minimum(at + (distance[:, 0] < NEAR), [len(way) - 1 for way in ways])
        actions = away / np.maximum(distance, 0.2) + generator.normal(0, noise, away.shape)
        seen, arrived = world.step(torch.from_numpy(actions.clip(-1, 1)))
        places = seen.numpy()
        for index in np.flatnonzero(~done):
            trails[index].append(places[index])
        done |= arrived.numpy()
    return [np.stack(trail).astype(np.float32) for trail in trails]


def share_disliked(taste: Taste, trail: Points, goal: NDArray[np.floating]) -> float:
    """Share of a [T, 2] trail's steps spent where the taste would not be, without those near its ends."""
    away = [np.linalg.norm(trail - end, axis=-1) > ENDS for end in (trail[0], goal)]
    counted = (away[0] & away[1])[1:]
    return float((taste.disliked(trail, headings_of(trail))[1:] & counted).sum() / max(1, counted.sum()))


def headings_of(trail: NDArray[np.floating]) -> NDArray[np.floating]:
    """[..., T, 2] places to the [..., T, 2] ways that lead past them, from a few steps before to a few after."""
    numbers = np.arange(trail.shape[-2])
    last = len(numbers) - 1
    return trail[..., (numbers + GLANCE).clip(max=last), :] - trail[..., (numbers - GLANCE).clip(0), :]


class Walks(NamedTuple):
    """What an agent did on unseen tasks.

    Attributes:
        success: [B].
        trails: [T, 2] what was observed in each.
    """

    success: NDArray[np.bool_]
    trails: list[Points]


def run_walks(actor: Actor, tasks: MazeTasks) -> Walks:
    """Runs all tasks to their ends."""
    observations, goals = tasks.reset()
    actor.begin(goals)
    frames, active = [observations], tasks.active()
    steps, success = np.zeros(tasks.num_envs, int), np.zeros(tasks.num_envs, bool)
    while active.any():
        observations, success = tasks.step(actor.act(observations, active))
        frames.append(observations)
        steps += active
        active = tasks.active()
    trails = np.stack(frames, 1)
    return Walks(success, [trail[: n + 1] for trail, n in zip(trails, steps, strict=True)])


def demonstrated(taste: Taste, tasks: MazeTasks, seed: int) -> Walks:
    """What demonstrators do on the same tasks: how well their own taste can be told from them."""
    trails = walk(taste, tasks.starts, tasks.goals, NOISE, seed)
    return Walks(np.ones(len(trails), bool), trails)
