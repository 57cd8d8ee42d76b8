"""Layouts of the Diverse Mazes: random maps by PLDM's rules, in any number, alike in size and never twice the same.

PLDM (arXiv 2502.14819) and HWM (arXiv 2604.03208): every interior cell is open with probability 1/2; twice, an open
cell with more than six open neighbours (of eight) becomes wall; the layout counts if its open cells hang together, the
share of them lies in a range, and no two are farther apart than a cap. Border walls are added.

Layouts wider than 8 x 8 can't be found so (at 16 x 16 not one in a billion hangs together): theirs are 8 x 8 layouts
laid side by side, kept if the whole hangs together, has its share of open cells, and obeys a wider cap. So what a
model sees in any 8 x 8 window looks as in training; what is new is how far it must plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray

from worlds.compiled import breadth_first
from worlds.maps import FREE, WALL, Map, MapError

CROWD = 6
"""An open cell with more open neighbours than this becomes wall."""
TILE = 8
"""Interior cells of the largest layout that is found by chance; larger ones are laid out of such tiles."""
DRAWS = 4096
"""Candidates drawn at a time."""


@dataclass(frozen=True)
class LayoutRules:
    """Which layouts count.

    Attributes:
        interior: cells on a side, without the border.
        open_range: least and largest share of open interior cells.
        longest: the longest of all shortest paths must be below this, cells.
    """

    interior: int
    open_range: tuple[float, float]
    longest: int


SIZES = {
    "small": LayoutRules(4, (0.50, 0.75), 8),
    "large": LayoutRules(8, (0.50, 0.80), 20),
    "wide": LayoutRules(16, (0.50, 0.80), 64),
    "vast": LayoutRules(32, (0.50, 0.80), 128),
}
"""PLDM's small and HWM's large layouts; and twice and four times as wide, with caps of four times the width: ours."""


@dataclass(frozen=True)
class Layouts:
    """Maps of one size.

    Attributes:
        maps: M maps; cell (i, j) of any is the unit square at ``(x, y) = (j, i)`` here, not OGBench's.
        name: for titles.
    """

    maps: tuple[Map, ...]
    name: str = "layouts"

    def __post_init__(self) -> None:
        shapes = sorted({map.shape for map in self.maps})
        if len(shapes) != 1:
            raise MapError(f"{self.name}: layouts must be of one size, found {shapes or 'none'}")

    def __len__(self) -> int:
        return len(self.maps)

    @cached_property
    def walls(self) -> NDArray[np.bool_]:
        """[M, rows, columns] where there is wall, the border included."""
        return np.stack([map.walls for map in self.maps])

    @cached_property
    def versions(self) -> frozenset[str]:
        """The maps' hashes: two sets of layouts share a map where these meet."""
        return frozenset(map.version for map in self.maps)


def generate_layouts(size: str | LayoutRules, count: int, seed: int, exclude: Layouts | None = None) -> Layouts:
    """Random layouts, all different from each other and from those excluded.

    Args:
        size: ``small``, ``large``, ``wide`` or ``vast`` (:data:`SIZES`), or rules of your own.
        count: M.
        seed: of the layouts; training and held-out layouts have seeds of their own.
        exclude: layouts that must not come up (the training layouts, when held-out ones are made).

    Raises:
        MapError: for an unknown size or a count below 1.
    """
    if (isinstance(size, str) and size not in SIZES) or count < 1:
        raise MapError(f"generate_layouts needs one of {', '.join(SIZES)} and count >= 1, not {size!r} and {count}")
    rules = SIZES[size] if isinstance(size, str) else size
    name = size if isinstance(size, str) else f"{rules.interior}x{rules.interior}"
    known = set(exclude.versions) if exclude is not None else set()
    maps: list[Map] = []
    for cells in _candidates(rules, np.random.default_rng((seed, rules.interior))):
        map = Map(np.pad(cells, 1, constant_values=WALL), f"{name}-{seed}-{len(maps)}")
        if map.version not in known:
            known.add(map.version)
            maps.append(map)
        if len(maps) == count:
            return Layouts(tuple(maps), f"{name}-{seed}")
    raise AssertionError("candidates never end")


def _candidates(rules: LayoutRules, generator: np.random.Generator) -> Iterator[NDArray[np.uint8]]:
    """[n, n] interiors that obey the rules, one after another without end."""
    if rules.interior <= TILE:
        yield from _found(rules, generator)
    tiles = _found(SIZES["large"], generator)
    across = -(-rules.interior // TILE)
    while True:
        rows = [np.concatenate([next(tiles) for _ in range(across)], 1) for _ in range(across)]
        cells = np.ascontiguousarray(np.concatenate(rows, 0)[: rules.interior, : rules.interior])
        if _counts(cells == FREE, *rules.open_range, rules.longest):
            yield cells


def _found(rules: LayoutRules, generator: np.random.Generator) -> Iterator[NDArray[np.uint8]]:
    """[n, n] interiors by rejection."""
    while True:
        free = _thin(_thin(generator.random((DRAWS, rules.interior, rules.interior)) < 0.5))
        for cells in free[_share_within(free, rules.open_range)]:
            if _counts(cells, *rules.open_range, rules.longest):
                yield np.where(cells, FREE, WALL).astype(np.uint8)


def _thin(free: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """[N, n, n] open cells: those with more than six open neighbours become wall, all at once."""
    padded = np.pad(free, ((0, 0), (1, 1), (1, 1))).astype(np.int8)
    n = free.shape[1]
    neighbours = sum(padded[:, i : i + n, j : j + n] for i in range(3) for j in range(3)) - free.astype(np.int8)
    return free & (neighbours <= CROWD)


def _share_within(free: NDArray[np.bool_], open_range: tuple[float, float]) -> NDArray[np.bool_]:
    share = free.mean((1, 2))
    return (share >= open_range[0]) & (share <= open_range[1])


@njit(cache=True)
def _fill(free: NDArray[np.bool_], start: int, distances: NDArray[np.int32], queue: NDArray[np.int32]) -> int:
    """Breadth-first distances over the open cells of an [n, n] interior; returns how many cells were reached."""
    n = free.shape[1]
    distances[:] = -1
    distances[start // n, start % n] = 0
    queue[0] = start
    head, tail = 0, 1
    while head < tail:
        i, j = queue[head] // n, queue[head] % n
        head += 1
        for di, dj in ((-1, 0), (0, -1), (1, 0), (0, 1)):
            k, m = i + di, j + dj
            if 0 <= k < len(free) and 0 <= m < n and free[k, m] and distances[k, m] < 0:
                distances[k, m] = distances[i, j] + 1
                queue[tail] = k * n + m
                tail += 1
    return tail


@njit(cache=True)
def _counts(free: NDArray[np.bool_], low: float, high: float, longest: int) -> bool:
    """Whether an interior hangs together, is open enough, and has no two cells too far apart."""
    total = free.sum()
    if not low <= total / free.size <= high:
        return False
    distances = np.empty(free.shape, dtype=np.int32)
    queue = np.empty(free.size, dtype=np.int32)
    for start in np.flatnonzero(free):
        if _fill(free, start, distances, queue) < total or distances.max() >= longest:
            return False
    return True


def longest_path(map: Map) -> int:
    """The longest of all shortest paths between a map's free cells, cells."""
    return max(int(breadth_first(map.walls, *cell).max()) for cell in map.free_cells())
