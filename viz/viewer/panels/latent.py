"""The latent map: landmarks in the plane of their principal components, coloured by where they are on the map."""

from __future__ import annotations

import numpy as np
import pygame

from viz.theme import rgb255
from viz.viewer.charts import latent_pixels, nearest, plot_rect
from viz.viewer.layout import Rect, extent
from viz.viewer.messages import LevelFacts
from viz.viewer.paint import arrow, image, strokes
from viz.viewer.panels.inspector import place_under_pointer
from viz.viewer.panels.plots import Array
from viz.viewer.selected import facts
from viz.viewer.stamps import DISC, shape_of, stamp
from viz.viewer.widgets import Look, Stage, mix

CORNERS = ("#2ec4f1", "#ffd23f", "#a97cff", "#ff7a59")
"""Colours of the map's corners: top left, top right, bottom left, bottom right; in between they are mixed."""
REACH = 4.0
"""World units from the pointer within which a landmark is under it."""


def draw_latent(stage: Stage, body: Rect) -> None:
    """The panel, for the selected level of the selected run."""
    known, plot = facts(stage.state, stage.model), plot_rect(body)
    if known is None or len(known.latent) == 0 or plot.width < 20 or plot.height < 20:
        _say_why(stage, body, known)
        return
    document = stage.state.document
    key = (known, document.map.version, plot, stage.look, stage.layout.text)
    picture = stage.store.kept("latent", key, lambda: _picture(stage, known, plot))
    stage.surface.blit(picture, plot[:2])
    within = stage.on(stage.within(plot))
    _plan(within, known, Rect(0, 0, plot.width, plot.height))
    chosen = _chosen(within, known, Rect(0, 0, plot.width, plot.height), stage)
    words = f"{len(known.latent)} landmarks of level {stage.state.level}; colours as on the small map"
    if chosen is not None and chosen < len(known.places):
        words = f"landmark {chosen} at {known.places[chosen, 0]:.1f}, {known.places[chosen, 1]:.1f}"
    stage.text(words, body.x + 12, body.y + stage.unit(14), stage.look.muted, size=stage.small, room=body.width - 24)


def _say_why(stage: Stage, body: Rect, known: LevelFacts | None) -> None:
    words = (
        "Waiting for the agent."
        if known is None
        else f"Level {stage.state.level} keeps no landmarks; try a higher one."
    )
    stage.text(
        words, body.x + body.width / 2, body.y + body.height / 2, stage.look.muted, align="middle", room=body.width - 24
    )


def _picture(stage: Stage, known: LevelFacts, plot: Rect) -> pygame.Surface:
    """Landmarks and edges, and a small map that tells what the colours mean."""
    surface, local = pygame.Surface(plot[2:]), Rect(0, 0, plot.width, plot.height)
    surface.fill(stage.look.panel)
    places = latent_pixels(known.latent, local)
    if len(known.edges) and known.edges.max() < len(places):
        strokes(surface, places[known.edges], stage.look.line, 1.0)
    for place, color in zip(places, _colors(stage, known.places, len(places)), strict=True):
        stamp(surface, place, DISC, 3.4, color, stage.look.panel)
    _small_map(stage, surface)
    return surface


def _small_map(stage: Stage, surface: pygame.Surface) -> None:
    walls = stage.state.document.map.walls
    rows, columns = walls.shape
    across = (np.arange(columns) + 0.5) / columns
    down = (np.arange(rows) + 0.5) / rows
    rgb = _blend(stage.look, *np.meshgrid(across, down))
    rgb[walls] = rgb255(stage.look.line)
    scale = max(1, min(stage.unit(64) // columns, stage.unit(48) // rows, surface.get_width() // 4 // columns))
    small = image(rgb, np.ones(walls.shape, np.float32))
    large = pygame.transform.scale(small, (columns * scale, rows * scale))
    surface.blit(large, (surface.get_width() - large.get_width(), surface.get_height() - large.get_height()))


def _colors(stage: Stage, places: Array, count: int) -> list[str]:
    """A colour for each of [n, 2] places on the map."""
    if len(places) != count:
        return [stage.look.muted] * count
    left, top, right, bottom = extent(stage.state.document.map.shape)
    share = np.clip((places - (left, top)) / (right - left, bottom - top), 0, 1)
    colors = _blend(stage.look, share[:, 0], share[:, 1]).round().astype(int)
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in colors.tolist()]


def _blend(look: Look, x: Array, y: Array) -> Array:
    """[..., 3] colours at shares of the map's width and height, 0..255."""
    darker = 0.0 if look.theme.name == "dark" else 0.3
    corners = np.array([rgb255(mix(color, look.ink, darker)) for color in CORNERS], np.float64).reshape(2, 2, 3)
    upper = corners[0, 0] + (corners[0, 1] - corners[0, 0]) * x[..., None]
    lower = corners[1, 0] + (corners[1, 1] - corners[1, 0]) * x[..., None]
    return upper + (lower - upper) * y[..., None]


def _plan(stage: Stage, known: LevelFacts, plot: Rect) -> None:
    """The level's plan, as a path among the landmarks."""
    view = stage.recording.view(stage.state.level, stage.step) if stage.recording is not None else None
    if view is None or len(view.latent) == 0:
        return
    style = stage.look.theme.level(stage.state.level)
    path = latent_pixels(view.latent, plot, known.latent)
    if len(path) > 1:
        arrow(stage.surface, path, stage.look.panel, 6.0)
        arrow(stage.surface, path, stage.look.ink, 2.2)
    stamp(stage.surface, path, shape_of(style), 3.5, style.color, stage.look.ink, 1.2)


def _chosen(within: Stage, known: LevelFacts, plot: Rect, stage: Stage) -> int | None:
    """Rings around the landmark that was chosen, and the one under the pointer; here or on the map."""
    places = latent_pixels(known.latent, plot)
    under = stage.state.hovered if stage.state.hovered is not None else _under_pointer(stage, known)
    for landmark, color in ((stage.state.landmark, stage.look.ink), (under, stage.look.accent)):
        if landmark is not None and landmark < len(places):
            stamp(within.surface, places[landmark], DISC, 7.0, color, line=2.0)
    return under if under is not None else stage.state.landmark


def _under_pointer(stage: Stage, known: LevelFacts) -> int | None:
    pointed = place_under_pointer(stage)
    return nearest(known.places, *pointed[1], REACH) if pointed is not None else None
