"""A surface that shows a part of the world: what the layers of a map draw on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pygame
from numpy.typing import ArrayLike, NDArray

from viz.theme import LevelStyle, Theme, rgb255
from viz.viewer.layout import Projection
from viz.viewer.paint import Floats
from worlds.compiled import RADIUS
from worlds.maps import CELL_SIZE


@dataclass(frozen=True)
class Sheet:
    """A surface, and which part of the world it shows.

    Attributes:
        surface: its top left pixel is (0, 0) of the projection.
        projection: from world to pixels.
        theme: look.
    """

    surface: pygame.Surface
    projection: Projection
    theme: Theme

    @classmethod
    def clear(cls, projection: Projection, theme: Theme, color: str) -> Sheet:
        """A transparent sheet, to be drawn on mostly in one colour, and to be laid over others."""
        surface = pygame.Surface((projection.rect.width, projection.rect.height), pygame.SRCALPHA, 32)
        surface.fill((*rgb255(color), 0))
        return cls(surface, projection, theme)

    @cached_property
    def unit(self) -> float:
        """Pixels per point of the theme's widths and sizes."""
        return 1.15 * line_scale(self.projection)

    @property
    def agent_radius(self) -> float:
        """Pixels; never too few to be seen."""
        return max(RADIUS * self.projection.scale, 2.5)

    def pixels(self, places: ArrayLike) -> Floats:
        """[..., 2] world positions to [..., 2] pixels."""
        return self.projection.pixels(places).astype(np.float32)

    def style(self, level: int) -> LevelStyle:
        """A level's style; width and size in pixels."""
        style = self.theme.level(level)
        return replace(style, width=style.width * self.unit, size=style.size * self.unit)

    def drawn(self) -> pygame.Surface:
        """What was drawn on a clear sheet, without the empty margins; its place is its offset."""
        shown = pygame.surfarray.pixels2d(self.surface) >= 1 << 24  # [w, h] whether there is any opacity
        (left, right), (top, bottom) = (_span(np.flatnonzero(shown.any(axis))) for axis in (1, 0))
        return self.surface.subsurface((left, top, right - left, bottom - top))

    def lay(self, drawn: pygame.Surface, alpha: float) -> None:
        """Lays over this sheet what was drawn on a clear one of its size."""
        drawn.set_alpha(round(255 * alpha))
        self.surface.blit(drawn, drawn.get_offset())


def _span(places: NDArray[np.int64]) -> tuple[int, int]:
    """The first of some places, and the one after the last."""
    return (int(places[0]), int(places[-1]) + 1) if len(places) else (0, 0)


def line_scale(projection: Projection) -> float:
    """Line widths in proportion to 1 at 40 pixels per cell: thinner where a cell is small, but never hair-thin."""
    return float(np.clip((projection.scale * CELL_SIZE / 40) ** 0.5, 0.55, 1.4))
