"""What an agent believes of portals: where they lead, how likely, and which way each attitude to risk takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch
from numpy.typing import NDArray

from hjepa.known_map import Fork
from planners.trace import Episode
from viz.backdrop import Extent, FigureError, MazeMap, cells_of, draw_backdrop, line_scale
from viz.theme import Theme, get_theme
from worlds.maps import CELL_SIZE

Floats = NDArray[np.floating]
WIDTH, HEADER, FOOTER, MARGIN = 9.0, 0.42, 0.6, 0.08  # inches
DASHES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.2, 1.2, 1.2)))
JUMP = 3.0
"""World units that no step is long: beyond it, a portal was taken."""


@dataclass(frozen=True, eq=False)
class Route:
    """What one attitude did.

    Attributes:
        label: its name, for the legend.
        episode: from a start that all share, to a goal that all share.
    """

    label: str
    episode: Episode


def portals_figure(
    map: MazeMap, forks: Sequence[Fork], routes: Sequence[Route], title: str, theme: str | Theme = "paper"
) -> Figure:
    """Beliefs as arcs, labelled with their probabilities, and the routes over them.

    Args:
        map: the maze, whose portals are drawn as rings: what is true, beside what is believed.
        forks: what the agent believes.
        routes: one for each attitude, at most four.
        title: of the picture.
        theme: ``paper``, ``dark`` or a :class:`Theme`.

    Raises:
        FigureError: if there are no routes, or too many.
    """
    if not 1 <= len(routes) <= len(DASHES):
        raise FigureError(f"routes: expected 1 to {len(DASHES)}, got {len(routes)}")
    look, cells = get_theme(theme), cells_of(map)
    extent = Extent.of(cells)
    height = (WIDTH - 2 * MARGIN) * extent.height / extent.width
    total = height + HEADER + FOOTER
    with matplotlib.rc_context(look.rc()):
        fig = Figure(figsize=(WIDTH, total))
        ax = fig.add_axes((MARGIN / WIDTH, FOOTER / total, 1 - 2 * MARGIN / WIDTH, height / total))
        scale = line_scale(72 * CELL_SIZE * (WIDTH - 2 * MARGIN) / extent.width)
        draw_backdrop(ax, cells, look, None, scale)
        for fork in forks:
            _draw_fork(ax, fork, look, scale)
        for number, route in enumerate(routes):
            _draw_route(ax, route, number, look, scale)
        _draw_ends(ax, routes[0].episode, look, scale)
        fig.text(MARGIN / WIDTH, 1 - 0.27 / total, title, fontsize=11, fontweight="bold", color=look.ink)
        fig.legend(
            handles=_handles(routes, look), loc="center left", bbox_to_anchor=(0, 0.5 * FOOTER / total), frameon=False,
            ncols=3, fontsize=8.5, columnspacing=1.0, handletextpad=0.5, borderaxespad=0.5,
        )  # fmt: skip
    return fig


def _draw_fork(ax: Axes, fork: Fork, theme: Theme, scale: float) -> None:
    """An arc to every outcome, the wider the likelier, with its probability where it arrives."""
    for outcome, probability in zip(np.asarray(fork.outcomes), np.asarray(fork.probabilities), strict=True):
        bend = 0.18 if outcome[0] > fork.place[0] else -0.18
        begin, end = (float(fork.place[0]), float(fork.place[1])), (float(outcome[0]), float(outcome[1]))
        ax.add_patch(
            FancyArrowPatch(
                begin,
                end,
                connectionstyle=f"arc3,rad={bend}",
                arrowstyle="-|>",
                mutation_scale=13 * scale,
                color=theme.entrance,
                lw=7 * float(probability) * scale,
                alpha=0.75,
                zorder=3,
                shrinkA=0,
                shrinkB=0,
            )  # fmt: skip
        )
        away = np.subtract(end, begin)
        middle = np.add(begin, 0.5 * away) + 0.5 * bend * np.array(
            [-away[1], away[0]]
        )  # the picture's y grows downwards
        ax.text(
            float(middle[0]), float(middle[1]), f"{100 * probability:.0f} %", fontsize=8 * scale, color=theme.ink,
            ha="center", va="center", zorder=6,
            bbox={"boxstyle": "round,pad=0.2", "fc": theme.halo, "ec": theme.entrance, "lw": 0.8},
        )  # fmt: skip


def _draw_route(ax: Axes, route: Route, number: int, theme: Theme, scale: float) -> None:
    """The way on foot, moved aside a little so that routes that agree can be told apart; jumps are left out."""
    path = np.asarray(route.episode.observations, float)
    path[1:][np.linalg.norm(np.diff(path, axis=0), axis=1) > JUMP] = np.nan
    color = theme.hues[number % len(theme.hues)]
    aside = 0.28 * (number - 1)
    ax.plot(path[:, 0] + aside, path[:, 1] + aside, color=color, lw=2.2 * scale, ls=DASHES[number], zorder=4)
    if not route.episode.success:
        x, y = route.episode.observations[-1]
        ax.plot(x + aside, y + aside, ls="", marker="X", ms=11 * scale, mfc=color, mec=theme.halo, zorder=5)


def _draw_ends(ax: Axes, episode: Episode, theme: Theme, scale: float) -> None:
    ax.plot(*episode.observations[0], marker="o", ms=9 * scale, mfc=theme.ink, mec=theme.halo, mew=scale, zorder=5)
    ax.plot(*episode.goal, marker="*", ms=19 * scale, mfc=theme.goal, mec=theme.ink, mew=1.1 * scale, zorder=5)


def _handles(routes: Sequence[Route], theme: Theme) -> list[Line2D]:
    handles = [
        Line2D([], [], color=theme.hues[number], lw=2.2, ls=DASHES[number], label=route.label)
        for number, route in enumerate(routes)
    ]
    handles.append(Line2D([], [], color=theme.entrance, lw=2.4, label="where a portal is believed to lead"))
    handles.append(Line2D([], [], ls="", marker="X", ms=8, mfc=theme.muted, mec=theme.halo, label="never arrived"))
    return handles
