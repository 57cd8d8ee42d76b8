"""A floor with walls, as a ball sees it: where it fits, and where it comes to when it is pushed straight ahead.

A ball that meets a wall slides along it; one that meets a corner is pushed round it. Only what points into the wall is
lost, so that where a walk leads can be differentiated by its start and by its direction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

Points = NDArray[np.float32]


class FloorError(ValueError):
    """A floor that makes no sense; the message is one line."""


@dataclass(frozen=True, eq=False)
class Floor:
    """Square cells, each free or wall, and a ball that rolls between them. Outside of the cells all is wall.

    Attributes:
        walls: [rows, columns] true where there is wall.
        corner: (x, y) of the outer corner of cell (0, 0), world units; columns count along x, rows along y.
        size: side of a cell, world units.
        radius: of the ball, world units; above 0, and less than half a cell.

    Raises:
        FloorError: for walls that are no table, or a ball that fits into no cell.
    """

    walls: NDArray[np.bool_]
    corner: tuple[float, float]
    size: float
    radius: float

    def __post_init__(self) -> None:
        walls = np.array(self.walls, dtype=bool)
        if walls.ndim != 2 or not walls.size:
            raise FloorError(f"walls must be [rows, columns], not {list(walls.shape)}")
        if not 0 < self.radius < self.size / 2:
            raise FloorError(f"radius must be above 0 and below half a cell ({self.size / 2:g}), not {self.radius!r}")
        walls.flags.writeable = False
        object.__setattr__(self, "walls", walls)

    def without(self, places: ArrayLike) -> Floor:
        """The floor with walls for the cells that [n, 2] world positions are in.

        Raises:
            FloorError: for a position that is in no cell.
        """
        walls = self.walls.copy()
        for number, place in enumerate(np.asarray(places, np.float64).reshape(-1, 2)):
            column, row = np.floor((place - np.array(self.corner)) / self.size)
            if not (0 <= row < walls.shape[0] and 0 <= column < walls.shape[1]):
                raise FloorError(f"entrances[{number}] = ({place[0]:g}, {place[1]:g}) is not on the map")
            walls[int(row), int(column)] = True
        return replace(self, walls=walls)

    def fits(self, points: Points) -> NDArray[np.bool_]:
        """[N, 2] world positions to [N] whether a ball there touches no wall."""
        places = np.asarray(points, np.float32)
        column, row = self._in_cells(places).astype(np.int64).clip(0, np.array(self._padded.shape[::-1]) - 1).T
        held, _ = self._walk(places, np.zeros_like(places))
        return ~self._padded[row, column] & (np.abs(held - places) < 1e-3 * self.size).all(1)

    def straight(self, starts: Points, ends: Points) -> NDArray[np.bool_]:
        """[N, 2] world positions to [N] whether a ball rolls from one to the other without meeting a wall."""
        reached, gradients = self._walk(starts, ends - starts)
        untouched = (gradients[:, 0] == np.eye(2)).all((1, 2))
        return untouched & (np.abs(reached - ends) < 1e-3 * self.size).all(1)

    def walk(self, starts: Tensor, moves: Tensor) -> Tensor:
        """[..., 2] positions and displacements to the [..., 2] positions that the ball comes to; differentiable."""
        starts, moves = torch.broadcast_tensors(starts, moves)
        return _Walk.apply(starts, moves, self)

    @cached_property
    def _padded(self) -> NDArray[np.bool_]:
        return np.pad(self.walls, 1, constant_values=True)

    def _in_cells(self, points: Points) -> Points:
        """World positions in cells of the padded table."""
        return ((points - np.array(self.corner)) / self.size + 1).astype(np.float32)

    def _walk(self, starts: Points, moves: Points) -> tuple[Points, Points]:
        """[N, 2] positions and displacements to [N, 2] ends and [N, 2, 2, 2] their derivatives by both."""
        places, gradients = _walk_all(
            self._padded, self._in_cells(starts), (moves / self.size).astype(np.float32), self.radius / self.size
        )
        return ((places - 1) * self.size + np.array(self.corner)).astype(np.float32), gradients


class _Walk(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, starts: Tensor, moves: Tensor, floor: Floor) -> Tensor:
        places, gradients = floor._walk(*(given.detach().reshape(-1, 2).cpu().numpy() for given in (starts, moves)))
        ctx.gradients = torch.from_numpy(gradients).to(starts)
        return torch.from_numpy(places).to(starts).view(starts.shape)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, Tensor, None]:
        by_start, by_move = ctx.gradients.unbind(1)
        given = upstream[0].reshape(-1, 1, 2)
        starts, moves = ((given @ gradient).view(upstream[0].shape) for gradient in (by_start, by_move))
        return starts, moves, None


@njit(cache=True)
def _push_out(walls, radius, x, y):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The nearest place to (x, y) that is no nearer to a wall than the radius, and its derivative (xx, xy, yy).

    A ball whose centre is in a wall (that was just painted) is held by nothing.
    """
    rows, columns = walls.shape
    column, row = math.floor(x), math.floor(y)
    if not (0 < column < columns - 1 and 0 < row < rows - 1) or walls[row, column]:
        return x, y, 1.0, 0.0, 1.0
    u, v = x - column - 0.5, y - row - 0.5
    side, up = (1 if u > 0 else -1), (1 if v > 0 else -1)
    gap_x, gap_y = max(0.5 - abs(u), 1e-6), max(0.5 - abs(v), 1e-6)  # on a corner, the way out is across
    beside, above = walls[row, column + side], walls[row + up, column]
    xx, yy = 1.0, 1.0
    if beside and gap_x < radius:
        x, xx = column + 0.5 + side * (0.5 - radius), 0.0
    if above and gap_y < radius:
        y, yy = row + 0.5 + up * (0.5 - radius), 0.0
    distance = math.sqrt(gap_x * gap_x + gap_y * gap_y)
    if beside or above or not walls[row + up, column + side] or distance >= radius:
        return x, y, xx, 0.0, yy
    nx, ny, share = side * gap_x / distance, up * gap_y / distance, radius / distance
    corner_x, corner_y = column + 0.5 + 0.5 * side, row + 0.5 + 0.5 * up
    return (
        corner_x - nx * radius, corner_y - ny * radius,
        share * (1 - nx * nx), -share * nx * ny, share * (1 - ny * ny),
    )  # fmt: skip


@njit(cache=True)
def _walk_all(walls, starts, moves, radius):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """[N, 2] starts and displacements, in cells, to ends, and [N, 2, 2, 2] derivatives by start and by displacement.

    Steps of half a radius never jump into a wall.
    """
    ends, gradients = np.empty_like(starts), np.zeros((len(starts), 2, 2, 2), starts.dtype)
    for n in range(len(starts)):
        x, y, gradient = starts[n, 0], starts[n, 1], gradients[n]
        gradient[0, 0, 0] = gradient[0, 1, 1] = 1
        count = max(1, math.ceil(math.sqrt(moves[n, 0] ** 2 + moves[n, 1] ** 2) / (0.5 * radius)))
        for _ in range(count):
            x, y, xx, xy, yy = _push_out(walls, radius, x + moves[n, 0] / count, y + moves[n, 1] / count)
            gradient[1, 0, 0] += 1 / count
            gradient[1, 1, 1] += 1 / count
            for by in range(2):
                for j in range(2):
                    a, b = gradient[by, 0, j], gradient[by, 1, j]
                    gradient[by, 0, j], gradient[by, 1, j] = xx * a + xy * b, xy * a + yy * b
        ends[n, 0], ends[n, 1] = x, y
    return ends, gradients
