"""Measures speed, each claim against its rival in the same run; rivals take turns, so that a busy machine slows all.

python scripts/benchmark.py worlds --seed 0 --json out/worlds.json

python scripts/benchmark.py agents --agent runs/giant --json out/agents.json

python scripts/benchmark.py planners --only grid trees --json out/planners.json

A row marked noisy has a median over twice its minimum: the machine had something else to do, so measure again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts import _benchmark_agents, _benchmark_images, _benchmark_planners, _benchmark_viewer, _benchmark_worlds
from scripts._cli import Flat, run
from scripts._machine import use_one_thread


def worlds(options: Flat[_benchmark_worlds.Options]) -> None:
    """Our batched point maze against the official OGBench environment: steps/s, and how far one step may differ."""
    use_one_thread()
    _benchmark_worlds.benchmark(options)


def agents(options: Flat[_benchmark_agents.Options]) -> None:
    """Milliseconds of planning per world step, alone and in a batch, by number of levels."""
    use_one_thread()
    _benchmark_agents.benchmark(options)


def planners(options: Flat[_benchmark_planners.Options]) -> None:
    """Our planners beside the field's libraries, in one run; `make bench` installs them and runs it."""
    _benchmark_planners.benchmark(options)


def viewer(options: Flat[_benchmark_viewer.Options]) -> None:
    """The viewer's frames, its answers to input, leaps in a long recording, and how soon its window is there."""
    use_one_thread()
    _benchmark_viewer.benchmark(options)


def images(options: Flat[_benchmark_images.Options]) -> None:
    """Frames drawn per second, beside a small network that is trained on them."""
    use_one_thread()
    _benchmark_images.benchmark(options)


BENCHMARKS: dict[str, Callable[..., None]] = {
    "worlds": worlds,
    "agents": agents,
    "planners": planners,
    "viewer": viewer,
    "images": images,
}
"""Subcommands; a new benchmark is one file and one line here."""


def start(args: Sequence[str]) -> None:
    """Runs the script with its command line's arguments."""
    run(BENCHMARKS, args, description=__doc__)


if __name__ == "__main__":
    start(sys.argv[1:])
