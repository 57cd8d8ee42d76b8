"""The still part of a map pane: floor, heat map with iso-lines, unfamiliar places, zones, walls and portals.

The walls lie on top, so that nothing below has to end exactly at their edges. Each part is a surface that is kept for
the document, field, projection and theme that it was made for; so is the whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import pygame
from contourpy import contour_generator
from numpy.typing import NDArray

from viz.heat import HeatMap
from viz.theme import Theme, rgb255
from viz.viewer.document import COST, GUARDRAIL, Zones
from viz.viewer.layout import Projection, extent
from viz.viewer.messages import Field
from viz.viewer.paint import Floats, gradient, segments_of, shaded, strokes, surface_of
from viz.viewer.sheet import line_scale
from viz.viewer.soft import in_bands, inside, pixel_lines, resampled, smooth
from viz.viewer.stamps import DISC, stamp
from viz.viewer.state import LayerState
from worlds.compiled import PORTAL_RADIUS
from worlds.maps import CELL_SIZE, Map

Pixels = NDArray[np.uint32]

KEPT = 8
"""Surfaces of each kind that are kept."""


@dataclass(frozen=True)
class Ground:
    """All that the still part of a pane depends on; equal grounds look the same.

    Attributes:
        map: walls and portals.
        zones: costs and guardrails.
        heat: cost-to-go, if it is known.
        unfamiliar: distance to what is remembered, if it is known.
        theme: look.
        projection: of a pane whose top left pixel is (0, 0).
        layers: how walls, zones, heat, iso-lines and unfamiliar places are shown, in this order.
    """

    map: Map
    zones: Zones
    heat: Field | None
    unfamiliar: Field | None
    theme: Theme
    projection: Projection
    layers: tuple[LayerState, LayerState, LayerState, LayerState, LayerState]


@lru_cache(maxsize=KEPT)
def ground(of: Ground) -> pygame.Surface:
    """The still part of a pane; not to be drawn on."""
    theme, projection, heat_field, unknown = of.theme, of.projection, of.heat, of.unfamiliar
    walls, zones, heat, isolines, unfamiliar = of.layers
    surface = pygame.Surface((projection.rect.width, projection.rect.height), 0, 32)
    surface.fill(rgb255(theme.floor))
    if heat_field is not None:
        _lay(surface, heat, lambda: heat_surface(heat_field, theme, projection))
        _draw_isolines(surface, isolines, heat_field, theme, projection)
    if unknown is not None:
        _lay(surface, unfamiliar, lambda: unfamiliar_surface(unknown, theme, projection))
    for kind in (COST, GUARDRAIL):
        if np.any(of.zones.cells == kind):
            _lay(surface, zones, partial(zone_surface, of.zones, kind, theme, projection))
    _lay(surface, walls, lambda: wall_surface(of.map, theme, projection))
    _draw_portals(surface, of.map, theme, projection)
    return surface


def _lay(surface: pygame.Surface, layer: LayerState, part: Callable[[], pygame.Surface]) -> None:
    """Lays a part over a pane, as its layer is shown."""
    if layer.shown:
        drawn = part()
        drawn.set_alpha(round(255 * layer.alpha))
        surface.blit(drawn, (0, 0))


@lru_cache(maxsize=KEPT)
def wall_surface(map: Map, theme: Theme, projection: Projection) -> pygame.Surface:
    """One slab with rounded corners, cut out where the floor is, and a line along the cut."""
    colors, half = gradient((theme.rim, theme.wall, theme.page), 255), 0.75 * line_scale(projection)

    def part(band: Projection) -> Pixels:
        floor, slab = inside(~map.walls, band), smooth(_inside_slab(map, band))
        rim = smooth(half - np.abs(floor))
        alpha = np.maximum(smooth(-floor), rim)
        return shaded(colors, 1 - 0.5 * (rim + slab), np.maximum(alpha, 1 - slab))

    return surface_of(in_bands(projection, part))


@lru_cache(maxsize=KEPT)
def heat_surface(field: Field, theme: Theme, projection: Projection) -> pygame.Surface:
    """The heat map, where it is known."""
    colors = gradient(theme.heat, 256)
    return surface_of(in_bands(projection, lambda band: shaded(colors, *_spread(field, band))))


@lru_cache(maxsize=KEPT)
def unfamiliar_surface(field: Field, theme: Theme, projection: Projection) -> pygame.Surface:
    """Dots, the larger the less familiar a place is."""
    colors = gradient((theme.page, theme.muted), 64)

    def part(band: Projection) -> Pixels:
        share, known = _spread(field, band)
        x, y = (((at * projection.scale) % _DOTS - _DOTS / 2) ** 2 for at in pixel_lines(band))
        dots = smooth(0.34 * _DOTS * np.sqrt(share) - np.sqrt(x + y[:, None]) - 0.5)
        return shaded(colors, dots, known * share * (0.3 + 0.3 * dots))

    return surface_of(in_bands(projection, part))


@lru_cache(maxsize=KEPT)
def zone_surface(zones: Zones, kind: int, theme: Theme, projection: Projection) -> pygame.Surface:
    """Costs as a hatched area; guardrails hatched both ways, with a thicker border."""
    color, border = (theme.cost, 1.2) if kind == COST else (theme.guardrail, 2.2)

    def part(band: Projection) -> Pixels:
        depth, hatch = inside(zones.cells == kind, band) - 2.5, _stripes(band)
        if depth.max() < -1:
            return np.zeros(depth.shape, np.uint32)
        if kind == GUARDRAIL:
            hatch = np.maximum(hatch, _stripes(band, down=True))
        line = smooth(border / 2 + 0.5 - np.abs(depth - border / 2))
        return shaded(gradient((color,), 1), hatch, smooth(depth) * np.maximum(0.16 + 0.44 * hatch, 0.9 * line))

    return surface_of(in_bands(projection, part))


_DOTS = 7.0
_PERIOD = 11.0
"""Between dots, and between the lines of a hatching; pixels."""


def _stripes(projection: Projection, down: bool = False) -> Floats:
    """[h, w] coverage of diagonal stripes that stay where they are on the map; they go up to the right, or down."""
    width, height = projection.rect.width, projection.rect.height
    x, y = (value * projection.scale for value in projection.corner)
    first = x - y - (height - 1) if down else x + y
    across = (first + np.arange(width + height - 1)) * 0.5**0.5  # the same for all pixels of a diagonal
    stripes = smooth(0.6 - np.abs(across % _PERIOD - _PERIOD / 2))
    return np.lib.stride_tricks.sliding_window_view(stripes, width)[:: -1 if down else 1]


def _inside_slab(map: Map, projection: Projection) -> Floats:
    """[h, w] pixels to the outline of the whole map, positive inside."""
    left, top, right, bottom = extent(map.shape)
    bend = 0.3 * CELL_SIZE
    x, y = pixel_lines(projection)
    over_x = np.maximum(np.abs(x - (left + right) / 2) - (right - left) / 2 + bend, 0)
    over_y = np.maximum(np.abs(y - (top + bottom) / 2) - (bottom - top) / 2 + bend, 0)
    return (bend - np.sqrt(over_x**2 + (over_y**2)[:, None])) * np.float32(projection.scale)


def _spread(field: Field, projection: Projection) -> tuple[Floats, Floats]:
    """[h, w] cost at a pane's pixels, 0..1 from none to the highest, and whether it is known, 0 or 1."""
    known = np.isfinite(field.steps).astype(np.float32)
    share = resampled(known, field.x, field.y, projection)
    steps = resampled(np.where(known > 0, field.steps / _far(field), 0), field.x, field.y, projection)
    return np.clip(steps / np.maximum(share, np.float32(1e-3)), 0, 1), (share > 0.5).astype(np.float32)


@lru_cache(maxsize=KEPT)
def _far(field: Field) -> float:
    return HeatMap(field.x, field.y, field.steps).far


@lru_cache(maxsize=KEPT)
def _isolines(field: Field) -> Floats:
    """[m, 2 ends, 2] segments of equal cost-to-go; world units."""
    generator = contour_generator(field.x, field.y, np.ma.masked_invalid(field.steps))
    lines = [line for level in HeatMap(field.x, field.y, field.steps).isolines() for line in generator.lines(level)]
    return np.concatenate([np.empty((0, 2, 2), np.float32), *(segments_of(np.asarray(line)) for line in lines)])


def _draw_isolines(
    surface: pygame.Surface, layer: LayerState, field: Field, theme: Theme, projection: Projection
) -> None:
    if layer.shown:
        strokes(surface, projection.pixels(_isolines(field)), theme.ink, 1.0, 0.25 * layer.alpha)


def _draw_portals(surface: pygame.Surface, map: Map, theme: Theme, projection: Projection) -> None:
    """Concentric rings: a filled core marks an entrance (things fall in), an open one an exit."""
    radius, inner, core = (size * projection.scale for size in (PORTAL_RADIUS, PORTAL_RADIUS - 0.5, 0.5))
    width = 1.6 * line_scale(projection)
    for cells, color, inward in ((map.entrances(), theme.entrance, True), (map.exits(), theme.exit, False)):
        at = projection.pixels(map.center(cells))
        stamp(surface, at, DISC, radius, color, alpha=0.18)
        stamp(surface, at, DISC, radius, color, alpha=0.95, line=width)
        stamp(surface, at, DISC, inner, color, alpha=0.6, line=width)
        if inward:
            stamp(surface, at, DISC, core, color, alpha=0.9)
