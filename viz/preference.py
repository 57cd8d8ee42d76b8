"""A learned preference: what was shown, what was learned from it, and what it changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from viz.backdrop import Array, Extent, MazeMap, cells_of, draw_backdrop, floor_path, line_scale
from viz.heat import Samples
from viz.theme import Theme, get_theme
from worlds.maps import CELL_SIZE

WIDTH, HEADER, FOOTER, GAP = 9.0, 0.62, 0.4, 0.16  # inches
SPOTS = 4  # a cell, along each side, at which the dearest way to go is drawn
FAINT = 0.12  # share of the highest cost below which no arrow is drawn
Trails = Sequence[NDArray[np.float32]]
HeadedCost = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[Any]]
COMPASS = np.stack([np.cos(angles := np.arange(8) * np.pi / 4), np.sin(angles)], -1).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Shown:
    """What the picture is made of.

    Attributes:
        cost: [N, 2] places and [H, 2] headings to the [N, H] learned cost of going through there.
        shown: [T, 2] demonstrations.
        before: [T, 2] where the agent went on unseen tasks without the learned cost.
        after: [T, 2] where it went with it.
        ask: how far to look ahead when a cost is asked for; world units.
    """

    cost: HeadedCost
    shown: Trails
    before: Trails
    after: Trails
    ask: float = 0.4


def preference_figure(map: MazeMap, found: Shown, title: str, theme: str | Theme = "paper") -> Figure:
    """Two maps: demonstrations over the learned cost; and the agent's ways before and after on unseen tasks.

    Where the cost depends on the heading, arrows say which way it is dear to go.

    Args:
        map: the maze; ``cells`` is [rows, cols].
        found: what to draw.
        title: of the picture.
        theme: ``paper``, ``dark`` or a :class:`Theme`.
    """
    look, cells = get_theme(theme), cells_of(map)
    with matplotlib.rc_context(look.rc()):
        fig, (left, right), scale = _axes(Extent.of(cells))
        most = _draw_cost(left, cells, found, look, scale)
        turns = _draw_arrows(left, cells, found, look, scale)
        for trail in found.shown:
            left.plot(*trail.T, color=look.ink, lw=0.5 * scale, alpha=0.3, zorder=2)
        draw_backdrop(right, cells, look, scale=scale)
        for trails, color, style in ((found.before, look.guardrail, (0, (2, 1.2))), (found.after, look.hues[1], "-")):
            for trail in trails:
                right.plot(*trail.T, color=color, ls=style, lw=1.5 * scale, alpha=0.9, zorder=3)
        for trail in found.after:
            right.plot(*trail[0], marker="o", ms=5 * scale, mfc=look.halo, mec=look.ink, mew=1.2, zorder=4)
            right.plot(*trail[-1], marker="*", ms=12 * scale, mfc=look.goal, mec=look.ink, mew=0.8, zorder=4)
        _write(fig, title, len(found.shown), most, turns, look)
    return fig


def _axes(extent: Extent) -> tuple[Figure, list[Axes], float]:
    width = (WIDTH - 3 * GAP) / 2
    height = width * extent.height / extent.width
    total = height + HEADER + FOOTER
    fig = Figure(figsize=(WIDTH, total))
    lefts = (GAP, 2 * GAP + width)
    axes = [fig.add_axes((x / WIDTH, FOOTER / total, width / WIDTH, height / total)) for x in lefts]
    return fig, axes, line_scale(72 * CELL_SIZE * width / extent.width)


def _draw_cost(ax: Axes, cells: Array, found: Shown, theme: Theme, scale: float) -> float:
    """Colours the floor by the mean cost over all headings; returns the cost of the fullest colour."""
    draw_backdrop(ax, cells, theme, scale=scale)
    samples = Samples.of(cells)
    heat = samples.spread(found.cost(samples.places.astype(np.float32), found.ask * COMPASS).mean(1))
    most = max(float(np.nanmax(heat.steps)), 1e-6)
    half = (heat.x[1] - heat.x[0]) / 2
    corners = (heat.x[0] - half, heat.x[-1] + half, heat.y[-1] + half, heat.y[0] - half)
    fade = LinearSegmentedColormap.from_list("learned", [theme.floor, theme.cost])
    image = ax.imshow(
        np.ma.masked_invalid(np.sqrt(heat.steps / most)), cmap=fade, vmin=0, vmax=1, extent=corners,
        interpolation="bilinear", zorder=1.1,
    )  # fmt: skip
    image.set_clip_path(floor_path(cells), ax.transData)
    return most


def _draw_arrows(ax: Axes, cells: Array, found: Shown, theme: Theme, scale: float) -> bool:
    """Arrows along the dearest ways to go; whether there are any."""
    rows, columns = cells.shape
    x, y = (CELL_SIZE * ((np.arange(SPOTS * size) + 0.5) / SPOTS - 1.5) for size in (columns, rows))
    places = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2).astype(np.float32)
    places = places[cells[tuple((np.floor(places / CELL_SIZE + 1.5)).astype(int).T[::-1])] == 0]
    costs = found.cost(places, found.ask * COMPASS)
    uneven = 2 * (costs - costs.min(1, keepdims=True)) @ COMPASS / len(COMPASS)
    length = np.linalg.norm(uneven, axis=1)
    dear = length > FAINT * max(float(costs.max()), 1e-6)
    arrows = 0.8 * CELL_SIZE / SPOTS * uneven[dear] / length[dear, None]
    ax.quiver(
        *places[dear].T, *arrows.T, color=theme.guardrail, angles="xy", scale_units="xy", scale=1, pivot="mid",
        width=0.004 * scale, headwidth=4.5, headlength=4, headaxislength=3.6, alpha=0.85, zorder=2.5,
    )  # fmt: skip
    return bool(dear.any())


def _write(fig: Figure, title: str, shown: int, most: float, turns: bool, theme: Theme) -> None:
    height, inset = fig.get_figheight(), GAP / WIDTH
    fig.text(inset, 1 - 0.24 / height, title, fontsize=11, fontweight="bold", va="baseline")
    fig.text(inset, 1 - 0.5 / height, f"what was shown ({shown} demonstrations), and what was learned", va="baseline")
    fig.text(0.5 + inset / 2, 1 - 0.5 / height, "unseen tasks, before and after", va="baseline")
    arrow = Line2D([], [], ls="", marker=r"$\rightarrow$", ms=9, color=theme.guardrail, label="dear to go this way")
    handles = [
        Line2D([], [], color=theme.ink, lw=0.8, alpha=0.5, label="demonstration"),
        Line2D([], [], color=theme.cost, lw=6, label=f"learned cost, up to {most:.0f} extra steps per step"),
        *([arrow] if turns else []),
        Line2D([], [], color=theme.guardrail, lw=1.8, ls=(0, (2, 1.2)), label="without it"),
        Line2D([], [], color=theme.hues[1], lw=1.8, label="with it"),
    ]
    fig.legend(
        handles=handles, loc="center left", bbox_to_anchor=(0, 0.5 * FOOTER / height), ncols=len(handles),
        frameon=False, fontsize=8, columnspacing=1.2, handletextpad=0.5,
    )  # fmt: skip
