"""Diverse Maze: a disc pushed by a force through mazes never seen before (PLDM, arXiv 2502.14819; HWM, 2604.03208).

Everything that learning needs, in order::

    train = generate_layouts("large", 25, seed=0)                       # worlds.layouts
    held_out = generate_layouts("large", 20, seed=1, exclude=train)
    data = record_diverse_maze(train, episodes=400, seed=0)             # Episodes: 1 million transitions in a second
    raster = maze_raster(train)                                         # worlds.maze_view: PROTOCOL 98 px, LOW 40 px
    states, actions, maps = data.windows(64, 16, generator)             # [B, 17, 4], [B, 16, 2], [B]
    frames = raster(states, maps)                                       # [B, 17, 3, 98, 98] uint8
    tasks = DiverseMazeTasks(held_out, episodes=40, distance=(5, 8))    # worlds.diverse_tasks: evaluation
    sees = maze_raster(held_out)                                        # what of the held-out layouts is seen
    states, goals = tasks.reset()                                       # [B, 4], [B, 2]
    frame, goal = sees(tasks.states(), tasks.maps), sees(tasks.goals, tasks.maps)
    states, succeeded = tasks.step(forces)                              # until not tasks.active().any()

A state is ``(x, y, vx, vy)`` in cells and cells per second, an action a force of norm at most 1; the physics is in
:mod:`worlds.force`. A single frame shows the place, not the velocity.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worlds.episodes import Episodes
from worlds.force import MAX_SPEED, RADIUS, STEADY, Physics, roll_out
from worlds.layouts import Layouts
from worlds.picture_world import chosen_layouts, finite_actions

START_NOISE = 0.1
"""Recorded episodes start within this distance of a cell's centre on each axis, cells (as D4RL resets)."""


class DiverseMaze:
    """A batch of discs, each in one of the layouts.

    States are float64 inside and float32 outside. All randomness comes from one generator on the CPU.
    """

    def __init__(self, layouts: Layouts, num_envs: int, seed: int = 0, physics: Physics = STEADY) -> None:
        """Makes the batch and resets it; disc b begins in layout ``b mod M``.

        Raises:
            ValueError: for ``num_envs`` below 1.
        """
        if num_envs < 1:
            raise ValueError(f"DiverseMaze needs num_envs >= 1, not {num_envs}")
        self.layouts, self.num_envs, self.physics = layouts, num_envs, physics
        self.generator = np.random.default_rng(seed)
        self.maps: NDArray[np.int64] = np.arange(num_envs, dtype=np.int64) % len(layouts)
        self.state = np.zeros((num_envs, 4))
        self.reset()

    def seed(self, seed: int) -> None:
        """Starts the random stream of starts anew."""
        self.generator = np.random.default_rng(seed)

    def reset(
        self,
        states: NDArray[np.floating] | None = None,
        maps: NDArray[np.integer] | None = None,
        mask: NDArray[np.bool_] | None = None,
    ) -> Tensor:
        """Begins new episodes.

        Args:
            states: [B, 4] or places [B, 2], which begin at rest; near the centres of random cells by default.
            maps: [B] layouts; as before by default.
            mask: [B] which episodes to begin anew; all by default.

        Returns:
            [B, 4] float32 states of all B discs.

        Raises:
            ValueError: where a disc would be inside a wall, or a layout does not exist.
        """
        mask = np.ones(self.num_envs, dtype=bool) if mask is None else np.asarray(mask)
        chosen = chosen_layouts(self.maps, maps, mask, len(self.layouts), "DiverseMaze")
        begun = draw_starts(self.layouts, chosen, self.generator, 0.0) if states is None else self._given(states)
        state = np.where(mask[:, None], begun, self.state)
        require_floor(self.layouts, chosen, state[:, :2])
        self.maps, self.state = chosen, state
        return self.observe()

    def step(self, actions: Tensor | NDArray[np.floating]) -> Tensor:
        """One step of every disc under [B, 2] forces: [B, 4] float32 states.

        Raises:
            ValueError: for forces of another shape, or not finite.
        """
        forces = finite_actions(actions, self.num_envs, "DiverseMaze").astype(np.float32)
        states = np.repeat(self.state[:, None], 2, 1)
        roll_out(self.layouts.walls, self.maps, forces[:, None], states, self.physics)
        self.state = states[:, 1].copy()
        return self.observe()

    def observe(self) -> Tensor:
        """[B, 4] float32 states."""
        return torch.from_numpy(self.state.astype(np.float32))

    def _given(self, states: NDArray[np.floating]) -> NDArray[np.float64]:
        given = np.asarray(states, dtype=np.float64)
        if given.shape not in ((self.num_envs, 2), (self.num_envs, 4)) or not np.isfinite(given).all():
            raise ValueError(f"DiverseMaze: states must be ({self.num_envs}, 4) or (.., 2) finite, not {given.shape}")
        return np.pad(given, ((0, 0), (0, 4 - given.shape[1])))


def record_diverse_maze(
    layouts: Layouts, episodes: int, seed: int = 0, steps: int = 100, physics: Physics = STEADY
) -> Episodes:
    """The protocol's data: uniform random forces from random places at random velocities.

    A force has a uniform direction and a uniform norm up to 1, redrawn every step; so has the first velocity, up to 5.
    Each layout's episodes depend on the seed and the layout's number only, not on how many there are.

    Args:
        layouts: M layouts.
        episodes: E of each layout (HWM: 2000; a million transitions of 25 layouts: 400).
        seed: of all randomness.
        steps: T (the protocol: 100).
        physics: what a force does.

    Returns:
        M x E episodes, layout after layout.

    Raises:
        ValueError: for episodes or steps below 1.
    """
    if episodes < 1 or steps < 1:
        raise ValueError(f"record_diverse_maze needs episodes and steps >= 1, not {episodes} and {steps}")
    maps = np.repeat(np.arange(len(layouts)), episodes)
    states = np.empty((len(maps), steps + 1, 4))
    actions = np.empty((len(maps), steps, 2), dtype=np.float32)
    for map in range(len(layouts)):
        part = slice(map * episodes, (map + 1) * episodes)
        generator = np.random.default_rng((seed, map))
        states[part, 0] = draw_starts(layouts, maps[part], generator, MAX_SPEED)
        actions[part] = uniform_vectors(generator, (episodes, steps), 1.0)
    roll_out(layouts.walls, maps, actions, states, physics)
    return Episodes(states.astype(np.float32), actions, maps)


def uniform_vectors(generator: np.random.Generator, shape: tuple[int, ...], norm: float) -> NDArray[np.float64]:
    """[*shape, 2] vectors of uniform direction and uniform norm up to ``norm``."""
    angle, length = 2 * np.pi * generator.random(shape), norm * generator.random(shape)
    return np.stack([length * np.cos(angle), length * np.sin(angle)], -1)


def draw_starts(
    layouts: Layouts, maps: NDArray[np.int64], generator: np.random.Generator, speed: float
) -> NDArray[np.float64]:
    """[B, 4] states near the centres of random cells, with velocities up to a speed."""
    places = np.empty((len(maps), 2))
    picks = generator.random(len(maps))
    for map in np.unique(maps):
        cells = layouts.maps[map].free_cells()
        here = maps == map
        places[here] = cells[(picks[here] * len(cells)).astype(np.int64), ::-1] + 0.5
    places += generator.uniform(-START_NOISE, START_NOISE, places.shape)
    return np.concatenate([places, uniform_vectors(generator, (len(maps),), speed)], 1)


def wall_gaps(layouts: Layouts, maps: NDArray[np.int64], places: NDArray[np.floating]) -> NDArray[np.float64]:
    """[B] distance of [B, 2] places from the nearest wall, cells (at most 1 or so; 0 inside a wall or outside)."""
    x, y = places[:, 0], places[:, 1]
    inside = ((places >= 0) & (places < np.array(layouts.walls.shape[:0:-1]))).all(1)
    columns, rows = (np.where(inside, np.floor(value), 1).astype(np.int64) for value in (x, y))
    padded = np.pad(layouts.walls, ((0, 0), (1, 1), (1, 1)), constant_values=True)
    gaps = np.full(len(places), np.inf)
    for di in (-1, 0, 1):
        for dj in (-1, 0, 1):
            walled = padded[maps, rows + di + 1, columns + dj + 1]
            dx = np.maximum(np.maximum(columns + dj - x, x - columns - dj - 1), 0)
            dy = np.maximum(np.maximum(rows + di - y, y - rows - di - 1), 0)
            gaps = np.where(walled, np.minimum(gaps, np.hypot(dx, dy)), gaps)
    return np.where(inside, gaps, 0)


def require_floor(layouts: Layouts, maps: NDArray[np.int64], places: NDArray[np.floating]) -> None:
    """Raises ValueError where a disc at one of [B, 2] places would be inside a wall of its layout."""
    wrong = np.flatnonzero(wall_gaps(layouts, maps, places) < RADIUS - 1e-4)
    if len(wrong):
        place = tuple(round(float(value), 3) for value in places[wrong[0]])
        raise ValueError(f"DiverseMaze: place[{wrong[0]}] = {place} is not on free floor of layout {maps[wrong[0]]}")
