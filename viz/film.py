"""The frames of a recording: an episode at each world step, drawn as the viewer draws maps, between two captions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pygame
from PIL import Image

from planners.trace import Episode
from viz.heat import CostToGo, FigureError, sample_cost
from viz.theme import Theme, get_theme
from viz.viewer.actions import Layer
from viz.viewer.document import Document, Setup, Zones
from viz.viewer.layers import draw_pane
from viz.viewer.layout import MARGIN, Camera, Rect, extent, projection
from viz.viewer.lettering import shortened, text_width, write
from viz.viewer.messages import Field
from viz.viewer.model import Model
from viz.viewer.pane import Pane
from viz.viewer.stamps import STAR, shape_of, stamp
from viz.viewer.state import DEFAULT_LAYERS, LayerState, ViewState
from viz.viewer.storage import from_episode
from worlds.maps import Map

SMALLEST, LARGEST = 160, 4096
"""Pixels across."""
TALLEST = 1.3
"""Height of a map's picture, as a share of the width asked for; a taller map becomes narrower."""
SHOWN_FOR = 12
"""World steps for which an event's text stays."""
NOT_SHOWN: tuple[Layer, ...] = ("candidates", "frontier", "imagined")
"""Layers that the legend has no room to explain."""


class Film:
    """Draws an episode step by step.

    Args:
        map: the maze.
        episode: what was recorded.
        width: pixels across, fewer where the map is tall.
        theme: ``paper``, ``dark`` or a :class:`Theme`.
        cost_to_go: [M, 2] world positions to [M] world steps to the goal; None draws no heat map.

    Attributes:
        theme: look.
        size: width and height of a frame; pixels.
        bar: height of the captions above and below the map; pixels.
        projection: from world to pixels.

    Raises:
        FigureError: if the width is out of range.
    """

    def __init__(
        self,
        map: Map,
        episode: Episode,
        width: int = 640,
        theme: str | Theme = "paper",
        cost_to_go: CostToGo | None = None,
    ) -> None:
        if not SMALLEST <= width <= LARGEST:
            raise FigureError(f"width: expected {SMALLEST}..{LARGEST} pixels, not {width}")
        self.theme, self._episode = get_theme(theme), episode
        document = _document(map, episode)
        layers = {**DEFAULT_LAYERS, **dict.fromkeys(NOT_SHOWN, LayerState(shown=False))}
        self._state = ViewState(document, level=1, layers=layers)
        self._model = _model(episode, document, cost_to_go)
        across, height = _size_of_map(map, width)
        self.bar = max(20, round(0.046 * across))
        self.size = across, height + 2 * self.bar
        self.projection = projection(Camera(), map.shape, Rect(0, self.bar, across, height))

    def frame(self, step: int) -> Image.Image:
        """The RGB picture of a world step, of :attr:`size`.

        Raises:
            FigureError: if the episode has no such step.
        """
        last = len(self._episode.observations) - 1
        if not 0 <= step <= last:
            raise FigureError(f"step: expected 0..{last}, the episode's length, not {step}")
        surface = pygame.Surface(self.size, 0, 32)
        surface.fill(self.theme.page)
        pane = Pane.of(surface, replace(self._state, step=step), self._model, 0, self.projection)
        draw_pane(replace(pane, sheet=replace(pane.sheet, theme=self.theme)))
        self._write_header(surface, step)
        self._write_footer(surface, step, len(pane.views))
        return Image.frombytes("RGB", self.size, pygame.image.tobytes(surface, "RGB"))

    def _write_header(self, surface: pygame.Surface, step: int) -> None:
        """The title, and how far the episode is."""
        episode, size, middle = self._episode, round(0.48 * self.bar), 0.58 * self.bar
        left, right, last = 1.2 * MARGIN, self.size[0] - 1.2 * MARGIN, len(episode.observations) - 1
        done = (" · goal reached" if episode.success else " · out of time") if step == last else ""
        counter = f"step {step} / {last}{done}"
        room = round(right - left - size) - write(surface, (right, middle), counter, self.theme.muted, size, "rm")
        write(surface, (left, middle), shortened(episode.title, size, room, True), self.theme.ink, size, bold=True)

    def _write_footer(self, surface: pygame.Surface, step: int, levels: int) -> None:
        """A legend of levels and goal, of numbers where it is narrow, and beside it what happened lately."""
        theme, size, middle = self.theme, round(0.44 * self.bar), self.size[1] - 0.58 * self.bar
        x, right = 1.2 * MARGIN + 0.5 * size, self.size[0] - 1.2 * MARGIN
        wide = (levels + 1) * (text_width("level 1", size) + 2.2 * size) <= right - x
        for level in range(levels, 0, -1):
            style = theme.level(level)
            stamp(surface, (x, middle), shape_of(style), 0.4 * size, style.color, theme.halo)
            x += write(surface, (x + 0.8 * size, middle), f"{'level ' * wide}{level}", theme.ink, size) + 2.2 * size
        stamp(surface, (x, middle), STAR, 0.6 * size, theme.goal, theme.ink)
        x += write(surface, (x + 0.9 * size, middle), "goal", theme.ink, size) + 2.2 * size
        text = news(self._episode, step)
        if text_width(text, size) <= right - x:
            write(surface, (right, middle), text, theme.muted, size, "rm")


def _document(map: Map, episode: Episode) -> Document:
    """Where the episode took place; who planned in it doesn't matter for a picture."""
    (x, y), (goal_x, goal_y) = np.stack([episode.observations[0], episode.goal]).tolist()
    return Document(map, Zones.none(map.shape), (x, y), (goal_x, goal_y), (Setup("recorded", 1, ()),))


def _model(episode: Episode, document: Document, cost_to_go: CostToGo | None) -> Model:
    """All there is to draw: the episode and, for level 1, the heat map."""
    model = from_episode(episode, document)
    if cost_to_go is not None:
        heat = sample_cost(document.map.cells, cost_to_go)
        x, y, steps = (values.astype(np.float32) for values in (heat.x, heat.y, heat.steps))
        model.runs[0].keep(Field(0, "heat", 1, document.version, document.goal, x, y, steps))
    return model


def _size_of_map(map: Map, width: int) -> tuple[int, int]:
    """Pixels across and down that a map takes, its margin included."""
    left, top, right, bottom = extent(map.shape)
    ratio = (bottom - top) / (right - left)
    across = max(SMALLEST, round(width * min(1.0, TALLEST / ratio)))
    return across, round((across - 2 * MARGIN) * ratio) + 2 * MARGIN


def news(episode: Episode, step: int) -> str:
    """What happened lately above level 1, in words; the newest event of the last ``SHOWN_FOR`` world steps."""
    recent = [d for d in episode.decisions if step - SHOWN_FOR < d.step <= step]
    events = [event for decision in recent for event in decision.events if not event.endswith(" 1")]
    return _in_words(events[-1]) if events else ""


def _in_words(event: str) -> str:
    """``replan 3`` becomes ``level 3 replans``; other events are shown as they are."""
    kind, _, level = event.rpartition(" ")
    verb = {"replan": "replans", "rejected": "is turned down", "reject": "is turned down"}.get(kind)
    return f"level {level} {verb}" if verb and level.isdigit() else event
