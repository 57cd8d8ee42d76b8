"""Trains a stack over frames: first what all levels see with, and level 1; then, on what it sees, the levels above.

Two phases more are optional: before them it may learn to see from hidden parts of pictures, and after them the critics
learn from all that is then known.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from hjepa.checkpoint import flatten_optimizer, load_run, restore_optimizer, save_checkpoint
from hjepa.data import step_generator
from hjepa.macro_action import k_means
from hjepa.vision.hindsight import hindsight_pairs
from hjepa.vision.layout_objective import LayoutRegularizer, ema_decay
from hjepa.vision.masked import MaskedLatents
from hjepa.vision.objective import Losses, Objective, level_losses, perception_losses
from hjepa.vision.practice import Practice, fit_far_codes, imagine_journeys, practice_losses
from hjepa.vision.reachability import EdgeClassifiers, reachability_loss
from hjepa.vision.recordings import Episodes, glimpses
from hjepa.vision.stack import VisionConfig, VisionStack
from hjepa.vision.time_to_go import Critics, time_to_go_loss
from hjepa.vision.traces import Traces, chunk, trace

Metrics = dict[str, float]
Phase = Literal["masked", "perception", "upper", "practice", "critics"]
Progress = Callable[[int, Metrics], None]
FITTED = 2000
"""Episodes that codebooks are fitted to."""
STARTS = 6
"""Of every goal that critics learn from."""
SPAN = 10
"""World steps over which the pace is measured."""


@dataclass(frozen=True)
class VisionTraining:
    """How a stack over frames is trained.

    Attributes:
        seed: of weights and batches.
        masked_steps: gradient steps of seeing what is hidden, before anything else.
        steps: gradient steps of perception and level 1.
        batch: windows in each of them.
        warm_up: steps until roll-outs weigh in full.
        upper_steps: gradient steps of the levels above.
        upper_batch: windows in each of them.
        critic_steps: gradient steps of the critics of temporal distance.
        critic_batch: goals in each of them.
        quantile: of the recorded times between two places that a critic tells.
        slow: weight with which critics call places slow, unless walks have crossed them.
        traced: episodes that the levels above learn from.
        learning_rate: at the start of every phase; it falls to zero along a cosine.
        weight_decay: of AdamW.
        save_every: steps between two checkpoints.
        regularizer: what keeps layouts and macro-actions from collapsing; the maps of a spatial level 1 have VICReg.
        within: weight of the hinge on how far what is attended to moves within an episode.
        taught: weight of what motion teaches attention.
        lag: world steps before and after a frame at which are those that it must differ from, to teach attention; 0:
            one of any time. With distractors that jump now and then, a few steps find what moves on and on.
        ways: strides of each window that edge classifiers learn from, from its beginning.
        practice_steps: gradient steps in imagination of the topmost level, if it is one that looks far.
        pictures: that it imagines journeys in.
    """

    seed: int = 0
    masked_steps: int = 0
    steps: int = 1500
    batch: int = 32
    warm_up: int = 300
    upper_steps: int = 2500
    upper_batch: int = 128
    critic_steps: int = 0
    critic_batch: int = 32
    quantile: float = 0.15
    slow: float = 0.05
    traced: int = 2500
    learning_rate: float = 1.5e-3
    weight_decay: float = 1e-4
    save_every: int = 250
    regularizer: LayoutRegularizer = "vicreg"
    within: float = 2.0
    taught: float = 1.0
    lag: int = 0
    ways: int = 1
    practice_steps: int = 0
    pictures: int = 64

    @property
    def total(self) -> int:
        """Steps of all phases."""
        return sum(length for _, length in self._phases)

    def phase_at(self, step: int) -> tuple[Phase, int, int]:
        """The phase of one step (from 0), how many of its steps have been made before, and how many it has."""
        for name, length in self._phases:
            if step < length:
                return name, step, length
            step -= length
        raise ValueError(f"training has {self.total} steps: there is no step {self.total + step}")

    def learning_rate_at(self, step: int) -> float:
        """The learning rate of one step, from 0."""
        _, done, of = self.phase_at(step)
        return 0.5 * self.learning_rate * (1 + math.cos(math.pi * done / of))

    @property
    def _phases(self) -> tuple[tuple[Phase, int], ...]:
        return (
            ("masked", self.masked_steps),
            ("perception", self.steps),
            ("upper", self.upper_steps),
            ("practice", self.practice_steps),
            ("critics", self.critic_steps),
        )


class VisionTrainer:
    """One run. Every step is a function of (seed, step) alone.

    Args:
        config: the stack's shape.
        episodes: what was recorded.
        training: how.
    """

    def __init__(self, config: VisionConfig, episodes: Episodes, training: VisionTraining) -> None:
        device = episodes.states.device
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(training.seed)
            self.stack = VisionStack(config).to(device)
            self.edges = EdgeClassifiers(level.channels for level in config.recorded).to(device)
            self.critics = Critics.of(config).to(device) if training.critic_steps else None
            self.masked = (
                MaskedLatents(self.stack.backbone, config.channels, config.patch).to(device)
                if training.masked_steps
                else None
            )
        self.episodes, self.training = episodes, training
        parts = {"stack": self.stack, "edges": self.edges, "critics": self.critics, "masked": self.masked}
        self.network = nn.ModuleDict({name: part for name, part in parts.items() if part is not None})
        averaged = ema_decay(training.regularizer) is not None
        self.average = copy.deepcopy(self.stack).requires_grad_(False) if averaged else None
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay
        )
        self.step = 0
        self._traces: Traces | None = None
        self._practice: Practice | None = None

    def update(self) -> Metrics:
        """One gradient step; returns its losses."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.training.learning_rate_at(self.step)
        phase, done, _ = self.training.phase_at(self.step)
        losses = self._losses(phase, done)
        total = torch.stack(list(losses.values())).sum()
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self._follow()
        self.step += 1
        return {"loss": float(total.detach())} | {name: float(loss.detach()) for name, loss in losses.items()}

    def save(self, folder: Path, meta: dict[str, object]) -> None:
        """Writes everything that a resumed run needs."""
        tensors = {"network": self.network.state_dict(), "optimizer": flatten_optimizer(self.optimizer)}
        if self.average is not None:
            tensors["average"] = self.average.state_dict()
        save_checkpoint(folder, tensors, meta | {"step": self.step})

    def restore(self, folder: Path, meta: dict[str, object]) -> None:
        """Continues from :meth:`save`.

        Raises:
            CheckpointError: where there is no checkpoint, or one of another experiment.
        """
        tensors, saved = load_run(folder, meta)
        self.network.load_state_dict(tensors["network"])
        restore_optimizer(self.optimizer, tensors["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(tensors["average"])
        self.step = int(saved["step"])

    def _losses(self, phase: Phase, done: int) -> Losses:
        if phase == "perception":
            return self._perception(min(1.0, done / self.training.warm_up))
        make = {"masked": self._masked, "upper": self._upper, "practice": self._practised, "critics": self._critics}
        return make[phase]()

    def _masked(self) -> Losses:
        assert self.masked is not None
        self.masked.follow(self.stack.backbone)
        how = self.training
        seen = glimpses(self.episodes, how.seed, self.step, how.batch, 1, 1)
        generator = step_generator(how.seed, self.step, "masked")
        return {"masked": self.masked.loss(self.stack.backbone, seen.frames.flatten(0, 1), generator)}

    def _perception(self, ramp: float) -> Losses:
        level, how = self.stack.first.config, self.training
        seen = glimpses(self.episodes, how.seed, self.step, how.batch, 1, level.rollout)
        losses = perception_losses(self.stack, seen, ramp, self._objective(1))
        return {f"{name}/1": loss for name, loss in losses.items()}

    def _upper(self) -> Losses:
        named: Losses = {}
        generator = torch.Generator().manual_seed(self.training.seed * 1_000_003 + self.step)
        for k in range(2, len(self.stack.config.recorded) + 1):
            level, config = self.stack.level(k), self.stack.level(k).config
            seen = chunk(
                self.stack, self.traces, self.training.seed, self.step, self.training.upper_batch, config.stride,
                config.rollout,
            )  # fmt: skip
            layouts = self.stack.layouts(seen.features.flatten(0, 1), k).unflatten(0, seen.features.shape[:2])
            target = None if self.average is None else self.average.layouts(seen.features[:, 1], k)
            how = self._objective(k)
            losses = level_losses(self.stack, k, layouts, seen.states, seen.actions, how=how, target=target)
            walked, read = seen.states[:, : self.training.ways + 1], level.settle(layouts[:, 0])
            before, after = walked[:, :-1].flatten(0, 1), walked[:, 1:].flatten(0, 1)
            losses["edges"] = reachability_loss(self.edges.level(k), read, before, after, generator, config.shortest)
            named |= {f"{name}/{k}": loss for name, loss in losses.items()}
        return named

    def _practised(self) -> Losses:
        level = self.stack.far
        assert level is not None
        losses = practice_losses(level, self.practice, step_generator(self.training.seed, self.step, "practice"))
        return {f"{name}/{len(self.stack)}": loss for name, loss in losses.items()}

    def _critics(self) -> Losses:
        assert self.critics is not None
        self.stack.eval()  # layouts as they are read in planning
        how = self.training
        seen = hindsight_pairs(self.stack, self.traces, how.seed, self.step, how.critic_batch, STARTS)
        losses: Losses = {}
        for k in self.critics.numbers:
            with torch.no_grad():
                layouts = self.stack.layouts(seen.features.flatten(0, 1), k).unflatten(0, (-1, 2)).mean(1)
            losses[f"time to go/{k}"] = time_to_go_loss(
                self.critics.level(k), layouts, seen.starts, seen.goals, seen.gaps, how.quantile, how.slow
            )
        return losses

    def _objective(self, k: int) -> Objective:
        """What the next step minimises on level ``k``."""
        how = self.training
        generator = step_generator(how.seed, self.step, f"regularizer/{k}")
        return Objective(how.regularizer, how.within, how.taught, how.lag, self.average, generator)

    @torch.no_grad()
    def _follow(self) -> None:
        """Moves the average towards the stack."""
        decay = ema_decay(self.training.regularizer)
        if self.average is not None and decay is not None:
            for slow, fast in zip(self.average.parameters(), self.stack.parameters(), strict=True):
                slow.lerp_(fast, 1 - decay)

    @property
    def traces(self) -> Traces:
        """What the trained perception makes of the episodes; found when it is first asked for."""
        if self._traces is None:
            self._traces = trace(self.stack, self.episodes, self.training.traced)
        return self._traces

    @property
    def practice(self) -> Practice:
        """Journeys of the trained level below, imagined when they are first asked for."""
        if self._practice is None:
            self.fit()
            how = self.training
            self._practice = imagine_journeys(self.stack, self.edges, self.traces, how.pictures, how.seed)
        return self._practice

    def fit(self) -> None:
        """Fits codebooks and pace to what was recorded."""
        fit_codes(self.stack, self.episodes.spread(FITTED).actions, self.training.seed)
        fit_pace(self.stack, self.traces)


@torch.no_grad()
def fit_codes(stack: VisionStack, actions: Tensor, seed: int) -> None:
    """Fits every upper level's codebook and box to [N, T, A] recorded actions.

    Codes are far from each other, so that the rare fast ones are among them, but within the data's 2nd and 98th
    percentiles.
    """
    for k in range(2, len(stack.config.recorded) + 1):
        level = stack.level(k)
        whole = actions.shape[1] // level.config.stride * level.config.stride
        found = stack.macro_actions(actions[:, :whole], k).flatten(0, 1)
        low, high = torch.quantile(found, torch.tensor([0.02, 0.98], device=found.device), dim=0)
        inside = found[((found >= low) & (found <= high)).all(-1)]
        generator = torch.Generator().manual_seed(seed + k)
        level.codebook.copy_(k_means(inside.cpu(), level.config.codes, generator, iterations=0))
        level.support.copy_(torch.stack([low, high]))


@torch.no_grad()
def fit_pace(stack: VisionStack, traces: Traces) -> None:
    """Notes how fast what moves has been (its 99th percentile), and how strong its actions were."""
    ahead = torch.linalg.vector_norm(traces.places[:, SPAN:] - traces.places[:, :-SPAN], dim=-1).flatten() / SPAN
    stack.pace.copy_(torch.quantile(ahead[:: len(ahead) // 100_000 + 1], 0.99))
    stack.strongest.copy_(torch.linalg.vector_norm(traces.episodes.actions, dim=-1).amax())


def train_vision(
    config: VisionConfig,
    episodes: Episodes,
    training: VisionTraining,
    folder: Path,
    meta: dict[str, object],
    resume: bool = False,
    progress: Progress = lambda step, metrics: None,
) -> VisionTrainer:
    """Trains a stack, its edge classifiers and its codebooks.

    Args:
        config: the stack's shape.
        episodes: what was recorded.
        training: how.
        folder: gets ``checkpoint/``.
        meta: kept with the checkpoint; must be the same when a run is resumed.
        resume: continue from the checkpoint in ``folder``.
        progress: called after every step with the step's number (from 1) and its losses.

    Raises:
        CheckpointError: where a run cannot be resumed.
    """
    trainer = VisionTrainer(config, episodes, training)
    if resume:
        trainer.restore(folder / "checkpoint", meta)
    while trainer.step < training.total:
        metrics = trainer.update()
        if trainer.step % training.save_every == 0 or trainer.step == training.total:
            trainer.save(folder / "checkpoint", meta)
        progress(trainer.step, metrics)
    trainer.fit()
    if trainer.stack.far is not None:
        fit_far_codes(trainer.stack.far, trainer.practice, training.seed)
    return trainer
