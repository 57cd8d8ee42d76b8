"""Short-term memory of what one has run into: a predictor that never learned of walls is corrected by touch.

Where a step ends short of its prediction, something was in the way; the shortfall points out of it. For as long as the
agent is near, its predictions do not go through that place again.
"""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

SURFACES = 2
"""Surfaces that are remembered: those of a corner."""
NEAR = 0.6
"""World units from where it was touched within which a surface is believed to go on."""
ALIKE = 0.7
"""Cosine above which two normals are of the same surface."""


@final
class Touch:
    """The surfaces that B agents have run into lately.

    Attributes:
        place: [B, S, 2] where each was touched last, world units.
        normal: [B, S, 2] the direction out of it; 0 where there is none.

    Args:
        place: see above.
        normal: see above.
    """

    def __init__(self, place: Tensor, normal: Tensor) -> None:
        self.place, self.normal = place, normal

    @classmethod
    def nothing(cls, here: Tensor) -> Touch:
        """Nothing was touched by agents at [B, 2] places."""
        return cls(here[:, None].repeat(1, SURFACES, 1), here.new_zeros(len(here), SURFACES, 2))

    def of(self, rows: Tensor) -> Touch:
        """Those of some agents, by number."""
        return Touch(self.place[rows], self.normal[rows])

    def feel(self, expected: Tensor, here: Tensor, threshold: float) -> Touch:
        """Memory after a step that should have led to [B, 2] places, and led here.

        Args:
            expected: by the predictor.
            here: where the agents are.
            threshold: world units by which a prediction may be off without anything in the way.
        """
        away = here[:, None] - self.place
        # Far from it, or on its other side: then it was none.
        gone = (torch.linalg.vector_norm(away, dim=-1) > NEAR) | ((away * self.normal).sum(-1) < -threshold)
        normal = torch.where(gone[..., None], 0.0, self.normal)
        short = here - expected
        length = torch.linalg.vector_norm(short, dim=-1, keepdim=True)
        fresh = short / length.clamp(min=1e-9)
        rows = (length.squeeze(-1) > threshold).nonzero().squeeze(1)
        # The slot of the same surface, else an empty one, else the first.
        alike = ((normal[rows] * fresh[rows, None]).sum(-1) > ALIKE).float()
        empty = (normal[rows].abs().sum(-1) == 0).float()
        slot = (2 * alike + empty).argmax(-1)
        place, normal = self.place.clone(), normal.clone()
        place[rows, slot], normal[rows, slot] = here[rows], fresh[rows]
        return Touch(place, normal)

    @property
    def felt(self) -> Tensor:
        """[B] whether there is any surface."""
        return (self.normal != 0).flatten(1).any(1)

    def corrected(self, places: Tensor) -> Tensor:
        """[B, ..., T+1, 2] predicted places, moved back out of the surfaces that were touched."""
        shape = (len(places), *[1] * (places.dim() - 2), 2)
        for slot in range(SURFACES):
            at, normal = (part[:, slot].reshape(shape) for part in (self.place, self.normal))
            depth = ((places - at) * normal).sum(-1, keepdim=True).clamp(max=0)
            places = places - depth * normal
        return places
