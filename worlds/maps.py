"""Immutable maze maps: parsing, the named mazes of OGBench, and generated mazes of any size.

Cell ``(row i, column j)`` is a square of side 4 world units centred at ``(x, y) = (4 j - 4, 4 i - 4)``, as in OGBench.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from worlds.compiled import NEIGHBOURS, breadth_first

FREE, WALL, ENTRANCE, EXIT = 0, 1, 2, 3
SYMBOLS = ".#IO"
CELL_SIZE = 4.0
"""Side of a cell, world units."""

NAMED = {
    "arena": "########|#......#|#......#|#......#|#......#|#......#|#......#|########",
    "medium": "########|#..##..#|#..#...#|##...###|#..#...#|#.#..#.#|#...#..#|########",
    "large": (
        "############|#....#.....#|#.##.#.#.#.#|#......#...#|#.####.###.#|"
        "#..#.#.....#|##.#.#.#.###|#..#...#...#|############"
    ),
    "giant": (
        "################|#.#......##....#|#.#.##.#.#..##.#|#...#..#...#...#|#.###.######.#.#|#...#...#....#.#|"
        "###.#.#..#.#.###|#...#..#...#...#|#.#.#.######.#.#|#.###...#...##.#|#.....#...#....#|################"
    ),
    "teleport": (
        "############|#.....#O#..#|##.#...#..##|##.###.....#|#....#I#.#.#|#I##.#.#.#.#|#O##.#.#.#O#|#....#...#.#|############"
    ),
}
"""The mazes of OGBench, rows separated by ``|``."""


class MapError(ValueError):
    """A map that is malformed, or not fit for the purpose; the message is one line."""


@dataclass(frozen=True, eq=False)
class Map:
    """An immutable maze. Every edit makes a new map with a new :attr:`version`, by which caches are keyed.

    Attributes:
        cells: [rows, columns] read-only uint8 of ``FREE``, ``WALL``, ``ENTRANCE`` and ``EXIT``.
        name: for titles and file names.

    Raises:
        MapError: where the map has no free cell, an open border, or portals without their other end.
    """

    cells: NDArray[np.uint8]
    name: str = "map"

    def __post_init__(self) -> None:
        cells = np.array(self.cells, dtype=np.uint8)
        cells.flags.writeable = False
        object.__setattr__(self, "cells", cells)
        _require_valid(cells, self.name)

    @classmethod
    def parse(cls, text: str, name: str = "map") -> Map:
        r"""Reads ``#`` wall, ``.`` free, ``I`` portal entrance, ``O`` portal exit; rows of one length.

        >>> Map.parse("#####\n#...#\n#####").free_cells().tolist()
        [[1, 1], [1, 2], [1, 3]]

        Raises:
            MapError: where the text is no such map; row and column in the message count from 1.
        """
        lines = [line.rstrip() for line in text.strip("\r\n").splitlines()]
        if not any(lines):
            raise MapError(f"{name}: the map is empty")
        return cls(np.array([_parse_line(line, i, len(lines[0]), name) for i, line in enumerate(lines, 1)]), name)

    @classmethod
    def load(cls, path: str | Path) -> Map:
        """Reads a map from a text file; the file's stem becomes its name."""
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not a text file"
            raise MapError(f"map file {path}: {reason}") from error
        return cls.parse(text, path.stem)

    def to_text(self) -> str:
        """The map as text, one row a line; the inverse of :meth:`parse`."""
        return "\n".join("".join(SYMBOLS[cell] for cell in row) for row in self.cells)

    @cached_property
    def version(self) -> str:
        """Hash of the size and the cells (the name doesn't count)."""
        return hashlib.sha256(str(self.cells.shape).encode() + self.cells.tobytes()).hexdigest()[:16]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Map) and self.version == other.version

    def __hash__(self) -> int:
        return hash(self.version)

    def __reduce__(self) -> tuple[Any, ...]:
        return Map, (np.array(self.cells), self.name)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns, the border included."""
        return self.cells.shape[0], self.cells.shape[1]

    @cached_property
    def walls(self) -> NDArray[np.bool_]:
        """[rows, columns] true where there is wall (portals are floor)."""
        return self.cells == WALL

    def center(self, cells: ArrayLike) -> NDArray[np.float64]:
        """[..., 2] (row, column) to [..., 2] (x, y) of the cells' centres, world units."""
        return np.asarray(cells, dtype=np.float64)[..., ::-1] * CELL_SIZE - CELL_SIZE

    def cell_of(self, xy: ArrayLike) -> NDArray[np.int64]:
        """[..., 2] (x, y) to the [..., 2] (row, column) of the cell that it is in."""
        return np.floor(np.asarray(xy, dtype=np.float64)[..., ::-1] / CELL_SIZE + 1.5).astype(np.int64)

    def free_cells(self) -> NDArray[np.int64]:
        """[F, 2] (row, column) of every cell that is not wall, in row-major order."""
        return np.argwhere(~self.walls)

    def entrances(self) -> NDArray[np.int64]:
        """[n, 2] (row, column) of the portal entrances."""
        return np.argwhere(self.cells == ENTRANCE)

    def exits(self) -> NDArray[np.int64]:
        """[n, 2] (row, column) of the portal exits."""
        return np.argwhere(self.cells == EXIT)

    def non_corridor_cells(self) -> NDArray[np.int64]:
        """[n, 2] free cells that aren't in the middle of a straight corridor: where OGBench puts its goals."""
        free = np.pad(~self.walls, 1)
        up, down, left, right = free[:-2, 1:-1], free[2:, 1:-1], free[1:-1, :-2], free[1:-1, 2:]
        vertical = up & down & ~left & ~right
        horizontal = left & right & ~up & ~down
        return np.argwhere(~self.walls & ~vertical & ~horizontal)

    @cached_property
    def walls_and_entrances(self) -> NDArray[np.bool_]:
        """[rows, columns] true where there is wall or a portal's entrance: what to walk around to avoid portals."""
        return self.walls | (self.cells == ENTRANCE)

    def distances_from(self, cell: ArrayLike, around_portals: bool = False) -> NDArray[np.int32]:
        """[rows, columns] breadth-first steps from a cell over the floor; -1 where unreachable.

        Portal entrances are ordinary floor, unless they are to be walked around.
        """
        row, column = (int(index) for index in np.asarray(cell))
        return breadth_first(self.walls_and_entrances if around_portals else self.walls, row, column)

    @cached_property
    def is_connected(self) -> bool:
        """Whether every free cell can be walked to from every other one, portals ignored."""
        return bool(np.all((self.distances_from(self.free_cells()[0]) >= 0) | self.walls))

    def require_connected(self) -> Map:
        """Returns the map itself, or raises where a cell can't be reached from the first free one or a portal's exit.

        A portal makes its exits reachable; a region behind an exit may be a trap (as in OGBench's teleport maze).

        Raises:
            MapError: naming a cell that can't be reached.
        """
        reached = self.reach(self.free_cells()[0])
        missing = np.argwhere(~self.walls & ~reached)
        if len(missing):
            start, cell = self.free_cells()[0] + 1, missing[0] + 1
            raise MapError(
                f"{self.name}: disconnected: row {cell[0]}, column {cell[1]} can't be reached from row {start[0]}, "
                f"column {start[1]} ({len(missing)} of {len(self.free_cells())} free cells can't)"
            )
        return self

    def reach(self, cell: NDArray[np.int64]) -> NDArray[np.bool_]:
        """[rows, columns] what can be reached from a cell when portals may be taken."""
        reached = self.distances_from(cell) >= 0
        if np.any(reached & (self.cells == ENTRANCE)):
            for portal in self.exits():
                reached = reached | (self.distances_from(portal) >= 0)
        return reached


def _parse_line(line: str, row: int, columns: int, name: str) -> list[int]:
    for column, symbol in enumerate(line, 1):
        if symbol not in SYMBOLS:
            raise MapError(f"{name}: row {row}, column {column}: unknown character {symbol!r}, expected one of # . I O")
    if len(line) != columns:
        raise MapError(f"{name}: row {row} has {len(line)} cells, row 1 has {columns}; all rows must be as long")
    return [SYMBOLS.index(symbol) for symbol in line]


def _require_valid(cells: NDArray[np.uint8], name: str) -> None:
    if cells.ndim != 2 or cells.size == 0 or cells.max() > EXIT:
        raise MapError(f"{name}: cells must be a [rows, columns] array of 0..3, not of shape {cells.shape}")
    border = np.ones(cells.shape, dtype=bool)
    border[1:-1, 1:-1] = False
    gaps = np.argwhere(border & (cells != WALL))
    if len(gaps):
        raise MapError(f"{name}: the border is open at row {gaps[0][0] + 1}, column {gaps[0][1] + 1}; close it with #")
    if np.all(cells == WALL):
        raise MapError(f"{name}: the map has no free cell")
    if (cells == ENTRANCE).any() != (cells == EXIT).any():
        raise MapError(f"{name}: portals need at least one entrance I and one exit O")


@lru_cache
def named_map(name: str) -> Map:
    """One of OGBench's mazes: ``arena``, ``medium``, ``large``, ``giant`` or ``teleport``."""
    if name not in NAMED:
        raise MapError(f"unknown map {name!r}, expected one of {', '.join(NAMED)}")
    return Map.parse(NAMED[name].replace("|", "\n"), name)


def as_map(map: Map | str | Path) -> Map:
    """A map, the name of one, its text, or the file that holds it, to the map."""
    if isinstance(map, Map):
        return map
    if str(map) in NAMED:
        return named_map(str(map))
    return Map.parse(map) if isinstance(map, str) and ("\n" in map or "#" in map) else Map.load(map)


def generate_maze(rows: int, columns: int, seed: int, loops: float = 0.15, name: str | None = None) -> Map:
    """A random connected maze: a depth-first spanning tree over every second cell, then some loops.

    Args:
        rows: full height in cells, the border included, at least 3. With an even size the last border is two thick.
        columns: full width in cells, likewise.
        seed: of the maze.
        loops: fraction of the walls still left between two neighbouring rooms of the tree to knock out.
        name: of the map; made from the size and seed by default.
    """
    if rows < 3 or columns < 3 or not 0 <= loops <= 1:
        raise MapError(f"generate_maze needs rows, columns >= 3 and loops in 0..1, not {rows}, {columns}, {loops}")
    generator = np.random.default_rng(seed)
    cells = np.full((rows, columns), WALL, dtype=np.uint8)
    height, width = (rows - 1) // 2, (columns - 1) // 2
    cells[1 : 2 * height : 2, 1 : 2 * width : 2] = FREE
    for row, column in _spanning_tree(height, width, generator):
        cells[row, column] = FREE
    closed = [wall for wall in _inner_walls(height, width) if cells[wall] == WALL]
    for index in generator.permutation(len(closed))[: round(loops * len(closed))]:
        cells[closed[index]] = FREE
    return Map(cells, name or f"maze-{rows}x{columns}-{seed}")


def _inner_walls(height: int, width: int) -> Iterable[tuple[int, int]]:
    """The cells between two neighbouring rooms of a [height, width] lattice."""
    yield from ((2 * i + 1, 2 * j + 2) for i in range(height) for j in range(width - 1))
    yield from ((2 * i + 2, 2 * j + 1) for i in range(height - 1) for j in range(width))


def _spanning_tree(height: int, width: int, generator: np.random.Generator) -> Iterable[tuple[int, int]]:
    """The cells to open for a random depth-first spanning tree of the rooms."""
    visited = np.zeros((height, width), dtype=bool)
    stack = [(int(generator.integers(height)), int(generator.integers(width)))]
    visited[stack[0]] = True
    while stack:
        i, j = stack[-1]
        nearby = [(i + di, j + dj) for di, dj in NEIGHBOURS]
        fresh = [(k, m) for k, m in nearby if 0 <= k < height and 0 <= m < width and not visited[k, m]]
        if not fresh:
            stack.pop()
            continue
        k, m = fresh[generator.integers(len(fresh))]
        visited[k, m] = True
        stack.append((k, m))
        yield i + k + 1, j + m + 1
