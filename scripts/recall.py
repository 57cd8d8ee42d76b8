"""Does remembering ways save thinking? An agent does tasks, does them again, and does others between the same cells.

python scripts/recall.py --maze giant

Each task is done by one agent alone. "Search" expands nodes above level 1: landmarks, or, for A* over predicted states,
predictions. What memory holds at the end was learned in the second row; it is saved with the agent.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hjepa.actor import Actor
from hjepa.agent import Agent
from hjepa.evaluate import Outcome, run_episodes
from hjepa.metrics import wilson_interval
from hjepa.planning import LevelPlanner
from hjepa.pretrained import pretrained
from hjepa.ways import Ways
from scripts._cli import Flat, run
from scripts._machine import use_one_thread
from worlds import MazeTasks, named_map
from worlds.places import place_near

SEARCHES: dict[LevelPlanner, str] = {"landmarks": "A* over landmarks", "supported": "A* over predicted states"}


@dataclass(frozen=True)
class Options:
    """What is done, and how often."""

    maze: Literal["medium", "large", "giant"] = "medium"
    """OGBench's maze; the agent shipped for it is used."""
    tasks: int = 40
    """Random ones, at least four cells long."""
    levels: int = 2
    """That plan; the top one recalls."""
    seed: int = 31
    """Of tasks and planners. Nothing was tuned on the default one."""


def main(options: Flat[Options]) -> None:
    """Prints a table for each kind of search."""
    if options.tasks < 1 or options.levels < 2:
        raise ValueError(f"--tasks must be at least 1 and --levels 2, not {options.tasks} and {options.levels}")
    use_one_thread()
    agent = Agent.load(pretrained(f"ogbench/pointmaze-{options.maze}-navigate"))
    print(f"{options.maze} maze, {options.tasks} tasks, {options.levels} levels, seed {options.seed}")
    for planner, name in SEARCHES.items():
        ways = Ways(agent.stack)
        print(f"\n{name:28} {'success [95 %]':>22} {'steps':>7} {'nodes':>9} {'first decision, ms':>19} {'ms/step':>8}")
        rows = {"no memory": None, "remembers": ways, "the same tasks again": ways, "others, the same cells": ways}
        for number, (row, memory) in enumerate(rows.items()):
            actor = Actor(agent, options.levels, ("cem", planner), options.seed, ways=memory)
            print(
                f"  {row:26} {told([attempt(actor, task) for task in drawn(options, moved=number == 3)])}", flush=True
            )
        print(f"  {len(ways)} ways, {len(ways.memory)} places in memory")


def drawn(options: Options, moved: bool) -> Iterator[MazeTasks]:
    """One episode at a time; moved, from and to other places in the same cells."""
    map, generator = named_map(options.maze), np.random.default_rng(options.seed)
    tasks = MazeTasks(map, options.tasks, options.seed, min_distance=4)
    for number in range(options.tasks):
        one = MazeTasks(map, 1, options.seed, int(tasks.limits[number]))
        for places, known in ((one.starts, tasks.starts), (one.goals, tasks.goals)):
            cell = map.cell_of(known[number])
            places[0] = place_near(map, cell, generator) if moved else known[number]
        yield one


def attempt(actor: Actor, task: MazeTasks) -> Outcome:
    """One episode, remembered if the actor remembers."""
    outcome, _ = run_episodes(actor, task)
    actor.end()
    return outcome


def told(outcomes: list[Outcome]) -> str:
    """One row of the table."""
    success, steps = (np.array([getattr(one, name)[0] for one in outcomes]) for name in ("success", "steps"))
    low, high = wilson_interval(int(success.sum()), len(success))
    nodes = np.mean([sum(count for k, count in one.expanded.items() if k > 1) for one in outcomes])
    first = 1000 * np.median([one.seconds[0] for one in outcomes])
    every = 1000 * np.sum([sum(one.seconds) for one in outcomes]) / steps.sum()
    rate = f"{success.mean():.1%} [{low:.1%}, {high:.1%}]"
    return f"{rate:>22} {steps.mean():7.1f} {nodes:9.1f} {first:19.2f} {every:8.3f}"


if __name__ == "__main__":
    run(main, description=__doc__)
