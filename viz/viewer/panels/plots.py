"""What charts have in common: ticks, grids, stacked areas, and long recordings brought down to the pixels there are."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pygame
from numpy.typing import NDArray

from viz.theme import rgb255
from viz.viewer.layout import Rect
from viz.viewer.paint import image
from viz.viewer.widgets import Look, Stage, fill, mix, number

Array = NDArray[Any]
HATCHES = 4
"""Patterns that tell stacked areas apart where hue and lightness don't: plain, diagonals, dots, other diagonals."""


_TOPS = (1, 2, 3, 4, 6, 8, 10)


def nice(value: float) -> float:
    """The smallest round number that is no less than a value, for the top of an axis; 1 for nothing.

    >>> nice(0.0), nice(37.0), nice(100.0), nice(0.011)
    (1.0, 40.0, 100.0, 0.02)
    """
    if not value > 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(step * power for step in _TOPS if step * power >= value * (1 - 1e-9)))


def columns(steps: Array, values: Array, width: int, span: float, last: int) -> NDArray[np.intp]:
    """[w] which of [D] decisions each pixel column shows: the newest one, or the highest of those that fall into it.

    Args:
        steps: [D] when they were taken; world steps, ascending.
        values: [D] how high they are.
        width: of the chart, whose columns share ``span`` world steps.
        span: world steps from its left to its right.
        last: the newest world step: the chart ends there.

    Returns:
        Numbers of decisions; -1 where there was none yet.
    """
    count = min(width, int(last / span * width) + 1) if last else 1
    ends = (np.arange(count) + 1) * span / width
    shown = np.searchsorted(steps, ends, side="left") - 1
    column = np.minimum((steps * width / span).astype(np.intp), width - 1)
    order = np.lexsort((values, column))
    highest = np.flatnonzero(np.diff(column[order], append=width))
    inside = order[highest]
    kept = column[inside] < count
    shown[column[inside][kept]] = inside[kept]
    return shown


def peaks(values: Array, width: int, span: float) -> Array:
    """[w] the highest of [T + 1] values by world step in each pixel column of a chart of ``span`` world steps."""
    if len(values) == 0:
        return np.zeros(0)
    count = min(width, int((len(values) - 1) / span * width) + 1)
    begins = np.minimum((np.arange(count) * span / width).astype(np.intp), len(values) - 1)
    return np.maximum.reduceat(values, begins)


def tones(look: Look, hue: str, count: int) -> list[str]:
    """Colours for stacked areas: one hue, neighbours far apart in lightness."""
    ladder = [
        mix(hue, look.panel, 0.5),
        mix(hue, look.ink, 0.3),
        mix(hue, look.panel, 0.7),
        mix(hue, look.panel, 0.1),
    ]
    return [ladder[number % len(ladder)] for number in range(count)]


def stacked(edges: Array, colors: list[str], height: int, hatch: str) -> pygame.Surface:
    """A picture of areas on top of each other.

    Args:
        edges: [n + 1, w] heights of their edges above the ground, pixels, ascending along the first axis.
        colors: of the n areas.
        height: of the picture.
        hatch: colour of the patterns.
    """
    rows = height - 0.5 - np.arange(height)[:, None]
    which = (
        np.sum(rows[None] >= edges[1:, None, :], axis=0) if len(edges) > 1 else np.zeros((height, edges.shape[1]), int)
    )
    rgb = np.array([rgb255(color) for color in (*colors, hatch)], np.float32)
    filled = (which < len(colors)) & (rows >= edges[0])
    painted = rgb[np.minimum(which, len(colors))]
    pattern = hatched(which, np.arange(height)[:, None], np.arange(which.shape[1]))
    painted[pattern] = 0.65 * painted[pattern] + 0.35 * rgb[-1]
    return image(painted, filled.astype(np.float32))


def hatched(which: Array, row: Array, column: Array) -> NDArray[np.bool_]:
    """Whether pixels belong to the pattern of an area."""
    kind = which % HATCHES
    return (
        ((kind == 1) & ((column + row) % 6 == 0))
        | ((kind == 2) & (column % 4 == 0) & (row % 4 == 0))
        | ((kind == 3) & ((column - row) % 5 == 0))
    )


@lru_cache(maxsize=64)
def swatch(look: Look, hue: str, number: int, count: int, size: int) -> pygame.Surface:
    """A sample of a stacked area, for its legend."""
    edges = np.full((count + 1, size), size, np.float64)
    edges[: number + 1] = 0
    return stacked(edges, tones(look, hue, count), size, look.panel)


def grid(stage: Stage, plot: Rect, top: float, lines: int = 2, unit: str = "") -> None:
    """Horizontal lines with numbers at their left, from nothing to ``top``."""
    lines = lines if plot.height > 4 * stage.small else 1
    for line in range(lines + 1):
        y = plot.bottom - 1 - round(line / lines * (plot.height - 1))
        fill(stage.surface, Rect(plot.x, y, plot.width, 1), stage.look.line)
        label = number(top * line / lines) + (unit if line == lines else "")
        stage.text(label, plot.x - 6, y, stage.look.muted, size=stage.small, align="right", room=plot.x - 8)


def play_head(stage: Stage, x: float, top: int, bottom: int) -> None:
    """Where the world step shown is."""
    at = round(x)
    fill(stage.surface, Rect(at, top, 1, bottom - top), stage.look.ink)
    pygame.draw.polygon(stage.surface, rgb255(stage.look.ink), [(at - 4, top), (at + 4, top), (at, top + 5)])
