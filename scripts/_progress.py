"""The progress bar of a training run, with its live losses."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import TracebackType

from tqdm import tqdm

from hjepa.train import Metrics, TrainConfig


def newest_metrics(folder: Path) -> Metrics:
    """The newest value of everything in a run's ``metrics.jsonl``; not every row holds every level."""
    newest: Metrics = {}
    for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        newest |= {name: value for name, value in json.loads(line).items() if value is not None}
    return newest


class TrainingBar:
    """Shows how far training is, each level's prediction loss and effective rank, and the time of a step.

    Where standard error is no terminal, it prints a line now and then instead.

    Args:
        folder: of the run, whose metrics hold the ranks.
        config: of the run.
    """

    LINES = 10

    def __init__(self, folder: Path, config: TrainConfig) -> None:
        self.folder, self.config = folder, config
        self.live = sys.stderr.isatty()
        self.bar = tqdm(total=config.steps, desc="training", unit="step", disable=not self.live, leave=False)
        self.first: tuple[int, float] | None = None

    def update(self, step: int, metrics: Metrics) -> None:
        """Called after every step (from 1) with its losses."""
        now = time.perf_counter()
        self.first = self.first or (step, now)
        self.bar.update(step - self.bar.n)
        every = self.config.log_every if self.live else max(1, self.config.steps // self.LINES)
        if step % every and step != self.config.steps:
            return
        milliseconds = 1000 * (now - self.first[1]) / max(1, step - self.first[0])
        line = f"{_by_level('prediction', metrics)} | {_by_level('rank', newest_metrics(self.folder))}"
        line += f" | {milliseconds:.1f} ms/step"
        if self.live:
            self.bar.set_postfix_str(line)
        else:
            print(f"step {step:>6} of {self.config.steps} | {line}", file=sys.stderr, flush=True)

    def __enter__(self) -> TrainingBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()


def _by_level(kind: str, metrics: Metrics) -> str:
    values = [f"{value:.3g}" for name, value in sorted(metrics.items()) if name.startswith(f"{kind}/")]
    return f"{kind} {' '.join(values)}"
