"""Whether one can go from one place to another in one stride: an edge classifier, learned from transitions alone.

Predictors are optimistic about walls: whoever searches through a million predictions finds each of their leaks. What
was recorded is an edge; as what is none was never recorded, other transitions' ways stand for it, stretched, and laid
where they were not made (noise-contrastive estimation; Gutmann and Hyvärinen, 2010).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from hjepa.layers import mlp
from hjepa.vision.features import read
from hjepa.vision.place_level import LAYOUT, PLACE

ALONG = 7
"""Places between one state and the next at which the layout is read."""
ASIDE = 0.8
"""Cells to either side of the way at which it is read, too: what moves has a width."""
LONGER = 1.5
"""False ways are up to this much longer than the true ones that they are made of."""


@final
class Reachability(nn.Module):
    """Tells edges of one level.

    Args:
        channels: C, of the level's layout.
        hidden: widths of the hidden layers.
    """

    def __init__(self, channels: int, hidden: tuple[int, ...] = (64, 64)) -> None:
        super().__init__()
        self.channels = channels
        self.look = mlp(3 * channels, (32,), 16)
        self.judge = mlp(16 * ALONG + 2, hidden, 1)

    def forward(self, layouts: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """[M, C, h, w] layouts and [N, 5] states to [N] logits that the latter can follow the former."""
        start, way = before[:, PLACE], after[:, PLACE] - before[:, PLACE]
        side = torch.stack([-way[:, 1], way[:, 0]], -1)
        side = ASIDE * side / torch.linalg.vector_norm(side, dim=-1, keepdim=True).clamp_min(1e-3)
        shares = torch.linspace(0, 1, ALONG, device=way.device).view(-1, 1, 1)
        sides = torch.tensor([-1.0, 0.0, 1.0], device=way.device).view(-1, 1)
        places = start[:, None, None] + shares * way[:, None, None] + sides * side[:, None, None]
        seen = read(layouts, before[:, LAYOUT].long(), places.flatten(1, 2)).unflatten(1, (ALONG, 3))
        return self.judge(torch.cat([self.look(seen.flatten(2)).flatten(1), way], -1)).squeeze(-1)


@final
class EdgeClassifiers(nn.ModuleDict):
    """Those of all levels above the first.

    Args:
        channels: of the layout of every level, the finest first.
    """

    def __init__(self, channels: Iterable[int]) -> None:
        super().__init__({str(k): Reachability(count) for k, count in enumerate(channels, 1) if k > 1})

    def level(self, k: int) -> Reachability:
        """That of level ``k``, 2 or above."""
        edges = self[str(k)]
        assert isinstance(edges, Reachability)
        return edges


def reachability_loss(
    reachability: Reachability,
    layouts: Tensor,
    before: Tensor,
    after: Tensor,
    generator: torch.Generator,
    shortest: float = 1.0,
) -> Tensor:
    """[] the cross entropy of recorded ways against invented ones.

    Args:
        reachability: in training.
        layouts: [M, C, h, w].
        before: [N, 5] recorded states.
        after: [N, 5] the states a stride later.
        generator: of the inventions.
        shortest: length of an invented way, least, in units of the true one that it is made of.
    """
    size = len(before)
    other = torch.randperm(size, generator=generator).to(before.device)
    stretch = shortest + (LONGER + 1 - shortest) * torch.rand(size, 1, generator=generator).to(before.device)
    invented = before.clone()
    invented[:, PLACE] += stretch * (after[other, PLACE] - before[other, PLACE])
    logits = reachability(layouts, before.repeat(2, 1), torch.cat([after, invented]))
    return binary_cross_entropy_with_logits(logits, torch.cat([logits.new_ones(size), logits.new_zeros(size)]))
