"""A disc that slides along rectangular walls, compiled: the physics of Four Rooms, in pixels."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

SWEEPS = 3
"""Times that all walls are asked, so that a disc pushed out of one is pushed out of the next."""


@njit(cache=True, nogil=True)
def _outside(walls: NDArray[np.float64], radius: float, x: float, y: float) -> tuple[float, float]:
    """Pushes a disc at (x, y), whose centre is in no wall, out of all of them: the shortest way out of each."""
    for _ in range(SWEEPS):
        for k in range(len(walls)):
            left, top, right, bottom = walls[k]
            near_x, near_y = min(max(x, left), right), min(max(y, top), bottom)
            dx, dy = x - near_x, y - near_y
            gap = math.sqrt(dx * dx + dy * dy)
            if 0 < gap < radius:
                x, y = near_x + dx * radius / gap, near_y + dy * radius / gap
    return x, y


@njit(cache=True, nogil=True)
def slide(
    walls: NDArray[np.float64],
    maps: NDArray[np.int64],
    actions: NDArray[np.floating],
    radius: float,
    speed: float,
    places: NDArray[np.float64],
) -> None:
    """Moves B discs.

    Args:
        walls: [M, W, 4] left, top, right and bottom of the walls of each layout (NaN: no wall).
        maps: [B] layouts.
        actions: [B, T, 2] directions, shortened to norm 1; times ``speed`` they are displacements.
        radius: of the disc; above ``speed``, so that no wall is jumped.
        speed: pixels a step.
        places: [B, T + 1, 2] of which the first are given and the others are written.
    """
    for b in range(len(places)):
        for t in range(actions.shape[1]):
            ax, ay = float(actions[b, t, 0]), float(actions[b, t, 1])
            scale = speed / max(math.sqrt(ax * ax + ay * ay), 1.0)
            x, y = places[b, t, 0] + scale * ax, places[b, t, 1] + scale * ay
            places[b, t + 1, 0], places[b, t + 1, 1] = _outside(walls[maps[b]], radius, x, y)
