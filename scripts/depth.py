"""Does depth pay? Trains one four-level agent per maze size, and plans with one to four of its levels.

Mazes are generated, physics and data protocol are OGBench's (navigate), rows grow with the maze. Every agent is
evaluated on random tasks in its own maze. Search effort is counted per new goal (the first decision, before the agent
moves) and per episode (all replanning included).

Example: ``python scripts/depth.py --sizes 16 32 64 128 --episodes 100 --out runs/depth``
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hjepa.actor import Actor
from hjepa.agent import Agent
from hjepa.data import Trajectories
from hjepa.evaluate import Naming, report, run_episodes
from hjepa.stack import Stack
from hjepa.train import train
from scripts._cli import Flat, run
from scripts._experiment import preset
from scripts._machine import use_one_thread
from viz.figures import save, scaling_figure
from worlds import MazeTasks, collect, generate_maze


@dataclass(frozen=True)
class Options:
    """What to measure.

    Attributes:
        sizes: cells a side.
        levels: numbers of levels to plan with.
        episodes: random tasks per size.
        maze_seed: of the generated mazes.
        seed: of data, training and tasks.
        steps: training steps.
        rows_per_cell: recorded rows per free cell.
        least_rows: rows recorded in a maze of few cells.
        remembered_per_cell: observations kept as memory per free cell.
        out: folder for ``depth.jsonl`` (results so far are kept and not repeated) and ``depth.png``.
    """

    sizes: tuple[int, ...] = (16, 32, 64, 128)
    levels: tuple[int, ...] = (1, 2, 3, 4)
    episodes: int = 100
    maze_seed: int = 0
    seed: int = 0
    steps: int = 2000
    rows_per_cell: int = 5000
    least_rows: int = 500_000
    remembered_per_cell: int = 500
    out: Path = Path("runs/depth")


def train_agent(size: int, options: Options) -> Agent:
    """Collects data in one generated maze and trains a four-level agent on it."""
    began = time.perf_counter()
    maze = generate_maze(size, size, seed=options.maze_seed)
    cells = len(maze.free_cells())
    rows = max(options.least_rows, options.rows_per_cell * cells)
    data = collect(maze, "navigate", rows, seed=options.seed)
    trajectories = Trajectories.from_arrays(
        torch.as_tensor(data.observations), torch.as_tensor(data.actions), torch.as_tensor(data.terminals)
    )
    base = preset(4)
    memory = max(base.train.memory, options.remembered_per_cell * cells)
    experiment = replace(base, train=replace(base.train, seed=options.seed, steps=options.steps, memory=memory))
    torch.manual_seed(options.seed)
    stack = Stack(experiment.stack)
    remembered = train(stack, trajectories, experiment.train, options.out / f"train{size}", {"size": size})
    agent = Agent.remember(stack, remembered, experiment, {"task": f"generated {size} x {size}", "rows": rows})
    agent.card["seconds"] = round(time.perf_counter() - began, 1)
    return agent


def measure(agent: Agent, size: int, levels: int, options: Options) -> dict[str, Any]:
    """One row of the table: one number of levels in one maze."""
    maze = generate_maze(size, size, seed=options.maze_seed)
    tasks = MazeTasks(maze, options.episodes, seed=options.seed + 1000)
    run_episodes(Actor(agent, levels), MazeTasks(maze, 1, seed=options.seed + 1, time_limit=8))  # compiles
    actor = Actor(agent, levels, seed=options.seed)
    outcome, _ = run_episodes(actor, tasks)
    alone = [run_episodes(Actor(agent, levels), MazeTasks(maze, 1, seed=s, time_limit=400))[0] for s in range(5)]
    naming = Naming(f"generated mazes {size} x {size}", "random tasks, 40 steps a cell", "four-level stack")
    found = report(naming, actor, tasks, outcome, alone, 0.0, options.seed)
    first_ms = 1000 * sum(one.seconds[0] for one in alone) / len(alone)
    decisions = outcome.steps.sum() / actor.config.commit
    return {
        "size": size,
        "levels": levels,
        "episodes": options.episodes,
        "free_cells": len(maze.free_cells()),
        "success_rate": found.success_rate,
        "ci95": found.ci95,
        "mean_steps": found.mean_steps_overall,
        "oracle_steps": found.oracle_steps_overall,
        "nodes_expanded_per_goal": sum(found.nodes_expanded_per_goal.values()),
        "nodes_expanded_per_episode": sum(found.nodes_expanded_per_episode.values()),
        "nodes_by_level_per_goal": found.nodes_expanded_per_goal,
        "predictor_calls_per_goal": outcome.first.get(1, 0) * actor.config.horizon / options.episodes,
        "predictor_calls_per_decision": float(outcome.calls / decisions),
        "ms_per_goal": first_ms,
        "ms_per_decision": actor.config.commit * found.ms_per_step,
        "landmarks": {str(k): len(graph.states) for k, graph in agent.graphs.items() if k <= levels},
        "train_seconds": agent.card["seconds"],
    }


def main(options: Flat[Options]) -> None:
    """Does depth pay? Success and search effort against maze size, for one to four levels of the same agents."""
    use_one_thread()
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "options.json").write_text(json.dumps(asdict(options), default=str, indent=1))
    log = options.out / "depth.jsonl"
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    done = {(row["size"], row["levels"]) for row in rows}
    for size in options.sizes:
        missing = [levels for levels in options.levels if (size, levels) not in done]
        if not missing:
            continue
        agent = train_agent(size, options)
        print(f"{size} cells a side: trained in {agent.card['seconds']} s, {agent.verified}", flush=True)
        for levels in missing:
            rows.append(measure(agent, size, levels, options))
            with log.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
            print(_line(rows[-1]), flush=True)
    save(scaling_figure(rows), options.out / "depth.png")


def _line(row: dict[str, Any]) -> str:
    low, high = row["ci95"]
    return (
        f"{row['size']:4d} cells, {row['levels']} levels: success {row['success_rate']:6.1%} [{low:.1%}, {high:.1%}]"
        f"  steps {row['mean_steps']:6.0f} (oracle {row['oracle_steps']:.0f})"
        f"  nodes per new goal {row['nodes_expanded_per_goal']:8.1f},"
        f" per episode {row['nodes_expanded_per_episode']:8.1f}"
        f"  ms per new goal {row['ms_per_goal']:6.2f}, per decision {row['ms_per_decision']:5.2f}"
    )


if __name__ == "__main__":
    run(main)
