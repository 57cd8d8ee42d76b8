"""Is a predicted uncertainty true? Coverage of predicted regions, and how well a score tells two kinds apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from hjepa.metrics import wilson_interval

NOMINAL = (0.5, 0.8, 0.9, 0.95)
"""Shares of outcomes that predicted regions promise to hold."""
Interval = tuple[float, float]


def region_rank(futures: Tensor, outcome: Tensor) -> Tensor:
    """[..., S, E] predicted futures and the [..., E] outcome to [...] the smallest predicted region that holds it.

    Regions are ellipsoids about the mean of the futures, in the shape of their covariance, and as large as it takes to
    hold some share of them: no normal distribution is assumed. The rank is that share, and uniform over 0..1 where
    predictions are calibrated.
    """
    mean = futures.mean(-2, keepdim=True)
    away, missed = futures - mean, outcome - mean.squeeze(-2)
    covariance = away.mT @ away / away.shape[-2]
    scale = covariance.diagonal(dim1=-2, dim2=-1).mean(-1).clamp_min(1e-12)[..., None, None]
    inverse = torch.linalg.inv(covariance + 1e-6 * scale * torch.eye(away.shape[-1], dtype=away.dtype))
    apart = ((away @ inverse) * away).sum(-1)
    own = ((missed.unsqueeze(-2) @ inverse).squeeze(-2) * missed).sum(-1)
    return (apart < own.unsqueeze(-1)).to(away.dtype).mean(-1)


def quantile_rank(futures: Tensor, outcome: Tensor) -> Tensor:
    """[..., S] predicted numbers and the [...] outcome to [...] the smallest central interval that holds it, 0..1."""
    below = (futures < outcome.unsqueeze(-1)).to(futures.dtype).mean(-1)
    return (2 * below - 1).abs()


@final
@dataclass(frozen=True)
class Reliability:
    """How often outcomes lay in predicted regions.

    Attributes:
        nominal: shares that the regions promise.
        hits: outcomes in each region.
        trials: outcomes.
    """

    nominal: tuple[float, ...]
    hits: tuple[int, ...]
    trials: int

    @classmethod
    def of(cls, ranks: Tensor, nominal: tuple[float, ...] = NOMINAL) -> Reliability:
        """From [N] ranks of outcomes (:func:`region_rank`, :func:`quantile_rank`)."""
        return cls(nominal, tuple(int((ranks <= share).sum()) for share in nominal), len(ranks))

    @property
    def coverage(self) -> tuple[float, ...]:
        """Share of outcomes in each region."""
        return tuple(hits / self.trials for hits in self.hits)

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """The 95 % Wilson interval of each share."""
        return tuple(wilson_interval(hits, self.trials) for hits in self.hits)

    @property
    def worst(self) -> float:
        """The largest |coverage - nominal|."""
        return max(abs(share - nominal) for share, nominal in zip(self.coverage, self.nominal, strict=True))

    @property
    def bias(self) -> float:
        """The mean of coverage - nominal: below 0 where predictions are too sure of themselves."""
        return (sum(self.coverage) - sum(self.nominal)) / len(self.hits)


def auroc(positive: Tensor, negative: Tensor) -> tuple[float, Interval]:
    """The chance that a positive one scores higher than a negative one (ties count half), and its 95 % interval.

    The area under the receiver operating characteristic; its standard error is that of Hanley and McNeil, 1982, "The
    meaning and use of the area under a receiver operating characteristic curve".

    Args:
        positive: [N] scores of what should score high.
        negative: [M] scores of what should score low.

    >>> auroc(torch.tensor([2.0, 3.0]), torch.tensor([0.0, 1.0]))[0]
    1.0
    """
    ordered, scores = negative.double().sort().values, positive.double()
    below, upto = (torch.searchsorted(ordered, scores, right=right) for right in (False, True))
    area = float((below + upto).double().mean() / (2 * len(negative)))
    n, m = len(positive), len(negative)
    twice, squared = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (area * (1 - area) + (n - 1) * (twice - area**2) + (m - 1) * (squared - area**2)) / (n * m)
    half = 1.959963984540054 * math.sqrt(max(variance, 0.0))
    return area, (max(0.0, area - half), min(1.0, area + half))
