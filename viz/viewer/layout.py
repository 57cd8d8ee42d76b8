"""Where everything is on the screen: rectangles, and the way between world and pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from viz.viewer.document import Point


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
