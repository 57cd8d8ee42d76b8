"""Imagined frames beside those that came, level by level, and how far imagination is off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from viz.theme import Theme, get_theme

WIDTH, HEADER, LABEL, GAP, CHART, BELOW, MARGIN = 9.0, 0.62, 0.78, 0.07, 1.45, 0.48, 0.08  # inches


class Strip(NamedTuple):
    """One row of frames.

    Attributes:
        name: beside it.
        level: whose imagination it is; 0 for what was seen.
        frames: by world step, [H, W, 3] bytes.
        rings: by world step, [2] (column, row) where what moves was seen, pixels.
    """

    name: str
    level: int
    frames: Mapping[int, Any]
    rings: Mapping[int, Any]


class Curve(NamedTuple):
    """How far one level is off; the intervals are 95 %.

    Attributes:
        level: which; 0 for "nothing moves".
        steps: [n] world steps ahead.
        error: [n] world units.
        low: [n].
        high: [n].
    """

    level: int
    steps: Sequence[int]
    error: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


def imagined_figure(
    strips: Sequence[Strip], curves: Sequence[Curve], unit: str, title: str, theme: str | Theme = "paper"
) -> Figure:
    """A row of frames per level below those that were seen, over a chart of errors.

    Args:
        strips: what was seen first, then every level.
        curves: the levels' errors.
        unit: of the errors.
        title: of the figure.
        theme: ``paper``, ``dark`` or a :class:`Theme`.
    """
    look, steps = get_theme(theme), sorted(strips[0].frames)
    side = (WIDTH - LABEL - MARGIN - GAP * (len(steps) - 1)) / len(steps)
    total = HEADER + len(strips) * (side + GAP) + 0.32 + CHART + BELOW
    with matplotlib.rc_context(look.rc()):
        fig = Figure(figsize=(WIDTH, total))
        fig.text(MARGIN / WIDTH, 1 - 0.24 / total, title, fontsize=10.5, fontweight="bold", va="baseline")
        fig.text(1 - MARGIN / WIDTH, 1 - 0.24 / total, "rings: where it was seen", color=look.muted, ha="right")
        for column, step in enumerate(steps):
            x = LABEL + column * (side + GAP) + side / 2
            text = "first frame" if step == 0 else f"{step} steps later"
            fig.text(x / WIDTH, 1 - 0.5 / total, text, color=look.muted, ha="center", va="baseline")
        for row, strip in enumerate(strips):
            top = total - HEADER - row * (side + GAP)
            _write_name(fig, strip, (top - side / 2) / total, look)
            for column, step in enumerate(steps):
                box = (LABEL + column * (side + GAP), top - side, side, side)
                ax = fig.add_axes((box[0] / WIDTH, box[1] / total, box[2] / WIDTH, box[3] / total))
                _draw_frame(ax, strip.frames.get(step), strip.level, look)
                if strip.level and step in strip.frames:
                    ax.plot(*strip.rings[step], marker="o", ms=13, mfc="none", mec=look.goal, mew=1.3)
        below = (LABEL / WIDTH, BELOW / total, 1 - (LABEL + MARGIN) / WIDTH, CHART / total)
        _draw_curves(fig, below, curves, unit, look)
    return fig


def _write_name(fig: Figure, strip: Strip, y: float, look: Theme) -> None:
    color = look.level(strip.level).color if strip.level else look.ink
    fig.text(MARGIN / WIDTH, y, strip.name, color=color, fontweight="bold", va="center")


def _draw_frame(ax: Axes, frame: NDArray[np.uint8] | None, level: int, look: Theme) -> None:
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set(visible=frame is not None, color=look.level(level).color if level else look.ink, linewidth=1.4)
    ax.set_facecolor(look.page)
    if frame is not None:
        ax.imshow(np.asarray(frame), interpolation="nearest")


def _draw_curves(
    fig: Figure, box: tuple[float, float, float, float], curves: Sequence[Curve], unit: str, look: Theme
) -> None:
    ax = fig.add_axes(box)
    for curve in curves:
        style = look.level(curve.level) if curve.level else None
        color, marker = (style.color, style.marker) if style else (look.muted, "")
        name = f"level {curve.level}" if curve.level else "nothing moves"
        line = (0, (3, 2)) if style is None else "-"
        few = len(curve.steps) <= 12
        ax.plot(curve.steps, curve.error, color=color, marker=marker if few else "", ms=6, lw=1.8, ls=line, label=name)
        ax.fill_between(curve.steps, curve.low, curve.high, color=color, alpha=0.15, lw=0)
    ax.set(xlabel="world steps ahead", ylabel=f"error, {unit}")
    ax.set_xlim(left=0)
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False, loc="upper left")
