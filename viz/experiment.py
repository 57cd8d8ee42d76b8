"""An experiment with a door: where the agent went to find out, and how the evidence grew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from viz.backdrop import Extent, MazeMap, cells_of, centers, draw_backdrop, line_scale
from viz.theme import Theme, get_theme
from worlds.maps import CELL_SIZE

WIDTH, HEADER, GAP, CHART, BELOW = 9.0, 0.62, 0.2, 1.25, 0.5  # inches
REFUTED = float(np.log(1000))


class Found(Protocol):
    """What one experiment came to."""

    @property
    def trail(self) -> NDArray[np.float32]:
        """[T+1, 2] places."""
        ...

    @property
    def odds(self) -> NDArray[np.float64]:
        """[T+1] log-odds of the better hypothesis against the other."""
        ...

    @property
    def door(self) -> tuple[int, int] | None:
        """(row, column) of the door."""
        ...

    @property
    def verdict(self) -> Any:
        """With its ``survivor``."""
        ...


def door_figure(map: MazeMap, found: Mapping[str, Found], theme: str | Theme = "paper") -> Figure:
    """One column per truth: the way to the door and what was done there, over the evidence that came of it.

    Args:
        map: the maze; ``cells`` is [rows, cols].
        found: by what is true, what was found.
        theme: ``paper``, ``dark`` or a :class:`Theme`.
    """
    look, cells = get_theme(theme), cells_of(map)
    extent = Extent.of(cells)
    width = (WIDTH - GAP * (len(found) + 1)) / len(found)
    height = width * extent.height / extent.width
    total = HEADER + height + GAP + CHART + BELOW
    with matplotlib.rc_context(look.rc()):
        fig = Figure(figsize=(WIDTH, total))
        fig.text(
            GAP / WIDTH,
            1 - 0.24 / total,
            "Is this door open? The agent goes and finds out",
            fontsize=11,
            fontweight="bold",
        )
        for column, (truth, one) in enumerate(found.items()):
            left = (GAP + column * (width + GAP)) / WIDTH
            base = (BELOW + CHART + GAP) / total
            text = f"in truth {truth}; the agent's verdict: {one.verdict.survivor or 'undecided'}"
            fig.text(left, 1 - 0.5 / total, text)
            _draw_map(fig, (left, base, width / WIDTH, height / total), cells, one, look)
            _draw_evidence(fig, (left + 0.05, BELOW / total, width / WIDTH - 0.06, CHART / total), one, look)
    return fig


def _draw_map(fig: Figure, box: tuple[float, float, float, float], cells: Any, one: Found, look: Theme) -> None:
    ax = fig.add_axes(box)
    scale = line_scale(72 * CELL_SIZE * box[2] * WIDTH / Extent.of(cells).width)
    draw_backdrop(ax, cells, look, scale=scale)
    if one.door is not None:
        x, y = centers(np.array(one.door)) - CELL_SIZE / 2
        shade = Rectangle((x, y), CELL_SIZE, CELL_SIZE, zorder=1.3, alpha=0.35, color=look.cost, hatch="//")
        ax.add_patch(shade)
        ax.text(x + CELL_SIZE / 2, y + CELL_SIZE / 2, "?", fontsize=16, ha="center", va="center", fontweight="bold")
    begun = int(np.argmax(one.odds > 0)) if (one.odds > 0).any() else len(one.trail) - 1
    ax.plot(*one.trail[: begun + 1].T, color=look.ink, lw=1.6 * scale, label="on the way there", zorder=3)
    ax.plot(*one.trail[begun:].T, color=look.guardrail, lw=2.6 * scale, label="what tells the two apart", zorder=3.1)
    ax.plot(*one.trail[0], marker="o", ms=7 * scale, mfc=look.halo, mec=look.ink, mew=1.4, zorder=4)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, -0.01), ncols=2, frameon=False, fontsize=7.5, labelcolor="white")


def _draw_evidence(fig: Figure, box: tuple[float, float, float, float], one: Found, look: Theme) -> None:
    ax = fig.add_axes(box)
    ax.plot(one.odds, color=look.guardrail, lw=1.8)
    ax.axhline(REFUTED, color=look.muted, lw=0.9, ls=(0, (3, 2)))
    ax.text(0, REFUTED, " 1000 to 1: refuted", fontsize=8, va="bottom", color=look.muted)
    ax.set_ylim(-0.5, max(1.3 * REFUTED, 1.1 * float(one.odds.max())))
    ax.set_xlabel("world steps")
    ax.set_ylabel("log-odds")
