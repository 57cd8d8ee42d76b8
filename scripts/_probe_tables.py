"""The tables of ``scripts/evaluate.py probe``: what can be read from every latent, and how many dimensions it uses."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor

from hjepa.vision.diagnostics import rank_of
from hjepa.vision.probes import (
    Reader,
    Sample,
    Score,
    balanced,
    balanced_accuracy,
    cells_of,
    fit_linear,
    fit_small,
    r_squared,
    root_mean_square,
)
from scripts._probe_data import Sight

Fit = Callable[[Sample], Reader]
Table = dict[str, dict[str, Any]]
FRAMES = 400
"""Whose cells are read one by one."""
CELLS = 20_000
"""That a probe of cells is fitted to."""


def ranks(sight: Sight) -> Table:
    """The effective rank of every latent (of a map: of its cells), and its dimensions."""
    found = {name: rank_of(latent) for name, latent in sight.latents.named.items()}
    return {name: {"rank": rank, "dimensions": size} for name, (rank, size) in found.items()}


def places(fit: Sight, test: Sight, steps: int) -> Table:
    """Where the agent is, from every latent."""
    return _regressions(fit, test, lambda sight: sight.places, list(fit.latents.named), steps)


def velocities(fit: Sight, test: Sight, steps: int) -> Table:
    """How it moves, from the states; a map is of one frame, which does not show it."""
    states = [name for name, latent in fit.latents.named.items() if latent.dim() == 2]
    return _regressions(fit, test, lambda sight: sight.velocities, states, steps)


def _regressions(fit: Sight, test: Sight, truth: Callable[[Sight], Tensor], names: list[str], steps: int) -> Table:
    table: Table = {}
    for name in names:
        known = Sample(fit.latents.named[name], truth(fit), fit.groups)
        asked = Sample(test.latents.named[name], truth(test), test.groups)
        linear, small = fit_linear(known)(asked.inputs), fit_small(known, steps=steps)(asked.inputs)
        table[name] = {
            "linear": r_squared(linear, asked.wanted, asked.groups),
            "small": r_squared(small, asked.wanted, asked.groups),
            "linear RMSE": root_mean_square((linear - asked.wanted).norm(dim=1), asked.groups),
            "small RMSE": root_mean_square((small - asked.wanted).norm(dim=1), asked.groups),
        }
    return table


def walls(fit: Sight, test: Sight, steps: int) -> Table:
    """Which cells of the picture are wall, from every map."""
    return _cells(fit, test, fit.walls, test.walls, steps)


def distractors(fit: Sight, test: Sight, steps: int) -> Table:
    """In which cells of the picture a distractor stands, from every map."""
    if fit.others is None or test.others is None:
        return {}
    return _cells(fit, test, fit.others, test.others, steps)


def _cells(fit: Sight, test: Sight, known: Tensor, asked: Tensor, steps: int) -> Table:
    """Each cell of a map is read by itself (linear) or with its eight neighbours (small)."""
    table: Table = {}
    kinds: tuple[tuple[str, int, Fit], ...] = (("linear", 0, fit_linear), ("small", 1, partial(fit_small, steps=steps)))
    for name, latent in fit.latents.named.items():
        if latent.dim() == 4:
            table[name] = {
                kind: _cell_score(fit, test, name, known, asked, around, fitted) for kind, around, fitted in kinds
            }
    return table


def _cell_score(
    fit: Sight,
    test: Sight,
    name: str,
    known: Tensor,
    asked: Tensor,
    around: int,
    fitted: Fit,
) -> Score:
    lessons = cells_of(fit.latents.named[name][:FRAMES], known[:FRAMES], fit.groups[:FRAMES], around)
    trials = cells_of(test.latents.named[name][:FRAMES], asked[:FRAMES], test.groups[:FRAMES], around)
    readings = fitted(balanced(lessons, CELLS))(trials.inputs)
    return balanced_accuracy(readings, trials.wanted, trials.groups)


def print_table(title: str, table: Table) -> None:
    """A line for every latent."""
    columns, width = list(next(iter(table.values()))), max(18, *(len(name) for name in table))
    print(f"\n{title}")
    print(" " * width + "".join(f"{column:>24}" for column in columns))
    for name, row in table.items():
        print(f"{name:<{width}}" + "".join(f"{_shown(row[column]):>24}" for column in columns), flush=True)


def _shown(value: object) -> str:
    if isinstance(value, Score):
        return f"{value.value:.3f} [{value.low:.3f}, {value.high:.3f}]"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
