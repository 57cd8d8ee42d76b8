"""Ablations: success with its interval, one line per row, and beside it what it cost or what was learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator

from viz.backdrop import FigureError
from viz.theme import Theme, get_theme

NEEDED = ("name", "group", "success")
GAP = 0.9
"""Lines between two groups, for the second one's title."""


def ablations_figure(rows: Sequence[Mapping[str, Any]], theme: str | Theme = "paper") -> Figure:
    """Rows by group, in the order given; one colour and marker for each range of distances.

    Args:
        rows: each with a ``name``, a ``group`` and its ``success``: by range of distances, a ``distance`` (least and
            largest), a ``rate`` and its ``ci95`` (0..1), and ``by_seed`` the rates of training seeds, which are drawn
            faintly where there are several. Beside it ``place_error`` (cells) is drawn where rows have it, and else
            ``calls_above_per_step``.
        theme: ``paper``, ``dark`` or a :class:`Theme`.

    Raises:
        FigureError: if there is no row, or a row lacks a key.
    """
    look = get_theme(theme)
    _check(rows)
    places = _places(rows)
    with matplotlib.rc_context(look.rc()):
        fig = Figure(figsize=(9.0, 1.25 + 0.3 * (places[-1] + 1)), layout="constrained")
        success, beside = fig.subplots(1, 2, sharey=True, width_ratios=(5, 2.2))
        for place, row in zip(places, rows, strict=True):
            _draw_success(success, place, row, look)
        _draw_beside(beside, places, rows, look)
        _finish(success, beside, places, rows, look)
        _explain(fig, rows[0], look)
    return fig


def _check(rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        raise FigureError("rows: expected at least one, got none")
    for index, row in enumerate(rows):
        missing = [key for key in NEEDED if not row.get(key)]
        if missing:
            raise FigureError(f"rows[{index}]: expected a value for {', '.join(missing)}, found none")


def _places(rows: Sequence[Mapping[str, Any]]) -> list[float]:
    """The height of every row, from the top; before a group there is room for its title."""
    places: list[float] = []
    for row, before in zip(rows, [None, *rows], strict=False):
        new = before is None or row["group"] != before["group"]
        places.append((places[-1] + 1 if places else 0.0) + GAP * new)
    return places


def _draw_success(ax: Axes, place: float, row: Mapping[str, Any], look: Theme) -> None:
    """The rates at all distances, side by side within the row."""
    offsets = 0.16 * (np.arange(len(row["success"])) * 2 - (len(row["success"]) - 1))
    for number, (one, offset) in enumerate(zip(row["success"], offsets, strict=True), 1):
        style, at = look.level(number), place + offset
        low, high = (100 * float(bound) for bound in one["ci95"])
        ax.plot([low, high], [at, at], color=style.color, lw=4, alpha=0.25, solid_capstyle="round")
        seeds = one.get("by_seed", ())
        if len(seeds) > 1:
            ax.plot([100 * rate for rate in seeds], [at] * len(seeds), ls="", marker="|", ms=5, color=style.color)
        ax.plot(100 * float(one["rate"]), at, color=style.color, marker=style.marker, ms=5.5, mec=look.halo, mew=0.8)


def _draw_beside(ax: Axes, places: Sequence[float], rows: Sequence[Mapping[str, Any]], look: Theme) -> None:
    """What was learned, or what planning took."""
    learned = "place_error" in rows[0]
    values = [float(row["place_error" if learned else "calls_above_per_step"]) for row in rows]
    shown = [value for value in values if value > 0] or [1.0]
    ax.set_title("error of seen places, cells" if learned else "predictions per step", loc="left")
    if not learned:
        ax.set_xlabel("of the levels above the first")
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlim((0.0, 1.1 * max(shown)) if learned else (0.5 * min(shown), 2.2 * max(shown)))
    for place, value in zip(places, values, strict=True):
        if value > 0:
            ax.plot([ax.get_xlim()[0], value], [place, place], color=look.muted, lw=1.2, alpha=0.6)
            ax.plot(value, place, marker="o", ms=5.5, color=look.ink, mec=look.halo)
        else:
            inside = ax.get_yaxis_transform()
            ax.text(0.03, place, "none", transform=inside, va="bottom", color=look.muted, fontsize=8)


def _finish(
    success: Axes, beside: Axes, places: Sequence[float], rows: Sequence[Mapping[str, Any]], look: Theme
) -> None:
    success.set_yticks(places, [str(row["name"]) for row in rows])
    success.set_ylim(places[-1] + 0.6, -0.1)
    success.set_xlim(-3, 103)
    success.set_title("success, %, with its 95 % interval", loc="left")
    groups = [None, *(row["group"] for row in rows)]
    for place, row, before in zip(places, rows, groups, strict=False):
        if row["group"] != before:
            title = {"va": "center", "color": look.muted, "style": "italic", "fontsize": 8}
            success.text(0, place - 0.8, row["group"], title, transform=success.get_yaxis_transform())
    for ax in (success, beside):
        ax.tick_params(axis="y", length=0)
        for place in places:
            ax.axhline(place, color=look.muted, lw=0.4, alpha=0.25, zorder=0)


def _explain(fig: Figure, row: Mapping[str, Any], look: Theme) -> None:
    """Which mark is which distance."""
    handles = []
    for number, one in enumerate(row["success"], 1):
        style, (low, high) = look.level(number), one["distance"]
        handles.append(
            Line2D([], [], color=style.color, marker=style.marker, ls="", label=f"goal {low} to {high} cells away")
        )
    fig.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
