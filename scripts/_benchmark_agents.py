"""What planning costs: one agent alone, and many in a batch, by number of levels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hjepa.actor import Actor
from hjepa.agent import Agent
from hjepa.evaluate import run_episodes
from hjepa.pretrained import pretrained
from scripts._tasks import agent_folder
from scripts._timing import Timing, machine, print_columns, take_turns, write_json
from worlds import MazeTasks, as_map

Row = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """Who plans, and where."""

    agent: Path | None = None
    """Folder of a run or an agent; by default the one shipped for the giant maze."""
    map: str = "giant"
    """The map that the agent was trained on: one of OGBench's, or a text file."""
    levels: tuple[int, ...] = (1, 2, 3)
    """Numbers of levels to plan with."""
    batch: int = 64
    """Agents side by side."""
    episodes: int = 5
    """Episodes of the agent alone, in each turn."""
    steps: int = 400
    """World steps of an episode at most."""
    repeats: int = 3
    """How often every number of levels has its turn."""
    seed: int = 0
    """Of starts, goals and planners."""
    json: Path | None = None
    """File for the results."""


@dataclass(frozen=True)
class Turn:
    """One measurement.

    Attributes:
        alone: [S] seconds of planning at each world step of an agent alone.
        batched: seconds of planning per world step and agent, of many in one batch.
        success: share of the batch's episodes that succeeded in time.
    """

    alone: np.ndarray
    batched: float
    success: float


def benchmark(options: Options) -> None:
    """Measures, prints a table, and writes what was asked for."""
    folder = pretrained("ogbench/pointmaze-giant-navigate") if options.agent is None else agent_folder(options.agent)
    for name in ("batch", "episodes", "steps"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name} must be at least 1, not {getattr(options, name)}")
    agent = Agent.load(folder)
    for levels in options.levels:
        Actor(agent, levels)  # complains about a number of levels that the agent hasn't got
        measure(agent, levels, options, episodes=1, steps=8)  # compiles what plans; not counted
    turns = {levels: partial(measure, agent, levels, options) for levels in options.levels}
    rows = [_row(levels, found) for levels, found in take_turns(turns, options.repeats).items()]
    _print(rows, options)
    write_json(options.json, {"map": options.map, "batch": options.batch, "machine": machine(), "agents": rows})


def measure(agent: Agent, levels: int, options: Options, episodes: int | None = None, steps: int | None = None) -> Turn:
    """Plans some episodes alone, and a batch of others."""
    map, seed = as_map(options.map), options.seed
    episodes, steps = episodes or options.episodes, steps or options.steps
    alone = [
        run_episodes(Actor(agent, levels, seed=seed), MazeTasks(map, 1, seed=seed + 1 + number, time_limit=steps))[0]
        for number in range(episodes)
    ]
    tasks = MazeTasks(map, options.batch, seed=seed, time_limit=steps)
    outcome, _ = run_episodes(Actor(agent, levels, seed=seed), tasks)
    return Turn(
        np.concatenate([np.array(one.seconds) for one in alone]),
        sum(outcome.seconds) / int(outcome.steps.sum()),
        float(outcome.success.mean()),
    )


def _row(levels: int, turns: list[Turn]) -> Row:
    """``ms_*``: milliseconds per world step; best and median are over turns."""
    figures = {
        "ms_alone": Timing(tuple(1000 * float(turn.alone.mean()) for turn in turns)),
        "ms_alone_p99": Timing(tuple(1000 * float(np.percentile(turn.alone, 99)) for turn in turns)),
        "ms_batched": Timing(tuple(1000 * turn.batched for turn in turns)),
    }
    row: Row = {"levels": levels, "success_rate": turns[0].success}
    row["ms_alone_largest"] = 1000 * max(float(turn.alone.max()) for turn in turns)
    for name, timing in figures.items():
        row |= {name: timing.median, f"{name}_best": timing.best}
    return row | {"noisy": any(timing.noisy for timing in figures.values())}


def _print(rows: list[Row], options: Options) -> None:
    print(f"ms of planning per world step on {options.map}: best / median of {options.repeats} turns")
    heads = ("levels", "alone, mean", "alone, p99", "largest", f"batch of {options.batch}", "")
    print_columns(heads, [_cells(row) for row in rows])


def _cells(row: Row) -> tuple[str, ...]:
    alone, p99, batched = (
        f"{row[f'{name}_best']:.3f} / {row[name]:.3f}" for name in ("ms_alone", "ms_alone_p99", "ms_batched")
    )
    noisy = "noisy" if row["noisy"] else ""
    return (str(row["levels"]), alone, p99, f"{row['ms_alone_largest']:.1f}", batched, noisy)
