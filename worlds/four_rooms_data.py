"""Four Rooms recorded and drawn."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from worlds.draw import AGENT
from worlds.episodes import Episodes
from worlds.four_rooms import (
    DISTRACTORS,
    LAYOUTS,
    RADIUS,
    SIZE,
    SPEED,
    WALLS,
    draw_distractors,
    draw_layouts,
    draw_places,
    jumped,
)
from worlds.four_rooms_way import aims
from worlds.raster import Raster, Stamp, two_colours
from worlds.slide import slide

Behaviour = Literal["navigate", "wander", "mixed"]

TURN = 20.0
"""Concentration of the data's turns (von Mises): straight enough to come from one room into the next."""
NOISE = 0.5
"""Standard deviation of the noise on each component of an action (OGBench's)."""
GIVE_UP = 1 / 100
"""Probability per step of another goal, for those that can't be reached."""
OTHERS = (232, 158, 52)
"""Colour of the distractors."""


def record_four_rooms(episodes: int, seed: int = 0, steps: int = 210, behaviour: Behaviour = "navigate") -> Episodes:
    """Episodes from random places, each door open by chance.

    Args:
        episodes: E.
        seed: of everything.
        steps: T (the paper's budget: 210).
        behaviour: ``navigate``: from one random goal to the next with much noise, as OGBench records its mazes;
            ``wander``: directions that drift, blind to walls and doors, so that walls are walked into everywhere;
            ``mixed``: the first half of the episodes navigate, the others wander.

    Returns:
        E episodes of [T + 1, 12] states and [T, 2] actions; the layouts' numbers say which doors are open.

    Raises:
        ValueError: for counts below 1, or an unknown behaviour.
    """
    if episodes < 1 or steps < 1 or behaviour not in get_args(Behaviour):
        raise ValueError(
            f"record_four_rooms needs episodes and steps >= 1 and behaviour navigate, wander or mixed, not {episodes}, "
            f"{steps} and {behaviour!r}"
        )
    generator = np.random.default_rng(seed)
    maps, starts = draw_layouts(generator, episodes), draw_places(generator, (episodes,))
    act = {"navigate": _navigate, "wander": _wander, "mixed": _either}[behaviour]
    places, actions = act(generator, maps, starts, steps)
    states = np.concatenate([places.astype(np.float32), _distractors(generator, episodes, steps)], -1)
    return Episodes(states, actions, maps)


def _either(
    generator: np.random.Generator, maps: NDArray[np.int64], starts: NDArray[np.float64], steps: int
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """[E, T + 1, 2] places and [E, T, 2] actions of which the first half navigate and the others wander."""
    half = len(maps) // 2
    first = _navigate(generator, maps[:half], starts[:half], steps)
    second = _wander(generator, maps[half:], starts[half:], steps)
    return np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]])


def _wander(
    generator: np.random.Generator, maps: NDArray[np.int64], starts: NDArray[np.float64], steps: int
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """[E, T + 1, 2] places and [E, T, 2] actions in directions that drift (von Mises), at half to full speed."""
    shape = (len(maps), steps)
    turns = generator.vonmises(0.0, TURN, shape)
    turns[:, 0] = generator.uniform(0, 2 * np.pi, len(maps))
    angles, lengths = turns.cumsum(1), generator.uniform(0.5, 1.0, shape)
    actions = (lengths[..., None] * np.stack([np.cos(angles), np.sin(angles)], -1)).astype(np.float32)
    places = np.empty((len(maps), steps + 1, 2))
    places[:, 0] = starts
    slide(WALLS, maps, actions, RADIUS, SPEED, places)
    return places, actions


def _navigate(
    generator: np.random.Generator, maps: NDArray[np.int64], starts: NDArray[np.float64], steps: int
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """The same of an actor that sees the doors: towards a goal, plus noise; where there is no way it pushes on."""
    places = np.empty((len(maps), steps + 1, 2))
    actions = np.empty((len(maps), steps, 2), dtype=np.float32)
    places[:, 0], goals = starts, draw_places(generator, (len(maps),))
    for t in range(steps):
        gap = aims(maps, places[:, t], goals) - places[:, t]
        push = gap / np.maximum(np.linalg.norm(gap, axis=1, keepdims=True), SPEED)
        push += NOISE * generator.standard_normal(push.shape)
        actions[:, t] = push / np.maximum(np.linalg.norm(push, axis=1, keepdims=True), 1)
        slide(WALLS, maps, actions[:, t : t + 1], RADIUS, SPEED, places[:, t : t + 2])
        arrived = np.linalg.norm(places[:, t + 1] - goals, axis=1) < 2 * RADIUS
        anew = arrived | (generator.random(len(maps)) < GIVE_UP)
        goals = np.where(anew[:, None], draw_places(generator, (len(maps),)), goals)
    return places, actions


def _distractors(generator: np.random.Generator, episodes: int, steps: int) -> NDArray[np.float32]:
    """[E, T + 1, 10] where they stand at each time."""
    others = np.empty((episodes, steps + 1, 2 * DISTRACTORS), dtype=np.float32)
    now = draw_distractors(generator, episodes)
    for t in range(steps + 1):
        others[:, t] = now.reshape(episodes, -1)
        now = jumped(generator, now)
    return others


def four_rooms_raster(pixels: int = 224, device: torch.device | str = "cpu") -> Raster:
    """RGB frames of 224 pixels, or of 112, 56 or 28.

    Raises:
        ValueError: for a size that 224 can't be divided into.
    """
    factor = int(SIZE) // pixels if pixels > 0 else 0
    if factor == 0 or factor * pixels != SIZE:
        raise ValueError(f"four_rooms_raster: pixels must divide 224, not {pixels}")
    index = torch.arange(SIZE, dtype=torch.float64) + 0.5
    left, top, right, bottom = torch.from_numpy(WALLS).unbind(-1)
    across = ((index >= left[..., None]) & (index < right[..., None])).double()
    down = ((index >= top[..., None]) & (index < bottom[..., None])).double()
    walls = (down.transpose(1, 2) @ across).clamp(max=1)  # 1 where any of the 14 is
    share = walls.view(LAYOUTS, pixels, factor, pixels, factor).mean((2, 4))
    agent, other = Stamp(RADIUS / factor, AGENT), Stamp(RADIUS / factor, OTHERS)
    return Raster(two_colours(share).to(device), agent, 1 / factor, 0.0, other)
