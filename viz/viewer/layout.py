"""Where everything is on the screen: rectangles, and the way between world and pixels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from viz.viewer.document import Point
from worlds.maps import CELL_SIZE

if TYPE_CHECKING:  # the state holds a camera, and a layout is made for a state
    from viz.viewer.state import ViewState

BORDER = 0.55
"""How much of the outermost cells is shown, in cells: they are wall all round."""
MARGIN = 10
"""Around the map in its pane; pixels."""


class Rect(NamedTuple):
    """A rectangle of the screen; pixels from the top left."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """The first column beyond it."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """The first row below it."""
        return self.y + self.height

    def contains(self, x: float, y: float) -> bool:
        """Whether a pixel is inside."""
        return self.x <= x < self.right and self.y <= y < self.bottom

    def inset(self, by: int) -> Rect:
        """The same without a margin."""
        return Rect(self.x + by, self.y + by, max(0, self.width - 2 * by), max(0, self.height - 2 * by))


@dataclass(frozen=True)
class Camera:
    """Which part of the map is shown.

    Attributes:
        zoom: 1 shows all of it.
        centre: of the picture, world units; None is the map's own centre.
    """

    zoom: float = 1.0
    centre: Point | None = None


@dataclass(frozen=True)
class Projection:
    """World to pixels and back, for one map pane. World ``y`` grows downwards, as rows do.

    Attributes:
        rect: the pane.
        corner: world position of the pane's top left pixel.
        scale: pixels per world unit.
    """

    rect: Rect
    corner: Point
    scale: float

    def pixels(self, places: ArrayLike) -> NDArray[np.float64]:
        """[..., 2] world positions to [..., 2] pixels."""
        return (np.asarray(places, dtype=np.float64) - self.corner) * self.scale + (self.rect.x, self.rect.y)

    def world(self, x: float, y: float) -> Point:
        """The world position of a pixel."""
        return (
            (x - self.rect.x) / self.scale + self.corner[0],
            (y - self.rect.y) / self.scale + self.corner[1],
        )


@dataclass(frozen=True)
class Layout:
    """The rectangles of one screen.

    Attributes:
        screen: all of it.
        top: the bar with tools and menus.
        maps: one pane per run.
        levels: the table of levels; of no width where the panels are hidden, as are the next two.
        tabs: the panel that several share (energy, tree, latent map, comparison), its row of tabs included.
        inspector: what is under the pointer.
        timeline: transport buttons and tracks.
        tracks: the tracks alone: world steps from left to right.
        rounds: the second axis: rounds of the planner within the present decision.
        text: size of ordinary text, pixels.
    """

    screen: Rect
    top: Rect
    maps: tuple[Rect, ...]
    levels: Rect
    tabs: Rect
    inspector: Rect
    timeline: Rect
    tracks: Rect
    rounds: Rect
    text: int


def layout(state: ViewState) -> Layout:
    """Where everything is; whatever doesn't fit into a small window becomes smaller, never negative."""
    setups = state.document.setups
    levels = max(setup.levels for setup in setups)
    return _layout(state.size, state.text_scale, state.panels, levels, len(setups))


@lru_cache(maxsize=16)
def _layout(size: tuple[int, int], scale: float, panels: bool, levels: int, runs: int) -> Layout:
    screen = Rect(0, 0, max(1, size[0]), max(1, size[1]))
    top = Rect(0, 0, screen.width, min(round(44 * scale), screen.height // 6))
    bar = min(round(128 * scale), screen.height // 3)
    timeline = Rect(0, screen.height - bar, screen.width, bar)
    column = min(round(372 * scale), 42 * screen.width // 100) if panels else 0
    middle = Rect(0, top.bottom, screen.width, timeline.y - top.bottom)
    maps = _panes(Rect(0, middle.y, screen.width - column, middle.height), runs)
    beside = Rect(screen.width - column, middle.y, column, middle.height)
    table, tabs, inspector = _stacked(beside, levels, scale)
    tracks, rounds = _time_axes(timeline, scale)
    text = max(8, round(13 * scale))
    return Layout(screen, top, maps, table, tabs, inspector, timeline, tracks, rounds, text)


def _panes(rect: Rect, count: int) -> tuple[Rect, ...]:
    """Map panes side by side, two pixels apart."""
    width = max(0, (rect.width - 2 * (count - 1)) // count)
    return tuple(Rect(rect.x + number * (width + 2), rect.y, width, rect.height) for number in range(count))


def _stacked(column: Rect, levels: int, scale: float) -> tuple[Rect, Rect, Rect]:
    """The table of levels, the tabs and the inspector, one below the other."""
    table = min(round((30 + 46 * levels) * scale), 45 * column.height // 100)
    inspector = min(round(132 * scale), column.height // 4)
    tabs = column.height - table - inspector
    return (
        Rect(column.x, column.y, column.width, table),
        Rect(column.x, column.y + table, column.width, tabs),
        Rect(column.x, column.y + table + tabs, column.width, inspector),
    )


def _time_axes(timeline: Rect, scale: float) -> tuple[Rect, Rect]:
    """The tracks, right of their names, and above them, right of the buttons, the rounds."""
    row, names = min(round(40 * scale), timeline.height // 2), min(round(72 * scale), timeline.width // 6)
    tracks = Rect(names, timeline.y + row, max(0, timeline.width - names - 12), max(0, timeline.height - row - 8))
    left = 60 * timeline.width // 100
    return tracks, Rect(left, timeline.y + 6, max(0, timeline.width - left - 12), max(0, row - 12))


def level_rows(layout: Layout, levels: int) -> tuple[Rect, ...]:
    """The rows of the table of levels, that of level 1 first; the coarsest is on top, below the table's heading."""
    table = layout.levels
    heading = min(round(30 * layout.text / 13), table.height // 3)
    height = (table.height - heading) // max(1, levels)
    return tuple(
        Rect(table.x, table.y + heading + (levels - level) * height, table.width, height)
        for level in range(1, levels + 1)
    )


def tab_row(layout: Layout) -> Rect:
    """The row of tabs above the panel that they share."""
    return Rect(layout.tabs.x, layout.tabs.y, layout.tabs.width, min(round(30 * layout.text / 13), layout.tabs.height))


def tab_body(layout: Layout) -> Rect:
    """The panel below the row of tabs."""
    row = tab_row(layout)
    return Rect(row.x, row.bottom, row.width, layout.tabs.height - row.height)


def banner_rect(layout: Layout) -> Rect:
    """Where a banner is read: on top of the maps."""
    left, right = layout.maps[0].x, layout.maps[-1].right
    width, height = min(round(640 * layout.text / 13), max(0, right - left - 24)), round(34 * layout.text / 13)
    return Rect((left + right - width) // 2, layout.maps[0].y + 10, width, height)


def extent(shape: tuple[int, int]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of what is shown of a map of a shape (rows, columns); world units."""
    first = (0.5 - BORDER) * CELL_SIZE - CELL_SIZE  # cell 0 is centred at -CELL_SIZE
    return first, first, (shape[1] - 2.5 + BORDER) * CELL_SIZE, (shape[0] - 2.5 + BORDER) * CELL_SIZE


def projections(state: ViewState, layout: Layout) -> tuple[Projection, ...]:
    """One for every map pane, as the camera has it; no further than to the map's edges."""
    return tuple(projection(state.camera, state.document.map.shape, pane) for pane in layout.maps)


def projection(camera: Camera, shape: tuple[int, int], pane: Rect) -> Projection:
    """A map of a shape (rows, columns) in a pane."""
    left, top, right, bottom = extent(shape)
    room = max(1, pane.width - 2 * MARGIN), max(1, pane.height - 2 * MARGIN)
    scale = min(room[0] / (right - left), room[1] / (bottom - top)) * camera.zoom
    x, y = camera.centre or ((left + right) / 2, (top + bottom) / 2)
    margin = MARGIN / scale
    x = _within(x, left - margin, right + margin, pane.width / scale)
    y = _within(y, top - margin, bottom + margin, pane.height / scale)
    return Projection(pane, (x - pane.width / scale / 2, y - pane.height / scale / 2), scale)


def _within(centre: float, low: float, high: float, span: float) -> float:
    """The nearest centre at which a span doesn't reach beyond; the middle where it is too long for that."""
    return (low + high) / 2 if span >= high - low else min(max(centre, low + span / 2), high - span / 2)
