"""Predicted uncertainty against what happened: reliability diagrams, futures of a plan, and what caution is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from viz.backdrop import MazeMap, cells_of, draw_backdrop
from viz.theme import Theme, get_theme

Floats = NDArray[np.floating[Any]]
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.5)))
TOLERANCE = 0.05
"""Band about the diagonal."""
BEYOND = 0.4
"""World units of the dear strip that are shown."""


class Counted(Protocol):
    """How often outcomes lay in predicted regions."""

    @property
    def nominal(self) -> tuple[float, ...]:
        """What the regions promise."""
        ...

    @property
    def coverage(self) -> tuple[float, ...]:
        """What they held."""
        ...

    @property
    def intervals(self) -> tuple[tuple[float, float], ...]:
        """Of each share, 95 %."""
        ...


class Strolls(Protocol):
    """Walks beside a border."""

    @property
    def attitude(self) -> str:
        """To risk."""
        ...

    @property
    def offsets(self) -> Floats:
        """[B, T+1] world units beyond the border."""
        ...


def reliability_figure(
    levels: Mapping[int, Mapping[str, Counted]],
    map: MazeMap,
    futures: Sequence[tuple[Floats, Floats]],
    strolls: Sequence[Strolls],
    theme: str | Theme = "paper",
) -> Figure:
    """One reliability diagram per level; below, plans with their futures, and how far each attitude keeps away.

    Args:
        levels: by level and name of the horizon, what was counted.
        map: the maze; ``cells`` is [rows, cols]. Its right half is windy.
        futures: per plan the [S, H+1, 2] predicted places and the [H+1, 2] places that it led to.
        strolls: per attitude, the bold first.
        theme: ``paper``, ``dark`` or a :class:`Theme`.
    """
    look, cells = get_theme(theme), cells_of(map)
    with matplotlib.rc_context(look.rc()):
        fig = Figure(figsize=(9.4, 6.8), layout="constrained")
        grid = fig.add_gridspec(2, 6, height_ratios=[1, 1.35])
        for column, (level, lines) in enumerate(levels.items()):
            _draw_diagram(fig.add_subplot(grid[0, 2 * column : 2 * column + 2]), level, lines, look)
        _draw_futures(fig.add_subplot(grid[1, :3]), cells, futures, look)
        _draw_offsets(fig.add_subplot(grid[1, 3:]), strolls, look)
    return fig


def _draw_diagram(ax: Axes, level: int, lines: Mapping[str, Counted], look: Theme) -> None:
    style = look.level(level)
    ends = np.array([0.4, 1.0])
    ax.fill_between(ends, ends - TOLERANCE, ends + TOLERANCE, color=look.muted, alpha=0.15, lw=0)
    ax.plot(ends, ends, color=look.muted, lw=0.9)
    for dash, (name, counted) in zip(DASHES, lines.items(), strict=False):
        nominal, coverage = np.array(counted.nominal), np.array(counted.coverage)
        bars = np.abs(np.array(counted.intervals).T - coverage)
        ax.errorbar(
            nominal, coverage, bars, color=style.color, ls=dash, lw=1.6, marker=style.marker, ms=5, mec=look.halo,
            elinewidth=1, label=name,
        )  # fmt: skip
    ax.set(xlim=(0.42, 1.0), ylim=(0.42, 1.0), title=f"level {level}", xlabel="predicted share of outcomes")
    if level == 1:
        ax.set_ylabel("outcomes in the predicted region")
    ax.set_aspect("equal")
    ax.legend(loc="upper left", frameon=False, fontsize=7.5, title="ahead", title_fontsize=7.5)


def _draw_futures(ax: Axes, cells: Any, futures: Sequence[tuple[Floats, Floats]], look: Theme) -> None:
    draw_backdrop(ax, cells, look)
    ax.set_title("plans of level 1: predicted ends (dots), what happened", loc="left")
    for predicted, outcome in futures:
        ax.plot(*predicted[:, -1].T, ls="", marker="o", ms=2.2, color=look.level(1).color, alpha=0.35, mec="none")
        ax.plot(*predicted.mean(0).T, color=look.level(1).color, lw=1.1, ls=(0, (3, 2)))
        ax.plot(*outcome.T, color=look.ink, lw=1.4)
        ax.plot(*outcome[0], marker="o", ms=5, color=look.halo, mec=look.ink, mew=1.2)
        ax.plot(*outcome[-1], marker="X", ms=6.5, color=look.ink, mec=look.halo, mew=0.7)
    width = 4 * cells.shape[1]
    windy = Rectangle((width / 2 - 6, -6), width / 2, 4 * cells.shape[0], color=look.exit, alpha=0.13, lw=0)
    ax.add_patch(windy)
    ax.text(0.97, 0.015, "windy", ha="right", va="bottom", color="white", zorder=5, transform=ax.transAxes)


def _draw_offsets(ax: Axes, strolls: Sequence[Strolls], look: Theme) -> None:
    """Quantiles of the distance to the border by attitude, on all walks while they lasted."""
    ax.axvspan(0, BEYOND, color=look.cost, alpha=0.25, lw=0)
    ax.text(0.02, len(strolls) - 0.45, "dear", color=look.cost, va="top")
    for row, one in enumerate(reversed(strolls)):
        places = one.offsets[:, 2:].ravel()
        low, first, middle, third, high = np.quantile(places, [0.05, 0.25, 0.5, 0.75, 0.95])
        color = look.level(len(strolls) - row).color
        ax.plot([low, high], [row, row], color=color, lw=1.6)
        ax.plot([first, third], [row, row], color=color, lw=8, solid_capstyle="butt")
        ax.plot(middle, row, marker="o", ms=6, color=look.halo, mec=color, mew=1.5)
    ax.set_yticks(range(len(strolls)), [one.attitude for one in reversed(strolls)])
    ax.set(xlabel="world units beyond the border (5, 25, 50, 75, 95 % of steps)", ylim=(-0.6, len(strolls) - 0.4))
    ax.set_xlim(right=BEYOND)
    ax.set_title("walks in the wind beside what is dear", loc="left")
