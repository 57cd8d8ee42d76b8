"""Several costs of places as one: what is forbidden, what was painted and what was learned add up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from hjepa.zones import PlaceCost


@final
@dataclass(frozen=True, eq=False)
class Together:
    """The sum of some costs of places; see :class:`hjepa.zones.PlaceCost`.

    Attributes:
        parts: at least one.
        most: bound of the sum; world steps per world step.
    """

    parts: tuple[PlaceCost, ...]
    most: float = float("inf")

    @property
    def size(self) -> float:
        """Distance over which the quickest of them changes; world units."""
        return min(part.size for part in self.parts)

    @property
    def empty(self) -> bool:
        """Whether none of them costs anything."""
        return all(part.empty for part in self.parts)

    @property
    def guarded(self) -> bool:
        """Whether one of them has a guardrail."""
        return any(part.guarded for part in self.parts)

    @property
    def dearest(self) -> float:
        """A bound of the cost that is no guardrail; world steps per world step."""
        return min(self.most, sum(part.dearest for part in self.parts))

    def capped(self, most: float) -> Together:
        """The same with no cost above a bound; guardrails stay."""
        return replace(self, parts=tuple(part.capped(most) for part in self.parts), most=min(most, self.most))

    def toll(self, observations: Tensor) -> Tensor:
        """[..., O] places to the [...] extra world steps per world step spent there; differentiable."""
        return self._sum([part.toll(observations) for part in self.parts], self.clean(observations))

    def along(self, ways: Tensor) -> Tensor:
        """[..., T, O] places one after the other to [..., T] the same, where the direction of motion may matter."""
        return self._sum([part.along(ways) for part in self.parts], self.clean(ways))

    def clean(self, observations: Tensor) -> Tensor:
        """[..., O] places to the [...] flags of those that are in no guardrail."""
        return torch.stack([part.clean(observations) for part in self.parts]).all(0)

    def _sum(self, tolls: list[Tensor], clean: Tensor) -> Tensor:
        """Up to the bound, but for what is forbidden."""
        total = torch.stack(tolls).sum(0)
        return torch.where(clean, total.clamp(max=self.most), total)


def together(*costs: PlaceCost | None) -> PlaceCost | None:
    """Those that there are, as one; None where there is none."""
    known = tuple(cost for cost in costs if cost is not None)
    return known[0] if len(known) == 1 else Together(known) if known else None
