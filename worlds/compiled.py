"""Everything that is compiled: contacts, breadth-first search, random streams, the oracle and the recording loop.

One file on purpose: numba keeps compiled code on disk and notices edits of the file that a function is in, but not of
the files that it calls into. Split up, an edit of the physics would leave the old physics in the compiled collector.

**Contacts.** OGBench's point is a ball of radius 0.7 on two slide joints. A step adds ``0.2 a`` to its position, sets
its velocity to zero and lets MuJoCo integrate five times. Nothing but soft contacts with wall boxes accelerates the
ball, so MuJoCo's constraint solver reduces to a convex problem in two numbers, solved here by Newton's method with
active sets; the ball's mass cancels out. A ball that touches no wall stays where it was put. Source: chapter
"Computation" of the MuJoCo documentation (soft constraints, pyramidal friction cone, Runge-Kutta).

**Random streams.** SplitMix64, one stream per episode, so that data don't depend on threads or batches.

**Oracle.** OGBench's: walk to the centre of the next cell on a shortest path, blind to portals.
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
SUCCESS_RADIUS = 1.0
"""An episode succeeds within this distance of the goal, world units."""
PORTAL_RADIUS = 1.5
"""A portal takes the ball within this distance of its entrance's centre, world units."""
NOISE = 1.0
"""Starts and goals are drawn within this distance of a cell's centre on each axis, world units."""

D_MIN, D_MAX, WIDTH = 0.9, 0.95, 0.001  # solimp: impedance at the surface, at depth WIDTH, and WIDTH itself
TIME_CONSTANT = 2 * TIMESTEP  # solref's 0.02, raised to twice the timestep (MuJoCo's refsafe)
DAMPING = 2 / (D_MAX * TIME_CONSTANT)
STIFFNESS = 1 / (D_MAX * TIME_CONSTANT) ** 2
# An edge of the friction pyramid (mu = 1) has regularisation R = 2 mu^2 (1 + mu^2) (1 - d) / d * invweight, where
# MuJoCo averages the inverse mass of the body over three axes, of which the two slide joints move two.
EDGE_WEIGHT = 1 / (2 * (1 + 1) * (2 / 3))
MAX_NEWTON = 12
LARGE_BATCH = 2048

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


@njit(cache=True, nogil=True)
def _step_one(walls, position, action, goal, moved, observation, success):  # type: ignore[no-untyped-def]
    """Moves one ball and judges it; returns whether its action was a number."""
    if not (math.isfinite(action[0]) and math.isfinite(action[1])):
        return False
    x, y, _, _ = move(walls, position[0], position[1], action[0], action[1])
    moved[0], moved[1] = x, y
    observation[0], observation[1] = x, y
    success[0] = (x - goal[0]) ** 2 + (y - goal[1]) ** 2 <= SUCCESS_RADIUS**2
    return True


@njit(cache=True, nogil=True)
def _step_few(walls, positions, actions, goals, moved, observations, success):  # type: ignore[no-untyped-def]
    wrong = 0
    for b in range(len(positions)):
        if not _step_one(walls, positions[b], actions[b], goals[b], moved[b], observations[b], success[b : b + 1]):
            wrong += 1
    return wrong


@njit(cache=True, parallel=True, nogil=True)
def _step_many(walls, positions, actions, goals, moved, observations, success):  # type: ignore[no-untyped-def]
    wrong = 0
    for b in prange(len(positions)):
        if not _step_one(walls, positions[b], actions[b], goals[b], moved[b], observations[b], success[b : b + 1]):
            wrong += 1
    return wrong


def step_all(
    walls: NDArray[np.bool_], positions: NDArray[np.float64], actions: NDArray[np.floating], goals: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.bool_]]:
    """One step of every ball: [B, 2] positions after it, the same as float32, and [B] whether each is at its goal.

    Raises:
        ValueError: where an action is not finite.
    """
    moved, observations = np.empty_like(positions), np.empty(positions.shape, dtype=np.float32)
    success = np.empty(len(positions), dtype=np.bool_)
    # Waking the other cores takes longer than moving a thousand balls, and is not safe in forked processes.
    step = _step_few if len(positions) < LARGE_BATCH else _step_many
    if step(walls, positions, actions, goals, moved, observations, success):
        raise ValueError("PointMaze: actions must be finite numbers, found NaN or infinity")
    return moved, observations, success


NEIGHBOURS = ((-1, 0), (0, -1), (1, 0), (0, 1))
"""Steps to the four neighbours (row, column), in the order in which OGBench's oracle breaks ties."""


@njit(cache=True, nogil=True)
def fill_distances(
    walls: NDArray[np.bool_], row: int, column: int, distances: NDArray[np.int32], queue: NDArray[np.int32]
) -> None:
    """Writes the steps to (row, column) into [rows, columns] distances, -1 where unreachable.

    ``queue`` is scratch space of at least as many numbers as there are cells. The border must be wall.
    """
    columns = walls.shape[1]
    distances[:] = -1
    if walls[row, column]:
        return
    distances[row, column] = 0
    queue[0] = row * columns + column
    head, tail = 0, 1
    while head < tail:
        i, j = queue[head] // columns, queue[head] % columns
        head += 1
        for di, dj in NEIGHBOURS:
            if not walls[i + di, j + dj] and distances[i + di, j + dj] < 0:
                distances[i + di, j + dj] = distances[i, j] + 1
                queue[tail] = (i + di) * columns + j + dj
                tail += 1


@njit(cache=True, nogil=True)
def next_cell(walls: NDArray[np.bool_], distances: NDArray[np.int32], row: int, column: int) -> tuple[int, int]:
    """The neighbour nearest to where the distances lead, or the cell itself at the end or if there is no way."""
    best, best_row, best_column = distances[row, column], row, column
    for di, dj in NEIGHBOURS:
        i, j = row + di, column + dj
        if not walls[i, j] and distances[i, j] < best:
            best, best_row, best_column = distances[i, j], i, j
    return best_row, best_column


def breadth_first(walls: NDArray[np.bool_], row: int, column: int) -> NDArray[np.int32]:
    """[rows, columns] steps from (row, column) over free cells, -1 where unreachable; the border must be wall."""
    distances = np.empty(walls.shape, dtype=np.int32)
    fill_distances(walls, row, column, distances, np.empty(walls.size, dtype=np.int32))
    return distances


GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)
S30, S27, S31, S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
UNIT = 2.0**-53


@njit(cache=True, nogil=True)
def _next(stream: NDArray[np.uint64]) -> np.uint64:
    stream[0] += GOLDEN
    z = stream[0]
    z = (z ^ (z >> S30)) * MIX_1
    z = (z ^ (z >> S27)) * MIX_2
    return z ^ (z >> S31)


@njit(cache=True, nogil=True)
def random_stream(seed: int, index: int) -> NDArray[np.uint64]:
    """Stream number ``index`` of a seed."""
    stream = np.empty(1, dtype=np.uint64)
    stream[0] = np.uint64(seed)
    stream[0] = _next(stream) ^ np.uint64(index)
    stream[0] = _next(stream)
    return stream


@njit(cache=True, nogil=True)
def uniform(stream: NDArray[np.uint64]) -> float:
    """A number in [0, 1)."""
    return (_next(stream) >> S11) * UNIT


@njit(cache=True, nogil=True)
def below(stream: NDArray[np.uint64], n: int) -> int:
    """An integer in 0 .. n - 1."""
    return int(uniform(stream) * n)


@njit(cache=True, nogil=True)
def normal_pair(stream: NDArray[np.uint64]) -> tuple[float, float]:
    """Two independent standard normal numbers (Box and Muller)."""
    radius = math.sqrt(-2 * math.log(1 - uniform(stream)))
    angle = 2 * math.pi * uniform(stream)
    return radius * math.cos(angle), radius * math.sin(angle)


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


ACTION_NOISE = 0.5
"""Standard deviation of the noise on each component of the collector's actions."""
STITCH_STEPS = 4
"""Cells between the start and the goal of a stitch episode."""


@njit(cache=True, nogil=True)
def _near(cell: NDArray[np.int64], stream: NDArray[np.uint64]) -> tuple[float, float]:
    """A random place near a cell's centre."""
    x = 4 * cell[1] - 4 + NOISE * (2 * uniform(stream) - 1)
    y = 4 * cell[0] - 4 + NOISE * (2 * uniform(stream) - 1)
    return x, y


@njit(cache=True, nogil=True)
def _stitch_goal(
    start: NDArray[np.int64], starts: NDArray[np.int64], distances: NDArray[np.int32], stream: NDArray[np.uint64]
) -> NDArray[np.int64]:
    """A random cell exactly ``STITCH_STEPS`` from the start, to which distances are given; else the start itself."""
    found = 0
    goal = start
    for k in range(len(starts)):
        if distances[starts[k, 0], starts[k, 1]] == STITCH_STEPS:
            found += 1
            if below(stream, found) == 0:  # reservoir sampling: each of them with the same probability
                goal = starts[k]
    return goal


@njit(cache=True, nogil=True)
def _action(
    walls: NDArray[np.bool_], distances: NDArray[np.int32], x: float, y: float, stream: NDArray[np.uint64]
) -> tuple[np.float32, np.float32]:
    """The oracle's direction plus noise, clipped, and rounded as it is stored."""
    dx, dy = direction(walls, distances, x, y)
    ex, ey = normal_pair(stream)
    ax = min(max(dx + ACTION_NOISE * ex, -1.0), 1.0)
    ay = min(max(dy + ACTION_NOISE * ey, -1.0), 1.0)
    return np.float32(ax), np.float32(ay)


@njit(cache=True, nogil=True)
def _record(walls, starts, goals, entrances, exits, stitch, stream, observations, actions, qpos, qvel):  # type: ignore[no-untyped-def]
    """Records one episode into [T, 2] arrays."""
    distances = np.empty(walls.shape, dtype=np.int32)
    queue = np.empty(walls.size, dtype=np.int32)
    start = starts[below(stream, len(starts))]
    goal = goals[below(stream, len(goals))]
    if stitch:
        fill_distances(walls, start[0], start[1], distances, queue)
        goal = _stitch_goal(start, starts, distances, stream)
    fill_distances(walls, goal[0], goal[1], distances, queue)
    x, y = _near(start, stream)
    goal_x, goal_y = _near(goal, stream)
    seen_x, seen_y, vx, vy = x, y, 0.0, 0.0
    for t in range(len(observations)):
        ax, ay = _action(walls, distances, x, y, stream)
        observations[t, 0], observations[t, 1] = seen_x, seen_y
        actions[t, 0], actions[t, 1] = ax, ay
        qpos[t, 0], qpos[t, 1] = x, y
        qvel[t, 0], qvel[t, 1] = vx, vy
        x, y, vx, vy = move(walls, x, y, ax, ay)
        seen_x, seen_y = x, y
        success = (x - goal_x) ** 2 + (y - goal_y) ** 2 <= SUCCESS_RADIUS**2
        if portal_at(entrances, x, y):
            k = below(stream, len(exits))
            x, y = exits[k, 0], exits[k, 1]
        if success and not stitch:
            goal = goals[below(stream, len(goals))]
            fill_distances(walls, goal[0], goal[1], distances, queue)
            goal_x, goal_y = _near(goal, stream)


@njit(cache=True, parallel=True, nogil=True)
def record_all(  # type: ignore[no-untyped-def]
    walls, starts, goals, entrances, exits, stitch, seed, first, observations, actions, qpos, qvel
):
    """Records episodes ``first``, ``first + 1``, ... into [E, T, 2] arrays."""
    for k in prange(len(observations)):
        stream = random_stream(seed, first + k)
        _record(walls, starts, goals, entrances, exits, stitch, stream, observations[k], actions[k], qpos[k], qvel[k])


@njit(cache=True, nogil=True)
def _walk(walls, detour, entrances, exits, start, goal, limit, stream):  # type: ignore[no-untyped-def]
    """Steps that the oracle takes from start to goal, ``limit`` where it fails; see :func:`walk_all`."""
    distances = np.empty(walls.shape, dtype=np.int32)
    queue = np.empty(walls.size, dtype=np.int32)
    x, y = start
    row, column = int(goal[1] / 4 + 1.5), int(goal[0] / 4 + 1.5)
    blocked = detour
    fill_distances(blocked, row, column, distances, queue)
    if distances[int(y / 4 + 1.5), int(x / 4 + 1.5)] < 0:
        blocked = walls
        fill_distances(blocked, row, column, distances, queue)
    for step in range(1, limit + 1):
        ax, ay = direction(blocked, distances, x, y)
        if distances[int(y / 4 + 1.5), int(x / 4 + 1.5)] == 0:
            norm = math.sqrt((goal[0] - x) ** 2 + (goal[1] - y) ** 2) + 1e-6
            ax, ay = (goal[0] - x) / norm, (goal[1] - y) / norm
        x, y, _, _ = move(walls, x, y, ax, ay)
        if (x - goal[0]) ** 2 + (y - goal[1]) ** 2 <= SUCCESS_RADIUS**2:
            return step
        if portal_at(entrances, x, y):
            k = below(stream, len(exits))
            x, y = exits[k, 0], exits[k, 1]
    return limit


@njit(cache=True, parallel=True, nogil=True)
def walk_all(walls, detour, entrances, exits, starts, goals, limits, seed):  # type: ignore[no-untyped-def]
    """[B] steps of the breadth-first oracle from [B, 2] starts to [B, 2] goals, at most [B] limits.

    It keeps to the free cells of ``detour`` (portals count as walls) if that leads to the goal, else of ``walls``.
    """
    steps = np.empty(len(starts), dtype=np.int64)
    for b in prange(len(starts)):
        stream = random_stream(seed, b)
        steps[b] = _walk(walls, detour, entrances, exits, starts[b], goals[b], limits[b], stream)
    return steps
