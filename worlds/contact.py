"""The ball against the walls: MuJoCo's soft contacts, integrated exactly as the official environment does, compiled.

OGBench's point is a ball of radius 0.7 on two slide joints. A step adds ``0.2 a`` to its position, sets its velocity to
zero and lets MuJoCo integrate five times. Nothing but soft contacts with wall boxes accelerates the ball, so MuJoCo's
constraint solver reduces to a convex problem in two numbers, solved here by Newton's method with active sets; the
ball's mass cancels out. A ball that touches no wall stays where it was put.

Source: the chapter "Computation" of the MuJoCo documentation (soft constraints, pyramidal friction cone, Runge-Kutta).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

RADIUS = 0.7
"""Radius of the ball, world units."""
ACTION_SCALE = 0.2
"""World units per step and unit of action."""
SUBSTEPS = 5
TIMESTEP = 0.02
"""Seconds per MuJoCo step."""
HALF_CELL = 2.0

D_MIN, D_MAX, WIDTH = 0.9, 0.95, 0.001  # solimp: impedance at the surface, at depth WIDTH, and WIDTH itself
TIME_CONSTANT = 2 * TIMESTEP  # solref's 0.02, raised to twice the timestep (MuJoCo's refsafe)
DAMPING = 2 / (D_MAX * TIME_CONSTANT)
STIFFNESS = 1 / (D_MAX * TIME_CONSTANT) ** 2
# An edge of the friction pyramid (mu = 1) has regularisation R = 2 mu^2 (1 + mu^2) (1 - d) / d * invweight, where
# MuJoCo averages the inverse mass of the body over three axes, of which the two slide joints move two.
EDGE_WEIGHT = 1 / (2 * (1 + 1) * (2 / 3))
MAX_NEWTON = 12

Pair = tuple[float, float]
State = tuple[float, float, float, float]
Quadratic = tuple[float, float, float, float, float]


@njit(cache=True, nogil=True)
def _impedance(depth: float) -> float:
    """The share of a constraint that is enforced at a penetration depth > 0."""
    x = depth / WIDTH
    if x >= 1:
        return D_MAX
    y = 2 * x * x if x <= 0.5 else 1 - 2 * (1 - x) * (1 - x)
    return D_MIN + y * (D_MAX - D_MIN)


@njit(cache=True, nogil=True)
def _edge(quadratic: Quadratic, jx: float, jy: float, weight: float, target: float, ax: float, ay: float) -> Quadratic:
    """Adds one pyramid edge to the quadratic (h_xx, h_xy, h_yy, g_x, g_y), if it pushes at acceleration (ax, ay)."""
    if jx * ax + jy * ay >= target:
        return quadratic
    wx, wy = weight * jx, weight * jy
    hxx, hxy, hyy, gx, gy = quadratic
    return hxx + wx * jx, hxy + wx * jy, hyy + wy * jy, gx + wx * target, gy + wy * target


@njit(cache=True, nogil=True)
def _contact(quadratic: Quadratic, nx: float, ny: float, depth: float, velocity: Pair, acceleration: Pair) -> Quadratic:
    """Adds one contact with unit normal (nx, ny) out of the wall; its four pyramid edges are n + t, n - t, n and n."""
    if depth <= 0:
        return quadratic
    (vx, vy), (ax, ay) = velocity, acceleration
    d = _impedance(depth)
    weight, spring = EDGE_WEIGHT * d / (1 - d), STIFFNESS * d * depth
    normal, tangent = nx * vx + ny * vy, nx * vy - ny * vx
    quadratic = _edge(quadratic, nx, ny, 2 * weight, spring - DAMPING * normal, ax, ay)
    quadratic = _edge(quadratic, nx - ny, ny + nx, weight, spring - DAMPING * (normal + tangent), ax, ay)
    return _edge(quadratic, nx + ny, ny - nx, weight, spring - DAMPING * (normal - tangent), ax, ay)


@njit(cache=True, nogil=True)
def _acceleration(walls: NDArray[np.bool_], x: float, y: float, vx: float, vy: float, guess: Pair) -> Pair:
    """The acceleration that the walls around (x, y) give the ball."""
    row, column = int(y / 4 + 1.5), int(x / 4 + 1.5)
    u, v = x - (4 * column - 4), y - (4 * row - 4)
    side, up = (1 if u > 0 else -1), (1 if v > 0 else -1)
    gap_x, gap_y = HALF_CELL - abs(u), HALF_CELL - abs(v)
    depth_x = RADIUS - gap_x if walls[row, column + side] else -1.0
    depth_y = RADIUS - gap_y if walls[row + up, column] else -1.0
    corner = math.sqrt(gap_x * gap_x + gap_y * gap_y)
    depth_c = RADIUS - corner if walls[row + up, column + side] and corner > 0 else -1.0
    if depth_x <= 0 and depth_y <= 0 and depth_c <= 0:
        return 0.0, 0.0
    cx, cy = (-side * gap_x / corner, -up * gap_y / corner) if depth_c > 0 else (0.0, 0.0)
    ax, ay = guess
    for _ in range(MAX_NEWTON):
        q = _contact((1.0, 0.0, 1.0, 0.0, 0.0), -float(side), 0.0, depth_x, (vx, vy), (ax, ay))
        q = _contact(q, 0.0, -float(up), depth_y, (vx, vy), (ax, ay))
        hxx, hxy, hyy, gx, gy = _contact(q, cx, cy, depth_c, (vx, vy), (ax, ay))
        determinant = hxx * hyy - hxy * hxy
        new_x, new_y = (hyy * gx - hxy * gy) / determinant, (hxx * gy - hxy * gx) / determinant
        done = abs(new_x - ax) + abs(new_y - ay) < 1e-9
        ax, ay = new_x, new_y
        if done:
            break
    return ax, ay


@njit(cache=True, nogil=True)
def _integrate(walls: NDArray[np.bool_], x: float, y: float) -> State:
    """Five Runge-Kutta steps of a ball that starts at rest."""
    h = TIMESTEP
    vx, vy = 0.0, 0.0
    a4 = (0.0, 0.0)
    for _ in range(SUBSTEPS):
        a1 = _acceleration(walls, x, y, vx, vy, a4)
        vx2, vy2 = vx + h / 2 * a1[0], vy + h / 2 * a1[1]
        a2 = _acceleration(walls, x + h / 2 * vx, y + h / 2 * vy, vx2, vy2, a1)
        vx3, vy3 = vx + h / 2 * a2[0], vy + h / 2 * a2[1]
        a3 = _acceleration(walls, x + h / 2 * vx2, y + h / 2 * vy2, vx3, vy3, a2)
        vx4, vy4 = vx + h * a3[0], vy + h * a3[1]
        a4 = _acceleration(walls, x + h * vx3, y + h * vy3, vx4, vy4, a3)
        x += h / 6 * (vx + 2 * vx2 + 2 * vx3 + vx4)
        y += h / 6 * (vy + 2 * vy2 + 2 * vy3 + vy4)
        vx += h / 6 * (a1[0] + 2 * a2[0] + 2 * a3[0] + a4[0])
        vy += h / 6 * (a1[1] + 2 * a2[1] + 2 * a3[1] + a4[1])
    return x, y, vx, vy


@njit(cache=True, nogil=True)
def _touches(walls: NDArray[np.bool_], x: float, y: float) -> bool:
    """Whether a ball at (x, y) penetrates a wall."""
    row, column = int(y / 4 + 1.5), int(x / 4 + 1.5)
    u, v = x - (4 * column - 4), y - (4 * row - 4)
    gap_x, gap_y = HALF_CELL - abs(u), HALF_CELL - abs(v)
    if gap_x >= RADIUS and gap_y >= RADIUS:
        return False
    side, up = (1 if u > 0 else -1), (1 if v > 0 else -1)
    if (gap_x < RADIUS and walls[row, column + side]) or (gap_y < RADIUS and walls[row + up, column]):
        return True
    return walls[row + up, column + side] and gap_x * gap_x + gap_y * gap_y < RADIUS * RADIUS


@njit(cache=True, nogil=True)
def move(walls: NDArray[np.bool_], x: float, y: float, ax: float, ay: float) -> State:
    """Where one step with action (ax, ay), clipped to [-1, 1], takes one ball from (x, y), and its velocity then."""
    x += ACTION_SCALE * min(max(ax, -1.0), 1.0)
    y += ACTION_SCALE * min(max(ay, -1.0), 1.0)
    if not _touches(walls, x, y):
        return x, y, 0.0, 0.0
    return _integrate(walls, x, y)


@njit(cache=True, parallel=True, nogil=True)
def move_all(walls: NDArray[np.bool_], positions: NDArray[np.float64], actions: NDArray[np.float64]) -> None:
    """Moves [B, 2] positions in place by one step of [B, 2] actions."""
    for b in prange(len(positions)):
        x, y, _, _ = move(walls, positions[b, 0], positions[b, 1], actions[b, 0], actions[b, 1])
        positions[b, 0] = x
        positions[b, 1] = y
