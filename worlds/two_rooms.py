"""Two Rooms: a dot that must find the door (PLDM, arXiv 2502.14819; eb_jepa with a random wall and door).

Pixels are the unit. The room is the square from 4 to 60 on both axes of a picture of 65; a wall (PLDM's at 32: from 31
to 33) has a door from ``door - 4`` to ``door + 4``. An action is a displacement of at most 2.45. A path that
meets a wall ends where it meets it, then bounces off by noise of standard deviation 0.5, into the room, as in PLDM's
simulator (rewritten here: never in a wall, whatever the noise). Everything in order::

    rooms = fixed_rooms()                                       # or random_rooms(200, seed=0): eb_jepa's
    data = record_rooms(rooms, episodes=20_000, seed=0)         # worlds.rooms_data; crossing=0: none through the door
    raster = rooms_raster(rooms)                                # dot and walls; rgb=True: three channels, in colour
    states, actions, maps = data.windows(64, 16, generator)     # [B, 17, 2], [B, 16, 2], [B]
    frames = raster(states, maps)                               # [B, 17, 2, 65, 65] uint8
    tasks = TwoRoomsTasks(rooms, episodes=100)                  # worlds.rooms_tasks

A state is the place (x, y).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worlds.bounce import HALF_DOOR, HALF_WALL, HIGH, LOW, walk
from worlds.picture_world import chosen_layouts, finite_actions


@dataclass(frozen=True)
class Rooms:
    """M layouts of two rooms.

    Attributes:
        walls: [M] x of the wall's middle.
        doors: [M] y of the door's middle.
    """

    walls: NDArray[np.float64]
    doors: NDArray[np.float64]

    def __post_init__(self) -> None:
        fits = (self.walls > LOW + 3) & (self.walls < HIGH - 3) & (abs(self.doors - 32) <= 24)
        if self.walls.shape != self.doors.shape or self.walls.ndim != 1 or not len(fits) or not fits.all():
            raise ValueError("Rooms needs [M] walls within 8..56 and [M] doors within 8..56")

    def __len__(self) -> int:
        return len(self.walls)

    def is_free(self, maps: NDArray[np.int64], places: NDArray[np.floating]) -> NDArray[np.bool_]:
        """[B] whether [B, 2] places are in one of the rooms or in the door."""
        within = ((places >= LOW) & (places <= HIGH)).all(1)
        in_wall = abs(places[:, 0] - self.walls[maps]) < HALF_WALL
        return within & (~in_wall | (abs(places[:, 1] - self.doors[maps]) <= HALF_DOOR))


def fixed_rooms() -> Rooms:
    """PLDM's single layout: wall at 32, door at 10."""
    return Rooms(np.array([32.0]), np.array([10.0]))


def random_rooms(count: int, seed: int, exclude: Rooms | None = None) -> Rooms:
    """Different layouts among eb_jepa's 1125: wall at 20..44, door at 10..54, both whole.

    Raises:
        ValueError: where so many are not left.
    """
    known = set() if exclude is None else set(zip(exclude.walls, exclude.doors, strict=True))
    left = np.array([(x, y) for x in range(20, 45) for y in range(10, 55) if (x, y) not in known], dtype=np.float64)
    if not 1 <= count <= len(left):
        raise ValueError(f"random_rooms can make 1..{len(left)} layouts, not {count}")
    picked = left[np.random.default_rng(seed).permutation(len(left))[:count]]
    return Rooms(picked[:, 0].copy(), picked[:, 1].copy())


class TwoRooms:
    """A batch of dots, each in one of the layouts; every step draws a bounce for each, in case it meets a wall."""

    def __init__(self, rooms: Rooms, num_envs: int, seed: int = 0) -> None:
        """Makes the batch and resets it; dot b begins in layout ``b mod M``.

        Raises:
            ValueError: for ``num_envs`` below 1.
        """
        if num_envs < 1:
            raise ValueError(f"TwoRooms needs num_envs >= 1, not {num_envs}")
        self.rooms, self.num_envs = rooms, num_envs
        self.seed(seed)
        self.maps: NDArray[np.int64] = np.arange(num_envs, dtype=np.int64) % len(rooms)
        self.state = np.zeros((num_envs, 2))
        self.reset()

    def seed(self, seed: int) -> None:
        """Starts the random stream of starts and bounces anew."""
        self.generator = np.random.default_rng(seed)

    def reset(
        self,
        states: NDArray[np.floating] | None = None,
        maps: NDArray[np.integer] | None = None,
        mask: NDArray[np.bool_] | None = None,
    ) -> Tensor:
        """Begins new episodes at [B, 2] places (anywhere by default) in [B] layouts, all or those of a [B] mask.

        Raises:
            ValueError: where a dot would be in a wall, or a layout does not exist.
        """
        mask = np.ones(self.num_envs, dtype=bool) if mask is None else np.asarray(mask)
        chosen = chosen_layouts(self.maps, maps, mask, len(self.rooms), "TwoRooms")
        begun = draw_places(self.rooms, chosen, self.generator) if states is None else np.asarray(states, np.float64)
        if begun.shape != self.state.shape:
            raise ValueError(f"TwoRooms: states must be {self.state.shape}, not {begun.shape}")
        state = np.where(mask[:, None], begun, self.state)
        wrong = np.flatnonzero(~self.rooms.is_free(chosen, state))
        if len(wrong):
            place = tuple(round(float(value), 3) for value in state[wrong[0]])
            raise ValueError(f"TwoRooms: place[{wrong[0]}] = {place} is not on free floor")
        self.maps, self.state = chosen, state
        return self.observe()

    def step(self, actions: Tensor | NDArray[np.floating], noise: NDArray[np.floating] | None = None) -> Tensor:
        """One step with [B, 2] displacements, shortened to 2.45: [B, 2] float32 places.

        Args:
            actions: pixels.
            noise: [B, 2] of the bounces, standard normal; drawn by default.

        Raises:
            ValueError: for displacements of another shape, or not finite.
        """
        given = finite_actions(actions, self.num_envs, "TwoRooms")
        drawn = self.generator.standard_normal((self.num_envs, 2)) if noise is None else noise
        places = np.repeat(self.state[:, None], 2, 1)
        walk(self.rooms.walls, self.rooms.doors, self.maps, given[:, None], drawn[:, None], places)
        self.state = places[:, 1].copy()
        return self.observe()

    def observe(self) -> Tensor:
        """[B, 2] float32 places."""
        return torch.from_numpy(self.state.astype(np.float32))


def draw_places(rooms: Rooms, maps: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.float64]:
    """[B, 2] places, uniform over both rooms and the doorway."""
    places = generator.uniform(LOW, HIGH, (len(maps), 2))
    while len(wrong := np.flatnonzero(~rooms.is_free(maps, places))):
        places[wrong] = generator.uniform(LOW, HIGH, (len(wrong), 2))
    return places
