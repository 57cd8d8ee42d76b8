"""Training a stack from recorded transitions: the loop, its schedule, and runs that resume bit for bit."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from hjepa.checkpoint import flatten_optimizer, load_run, restore_optimizer, save_checkpoint
from hjepa.data import Trajectories, WindowSampler
from hjepa.events import EventConfig, cut, find_events
from hjepa.latent_fit import fit_jumps
from hjepa.macro_action import fit_probes, fit_support
from hjepa.metrics import MetricsWriter, collapse_report, linear_probe
from hjepa.objective import Batch, CriticObjective, Losses, critic_loss, level_losses
from hjepa.regularizer import REGULARIZERS
from hjepa.stack import Stack

Metrics = dict[str, float]
Progress = Callable[[int, Metrics], None]


@dataclass(frozen=True)
class TrainConfig:
    """How a stack is trained.

    Attributes:
        seed: of initial weights, sampling order and codebooks.
        steps: gradient steps in all.
        batch: windows per step.
        pairs: pairs of states per step, for the critics.
        learning_rate: at the start; it falls to zero along a cosine.
        weight_decay: of AdamW.
        schedule: ``joint`` trains all levels end to end; ``level-by-level`` one after the other, the levels below
            fixed.
        critic: how the temporal distance is fitted.
        events: what becomes of transitions that nobody could foresee.
        memory: observations kept as long-term memory, from which landmarks are chosen.
        log_every: steps between two rows of the metrics.
        save_every: steps between two checkpoints.
        tensorboard: also write TensorBoard events.
    """

    seed: int = 0
    steps: int = 2000
    batch: int = 256
    pairs: int = 512
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    schedule: Literal["joint", "level-by-level"] = "joint"
    critic: CriticObjective = CriticObjective()
    events: EventConfig = EventConfig()
    memory: int = 400_000
    log_every: int = 50
    save_every: int = 1000
    tensorboard: bool = False

    def learning_rate_at(self, step: int, levels: int = 1) -> float:
        """The learning rate of one step (from 0); in level-by-level training every level has its own cosine."""
        phases = levels if self.schedule == "level-by-level" else 1
        return 0.5 * self.learning_rate * (1 + math.cos(math.pi * (step * phases % self.steps) / self.steps))


class Trainer:
    """One training run: a stack, its optimiser, and the data. Every step is a function of (seed, step) alone.

    Args:
        stack: fresh or restored; changed in place.
        trajectories: recorded transitions.
        config: how to train.
        events: [n] rows from which nobody could foresee the next one: no level sees a window or a pair across them.
    """

    def __init__(
        self, stack: Stack, trajectories: Trajectories, config: TrainConfig, events: Tensor | None = None
    ) -> None:
        self.stack, self.config = stack, config
        self.device = stack.scale.device
        self.target = copy.deepcopy(stack).requires_grad_(False)
        self.sampler = WindowSampler(trajectories, stack.config.window, config.batch, config.seed, self.device)
        self.level_samplers: list[WindowSampler] = []
        if events is not None and len(events):
            trajectories = cut(trajectories, events)
            self.sampler, self.level_samplers = self._samplers(trajectories)
        self.longest_gap = trajectories.longest - 1
        fused = self.device.type in ("cpu", "cuda")
        self.optimizer = torch.optim.AdamW(
            stack.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=fused
        )
        self.step = 0

    def batch(self, step: int) -> Batch:
        """The recorded transitions of one step."""
        windows = self.sampler.batch(step)
        horizons = [min(level.critic_horizon, self.longest_gap) for level in self.stack.config.levels]
        pairs = [self.sampler.sample_pairs(step, self.config.pairs, horizon) for horizon in horizons]
        return Batch(windows.observations, windows.actions, pairs)

    def level_batch(self, batch: Batch, k: int, step: int) -> Batch:
        """What level ``k`` sees of a step; where there are events, windows of its own, as long as it needs them.

        Windows that are long enough for all levels would end, not begin, near an event: level 1 would never see it.
        """
        if not self.level_samplers:
            return batch
        windows = self.level_samplers[k - 1].batch(step)
        return replace(batch, observations=windows.observations, actions=windows.actions)

    def losses(self, batch: Batch, step: int) -> Losses:
        """All losses of one step, weighted, named ``kind/level``."""
        generator = torch.Generator().manual_seed(self.config.seed * 1_000_003 + step)
        named = {}
        for k in self._levels_in_training(step):
            fixed = self.config.schedule == "level-by-level"
            seen = self.level_batch(batch, k, step)
            for name, loss in level_losses(self.stack, self.target, k, seen, fixed, generator).items():
                named[f"{name}/{k}"] = loss
            named[f"critic/{k}"] = critic_loss(self.stack, k, batch.pairs[k - 1], self.config.critic)
        return named

    def update(self) -> Metrics:
        """One gradient step; returns its losses."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate_at(self.step, len(self.stack))
        losses = self.losses(self.batch(self.step), self.step)
        total = torch.stack(list(losses.values())).sum()
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        self.optimizer.step()
        self._move_targets()
        self.step += 1
        return {"loss": float(total.detach())} | {name: float(loss.detach()) for name, loss in losses.items()}

    @torch.no_grad()
    def diagnose(self, observations: Tensor) -> Metrics:
        """Whether the levels have collapsed: rank, spread, and how well position can be read from each.

        Prediction losses cannot tell: a collapsed level predicts perfectly.
        """
        metrics: Metrics = {}
        for k, states in enumerate(self.stack.encode_all(observations), start=1):
            report = collapse_report(states)
            metrics |= {f"{name}/{k}": report[name] for name in ("rank", "std_min")}
            metrics[f"probe_r2/{k}"] = linear_probe(states, observations)
        return metrics

    def save(self, folder: Path, meta: dict[str, object]) -> None:
        """Writes everything that a resumed run needs."""
        tensors = {
            "stack": self.stack.state_dict(),
            "target": self.target.state_dict(),
            "optimizer": flatten_optimizer(self.optimizer),
        }
        save_checkpoint(folder, tensors, meta | {"step": self.step})

    def restore(self, folder: Path, meta: dict[str, object]) -> None:
        """Continues from :meth:`save`.

        Raises:
            CheckpointError: where there is no checkpoint, or one of another experiment.
        """
        tensors, saved = load_run(folder, meta)
        self.stack.load_state_dict(tensors["stack"])
        self.target.load_state_dict(tensors["target"])
        restore_optimizer(self.optimizer, tensors["optimizer"])
        self.step = int(saved["step"])

    def _samplers(self, trajectories: Trajectories) -> tuple[WindowSampler, list[WindowSampler]]:
        """Of windows for all levels, and for each level."""
        spans = [level.stride * level.rollout for level in self.stack.config.levels]
        samplers = [
            WindowSampler(trajectories, span, self.config.batch, self.config.seed, self.device) for span in spans
        ]
        return samplers[spans.index(max(spans))], samplers

    def _levels_in_training(self, step: int) -> Iterator[int]:
        if self.config.schedule == "joint":
            yield from range(1, len(self.stack) + 1)
        else:
            yield min(len(self.stack), 1 + step * len(self.stack) // self.config.steps)

    @torch.no_grad()
    def _move_targets(self) -> None:
        """Moves the target encoders after the online ones; a target needs all the encoders below its level too."""
        decays = [REGULARIZERS[level.regularizer]().ema_decay for level in self.stack.config.levels]
        for k in range(1, len(self.stack) + 1):
            decay = max((value for value in decays[k - 1 :] if value is not None), default=None)
            if decay is None:
                continue
            online, target = self.stack.level(k).encoder, self.target.level(k).encoder
            for old, new in zip(target.parameters(), online.parameters(), strict=True):
                old.lerp_(new, 1 - decay)


def train(
    stack: Stack,
    trajectories: Trajectories,
    config: TrainConfig,
    folder: Path,
    meta: dict[str, object],
    resume: bool = False,
    progress: Progress = lambda step, metrics: None,
) -> Tensor:
    """Trains a stack, fits its codebooks, its probes and its model of events, and returns the observations to remember.

    Args:
        stack: fresh; changed in place.
        trajectories: recorded transitions.
        config: how to train.
        folder: gets ``metrics.csv``, ``metrics.jsonl`` and ``checkpoint/``.
        meta: kept with the checkpoint; must be the same when a run is resumed.
        resume: continue from the checkpoint in ``folder``.
        progress: called after every step with the step's number (from 1) and its losses.

    Returns:
        [N, O] observations, evenly spaced over the data: the long-term memory's raw material.

    Raises:
        CheckpointError: where a run cannot be resumed.
    """
    memory = trajectories.observations[:: max(1, len(trajectories) // config.memory)].to(stack.scale.device)
    stack.calibrate(memory)
    events = find_events(trajectories, config.events, config.seed)
    trainer = Trainer(stack, trajectories, config, events)
    if resume:
        trainer.restore(folder / "checkpoint", meta)
    probe = memory[:: max(1, len(memory) // 2048)]
    with MetricsWriter(folder, trainer.step if resume else None, config.tensorboard) as writer:
        while trainer.step < config.steps:
            step = trainer.step
            metrics = trainer.update()
            if step % config.log_every == 0 or step + 1 == config.steps:
                writer.write(step, metrics | trainer.diagnose(probe))
            if trainer.step % config.save_every == 0 or trainer.step == config.steps:
                trainer.save(folder / "checkpoint", meta)
            progress(trainer.step, metrics)
    between = cut(trajectories, events) if len(events) else trajectories
    windows = WindowSampler(between, max(level.stride for level in stack.config.levels), 4096, config.seed)
    fit_support(stack, windows.batch(config.steps).actions, config.seed)
    fit_probes(stack, memory[:: max(1, len(memory) // 20_000)])
    if len(events):
        stack.jumps = fit_jumps(stack, trajectories, events, config.events, config.seed)
    return memory
