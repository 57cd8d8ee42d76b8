"""Long-term memory of where recorded walks went: what a predictor that never learned of walls runs into.

Where nobody ever walked, there may be a wall. A predicted place off the trodden ground is moved to the nearest place on
it, which is what a wall does to a ball: it stops, slides along, or is pushed round a corner. That is a guess where the
recordings have holes, so whoever must be sure looks at both, the free prediction and this one.

Keeping predictions on the support of the data: Fujimoto et al. 2019, "Off-policy deep reinforcement learning without
exploration"; here a projection, because the data show what is behind the border too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from hjepa.guardrails import GuardrailError, Percept

CELL = 0.05
"""Side of a cell in which a visit is noted, world units."""
GAP = 0.3
"""Gaps between visited cells up to twice as wide are taken for chance; world units."""
EDGE = 0.1
"""World units from the edge of the ground within which a place is in doubt: a step there may bounce off a wall."""
REACH = 0.8
"""World units from the ground beyond which nothing is said of a place, and nothing moves."""
FAR = 20.0
"""World units beyond which nobody asks how far something may move."""


@final
@dataclass(frozen=True, eq=False)
class Ground:
    """A fine grid over the plane that recorded walks went through.

    Attributes:
        nearest: [columns, rows, 2] the nearest trodden cell of every cell (itself where it is one, and where there is
            none within reach).
        corner: [2] outer corner of cell (0, 0), world units.
        reached: [columns, rows] the cells within reach of a trodden one.
        doubtful: [columns, rows] the cells off the ground, and those near its edge.
        cell: side of a cell, world units.
    """

    nearest: NDArray[np.int32]
    corner: NDArray[np.float32]
    reached: NDArray[np.bool_]
    doubtful: NDArray[np.bool_]
    cell: float = CELL

    @classmethod
    def of(cls, observations: Tensor, cell: float = CELL) -> Ground:
        """The ground that [N, 2] recorded observations went over.

        Raises:
            GuardrailError: for observations that are no places in a plane, or none at all.
        """
        if observations.dim() != 2 or observations.shape[1] != 2 or not len(observations):
            raise GuardrailError(f"ground needs [N, 2] observed places, not {list(observations.shape)}")
        seen = observations.cpu().numpy().astype(np.float32)
        corner = seen.min(0) - np.float32(2 * REACH)
        places = ((seen - corner) / cell).astype(np.int64)
        visited = np.zeros(places.max(0) + 1 + math.ceil(2 * REACH / cell), bool)
        visited[tuple(places.T)] = True
        ground = _closed(visited, round(GAP / cell))
        nearest = _nearest(ground, round(REACH / cell))
        doubtful = _distance(~ground, max(1, round(EDGE / cell))) < np.inf
        return cls(nearest, corner, ground[nearest[..., 0], nearest[..., 1]], doubtful, cell)

    def held(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """[..., T+1, 2] predicted places, the present first, as they would be if nothing left the ground.

        Returns:
            The places, and [..., T+1] which are in doubt, because something was in the way or may have been: they come
            after one near the edge of the ground.
        """
        ways = places.detach().reshape(-1, *places.shape[-2:]).cpu().numpy()
        held, doubt = _hold(self.nearest, self.doubtful, self.corner, np.float32(self.cell), ways)
        return torch.from_numpy(held).to(places).view(places.shape), torch.from_numpy(doubt).view(places.shape[:-1])

    def bounded(self, percept: Percept) -> Percept:
        """What is perceived to move, with the room that it has: as the agent, it does not leave the ground by far."""
        position, velocity = (part.cpu().numpy().astype(np.float32) for part in (percept.position, percept.velocity))
        room = _room(self.reached, self.corner, np.float32(self.cell), position, velocity)
        return replace(percept, room=torch.from_numpy(room).to(percept.position))


def _closed(visited: NDArray[np.bool_], gap: int) -> NDArray[np.bool_]:
    """With the cells that no disc of a radius of ``gap`` cells reaches without touching a visited one."""
    reached = _distance(visited, gap) <= gap
    return visited | (_distance(~reached, gap) > gap)


def _distance(marked: NDArray[np.bool_], reach: int) -> NDArray[np.float64]:
    """[X, Y] the distance of every cell to the nearest marked one, in cells; infinite beyond reach."""
    nearest = _nearest(marked, reach)
    found = marked[nearest[..., 0], nearest[..., 1]]
    here = np.stack(np.meshgrid(*(np.arange(n) for n in marked.shape), indexing="ij"), -1)
    return np.where(found, np.linalg.norm(nearest - here, axis=-1), np.inf)


@njit(cache=True)
def _nearest(marked: NDArray[np.bool_], reach: int) -> Any:  # pragma: no cover - compiled
    """[X, Y, 2] the nearest marked cell of every cell; itself where there is none within reach.

    Exact, one axis after the other: the nearest in every column first, then the best of the columns around.
    """
    columns, rows = marked.shape
    row_of = np.full((columns, rows), -reach - rows, np.int64)
    for i in range(columns):
        last = -reach - rows
        for j in range(rows):
            last = j if marked[i, j] else last
            row_of[i, j] = last
        last = 2 * rows + reach
        for j in range(rows - 1, -1, -1):
            last = j if marked[i, j] else last
            row_of[i, j] = last if last - j < j - row_of[i, j] else row_of[i, j]
    nearest = np.empty((columns, rows, 2), np.int32)
    for i in range(columns):
        for j in range(rows):
            best, nearest[i, j, 0], nearest[i, j, 1] = reach * reach, i, j
            for k in range(max(0, i - reach), min(columns, i + reach + 1)):
                gap = (k - i) ** 2 + (row_of[k, j] - j) ** 2
                if gap <= best:
                    best, nearest[i, j, 0], nearest[i, j, 1] = gap, k, row_of[k, j]
    return nearest


@njit(cache=True)
def _room(reached, corner, cell, position, velocity):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """[B, N, 2] positions and velocities to how far one comes back and forth within reach of the ground."""
    room, (columns, rows) = np.empty_like(position), reached.shape
    for b in range(len(position)):
        for n in range(position.shape[1]):
            x, y = position[b, n]
            vx, vy = velocity[b, n]
            speed = max(math.sqrt(vx * vx + vy * vy), 1e-9)
            for way in range(2):
                gone, sign = 0.0, 2 * way - 1
                while gone < FAR:
                    column = int((x + sign * gone * vx / speed - corner[0]) / cell)
                    row = int((y + sign * gone * vy / speed - corner[1]) / cell)
                    if not (0 <= column < columns and 0 <= row < rows and reached[column, row]):
                        break
                    gone += 2 * cell
                room[b, n, way] = gone
    return room


@njit(cache=True)
def _hold(nearest, doubtful, corner, cell, ways):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """[N, T+1, 2] ways to the same with every step's end moved to the nearest ground, and [N, T+1] what is in doubt."""
    held, doubt = np.empty_like(ways), np.zeros(ways.shape[:2], np.bool_)
    for n in range(len(ways)):
        x, y = ways[n, 0]
        held[n, 0], doubt[n, 0] = (x, y), _lies_in(doubtful, corner, cell, x, y)
        for t in range(1, ways.shape[1]):
            dx, dy = ways[n, t, 0] - ways[n, t - 1, 0], ways[n, t, 1] - ways[n, t - 1, 1]
            # Who stands off the ground shows that it reaches farther here, by so much.
            near_x, near_y = _nearest_place(nearest, corner, cell, x, y)
            off_x, off_y = x - near_x, y - near_y
            to_x, to_y = _nearest_place(nearest, corner, cell, near_x + dx, near_y + dy)
            moved_x, moved_y = to_x + off_x - x, to_y + off_y - y
            doubt[n, t] = doubt[n, t - 1] or abs(moved_x - dx) + abs(moved_y - dy) > 0.5 * cell
            # A wall takes from a step; it adds nothing.
            step = math.sqrt(dx * dx + dy * dy)
            share = min(1.0, step / max(math.sqrt(moved_x * moved_x + moved_y * moved_y), 1e-9))
            x, y = x + share * moved_x, y + share * moved_y
            held[n, t, 0], held[n, t, 1] = x, y
            doubt[n, t] = doubt[n, t] or _lies_in(doubtful, corner, cell, x, y)
    return held, doubt


@njit(cache=True)
def _nearest_place(nearest, corner, cell, x, y):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The nearest place on the ground; (x, y) itself on it, and where there is none within reach."""
    column, row = (x - corner[0]) / cell, (y - corner[1]) / cell
    if not (0 <= column < nearest.shape[0] and 0 <= row < nearest.shape[1]):
        return x, y
    i, j = nearest[int(column), int(row)]
    if i == int(column) and j == int(row):
        return x, y
    low_x, low_y = corner[0] + cell * i, corner[1] + cell * j
    return min(max(x, low_x), low_x + cell), min(max(y, low_y), low_y + cell)


@njit(cache=True)
def _lies_in(cells, corner, cell, x, y):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Whether (x, y) lies in one of some [columns, rows] cells, or outside of the grid."""
    column, row = (x - corner[0]) / cell, (y - corner[1]) / cell
    return not (0 <= column < cells.shape[0] and 0 <= row < cells.shape[1]) or cells[int(column), int(row)]
