"""OGBench's breadth-first oracle, compiled: walk to the next cell on a shortest path, blind to portals."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from worlds.breadth_first import next_cell

SUCCESS_RADIUS = 1.0
"""An episode succeeds within this distance of the goal, world units."""
PORTAL_RADIUS = 1.5
"""A portal takes the ball within this distance of its entrance's centre, world units."""
NOISE = 1.0
"""Starts and goals are drawn within this distance of a cell's centre on each axis, world units."""


@njit(cache=True, nogil=True)
def direction(walls: NDArray[np.bool_], distances: NDArray[np.int32], x: float, y: float) -> tuple[float, float]:
    """Unit vector from (x, y) to the centre of the next cell; in the last cell to that cell's centre."""
    row, column = next_cell(walls, distances, int(y / 4 + 1.5), int(x / 4 + 1.5))
    dx, dy = 4 * column - 4 - x, 4 * row - 4 - y
    norm = math.sqrt(dx * dx + dy * dy) + 1e-6
    return dx / norm, dy / norm


@njit(cache=True, nogil=True)
def portal_at(entrances: NDArray[np.float64], x: float, y: float) -> bool:
    """Whether a ball at (x, y) is taken by one of the portals with [n, 2] entrance centres."""
    for k in range(len(entrances)):
        dx, dy = x - entrances[k, 0], y - entrances[k, 1]
        if dx * dx + dy * dy <= PORTAL_RADIUS * PORTAL_RADIUS:
            return True
    return False
