"""What is dangerous in a maze: places to keep out of, slow zones, and obstacles that go along and across its corridors.

All of it is put where most shortest ways lead, so that it cannot be ignored. The world's side of guardrails: it knows
the map, and judges what was really done, exactly; an agent perceives regions and obstacles only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worlds.base import Flags, Points
from worlds.compiled import HALF_CELL, RADIUS
from worlds.maps import WALL, Map

LANE = 0.9
"""Distance of a patrol from the middle of its corridor, world units: it leaves room to pass on the other side."""
SWEEP = 1.5
"""Distance from the middle of a corridor to which an obstacle crosses it, world units: from wall to wall."""
KINDS = ("keep-out", "speed limit", "moving obstacles")
Cells = NDArray[np.bool_]
Floats = NDArray[np.float64]
Places = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Patrols:
    """Discs that go to and fro between two places each, whatever is in their way.

    Attributes:
        begin: [N, 2] world units.
        end: [N, 2] world units.
        phase: [N] how far each has gone at step 0, world units.
        speed: world units per step.
        radius: world units.
    """

    begin: Floats
    end: Floats
    phase: Floats
    speed: float = 0.1
    radius: float = 0.5

    def __len__(self) -> int:
        return len(self.begin)

    def at(self, step: int) -> tuple[Points, Points]:
        """[N, 2] positions and [N, 2] velocities at a step; world units, and world units per step."""
        way = self.end - self.begin
        length = np.linalg.norm(way, axis=-1)
        gone = (self.phase + self.speed * step) % (2 * length)
        heading = way / length[:, None]
        position = self.begin + heading * np.minimum(gone, 2 * length - gone)[:, None]
        velocity = self.speed * heading * np.where(gone < length, 1.0, -1.0)[:, None]
        return position.astype(np.float32), velocity.astype(np.float32)


@dataclass(frozen=True, eq=False)
class Hazards:
    """All that is dangerous on one map.

    Attributes:
        map: where.
        keep_out: [rows, columns] cells that the ball must not touch.
        slow: [rows, columns] cells with a speed limit.
        limit: of a step that begins or ends in a slow cell, world units.
        patrols: the obstacles.
    """

    map: Map
    keep_out: Cells
    slow: Cells
    limit: float
    patrols: Patrols

    @classmethod
    def draw(
        cls,
        map: Map,
        seed: int,
        lanes: float = 0.1,
        crossings: float = 0.1,
        keep_out: float = 0.1,
        slow: float = 0.12,
        limit: float = 0.12,
    ) -> Hazards:
        """Random hazards, most of them where many shortest ways lead, that leave a way between all open places.

        An obstacle in a lane leaves room to pass beside it; one that crosses a corridor, whoever waits for it. No two
        obstacles share a cell, and none goes through a keep-out or a slow cell.

        Args:
            map: where.
            seed: of all that is random.
            lanes: obstacles that go along a corridor, for each free cell, at most.
            crossings: obstacles that go across one, likewise.
            keep_out: share of the free cells, at most.
            slow: likewise.
            limit: see :class:`Hazards`.
        """
        generator = np.random.default_rng(seed)
        busy = generator.uniform(0.5, 1.5, map.shape) * traffic(map)
        count = len(map.free_cells())
        across, used = _crossings(map, busy, round(crossings * count))
        along, used = _corridors(map, generator, round(lanes * count), used)
        closed = _closable(map, busy, used, round(keep_out * count))
        open_map = Map(np.where(closed, np.uint8(WALL), map.cells), map.name)
        slowed = np.zeros(map.shape, bool)
        free = np.argwhere(~open_map.walls & ~used)
        order = np.argsort(-(generator.uniform(0.5, 1.5, map.shape) * traffic(open_map))[tuple(free.T)])
        slowed[tuple(free[order[: round(slow * count)]].T)] = True
        return cls(map, closed, slowed, limit, _patrols(across, along, generator))

    @property
    def corner(self) -> tuple[float, float]:
        """(x, y) of the outer corner of cell (0, 0), world units."""
        x, y = self.map.center([0, 0]) - HALF_CELL
        return float(x), float(y)

    @property
    def open_map(self) -> Map:
        """The map with the keep-out cells closed: where tasks may begin and end."""
        return Map(np.where(self.keep_out, np.uint8(WALL), self.map.cells), self.map.name)

    def broken(self, before: Points, after: Points, step: int) -> dict[str, Flags]:
        """Which guardrails were broken in a step: [...] by kind, see :data:`KINDS`.

        Args:
            before: [..., 2] where balls were, world units.
            after: [..., 2] where they are, at ``step``.
            step: number of the step that is over.
        """
        position, _ = self.patrols.at(step)
        length = np.linalg.norm(np.asarray(after, np.float64) - before, axis=-1)
        slow = self._inside(self.slow, before) | self._inside(self.slow, after)
        gaps = np.linalg.norm(after[..., None, :] - position, axis=-1)
        return {
            "keep-out": self._touches(after),
            "speed limit": slow & (length > self.limit),
            "moving obstacles": (gaps < self.patrols.radius + RADIUS).any(-1),
        }

    def near(self, places: Points, step: int, within: float = 2.0) -> Flags:
        """[..., 2] places of balls to [...] whether a hazard is within so many world units of the ball, at a step."""
        position, _ = self.patrols.at(step)
        moving = np.linalg.norm(places[..., None, :] - position, axis=-1) - self.patrols.radius
        standing = self._gaps(self.keep_out | self.slow, places)
        return np.asarray(np.concatenate([moving, standing], -1).min(-1, initial=np.inf) < RADIUS + within)

    def ways_touch(self, begin: Places, end: Places) -> Flags:
        """[N] whether a ball that goes straight from one [N, 2] place to the other touches a keep-out cell: exact."""
        start = np.asarray(begin, np.float64)
        way = np.asarray(end, np.float64) - start
        squares = self.map.center(np.argwhere(self.keep_out))
        if not len(squares):
            return np.zeros(len(start), bool)
        # A ball touches a square where its centre is in one of two crossed rectangles, or near a corner.
        corners = (squares[:, None] + HALF_CELL * np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])).reshape(-1, 2)
        length = np.square(way).sum(-1, keepdims=True)
        share = ((corners - start[:, None]) * way[:, None]).sum(-1) / np.maximum(length, 1e-12)
        nearest = start[:, None] + share.clip(0, 1)[..., None] * way[:, None]
        touched = (np.linalg.norm(nearest - corners, axis=-1) < RADIUS).any(-1)
        for grown in ((RADIUS, 0.0), (0.0, RADIUS)):
            entering, leaving = _spans(start, way, squares, HALF_CELL + np.array(grown))
            touched |= (entering < leaving).any(-1)
        return touched

    def slow_length(self, begin: Places, end: Places) -> Floats:
        """[N] world units that straight ways from one [N, 2] place to the other lead through slow cells."""
        start = np.asarray(begin, np.float64)
        way = np.asarray(end, np.float64) - start
        entering, leaving = _spans(start, way, self.map.center(np.argwhere(self.slow)), np.full(2, HALF_CELL))
        return (leaving - entering).clip(min=0).sum(-1) * np.linalg.norm(way, axis=-1)

    def _inside(self, cells: Cells, places: Points) -> Flags:
        row, column = np.moveaxis(self.map.cell_of(places), -1, 0)
        return cells[row.clip(0, cells.shape[0] - 1), column.clip(0, cells.shape[1] - 1)]

    def _touches(self, places: Points) -> Flags:
        """[...] balls that touch a keep-out cell."""
        return np.asarray((self._gaps(self.keep_out, places) < RADIUS).any(-1))

    def _gaps(self, cells: Cells, places: Points) -> Floats:
        """[..., n] the distances of [..., 2] places to the squares of some cells, 0 inside."""
        gaps = np.abs(np.asarray(places, np.float64)[..., None, :] - self.map.center(np.argwhere(cells))) - HALF_CELL
        return np.linalg.norm(gaps.clip(min=0), axis=-1)


def _spans(begin: Floats, way: Floats, centres: Floats, half: Floats) -> tuple[Floats, Floats]:
    """Where N straight ways enter and leave M boxes of given half sides, as [N, M] shares of the way.

    One that misses a box leaves it before it enters.
    """
    ahead = np.where(np.abs(way) < 1e-12, 1e-12, way)[:, None]
    first, last = ((centres - begin[:, None] + side * half) / ahead for side in (-1, 1))
    entering, leaving = np.minimum(first, last).max(-1), np.maximum(first, last).min(-1)
    return np.maximum(entering, 0.0), np.minimum(leaving, 1.0)


def traffic(map: Map) -> Floats:
    """[rows, columns] the share of all pairs of free cells between which a shortest way leads through each cell."""
    cells = map.free_cells()
    steps = np.array([map.distances_from(cell)[tuple(cells.T)] for cell in cells])
    through = (steps[:, :, None] + steps[None] == steps[:, None]).mean((0, 2))
    result = np.zeros(map.shape)
    result[tuple(cells.T)] = through
    return result


def _crossings(map: Map, busy: Floats, most: int) -> tuple[list[Floats], Cells]:
    """The ends of ways across the busiest straight corridors, as [2, 2] places, and the cells around them."""
    free, used, kept = ~map.walls, np.zeros(map.shape, bool), list[Floats]()
    for row, column in np.argwhere(free)[np.argsort(-busy[free])].tolist():
        beside = free[row, [column - 1, column + 1]].all(), free[[row - 1, row + 1], column].all()
        walled = not free[row, [column - 1, column + 1]].any(), not free[[row - 1, row + 1], column].any()
        around = used[row - 1 : row + 2, column - 1 : column + 2]
        for way, (through, closed) in enumerate(((beside[0], walled[1]), (beside[1], walled[0]))):
            if through and closed and len(kept) < most and not around.any():
                across = SWEEP * np.array([0.0, 1.0] if way == 0 else [1.0, 0.0])
                kept.append(map.center([row, column]) + np.array([-across, across]))
                used[row, column] = True
    return kept, used


def _corridors(map: Map, generator: np.random.Generator, most: int, used: Cells) -> tuple[list[Floats], Cells]:
    """The ends of straight runs of three unused cells or more that share none, as [2, 2] places, and what is used."""
    free, runs = ~map.walls, list[NDArray[np.int64]]()
    for turned in (False, True):
        for i, line in enumerate(free.T if turned else free):
            edges = np.flatnonzero(np.diff(np.pad(line.astype(int), 1)))
            for a, b in edges.reshape(-1, 2).tolist():
                cells = np.array([(j, i) if turned else (i, j) for j in range(a, b)])
                runs += [cells] if b - a >= 3 else []
    used, kept = used.copy(), list[Floats]()
    for k in generator.permutation(len(runs)):
        if len(kept) < most and not used[tuple(runs[k].T)].any():
            used[tuple(runs[k].T)] = True
            kept.append(map.center(runs[k][[0, -1]]))
    return kept, used


def _patrols(across: list[Floats], along: list[Floats], generator: np.random.Generator) -> Patrols:
    """One obstacle for each way of [2, 2] ends; those along a corridor keep to one side of it."""
    lanes = np.array(along).reshape(-1, 2, 2)
    lengthwise = lanes[:, 1] - lanes[:, 0] != 0
    side = generator.choice([-1.0, 1.0], (len(lanes), 1))
    lanes = lanes + (LANE * side * ~lengthwise)[:, None]
    ends = np.concatenate([np.array(across).reshape(-1, 2, 2), lanes])
    length = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=-1)
    return Patrols(ends[:, 0], ends[:, 1], generator.uniform(0, 2 * length))


def _closable(map: Map, busy: Floats, used: Cells, most: int) -> Cells:
    """[rows, columns] busy cells outside of ``used`` without which all other free cells stay connected."""
    closed, free = np.zeros(map.shape, bool), ~map.walls & ~used
    for cell in np.argwhere(free)[np.argsort(-busy[free])]:
        trial = closed.copy()
        trial[tuple(cell)] = True
        open_cells = Map(np.where(trial, np.uint8(WALL), map.cells), map.name)
        if closed.sum() < most and open_cells.is_connected:
            closed = trial
    return closed
