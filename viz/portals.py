"""What an agent believes of portals, where they lead and how likely, and what becomes of each attitude to chance."""

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

WIDTH, HEADER, FOOTER, CAPTION, GAP = 10.0, 0.5, 0.42, 0.27, 0.12  # inches
PLACES = ((0, 2), (1, 2), (2, 0), (2, 1), (2, 2))
"""(row, column) of the attitudes around what is believed, which takes two rows and two columns."""
JUMP = 1.0
"""World units that no step is long: beyond it, a portal was taken."""


@dataclass(frozen=True, eq=False)
class Belief:
    """Where the agent believes that the world decides.

    Attributes:
        fork: the place, its outcomes and their probabilities.
        trap: [m] outcomes from which it knows no way on.
    """

    fork: Fork
    trap: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Attempts:
    """What one attitude did.

    Attributes:
        label: its name.
        episodes: from a start that all share, to a goal that all share; portals lead elsewhere in each.
    """

    label: str
    episodes: Sequence[Episode]


def portals_figure(
    map: MazeMap, beliefs: Sequence[Belief], attitudes: Sequence[Attempts], title: str, theme: str | Theme = "paper"
) -> Figure:
    """Beliefs as arcs, labelled with their probabilities, and a small map for every attitude.

    Args:
        map: the maze, whose portals are drawn as rings: what is true, beside what is believed.
        beliefs: what the agent believes.
        attitudes: at most five.
        title: of the picture.
        theme: ``paper``, ``dark`` or a :class:`Theme`.

    Raises:
        FigureError: if there are no attitudes, or too many, or one without episodes.
    """
    if not 1 <= len(attitudes) <= len(PLACES):
        raise FigureError(f"attitudes: expected 1 to {len(PLACES)}, got {len(attitudes)}")
    if not all(attitude.episodes for attitude in attitudes):
        raise FigureError("attitudes: expected at least one episode of each")
    look, cells = get_theme(theme), cells_of(map)
    with matplotlib.rc_context(look.rc()):
        sheet = _Sheet.of(Extent.of(cells))
        ax, scale = sheet.axes(0, 0, 2)
        draw_backdrop(ax, cells, look, None, scale)
        for belief in beliefs:
            _draw_belief(ax, belief, look, scale)
        _draw_ends(ax, attitudes[0].episodes[0], look, scale)
        _caption(ax, "where portals are believed to lead", "rings: the truth", look.muted, look)
        for (row, column), attitude in zip(PLACES, attitudes, strict=False):
            ax, scale = sheet.axes(row, column)
            draw_backdrop(ax, cells, look, None, scale)
            _draw_attempts(ax, attitude, look, scale)
        sheet.write(title, _handles(look), look)
    return sheet.figure


@dataclass(frozen=True)
class _Sheet:
    """Three columns and rows of small maps, or larger ones in the place of several."""

    figure: Figure
    extent: Extent
    width: float
    height: float

    @classmethod
    def of(cls, extent: Extent) -> _Sheet:
        width = (WIDTH - 4 * GAP) / 3
        height = width * extent.height / extent.width
        return cls(Figure(figsize=(WIDTH, HEADER + 3 * (height + CAPTION) + FOOTER)), extent, width, height)

    def axes(self, row: int, column: int, size: int = 1) -> tuple[Axes, float]:
        """Axes whose upper left corner is in a row and column, and the scale of lines in them."""
        total = self.figure.get_figheight()
        left = GAP + column * (self.width + GAP)
        width, height = size * (self.width + GAP) - GAP, size * (self.height + CAPTION) - CAPTION
        bottom = total - HEADER - row * (self.height + CAPTION) - CAPTION - height
        ax = self.figure.add_axes((left / WIDTH, bottom / total, width / WIDTH, height / total), anchor="N")
        return ax, line_scale(72 * CELL_SIZE * width / self.extent.width)

    def write(self, title: str, handles: list[Line2D], theme: Theme) -> None:
        """The title above, and the key below."""
        total = self.figure.get_figheight()
        self.figure.text(GAP / WIDTH, 1 - 0.3 / total, title, fontsize=12, fontweight="bold", color=theme.ink)
        self.figure.legend(
            handles=handles, loc="center left", bbox_to_anchor=(0, 0.5 * FOOTER / total), frameon=False,
            ncols=len(handles), fontsize=8.5, columnspacing=1.3, handletextpad=0.5, borderaxespad=0.5,
        )  # fmt: skip


def _caption(ax: Axes, left: str, right: str, color: str, theme: Theme) -> None:
    ax.set_title(left, loc="left", fontsize=9.5, fontweight="bold", color=theme.ink, pad=4)
    ax.set_title(right, loc="right", fontsize=8.5, color=color, pad=4)


def _draw_belief(ax: Axes, belief: Belief, theme: Theme, scale: float) -> None:
    """An arc to every outcome, the wider the likelier, with its probability beside it; traps are red."""
    fork = belief.fork
    for outcome, probability, trap in zip(fork.outcomes, fork.probabilities, belief.trap, strict=True):
        begin, end = np.asarray(fork.place, float), np.asarray(outcome, float)
        bend, color = (0.2 if end[0] > begin[0] else -0.2), theme.guardrail if trap else theme.entrance
        arc = FancyArrowPatch(
            (begin[0], begin[1]), (end[0], end[1]), connectionstyle=f"arc3,rad={bend}", arrowstyle="-|>",
            mutation_scale=13 * scale, color=color, lw=6 * float(probability) * scale, alpha=0.75, zorder=3,
            shrinkA=0, shrinkB=0,
        )  # fmt: skip
        ax.add_patch(arc)
        away = end - begin  # the picture's y grows downwards
        x, y = begin + 0.5 * away + 0.5 * bend * np.array([-away[1], away[0]])
        ax.text(
            x, y, f"{100 * probability:.0f} %" + (" trap" if trap else ""), fontsize=8.5, color=theme.ink,
            ha="center", va="center", zorder=6,
            bbox={"boxstyle": "round,pad=0.2", "fc": theme.halo, "ec": color, "lw": 0.8},
        )  # fmt: skip


def _draw_attempts(ax: Axes, attitude: Attempts, theme: Theme, scale: float) -> None:
    """All ways over each other, those that end without the goal in red, and how many arrived."""
    strength = max(0.35, 1 / len(attitude.episodes))
    for episode in sorted(attitude.episodes, key=lambda one: not one.success):
        color = theme.hues[1] if episode.success else theme.guardrail
        ax.plot(*on_foot(episode).T, color=color, lw=1.6 * scale, alpha=strength, zorder=3)
        for jump in jumps(episode):
            ax.plot(*jump.T, color=color, lw=1.1 * scale, ls=(0, (1, 2)), alpha=strength, zorder=2.9)
        if not episode.success:
            ax.plot(
                *episode.observations[-1], ls="", marker="X", ms=10 * scale, mfc=color, mec=theme.halo,
                mew=0.8 * scale, zorder=5,
            )  # fmt: skip
    _draw_ends(ax, attitude.episodes[0], theme, scale)
    won = [len(episode.observations) - 1 for episode in attitude.episodes if episode.success]
    of, steps = len(attitude.episodes), f", {np.mean(won):.0f} steps" if won else ""
    color = theme.muted if len(won) == of else theme.guardrail
    _caption(ax, attitude.label, f"{len(won)} of {of}{steps}", color, theme)


def on_foot(episode: Episode) -> NDArray[np.float64]:
    """[T', 2] the way of an episode, interrupted by not-a-number where a portal was taken."""
    return np.insert(np.asarray(episode.observations, float), _landings(episode), np.nan, axis=0)


def jumps(episode: Episode) -> NDArray[np.float64]:
    """[n, 2, 2] from where to where portals took it."""
    path, landing = np.asarray(episode.observations, float), _landings(episode)
    return np.stack([path[landing - 1], path[landing]], 1)


def _landings(episode: Episode) -> NDArray[np.intp]:
    """[n] steps at which it came out of a portal."""
    lengths = np.linalg.norm(np.diff(np.asarray(episode.observations, float), axis=0), axis=1)
    return np.flatnonzero(lengths > JUMP) + 1


def _draw_ends(ax: Axes, episode: Episode, theme: Theme, scale: float) -> None:
    ax.plot(
        *episode.observations[0], marker="o", ms=8 * scale, mfc=theme.halo, mec=theme.ink, mew=1.8 * scale, zorder=5
    )
    ax.plot(*episode.goal, marker="*", ms=18 * scale, mfc=theme.goal, mec=theme.ink, mew=scale, zorder=5)


def _handles(theme: Theme) -> list[Line2D]:
    return [
        Line2D([], [], ls="", marker="o", ms=7, mfc=theme.halo, mec=theme.ink, mew=1.5, label="start"),
        Line2D([], [], ls="", marker="*", ms=12, mfc=theme.goal, mec=theme.ink, label="goal"),
        Line2D([], [], ls="", marker="o", ms=9, mfc="none", mec=theme.entrance, mew=1.8, label="portal"),
        Line2D([], [], ls="", marker="o", ms=9, mfc="none", mec=theme.exit, mew=1.8, label="where portals lead"),
        Line2D([], [], color=theme.entrance, lw=2.4, label="believed"),
        Line2D([], [], color=theme.hues[1], lw=2, label="arrived"),
        Line2D([], [], color=theme.hues[1], lw=1.3, ls=(0, (1, 2)), label="jump"),
        Line2D([], [], color=theme.guardrail, lw=2, marker="X", ms=8, mec=theme.halo, label="never arrived"),
    ]
