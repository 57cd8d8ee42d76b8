"""Trains an agent from recorded transitions: a stack of levels, the landmarks that it remembers, and its policy.

python scripts/train.py ogbench/pointmaze-giant-navigate --out runs/giant

python scripts/train.py point-maze --map my-maze.txt --out runs/mine

python scripts/train.py diverse-maze (or two-rooms, four-rooms: from pictures; --help after it lists its own flags)

Every field of the experiment is a flag below; flags go over --config, and --config over the preset of --levels.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hjepa.agent import Agent, Experiment
from hjepa.config import to_dict, to_toml
from hjepa.stack import Stack
from hjepa.train import Metrics, train
from scripts._cli import Flat, run
from scripts._experiment import base_experiment
from scripts._machine import Device, use_device
from scripts._progress import TrainingBar, newest_metrics
from scripts._run_folder import make_way
from scripts._seen_worlds import seen_world
from scripts._tasks import DEFAULT_TASK, Maze, Recording, Task, TaskName, make_task, record
from scripts._train_seen import command_line as train_seen
from viz.figures import save, training_figure

COLLAPSED = 0.1  # of a component's standard deviation: healthy ones are near 1


@dataclass(frozen=True)
class Options:
    """What to train on, and where to put it."""

    data: Path | None = None
    """Recorded data (an OGBench .npz file, or Minari's layout); recorded anew by default."""
    rows: int | None = None
    """Rows to record at least; by default 1,000,000, and for point-maze 10,000 per free cell."""
    out: Path | None = None
    """Folder of the run; runs/TASK-seedSEED by default."""
    levels: int | None = None
    """2 to 4 levels with strides 1, 10, 60 and 300; 3 by default."""
    seed: int | None = None
    """Of the data, the initial weights and the order of samples: sets --train.seed."""
    config: Path | None = None
    """TOML file with an experiment, such as the experiment.toml of another run."""
    resume: bool = False
    """Continue an interrupted run, with the same flags."""
    overwrite: bool = False
    """Replace a run that is there already."""
    device: Device = "auto"
    """Where to train; auto takes a GPU if there is one."""


def command_line(args: Sequence[str]) -> None:
    """Parses the arguments: --config and --levels first, for they decide what the other flags are and start from."""
    base = base_experiment(args)

    def program(
        maze: Flat[Maze],
        options: Flat[Options],
        experiment: Flat[Experiment] = base,
        task: TaskName = DEFAULT_TASK,
    ) -> None:
        main(make_task(task, maze), options, experiment, shlex.join(args))

    tyro.cli(program, args=args, description=__doc__)


def main(task: Task, options: Options, experiment: Experiment, command: str) -> None:
    """Records or reads data, trains, remembers landmarks, distils a policy, and writes everything into one folder."""
    begun = time.perf_counter()
    device = use_device(options.device)
    folder = options.out or Path("runs") / f"{task.label}-seed{experiment.train.seed}"
    resume = make_way(folder, options.resume, options.overwrite)
    (folder / "experiment.toml").write_text(to_toml(experiment), encoding="utf-8")
    data = record(task, options.data, options.rows, experiment.train.seed)
    print(f"{task.name}: {len(data.trajectories):,} rows in {data.seconds:.1f} s; {folder}", flush=True)
    card = _card(task, data, experiment, command)
    stack = _fresh_stack(experiment, data).to(device)
    meta = {"experiment": to_dict(experiment), "data": card["data"]}
    with TrainingBar(folder, experiment.train) as bar:
        memory = train(stack, data.trajectories, experiment.train, folder, meta, resume, bar.update)
    trained = time.perf_counter()
    agent = Agent.remember(stack, memory, experiment, card)
    remembered = time.perf_counter()
    agent = agent.distilled()
    done = time.perf_counter()
    spent = {"data": data.seconds, "training": trained - begun - data.seconds, "landmarks": remembered - trained}
    spent["policy"] = done - remembered
    card["seconds"] = {name: round(seconds, 1) for name, seconds in (spent | {"total": done - begun}).items()}
    if resume:
        card["resumed"] = "the seconds of training are those since the run was resumed"
    _finish(agent, folder)


def _card(task: Task, data: Recording, experiment: Experiment, command: str) -> dict[str, Any]:
    """What the agent says about itself; how long it took and how it went come later."""
    return {
        "command": f"python scripts/train.py {command}",
        "task": task.name,
        "map": {"name": task.map.name, "version": task.map.version},
        "data": data.card,
        "seed": experiment.train.seed,
        "steps": experiment.train.steps,
        "torch": torch.__version__,
    }


def _fresh_stack(experiment: Experiment, data: Recording) -> Stack:
    """A stack with the initial weights of the experiment's seed, checked against the data."""
    rows, shape = data.trajectories, experiment.stack
    for name, found, expected in (
        ("observation", rows.observations.shape[1], shape.observation_dim),
        ("action", rows.actions.shape[1], shape.action_dim),
    ):
        if found != expected:
            raise ValueError(f"{rows.source}: {name}s have {found} components; stack.{name}_dim is {expected}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(experiment.train.seed)
        return Stack(experiment.stack)


def _finish(agent: Agent, folder: Path) -> None:
    """Saves the agent and the picture of its training, and says how it went."""
    metrics = newest_metrics(folder)
    kinds = ("prediction", "rank", "std_min", "probe_r2")
    agent.card["diagnostics"] = {name: value for name, value in metrics.items() if name.split("/")[0] in kinds}
    agent.card["landmarks"] = {str(k): len(graph.states) for k, graph in agent.graphs.items()}
    agent.save(folder / "agent")
    save(training_figure(folder / "metrics.csv"), folder / "training.png")
    for k in range(1, len(agent.stack) + 1):
        print(_summary(agent, k, metrics))
    seconds = agent.card["seconds"]
    parts = ", ".join(f"{name} {seconds[name]} s" for name in ("data", "training", "landmarks", "policy"))
    print(f"{folder / 'agent'}: {seconds['total']} s in all ({parts})")


def _summary(agent: Agent, k: int, metrics: Metrics) -> str:
    """One line on level ``k``: how well it predicts, whether it has collapsed, and what it remembers."""
    level = agent.stack.config.levels[k - 1]
    line = f"level {k}: stride {level.stride}, prediction error {metrics[f'prediction/{k}']:.2%}"
    line += f", rank {metrics[f'rank/{k}']:.1f} of {level.state_dim}, least std {metrics[f'std_min/{k}']:.2f}"
    line += f", probe R2 {metrics[f'probe_r2/{k}']:.3f}"
    if k in agent.graphs:
        edges = agent.verified[k]
        line += f"; {len(agent.graphs[k].states)} landmarks, {edges.accepted} of {edges.proposed} edges verified"
    return line + (" - COLLAPSED" if metrics[f"std_min/{k}"] < COLLAPSED else "")


def start(args: Sequence[str]) -> None:
    """Runs the script with its command line's arguments."""
    debug = [word for word in args if word == "--debug"]
    rest = [word for word in args if word != "--debug"]
    run(lambda: (train_seen if seen_world(rest) else command_line)(rest), debug)


if __name__ == "__main__":
    start(sys.argv[1:])
