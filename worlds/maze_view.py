"""Mazes seen from above, at the papers' resolutions or lower ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from worlds.draw import COLOURS
from worlds.layouts import Layouts
from worlds.maps import CELL_SIZE, WALL, Map
from worlds.raster import Raster, Stamp


@dataclass(frozen=True)
class MazeView:
    """How a maze is seen from above.

    Attributes:
        cell: pixels on a cell's side; need not be whole.
        ring: further cells of wall to show around the border.
        dot: radius of the agent's dot, cells.
    """

    cell: float
    ring: int = 0
    dot: float = 0.2


PROTOCOL = MazeView(98 / 12, ring=1)
"""HWM's 98 pixels for 12 blocks (interior 8 x 8 and two rings of wall); the dot is as large as D4RL's marker."""
PROTOCOL_SMALL = MazeView(8.0, ring=1)
"""PLDM's 64 pixels for 8 blocks (interior 4 x 4)."""
LOW = MazeView(4.0, dot=0.3)
"""40 pixels for an interior of 8 x 8: for fast runs."""


def maze_raster(layouts: Layouts, view: MazeView = PROTOCOL, device: torch.device | str = "cpu") -> Raster:
    """A raster of RGB frames of layouts whose cells are unit squares from (0, 0) on, as in the Diverse Mazes."""
    return _maps_raster(layouts.maps, view, 1.0, 0.0, device)


def point_maze_raster(maps: Sequence[Map], view: MazeView = LOW, device: torch.device | str = "cpu") -> Raster:
    """A raster of RGB frames of OGBench's point mazes of one size, seen from above: places are (x, y) as the ball's."""
    return _maps_raster(maps, view, CELL_SIZE, -1.5 * CELL_SIZE, device)


def _maps_raster(
    maps: Sequence[Map], view: MazeView, cell_size: float, origin: float, device: torch.device | str
) -> Raster:
    """A raster of maps whose cells are so large and begin at ``(origin, origin)``, world units."""
    cells = np.stack([np.pad(map.cells, view.ring, constant_values=WALL) for map in maps])
    height, width = (round(view.cell * count) for count in cells.shape[1:])
    backgrounds = map_pictures(torch.from_numpy(cells), height, width)
    scale = width / cells.shape[2] / cell_size
    offset = (view.ring * cell_size - origin) * scale
    return Raster(backgrounds.to(device), Stamp(view.dot * cell_size * scale), scale, offset)


def map_pictures(cells: Tensor, height: int, width: int) -> Tensor:
    """[M, 3, height, width] uint8 pictures of [M, rows, columns] cells; a pixel on an edge takes of both sides."""
    rows, columns = _coverage(height, cells.shape[1]), _coverage(width, cells.shape[2])
    palette = torch.tensor([COLOURS[kind] for kind in sorted(COLOURS)], dtype=torch.float64)
    colours = palette[cells.long()].permute(0, 3, 1, 2)
    return (rows @ colours @ columns.T).round().to(torch.uint8)


def _coverage(pixels: int, cells: int) -> Tensor:
    """[pixels, cells] share of each pixel that lies in each cell, of a line divided evenly by both."""
    edges = torch.arange(pixels + 1, dtype=torch.float64) * cells / pixels
    starts = torch.arange(cells, dtype=torch.float64)
    below = (edges[:, None] - starts).clamp(0, 1)
    return (below[1:] - below[:-1]) * pixels / cells
