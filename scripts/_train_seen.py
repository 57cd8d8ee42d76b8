"""scripts/train.py for worlds that are seen in pictures: trains an agent that sees, from recorded transitions."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from hjepa.config import to_dict, to_toml
from hjepa.vision.agent import VisionAgent, VisionExperiment
from hjepa.vision.train import Metrics, VisionTraining, train_vision
from scripts._machine import Device, use_device
from scripts._run_folder import make_way
from scripts._seen import Data, SeenWorld
from scripts._seen_flags import parse
from scripts._seen_worlds import seen_world


@dataclass(frozen=True)
class Options:
    """Where to put what is learned, and where to learn it."""

    out: Path | None = None
    """Folder of the run; runs/NAME-seedSEED by default."""
    resume: bool = False
    """Continue an interrupted run, with the same flags."""
    overwrite: bool = False
    """Replace a run that is there already."""
    device: Device = "auto"
    """Where to train; auto takes a GPU if there is one."""


def command_line(args: Sequence[str]) -> None:
    """Parses the arguments, which name the world, and trains."""
    world = seen_world(args)
    assert world is not None
    parts = {"options": Options(), "data": world.data}
    found = parse(world.name, world.training, parts, {"experiment": world.experiment}, args)
    main(world, found.options, found.data, found.experiment, shlex.join(args))


def main(world: SeenWorld, options: Options, data: Data, experiment: VisionExperiment, command: str) -> None:
    """Records, trains, and writes everything into one folder."""
    begun, seed = time.perf_counter(), experiment.train.seed
    device = use_device(options.device)
    folder = options.out or Path("runs") / f"{data.label}-seed{seed}"
    resume = make_way(folder, options.resume, options.overwrite)
    (folder / "experiment.toml").write_text(to_toml(experiment), encoding="utf-8")
    episodes = data.episodes(seed, device)
    facts = to_dict(data) | {"rows": episodes.actions[..., 0].numel()}
    print(f"{data.label}: {facts['rows']:,} rows; {folder}", flush=True)
    meta: dict[str, object] = {"experiment": to_dict(experiment), "data": facts}
    with _Bar(experiment.train) as bar:
        trainer = train_vision(experiment.stack, episodes, experiment.train, folder, meta, resume, bar.update)
    seconds = round(time.perf_counter() - begun, 1)
    card: dict[str, Any] = {
        "command": f"python scripts/train.py {command}", "task": world.name, "data": facts, "seed": seed,
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
