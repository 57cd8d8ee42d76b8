"""Fitting the continuous latent variable of a level, in the latent space of a trained stack, which stays as it is.

``z`` is inferred by a network that sees what happened: it approximates the Gibbs distribution exp(-E) / Z. Its
information is limited (the fourth term of the JEPA loss) by few components, by noise (the network returns a mean and a
spread) and by a price, the Kullback-Leibler divergence from the prior in nats. At one nat per nat, energy and price are
the evidence lower bound (Kingma and Welling, 2014), so that ``z`` drawn from the prior makes outcomes as various as
those recorded. A finite network falls short of that bound, and roll-outs add up its faults; so futures drawn from the
prior are scored as well, by a proper scoring rule.

An encoder trained along with ``z`` might fold what it can't predict: the latent space is frozen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from hjepa.data import WindowSampler, step_generator
from hjepa.drift import HIDDEN, Drift, DriftDynamics
from hjepa.stack import Stack
from hjepa.trajectories import Trajectories

WIDEST = 1.0
"""Width to begin with, in units of what the level cannot predict by itself: ``z`` learns the large things first."""
NARROWING = 0.6
"""Share of the training after which the width is what it will be."""
MEAN_RATE, RATE = 4e-3, 6e-3
"""Learning rates to begin with."""
DRAWS = 6
"""Futures drawn from the prior for a window whose energy score is taken."""
GOLDEN = (math.sqrt(5) - 1) / 2
"""Share of the bracket that each step of a golden-section search keeps."""
SCORED = 4
"""One window in so many is scored."""


@dataclass(frozen=True)
class DriftConfig:
    """How the latent variable of one level is learned.

    Attributes:
        latent: Z, its components; those that explain nothing are left at the prior by the price.
        hidden: widths of the networks' hidden layers.
        mean_steps: gradient steps of what is to be expected, before anything is left to ``z``.
        steps: gradient steps of all.
        batch: windows per step.
        rollout: predictions that are chained, each from what was predicted before.
        price: of the information in ``z``, nats per nat; 1 is what makes the prior's samples true.
        width: of what ``z`` need not explain, in units of what the level cannot predict by itself.
        score: weight of the energy score of futures drawn from the prior.
    """

    latent: int = 3
    hidden: tuple[int, ...] = HIDDEN
    mean_steps: int = 1000
    steps: int = 800
    batch: int = 512
    rollout: int = 2
    price: float = 1.0
    width: float = 0.1
    score: float = 10.0

    def __post_init__(self) -> None:
        for name in ("latent", "steps", "batch", "rollout"):
            if getattr(self, name) < 1:
                raise ValueError(f"drift.{name} must be at least 1, not {getattr(self, name)!r}")
        for name in ("mean_steps", "price", "score"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"drift.{name} must not be negative, not {getattr(self, name)!r}")
        if not 0 < self.width <= WIDEST:
            raise ValueError(f"drift.width must be above 0 and at most {WIDEST:g}, not {self.width!r}")


def fit_drift(stack: Stack, k: int, trajectories: Trajectories, config: DriftConfig, seed: int = 0) -> Drift:
    """Learns the latent variable of one level of a trained stack, which stays as it is.

    Args:
        stack: the stack.
        k: the level, counted from 1.
        trajectories: recorded transitions in the world that is not deterministic.
        config: how.
        seed: of weights and batches.

    Raises:
        DataError: where no episode is as long as a roll-out.
    """
    level = stack.level(k)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        drift = Drift(level.config.state_dim, level.action_dim, config.latent, config.hidden)
    dynamics = DriftDynamics(level, drift)
    _calibrate(dynamics, LevelWindows(stack, k, trajectories, 1, 8 * config.batch, seed))
    _fit_mean(dynamics, LevelWindows(stack, k, trajectories, 1, 2 * config.batch, seed), config)
    _fit_latent(dynamics, LevelWindows(stack, k, trajectories, config.rollout, config.batch, seed + 1), config)
    return drift.eval().requires_grad_(False)


@torch.no_grad()
def _calibrate(dynamics: DriftDynamics, windows: LevelWindows) -> None:
    """Sets the units of a fresh model."""
    states, actions = windows.batch(0)
    surprise = states[:, 1] - dynamics.level.predictor(states[:, 0], actions[:, 0])
    dynamics.drift.calibrate(states[:, 0], actions[:, 0], surprise)


def _fit_mean(dynamics: DriftDynamics, windows: LevelWindows, config: DriftConfig) -> None:
    """Least squares, before there is a ``z``: that would first explain what only the walls do."""
    drift, optimizer = dynamics.drift, torch.optim.AdamW(dynamics.drift.mean_net.parameters(), 0.0, weight_decay=1e-4)
    for step in range(config.mean_steps):
        _set_rate(optimizer, MEAN_RATE, step / config.mean_steps)
        states, actions = windows.batch(step + 1)
        predicted = dynamics.level.predictor(states[:, 0], actions[:, 0]) + drift.mean(states[:, 0], actions[:, 0])
        optimizer.zero_grad(set_to_none=True)
        ((states[:, 1] - predicted) / drift.unit).square().sum(-1).mean().backward()
        optimizer.step()


def _fit_latent(dynamics: DriftDynamics, windows: LevelWindows, config: DriftConfig) -> None:
    """The evidence lower bound and the energy score, while the width narrows."""
    drift, generator = dynamics.drift, step_generator(windows.seed, windows.k, "drift noise")
    optimizer = torch.optim.AdamW(drift.parameters(), 0.0, weight_decay=1e-4)
    for step in range(config.steps):
        progress = step / config.steps
        drift.width.copy_(drift.unit * WIDEST * (config.width / WIDEST) ** min(1.0, progress / NARROWING))
        _set_rate(optimizer, RATE, progress)
        states, actions = windows.batch(step)
        loss = evidence_bound(dynamics, states, actions, config.price, generator)
        if config.score:
            few = -(-config.batch // SCORED)
            loss = loss + config.score * energy_score(dynamics, states[:few], actions[:few], generator)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(drift.parameters(), 10.0)
        optimizer.step()


def _set_rate(optimizer: torch.optim.Optimizer, rate: float, progress: float) -> None:
    """A cosine from the rate to nothing."""
    for group in optimizer.param_groups:
        group["lr"] = 0.5 * rate * (1 + math.cos(math.pi * progress))


def evidence_bound(
    dynamics: DriftDynamics, states: Tensor, actions: Tensor, price: float, generator: torch.Generator
) -> Tensor:
    """The loss: expected distance, nats, and the price of what ``z`` knows, per prediction.

    Each prediction starts from what was predicted before with the inferred ``z``, as roll-outs will.

    Args:
        dynamics: the model.
        states: [B, T+1, D] observed states.
        actions: [B, T, A] macro-actions between them.
        price: nats per nat.
        generator: of the noise on ``z``.
    """
    now, total = states[:, 0], states.new_zeros(())
    for action, after in zip(actions.unbind(1), states[:, 1:].unbind(1), strict=True):
        mean, log_variance = dynamics.posterior(now, action, after)
        noise = torch.randn(mean.shape, generator=generator)
        now = dynamics.predict(now, action, mean + (0.5 * log_variance).exp() * noise)
        distance = 0.5 * ((after - now) / dynamics.drift.width).square().sum(-1)
        total = total + (distance + price * information(mean, log_variance).sum(-1)).mean()
    return total / actions.shape[1]


def energy_score(
    dynamics: DriftDynamics, states: Tensor, actions: Tensor, generator: torch.Generator, draws: int = DRAWS
) -> Tensor:
    """How badly futures drawn from the prior foretell what was observed, in units of what cannot be foretold.

    A proper scoring rule: it is least, on average, where futures are as various as what happens (Gneiting and Raftery,
    2007, "Strictly proper scoring rules, prediction, and estimation", section 4.3).

    Args:
        dynamics: the model.
        states: [B, T+1, D] observed states.
        actions: [B, T, A] macro-actions between them.
        generator: of the draws.
        draws: futures of each window.
    """
    futures = dynamics.sample(states[:, 0], actions, draws, generator)[:, :, 1:]
    missed = _length(futures - states[:, None, 1:]).mean(1)
    apart = _length(futures.unsqueeze(1) - futures.unsqueeze(2)).sum((1, 2)) / (draws * (draws - 1))
    return ((missed - 0.5 * apart) / dynamics.drift.unit).mean()


def _length(vectors: Tensor) -> Tensor:
    """Euclidean, with a gradient at zero."""
    return (vectors.square().sum(-1) + 1e-12).sqrt()


def fit_temperature(dynamics: DriftDynamics, states: Tensor, actions: Tensor, seed: int = 0) -> float:
    """Sets, and returns, the factor on draws from the prior that foretells held-out recordings best (energy score).

    Golden-section search over 1/2 to 2; every factor meets the same draws.

    Args:
        dynamics: the model; its temperature is written.
        states: [N, T+1, D] observed states, not trained on.
        actions: [N, T, A] macro-actions between them.
        seed: of the draws.
    """

    def missed(logarithm: float) -> float:
        dynamics.drift.temperature.fill_(math.exp(logarithm))
        return float(energy_score(dynamics, states, actions, torch.Generator().manual_seed(seed), 2 * DRAWS))

    low, high = -math.log(2), math.log(2)
    with torch.no_grad():
        while high - low > 0.03:
            inner = [high - GOLDEN * (high - low), low + GOLDEN * (high - low)]
            low, high = (low, inner[1]) if missed(inner[0]) < missed(inner[1]) else (inner[0], high)
        dynamics.drift.temperature.fill_(math.exp((low + high) / 2))
    return float(dynamics.drift.temperature)


def information(mean: Tensor, log_variance: Tensor) -> Tensor:
    """[..., Z] nats in which each component of an inferred ``z`` differs from its prior (Kullback-Leibler)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)


@final
class LevelWindows:
    """Windows of one level's states and macro-actions, encoded by a frozen stack.

    Args:
        stack: encodes.
        k: level.
        trajectories: recorded transitions.
        rollout: T, predictions in a window.
        batch: windows in a batch.
        seed: of which rows.
    """

    def __init__(self, stack: Stack, k: int, trajectories: Trajectories, rollout: int, batch: int, seed: int) -> None:
        self.stack, self.k, self.seed, self.stride = stack, k, seed, stack.level(k).config.stride
        self._sampler = WindowSampler(trajectories, rollout * self.stride, batch, seed, stack.scale.device)

    @torch.no_grad()
    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """[B, T+1, D] states and [B, T, A] macro-actions: a pure function of the seed and the step."""
        observations, actions = self._sampler.batch(step)
        return self.stack.encode(observations[:, :: self.stride], self.k), self.stack.macro_actions(actions, self.k)
