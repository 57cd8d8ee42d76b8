"""Configures one agent for tasks of several kinds, says why, and shows what comes of it.

python scripts/configure.py --maze giant

Every episode is configured by itself, from what the agent knows: nobody tells it which kind of task it is. The lines
below each kind are the configurator's reasons for its first episode. Times are processor times of the agent alone.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts._cli import Flat, run
from scripts._configure import Bench
from scripts._configure_row import Row
from scripts._machine import use_one_thread


@dataclass(frozen=True)
class Options:
    """What is configured, and how often."""

    maze: Literal["medium", "large", "giant"] = "large"
    """OGBench's maze; the agent shipped for it is used."""
    episodes: int = 20
    """Of each kind of task."""
    seed: int = 21
    """Of tasks, hazards, closures and planners."""


def main(options: Flat[Options]) -> None:
    """Runs every kind of task, and prints its row."""
    if options.episodes < 1:
        raise ValueError(f"--episodes must be at least 1, not {options.episodes}")
    use_one_thread()
    begun, bench = time.perf_counter(), Bench(options.maze, options.episodes, options.seed)
    print(f"{options.maze} maze, {options.episodes} tasks of each kind, one agent alone, seed {options.seed}")
    bench.run(islice(bench.plain(), 1))  # what is compiled at the first use is no thinking
    for name, episodes in bench.kinds.items():
        report(name, bench.run(episodes()))
    for name, line in bench.refused():
        print(f"\n{name}\n  refused: {line}")
    print(f"\n{time.perf_counter() - begun:.0f} s in all")


def report(name: str, row: Row) -> None:
    """Prints one kind of task: what came of it, and why it was configured as it was."""
    lines, alike = row.why
    print(f"\n{name}\n  -> {row.told()}")
    for line in lines:
        print(f"  {line}")
    print(f"  ({alike} of {len(row.success)} tasks were given these levels and modes)", flush=True)


if __name__ == "__main__":
    run(main, description=__doc__)
