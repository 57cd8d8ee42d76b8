"""Our planners beside the field's, with the same models on the same problems in one run.

A ratio is the rival's time over ours: 2 means that ours is twice as fast. It is given for the least times, which say
most on a machine that has something else to do, and for the medians.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import numba
import torch

from scripts import _benchmark_gradient, _benchmark_grid, _benchmark_latent, _benchmark_shooting, _benchmark_trees
from scripts._machine import Device, use_device
from scripts._rivals import OURS, PEERS, Case, Comparison, Row, compare, installed
from scripts._timing import machine, print_columns, write_json

Family = Literal["grid", "latent", "trees", "shooting", "gradient"]
Size = Literal["quick", "full"]

FAMILIES: dict[Family, Callable[[Size, torch.device], Iterator[Case]]] = {
    "grid": lambda size, device: _benchmark_grid.cases(size),
    "latent": _benchmark_latent.cases,
    "trees": _benchmark_trees.cases,
    "shooting": _benchmark_shooting.cases,
    "gradient": _benchmark_gradient.cases,
}
"""What is measured; a new family is one file and one line here."""


@dataclass(frozen=True)
class Options:
    """What is compared, and for how long."""

    only: tuple[Family, ...] = get_args(Family)
    """Families of planners."""
    repeats: int = 5
    """How often every rival has its turn."""
    seconds: float = 0.2
    """Length of one turn at least; a turn is at least one call."""
    threads: int | None = None
    """Cores to use, for all rivals alike; by default all."""
    device: Device = "auto"
    """Where the networks run."""
    sizes: Literal["quick", "full"] = "full"
    """Problems of the published tables, or small ones that only show that everything runs."""
    json: Path | None = None
    """File for the results."""


def benchmark(options: Options) -> None:
    """Measures, prints one table per case, and writes what was asked for.

    Raises:
        ValueError: for an option that makes no sense, or at the end, where a planner of ours failed.
    """
    _check(options)
    device = use_device(options.device)
    result: Row = {
        "options": {name: value for name, value in asdict(options).items() if name != "json"},
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "skipped": _skipped(),
        "failures": [],
        "rows": [],
    }
    with _limited_to(options.threads), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the peers have many, and none is ours to mend
        result["machine"] = machine()
        for family in options.only:
            for case in FAMILIES[family](options.sizes, device):
                print(f"{family}: {case.name} ...", file=sys.stderr, flush=True)
                comparison = compare(case, options.repeats, options.seconds, device)
                _print(case, comparison)
                result["rows"] += comparison.rows
                result["failures"] += _failures(case, comparison)
    _print_targets(result["rows"])
    write_json(options.json, result)
    ours = [failure["case"] for failure in result["failures"] if failure["rival"] == OURS]
    if ours:
        raise ValueError(f"ours failed at: {'; '.join(ours)}")


def _check(options: Options) -> None:
    if options.repeats < 1:
        raise ValueError(f"--repeats must be at least 1, not {options.repeats}")
    if not options.seconds > 0:
        raise ValueError(f"--seconds must be positive, not {options.seconds}")
    if options.threads is not None and not 1 <= options.threads <= _cores():
        raise ValueError(f"--threads must be 1 .. {_cores()}, the cores of this machine, not {options.threads}")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _limited_to(threads: int | None) -> Iterator[None]:
    """Keeps every library to so many cores: PyTorch and Numba are told, the others only see so many."""
    before, count = torch.get_num_threads(), threads or _cores()
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_setaffinity") else set()
    if cores:
        os.sched_setaffinity(0, sorted(cores)[:count])
    torch.set_num_threads(count)
    numba_before = numba.get_num_threads()
    numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))
    try:
        yield
    finally:
        numba.set_num_threads(numba_before)
        torch.set_num_threads(before)
        if cores:
            os.sched_setaffinity(0, cores)


def _skipped() -> list[str]:
    """Names the peers that are not there, and says so once for each."""
    missing = [peer for peer in PEERS if not installed(peer)]
    for peer in missing:
        how = "scripts/peers.txt says how to build it" if peer == "LightZero" else "make bench installs it"
        print(f"skipped: {peer} is not installed ({how})", file=sys.stderr, flush=True)
    return missing


def _failures(case: Case, comparison: Comparison) -> list[Row]:
    return [{"case": case.name, "rival": rival, "error": error} for rival, error in comparison.failures.items()]


def _print(case: Case, comparison: Comparison) -> None:
    print(f"\n{case.name}")
    if comparison.rows:
        heads = ("", "ms, best", "median", case.unit, "ours x, best", "median", case.answer, "target", "")
        print_columns(heads, [_cells(row) for row in comparison.rows])
    for rival, error in comparison.failures.items():
        print(f"{rival} failed: {error}", flush=True)


def _cells(row: Row) -> tuple[str, ...]:
    ratios = ("", "") if row["rival"] == OURS else (f"{row['ratio_best']:.2f}", f"{row['ratio_median']:.2f}")
    answer = "-" if row["answer"] is None else f"{row['answer']:.4g}"
    speed = f"{row['per_second_best']:,.0f}" if row["per_second_best"] >= 100 else f"{row['per_second_best']:.3g}"
    return (
        row["rival"],
        f"{row['ms_best']:.3f}",
        f"{row['ms_median']:.3f}",
        speed,
        *ratios,
        answer,
        "" if row["target"] is None else f"{row['target']}: {'met' if row['met'] else 'missed'}",
        "noisy" if row["noisy"] else "",
    )


def _print_targets(rows: list[Row]) -> None:
    aimed = [row for row in rows if row["target"] is not None]
    if aimed:
        print(f"\n{sum(row['met'] for row in aimed)} of {len(aimed)} targets met")
