"""Curiosity against random exploration, from nothing; then an agent trained on what curiosity found.

python scripts/explore.py

python scripts/explore.py --maze large --steps 8000 --random-steps 100000

Every explorer begins in the same cell with no data and is never reset. The map serves scoring alone. Curiosity covers
the maze once it has entered every free cell; its rival is the fastest of several random explorers, chosen on the runs
that it is measured by. The first curious runs then go on practising, and agents trained on what they recorded, and for
comparison on as many steps of the rival's, are evaluated on random tasks.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hjepa.actor import Actor
from hjepa.agent import Agent
from hjepa.curiosity import Explorer
from hjepa.data import Trajectories
from hjepa.evaluate import random_success_rate, run_episodes
from hjepa.metrics import wilson_interval
from hjepa.stack import Stack
from hjepa.train import train
from scripts._cli import Flat, run
from scripts._coverage import HEADER, Ground, Points, Score, fastest, ratio_interval, start_alone
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
    steps: int = 4000
    """World steps within which each curious run should cover it."""
    seeds: int = 10
    """Curious runs; their seeds are seed, seed + 1, ..."""
    random_steps: int = 40_000
    """World steps of each random run."""
    random_runs: int = 20
    """Runs of each random explorer."""
    agents: int = 1
    """Agents that are trained, on the first so many curious runs; 0 trains none."""
    practice: int = 20_000
    """World steps, those of exploration included, that an agent learns from."""
    training: int = 1000
    """Training steps of an agent."""
    levels: int = 3
    """Its levels, 2 to 4."""
    episodes: int = 100
    """Random tasks of its evaluation."""
    seed: int = 100
    """Of everything; the tasks' is 500 more than the run's."""
    out: Path | None = None
    """Folder for results.json, exploration.png and the agents; runs/explore-MAZE by default."""

    def __post_init__(self) -> None:
        if min(self.steps, self.seeds, self.random_steps, self.random_runs, self.episodes) < 1:
            raise ValueError("--steps, --seeds, --random-steps, --random-runs and --episodes must be at least 1")
        if not 0 <= self.agents <= self.seeds:
            raise ValueError(f"--agents: expected 0 to --seeds ({self.seeds}), got {self.agents}")
        if self.agents and self.practice > self.random_steps:
            raise ValueError(f"--practice: at most --random-steps ({self.random_steps:,}), got {self.practice:,}")


def main(options: Flat[Options]) -> None:
    """Covers the maze, compares, trains and evaluates."""
    use_one_thread()
    map = as_map(options.maze).require_connected()
    out = options.out or Path("runs") / f"explore-{map.name}"
    out.mkdir(parents=True, exist_ok=True)
    ground = Ground(map)
    print(f"{map.name}: {ground.cells} free cells, {ground.bins} bins of half a unit; {out}\n{HEADER}", flush=True)
    seeds = range(options.seed, options.seed + options.seeds)
    explorers = [Explorer(*start_alone(map, seed), actions=2, seed=seed) for seed in seeds]
    curious = [np.stack(explorer.run(options.steps).observations) for explorer in explorers]
    score = Score.of("curiosity", ground, curious)
    print(score.line(options.seed), flush=True)
    rival, walk = fastest(ground, options.random_steps, options.random_runs, options.seed)
    ratio, low, high = ratio_interval(score, rival, options.seed)
    print(f"curiosity needs {ratio:.0%} [{low:.0%}, {high:.0%}] of the steps of the fastest random explorer")
    _picture(ground, [("curiosity", curious), (rival.name, list(walk.seen))], out)
    results: dict[str, Any] = {"map": map.name, "curiosity": asdict(score), "random": asdict(rival)}
    results |= {"ratio": ratio, "ratio_ci95": (low, high), "agents": []}
    for number, explorer in enumerate(explorers[: options.agents]):
        diary = explorer.run(options.practice - len(explorer.diary))
        rows = {
            "curiosity": diary.trajectories(),
            "random": walk.trajectories(number % options.random_runs, options.practice),
        }
        for name, recorded in rows.items():
            results["agents"].append(_agent(name, recorded, map, options, number, out))
    (out / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def _picture(ground: Ground, runs: list[tuple[str, list[Points]]], out: Path) -> None:
    """All runs' shares of the cells, and where typical ones were until the typical curious one had covered the maze."""
    shares = [np.stack([ground.cell_shares(seen) for seen in walks]) for _, walks in runs]
    typical = [int((one < 1).sum(1).argsort()[len(one) // 2]) for one in shares]
    end = int((shares[0][typical[0]] < 1).sum())
    firsts = [ground.first_seen(walks[run][: end + 1]) for (_, walks), run in zip(runs, typical, strict=True)]
    named = [Exploration(name, one, first) for (name, _), one, first in zip(runs, shares, firsts, strict=True)]
    save(exploration_figure(ground.map, named), out / "exploration.png")


def _agent(name: str, recorded: Trajectories, map: Map, options: Options, number: int, out: Path) -> dict[str, Any]:
    """Trains an agent on what was recorded, and tells how often it reaches random goals."""
    base, begun, seed = preset(options.levels), time.perf_counter(), options.seed + number
    experiment = replace(base, train=replace(base.train, seed=seed, steps=options.training))
    torch.manual_seed(seed)
    stack, folder = Stack(experiment.stack), out / f"agent-{name}-{seed}"
    card = {"rows": len(recorded), "data": name, "seed": seed, "steps": options.training}
    memory = train(stack, recorded, experiment.train, folder, {"rows": len(recorded)})
    agent = Agent.remember(stack, memory, experiment, card)
    seconds = time.perf_counter() - begun
    agent.save(folder)
    tasks = MazeTasks(map, options.episodes, seed=seed + 500)
    outcome, _ = run_episodes(Actor(agent, seed=seed), tasks)
    successes = int(outcome.success.sum())
    low, high = wilson_interval(successes, options.episodes)
    print(
        f"trained on {len(recorded):,} rows of {name}, seed {seed}, in {seconds:.0f} s: reaches {successes} of "
        f"{options.episodes} random goals, {successes / options.episodes:.1%} [{low:.1%}, {high:.1%}]; "
        f"random actions reach {random_success_rate(tasks, seed):.1%}",
        flush=True,
    )
    return card | {"successes": successes, "episodes": options.episodes, "ci95": (low, high)}


if __name__ == "__main__":
    run(main, description=__doc__)
