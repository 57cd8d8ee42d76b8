"""Explores a maze from nothing, by curiosity and at random, and trains an agent on what curiosity found.

python scripts/explore.py

python scripts/explore.py --maze large --steps 12000

Every explorer begins in the same cell with no data and is never reset. The map serves scoring alone. Curiosity covers
the maze once it has entered every free cell; its rival is the fastest of several random explorers. The agent is then
trained on what one curious run recorded, and evaluated on random tasks.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hjepa.actor import Actor
from hjepa.agent import Agent
from hjepa.curiosity import Diary, Explorer
from hjepa.data import Trajectories
from hjepa.evaluate import random_success_rate, run_episodes
from hjepa.metrics import wilson_interval
from hjepa.stack import Stack
from hjepa.train import train
from scripts._cli import Flat, run
from scripts._coverage import HEADER, Ground, Points, Score, fastest, ratio_interval, start_world
from scripts._experiment import preset
from scripts._machine import use_one_thread
from viz.exploration import Exploration, exploration_figure
from viz.figures import save
from worlds import Map, MazeTasks, as_map


@dataclass(frozen=True)
class Options:
    """What to explore, and how long."""

    maze: str = "medium"
    """Name of a maze (medium, large, giant), or a text file with one."""
    steps: int = 5000
    """World steps that each curious run may take."""
    seeds: int = 3
    """Curious runs; their seeds are seed, seed + 1, ... The agent learns from the first one."""
    random_runs: int = 20
    """Runs of each random explorer, of random_factor times as many steps."""
    random_factor: int = 10
    """Steps of a random run in those of a curious one."""
    training: int = 1000
    """Training steps of the agent; 0 trains none."""
    levels: int = 3
    """Its levels, 2 to 4."""
    episodes: int = 100
    """Random tasks of its evaluation."""
    seed: int = 0
    """Of everything; the tasks' is seed + 500."""
    out: Path | None = None
    """Folder for results.json, exploration.png and the agent; runs/explore-MAZE by default."""


def main(options: Flat[Options]) -> None:
    """Covers the maze, compares, trains and evaluates."""
    use_one_thread()
    if min(options.steps, options.seeds, options.random_runs, options.random_factor) < 1:
        raise ValueError("--steps, --seeds, --random-runs and --random-factor must be at least 1")
    map = as_map(options.maze).require_connected()
    out = options.out or Path("runs") / f"explore-{map.name}"
    out.mkdir(parents=True, exist_ok=True)
    ground = Ground(map)
    print(f"{map.name}: {ground.cells} free cells, {ground.bins} bins of half a unit; {out}", flush=True)
    diaries = [_explore(map, options, number) for number in range(options.seeds)]
    curious = [np.stack(diary.observations) for diary in diaries]
    score = Score.of("curiosity", ground, curious)
    print(f"{HEADER}\n{score.line()}", flush=True)
    rival, random, wandered = fastest(ground, options.steps * options.random_factor, options.random_runs, options.seed)
    ratio, low, high = ratio_interval(score, random, options.seed)
    print(f"curiosity needs {ratio:.0%} [{low:.0%}, {high:.0%}] of the steps of the fastest random explorer")
    runs = [("curiosity", curious), (f"random: {rival.name}", list(wandered[:, : options.steps + 1]))]
    save(exploration_figure(map, [_exploration(name, ground, seen) for name, seen in runs]), out / "exploration.png")
    results: dict[str, Any] = {"map": map.name, "curiosity": asdict(score), "random": asdict(random), "ratio": ratio}
    if options.training:
        agent = _train(diaries[0].trajectories(), options, out)
        results["agent"] = _evaluate(agent, map, options)
        agent.save(out / "agent")
    (out / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def _explore(map: Map, options: Options, number: int) -> Diary:
    """One curious run."""
    world, first = start_world(map, 1, options.seed + number)

    def step(action: Points) -> Points:
        return world.step(torch.from_numpy(action[None]))[0].numpy()[0]

    begun = time.perf_counter()
    explorer = Explorer(step, first[0], actions=2, seed=options.seed + number)
    diary = explorer.run(options.steps)
    doing = ", ".join(f"{count} {what}" for what, count in Counter(diary.doing).items())
    seconds = time.perf_counter() - begun
    print(f"  run {number}: {len(diary)} steps ({doing}), {len(diary.rounds)} models, {seconds:.0f} s", flush=True)
    return diary


def _exploration(name: str, ground: Ground, runs: list[Points]) -> Exploration:
    """For the picture: all runs' shares of the cells, and where the first one has been."""
    shares = np.stack([ground.cell_shares(seen) for seen in runs])
    caption = f"{name.partition(':')[0]}, run 0, {len(runs[0]) - 1:,} steps"
    return Exploration(name, shares, ground.visits(runs[0]), caption)


def _train(trajectories: Trajectories, options: Options, out: Path) -> Agent:
    """An agent trained on what one curious run recorded."""
    base, begun = preset(options.levels), time.perf_counter()
    experiment = replace(base, train=replace(base.train, seed=options.seed, steps=options.training))
    torch.manual_seed(options.seed)
    stack = Stack(experiment.stack)
    card = {"rows": len(trajectories), "data": "curiosity", "seed": options.seed, "steps": options.training}
    memory = train(stack, trajectories, experiment.train, out, {"rows": len(trajectories)})
    agent = Agent.remember(stack, memory, experiment, card)
    print(f"agent: trained on {len(trajectories):,} rows in {time.perf_counter() - begun:.0f} s", flush=True)
    return agent


def _evaluate(agent: Agent, map: Map, options: Options) -> dict[str, Any]:
    """How often the agent, and random actions, reach random goals."""
    tasks = MazeTasks(map, options.episodes, seed=options.seed + 500)
    outcome, _ = run_episodes(Actor(agent, seed=options.seed), tasks)
    successes = int(outcome.success.sum())
    low, high = wilson_interval(successes, options.episodes)
    chance = random_success_rate(tasks, options.seed)
    print(
        f"it reaches {successes} of {options.episodes} random goals, {successes / options.episodes:.1%} "
        f"[{low:.1%}, {high:.1%}], in {outcome.steps[outcome.success].mean():.0f} steps "
        f"(oracle {tasks.oracle_steps()[outcome.success].mean():.0f}); random actions reach {chance:.1%}"
    )
    return {"successes": successes, "episodes": options.episodes, "ci95": (low, high), "random": chance}


if __name__ == "__main__":
    run(main, description=__doc__)
