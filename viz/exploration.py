"""How an exploration went: cells entered against world steps, and where an explorer was when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import PathPatch
from matplotlib.ticker import FuncFormatter

from viz.backdrop import Array, Extent, FigureError, MazeMap, cells_of, draw_backdrop, floor_path, line_scale
from viz.theme import Theme, get_theme
from worlds.maps import CELL_SIZE

COLORS = "viridis"


@dataclass(frozen=True, eq=False)
class Exploration:
    """Several runs of one explorer.

    Attributes:
        name: of the explorer.
        shares: [runs, T + 1] share of the cells entered after each world step, from 0 on.
        first: [h, w] for one typical run, the step at which each bin of the map was entered first; -1 for never.
    """

    name: str
    shares: Array
    first: Array

    @property
    def median(self) -> Array:
        """[T + 1] median of the runs' shares."""
        return np.median(self.shares, 0)


def exploration_figure(map: MazeMap, explorations: Sequence[Exploration], theme: str | Theme = "paper") -> Figure:
    """Coverage against steps (median of the runs, their middle half and range), and one map per explorer.

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
        fig = Figure(figsize=(4.6 + wide * panels, side + 0.75), layout="constrained")
        axes = fig.subplots(1, 1 + panels, width_ratios=[3.4, *[wide] * panels], squeeze=False)[0]
        last = max(int(exploration.first.max()) for exploration in explorations)
        end = _end(explorations)
        for number, (exploration, ax) in enumerate(zip(explorations, axes[1:], strict=True), start=1):
            _draw_curve(axes[0], exploration, end, look.level(number).color)
            image = _draw_first(ax, exploration, cells, last, look, wide / extent.width)
        _finish(axes[0], end)
        fig.colorbar(
            image, ax=axes[1:], label="world step of the first visit", shrink=0.85, pad=0.02, format=_thousands()
        )
    return fig


def _end(explorations: Sequence[Exploration]) -> int:
    """Where the curves stop: a while after every median explorer has seen all, if they do."""
    ends = [int((exploration.median < 1).sum()) for exploration in explorations]
    return min(max(len(exploration.median) - 1 for exploration in explorations), int(1.6 * max(ends)) + 1)


def _draw_curve(ax: Axes, exploration: Exploration, end: int, color: str) -> None:
    """A run that ended sooner stays where it was."""
    steps = np.unique(np.linspace(0, end, 1500).astype(int))
    shares = 100 * exploration.shares[:, np.minimum(steps, exploration.shares.shape[1] - 1)]
    for low, high, alpha in ((0, 100, 0.12), (25, 75, 0.22)):
        bottom, top = np.percentile(shares, (low, high), axis=0)
        ax.fill_between(steps, bottom, top, color=color, alpha=alpha, lw=0, step="post")
    ax.step(steps, np.median(shares, 0), color=color, lw=1.9, where="post", label=exploration.name)


def _draw_first(ax: Axes, exploration: Exploration, cells: Array, last: int, theme: Theme, unit: float) -> AxesImage:
    """The map, coloured by when the bins were entered first; ``unit`` is the width of a world unit, inches."""
    draw_backdrop(ax, cells, theme, scale=line_scale(72 * CELL_SIZE * unit))
    seen = np.ma.masked_less(exploration.first, 0)
    rows, columns = cells.shape
    edges = (-1.5 * CELL_SIZE, (columns - 1.5) * CELL_SIZE, (rows - 1.5) * CELL_SIZE, -1.5 * CELL_SIZE)
    image = ax.imshow(seen, cmap=COLORS, vmin=0, vmax=max(last, 1), extent=edges, zorder=1.1)
    image.set_clip_path(PathPatch(floor_path(cells), transform=ax.transData))
    ax.set_title(exploration.name, loc="left")
    return image


def _thousands() -> FuncFormatter:
    return FuncFormatter(lambda value, _: f"{value:,.0f}")


def _finish(ax: Axes, end: int) -> None:
    ax.set_ylim(0, 103)
    ax.set_xlim(0, end)
    ax.set_xlabel("world steps")
    ax.xaxis.set_major_formatter(_thousands())
    ax.set_title("free cells entered, %", loc="left")
    ax.legend(loc="lower right", frameon=False, fontsize=8, handlelength=1.4)
