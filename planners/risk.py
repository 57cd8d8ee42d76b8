"""Attitudes to risk: what the many possible costs of one choice count as.

Everything that a planner knows of a latent variable reaches it as costs: those of scenarios that were sampled, or of
all modes with their probabilities. A :class:`Risk` turns them into one number: their mean, the worst of them, or the
mean of the worst share (conditional value at risk, CVaR; Rockafellar and Uryasev, 2000). All three are the same formula
with another share.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Risk:
    """How much the bad outcomes count.

    Attributes:
        tail: share of probability, the worst first, over which costs are averaged: 1 is the mean of all, 0 the worst
            one, and what lies between is CVaR.

    >>> costs, chances = torch.tensor([1.0, 2.0, 10.0]), torch.tensor([0.5, 0.4, 0.1])
    >>> [round(float(risk(costs, chances)), 2) for risk in (MEAN, Risk(0.2), WORST)]
    [2.3, 6.0, 10.0]
    """

    tail: float

    def __post_init__(self) -> None:
        if not 0 <= self.tail <= 1:
            raise ValueError(f"Risk.tail must be a share in 0..1, not {self.tail!r}")

    def __call__(self, costs: Tensor, chances: Tensor | None = None) -> Tensor:
        """[..., S] costs and their [..., S] probabilities (equal ones if None) to [...] numbers, differentiable.

        An outcome without a chance counts nothing, however bad it is.
        """
        if chances is None:
            if self.tail == 1:
                return costs.mean(-1)
            if self.tail == 0:
                return costs.amax(-1)
            chances = torch.full_like(costs, 1 / costs.shape[-1])
        costs, chances = torch.broadcast_tensors(costs, chances)
        possible = chances > 0
        if self.tail == 0:
            return torch.where(possible, costs, -torch.inf).amax(-1)
        share = chances.detach() if self.tail == 1 else _worst_share(costs.detach(), chances.detach(), self.tail)
        return torch.where(share > 0, costs * share, 0.0).sum(-1) / share.sum(-1)


MEAN = Risk(1.0)
"""The average case."""

WORST = Risk(0.0)
"""The worst case."""


def _worst_share(costs: Tensor, chances: Tensor, tail: float) -> Tensor:
    """[..., S] how much of every outcome's probability lies in the worst tail."""
    order = costs.argsort(-1, descending=True)
    sorted_chances = chances.gather(-1, order)
    before = sorted_chances.cumsum(-1) - sorted_chances
    room = tail * chances.sum(-1, keepdim=True) - before
    taken = torch.minimum(room.clamp(min=0), sorted_chances)
    return torch.zeros_like(taken).scatter_(-1, order, taken)


@njit(cache=True, nogil=True)
def tail_mean(costs: Doubles, chances: Doubles, count: int, tail: float) -> float:  # pragma: no cover - compiled
    """The same number for the first ``count`` of costs and chances, for compiled searches; both are left as they are.

    Repeated selection of the worst remaining outcome: outcomes are few, and nothing is allocated.
    """
    total = 0.0
    for index in range(count):
        total += chances[index]
    room, gathered = tail * total, 0.0
    limit, ties = np.inf, -1
    while True:
        worst, best_index = -np.inf, -1
        for index in range(count):
            later = costs[index] < limit or (costs[index] == limit and index > ties)
            if chances[index] > 0 and later and (best_index < 0 or costs[index] > worst):
                worst, best_index = costs[index], index
        if best_index < 0:
            return gathered / (tail * total - room) if tail * total > room else np.nan
        if tail == 0.0:
            return worst
        taken = min(room, chances[best_index])
        gathered += taken * worst
        room -= taken
        limit, ties = worst, best_index
        if room <= 0.0:
            return gathered / (tail * total)
