"""How an agent gets through a world that has changed: episodes side by side, with its surprises and what they undid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from planners.trace import Episode
from viz.backdrop import Extent, FigureError, MazeMap, cells_of, centers, draw_backdrop, line_scale
from viz.theme import Theme, get_theme
from worlds.maps import CELL_SIZE

Points = NDArray[np.float32]
WIDTH = 9.0  # inches
TITLE, FOOTER, MARGIN = 0.3, 0.36, 0.08  # inches


def _none(*shape: int) -> Points:
    return np.empty(shape, np.float32)


@dataclass(frozen=True, eq=False)
class Panel:
    """One episode on the map as it then was.

    Attributes:
        map: ``cells`` is [rows, cols].
        episode: what was done; its title is written above.
        surprises: [n, 2] where the world stopped the agent against its prediction; world units.
        shut: [m, 2, 2] ways that it no longer believes in, from and to; world units.
        closed: (row, column) of the cell that has been walled up; None if none has.
    """

    map: MazeMap
    episode: Episode
    surprises: Points = field(default_factory=lambda: _none(0, 2))
    shut: Points = field(default_factory=lambda: _none(0, 2, 2))
    closed: tuple[int, int] | None = None


def closure_figure(panels: Sequence[Panel], theme: str | Theme = "paper") -> Figure:
    """Episodes of one task in reading order, two in a row.

    Args:
        panels: on maps of one size.
        theme: ``paper``, ``dark`` or a :class:`Theme`.

    Raises:
        FigureError: if there is no panel, or the maps differ in size.
    """
    shapes = {cells_of(panel.map).shape for panel in panels}
    if len(shapes) != 1:
        raise FigureError(f"panels: expected maps of one size, got {len(shapes)} sizes")
    look = get_theme(theme)
    with matplotlib.rc_context(look.rc()):
        fig, axes, scale = _axes(Extent.of(cells_of(panels[0].map)), len(panels))
        for ax, panel in zip(axes, panels, strict=True):
            _draw_panel(ax, panel, look, scale)
        handles = _handles(panels, look)
        fig.legend(
            handles=handles, loc="lower left", bbox_to_anchor=(0, 0), ncols=len(handles), frameon=False, fontsize=8.5,
            columnspacing=1.4, handletextpad=0.5, borderaxespad=0.5,
        )  # fmt: skip
    return fig


def _axes(extent: Extent, count: int) -> tuple[Figure, list[Axes], float]:
    """A figure with room for some maps, and the scale of lines in them."""
    columns, rows = min(count, 2), -(-count // 2)
    width = (WIDTH - MARGIN * (columns + 1)) / columns
    height = width * extent.height / extent.width
    total = rows * (height + TITLE) + FOOTER
    fig = Figure(figsize=(WIDTH, total))
    axes = []
    for number in range(count):
        left = MARGIN + (number % 2) * (width + MARGIN)
        bottom = total - (1 + number // 2) * (height + TITLE)
        axes.append(fig.add_axes((left / WIDTH, bottom / total, width / WIDTH, height / total)))
    return fig, axes, line_scale(72 * CELL_SIZE * width / extent.width)


def _draw_panel(ax: Axes, panel: Panel, theme: Theme, scale: float) -> None:
    episode, halo = panel.episode, theme.halo
    draw_backdrop(ax, cells_of(panel.map), theme, scale=scale)
    if panel.closed is not None:
        _draw_closed(ax, panel.closed, theme, scale)
    ax.add_collection(LineCollection(list(panel.shut), colors=theme.guardrail, lw=0.7 * scale, alpha=0.5, zorder=2))
    ax.plot(*episode.observations.T, color=theme.ink, lw=1.4 * scale, alpha=0.85, zorder=3)
    ax.plot(
        *panel.surprises.T, ls="", marker="X", ms=7.5 * scale, mfc=theme.guardrail, mec=halo, mew=0.7 * scale,
        zorder=4,
    )  # fmt: skip
    ax.plot(*episode.observations[0], marker="o", ms=8 * scale, mfc=halo, mec=theme.ink, mew=1.7 * scale, zorder=5)
    ax.plot(*episode.goal, marker="*", ms=17 * scale, mfc=theme.goal, mec=theme.ink, mew=scale, zorder=5)
    steps = f"{len(episode.observations) - 1} steps"
    outcome = steps if episode.success else f"goal not reached in {steps}"
    ax.set_title(episode.title, loc="left", fontsize=10, fontweight="bold", color=theme.ink, pad=4)
    ax.set_title(outcome, loc="right", fontsize=9, color=theme.muted if episode.success else theme.guardrail, pad=4)


def _draw_closed(ax: Axes, cell: tuple[int, int], theme: Theme, scale: float) -> None:
    """The cell that has been walled up, hatched."""
    x, y = (float(value) for value in centers(np.array(cell)))
    corner = (x - CELL_SIZE / 2, y - CELL_SIZE / 2)
    ax.add_patch(
        Rectangle(
            corner, CELL_SIZE, CELL_SIZE, facecolor=theme.wall, edgecolor=theme.guardrail, lw=1.6 * scale,
            hatch="////", zorder=1.5,
        )
    )  # fmt: skip


def _handles(panels: Sequence[Panel], theme: Theme) -> list[Line2D | Rectangle]:
    """Legend entries for what is there."""
    red = theme.guardrail
    handles: list[Line2D | Rectangle] = [
        Line2D([], [], ls="", marker="o", ms=7, mfc=theme.halo, mec=theme.ink, mew=1.5, label="start"),
        Line2D([], [], ls="", marker="*", ms=12, mfc=theme.goal, mec=theme.ink, label="goal"),
        Line2D([], [], color=theme.ink, lw=1.6, label="path taken"),
    ]
    if any(panel.closed is not None for panel in panels):
        handles.append(Rectangle((0, 0), 1, 1, fc=theme.wall, ec=red, hatch="////", label="closed since"))
    if any(len(panel.surprises) for panel in panels):
        handles.append(Line2D([], [], ls="", marker="X", ms=8, mfc=red, mec=theme.halo, label="believed shut"))
    if any(len(panel.shut) for panel in panels):
        handles.append(Line2D([], [], color=red, lw=1, alpha=0.6, label="ways given up"))
    return handles
