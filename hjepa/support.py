"""Where a level's predictions are to be believed: near what was really seen.

Planners exploit whatever a model was never shown: nothing was ever recorded inside a wall, so nothing forbids a
prediction there. Remembered observations say where the data were; distances are the critic's, in world steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from hjepa.stack import Stack

ROWS = 16_384
"""States compared with the memory at once: bounds the table of distances."""


@final
@dataclass(frozen=True)
class Support:
    """The neighbourhood of remembered states, as one level measures it.

    Attributes:
        stack: the H-JEPA.
        level: k, whose states are judged.
        remembered: [L, E] remembered places in the level's critic space.
        radius: world steps around them that count as seen. A little more than the spacing of the places: a wider net
            reaches into the walls, and chains of macro-actions then jump through.
    """

    stack: Stack
    level: int
    remembered: Tensor
    radius: float

    @classmethod
    @torch.no_grad()
    def of(cls, stack: Stack, level: int, observations: Tensor, radius: float) -> Support:
        """The support that [L, O] remembered observations give to a level."""
        return cls(stack, level, _points(stack, level, stack.encode(observations, level)), radius)

    def excess(self, states: Tensor) -> Tensor:
        """[..., D] states to the [...] world steps that they are outside, 0 inside; differentiable."""
        points = _points(self.stack, self.level, states).flatten(0, -2)
        nearest = torch.cat([self._nearest(block) for block in points.split(ROWS)])
        apart = torch.linalg.vector_norm(points - self.remembered[nearest], dim=-1)
        return (apart - self.radius).clamp(min=0).view(states.shape[:-1])

    def covers(self, states: Tensor, predicted: Tensor) -> Tensor:
        """[M, D] states and [M, D] predictions from them to [M] flags: whether the predictions are inside."""
        return self.excess(predicted) == 0

    @torch.no_grad()
    def _nearest(self, points: Tensor) -> Tensor:
        # |p - q|^2 without |p|^2, which is the same for all q; the nearest is found without a gradient.
        return torch.addmm(self.remembered.square().sum(-1), points, self.remembered.T, alpha=-2).argmin(-1)


def _points(stack: Stack, level: int, states: Tensor) -> Tensor:
    return stack.level(level).critic.embed(states)
