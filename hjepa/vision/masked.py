"""Learning to see before there is anything to do: features of hidden parts of a picture, predicted from what is seen.

I-JEPA (Assran et al., 2023, "Self-supervised learning from images with a joint-embedding predictive architecture"): the
targets are features, not pixels, and those of a moving average of the backbone, which keeps them from collapsing.
"""

from __future__ import annotations

import copy
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, smooth_l1_loss

from hjepa.vision.features import Backbone

BLOCKS = 4
"""Rectangles of a picture that are hidden."""
SIDES = (0.2, 0.5)
"""Shortest and longest of their sides, shares of the picture's."""
HIDDEN = 128
"""What is shown instead: grey."""
DECAY = 0.99


@final
class MaskedLatents(nn.Module):
    """The predictor of hidden features, and the moving average whose features it predicts.

    Args:
        backbone: that is to learn to see.
        channels: C, of its features.
        patch: pixels in one cell of its feature map.
        width: channels of the predictor.
    """

    def __init__(self, backbone: Backbone, channels: int, patch: int, width: int = 32) -> None:
        super().__init__()
        self.patch = patch
        self.target = copy.deepcopy(backbone).requires_grad_(False)
        self.predict = nn.Sequential(
            nn.Conv2d(channels + 1, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=2, dilation=2),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=4, dilation=4),
            nn.SiLU(),
            nn.Conv2d(width, channels, 1),
        )

    def loss(self, backbone: Backbone, frames: Tensor, generator: torch.Generator) -> Tensor:
        """[] how far the features of hidden cells of [N, 3, H, W] frames are from what is predicted.

        Targets are standardised over channels, as in I-JEPA.
        """
        wanted = self.target(frames)
        wanted = layer_norm(wanted.permute(0, 2, 3, 1), wanted.shape[1:2])
        hidden = blocks(len(frames), wanted.shape[1], wanted.shape[2], generator).to(frames.device)
        shown = frames.clone()
        region = shown[..., : hidden.shape[1] * self.patch, : hidden.shape[2] * self.patch]
        pixels = hidden.repeat_interleave(self.patch, 1).repeat_interleave(self.patch, 2)
        region.masked_fill_(pixels.unsqueeze(1), HIDDEN)
        seen = torch.cat([backbone(shown), hidden.unsqueeze(1).to(wanted)], 1)
        predicted = self.predict(seen).permute(0, 2, 3, 1)
        return smooth_l1_loss(predicted[hidden], wanted[hidden])

    @torch.no_grad()
    def follow(self, backbone: Backbone) -> None:
        """Moves the average towards the backbone."""
        for slow, fast in zip(self.target.parameters(), backbone.parameters(), strict=True):
            slow.lerp_(fast, 1 - DECAY)


def blocks(count: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """[count, height, width] what is hidden: some random rectangles in each map, at least a cell wide."""
    size, start = torch.rand(2, count, BLOCKS, 2, generator=generator)
    side = SIDES[0] + (SIDES[1] - SIDES[0]) * size
    begin = start * (1 - side)
    extent = torch.tensor([height, width])
    first, last = (begin * extent).floor(), ((begin + side) * extent).ceil()
    row, column = torch.arange(height).view(-1, 1), torch.arange(width)
    top, left, bottom, right = (value[..., None, None] for value in (*first.unbind(-1), *last.unbind(-1)))
    inside = (row >= top) & (row < bottom) & (column >= left) & (column < right)
    return inside.any(1)
