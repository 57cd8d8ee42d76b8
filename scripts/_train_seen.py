"""scripts/train.py diverse-maze: trains an agent that sees, from transitions recorded in some mazes, for all others."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import tyro
from tqdm import tqdm

from hjepa.config import to_dict, to_toml
from hjepa.vision.agent import VisionAgent, VisionExperiment
from hjepa.vision.train import Metrics, VisionTraining, train_vision
from scripts._cli import Flat
from scripts._machine import Device, use_device
from scripts._mazes_seen import TASK, Size, lessons
from scripts._run_folder import make_way

HELP = """Trains an agent that sees, in mazes that it will not be tried in.

python scripts/train.py diverse-maze --out runs/diverse

Data: a disc pushed by random forces in random mazes (PLDM's and HWM's protocol), recorded anew and drawn on the fly.
Every field of the experiment is a flag below."""


DEFAULTS = VisionExperiment()


@dataclass(frozen=True)
class Options:
    """What to train on, and where to put it."""

    size: Size = "large"
    """Mazes with interiors of 4 x 4 (small), 8 x 8 (large), 16 x 16 (wide) or 32 x 32 cells (vast)."""
    mazes: int = 25
    """How many."""
    rows: int = 1_000_000
    """Transitions in all of them."""
    out: Path | None = None
    """Folder of the run; runs/diverse-maze-SIZE-seedSEED by default."""
    resume: bool = False
    """Continue an interrupted run, with the same flags."""
    overwrite: bool = False
    """Replace a run that is there already."""
    device: Device = "auto"
    """Where to train; auto takes a GPU if there is one."""


def command_line(args: Sequence[str]) -> None:
    """Parses the arguments and trains."""

    def program(
        options: Flat[Options],
        experiment: Flat[VisionExperiment] = DEFAULTS,
        task: tyro.conf.Positional[Literal["diverse-maze"]] = "diverse-maze",
    ) -> None:
        main(options, experiment, shlex.join(args))

    tyro.cli(program, args=args, description=HELP)


def main(options: Options, experiment: VisionExperiment, command: str) -> None:
    """Records, trains, and writes everything into one folder."""
    begun, seed = time.perf_counter(), experiment.train.seed
    device = use_device(options.device)
    folder = options.out or Path("runs") / f"{TASK}-{options.size}-seed{seed}"
    resume = make_way(folder, options.resume, options.overwrite)
    (folder / "experiment.toml").write_text(to_toml(experiment), encoding="utf-8")
    learned = lessons(options.size, options.mazes, options.rows, seed, device)
    data = {"size": options.size, "mazes": options.mazes, "rows": learned.episodes.actions[..., 0].numel()}
    print(f"{TASK}: {data['rows']:,} rows in {options.mazes} mazes; {folder}", flush=True)
    meta: dict[str, object] = {"experiment": to_dict(experiment), "data": data}
    with _Bar(experiment.train) as bar:
        trainer = train_vision(experiment.stack, learned.episodes, experiment.train, folder, meta, resume, bar.update)
    seconds = round(time.perf_counter() - begun, 1)
    card: dict[str, Any] = {
        "command": f"python scripts/train.py {command}", "task": TASK, "data": data, "seed": seed,
        "seconds": seconds, "losses": bar.newest, "torch": torch.__version__,
    }  # fmt: skip
    VisionAgent.of(trainer, card).save(folder / "agent")
    print(f"{folder / 'agent'}: {seconds} s in all")


class _Bar:
    """How far training is, and the newest losses; lines now and then where standard error is no terminal."""

    LINES = 20

    def __init__(self, training: VisionTraining) -> None:
        self.total, self.live = training.total, sys.stderr.isatty()
        self.bar = tqdm(total=self.total, desc="training", unit="step", disable=not self.live, leave=False)
        self.newest: Metrics = {}

    def update(self, step: int, metrics: Metrics) -> None:
        """Called after every step (from 1) with its losses."""
        self.newest |= metrics
        self.bar.update(step - self.bar.n)
        every = 10 if self.live else max(1, self.total // self.LINES)
        if step % every and step != self.total:
            return
        line = " | ".join(f"{name} {value:.3f}" for name, value in metrics.items() if name.partition("/")[0] != "loss")
        if self.live:
            self.bar.set_postfix_str(line)
        else:
            print(f"step {step:>6} of {self.total} | {line}", file=sys.stderr, flush=True)

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *raised: object) -> None:
        self.bar.close()
