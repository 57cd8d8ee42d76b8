"""A first level that keeps the picture: its state is a feature map, and convolutions predict the next one.

Walls, what moves and how it moves are all in the maps of two successive frames; nothing names them. What changes within
a plan lies around what is attended to: a fovea. The state holds the fovea of both maps, and what surrounds it is
remembered (:class:`Backdrop`): so a plan's hundreds of imagined maps take little memory, and a prediction little time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from hjepa.layers import mlp
from hjepa.vision.features import Attention, crop, grid_cells

PLACE, NUMBER, FOVEA = slice(0, 2), 2, slice(3, None)
"""Components of a state: the place (x, y) that attention reads from its map, cells; the number of the layout; and the
fovea, [2C, f, f] flattened: the map around the rounded place now, and one world step before."""
HALO = 2
"""Cells around the fovea that a prediction looks at, too: two convolutions of 3 x 3."""
WINDOW = 9
"""Cells per side of the square around the peak of attention in which it is pooled: that which a prediction looks at."""
DECAY = 0.98
"""Of the running mean that changes are measured by."""
HALF = 0.499
"""Of a cell: places stay so near to the middle of their fovea that it is what they are rounded to."""


@dataclass(frozen=True)
class SpatialConfig:
    """The shape of a level that keeps the picture, and the weights of its losses.

    Attributes:
        rollout: how many of its own predictions it is trained to chain.
        fovea: cells per side of the square in which maps change; odd.
        hidden: channels of the predictor's hidden layers.
        gist: hidden units of what tells every cell of the fovea how all of it moves, and what is done: two small
            convolutions see too little of it.
        inverse_weight: weight of the inverse-dynamics loss.
        place_weight: weight of the error of the places that are read from predicted maps.
    """

    rollout: int = 12
    fovea: int = 5
    hidden: int = 32
    gist: int = 64
    inverse_weight: float = 0.5
    place_weight: float = 1.0


class Backdrop(NamedTuple):
    """What is remembered of M layouts: maps without what moves.

    Attributes:
        attention: what reads places from maps.
        maps: [M, C, h, w].
        heads: [M, 3, h, w] attention and offsets of these.
        mean: [M, 1] of attention over the whole map, before it is standardised.
        spread: [M, 1] its standard deviation.
    """

    attention: Attention
    maps: Tensor
    heads: Tensor
    mean: Tensor
    spread: Tensor

    @classmethod
    def remember(cls, attention: Attention, features: Tensor, places: Tensor) -> Backdrop:
        """Each cell as it was seen when what moves was furthest away.

        Args:
            attention: what reads places.
            features: [M, U, C, h, w] maps seen at U times.
            places: [M, U, 2] of what moves in them, cells.
        """
        height, width = features.shape[-2:]
        cells = grid_cells(height, width, features).T
        away = (cells - places.unsqueeze(2)).square().sum(-1)
        furthest = away.argmax(1).view(len(features), 1, 1, height, width)
        maps = features.gather(1, furthest.expand(-1, -1, features.shape[2], -1, -1)).squeeze(1)
        return cls(attention, maps, attention.heads(maps), *attention.moments(features[:, 0]))

    def around(self, numbers: Tensor, centres: Tensor, side: int) -> Tensor:
        """[N, C, side, side] of the maps with [N] numbers around [N, 2] centres, cells; the border goes on outside."""
        return crop(self.maps, numbers, centres, side)

    def place(self, foveas: Tensor, numbers: Tensor, centres: Tensor) -> Tensor:
        """[N, 2] where attention is around [N, 2] centres, with [N, C, f, f] foveas on the maps with [N] numbers."""
        around = crop(self.heads, numbers, centres, WINDOW)
        heads = overlay(around, self.attention.heads(foveas))
        return self.attention.pool(heads, centres, self.mean[numbers], self.spread[numbers])


def overlay(around: Tensor, fovea: Tensor) -> Tensor:
    """[N, C, s, s] surroundings with [N, C, f, f] foveas in their middles."""
    margin = (around.shape[-1] - fovea.shape[-1]) // 2
    laid = around.clone()
    laid[..., margin:-margin, margin:-margin] = fovea
    return laid


@final
class SpatialLevel(nn.Module):
    """Level 1: predicts the next map around what moves, from the last two and an action.

    Args:
        config: its shape.
        channels: C, of the feature map.
        action: A, components of the world's action.

    Attributes:
        pace: [] running mean of the squared change of a fovea in one step: the unit that its networks see changes in.
        batches: [] how many went into it.
    """

    pace: Tensor
    batches: Tensor

    def __init__(self, config: SpatialConfig, channels: int, action: int) -> None:
        super().__init__()
        self.config, self.channels, self.action_dim = config, channels, action
        self.look = nn.Conv2d(2 * channels, config.hidden, 3)
        self.gist = mlp(2 * channels * config.fovea**2 + action, (config.gist,), config.hidden)
        self.change = nn.Sequential(
            nn.SiLU(),
            nn.Conv2d(config.hidden, config.hidden, 3),
            nn.SiLU(),
            nn.Conv2d(config.hidden, channels, 1),
        )
        last = self.change[-1]
        assert isinstance(last, nn.Conv2d) and last.bias is not None
        nn.init.normal_(last.weight, std=1e-3)  # it begins as "nothing changes"
        nn.init.zeros_(last.bias)
        self.invert = mlp(3 * channels * config.fovea**2, (64,), action)
        self.register_buffer("pace", torch.ones(()))
        self.register_buffer("batches", torch.zeros(()))

    def note_pace(self, change: Tensor) -> None:
        """Takes [] one batch's mean squared change into the running mean."""
        self.batches += 1
        self.pace.lerp_(change.clamp_min(1e-6), max(1 - DECAY, 1 / float(self.batches)))

    def states(self, now: Tensor, before: Tensor, places: Tensor, numbers: Tensor) -> Tensor:
        """Makes states of what is seen.

        Args:
            now: [N, C, h, w] feature maps.
            before: [N, C, h, w] those one world step earlier.
            places: [N, 2] of what moves now, cells.
            numbers: [N] of the layouts that they are in.

        Returns:
            [N, D] states.
        """
        rows = torch.arange(len(now), device=now.device)
        foveas = [crop(maps, rows, places.detach().round(), self.config.fovea) for maps in (now, before)]
        return torch.cat([places, numbers.to(places).unsqueeze(1), torch.cat(foveas, 1).flatten(1)], -1)

    def foveas(self, states: Tensor) -> Tensor:
        """[N, D] states to the [N, 2C, f, f] foveas in them."""
        side = self.config.fovea
        return states[:, FOVEA].view(-1, 2 * self.channels, side, side)

    def forward(self, backdrop: Backdrop, states: Tensor, actions: Tensor) -> Tensor:
        """[..., D] states and [..., A] actions of the world to the [..., D] states one world step later."""
        flat, pushes = states.reshape(-1, states.shape[-1]), actions.reshape(-1, self.action_dim)
        numbers, centres = flat[:, NUMBER].long(), flat[:, PLACE].detach().round()
        foveas, inner = self.foveas(flat), self.config.fovea
        around, pace = backdrop.around(numbers, centres, inner + 2 * HALO), self.pace.sqrt()
        now, before = foveas.chunk(2, 1)
        motion = (now - before) / pace
        gist = self.gist(torch.cat([now.flatten(1), motion.flatten(1), pushes], 1))
        seen = self.look(torch.cat([overlay(around, now), pad(motion, [HALO] * 4)], 1)) + gist[:, :, None, None]
        after = now + pace * self.change(seen)
        places = backdrop.place(after, numbers, centres)
        moved = (places.detach().round() - centres).clamp(-HALO, HALO)
        places = places.clamp(centres + moved - HALF, centres + moved + HALF)
        shifted = _follow(torch.cat([after, now], 1), around, moved.long())
        return torch.cat([places, flat[:, NUMBER, None], shifted.flatten(1)], -1).view(states.shape)


def _follow(foveas: Tensor, around: Tensor, moved: Tensor) -> Tensor:
    """[N, 2C, f, f] foveas of two times, moved by [N, 2] cells (x, y) within [N, C, s, s] surroundings."""
    gone = moved.any(1).nonzero().squeeze(1)  # few are, at each step
    maps = torch.cat([overlay(around[gone], fovea) for fovea in foveas[gone].chunk(2, 1)], 1)
    return foveas.index_copy(0, gone, _shift(maps, moved[gone], foveas.shape[-1]))


def _shift(maps: Tensor, moved: Tensor, side: int) -> Tensor:
    """[N, C, s, s] maps to their [N, C, side, side] middles, moved by [N, 2] cells (x, y)."""
    whole = maps.shape[-1]
    reach = torch.arange(side, device=maps.device) + (whole - side) // 2
    x, y = moved[:, :1] + reach, moved[:, 1:] + reach
    cells = (y.unsqueeze(2) * whole + x.unsqueeze(1)).flatten(1)
    picked = maps.flatten(2).gather(2, cells.unsqueeze(1).expand(-1, maps.shape[1], -1))
    return picked.unflatten(2, (side, side))
