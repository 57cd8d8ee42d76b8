"""One task with and without guardrails: what is forbidden, where it was broken, and where the shield stepped in."""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Patch, Rectangle
from numpy.typing import NDArray

from viz.backdrop import Array, Extent, centers, draw_backdrop, floor_path, line_scale
from viz.theme import Theme, get_theme
from worlds.hazards import Hazards
from worlds.maps import CELL_SIZE

WIDTH, HEADER, FOOTER, GAP = 9.0, 0.62, 0.4, 0.16  # inches
SLOW = "#e8b23a"


@dataclass(frozen=True, eq=False)
class Walk:
    """One episode.

    Attributes:
        trail: [T+1, 2] where the agent was, world units.
        wrong: [T+1] whether a guardrail was broken in the step to there.
        stepped_in: [T+1] whether the shield replaced the action from there.
        caption: what to write above it.
    """

    trail: NDArray[np.float32]
    wrong: NDArray[np.bool_]
    stepped_in: NDArray[np.bool_]
    caption: str


def hazards_figure(
    hazards: Hazards, goal: Array, walks: list[Walk], title: str, theme: str | Theme = "paper"
) -> Figure:
    """One map for each walk to the same goal.

    Args:
        hazards: what is dangerous, and the map.
        goal: [2] world units.
        walks: episodes of the same task, by different agents.
        title: of the picture.
        theme: ``paper``, ``dark`` or a :class:`Theme`.
    """
    look, extent = get_theme(theme), Extent.of(hazards.map.cells)
    with matplotlib.rc_context(look.rc()):
        width = (WIDTH - (len(walks) + 1) * GAP) / len(walks)
        height = width * extent.height / extent.width
        total = height + HEADER + FOOTER
        fig, scale = Figure(figsize=(WIDTH, total)), line_scale(72 * CELL_SIZE * width / extent.width)
        for k, walk in enumerate(walks):
            left = (GAP + k * (width + GAP)) / WIDTH
            ax = fig.add_axes((left, FOOTER / total, width / WIDTH, height / total))
            draw_backdrop(ax, hazards.map.cells, look, scale=scale)
            _draw_hazards(ax, hazards, look, scale)
            _draw_walk(ax, walk, goal, look, scale)
            fig.text(left, 1 - 0.5 / total, walk.caption, va="baseline")
        fig.text(GAP / WIDTH, 1 - 0.24 / total, title, fontsize=11, fontweight="bold", va="baseline")
        _write_key(fig, hazards, look)
    return fig


def _draw_hazards(ax: Axes, hazards: Hazards, theme: Theme, scale: float) -> None:
    floor = floor_path(hazards.map.cells)
    for cells, color, hatch in ((hazards.keep_out, theme.guardrail, "////"), (hazards.slow, SLOW, "")):
        for corner in centers(np.argwhere(cells)) - CELL_SIZE / 2:
            square = Rectangle(
                tuple(corner), CELL_SIZE, CELL_SIZE, facecolor=color, edgecolor=color, alpha=0.3, hatch=hatch, lw=0,
                zorder=1.2,
            )  # fmt: skip
            ax.add_patch(square)
            square.set_clip_path(floor, ax.transData)
    position, _ = hazards.patrols.at(0)
    for begin, end, now in zip(hazards.patrols.begin, hazards.patrols.end, position, strict=True):
        ax.plot(*np.stack([begin, end]).T, color=theme.muted, lw=1.2 * scale, ls=(0, (3, 2)), zorder=1.5)
        centre = (float(now[0]), float(now[1]))
        ax.add_patch(Circle(centre, hazards.patrols.radius, facecolor=theme.muted, edgecolor=theme.halo, zorder=1.6))


def _draw_walk(ax: Axes, walk: Walk, goal: Array, theme: Theme, scale: float) -> None:
    ax.plot(*walk.trail.T, color=theme.ink, lw=1.5 * scale, alpha=0.9, zorder=2)
    plate = {"facecolor": theme.halo, "edgecolor": "none", "alpha": 0.85, "pad": 0.8}
    for place, steps in waits(walk.trail):
        ax.plot(*place, marker="o", ms=9 * scale, mfc="none", mec=theme.hues[2], mew=1.8, zorder=2.6)
        ax.annotate(
            str(steps), (place[0], place[1]), (8, 7), textcoords="offset points",
            fontsize=7, color=theme.ink, bbox=plate, zorder=4,
        )  # fmt: skip
    ax.plot(
        *walk.trail[walk.stepped_in].T, ls="", marker="o", ms=3.4 * scale, mfc=theme.hues[1], mec="none", zorder=2.2
    )
    ax.plot(*walk.trail[walk.wrong].T, ls="", marker="x", ms=4.5 * scale, mec=theme.guardrail, mew=1.2, zorder=2.4)
    ax.plot(*walk.trail[0], marker="o", ms=6 * scale, mfc=theme.halo, mec=theme.ink, mew=1.5 * scale, zorder=3)
    ax.plot(*goal, marker="*", ms=17 * scale, mfc=theme.goal, mec=theme.ink, mew=scale, zorder=3)


def waits(trail: Array, within: float = 0.5, least: int = 25) -> list[tuple[Array, int]]:
    """Where an agent stayed within some world units for at least some steps: [2] places, and for how many steps in all.

    Args:
        trail: [T+1, 2] world units.
        within: of the place where the wait began; waits no farther than twice that from each other are one.
        least: steps.
    """
    found, begin = list[tuple[Array, int]](), 0
    while begin < len(trail):
        away = np.linalg.norm(trail[begin:] - trail[begin], axis=-1) > within
        stay = int(away.argmax()) if away.any() else len(away)
        if stay >= least:
            place = trail[begin : begin + stay].mean(0)
            if found and np.linalg.norm(place - found[-1][0]) <= 2 * within:
                place, earlier = found.pop()
                found.append((place, earlier + stay))
            else:
                found.append((place, stay))
        begin += stay if stay >= least else 1
    return found


def _write_key(fig: Figure, hazards: Hazards, theme: Theme) -> None:
    handles = [
        Patch(facecolor=theme.guardrail, alpha=0.3, hatch="////", edgecolor=theme.guardrail, lw=0, label="keep out"),
        Patch(facecolor=SLOW, alpha=0.3, label=f"at most {hazards.limit:g} a step"),
        Line2D([], [], color=theme.muted, ls=(0, (3, 2)), marker="o", ms=6, label="obstacle, at the start"),
        Line2D([], [], ls="", marker="x", ms=5, mec=theme.guardrail, mew=1.2, label="guardrail broken"),
        Line2D([], [], ls="", marker="o", ms=4, mfc=theme.hues[1], mec="none", label="shield stepped in"),
        Line2D([], [], ls="", marker="o", ms=7, mfc="none", mec=theme.hues[2], mew=1.8, label="waited (steps)"),
        Line2D([], [], ls="", marker="*", ms=11, mfc=theme.goal, mec=theme.ink, label="goal"),
    ]
    fig.legend(
        handles=handles, loc="center left", bbox_to_anchor=(0, 0.5 * FOOTER / fig.get_figheight()), ncols=len(handles),
        frameon=False, fontsize=8, columnspacing=1.0, handletextpad=0.4,
    )  # fmt: skip
