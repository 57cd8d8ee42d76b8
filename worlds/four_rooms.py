"""Four Rooms with distractors (H-JEPA, arXiv 2610.06805): find the way through the doors that are open today.

A picture of 224 pixels; the unit is its pixel. Two walls cross in the middle; each half of each has a door, at 56 or
168, of half-extent 16, closed with probability 1/2 per episode. So there are 16 layouts, and a layout's number says
which doors are open: bit 0 top, 1 bottom (in the upright wall), 2 left, 3 right (in the level wall). The agent is a
disc of radius 3.5; an action is a direction of norm at most 1, times 2.5 pixels a step. Up to five distractors of its
size stand about, and jump somewhere else about every 35 steps. Everything in order::

    data = record_four_rooms(episodes=5000, seed=0)                # worlds.four_rooms_data; Episodes
    coarse = data.every(5)                                         # frames 5 steps apart, actions [E, T / 5, 10]
    raster = four_rooms_raster(224)                                # or 112, or 56 for fast runs
    frames = raster(states, maps)                                  # [..., 3, 224, 224] uint8, distractors too
    tasks = FourRoomsTasks(episodes=50)                            # worlds.four_rooms_tasks

A state is (x, y) and the places of five distractors, -1 where there is none: 12 numbers. How thick the paper's walls
are is not known here: border 9 and walls 10, as in stable-worldmodel's rooms of the same size.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worlds.picture_world import chosen_layouts, finite_actions
from worlds.slide import slide

SIZE, MIDDLE, BORDER, HALF_WALL = 224.0, 112.0, 9.0, 5.0
"""Of the picture, pixels."""
DOORS = ((MIDDLE, 56.0), (MIDDLE, 168.0), (56.0, MIDDLE), (168.0, MIDDLE))
"""(x, y) of the doors' middles; bit k of a layout's number says whether door k is open."""
HALF_DOOR = 16.0
LAYOUTS = 16
RADIUS, SPEED = 3.5, 2.5
"""Of the agent: pixels, and pixels a step."""
DISTRACTORS = 5
JUMP = 1 / 35
"""Probability that a distractor jumps in a step."""
JOINED = ((0, 1), (2, 3), (0, 2), (1, 3))
"""The two rooms that each door joins; rooms are numbered top left 0, top right 1, bottom left 2, bottom right 3."""


def _walls() -> NDArray[np.float64]:
    """[16, 14, 4] left, top, right, bottom; NaN for a door that is open."""
    low, high, near, far = BORDER, SIZE - BORDER, MIDDLE - HALF_WALL, MIDDLE + HALF_WALL
    border = [(0, 0, SIZE, low), (0, high, SIZE, SIZE), (0, 0, low, SIZE), (high, 0, SIZE, SIZE)]
    ends = [(0, 56 - HALF_DOOR), (56 + HALF_DOOR, 168 - HALF_DOOR), (168 + HALF_DOOR, SIZE)]
    fixed = border + [(near, a, far, b) for a, b in ends] + [(a, near, b, far) for a, b in ends]
    reach = [(HALF_WALL, HALF_DOOR)] * 2 + [(HALF_DOOR, HALF_WALL)] * 2
    doors = [(x - i, y - j, x + i, y + j) for (x, y), (i, j) in zip(DOORS, reach, strict=True)]
    open_door = (np.nan,) * 4
    return np.array(
        [fixed + [open_door if map >> k & 1 else door for k, door in enumerate(doors)] for map in range(16)]
    )


WALLS = _walls()
"""[16, 14, 4] left, top, right and bottom of each layout's walls, pixels; NaN where a door is open."""


def wall_gap(maps: NDArray[np.int64], places: NDArray[np.floating]) -> NDArray[np.float64]:
    """[B] distance of [B, 2] places from the nearest wall, pixels; 0 in a wall or outside the picture."""
    walls = WALLS[maps]
    low, high = walls[..., :2] - places[:, None], places[:, None] - walls[..., 2:]
    gap = np.linalg.norm(np.maximum(np.maximum(low, high), 0), axis=-1)
    return np.where(((places > 0) & (places < SIZE)).all(1), np.nanmin(gap, axis=1), 0)


def room_of(places: NDArray[np.floating]) -> NDArray[np.int64]:
    """[...] which room [..., 2] places are in, or nearest to."""
    return (places[..., 0] > MIDDLE).astype(np.int64) + 2 * (places[..., 1] > MIDDLE)


def draw_places(generator: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """[*shape, 2] places in the rooms, uniform, for a disc of the agent's size."""
    side = MIDDLE - HALF_WALL - BORDER - 2 * RADIUS
    corner = np.array([BORDER + RADIUS, MIDDLE + HALF_WALL + RADIUS])
    return corner[generator.integers(2, size=(*shape, 2))] + generator.uniform(0, side, (*shape, 2))


def draw_distractors(generator: np.random.Generator, number: int) -> NDArray[np.float64]:
    """[B, 5, 2] places of none to five distractors each, -1 where there is none."""
    there = np.arange(DISTRACTORS) < generator.integers(DISTRACTORS + 1, size=(number, 1))
    return np.where(there[..., None], draw_places(generator, (number, DISTRACTORS)), -1.0)


def draw_layouts(generator: np.random.Generator, number: int) -> NDArray[np.int64]:
    """[B] layouts, each door open with probability 1/2."""
    return generator.integers(LAYOUTS, size=number)


class FourRooms:
    """A batch of agents with their distractors; all randomness comes from one generator."""

    def __init__(self, num_envs: int, seed: int = 0) -> None:
        """Makes the batch and resets it, in random layouts.

        Raises:
            ValueError: for ``num_envs`` below 1.
        """
        if num_envs < 1:
            raise ValueError(f"FourRooms needs num_envs >= 1, not {num_envs}")
        self.num_envs = num_envs
        self.seed(seed)
        self.maps = draw_layouts(self.generator, num_envs)
        self.state = np.zeros((num_envs, 2 + 2 * DISTRACTORS))
        self.reset()

    def seed(self, seed: int) -> None:
        """Starts the random stream of starts and distractors anew."""
        self.generator = np.random.default_rng(seed)

    def reset(
        self,
        states: NDArray[np.floating] | None = None,
        maps: NDArray[np.integer] | None = None,
        mask: NDArray[np.bool_] | None = None,
    ) -> Tensor:
        """Begins new episodes.

        Args:
            states: [B, 12], or places [B, 2], to which distractors are drawn; all drawn by default.
            maps: [B] layouts; as before by default.
            mask: [B] which episodes to begin anew; all by default.

        Returns:
            [B, 12] float32 states.

        Raises:
            ValueError: where an agent would be in a wall, or a layout does not exist.
        """
        mask = np.ones(self.num_envs, dtype=bool) if mask is None else np.asarray(mask)
        chosen = chosen_layouts(self.maps, maps, mask, LAYOUTS, "FourRooms")
        begun = draw_places(self.generator, (self.num_envs,)) if states is None else np.asarray(states, np.float64)
        if begun.shape == (self.num_envs, 2):
            begun = np.concatenate([begun, draw_distractors(self.generator, self.num_envs).reshape(-1, 10)], 1)
        if begun.shape != self.state.shape:
            raise ValueError(f"FourRooms: states must be {self.state.shape} or ({self.num_envs}, 2), not {begun.shape}")
        state = np.where(mask[:, None], begun, self.state)
        wrong = np.flatnonzero(~(wall_gap(chosen, state[:, :2]) >= RADIUS - 1e-3))
        if len(wrong):
            raise ValueError(
                f"FourRooms: place[{wrong[0]}] = {tuple(state[wrong[0], :2].round(3))} is not on free floor"
            )
        self.maps, self.state = chosen, state
        return self.observe()

    def step(self, actions: Tensor | NDArray[np.floating]) -> Tensor:
        """One step with [B, 2] directions of norm at most 1: [B, 12] float32 states.

        Raises:
            ValueError: for actions of another shape, or not finite.
        """
        given = finite_actions(actions, self.num_envs, "FourRooms")
        places = np.repeat(self.state[:, None, :2], 2, 1)
        slide(WALLS, self.maps, given[:, None], RADIUS, SPEED, places)
        others = jumped(self.generator, self.state[:, 2:].reshape(-1, DISTRACTORS, 2))
        self.state = np.concatenate([places[:, 1], others.reshape(-1, 2 * DISTRACTORS)], 1)
        return self.observe()

    def observe(self) -> Tensor:
        """[B, 12] float32 states."""
        return torch.from_numpy(self.state.astype(np.float32))


def jumped(generator: np.random.Generator, others: NDArray[np.float64]) -> NDArray[np.float64]:
    """[B, 5, 2] distractors one step later."""
    jumps = (generator.random(others.shape[:2]) < JUMP) & (others[..., 0] >= 0)
    return np.where(jumps[..., None], draw_places(generator, others.shape[:2]), others)
