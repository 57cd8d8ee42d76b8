"""The picture of how far agents plan: success and search effort against the distance between start and goal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from viz.theme import Theme, get_theme

Row = Mapping[str, Any]
BEST = 3
"""Levels of the line that is drawn strongest."""


def wide_figure(rows: Sequence[Row], theme: str | Theme = "paper") -> Figure:
    """Success with its intervals, and nodes per episode on a logarithmic axis.

    Args:
        rows: of ``scripts/wide.py``.
        theme: ``paper``, ``dark`` or a :class:`viz.theme.Theme`.
    """
    look = get_theme(theme)
    ways = list(dict.fromkeys((row["levels"], row["expansions"]) for row in rows))
    distances = sorted({(row["distance"][0], row["distance"][1], row["size"]) for row in rows})
    places = {distance: number for number, distance in enumerate(distances)}
    with matplotlib.rc_context(look.rc()):
        figure = Figure(figsize=(8.4, 3.7), layout="constrained")
        success, effort = figure.subplots(1, 2, sharex=True)
        for number, way in enumerate(ways):
            mine = [row for row in rows if (row["levels"], row["expansions"]) == way]
            at = [places[row["distance"][0], row["distance"][1], row["size"]] for row in mine]
            shift = 0.1 * (number - (len(ways) - 1) / 2)
            _draw(success, effort, [place + shift for place in at], mine, look.hues[number % len(look.hues)])
        labels = [f"{low}..{high}\n{size}" for low, high, size in distances]
        success.set_xticks(range(len(distances)), labels)
        success.set_ylim(0, 104)
        effort.set_yscale("log")
        success.set_title("success, % (bars: 95 % intervals)")
        effort.set_title("nodes expanded per episode")
        for axes in (success, effort):
            axes.set_xlabel("cells between start and goal, and the mazes")
        handles, names = success.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False)
    return figure


def _draw(success: Axes, effort: Axes, at: list[float], rows: list[Row], color: str) -> None:
    """One line of either panel."""
    name = f"{rows[0]['levels']} levels, {rows[0]['expansions']:,} nodes a search"
    rates = [100 * row["successes"] / row["episodes"] for row in rows]
    below = [rate - 100 * row["ci95"][0] for rate, row in zip(rates, rows, strict=True)]
    above = [100 * row["ci95"][1] - rate for rate, row in zip(rates, rows, strict=True)]
    width = 2.4 if rows[0]["levels"] == BEST else 1.4
    success.errorbar(
        at, rates, [[max(0.0, low) for low in below], [max(0.0, high) for high in above]], color=color, marker="o",
        markersize=4, linewidth=width, elinewidth=1.2, capsize=2, label=name,
    )  # fmt: skip
    effort.plot(at, [row["nodes"] for row in rows], "o-", color=color, markersize=4, linewidth=width)
