"""Results of ``scripts/ablate.py``: cells pooled into rows, the tables, and panels of the figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hjepa.metrics import wilson_interval
from scripts._ablate_rows import TITLES, Row, Study
from scripts._ablate_trials import Cell
from scripts._timing import print_columns
from viz.ablations import Panel

Measured = dict[str, Any]
SUMMED = ("successes", "episodes", "steps", "world_steps", "top_calls", "top_plans", "calls_above", "calls", "seconds")
LEARNED = ("place_error", "deviation", "rank", "walls")


def measured(row: Row, cells: Sequence[Cell]) -> Measured:
    """One row of a study: its success by distance, and what all of its cells together took."""
    total = _sum(cells)
    found: Measured = {
        "name": row.name,
        "group": row.group,
        "success": [_success(cells, distance) for distance in dict.fromkeys(tuple(cell["distance"]) for cell in cells)],
        "mean_steps": total["steps"] / total["successes"] if total["successes"] else None,
        "calls_per_plan": total["top_calls"] / total["top_plans"] if total["top_plans"] else None,
        "plans_per_episode": total["top_plans"] / total["episodes"],
        "calls_above_per_step": total["calls_above"] / total["world_steps"],
        "calls_per_step": total["calls"] / total["world_steps"],
        "ms_per_step": 1000 * total["seconds"] / total["world_steps"],
    }
    return found | {name: sum(cell[name] for cell in cells) / len(cells) for name in LEARNED if name in cells[0]}


def _success(cells: Sequence[Cell], distance: tuple[int, int]) -> Measured:
    """At one range of distances: over all episodes, with a 95 % interval, and by training seed."""
    here = [cell for cell in cells if tuple(cell["distance"]) == distance]
    total = _sum(here)
    seeds = dict.fromkeys(cell["training_seed"] for cell in here)
    single = [_sum([cell for cell in here if cell["training_seed"] == seed]) for seed in seeds]
    return {
        "distance": distance,
        "successes": total["successes"],
        "episodes": total["episodes"],
        "rate": total["successes"] / total["episodes"],
        "ci95": wilson_interval(total["successes"], total["episodes"]),
        "by_seed": [one["successes"] / one["episodes"] for one in single],
    }


def _sum(cells: Sequence[Cell]) -> Measured:
    return {name: sum(cell[name] for cell in cells) for name in SUMMED}


def panel(study: Study, rows: Sequence[Measured]) -> Panel:
    """A study as the figure shows it."""
    if study in ("planners", "levels"):
        return Panel(TITLES[study], rows, "calls_above_per_step", "predictions a step", log=True)
    return Panel(TITLES[study], rows, "rank", "effective rank")


def print_study(study: Study, rows: Sequence[Measured]) -> None:
    """Prints one line per row."""
    learned = study != "planners"
    ranges = [f"{low} to {high} cells apart" for low, high in (one["distance"] for one in rows[0]["success"])]
    own = ["place error", "deviation", "rank", "walls"] if learned else ["plans"]
    heads = ["", *ranges, "steps", *own, "calls/plan", "calls/step", "ms/step"]
    print_columns(heads, [_cells(row, learned) for row in rows])


def _cells(row: Measured, learned: bool) -> list[str]:
    shown = [
        f"{one['successes']}/{one['episodes']} [{one['ci95'][0]:.0%}, {one['ci95'][1]:.0%}]" for one in row["success"]
    ]
    steps = "-" if row["mean_steps"] is None else f"{row['mean_steps']:.0f}"
    calls = "-" if row["calls_per_plan"] is None else f"{row['calls_per_plan']:,.0f}"
    own = [f"{row['plans_per_episode']:.1f}"]
    if learned:
        own = [f"{row[name]:.{1 if name == 'rank' else 2}f}" for name in LEARNED]
    return [row["name"], *shown, steps, *own, calls, f"{row['calls_per_step']:,.0f}", f"{row['ms_per_step']:.1f}"]
