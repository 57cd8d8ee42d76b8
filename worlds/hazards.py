"""What is dangerous in a maze: places to keep out of, slow zones, and obstacles that patrol its corridors.

The world's side of guardrails. It knows the map, and judges what was really done, exactly; an agent perceives regions
and obstacles only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worlds.base import Flags, Points
from worlds.compiled import HALF_CELL, RADIUS
from worlds.maps import CELL_SIZE, WALL, Map

LANE = 0.9
"""Distance of a patrol from the middle of its corridor, world units: it leaves room to pass on the other side."""
KINDS = ("keep-out", "speed limit", "moving obstacles")
Cells = NDArray[np.bool_]
Floats = NDArray[np.float64]


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
        cls, map: Map, seed: int, patrols: int = 4, keep_out: float = 0.08, slow: float = 0.08, limit: float = 0.12
    ) -> Hazards:
        """Random hazards that leave a way from every open place to every other one.

        No two patrols share a cell, none goes through a keep-out or a slow cell, and each leaves a lane beside it.

        Args:
            map: where.
            seed: of all that is random.
            patrols: at most so many.
            keep_out: share of the free cells, at most.
            slow: likewise.
            limit: see :class:`Hazards`.
        """
        generator = np.random.default_rng(seed)
        lines, used = _corridors(map, generator, patrols)
        count = len(map.free_cells())
        closed = _closable(map, generator, used, round(keep_out * count))
        slowed = np.zeros(map.shape, bool)
        open_cells = np.argwhere(~map.walls & ~used & ~closed)
        slowed[tuple(generator.permutation(open_cells)[: round(slow * count)].T)] = True
        return cls(map, closed, slowed, limit, _patrols(lines, generator))

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

    def _inside(self, cells: Cells, places: Points) -> Flags:
        row, column = np.moveaxis(self.map.cell_of(places), -1, 0)
        return cells[row.clip(0, cells.shape[0] - 1), column.clip(0, cells.shape[1] - 1)]

    def _touches(self, places: Points) -> Flags:
        """[...] balls that touch a keep-out cell: by their distance to every such cell's square."""
        centres = self.map.center(np.argwhere(self.keep_out))
        gaps = np.abs(np.asarray(places, np.float64)[..., None, :] - centres) - HALF_CELL
        return (np.linalg.norm(gaps.clip(min=0), axis=-1) < RADIUS).any(-1)


def _corridors(map: Map, generator: np.random.Generator, most: int) -> tuple[list[Floats], Cells]:
    """Straight runs of three cells or more that share no cell, as [n, 2] (row, column), and the cells they use."""
    free, runs = ~map.walls, list[NDArray[np.int64]]()
    for turned in (False, True):
        for i, line in enumerate(free.T if turned else free):
            edges = np.flatnonzero(np.diff(np.pad(line.astype(int), 1)))
            for a, b in edges.reshape(-1, 2).tolist():
                cells = np.array([(j, i) if turned else (i, j) for j in range(a, b)])
                runs += [cells] if b - a >= 3 else []
    used, kept = np.zeros(map.shape, bool), list[Floats]()
    for k in generator.permutation(len(runs)):
        if len(kept) < most and not used[tuple(runs[k].T)].any():
            used[tuple(runs[k].T)] = True
            kept.append(map.center(runs[k]))
    return kept, used


def _patrols(lines: list[Floats], generator: np.random.Generator) -> Patrols:
    """One obstacle for each line of [n, 2] centres, in a lane on one side of it."""
    ends = np.array([[line[0], line[-1]] for line in lines]).reshape(-1, 2, 2)
    along = (ends[:, 1] - ends[:, 0]) / CELL_SIZE
    across = np.stack([along[:, 1] != 0, along[:, 0] != 0], -1) * LANE
    side = generator.choice([-1.0, 1.0], (len(lines), 1))
    length = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=-1)
    return Patrols(ends[:, 0] + side * across, ends[:, 1] + side * across, generator.uniform(0, 2 * length))


def _closable(map: Map, generator: np.random.Generator, used: Cells, most: int) -> Cells:
    """[rows, columns] random cells outside of ``used`` without which all other free cells stay connected."""
    closed = np.zeros(map.shape, bool)
    for cell in generator.permutation(np.argwhere(~map.walls & ~used)):
        trial = closed.copy()
        trial[tuple(cell)] = True
        open_cells = Map(np.where(trial, np.uint8(WALL), map.cells), map.name)
        if closed.sum() < most and open_cells.is_connected:
            closed = trial
    return closed
