"""Plain pictures of a maze with NumPy alone, for the environments' render modes; row 0 of the map is at the top."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from worlds.compiled import RADIUS, SUCCESS_RADIUS
from worlds.maps import CELL_SIZE, ENTRANCE, EXIT, FREE, WALL, Map

COLOURS = {FREE: (246, 244, 239), WALL: (58, 63, 75), ENTRANCE: (126, 203, 233), EXIT: (196, 178, 232)}
AGENT = (38, 98, 217)
GOAL = (226, 78, 68)


def draw_map(map: Map, pixels: int = 16) -> NDArray[np.uint8]:
    """[rows * pixels, columns * pixels, 3] picture of a map, ``pixels`` to a cell's side."""
    palette = np.array([COLOURS[cell] for cell in (FREE, WALL, ENTRANCE, EXIT)], dtype=np.uint8)
    return palette[map.cells].repeat(pixels, 0).repeat(pixels, 1)


def draw_maze(map: Map, position: ArrayLike, goal: ArrayLike, pixels: int = 16) -> NDArray[np.uint8]:
    """The map with the goal's region of success, and the ball upon it."""
    picture = draw_map(map, pixels)
    _draw_disc(picture, goal, SUCCESS_RADIUS, GOAL, pixels)
    _draw_disc(picture, position, RADIUS, AGENT, pixels)
    return picture


def maze_text(map: Map, position: ArrayLike, goal: ArrayLike) -> str:
    """The map as text, with ``A`` for the agent and ``G`` for the goal."""
    lines = [list(line) for line in map.to_text().splitlines()]
    for place, letter in ((goal, "G"), (position, "A")):
        row, column = map.cell_of(place)
        lines[row][column] = letter
    return "\n".join("".join(line) for line in lines)


def _draw_disc(
    picture: NDArray[np.uint8], center: ArrayLike, radius: float, colour: tuple[int, int, int], pixels: int
) -> None:
    """Paints a disc given in world units."""
    scale = pixels / CELL_SIZE
    x, y = (np.asarray(center, dtype=np.float64) + 1.5 * CELL_SIZE) * scale
    rows, columns = np.ogrid[: picture.shape[0], : picture.shape[1]]
    inside = (rows + 0.5 - y) ** 2 + (columns + 0.5 - x) ** 2 <= (radius * scale) ** 2
    picture[inside] = colour
