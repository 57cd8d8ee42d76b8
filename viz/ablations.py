"""Ablations: success with its interval, one line per row, and beside it what it cost or what was learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator
from matplotlib.transforms import ScaledTranslation, blended_transform_factory

from viz.backdrop import FigureError
from viz.theme import LevelStyle, Theme, get_theme

NEEDED = ("name", "success")
GAP = 0.8
"""Lines between two groups, for the second one's title."""
TITLE, AXIS = 1.3, 1.5
"""Lines above and below a panel."""
LINE, WIDTH, BELOW = 0.235, 5.5, 0.35
"""Inches: a line, a column of panels, and what is below them."""
LEFT = 2.05
"""Inches for the names of rows."""
PARTS = ((LEFT + 0.1, 2.0), (LEFT + 2.3, 0.75))
"""Inches from a column's left to the axes, and their widths: success, and what is beside it."""
Styles = dict[tuple[int, int], LevelStyle]
"""By range of distances, cells."""


@dataclass(frozen=True)
class Panel:
    """One study.

    Attributes:
        title: above it.
        rows: each with a ``name``, its ``success`` and maybe a ``group``. Success is, by range of distances, a
            ``distance`` (least and largest), a ``rate`` and its ``ci95`` (0..1), and ``by_seed`` the rates of training
            seeds, which are drawn faintly where there are several. All are compared with the first row.
        beside: key of a number that each row has, drawn beside success.
        label: what that is.
        log: whether it is drawn on a logarithmic axis.
    """

    title: str
    rows: Sequence[Mapping[str, Any]]
    beside: str
    label: str
    log: bool = False

    def __post_init__(self) -> None:
        if not self.rows:
            raise FigureError(f"{self.title}: expected at least one row, got none")
        for index, row in enumerate(self.rows):
            missing = [key for key in NEEDED if not row.get(key)] + [self.beside] * (self.beside not in row)
            if missing:
                raise FigureError(f"rows[{index}]: expected a value for {', '.join(missing)}, found none")

    @property
    def groups(self) -> list[str]:
        """By row, the title of the group that begins with it; empty where none does."""
        names = [str(row.get("group", "")) for row in self.rows]
        return [name if name != before else "" for name, before in zip(names, ["", *names], strict=False)]

    @property
    def places(self) -> list[float]:
        """The height of every row, from the top; before a group there is room for its title."""
        gaps = np.cumsum([GAP if group else 0.0 for group in self.groups])
        return [number + float(gap) for number, gap in enumerate(gaps)]

    @property
    def lines(self) -> float:
        """How many lines it takes."""
        return self.places[-1] + 1


def ablations_figure(panels: Sequence[Panel], theme: str | Theme = "paper") -> Figure:
    """Studies in one column, or in two; rows by group, in the order given.

    One colour and marker for each range of distances, and a faint line where the first row of a study is.

    Raises:
        FigureError: if there is no panel.
    """
    if not panels:
        raise FigureError("panels: expected at least one, got none")
    look, columns = get_theme(theme), _columns(panels)
    distances = sorted({tuple(one["distance"]) for panel in panels for row in panel.rows for one in row["success"]})
    styles = {distance: look.level(number) for number, distance in enumerate(distances, 1)}
    wide, high = WIDTH * len(columns), LINE * max(_lines(column) for column in columns) + BELOW
    with matplotlib.rc_context(look.rc()):
        fig = Figure(figsize=(wide, high))
        for number, column in enumerate(columns):
            top = high
            for panel in column:
                top -= LINE * TITLE
                axes = [_axes(fig, WIDTH * number + left, top, width, panel.lines) for left, width in PARTS]
                _draw_panel(axes[0], axes[1], panel, styles, look)
                top -= LINE * (panel.lines + AXIS)
        _explain(fig, styles, look)
    return fig


def _columns(panels: Sequence[Panel]) -> list[list[Panel]]:
    """Each panel goes where there is most room."""
    columns: list[list[Panel]] = [[] for _ in panels[:2]]
    for panel in panels:
        min(columns, key=_lines).append(panel)
    return columns


def _lines(column: Sequence[Panel]) -> float:
    return sum(TITLE + panel.lines + AXIS for panel in column)


def _axes(fig: Figure, left: float, top: float, width: float, lines: float) -> Axes:
    """Axes for so many lines, placed in inches from the lower left corner."""
    wide, high = fig.get_size_inches()
    return fig.add_axes((left / wide, (top - LINE * lines) / high, width / wide, LINE * lines / high))


def _draw_panel(success: Axes, beside: Axes, panel: Panel, styles: Styles, look: Theme) -> None:
    for one in panel.rows[0]["success"]:
        success.axvline(100 * one["rate"], color=styles[tuple(one["distance"])].color, lw=0.8, alpha=0.35, zorder=0)
    for place, row in zip(panel.places, panel.rows, strict=True):
        _draw_success(success, place, row, styles, look)
    _draw_beside(beside, panel, look)
    _write_names(success, panel, look)
    success.set_xlim(-3, 103)
    success.set_xticks(range(0, 101, 25))
    _write_head(success, "success, %", look)
    _write_head(beside, panel.label, look)
    for ax in (success, beside):
        ax.set_ylim(panel.lines - 0.4, -0.3)
        ax.set_yticks(panel.places, [])
        ax.tick_params(length=0, pad=2, labelsize=8)
        ax.spines["left"].set_visible(False)


def _write_names(ax: Axes, panel: Panel, look: Theme) -> None:
    """The study's title, and those of groups and rows, to the left of its axes."""
    margin = ax.get_yaxis_transform() + ScaledTranslation(-LEFT, 0, ax.figure.dpi_scale_trans)
    ax.text(0, -0.95, panel.title, {"weight": "bold", "va": "center"}, transform=margin)
    for place, row, group in zip(panel.places, panel.rows, panel.groups, strict=True):
        italic = {"va": "center", "color": look.muted, "style": "italic", "fontsize": 8}
        ax.text(0, place - 0.85, group, italic, transform=margin)
        ax.text(0.1, place, row["name"], {"va": "center"}, transform=margin)


def _write_head(ax: Axes, text: str, look: Theme) -> None:
    """What axes show, on the line of the study's title."""
    ax.text(0, -0.95, text, {"va": "center", "color": look.muted, "fontsize": 8}, transform=ax.get_yaxis_transform())


def _draw_success(ax: Axes, place: float, row: Mapping[str, Any], styles: Styles, look: Theme) -> None:
    """The rates at all distances, one above the other within the row."""
    offsets = 0.16 * (np.arange(len(row["success"])) * 2 - (len(row["success"]) - 1))
    for one, offset in zip(row["success"], offsets, strict=True):
        style, at = styles[tuple(one["distance"])], place + offset
        low, high = (100 * float(bound) for bound in one["ci95"])
        ax.plot([low, high], [at, at], color=style.color, lw=4, alpha=0.25, solid_capstyle="round")
        seeds = one.get("by_seed", ())
        if len(seeds) > 1:
            ax.plot([100 * rate for rate in seeds], [at] * len(seeds), ls="", marker="|", ms=5, color=style.color)
        ax.plot(100 * float(one["rate"]), at, color=style.color, marker=style.marker, ms=5.5, mec=look.halo, mew=0.8)


def _draw_beside(ax: Axes, panel: Panel, look: Theme) -> None:
    """What each row took, or what was learned: a number, and a bar as long as it is (or its logarithm)."""
    values = [float(row[panel.beside]) for row in panel.rows]
    shown = [value for value in values if value > 0] or [1.0]
    least, most = (0.6 * min(shown), max(shown)) if panel.log else (0.0, max(shown))
    if panel.log:
        ax.set_xscale("log")
    ax.set_xlim(least, most)
    ax.xaxis.set_major_locator(NullLocator())
    ax.xaxis.set_minor_locator(NullLocator())
    ax.spines["bottom"].set_visible(False)
    after = blended_transform_factory(ax.transAxes, ax.transData)
    for place, value in zip(panel.places, values, strict=True):
        if value > 0:
            ax.plot([least, value], [place, place], color=look.muted, lw=5, alpha=0.45, solid_capstyle="butt")
        text = "-" if value <= 0 else f"{value:,.0f}" if panel.log else f"{value:.1f}"
        ax.text(1.06, place, text, {"va": "center"}, transform=after)


def _explain(fig: Figure, styles: Styles, look: Theme) -> None:
    """Which mark is which distance, and what the small strokes are."""
    handles = [
        Line2D([], [], color=style.color, marker=style.marker, ls="", label=f"goal {low} to {high} cells away")
        for (low, high), style in styles.items()
    ]
    handles.append(Line2D([], [], color=look.muted, marker="|", ms=5, ls="", label="a training seed"))
    fig.legend(handles=handles, loc="lower center", ncols=len(handles), frameon=False)
