"""An episode of an agent that sees: its way as people see it, and beside it the frames that the agent had to go by."""

from __future__ import annotations

from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from planners.trace import Episode
from viz.backdrop import Extent, MazeMap, cells_of, draw_backdrop, line_scale, show_extent
from viz.figures import draw_decision
from viz.theme import Theme, get_theme
from worlds.maps import CELL_SIZE

WIDTH, HEADER, FOOTER, MARGIN, ASIDE, GAP = 9.0, 0.42, 0.42, 0.08, 2.35, 0.2  # inches


class Picture(NamedTuple):
    """What is drawn of a world that is no maze of cells.

    Attributes:
        image: [H, W, 3] bytes.
        extent: that it covers, world units.
    """

    image: NDArray[np.uint8]
    extent: Extent


def seen_figure(
    ground: MazeMap | Picture,
    episode: Episode,
    first: NDArray[np.uint8],
    goal: NDArray[np.uint8],
    theme: str | Theme = "paper",
) -> Figure:
    """The path that was taken, the first decision's plans, and what was seen.

    Args:
        ground: the maze, or a picture of the world without what moves.
        episode: what was recorded.
        first: [3, H, W] the first frame.
        goal: [3, H, W] the picture of the goal.
        theme: ``paper``, ``dark`` or a :class:`Theme`.
    """
    look = get_theme(theme)
    extent = ground.extent if isinstance(ground, Picture) else Extent.of(cells_of(ground))
    width = WIDTH - 2 * MARGIN - ASIDE - GAP
    height = width * extent.height / extent.width
    total = height + HEADER + FOOTER
    with matplotlib.rc_context(look.rc()):
        fig = Figure(figsize=(WIDTH, total))
        ax = fig.add_axes((MARGIN / WIDTH, FOOTER / total, width / WIDTH, height / total))
        scale = 1.0 if isinstance(ground, Picture) else line_scale(72 * CELL_SIZE * width / extent.width)
        _draw_ground(ax, ground, look, scale)
        _draw_episode(ax, episode, look, scale)
        for row, (name, frame) in enumerate((("what the agent sees", first), ("the goal it is shown", goal))):
            top = FOOTER + height - row * (ASIDE + 0.32)
            _draw_frame(fig, (WIDTH - MARGIN - ASIDE, top - ASIDE), total, name, frame, look)
        _write_words(fig, episode, look)
    return fig


def _draw_ground(ax: Axes, ground: MazeMap | Picture, theme: Theme, scale: float) -> None:
    if isinstance(ground, Picture):
        extent = ground.extent
        show_extent(ax, extent)
        edges = (extent.left, extent.right, extent.bottom, extent.top)
        ax.imshow(ground.image, extent=edges, interpolation="nearest", zorder=1)
    else:
        draw_backdrop(ax, cells_of(ground), theme, scale=scale)


def _draw_episode(ax: Axes, episode: Episode, theme: Theme, scale: float) -> None:
    halo = [patheffects.Stroke(linewidth=3.6 * scale, foreground=theme.halo, alpha=0.7), patheffects.Normal()]
    way = np.asarray(episode.observations)
    ax.plot(*way.T, color=theme.ink, lw=1.5 * scale, alpha=0.9, zorder=2.1, path_effects=halo)
    if episode.decisions:
        draw_decision(ax, episode.decisions[0], episode.goal, way[0], theme, scale)
    ax.plot(*way[0], marker="o", ms=8 * scale, mfc=theme.ink, mec=theme.halo, mew=scale, zorder=4.6)
    ax.plot(*episode.goal, marker="*", ms=19 * scale, mfc=theme.goal, mec=theme.ink, mew=1.1 * scale, zorder=4.8)


def _draw_frame(
    fig: Figure, corner: tuple[float, float], total: float, name: str, frame: NDArray[np.uint8], theme: Theme
) -> None:
    """A frame as it is, each pixel a square, with its name below."""
    ax = fig.add_axes((corner[0] / WIDTH, corner[1] / total, ASIDE / WIDTH, ASIDE / total))
    ax.imshow(frame.transpose(1, 2, 0), interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set(visible=True, color=theme.muted, linewidth=0.7)
    text = f"{name}, {frame.shape[2]} x {frame.shape[1]} pixels"
    fig.text(corner[0] / WIDTH, (corner[1] - 0.06) / total, text, fontsize=8, color=theme.muted, va="top")


def _write_words(fig: Figure, episode: Episode, theme: Theme) -> None:
    """The title and how it ended, and a legend."""
    height, inset = fig.get_figheight(), MARGIN / WIDTH
    baseline = 1 - 0.27 / height
    outcome = f"{len(episode.observations) - 1} steps · {'goal reached' if episode.success else 'goal not reached'}"
    fig.text(inset, baseline, episode.title, fontsize=11, fontweight="bold", color=theme.ink, va="baseline")
    fig.text(1 - inset, baseline, outcome, fontsize=9.5, color=theme.muted, ha="right", va="baseline")
    levels = len(episode.decisions[0].levels) if episode.decisions else 0
    handles = [
        Line2D([], [], ls="", marker="o", ms=7, mfc=theme.ink, mec=theme.halo, label="start"),
        Line2D([], [], ls="", marker="*", ms=12, mfc=theme.goal, mec=theme.ink, mew=0.8, label="goal"),
        Line2D([], [], color=theme.ink, lw=1.8, label="path taken"),
        *(_level_handle(level, theme) for level in range(levels, 0, -1)),
    ]
    fig.legend(
        handles=handles, loc="center left", bbox_to_anchor=(0, 0.5 * FOOTER / height), ncols=len(handles),
        frameon=False, fontsize=8.5, columnspacing=1.2, handletextpad=0.4, handlelength=1.6,
    )  # fmt: skip


def _level_handle(level: int, theme: Theme) -> Line2D:
    style = theme.level(level)
    return Line2D(
        [], [], color=style.color, lw=0.7 * style.width, marker=style.marker, ms=min(style.size, 8.5),
        mec=theme.halo, mew=0.6, label=f"level {level}'s first plan",
    )  # fmt: skip
