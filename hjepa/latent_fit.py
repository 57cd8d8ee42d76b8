"""Fitting the latent variable: the model of events, trained on what was recorded at them, in a frozen latent space."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from hjepa.data import step_generator
from hjepa.events import EventConfig
from hjepa.latent import Jumps
from hjepa.macro_action import k_means
from hjepa.stack import Stack
from hjepa.trajectories import Trajectories

RARE = 0.03
"""Modes with a smaller share of the events go."""
SHORTLY = 20
"""Rows before an event from which the model learns where it does not happen yet."""
WIDEST, FINEST = 0.3, 0.02
"""Width of a mode to begin with and in the end, in standard deviations of the states."""


class _Seen(NamedTuple):
    """Level-1 states to learn from: [n, D] before and after events, [m, D] shortly before events, and anywhere."""

    before: Tensor
    after: Tensor
    shortly: Tensor
    elsewhere: Tensor


def fit_jumps(stack: Stack, trajectories: Trajectories, events: Tensor, config: EventConfig, seed: int) -> Jumps:
    """Learns a model of events in the latent space of a trained stack, which stays as it is.

    Args:
        stack: the stack.
        trajectories: recorded transitions, not cut.
        events: [n] rows from which an event happens.
        config: how.
        seed: of weights and batches.
    """
    seen = _states(stack, trajectories, events)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        jumps = Jumps(seen.before.shape[-1], config.modes)
    jumps.centre.copy_(seen.elsewhere.mean(0))
    jumps.scale.copy_(seen.elsewhere.std(0).clamp_min(1e-6))
    targets = (seen.after - jumps.centre) / jumps.scale
    start = k_means(targets, config.modes, step_generator(seed, 0, "modes"))
    jumps.centres.data.copy_(start)
    _descend(jumps, seen, config, seed)
    return jumps.to(stack.scale.device).eval().requires_grad_(False)


def _descend(jumps: Jumps, seen: _Seen, config: EventConfig, seed: int) -> None:
    """Gradient descent while the modes narrow; in the last third the spare ones are gone, and information is free."""
    optimizer = torch.optim.Adam(jumps.parameters(), 3e-3)
    last = 2 * config.fit_steps // 3
    for step in range(config.fit_steps):
        if step == last:
            _prune(jumps, seen)
        progress = step / config.fit_steps
        jumps.width.fill_(max(FINEST, WIDEST * (FINEST / WIDEST) ** (1.5 * progress)))
        for group in optimizer.param_groups:
            group["lr"] = 1.5e-3 * (1 + math.cos(math.pi * progress))
        generator = step_generator(seed, step, "events")
        price = config.information if step < last else 0.0
        optimizer.zero_grad(set_to_none=True)
        loss = _explaining(jumps, seen, price, generator) + _happening(jumps, seen, generator)
        loss.backward()
        optimizer.step()


def _explaining(jumps: Jumps, seen: _Seen, price: float, generator: torch.Generator) -> Tensor:
    """Free energy of what followed events, and the price of the information in the latent variable."""
    chosen = torch.randint(len(seen.before), (256,), generator=generator)
    energy = jumps.energy(seen.before[chosen], seen.after[chosen])
    used = (-energy).softmax(-1).mean(0)
    information = -(used * used.clamp_min(1e-9).log()).sum()
    return -(-energy).logsumexp(-1).mean() + price * information


def _happening(jumps: Jumps, seen: _Seen, generator: torch.Generator) -> Tensor:
    """Cross-entropy of whether an event happens, as hard to tell shortly before one as anywhere else."""
    parts = [
        states[torch.randint(len(states), (size,), generator=generator)]
        for states, size in ((seen.before, 256), (seen.shortly, 256), (seen.elsewhere, 512))
    ]
    happens = torch.cat([torch.full((len(part),), float(k == 0)) for k, part in enumerate(parts)])
    return binary_cross_entropy_with_logits(jumps.hazard_logits(torch.cat(parts)), happens)


@torch.no_grad()
def _prune(jumps: Jumps, seen: _Seen) -> None:
    """Takes the modes out of use that explain few events."""
    share = (-jumps.energy(seen.before, seen.after)).softmax(-1).mean(0)
    jumps.alive.masked_fill_(share < RARE, -math.inf)


@torch.no_grad()
def _states(stack: Stack, trajectories: Trajectories, events: Tensor) -> _Seen:
    """Encodes the rows at events, those shortly before them, and a sample of the others."""
    quiet = torch.ones(len(trajectories), dtype=torch.bool)
    quiet[events] = False
    quiet[trajectories.starts + trajectories.lengths - 1] = False  # nobody knows what would have come next
    ago = (events[:, None] - torch.arange(1, SHORTLY + 1)).clamp_min(0).flatten().unique()
    anywhere = quiet.nonzero().squeeze(1)
    anywhere = anywhere[:: max(1, len(anywhere) // 50_000)]
    rows = (events, events + 1, ago[quiet[ago]], anywhere)
    observations = trajectories.observations
    return _Seen(*(stack.encode(observations[row].to(stack.scale.device)).cpu() for row in rows))
