"""scripts/evaluate.py diverse-maze: an agent that sees, in mazes that it has never seen."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tyro

from hjepa.evaluate import Outcome
from hjepa.metrics import wilson_interval
from hjepa.pretrained import pretrained
from hjepa.vision.actor import VisionActor
from hjepa.vision.agent import VisionAgent
from hjepa.vision.planning import VisionPlanning
from scripts._cli import Flat
from scripts._machine import use_device
from scripts._mazes_seen import TASK, SeenTasks, Size, held_out, lessons_layouts
from scripts._tasks import agent_folder
from worlds import DiverseMazeTasks, maze_raster
from worlds.force import D4RL

HELP = """Evaluates an agent that sees in mazes that it has never seen.

python scripts/evaluate.py diverse-maze --agent runs/diverse --levels 2

Start: where recorded walks have been; goal: a random cell so many cells away on the shortest path. Success: ever within
half a cell."""
DEFAULTS = VisionPlanning()
SPLITS = ((5, 8), (9, 12), (13, 16))


@dataclass(frozen=True)
class Options:
    """Who is evaluated, and where."""

    agent: Path | None = None
    """Folder of a run or an agent; the shipped one by default."""
    levels: int | None = None
    """Levels that plan, from the finest; all of them by default."""
    size: Size = "large"
    """Of the mazes."""
    mazes: int = 20
    """How many, none of them among those learned from."""
    distances: tuple[tuple[int, int], ...] = SPLITS
    """Least and largest cells between start and goal, for every row of the table."""
    episodes: int = 200
    """Per row."""
    time_limit: int = 500
    """World steps of an episode."""
    batch: int = 50
    """Episodes side by side."""
    seed: int = 1000
    """Of mazes, starts, goals and planners. Nothing was tuned on the default one."""
    json: Path | None = None
    """File for the results."""


def command_line(args: Sequence[str]) -> None:
    """Parses the arguments and evaluates."""

    def program(
        options: Flat[Options],
        planning: VisionPlanning = DEFAULTS,
        task: tyro.conf.Positional[Literal["diverse-maze"]] = "diverse-maze",
    ) -> None:
        main(options, planning)

    tyro.cli(program, args=args, description=HELP)


def main(options: Options, planning: VisionPlanning) -> None:
    """Runs every row, prints it, and writes what was asked for."""
    if options.episodes < 1 or options.batch < 1:
        raise ValueError(f"--episodes and --batch must be at least 1, not {options.episodes} and {options.batch}")
    use_device("cpu")
    agent = VisionAgent.load(pretrained(TASK) if options.agent is None else agent_folder(options.agent))
    levels = len(agent.stack) if options.levels is None else options.levels
    print(
        f"{TASK}, {options.size}: {options.mazes} mazes not learned from, {levels} levels, seed {options.seed}; success"
    )
    print(f"within half a cell, ever, in {options.time_limit} steps")
    print(f"{'cells apart':>12} {'success':>24} {'steps':>7} {'oracle':>7} {'ms/step':>8} {'predictions/step':>17}")
    rows = [_row(agent, distance, levels, planning, options) for distance in options.distances]
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        protocol = {"task": TASK, "size": options.size, "mazes": options.mazes, "levels": levels, "seed": options.seed}
        options.json.write_text(json.dumps(protocol | {"rows": rows}, indent=2) + "\n", encoding="utf-8")


def _row(
    agent: VisionAgent, distance: tuple[int, int], levels: int, planning: VisionPlanning, options: Options
) -> dict[str, Any]:
    """One range of distances."""
    mazes = held_out(options.size, options.mazes, options.seed, lessons_layouts(agent.card))
    raster, outcomes, oracle = maze_raster(mazes), [], []
    for first in range(0, options.episodes, options.batch):
        count = min(options.batch, options.episodes - first)
        tasks = DiverseMazeTasks(mazes, count, distance, options.seed, options.time_limit, D4RL, first)
        seen = SeenTasks(tasks, raster)
        outcomes.append(look_and_act(VisionActor(agent, levels, planning, options.seed), seen))
        oracle.append(seen.oracle_steps())
    success = np.concatenate([outcome.success for outcome in outcomes])
    steps = np.concatenate([outcome.steps for outcome in outcomes])
    low, high = wilson_interval(int(success.sum()), len(success))
    row = {
        "distance": distance,
        "episodes": len(success),
        "success_rate": float(success.mean()),
        "ci95": (low, high),
        "mean_steps": float(steps[success].mean()) if success.any() else None,
        "oracle_steps": float(np.concatenate(oracle).mean()),
        "ms_per_step_batched": 1000 * sum(sum(outcome.seconds) for outcome in outcomes) / float(steps.sum()),
        "predictions_per_step": sum(outcome.calls for outcome in outcomes) / float(steps.sum()),
        "nodes_per_episode": {
            k: sum(outcome.expanded.get(k, 0) for outcome in outcomes) / len(success) for k in range(2, levels + 1)
        },
    }
    shown = f"{success.sum()}/{len(success)} [{low:.1%}, {high:.1%}]"
    walked = "-" if row["mean_steps"] is None else f"{row['mean_steps']:.1f}"
    print(
        f"{distance[0]:>8}..{distance[1]:<2} {shown:>24} {walked:>7} {row['oracle_steps']:>7.1f} "
        f"{row['ms_per_step_batched']:>8.2f} {row['predictions_per_step']:>17,.0f}", flush=True,
    )  # fmt: skip
    return row


def look_and_act(actor: VisionActor, tasks: SeenTasks) -> Outcome:
    """Runs a batch of episodes to their ends; no frame is kept."""
    frames, goals = tasks.reset()
    actor.begin(goals)
    active, steps, seconds = tasks.active(), np.zeros(tasks.num_envs, np.int64), []
    first: dict[int, int] = {}
    success = np.zeros(tasks.num_envs, bool)
    while active.any():
        now = time.perf_counter()
        actions = actor.act(frames, active)
        seconds.append(time.perf_counter() - now)
        assert actor.session is not None
        first = first or dict(actor.session.spent.expanded)
        frames, success = tasks.step(actions)
        steps += active
        active = tasks.active()
    assert actor.session is not None
    spent = actor.session.spent
    return Outcome(success, steps, seconds, first, dict(spent.expanded), sum(spent.calls.values()))
