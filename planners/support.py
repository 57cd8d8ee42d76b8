"""Where a model's predictions are to be believed: near what was really seen.

Planners exploit whatever a model was never shown: nothing was ever recorded inside a wall, so nothing forbids a
prediction there. Remembered places say where the data were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

ROWS = 16_384
"""Points compared with the memory at once: bounds the table of distances."""


@final
@dataclass(frozen=True)
class Support:
    """The neighbourhood of remembered places.

    Attributes:
        places: [L, E] remembered places, in a space whose distances are world steps.
        radius: world steps around them that count as seen. A little more than the spacing of the places: a wider net
            reaches into the walls, and chains of macro-actions then jump through.
    """

    places: Tensor
    radius: float

    def excess(self, points: Tensor) -> Tensor:
        """[..., E] points to the [...] world steps that they are outside, 0 inside; differentiable."""
        apart = torch.linalg.vector_norm(points - self.places[self.nearest(points)], dim=-1)
        return (apart - self.radius).clamp(min=0)

    @torch.no_grad()
    def nearest(self, points: Tensor) -> Tensor:
        """[..., E] points to the [...] numbers of the places nearest to them."""
        # |p - q|^2 without |p|^2, which is the same for all q.
        squares = self.places.square().sum(-1)
        blocks = points.reshape(-1, points.shape[-1]).split(ROWS)
        found = [torch.addmm(squares, block, self.places.T, alpha=-2).argmin(-1) for block in blocks]
        return torch.cat(found).view(points.shape[:-1])
