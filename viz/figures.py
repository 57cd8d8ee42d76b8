"""Pictures for papers and READMEs: an episode with every level's plan, the levels one by one, and result curves.

Every function returns a new matplotlib :class:`~matplotlib.figure.Figure`; nothing touches pyplot's global state.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, ConnectionPatch, Rectangle

from planners.trace import Decision, Episode
from viz.backdrop import (
    Array,
    Extent,
    FigureError,
    MazeMap,
    cells_of,
    draw_backdrop,
    line_scale,
    route_of,
    show_extent,
    targets_of,
)
from viz.comparison import comparison_figure
from viz.curves import scaling_figure, training_figure
from viz.heat import CostToGo, HeatMap, sample_cost
from viz.theme import Theme, get_theme
from worlds.compiled import RADIUS
from worlds.maps import CELL_SIZE, ENTRANCE, EXIT

__all__ = [
    "FigureError",
    "comparison_figure",
    "episode_figure",
    "levels_figure",
    "save",
    "scaling_figure",
    "training_figure",
]

SUFFIXES = (".png", ".svg", ".pdf")
WIDTH = 9.0  # inches; at 100 dots per inch, the width of a README's column
NARROWEST = 7.6  # inches that header and footer need
HEADER, FOOTER, MARGIN = 0.42, 0.42, 0.06  # inches


def episode_figure(
    map: MazeMap,
    episode: Episode,
    cost_to_go: CostToGo | None = None,
    step: int | None = None,
    theme: str | Theme = "paper",
) -> Figure:
    """One episode on its map: the path taken and, at one decision, what every level had in mind.

    Args:
        map: the maze; ``cells`` is [rows, cols].
        episode: what was recorded.
        cost_to_go: [M, 2] world positions to [M] world steps to the goal, drawn as a heat map; None draws none.
        step: world step whose plans are shown (the rest of the path is then faint); None shows the whole path, the
            first decision's plans, and faintly how the level below the top went on planning.
        theme: ``paper``, ``dark`` or a :class:`Theme`.

    Raises:
        FigureError: if the map, the step or the cost-to-go doesn't fit.
    """
    look, cells = get_theme(theme), cells_of(map)
    now = _checked_step(episode, step)
    heat = sample_cost(cells, cost_to_go) if cost_to_go is not None else None
    extent = Extent.of(cells)
    with matplotlib.rc_context(look.rc()):
        fig, ax, scale = _map_figure(extent, cells)
        draw_backdrop(ax, cells, look, heat, scale)
        _draw_path(ax, episode, step, look, scale)
        decision = episode.latest(now) or (episode.decisions[0] if episode.decisions else None)
        if step is None:
            _draw_later_plans(ax, episode, look, scale)
        if decision is not None:
            draw_decision(ax, decision, episode.goal, episode.observations[now], look, scale)
        _draw_ends(ax, episode, now, look, scale)
        _write_header(fig, episode, step, look)
        _write_footer(fig, decision, heat, look, portals=_has_portals(cells))
    return fig


def levels_figure(
    map: MazeMap,
    episode: Episode,
    cost_to_go: CostToGo | None = None,
    step: int = 0,
    strides: Sequence[int] | None = None,
    theme: str | Theme = "paper",
) -> Figure:
    """One panel per level at one decision, coarsest first, each zoomed in on what its level plans.

    Args:
        map: the maze; ``cells`` is [rows, cols].
        episode: what was recorded.
        cost_to_go: [M, 2] world positions to [M] world steps to the goal; None draws no heat map.
        step: world step of the decision.
        strides: world steps per prediction of level 1, 2, ..., for the panels' titles; None leaves them out.
        theme: ``paper``, ``dark`` or a :class:`Theme`.

    Raises:
        FigureError: if there is no decision to show, or the strides don't match its levels.
    """
    look, cells = get_theme(theme), cells_of(map)
    decision = episode.latest(_checked_step(episode, step))
    if decision is None:
        raise FigureError(f"episode.decisions: expected a decision at or before step {step}, found none")
    if strides is not None and len(strides) != len(decision.levels):
        raise FigureError(f"strides: expected one per level ({len(decision.levels)}), got {len(strides)}")
    heat = sample_cost(cells, cost_to_go) if cost_to_go is not None else None
    with matplotlib.rc_context(look.rc()):
        fig, panels = _panel_figure(Extent.of(cells), len(decision.levels))
        extents = _zooms(decision, episode.goal, Extent.of(cells))
        for level, ax in zip(range(len(panels), 0, -1), panels, strict=True):
            points_across = 72 * fig.get_figwidth() * ax.get_position().width
            scale = min(line_scale(CELL_SIZE * points_across / extents[level - 1].width), 0.8)
            _draw_panel(ax, level, decision, episode, cells, heat, look, scale)
            show_extent(ax, extents[level - 1])
            stride = strides[level - 1] if strides is not None else None
            _write_panel_title(ax, level, stride, len(decision.levels[level - 1].plan) - 1, look)
        for level, ax in zip(range(len(panels) - 1, 0, -1), panels, strict=False):
            _frame_zoom(ax, panels[len(panels) - level], extents[level - 1], look.level(level).color)
    return fig


def save(fig: Figure, path: str | Path) -> Path:
    """Writes a figure as PNG (200 dots per inch), SVG or PDF, by suffix; makes the folder if needed.

    Raises:
        FigureError: if the suffix is none of those.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in SUFFIXES:
        raise FigureError(f"{target.name}: expected a file ending in {', '.join(SUFFIXES)}")
    target.parent.mkdir(parents=True, exist_ok=True)
    # Without dates and with fixed ids, the same picture is the same file.
    undated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(suffix)
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "viz", "pdf.fonttype": 42}):
        fig.savefig(target, dpi=200, metadata=undated)
    return target


def draw_decision(ax: Axes, decision: Decision, goal: Array, agent: Array, theme: Theme, scale: float = 1.0) -> None:
    """Draws every level's plan and subgoal on ``ax``, coarsest first so that the finest lies on top.

    Args:
        ax: axes in world units.
        decision: what the levels had in mind.
        goal: [2] the episode's goal; world units.
        agent: [2] where the agent is; world units.
        theme: look.
        scale: line widths and marker sizes in proportion.
    """
    targets = targets_of(decision, goal)
    for level in range(len(decision.levels), 0, -1):
        _draw_plan(ax, route_of(decision, level, agent), level, targets[level - 1], theme, scale)
    for level in range(len(decision.levels), 1, -1):  # level 1 asks the world, not a level
        _draw_subgoal(ax, decision.levels[level - 1].subgoal, level, theme, scale)


def _checked_step(episode: Episode, step: int | None) -> int:
    last = len(episode.observations) - 1
    if step is not None and not 0 <= step <= last:
        raise FigureError(f"step: expected 0..{last}, the episode's length, not {step}")
    return step or 0


def _map_figure(extent: Extent, cells: Array) -> tuple[Figure, Axes, float]:
    """An empty figure with room for one map; also the scale of lines, smaller where cells are small."""
    height = min((WIDTH - 2 * MARGIN) * extent.height / extent.width, WIDTH)
    width = height * extent.width / extent.height
    total = height + HEADER + FOOTER
    page = WIDTH if _has_portals(cells) else max(width + 2 * MARGIN, NARROWEST)
    fig = Figure(figsize=(page, total))
    ax = fig.add_axes((0.5 - width / page / 2, FOOTER / total, width / page, height / total))
    return fig, ax, line_scale(72 * CELL_SIZE * width / extent.width)


def _has_portals(cells: Array) -> bool:
    return bool(np.isin(cells, (ENTRANCE, EXIT)).any())


def _draw_path(ax: Axes, episode: Episode, step: int | None, theme: Theme, scale: float) -> None:
    past = episode.observations if step is None else episode.observations[: step + 1]
    ahead = episode.observations[step:] if step is not None else episode.observations[:0]
    ax.plot(*np.asarray(ahead).T, color=theme.ink, lw=1.0 * scale, alpha=0.3, zorder=2)
    halo = [patheffects.Stroke(linewidth=3.6 * scale, foreground=theme.halo, alpha=0.7), patheffects.Normal()]
    ax.plot(*np.asarray(past).T, color=theme.ink, lw=1.5 * scale, alpha=0.9, zorder=2.1, path_effects=halo)


def _draw_later_plans(ax: Axes, episode: Episode, theme: Theme, scale: float) -> None:
    """What the level below the top planned in the course of the episode, faintly; level 1's plans are too many."""
    for decision in episode.decisions[1:]:
        level = len(decision.levels) - 1
        if level > 1 and f"replan {level}" in decision.events:
            style = theme.level(level)
            route = route_of(decision, level, episode.observations[decision.step])
            ax.plot(*route.T, color=style.color, lw=0.75 * style.width * scale, alpha=0.35, zorder=2.3)
            ax.plot(
                *route[1:].T, ls="", marker=style.marker, ms=0.75 * style.size * scale, mfc=style.color,
                mec=theme.halo, mew=0.6 * scale, alpha=0.6, zorder=2.4,
            )  # fmt: skip


def _draw_plan(ax: Axes, plan: Array, level: int, target: Array, theme: Theme, scale: float) -> None:
    style, z = theme.level(level), 4 - 0.1 * level
    ax.plot(*plan.T, color=style.color, lw=style.width * scale, alpha=0.55, solid_joinstyle="round", zorder=z - 0.5)
    ax.plot(*np.stack([plan[-1], target]).T, color=style.color, lw=1.2 * scale, ls=(0, (1, 1.6)), zorder=z - 0.6)
    ax.plot(
        *plan[1:].T, ls="", marker=style.marker, ms=style.size * scale, mfc=style.color, mec=theme.halo,
        mew=0.8 * scale, zorder=z,
    )  # fmt: skip


def _draw_subgoal(ax: Axes, subgoal: Array, level: int, theme: Theme, scale: float) -> None:
    style = theme.level(level)
    for color, width in ((theme.halo, 4.4), (style.color, 2.2)):
        ax.plot(
            *subgoal, ls="", marker=style.marker, ms=(style.size + 6) * scale, mfc="none", mec=color,
            mew=width * scale, zorder=4.05 - 0.1 * level,  # over the level's own states, under those of finer levels
        )  # fmt: skip


def _draw_ends(ax: Axes, episode: Episode, step: int, theme: Theme, scale: float) -> None:
    """The start, the goal, and the agent at its true size."""
    start, now = episode.observations[0], episode.observations[step]
    if step:
        ax.plot(*start, marker="o", ms=6 * scale, mfc=theme.halo, mec=theme.ink, mew=1.6 * scale, zorder=4.6)
    centre = (float(now[0]), float(now[1]))
    ax.plot(*centre, marker="o", ms=5.5 * scale, mfc=theme.ink, mec=theme.halo, mew=scale, zorder=2.2)  # never a speck
    ax.add_patch(Circle(centre, RADIUS, facecolor=theme.ink, edgecolor=theme.halo, lw=scale, zorder=2.2))
    ax.plot(*episode.goal, marker="*", ms=19 * scale, mfc=theme.goal, mec=theme.ink, mew=1.1 * scale, zorder=4.8)


def _write_header(fig: Figure, episode: Episode, step: int | None, theme: Theme) -> None:
    baseline = 1 - 0.27 / fig.get_figheight()
    steps = len(episode.observations) - 1
    shown = f"step {step} of {steps}" if step is not None else f"{steps} steps"
    outcome = "goal reached" if episode.success else "goal not reached"
    inset = MARGIN / fig.get_figwidth()
    fig.text(inset, baseline, episode.title, fontsize=11, fontweight="bold", color=theme.ink, va="baseline")
    fig.text(1 - inset, baseline, f"{shown} · {outcome}", fontsize=9.5, color=theme.muted, ha="right", va="baseline")


def _write_footer(fig: Figure, decision: Decision | None, heat: HeatMap | None, theme: Theme, portals: bool) -> None:
    levels = len(decision.levels) if decision is not None else 0
    handles = [_agent_handle(theme), _goal_handle(theme), Line2D([], [], color=theme.ink, lw=1.8, label="path taken")]
    handles += [_level_handle(level, theme) for level in range(levels, 0, -1)]
    if portals:
        handles += [_portal_handle(theme.entrance, "portal in"), _portal_handle(theme.exit, "portal out")]
    many = len(handles) > 7
    fig.legend(
        handles=handles, loc="center left", bbox_to_anchor=(0, 0.5 * FOOTER / fig.get_figheight()), ncols=len(handles),
        frameon=False, fontsize=7.5 if many else 8.5, columnspacing=0.8 if many else 1.2, handletextpad=0.4,
        borderaxespad=0.1, handlelength=1.6,
    )  # fmt: skip
    if heat is not None:
        _draw_heat_key(fig, heat, theme)


def _agent_handle(theme: Theme) -> Line2D:
    return Line2D([], [], ls="", marker="o", ms=7, mfc=theme.ink, mec=theme.halo, label="agent")


def _goal_handle(theme: Theme) -> Line2D:
    return Line2D([], [], ls="", marker="*", ms=12, mfc=theme.goal, mec=theme.ink, mew=0.8, label="goal")


def _level_handle(level: int, theme: Theme) -> Line2D:
    style = theme.level(level)
    return Line2D(
        [], [], color=style.color, lw=0.7 * style.width, marker=style.marker, ms=min(style.size, 8.5),
        mec=theme.halo, mew=0.6, label=f"level {level}",
    )  # fmt: skip


def _portal_handle(color: str, label: str) -> Line2D:
    return Line2D([], [], ls="", marker="o", ms=8, mfc="none", mec=color, mew=1.8, label=label)


def _draw_heat_key(fig: Figure, heat: HeatMap, theme: Theme) -> None:
    width, height = fig.get_size_inches()
    ax = fig.add_axes((1 - 1.86 / width, 0.5 * (FOOTER - 0.11) / height, 0.75 / width, 0.11 / height))
    ax.imshow(np.linspace(0, 1, 128)[None], cmap=theme.heat_map, aspect="auto", extent=(0, 1, 0, 1))
    ax.grid(False)
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set(visible=True, color=theme.muted, linewidth=0.5)
    for x, side, text in ((-0.06, "right", "0"), (1.06, "left", f"{_rounded(heat.far)} steps to go")):
        ax.text(x, 0.45, text, ha=side, va="center", fontsize=8, color=theme.muted)


def _rounded(value: float) -> str:
    """Two significant digits, plainly: 437 -> 440."""
    return f"{float(f'{value:.2g}'):,.0f}" if value >= 1 else f"{value:.2g}"


def _panel_figure(extent: Extent, panels: int) -> tuple[Figure, list[Axes]]:
    gap = 0.16
    width = (WIDTH - 2 * MARGIN - gap * (panels - 1)) / panels
    height = width * extent.height / extent.width
    total = height + 0.3 + MARGIN
    fig = Figure(figsize=(WIDTH, total))
    lefts = [MARGIN + index * (width + gap) for index in range(panels)]
    return fig, [fig.add_axes((left / WIDTH, MARGIN / total, width / WIDTH, height / total)) for left in lefts]


def _zooms(decision: Decision, goal: Array, whole: Extent) -> list[Extent]:
    """What each level's panel shows: the top level's the whole map, the others' their plan and its target."""
    aspect, zooms = whole.width / whole.height, [whole]
    for view, target in reversed(list(zip(decision.levels, targets_of(decision, goal), strict=True))[:-1]):
        points = np.concatenate([view.plan, view.subgoal[None], target[None]])
        margin = max(0.25 * float(np.ptp(points, axis=0).max()), 2 * RADIUS)
        zooms.append(Extent.around(points, aspect, margin).inside(zooms[-1]))
    return zooms[::-1]


def _draw_panel(
    ax: Axes,
    level: int,
    decision: Decision,
    episode: Episode,
    cells: Array,
    heat: HeatMap | None,
    theme: Theme,
    scale: float,
) -> None:
    view = decision.levels[level - 1]
    draw_backdrop(ax, cells, theme, heat, scale)
    ax.plot(*episode.observations.T, color=theme.ink, lw=0.9 * scale, alpha=0.35, zorder=2)
    target = targets_of(decision, episode.goal)[level - 1]
    route = route_of(decision, level, episode.observations[decision.step])
    _draw_plan(ax, route, level, target, theme, scale)
    if level > 1:
        _draw_subgoal(ax, view.subgoal, level, theme, scale)
    _draw_ends(ax, episode, decision.step, theme, scale)
    if level < len(decision.levels):
        _draw_subgoal(ax, target, level + 1, theme, scale)


def _write_panel_title(ax: Axes, level: int, stride: int | None, predictions: int, theme: Theme) -> None:
    """Above a panel: the level's marker and name, and what a stride is; smaller where panels are narrow."""
    style, box = theme.level(level), ax.get_position()
    width, height = np.array(ax.figure.bbox.size) / ax.figure.dpi * 72 * box.size  # points
    fit, middle = min(1.0, width / 150), 1 + 10 / height
    ax.plot(
        4.5 / width, middle, marker=style.marker, ms=7 * fit, color=style.color, transform=ax.transAxes, clip_on=False
    )
    bold = {"fontsize": 9.5 * fit, "fontweight": "bold", "color": style.color, "va": "center"}
    name = ax.text(11 / width, middle, f"level {level}", bold, transform=ax.transAxes)
    text = f"  {stride}-step stride" if stride is not None else f"  {predictions} states ahead"
    ax.annotate(text, (1, 0.5), xycoords=name, fontsize=8.5 * fit, color=theme.ink, va="center")


def _frame_zoom(ax: Axes, finer: Axes, extent: Extent, color: str) -> None:
    """Frames, in a coarse panel, what the next panel shows, and that panel in the same colour, joined by two rays."""
    corner = (extent.left, extent.top)
    ax.add_patch(Rectangle(corner, extent.width, extent.height, fill=False, edgecolor=color, lw=1.3, zorder=5))
    for spine in finer.spines.values():
        spine.set(visible=True, color=color, linewidth=1.3)
    for y, edge in ((extent.top, 1.0), (extent.bottom, 0.0)):
        ray = ConnectionPatch(
            (extent.right, y), (0, edge), ax.transData, finer.transAxes, color=color, lw=0.8, alpha=0.45
        )
        ax.figure.add_artist(ray)
