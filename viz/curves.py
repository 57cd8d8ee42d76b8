"""Result curves: how success and search effort grow with the maze, and how training went."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

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
        _write_legend(fig, axes, look)
    return fig


def training_figure(path: str | Path, theme: str | Theme = "paper") -> Figure:
    """How training went, from its CSV log: one panel per quantity, one line per level in the level's colour.

    Columns are named ``kind/level`` (``prediction/2``, ``rank/3``), or hold ``loss`` in their name; ``step`` is the
    horizontal axis, and other columns are not drawn. Losses go on logarithmic axes; effective ranks, standard
    deviations and probes, which tell a collapse, come last.

    Raises:
        FigureError: if the file isn't a table with such columns.
    """
    look, table = get_theme(theme), _read_csv(Path(path))
    kinds = _kinds(table)
    if "step" not in table or not kinds:
        found = ", ".join(table) or "no numbers"
        raise FigureError(f"{Path(path).name}: expected columns 'step' and 'loss' or 'kind/level', found {found}")
    with matplotlib.rc_context(look.rc()):
        columns = min(len(kinds), 4)
        rows = -(-len(kinds) // columns)
        fig = Figure(figsize=(9.0, 0.5 + 2.1 * rows))
        axes = list(fig.subplots(rows, columns, squeeze=False).flat)
        for ax, (kind, lines) in zip(axes, kinds.items(), strict=False):
            _draw_kind(ax, kind, table["step"], lines, look)
        for ax in axes[len(kinds) :]:
            ax.set_axis_off()
        _write_legend(fig, axes, look)
    return fig


DIAGNOSTICS = {"rank": "effective rank", "std": "smallest standard deviation", "probe": "probe, R²"}


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


def _draw_success(ax: Axes, rows: Sequence[Mapping[str, Any]], levels: int, theme: Theme) -> None:
    style = theme.level(levels)
    sizes = [float(row["size"]) for row in rows]
    rates = np.array([100 * float(row["success_rate"]) for row in rows])
    intervals = np.array([row.get("ci95") or (np.nan, np.nan) for row in rows], dtype=float) * 100
    if np.isfinite(intervals).any():
        ax.fill_between(sizes, intervals[:, 0], intervals[:, 1], color=style.color, alpha=0.13, lw=0)
    width = max(1.2, 3.4 - 0.5 * levels)  # narrower on top: lines that coincide stay visible
    label = "flat (1 level)" if levels == 1 else f"{levels} levels"
    ax.plot(sizes, rates, color=style.color, marker=style.marker, ms=6.5, lw=width, mec=theme.halo, label=label)


def _draw_effort(ax: Axes, rows: Sequence[Mapping[str, Any]], effort: str, levels: int, theme: Theme) -> None:
    style = theme.level(levels)
    known = [(float(row["size"]), float(row[effort])) for row in rows if row.get(effort)]
    if known:
        ax.plot(*zip(*known, strict=True), color=style.color, marker=style.marker, ms=6.5, lw=1.8, mec=theme.halo)
        _plain_log(ax)


def _plain_log(ax: Axes) -> None:
    """A logarithmic vertical axis with plain numbers; 2 and 5 are labelled too where the range is small."""
    ax.set_yscale("log")
    low, high = ax.dataLim.intervaly
    subs = (1.0, 2.0, 5.0) if high < 50 * low else (1.0,)
    ax.yaxis.set_major_locator(LogLocator(subs=subs))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    ax.yaxis.set_minor_locator(NullLocator())


def _finish_scaling(ax: Axes, title: str, sizes: Sequence[float]) -> None:
    ax.set_xscale("log", base=2)
    ax.set_xticks(sizes)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:g}"))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("maze side, cells")
    ax.set_title(title, loc="left")
    if title.startswith("success"):
        ax.set_ylim(-4, 104)


def _write_legend(fig: Figure, axes: Sequence[Axes], theme: Theme) -> None:
    """One legend above all panels."""
    entries: dict[str, Artist] = {}
    for ax in axes:
        handles, labels = ax.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    fig.legend(
        list(entries.values()), list(entries), loc="upper left", bbox_to_anchor=(0.01, 1.0), ncols=len(entries),
        frameon=False, fontsize=9, labelcolor=theme.ink, columnspacing=1.6,
    )  # fmt: skip
    fig.tight_layout(rect=(0, 0, 1, 1 - 0.32 / fig.get_figheight()), w_pad=2.0)


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


def _kinds(table: Mapping[str, np.ndarray]) -> dict[str, dict[int, np.ndarray]]:
    """Columns by kind and level (0 where a column is of no level), diagnostics last."""
    kinds: dict[str, dict[int, np.ndarray]] = {}
    for name, values in table.items():
        kind, _, level = name.rpartition("/")
        if kind and level.isdigit():
            kinds.setdefault(kind, {})[int(level)] = values
        elif "loss" in name:
            kinds.setdefault(name, {})[0] = values
    return dict(sorted(kinds.items(), key=lambda item: _diagnostic(item[0]) is not None))


def _diagnostic(kind: str) -> str | None:
    return next((title for word, title in DIAGNOSTICS.items() if kind.startswith(word)), None)


def _draw_kind(ax: Axes, kind: str, x: np.ndarray, lines: Mapping[int, np.ndarray], theme: Theme) -> None:
    """One line per level, smoothed, on its raw values drawn faintly."""
    diagnostic = _diagnostic(kind)
    for level, values in sorted(lines.items(), reverse=True):
        color = theme.level(level).color if level else theme.ink
        known = np.isfinite(values)
        drawn = values[known] if diagnostic else _smoothed(values[known])
        ax.plot(x[known], values[known], color=color, alpha=0.22, lw=0.8)
        ax.plot(x[known], drawn, color=color, lw=1.6, label=f"level {level}" if level else "all levels")
    if diagnostic is None and all(np.nanmin(values) > 0 for values in lines.values()):
        _plain_log(ax)
    ax.set_title(diagnostic or kind.replace("_", " "), loc="left")
    ax.set_xlabel("step")


def _smoothed(values: np.ndarray, share: float = 0.04) -> np.ndarray:
    """Centred running mean over a share of the curve, without shrinking at the ends."""
    reach = int(share * len(values)) // 2
    total = np.cumsum(np.concatenate([[0.0], values]))
    index = np.arange(len(values))
    low, high = np.maximum(index - reach, 0), np.minimum(index + reach + 1, len(values))
    return np.asarray((total[high] - total[low]) / (high - low))
