"""The picture of what acting costs: time per world step and mode, one panel per maze."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from viz.theme import Theme, get_theme

Row = Mapping[str, Any]
GOAL = 20
"""Mode-1 shall need at most this fraction of Mode-2's time."""
KINDS = {"alone": "one agent alone (median; bar: from the least)", "batched": "each of {} agents in a batch"}


def actors_figure(mazes: Mapping[str, Sequence[Row]], batch: int, theme: str | Theme = "paper") -> Figure:
    """Dots on a logarithmic axis, and lines that Mode-1 has to stay left of.

    Args:
        mazes: by maze, the rows of :meth:`scripts._actors.Study.rows`, Mode-2 first.
        batch: agents in a batch.
        theme: ``paper``, ``dark`` or a :class:`viz.theme.Theme`.
    """
    look = get_theme(theme)
    colors = dict(zip(KINDS, look.hues, strict=False))
    with matplotlib.rc_context(look.rc()):
        figure = Figure(figsize=(3.4 + 3.2 * len(mazes), 3.1), layout="constrained")
        panels = figure.subplots(1, len(mazes), sharex=True, sharey=True, squeeze=False)[0]
        for axes, (maze, rows) in zip(panels, mazes.items(), strict=True):
            _draw(axes, rows, colors, look)
            axes.set_title(f"{maze}: ms per world step")
        panels[0].set_yticks(range(len(rows)), [row["mode"] for row in rows])
        panels[0].invert_yaxis()
        for kind, label in KINDS.items():
            panels[0].plot([], [], "o", color=colors[kind], label=label.format(batch))
        panels[0].plot([], [], ":", color=look.muted, label=f"1/{GOAL} of Mode-2 (CEM)")
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


def _draw(axes: Axes, rows: Sequence[Row], colors: Mapping[str, str], look: Theme) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(base=10))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")
    for kind, color in colors.items():
        axes.axvline(rows[0][f"ms_{kind}"] / GOAL, color=color, linestyle=":", linewidth=1.2)
        for place, row in enumerate(rows):
            axes.plot([row[f"ms_{kind}_best"], row[f"ms_{kind}"]], [place, place], color=color, linewidth=3, alpha=0.3)
            axes.plot(row[f"ms_{kind}"], place, "o", color=color, markersize=6)
    rightmost = max(row["ms_alone"] for row in rows)
    for place, row in enumerate(rows):
        low, high = row["ci95"]
        text = f"success {row['success_rate']:.0%} [{100 * low:.0f}, {100 * high:.0f}] of {row['episodes']}"
        axes.annotate(
            text, (rightmost, place), (0, 7), textcoords="offset points", ha="right", color=look.muted, size=7
        )
    axes.margins(y=0.16)
