"""Compiled breadth-first search over the floor of a maze."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

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
