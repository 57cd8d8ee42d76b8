"""A dot that walls throw back, compiled: the physics of Two Rooms, in PLDM's pixels."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

LOW, HIGH = 4.0, 60.0
"""Where the border walls are."""
HALF_WALL = 1.0
HALF_DOOR = 4.0
MAX_STEP = 2.45
"""Longest displacement."""
BOUNCE = 0.5
"""Standard deviation of the noise with which a wall throws the dot back."""
DOT = 1.3
"""Standard deviation of the drawn dot, pixels; starts and goals keep two of these off all walls."""
MARGIN = 0.3
"""Distance from a wall at which a dot is put that noise would throw into it."""

Pair = tuple[float, float]


@njit(cache=True, nogil=True)
def _first_hit(wall: float, door: float, x: float, y: float, dx: float, dy: float) -> tuple[float, int]:
    """The share of the way (dx, dy) from (x, y) to the first wall in it, and which: 1 to the side, 2 up or down, or 0.

    Walls are met from the free side only, so that a dot that touches one can leave it.
    """
    best, kind = 1.0, 0
    if dx != 0:
        faces = ((LOW, -1.0), (HIGH, 1.0), (wall - HALF_WALL, 1.0), (wall + HALF_WALL, -1.0))
        for k in range(4):
            face, sign = faces[k]
            share = (face - x) / dx
            open_here = k >= 2 and abs(y + share * dy - door) <= HALF_DOOR
            if sign * x <= sign * face < sign * (x + dx) and share < best and not open_here:
                best, kind = share, 1
    if dy != 0:
        faces = ((LOW, -1.0), (HIGH, 1.0), (door + HALF_DOOR, 1.0), (door - HALF_DOOR, -1.0))
        for k in range(4):
            face, sign = faces[k]
            share = (face - y) / dy
            beside = k >= 2 and abs(x + share * dx - wall) >= HALF_WALL
            if sign * y <= sign * face < sign * (y + dy) and share < best and not beside:
                best, kind = share, 2
    return best, kind


@njit(cache=True, nogil=True)
def _within(value: float, low: float, high: float) -> float:
    """The value, a margin away from the walls that it is in or beyond."""
    if value <= low:
        return low + MARGIN
    return high - MARGIN if value >= high else value


@njit(cache=True, nogil=True)
def _move(wall: float, door: float, x: float, y: float, ax: float, ay: float, ex: float, ey: float) -> Pair:
    """Where the displacement (ax, ay) takes a dot, with standard normal noise (ex, ey) should it meet a wall."""
    over = max(math.sqrt(ax * ax + ay * ay) / MAX_STEP, 1.0)
    dx, dy = ax / over, ay / over
    share, kind = _first_hit(wall, door, x, y, dx, dy)
    if kind == 0:
        return x + dx, y + dy
    hit_x, hit_y = x + share * dx, y + share * dy
    bounce_x, bounce_y = BOUNCE * ex, BOUNCE * ey
    if kind == 1:
        bounce_x = -math.copysign(bounce_x, dx)
    else:
        bounce_y = -math.copysign(bounce_y, dy)
    if abs(hit_x - wall) < HALF_WALL:  # a side of the doorway: the noise may carry the dot out of it, not into it
        return hit_x + bounce_x, _within(hit_y + bounce_y, door - HALF_DOOR, door + HALF_DOOR)
    left = hit_x < wall
    low, high = (LOW, wall - HALF_WALL) if left else (wall + HALF_WALL, HIGH)
    return _within(hit_x + bounce_x, low, high), _within(hit_y + bounce_y, LOW, HIGH)


@njit(cache=True, nogil=True)
def walk(
    walls: NDArray[np.float64],
    doors: NDArray[np.float64],
    maps: NDArray[np.int64],
    actions: NDArray[np.floating],
    noise: NDArray[np.floating],
    places: NDArray[np.float64],
) -> None:
    """Moves B dots along [B, T, 2] displacements; of [B, T + 1, 2] places the first are given. noise: [B, T, 2]."""
    for b in range(len(places)):
        wall, door = walls[maps[b]], doors[maps[b]]
        for t in range(actions.shape[1]):
            x, y = places[b, t, 0], places[b, t, 1]
            moved = _move(wall, door, x, y, actions[b, t, 0], actions[b, t, 1], noise[b, t, 0], noise[b, t, 1])
            places[b, t + 1, 0], places[b, t + 1, 1] = moved
