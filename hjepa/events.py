"""Events: recorded transitions that no predictor can foresee, such as the jump through a portal.

A predictor that averages over what may happen is wrong everywhere near an event, and an encoder that is trained with it
folds the world until the jump looks predictable. So events are found first, by the surprise of a small predictor whose
loss leaves out its worst errors (trimmed least squares; Rousseeuw, 1984), and the recordings are cut there: the stack
learns the world between events, and a latent variable (:mod:`hjepa.latent`) what happens at them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from hjepa.data import step_generator
from hjepa.layers import Residual
from hjepa.trajectories import Trajectories

HIDDEN = (64, 64)


@dataclass(frozen=True)
class EventConfig:
    """How events are found, and what is learned of them. Where none is found, training takes no notice of this.

    Attributes:
        detect: whether to look for events.
        surprise: an event is a prediction error of more than this many median steps.
        least: with fewer events than this, they are noise.
        steps: gradient steps of the predictor that is to be surprised.
        batch: transitions per step.
        trim: share of a batch, the worst predicted, that its loss leaves out.
        modes: values of the latent variable: most places that one event may lead to.
        fit_steps: gradient steps of the model of events.
        information: price of the information in the latent variable, nats per nat: modes that explain nothing go.
    """

    detect: bool = True
    surprise: float = 5.0
    least: int = 20
    steps: int = 300
    batch: int = 512
    trim: float = 0.12
    modes: int = 6
    fit_steps: int = 2000
    information: float = 0.5

    def __post_init__(self) -> None:
        if not self.surprise > 2:
            raise ValueError(f"events.surprise must be above 2 median steps, not {self.surprise!r}")
        if not 0 <= self.trim < 1:
            raise ValueError(f"events.trim must be a share from 0 to below 1, not {self.trim!r}")
        for name in ("least", "steps", "batch", "modes", "fit_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"events.{name} must be at least 1, not {getattr(self, name)!r}")


def find_events(trajectories: Trajectories, config: EventConfig, seed: int = 0) -> Tensor:
    """[n] rows, ascending, from which the next one of the episode could not be foreseen.

    A step that is no longer than half of what would be a surprise cannot be one, as predicted steps are no longer than
    recorded ones: only the others are judged, and where there are none, no predictor is trained.

    Args:
        trajectories: recorded transitions.
        config: how.
        seed: of the predictor.
    """
    rows = _transitions(trajectories)
    if not config.detect or not len(rows):
        return rows[:0]
    change = trajectories.observations[rows + 1] - trajectories.observations[rows]
    lengths = torch.linalg.vector_norm(change, dim=-1)
    bound = config.surprise * _median(lengths)
    suspects = lengths > bound / 2
    if not suspects.any():
        return rows[:0]
    errors = _errors(trajectories, rows, rows[suspects], config, seed)
    events = rows[suspects][errors > bound]
    return events if len(events) >= config.least else rows[:0]


def cut(trajectories: Trajectories, events: Tensor) -> Trajectories:
    """The same rows, with an episode's end after each of [n] rows."""
    starts = torch.cat([trajectories.starts, events.to(trajectories.starts) + 1]).unique()
    ends = torch.cat([starts[1:], starts.new_tensor([len(trajectories)])])
    return replace(trajectories, starts=starts, lengths=ends - starts)


def _transitions(trajectories: Trajectories) -> Tensor:
    """[M] rows that have a next one in their episode."""
    inside = torch.ones(len(trajectories), dtype=torch.bool)
    inside[trajectories.starts + trajectories.lengths - 1] = False
    return inside.nonzero().squeeze(1)


def _median(lengths: Tensor) -> float:
    """Of the steps that lead anywhere; 0 where none does."""
    moved = lengths[lengths > 0].numpy()
    return float(np.median(moved)) if len(moved) else 0.0


def _errors(trajectories: Trajectories, rows: Tensor, suspects: Tensor, config: EventConfig, seed: int) -> Tensor:
    """[n] distances between what is observed after each of [n] suspects and what was predicted, in world units.

    The predictor is trained on all of [M] rows.
    """
    observations = trajectories.observations.cpu()
    centre, scale = observations.mean(0), observations.std().clamp_min(1e-6)
    places, actions = (observations - centre) / scale, trajectories.actions.cpu()
    unit = (places[rows + 1] - places[rows]).square().sum(-1).median().sqrt().clamp_min(1e-9)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        predictor = Residual(places.shape[1], actions.shape[1], HIDDEN)
    optimizer = torch.optim.Adam(predictor.parameters(), 3e-3)
    kept = max(1, round((1 - config.trim) * config.batch))
    for step in range(config.steps):
        chosen = rows[torch.randint(len(rows), (config.batch,), generator=step_generator(seed, step, "surprise"))]
        predicted = predictor(places[chosen], actions[chosen])
        errors = ((predicted - places[chosen + 1]) / unit).square().sum(-1)
        optimizer.zero_grad(set_to_none=True)
        errors.topk(kept, largest=False).values.mean().backward()
        optimizer.step()
    with torch.no_grad():
        away = predictor(places[suspects], actions[suspects]) - places[suspects + 1]
    return scale * torch.linalg.vector_norm(away, dim=-1)
