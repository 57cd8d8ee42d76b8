"""The still part of every picture: walls with rounded corners, portals and the cost-to-go heat map.

Pictures read like the map's text: the first row is at the top, so world ``y`` grows downwards.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, cast

import numpy as np
from contourpy import FillType, contour_generator
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyBboxPatch, PathPatch
from matplotlib.path import Path
from numpy.typing import NDArray

from planners.trace import Decision
from viz.heat import FigureError, HeatMap
from viz.theme import Theme
from worlds.compiled import PORTAL_RADIUS
from worlds.maps import CELL_SIZE, ENTRANCE, EXIT, WALL

BORDER = 0.55  # how much of the outermost cells is shown, in cells

Array = NDArray[Any]


class MazeMap(Protocol):
    """What pictures need of a map."""

    @property
    def cells(self) -> Array:
        """[rows, cols] 0 free, 1 wall, 2 portal entrance, 3 portal exit."""
        ...


@dataclass(frozen=True)
class Extent:
    """The rectangle of the world that a picture shows; world units."""

    left: float
    right: float
    top: float
    bottom: float

    @classmethod
    def of(cls, cells: Array) -> Extent:
        """The whole of a [rows, cols] map, its border trimmed where that is wall all round."""
        rows, cols = cells.shape
        rim = np.concatenate([cells[0], cells[-1], cells[:, 0], cells[:, -1]])
        shown = BORDER if np.all(rim == WALL) else 1.0
        first = (0.5 - shown) * CELL_SIZE - CELL_SIZE  # cell 0 is centred at -CELL_SIZE
        return cls(first, (cols - 2.5 + shown) * CELL_SIZE, first, (rows - 2.5 + shown) * CELL_SIZE)

    @classmethod
    def around(cls, points: Array, aspect: float, margin: float) -> Extent:
        """The smallest rectangle of width / height ``aspect`` that leaves ``margin`` around [n, 2] points."""
        low, high = points.min(0) - margin, points.max(0) + margin
        height = max(high[1] - low[1], (high[0] - low[0]) / aspect)
        (x, y), width = (low + high) / 2, height * aspect
        return cls(x - width / 2, x + width / 2, y - height / 2, y + height / 2)

    @property
    def width(self) -> float:
        """World units across."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """World units from top to bottom."""
        return self.bottom - self.top

    def inside(self, outer: Extent) -> Extent:
        """This rectangle, moved as little as possible (and cut if it must be) to lie within ``outer``."""
        width, height = min(self.width, outer.width), min(self.height, outer.height)
        left = float(np.clip(self.left, outer.left, outer.right - width))
        top = float(np.clip(self.top, outer.top, outer.bottom - height))
        return Extent(left, left + width, top, top + height)


def cells_of(maze: MazeMap) -> Array:
    """The map's [rows, cols] cells.

    Raises:
        FigureError: if they aren't a grid.
    """
    cells = np.asarray(maze.cells)
    if cells.ndim != 2 or cells.size == 0:
        raise FigureError(f"map.cells: expected a [rows, cols] array, not one of shape {cells.shape}")
    return cells


def centers(cell: Array) -> Array:
    """[..., 2] (row, column) to the [..., 2] world positions of the cells' centres."""
    return CELL_SIZE * np.asarray(cell)[..., ::-1] - CELL_SIZE


def targets_of(decision: Decision, goal: Array) -> list[Array]:
    """[2] what each level plans towards: the subgoal of the level above, and for the top level the goal."""
    return [np.asarray(view.subgoal) for view in decision.levels[1:]] + [np.asarray(goal)]


def route_of(decision: Decision, level: int, agent: Array) -> Array:
    """[n, 2] the way that a level has in mind, from where the agent is.

    The first state of an upper level's plan is the one that it passed last, up to a stride behind the agent.
    """
    plan = np.asarray(decision.levels[level - 1].plan)
    return plan if level == 1 else np.concatenate([np.asarray(agent)[None], plan[1:]])


def line_scale(cell_points: float) -> float:
    """Line widths in proportion to 1 at 40 points per cell: thinner where a cell is small, but never hair-thin."""
    return float(np.clip((cell_points / 40) ** 0.5, 0.55, 1.25))


def floor_path(cells: Array) -> Path:
    """The outline of free space with softly rounded corners, holes included, in world units."""
    return _floor_path(cells.shape, np.ascontiguousarray(cells == WALL).tobytes())


@lru_cache(maxsize=8)
def _floor_path(shape: tuple[int, int], walls: bytes) -> Path:
    wall = np.frombuffer(walls, bool).reshape(shape)
    samples = int(np.clip(1000 // max(shape), 6, 24))
    free = np.pad(np.kron(~wall, np.ones((samples, samples), bool)).astype(float), samples)
    soft = _blur(_blur(free, 0.13 * samples).T, 0.13 * samples).T
    xs, ys = (((np.arange(n) + 0.5) / samples - 2.5) * CELL_SIZE for n in (soft.shape[1], soft.shape[0]))
    generator = contour_generator(xs, ys, soft, fill_type=FillType.OuterOffset)
    polygons, offsets = cast(tuple[list[Array], list[Array]], generator.filled(0.5, np.inf))
    outlines = zip(polygons, offsets, strict=True)
    rings = [points[a:b] for points, cuts in outlines for a, b in itertools.pairwise(cuts)]
    return Path.make_compound_path(*(_closed(_straightened(ring[:-1])) for ring in rings))


def _blur(image: Array, sigma: float) -> Array:
    """Gaussian blur along the first axis."""
    reach = int(np.ceil(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    padded = np.pad(image, ((reach, reach), (0, 0)))
    windows = (weight * padded[i : i + len(image)] for i, weight in enumerate(kernel / kernel.sum()))
    return np.asarray(sum(windows))


def _straightened(ring: Array, tolerance: float = 1e-5) -> Array:
    """Drops the points of a [n, 2] closed ring that lie on the line between their neighbours."""
    before, after = ring - np.roll(ring, 1, 0), np.roll(ring, -1, 0) - ring
    bend = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0])
    kept = ring[bend > tolerance * CELL_SIZE**2]
    return kept if len(kept) > 2 else ring


def _closed(ring: Array) -> Path:
    return Path(np.concatenate([ring, ring[:1]]), closed=True)


def draw_backdrop(ax: Axes, cells: Array, theme: Theme, heat: HeatMap | None = None, scale: float = 1.0) -> None:
    """Draws walls, portals and the heat map on ``ax``, and fixes its limits to the map.

    Args:
        ax: axes to draw on.
        cells: [rows, cols] map.
        theme: look.
        heat: cost-to-go, if any.
        scale: line widths in proportion (1 at 40 points per cell).
    """
    show_extent(ax, Extent.of(cells))
    floor = floor_path(cells)
    _draw_walls(ax, Extent.of(cells), theme)
    ax.add_patch(PathPatch(floor, facecolor=theme.floor, edgecolor="none", zorder=1))
    if heat is not None:
        _draw_heat(ax, heat, floor, theme, scale)
    ax.add_patch(PathPatch(floor, facecolor="none", edgecolor=theme.rim, linewidth=1.4 * scale, zorder=1.4))
    for kind, color in ((ENTRANCE, theme.entrance), (EXIT, theme.exit)):
        for x, y in centers(np.argwhere(cells == kind)):
            _draw_portal(ax, (float(x), float(y)), color, scale, inward=kind == ENTRANCE)


def show_extent(ax: Axes, extent: Extent) -> None:
    """Limits ``ax`` to a rectangle of the world, the first row at the top, without ticks or frame."""
    ax.set_xlim(extent.left, extent.right)
    ax.set_ylim(extent.bottom, extent.top)
    ax.set_aspect("equal")
    ax.grid(False)
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)


def _draw_walls(ax: Axes, extent: Extent, theme: Theme) -> None:
    """One slab with rounded corners, on which the floor is laid."""
    ax.patch.set_visible(False)
    bend = 0.3 * CELL_SIZE
    corner, size = (extent.left + bend, extent.top + bend), (extent.width - 2 * bend, extent.height - 2 * bend)
    slab = FancyBboxPatch(corner, *size, boxstyle=f"round,pad={bend}", facecolor=theme.wall, linewidth=0, zorder=0.5)
    ax.add_patch(slab)


def _draw_heat(ax: Axes, heat: HeatMap, floor: Path, theme: Theme, scale: float) -> None:
    half = (heat.x[1] - heat.x[0]) / 2
    corners = (heat.x[0] - half, heat.x[-1] + half, heat.y[-1] + half, heat.y[0] - half)
    color_map = theme.heat_map.with_extremes(bad=theme.floor)
    masked = np.ma.masked_invalid(heat.steps)
    image = ax.imshow(
        masked, cmap=color_map, vmin=0.0, vmax=heat.far, extent=corners, interpolation="bilinear", zorder=1.1
    )
    image.set_clip_path(floor, ax.transData)
    levels = heat.isolines()
    if np.isfinite(heat.steps).any() and len(levels) and scale > 0.6:  # in narrow corridors they are only specks
        lines = ax.contour(
            heat.x, heat.y, heat.steps, levels=levels, colors=theme.ink, linewidths=0.7 * scale, alpha=0.22,
            zorder=1.2,
        )  # fmt: skip
        lines.set_clip_path(floor, ax.transData)


def _draw_portal(ax: Axes, xy: tuple[float, float], color: str, scale: float, inward: bool) -> None:
    """Concentric rings: a filled core marks an entrance (things fall in), an open one an exit."""
    for radius, alpha in ((PORTAL_RADIUS, 0.95), (PORTAL_RADIUS - 0.5, 0.6)):
        ax.add_patch(Circle(xy, radius, fill=False, edgecolor=color, linewidth=1.8 * scale, alpha=alpha, zorder=1.6))
    ax.add_patch(Circle(xy, PORTAL_RADIUS, facecolor=color, edgecolor="none", alpha=0.18, zorder=1.5))
    ax.add_patch(Circle(xy, 0.5, facecolor=color, edgecolor="none", alpha=0.9 if inward else 0.0, zorder=1.6))
