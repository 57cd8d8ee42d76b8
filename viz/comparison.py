"""Planners side by side: success with its interval, and milliseconds per decision, one line per combination."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from viz.backdrop import FigureError
from viz.theme import Theme, get_theme

NEEDED = ("planners", "success_rate", "ci95", "ms_per_decision")


def comparison_figure(rows: Sequence[Mapping[str, Any]], theme: str | Theme = "paper") -> Figure:
    """Success and time of combinations of planners, in the order given; the hue is that of the level swapped.

    Args:
        rows: one per combination, with ``planners`` (names joined by hyphens, finest level first), ``success_rate``
            and ``ci95`` (0..1), ``ms_per_decision``, and optionally ``swapped``, the level that differs.
        theme: ``paper``, ``dark`` or a :class:`Theme`.

    Raises:
        FigureError: if there is no row, or a row lacks a key.
    """
    look = get_theme(theme)
    if not rows:
        raise FigureError("rows: expected at least one combination, got none")
    for index, row in enumerate(rows):
        missing = [key for key in NEEDED if row.get(key) is None]
        if missing:
            raise FigureError(f"rows[{index}]: expected a value for {', '.join(missing)}, found none")
    with matplotlib.rc_context(look.rc()):
        fig = Figure(figsize=(9.0, 1.1 + 0.27 * len(rows)))
        success, time = fig.subplots(1, 2, sharey=True, width_ratios=(3, 2))
        for place, row in enumerate(rows):
            _draw_row(success, time, place, row, look)
        _finish(success, time, rows, look)
        fig.tight_layout(w_pad=2.0)
    return fig


def _draw_row(success: Axes, time: Axes, place: int, row: Mapping[str, Any], theme: Theme) -> None:
    level = row.get("swapped")
    color, marker = (theme.ink, "o") if level is None else (theme.level(level).color, theme.level(level).marker)
    low, high = (100 * float(bound) for bound in row["ci95"])
    success.plot([low, high], [place, place], color=color, lw=5, alpha=0.22, solid_capstyle="round")
    success.plot(100 * float(row["success_rate"]), place, color=color, marker=marker, ms=7, mec=theme.halo)
    time.plot(float(row["ms_per_decision"]), place, color=color, marker=marker, ms=7, mec=theme.halo)


def _finish(success: Axes, time: Axes, rows: Sequence[Mapping[str, Any]], theme: Theme) -> None:
    success.set_yticks(np.arange(len(rows)), [str(row["planners"]).replace("-", ", ") for row in rows])
    success.set_ylim(len(rows) - 0.4, -0.6)
    success.set_xlim(-4, 104)
    success.set_title("success, %, with its 95 % interval", loc="left")
    time.set_xscale("log")
    time.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    time.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    time.xaxis.set_minor_locator(NullLocator())
    time.set_title("ms per decision, one agent alone", loc="left")
    for ax in (success, time):
        ax.tick_params(axis="y", length=0)
        for place in range(len(rows)):
            ax.axhline(place, color=theme.muted, lw=0.4, alpha=0.25, zorder=0)
