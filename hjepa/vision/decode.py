"""Draws frames from latents, so that people see what a level keeps and imagines. Nothing else is trained with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from hjepa.vision.features import grid_cells

BUMP = 1.0
"""Standard deviation of what marks a place, cells."""
MARKED = 30.0
"""How much more the pixels around a place count."""

Draw = Callable[[int], tuple[Tensor, Tensor, Tensor]]
"""A step of training to [B, C, h, w] maps, [B, 2] places, cells, and [B, 3, H, W] frames, bytes."""


@final
class Decoder(nn.Module):
    """A level's map, and the place of what moves, to frames: the map is drawn, and what moves is painted over it.

    Args:
        channels: C, of the map.
        patch: pixels of a frame in one cell of the map.
        hidden: channels of the hidden layers.
    """

    def __init__(self, channels: int, patch: int, hidden: int = 16) -> None:
        super().__init__()
        self.patch = patch
        self.ground = _drawing(channels, hidden, 3, patch)
        self.paint = _drawing(3, hidden, 4, patch)

    def forward(self, maps: Tensor, places: Tensor) -> Tensor:
        """[N, C, h, w] maps and [N, 2] places, cells, to [N, 3, h patch, w patch] frames in 0 .. 1."""
        apart, near = marks(maps, places)
        colour, opacity = self.paint(torch.cat([near, near * apart], 1)).split([3, 1], 1)
        around = (3 * enlarged(near, self.patch)).clamp(max=1)
        return torch.lerp(self.ground(maps), colour, opacity * around)

    @torch.no_grad()
    def frames(self, maps: Tensor, places: Tensor) -> Tensor:
        """The same as bytes."""
        return (255 * self(maps, places)).round().to(torch.uint8)


def _drawing(channels: int, hidden: int, colours: int, patch: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, hidden, 3, padding=1, padding_mode="replicate"),
        nn.SiLU(),
        nn.Conv2d(hidden, hidden, 3, padding=1, padding_mode="replicate"),
        nn.SiLU(),
        nn.Conv2d(hidden, colours * patch**2, 1),
        nn.PixelShuffle(patch),
        nn.Sigmoid(),
    )


def enlarged(maps: Tensor, patch: int) -> Tensor:
    """[N, C, h, w] maps to [N, C, h patch, w patch]."""
    return interpolate(maps, scale_factor=float(patch), mode="bilinear")


def marks(maps: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """[N, 2] places on the cells of [N, C, h, w] maps: [N, 2, h, w] how far away they are, and a [N, 1, h, w] bump."""
    height, width = maps.shape[-2:]
    apart = places[:, :, None, None] - grid_cells(height, width, maps).view(2, height, width)
    return apart, (-apart.square().sum(1, keepdim=True) / (2 * BUMP**2)).exp()


def train_decoder(channels: int, patch: int, draw: Draw, steps: int = 500, seed: int = 0) -> Decoder:
    """Least squares; a minute on one core at most.

    Args:
        channels: of the level's map.
        patch: pixels in a cell.
        draw: examples; frames may be a few pixels larger than what the cells cover.
        steps: of AdamW.
        seed: of the weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        decoder = Decoder(channels, patch)
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        loss = _loss(decoder, *draw(step))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
    return decoder.eval().requires_grad_(False)


def _loss(decoder: Decoder, maps: Tensor, places: Tensor, frames: Tensor) -> Tensor:
    """[] what moves is a few pixels: these are weighed, or it would be painted over."""
    drawn = decoder(maps, places)
    actual = frames[..., : drawn.shape[-2], : drawn.shape[-1]] / 255
    _, near = marks(maps, places)
    weights = 1 + MARKED * enlarged(near, decoder.patch)
    return (weights * (drawn - actual).square()).mean()
