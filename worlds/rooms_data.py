"""Two Rooms as PLDM records and draws them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worlds.bounce import DOT, HALF_DOOR, HALF_WALL, HIGH, LOW, walk
from worlds.episodes import Episodes
from worlds.raster import Raster, Stamp, two_colours
from worlds.two_rooms import Rooms, draw_places

SIZE = 65
"""Pixels on a side of the picture."""
TURN = 5.0
"""Concentration of the data's turns (von Mises): 1 / 0.2."""
STEP_MEAN, STEP_DEVIATION, STEP_RANGE = 1.0, 0.4, (0.2, 1.8)
"""Of the data's step lengths (truncated normal), pixels."""


def record_rooms(
    rooms: Rooms, episodes: int, seed: int = 0, steps: int = 90, crossing: float | None = None
) -> Episodes:
    """PLDM's data: directions that wander (von Mises), steps of 0.2 to 1.8 pixels, starts anywhere.

    Args:
        rooms: M layouts; each episode is in a random one.
        episodes: E.
        seed: of everything.
        steps: T (PLDM: 90).
        crossing: share of the episodes that pass from one room into the other: 0.6 in PLDM's best data, 0.35 in
            eb_jepa's, 0 in PLDM's hardest setting; as it comes (0.1) by default. Episodes are drawn until there are
            enough of both kinds, where PLDM builds the crossing ones around the door.

    Raises:
        ValueError: for counts below 1 or a share outside 0..1.
    """
    if episodes < 1 or steps < 1 or not 0 <= (crossing or 0) <= 1:
        raise ValueError(
            f"record_rooms: episodes, steps >= 1 and crossing in 0..1, not {episodes}, {steps}, {crossing}"
        )
    generator = np.random.default_rng((seed, len(rooms)))
    if crossing is None:
        return _block(rooms, episodes, steps, generator)[0]
    wanted = {True: round(crossing * episodes), False: episodes - round(crossing * episodes)}
    parts: list[Episodes] = []
    while any(wanted.values()):
        data, passed = _block(rooms, episodes, steps, generator)
        for kind, number in wanted.items():
            rows = np.flatnonzero(passed == kind)[:number]
            wanted[kind] -= len(rows)
            parts.append(data.take(rows))
    return Episodes.joined(parts).take(generator.permutation(episodes))


def _block(
    rooms: Rooms, episodes: int, steps: int, generator: np.random.Generator
) -> tuple[Episodes, NDArray[np.bool_]]:
    """Episodes as they come, and [E] which of them pass through the door."""
    maps = generator.integers(len(rooms), size=episodes)
    turns = generator.vonmises(0.0, TURN, (episodes, steps))
    turns[:, 0] = generator.uniform(0, 2 * np.pi, episodes)
    angles, lengths = turns.cumsum(1), _lengths(generator, (episodes, steps))
    actions = (lengths[..., None] * np.stack([np.cos(angles), np.sin(angles)], -1)).astype(np.float32)
    places = np.empty((episodes, steps + 1, 2))
    places[:, 0] = draw_places(rooms, maps, generator)
    noise = generator.standard_normal(actions.shape)
    walk(rooms.walls, rooms.doors, maps, actions, noise, places)
    side = places[..., 0] - rooms.walls[maps, None]
    passed = (side.min(1) < -HALF_WALL) & (side.max(1) > HALF_WALL)
    return Episodes(places.astype(np.float32), actions, maps), passed


def _lengths(generator: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Truncated normal step lengths."""
    lengths = generator.normal(STEP_MEAN, STEP_DEVIATION, shape)
    while (wrong := (lengths < STEP_RANGE[0]) | (lengths > STEP_RANGE[1])).any():
        lengths[wrong] = generator.normal(STEP_MEAN, STEP_DEVIATION, int(wrong.sum()))
    return lengths


def rooms_raster(rooms: Rooms, rgb: bool = False, device: torch.device | str = "cpu") -> Raster:
    """PLDM's two channels (a Gaussian dot; walls), or the same in colour. Whole numbers are pixels' centres."""
    walls = _wall_pixels(rooms)
    if rgb:
        index = torch.arange(SIZE)
        outside = (index < LOW) | (index > HIGH)
        walls = walls.maximum((outside[:, None] | outside).double())
        return Raster(two_colours(walls).to(device), Stamp(DOT, profile="gaussian"), 1.0, 0.5)
    channels = torch.stack([torch.zeros_like(walls), walls * 255], 1).to(torch.uint8)
    return Raster(channels.to(device), Stamp(DOT, (255, 0), "gaussian", (True, False)), 1.0, 0.5)


def _wall_pixels(rooms: Rooms) -> Tensor:
    """[M, 65, 65] 1.0 where a pixel is wall."""
    index = torch.arange(SIZE)
    across = (index - torch.from_numpy(rooms.walls)[:, None]).abs() <= HALF_WALL
    beside = (index - torch.from_numpy(rooms.doors)[:, None]).abs() > HALF_DOOR
    border = (index == LOW) | (index == HIGH)
    return ((beside[:, :, None] & across[:, None, :]) | border[:, None] | border).double()
