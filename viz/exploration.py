"""How an exploration went: cells entered against world steps, and where each explorer has been."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm, to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.ticker import FuncFormatter

from viz.backdrop import Array, Extent, FigureError, MazeMap, cells_of, draw_backdrop, floor_path, line_scale
from viz.theme import Theme, get_theme
from worlds.maps import CELL_SIZE


@dataclass(frozen=True, eq=False)
class Exploration:
    """Several runs of one explorer.

    Attributes:
        name: of the explorer.
        shares: [runs, T + 1] share of the cells entered after each world step, from 0 on.
        visits: [h, w] how often each bin of the map was seen in one of the runs.
        caption: what that one run is.
    """

    name: str
    shares: Array
    visits: Array
    caption: str


def exploration_figure(map: MazeMap, explorations: Sequence[Exploration], theme: str | Theme = "paper") -> Figure:
    """Coverage against steps (median of the runs, and their range), and one visited map per explorer.

    Args:
        map: the maze; ``cells`` is [rows, cols].
        explorations: one per explorer, that of interest first.
        theme: ``paper``, ``dark`` or a :class:`Theme`.

    Raises:
        FigureError: without explorations, or where a share is none.
    """
    look, cells = get_theme(theme), cells_of(map)
    if not explorations:
        raise FigureError("explorations: expected at least one, got none")
    for exploration in explorations:
        if exploration.shares.ndim != 2 or not ((exploration.shares >= 0) & (exploration.shares <= 1)).all():
            raise FigureError(f"{exploration.name}: shares: expected a [runs, T] array of fractions in 0..1")
    extent, panels = Extent.of(cells), len(explorations)
    with matplotlib.rc_context(look.rc()):
        side = 2.9
        wide = side * max(1.0, extent.width / extent.height)
        fig = Figure(figsize=(3.9 + wide * panels, side + 0.75))
        axes = fig.subplots(1, 1 + panels, width_ratios=[3.4, *[wide] * panels], squeeze=False)[0]
        most = max(int(exploration.visits.max()) for exploration in explorations)
        for number, (exploration, ax) in enumerate(zip(explorations, axes[1:], strict=True), start=1):
            _draw_curve(axes[0], exploration, look.level(number).color)
            _draw_visits(ax, exploration, cells, extent, most, look.level(number).color, look, wide)
        _finish(axes[0])
        fig.tight_layout(w_pad=1.5)
    return fig


def _draw_curve(ax: Axes, exploration: Exploration, color: str) -> None:
    shares = 100 * exploration.shares
    steps = np.arange(shares.shape[1])
    ax.fill_between(steps, shares.min(0), shares.max(0), color=color, alpha=0.16, lw=0, step="post")
    ax.step(steps, np.median(shares, 0), color=color, lw=1.9, where="post", label=exploration.name)


def _draw_visits(
    ax: Axes, exploration: Exploration, cells: Array, extent: Extent, most: int, color: str, theme: Theme, width: float
) -> None:
    draw_backdrop(ax, cells, theme, scale=line_scale(72 * CELL_SIZE * width / extent.width))
    seen = np.ma.masked_equal(exploration.visits, 0)
    rows, columns = cells.shape
    edges = (-1.5 * CELL_SIZE, (columns - 1.5) * CELL_SIZE, (rows - 1.5) * CELL_SIZE, -1.5 * CELL_SIZE)
    colors = LinearSegmentedColormap.from_list("visits", [_mixed(color, theme.floor), color])
    image = ax.imshow(seen, cmap=colors, norm=LogNorm(1, max(most, 2)), extent=edges, zorder=1.1)
    image.set_clip_path(PathPatch(floor_path(cells), transform=ax.transData))
    ax.set_title(exploration.caption, loc="left")


def _mixed(color: str, ground: str) -> str:
    """A little of a colour on the ground: one visit must already be seen."""
    r, g, b = (0.3 * a + 0.7 * b for a, b in zip(to_rgb(color), to_rgb(ground), strict=True))
    return to_hex((r, g, b))


def _finish(ax: Axes) -> None:
    ax.set_ylim(0, 103)
    ax.set_xlim(left=0)
    ax.set_xlabel("world steps")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    ax.set_title("free cells entered, %", loc="left")
    ax.legend(loc="lower right", frameon=False, fontsize=8, handlelength=1.4)
