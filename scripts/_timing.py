"""Timing on machines that have something else to do: rivals take turns, and minimum and median are reported."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numba
import torch

Name = TypeVar("Name")
Result = TypeVar("Result")

NOISY = 2.0
"""A measurement whose median time is over this many times its minimum is not to be trusted."""


@dataclass(frozen=True)
class Timing:
    """How long one thing took, again and again.

    Attributes:
        seconds: per unit of work (a world step, a decision), one value for each repetition.
    """

    seconds: tuple[float, ...]

    @property
    def best(self) -> float:
        """The least seconds per unit of work: what else the machine did only ever adds to them."""
        return min(self.seconds)

    @property
    def median(self) -> float:
        """The median of the seconds per unit of work."""
        return statistics.median(self.seconds)

    @property
    def noisy(self) -> bool:
        """Whether the machine was too busy for the numbers to mean anything."""
        return self.median > NOISY * self.best


def take_turns(rivals: Mapping[Name, Callable[[], Result]], repeats: int) -> dict[Name, list[Result]]:
    """Calls every rival in turn, ``repeats`` times, so that whatever slows the machine down slows all alike.

    Raises:
        ValueError: for fewer than one repetition.
    """
    if repeats < 1:
        raise ValueError(f"--repeats must be at least 1, not {repeats}")
    results: dict[Name, list[Result]] = {name: [] for name in rivals}
    for _ in range(repeats):
        for name, measure in rivals.items():
            results[name].append(measure())
    return results


def seconds_per_call(call: Callable[[], Any], seconds: float, warm_up: bool = True) -> float:
    """Calls a function for at least so many seconds, after one call that doesn't count; returns seconds per call."""
    if warm_up:
        call()
    calls, begun = 0, time.perf_counter()
    while True:
        call()
        calls += 1
        passed = time.perf_counter() - begun
        if passed >= seconds:
            return passed / calls


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    return {
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "torch_threads": torch.get_num_threads(),
        "numba": numba.__version__,
        "numba_threads": numba.config.NUMBA_NUM_THREADS,
        "python": platform.python_version(),
    }


def print_columns(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table, its first column to the left and all others to the right."""
    table = [list(heads), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(heads))]
    for row in table:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        print("  ".join(cells).rstrip(), flush=True)


def write_json(path: Path | None, result: Mapping[str, Any]) -> None:
    """Writes the result, where a file is wanted."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result, indent=2, allow_nan=False) + "\n", encoding="utf-8")
