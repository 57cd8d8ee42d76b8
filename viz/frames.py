"""One renderer for recordings and windows: an episode at one world step, as a Pillow image."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import lru_cache

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from planners.trace import Decision, Episode
from viz.backdrop import Extent, FigureError, MazeMap, cells_of, draw_backdrop, line_scale, route_of, targets_of
from viz.canvas import SUPERSAMPLING, Canvas
from viz.heat import CostToGo, sample_cost
from viz.theme import Theme, get_theme
from worlds.compiled import RADIUS
from worlds.maps import CELL_SIZE

SMALLEST, LARGEST = 160, 4096  # pixels across
TALLEST = 1.3
SHOWN_FOR = 12  # world steps for which an event's text stays


class FrameRenderer:
    """Draws an episode step by step on a background that is drawn once.

    Args:
        map: the maze; ``cells`` is [rows, cols].
        width: pixels across, fewer where a map is so tall that its picture would be higher than ``TALLEST`` widths.
        theme: ``paper``, ``dark`` or a :class:`Theme`.
        cost_to_go: [M, 2] world positions to [M] world steps to the goal; None draws no heat map.

    Raises:
        FigureError: if the width or the map can't be drawn.
    """

    def __init__(
        self,
        map: MazeMap,
        width: int = 640,
        theme: str | Theme = "paper",
        cost_to_go: CostToGo | None = None,
    ) -> None:
        if not SMALLEST <= width <= LARGEST:
            raise FigureError(f"width: expected {SMALLEST}..{LARGEST} pixels, not {width}")
        self.theme, cells = get_theme(theme), cells_of(map)
        self.extent = Extent.of(cells)
        width = max(SMALLEST, round(width * min(1.0, TALLEST * self.extent.width / self.extent.height)))
        self.bar = max(22, round(0.052 * width))
        self._margin = round(0.008 * width)
        self._zoom = (width - 2 * self._margin) / self.extent.width
        self.size = (width, round(self.extent.height * self._zoom) + 2 * self.bar)
        self._unit = line_scale(CELL_SIZE * self._zoom) * 1.1 * max(width / 640, 0.6) ** 0.5
        self._background = self._draw_background(cells, cost_to_go)
        self._dressed = lru_cache(maxsize=4)(self._dress)

    def frame(self, episode: Episode, step: int) -> Image.Image:
        """The RGB picture of an episode at one world step, of :attr:`size` (width, height).

        Raises:
            FigureError: if the episode has no such step.
        """
        last = len(episode.observations) - 1
        if not 0 <= step <= last:
            raise FigureError(f"step: expected 0..{last}, the episode's length, not {step}")
        decision = episode.latest(step)
        levels = len(decision.levels) if decision is not None else 0
        dressed, room = self._dressed(levels)
        canvas = self._canvas(dressed.copy())
        self._draw_episode(canvas, episode, step, decision)
        self._write_header(canvas, episode, step)
        self._write_news(canvas, news(episode, step), room)
        return canvas.result()

    def _draw_background(self, cells: np.ndarray, cost_to_go: CostToGo | None) -> Image.Image:
        heat = sample_cost(cells, cost_to_go) if cost_to_go is not None else None
        width, height = self.size
        with matplotlib.rc_context(self.theme.rc()):
            fig = Figure(figsize=(width / 100, height / 100), dpi=100)
            side, bar = self._margin / width, self.bar / height
            ax = fig.add_axes((side, bar, 1 - 2 * side, 1 - 2 * bar))
            draw_backdrop(ax, cells, self.theme, heat, scale=0.6 * self._unit)
            buffer = io.BytesIO()
            fig.savefig(buffer, format="raw", dpi=100)
        pixels = np.frombuffer(buffer.getvalue(), np.uint8).reshape(height, width, 4)
        small = Image.fromarray(np.ascontiguousarray(pixels[..., :3]))
        return small.resize((width * SUPERSAMPLING, height * SUPERSAMPLING), Image.Resampling.NEAREST)

    def _canvas(self, image: Image.Image) -> Canvas:
        return Canvas(image, self.extent, (self._margin, self.bar), self._zoom, self._unit)

    def _dress(self, levels: int) -> tuple[Image.Image, float]:
        """The background with a legend of ``levels`` levels, and the pixels left beside it."""
        canvas, theme = self._canvas(self._background.copy()), self.theme
        size, middle = 0.38 * self.bar, self.size[1] - 0.5 * self.bar
        x = 2.0 * self._margin + 0.5 * size
        for level in range(levels, 0, -1):
            key = replace(theme.level(level), size=0.8 * size / self._unit)
            canvas.dots(canvas.world((x, middle))[None], key, theme.halo)
            x += canvas.text((x + size, middle), f"level {level}", theme.ink, size) + 2.4 * size
        canvas.star(canvas.world((x, middle)), theme.goal, theme.ink, size=0.6 * size / self._unit)
        x += canvas.text((x + size, middle), "goal", theme.ink, size) + 2.4 * size
        return canvas.image, self.size[0] - 2 * self._margin - x

    def _draw_episode(self, canvas: Canvas, episode: Episode, step: int, decision: Decision | None) -> None:
        theme = self.theme
        canvas.line(episode.observations[: step + 1], theme.ink, 1.6)
        canvas.disc(episode.observations[step], RADIUS, theme.ink, theme.halo)
        if decision is not None:
            self._draw_decision(canvas, decision, episode.goal, episode.observations[step])
        canvas.star(episode.goal, theme.goal, theme.ink)

    def _draw_decision(self, canvas: Canvas, decision: Decision, goal: np.ndarray, agent: np.ndarray) -> None:
        theme, targets = self.theme, targets_of(decision, goal)
        coarse_first = range(len(decision.levels), 0, -1)
        for level in coarse_first:
            route, style = route_of(decision, level, agent), theme.level(level)
            canvas.line(np.stack([route[-1], targets[level - 1]]), style.color, 0.5 * style.width, alpha=0.35)
            canvas.line(route, style.color, style.width, alpha=0.6)
            canvas.dots(route[1:], style, theme.halo)
            if level > 1:  # level 1 asks the world, not a level
                canvas.ring(decision.levels[level - 1].subgoal, style, theme.halo)

    def _write_header(self, canvas: Canvas, episode: Episode, step: int) -> None:
        size, middle, inset = 0.42 * self.bar, 0.5 * self.bar, 2 * self._margin
        last = len(episode.observations) - 1
        done = (" · goal reached" if episode.success else " · out of time") if step == last else ""
        right = self.size[0] - inset
        counter = f"step {step} / {last}{done}"
        canvas.text((right, middle), counter, self.theme.muted, size, anchor="rm")
        room = right - inset - size - canvas.text_width(counter, size)
        canvas.text(
            (inset, middle), canvas.shortened(episode.title, size, room, bold=True), self.theme.ink, size, bold=True
        )

    def _write_news(self, canvas: Canvas, text: str, room: float) -> None:
        size, right = 0.38 * self.bar, self.size[0] - 2 * self._margin
        if canvas.text_width(text, size) <= room:
            canvas.text((right, self.size[1] - 0.5 * self.bar), text, self.theme.muted, size, anchor="rm")


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
