"""Measures of a trained stack: how far its imagination is off, what its latents span, whether its costs lead there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hjepa.metrics import effective_rank
from hjepa.vision.probes import Score, mean, root_mean_square

CELLS = 20_000
"""Cells of a map that its rank is taken of."""


@final
@dataclass(frozen=True)
class Affine:
    """``x @ matrix + offset``: from a level's places to those of the world, or back.

    Attributes:
        matrix: [2, 2].
        offset: [2].
    """

    matrix: Tensor
    offset: Tensor

    @classmethod
    def fit(cls, inputs: Tensor, wanted: Tensor) -> Affine:
        """Least squares, for [N, 2] points and what they should become."""
        solution = torch.linalg.lstsq(torch.cat([inputs, torch.ones_like(inputs[:, :1])], 1), wanted).solution
        return cls(solution[:2], solution[2])

    def __call__(self, points: Tensor) -> Tensor:
        """[..., 2] points to [..., 2] points."""
        return points @ self.matrix + self.offset

    def turn(self, ways: Tensor) -> Tensor:
        """[..., 2] differences of points (velocities) to [..., 2] differences."""
        return ways @ self.matrix

    def inverse(self) -> Affine:
        """The way back."""
        matrix = torch.linalg.inv(self.matrix)
        return Affine(matrix, -self.offset @ matrix)


class Horizon(NamedTuple):
    """How far imagination is off after some world steps.

    Attributes:
        steps: of the world.
        error: root mean square, world units.
        relative: to the error of "nothing moves".
    """

    steps: int
    error: Score
    relative: float


def horizon_errors(imagined: Tensor, actual: Tensor, stride: int, groups: Tensor) -> list[Horizon]:
    """Of [B, T+1, 2] places a stride apart, by horizon; world units.

    Args:
        imagined: from the first actual state on.
        actual: what came.
        stride: world steps of one prediction.
        groups: [B] whose episodes are not independent.
    """
    apart = torch.linalg.vector_norm(imagined - actual, dim=-1)
    still = torch.linalg.vector_norm(actual[:, :1] - actual, dim=-1)
    errors = []
    for t in range(1, imagined.shape[1]):
        error = root_mean_square(apart[:, t], groups)
        errors.append(
            Horizon(t * stride, error, error.value / float(still[:, t].square().mean().sqrt().clamp_min(1e-9)))
        )
    return errors


def rank_of(latents: Tensor) -> tuple[float, int]:
    """The effective rank of [N, D] vectors, or of the cells of [N, C, h, w] maps, and what it could be at most."""
    rows = latents if latents.dim() == 2 else latents.flatten(2).transpose(1, 2).flatten(0, 1)
    return effective_rank(rows[:: max(1, len(rows) // CELLS)]), rows.shape[1]


def spearman(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """The rank correlation of two series (Spearman, 1904); equals share their mean rank; 0 where one is constant."""
    ranks = [_ranks(np.asarray(series, dtype=np.float64)) for series in (first, second)]
    centred = [series - series.mean() for series in ranks]
    spread = float(np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum()))
    return float((centred[0] * centred[1]).sum()) / spread if spread > 0 else 0.0


def _ranks(series: NDArray[np.float64]) -> NDArray[np.float64]:
    _, numbers, counts = np.unique(series, return_inverse=True, return_counts=True)
    last = counts.cumsum()
    return ((last - counts + last - 1) / 2)[numbers]


def monotonicity(costs: list[NDArray[np.floating]], groups: list[int]) -> Score:
    """The mean rank correlation of costs along paths with the time that is left (H-JEPA's diagnostic).

    1 where going by the cost never leads away from the path's end. A path whose cost never changes counts as 0.

    Args:
        costs: for every path, [n] costs at successive steps, of which the last is at its end.
        groups: for every path, whose paths are not independent.
    """
    found = [spearman(cost, np.arange(len(cost), 0, -1.0)) for cost in costs]
    return mean(torch.tensor(found), torch.tensor(groups))
