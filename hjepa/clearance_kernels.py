"""Clearances where no gradient is wanted, compiled: the shield asks for millions of them."""

from __future__ import annotations

import math

from numba import njit


@njit(cache=True, error_model="numpy")
def region_distance(around, places, corner_x, corner_y, size):  # type: ignore[no-untyped-def]  # pragma: no cover
    """[N, 2] places to [N] signed distances; see :meth:`hjepa.guardrails.Region.distance`.

    ``around`` is [rows + 4, columns + 4, 9]: each cell of the padded grid with its neighbours, itself in the middle.
    """
    found, (rows, columns) = places[:, 0].copy(), around.shape[:2]
    for n in range(len(places)):
        x = min(max((places[n, 0] - corner_x) / size + 2, 1.5), columns - 1.5)
        y = min(max((places[n, 1] - corner_y) / size + 2, 1.5), rows - 1.5)
        column, row = int(x), int(y)
        u, v = x - column, y - row
        cells, inside, nearest = around[row, column], around[row, column, 4], 1.0
        for i in range(3):
            gap_y = v * v if i == 0 else (0.0 if i == 1 else (1 - v) * (1 - v))
            for j in range(3):
                if cells[3 * i + j] != inside:
                    gap_x = u * u if j == 0 else (0.0 if j == 1 else (1 - u) * (1 - u))
                    nearest = min(nearest, gap_x + gap_y)
        found[n] = size * math.sqrt(nearest) * (-1 if inside else 1)
    return found


@njit(cache=True, error_model="numpy")
def obstacle_gap(places, elapsed, position, velocity, radius, room):  # type: ignore[no-untyped-def]  # pragma: no cover
    """[B, M, T, 2] places to [B, M, T] distances to where the nearest obstacle may be after [T] elapsed steps.

    Obstacles are [B, N, 2] positions, velocities and room (back, forth), and [N] radii.
    """
    found = places[..., 0].copy()
    for b in range(places.shape[0]):
        for m in range(places.shape[1]):
            for t in range(places.shape[2]):
                nearest = math.inf
                for n in range(position.shape[1]):
                    vx, vy = velocity[b, n, 0], velocity[b, n, 1]
                    dx, dy = places[b, m, t, 0] - position[b, n, 0], places[b, m, t, 1] - position[b, n, 1]
                    speed = math.sqrt(max(vx * vx + vy * vy, 1e-12))
                    along = (dx * vx + dy * vy) / (speed * speed)
                    along = max(min(along, elapsed[t], room[b, n, 1] / speed), -min(elapsed[t], room[b, n, 0] / speed))
                    gap_x, gap_y = dx - along * vx, dy - along * vy
                    nearest = min(nearest, math.sqrt(max(gap_x * gap_x + gap_y * gap_y, 1e-12)) - radius[n])
                found[b, m, t] = nearest
    return found
