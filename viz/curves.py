"""Result curves: how success and search effort grow with the maze, and how training went."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from viz.backdrop import FigureError
from viz.theme import Theme, get_theme

EFFORTS = {
    "nodes_expanded_per_goal": "nodes expanded per new goal",
    "predictor_calls_per_goal": "predictor calls per new goal",
    "ms_per_goal": "ms per new goal",
    "ms_per_decision": "ms per decision",
}


def scaling_figure(
    rows: Sequence[Mapping[str, Any]],
    efforts: Sequence[str] = ("nodes_expanded_per_goal", "ms_per_goal"),
    theme: str | Theme = "paper",
) -> Figure:
    """Success and search effort against the maze's side, one line per number of levels.

    Args:
        rows: one per size and number of levels, with ``size`` (cells a side), ``levels``, ``success_rate`` (0..1),
            optionally ``ci95`` ((low, high), 0..1), and the efforts; an effort that is missing or None is skipped.
        efforts: which of ``EFFORTS`` to draw, one panel each, on logarithmic axes.
        theme: ``paper``, ``dark`` or a :class:`Theme`.

    Raises:
        FigureError: if there is no row, a row lacks a key, or an effort is unknown.
    """
    look = get_theme(theme)
    _check_rows(rows, efforts)
    with matplotlib.rc_context(look.rc()):
        fig = Figure(figsize=(9.0, 3.2))
        axes = fig.subplots(1, 1 + len(efforts), squeeze=False)[0]
        for levels in sorted({int(row["levels"]) for row in rows}):
            chosen = sorted((row for row in rows if int(row["levels"]) == levels), key=lambda row: float(row["size"]))
            _draw_success(axes[0], chosen, levels, look)
            for ax, effort in zip(axes[1:], efforts, strict=True):
                _draw_effort(ax, chosen, effort, levels, look)
        for ax, title in zip(axes, ["success, %", *(EFFORTS[effort] for effort in efforts)], strict=True):
            _finish_scaling(ax, title, sorted({float(row["size"]) for row in rows}))
        _write_legend(fig, axes[0], look)
    return fig


def training_figure(path: str | Path, theme: str | Theme = "paper") -> Figure:
    """How training went, from its CSV log: one panel of losses, one of effective ranks, one of the rest.

    The first column that is named ``step`` (or ``epoch``) is the horizontal axis. Columns are grouped by name:
    those with ``loss`` go on a logarithmic axis, those with ``rank`` on their own, and the collapse diagnostics
    (``std``, ``probe``) on a third. Other columns are not drawn.

    Raises:
        FigureError: if the file isn't a table with such columns.
    """
    look, table = get_theme(theme), _read_csv(Path(path))
    axis = next((name for name in ("step", "epoch") if name in table), None)
    groups = {title: names for title, words in _GROUPS.items() if (names := _matching(table, words))}
    if axis is None or not groups:
        raise FigureError(f"{Path(path).name}: expected columns 'step' and losses or ranks, found {', '.join(table)}")
    with matplotlib.rc_context(look.rc()):
        fig = Figure(figsize=(9.0, 3.3))
        axes = fig.subplots(1, len(groups), squeeze=False)[0]
        for ax, (title, names) in zip(axes, groups.items(), strict=True):
            _draw_group(ax, title, table[axis], {name: table[name] for name in names}, look)
            ax.set_xlabel(axis)
        fig.tight_layout(w_pad=2.0)
    return fig


_GROUPS = {"loss": ("loss",), "effective rank": ("rank",), "collapse diagnostics": ("std", "probe")}


def _check_rows(rows: Sequence[Mapping[str, Any]], efforts: Sequence[str]) -> None:
    if not rows:
        raise FigureError("rows: expected at least one result, got none")
    for effort in efforts:
        if effort not in EFFORTS:
            raise FigureError(f"efforts: expected some of {', '.join(EFFORTS)}, not {effort!r}")
    for index, row in enumerate(rows):
        missing = [key for key in ("size", "levels", "success_rate") if row.get(key) is None]
        if missing:
            raise FigureError(f"rows[{index}]: expected a value for {', '.join(missing)}, found none")
        if not 0 <= float(row["success_rate"]) <= 1:
            raise FigureError(f"rows[{index}].success_rate: expected a fraction in 0..1, not {row['success_rate']}")


def _label(levels: int) -> str:
    return "flat (1 level)" if levels == 1 else f"{levels} levels"


def _draw_success(ax: Axes, rows: Sequence[Mapping[str, Any]], levels: int, theme: Theme) -> None:
    style = theme.level(levels)
    sizes = [float(row["size"]) for row in rows]
    rates = np.array([100 * float(row["success_rate"]) for row in rows])
    intervals = np.array([row.get("ci95") or (np.nan, np.nan) for row in rows], dtype=float) * 100
    if np.isfinite(intervals).any():
        ax.fill_between(sizes, intervals[:, 0], intervals[:, 1], color=style.color, alpha=0.13, lw=0)
    ax.plot(sizes, rates, color=style.color, marker=style.marker, ms=6.5, lw=1.8, mec=theme.halo, label=_label(levels))


def _draw_effort(ax: Axes, rows: Sequence[Mapping[str, Any]], effort: str, levels: int, theme: Theme) -> None:
    style = theme.level(levels)
    known = [(float(row["size"]), float(row[effort])) for row in rows if row.get(effort)]
    if known:
        ax.plot(*zip(*known, strict=True), color=style.color, marker=style.marker, ms=6.5, lw=1.8, mec=theme.halo)
        ax.set_yscale("log")


def _finish_scaling(ax: Axes, title: str, sizes: Sequence[float]) -> None:
    ax.set_xscale("log", base=2)
    ax.set_xticks(sizes)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:g}"))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("maze side, cells")
    ax.set_title(title, loc="left")
    if title.startswith("success"):
        ax.set_ylim(-4, 104)
    elif ax.get_yscale() == "log":
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        ax.yaxis.set_minor_locator(NullLocator())


def _write_legend(fig: Figure, ax: Axes, theme: Theme) -> None:
    handles, labels = ax.get_legend_handles_labels()
    fig.legend(
        handles, labels, loc="upper left", bbox_to_anchor=(0.01, 1.0), ncols=len(labels), frameon=False,
        fontsize=9, labelcolor=theme.ink, columnspacing=1.6,
    )  # fmt: skip
    fig.tight_layout(rect=(0, 0, 1, 0.9), w_pad=2.0)


def _read_csv(path: Path) -> dict[str, np.ndarray]:
    """Columns of numbers by name; cells that aren't numbers are NaN, columns without any number are dropped."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise FigureError(f"{path.name}: expected a readable CSV file ({error})") from error
    columns = {name: np.array([_number(row.get(name)) for row in rows]) for name in (rows[0] if rows else {}) if name}
    return {name: values for name, values in columns.items() if np.isfinite(values).any()}


def _number(text: Any) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        return float("nan")


def _matching(table: Mapping[str, np.ndarray], words: Sequence[str]) -> list[str]:
    return [name for name in table if any(word in name.lower() for word in words)]


def _draw_group(ax: Axes, title: str, x: np.ndarray, columns: Mapping[str, np.ndarray], theme: Theme) -> None:
    """One line per column, smoothed, on its raw values drawn faintly."""
    for index, (name, values) in enumerate(columns.items()):
        color, dash = theme.hues[index % len(theme.hues)], ("-", "--", ":")[index // len(theme.hues) % 3]
        known = np.isfinite(values)
        ax.plot(x[known], values[known], color=color, alpha=0.2, lw=0.8)
        ax.plot(x[known], _smoothed(values[known]), color=color, ls=dash, lw=1.6, label=name.replace("_", " "))
    if title == "loss" and all(np.nanmin(values) > 0 for values in columns.values()):
        ax.set_yscale("log")
    ax.set_title(title, loc="left")
    ax.legend(frameon=False, fontsize=7.5, ncols=1 + len(columns) // 7, labelcolor=theme.ink)


def _smoothed(values: np.ndarray, share: float = 0.04) -> np.ndarray:
    """Centred running mean over a share of the curve, without shrinking at the ends."""
    reach = int(share * len(values)) // 2
    total = np.cumsum(np.concatenate([[0.0], values]))
    index = np.arange(len(values))
    low, high = np.maximum(index - reach, 0), np.minimum(index + reach + 1, len(values))
    return np.asarray((total[high] - total[low]) / (high - low))
