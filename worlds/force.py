"""A disc pushed by a force among square walls, compiled: the physics of the Diverse Mazes.

World units are cells: cell ``(row i, column j)`` is the square ``j <= x < j + 1, i <= y < i + 1``, border included.
A state is ``(x, y, vx, vy)`` in cells and cells per second. One world step is four substeps of 0.01 s under one force:
``v += dt (12 f - v)``, speed at most 5, ``x += dt v`` (semi-implicit Euler, as MuJoCo integrates). Walls stop the disc:
it is put back to touch them and loses the velocity that goes into them.

PLDM's and HWM's simulator is D4RL's ``maze2d``: a ball of radius 0.1 and 4.19 kg under a motor of gear 100, so its
acceleration is 24 and its damping 0.24 per second, with speeds clipped to 5 on each axis: :data:`D4RL` (but for a round
speed limit and hard walls). The default, :data:`STEADY`, is half as strong and damped four times as much.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

RADIUS = 0.1
"""Radius of the disc, cells (D4RL's ``particle_geom``)."""
MAX_SPEED = 5.0
"""Cells per second."""
TIMESTEP = 0.01
"""Seconds per substep; 5 x 0.01 is less than the radius, so that no wall is ever jumped."""
REPEAT = 4
"""Substeps for which one force acts: the protocol's action repeat."""

State = tuple[float, float, float, float]


class Physics(NamedTuple):
    """What a force does.

    Attributes:
        acceleration: cells per square second and unit of force.
        damping: share of the velocity lost per second.
    """

    acceleration: float
    damping: float


STEADY = Physics(12.0, 1.0)
D4RL = Physics(23.87, 0.2387)


@njit(cache=True, nogil=True)
def _face(cell: int, place: float, speed: float, wall_below: bool, wall_above: bool) -> tuple[float, float]:
    """Keeps one coordinate a radius away from the walls on either side of its cell; returns it and its speed."""
    if wall_below and place < cell + RADIUS:
        return cell + RADIUS, max(speed, 0.0)
    if wall_above and place > cell + 1 - RADIUS:
        return cell + 1 - RADIUS, min(speed, 0.0)
    return place, speed


@njit(cache=True, nogil=True)
def _corner(walls: NDArray[np.bool_], row: int, column: int, state: State) -> State:
    """Keeps a disc in cell (row, column) a radius away from the nearest corner, where a wall has one."""
    x, y, vx, vy = state
    right, down = int(x - column > 0.5), int(y - row > 0.5)
    if not walls[row + 2 * down - 1, column + 2 * right - 1]:
        return state
    dx, dy = x - (column + right), y - (row + down)
    gap = math.sqrt(dx * dx + dy * dy)
    if gap >= RADIUS or gap == 0:
        return state
    nx, ny = dx / gap, dy / gap
    inward = min(vx * nx + vy * ny, 0.0)
    return column + right + RADIUS * nx, row + down + RADIUS * ny, vx - inward * nx, vy - inward * ny


@njit(cache=True, nogil=True)
def _stop(walls: NDArray[np.bool_], state: State) -> State:
    """Puts a disc whose centre is on the floor out of the walls around it."""
    x, y, vx, vy = state
    row, column = int(y), int(x)
    x, vx = _face(column, x, vx, walls[row, column - 1], walls[row, column + 1])
    y, vy = _face(row, y, vy, walls[row - 1, column], walls[row + 1, column])
    return _corner(walls, row, column, (x, y, vx, vy))


@njit(cache=True, nogil=True)
def _push(walls: NDArray[np.bool_], state: State, fx: float, fy: float, physics: Physics) -> State:
    """One world step under the force (fx, fy), shortened to norm 1 if it is longer."""
    norm = max(math.sqrt(fx * fx + fy * fy), 1.0)
    ax, ay = physics.acceleration * fx / norm, physics.acceleration * fy / norm
    x, y, vx, vy = state
    for _ in range(REPEAT):
        vx, vy = vx + TIMESTEP * (ax - physics.damping * vx), vy + TIMESTEP * (ay - physics.damping * vy)
        over = max(math.sqrt(vx * vx + vy * vy) / MAX_SPEED, 1.0)
        vx, vy = vx / over, vy / over
        x, y, vx, vy = _stop(walls, (x + TIMESTEP * vx, y + TIMESTEP * vy, vx, vy))
    return x, y, vx, vy


@njit(cache=True, nogil=True)
def roll_out(
    walls: NDArray[np.bool_],
    maps: NDArray[np.int64],
    forces: NDArray[np.float32],
    states: NDArray[np.float64],
    physics: Physics,
) -> None:
    """Rolls B discs forward, each in a map of its own.

    Args:
        walls: [M, rows, columns] where each map has wall; all borders must be wall.
        maps: [B] which map each disc is in.
        forces: [B, T, 2] what pushes them.
        states: [B, T + 1, 4] of which the first must be given and the others are written.
        physics: what a force does.
    """
    for b in range(len(states)):
        state = (states[b, 0, 0], states[b, 0, 1], states[b, 0, 2], states[b, 0, 3])
        for t in range(forces.shape[1]):
            state = _push(walls[maps[b]], state, forces[b, t, 0], forces[b, t, 1], physics)
            states[b, t + 1] = state
