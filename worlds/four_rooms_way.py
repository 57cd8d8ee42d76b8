"""The way from room to room in Four Rooms, for the data's actor and the oracle: both see which doors are open."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from worlds.four_rooms import DOORS, HALF_DOOR, HALF_WALL, JOINED, LAYOUTS, RADIUS, room_of

LANE = HALF_WALL + RADIUS + 1
"""Within this distance of a wall's middle a disc is in a doorway, pixels."""
MIDDLES = np.array(DOORS)
AXES = np.array([0, 0, 1, 1])
"""[4] across each door: 0 for x, 1 for y."""
SIDES = np.array(JOINED)
OPEN = (np.arange(LAYOUTS)[:, None] >> np.arange(4) & 1).astype(bool)
"""[16, 4] which doors are open in which layout."""
NO_WAY = 9


def _doors_between() -> NDArray[np.int64]:
    """[16, 4, 4] doors to go through from room to room (Floyd and Warshall)."""
    steps = np.full((LAYOUTS, 4, 4), NO_WAY)
    steps[:, range(4), range(4)] = 0
    for door, (a, b) in enumerate(JOINED):
        steps[OPEN[:, door], a, b] = steps[OPEN[:, door], b, a] = 1
    for k in range(4):
        steps = np.minimum(steps, steps[:, :, k, None] + steps[:, None, k, :])
    return np.minimum(steps, NO_WAY)


DOORS_BETWEEN = _doors_between()
"""[16, 4, 4] doors on the shortest way between two rooms of a layout, 9 where there is none."""


def other_room(door: NDArray[np.int64], room: NDArray[np.int64]) -> NDArray[np.int64]:
    """[...] the room on the other side of a door of a room."""
    return SIDES[door].sum(-1) - room


def next_door(maps: NDArray[np.int64], rooms: NDArray[np.int64], goals: NDArray[np.int64]) -> NDArray[np.int64]:
    """[B] the door to take from rooms [B] towards rooms [B]; any where there is no way or no need."""
    doors = np.arange(4)
    beside = (SIDES[None] == rooms[:, None, None]).any(2) & OPEN[maps]
    after = np.where(beside, SIDES.sum(1) - rooms[:, None], 0)
    steps = np.where(beside, DOORS_BETWEEN[maps[:, None], after, goals[:, None]], NO_WAY + doors)
    return steps.argmin(1)


def aims(maps: NDArray[np.int64], places: NDArray[np.floating], goals: NDArray[np.floating]) -> NDArray[np.float64]:
    """[B, 2] where to go straight for now, from [B, 2] places to [B, 2] goals in layouts [B]."""
    batch, rooms, goal_rooms = np.arange(len(maps)), room_of(places), room_of(goals)
    offset = places[:, None] - MIDDLES
    across, along = offset[:, range(4), AXES], offset[:, range(4), 1 - AXES]
    inside = (abs(across) < LANE) & (abs(along) < HALF_DOOR) & OPEN[maps]
    door = np.where(inside.any(1), inside.argmax(1), next_door(maps, rooms, goal_rooms))
    to_go = DOORS_BETWEEN[maps[:, None], SIDES[door], goal_rooms[:, None]]
    ahead = SIDES[door][batch, to_go.argmin(1)]
    in_line = inside.any(1) | (abs(along[batch, door]) < HALF_DOOR - RADIUS)
    aim = _beside(door, np.where(in_line, ahead, rooms))
    return np.where(((rooms == goal_rooms) & ~inside.any(1))[:, None], goals, aim)


def _beside(door: NDArray[np.int64], rooms: NDArray[np.int64]) -> NDArray[np.float64]:
    """[B, 2] places just before doors [B], in rooms [B]."""
    side = np.where(rooms == SIDES[door].max(1), 1, -1)
    return MIDDLES[door] + (side * (LANE + 2))[:, None] * np.eye(2)[AXES[door]]
