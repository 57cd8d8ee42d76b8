"""From frames to feature maps, and from feature maps to what moves in them and what does not."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag, layer_norm


@final
class Backbone(nn.Module):
    """[N, 3, H, W] frames of bytes to [N, C, H // p, W // p] features: three convolutions, the first one coarse.

    The coarse one first is what makes it fast on a CPU. It pads by repeating the border, which looks like more wall.

    Args:
        channels: of the features, C.
        patch: p, pixels of a frame in one cell of its feature map, the unit of length of all places; each cell also
            sees one pixel around its own.
        standard: whether a cell's features have mean 0 and variance 1 over the channels: maps that are predicted
            themselves need a scale.
    """

    def __init__(self, channels: int, patch: int = 4, standard: bool = False) -> None:
        super().__init__()
        self.standard = standard
        self.patches = nn.Conv2d(3, channels, kernel_size=patch + 2, stride=patch, padding=1)
        self.layers = nn.Sequential(
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="replicate"),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="replicate"),
            nn.SiLU(),
        )

    def forward(self, frames: Tensor) -> Tensor:
        inputs = frames.to(self.patches.weight.dtype, memory_format=torch.channels_last, copy=True)
        features = self.layers(self.patches(inputs.div_(255).sub_(0.5)))  # in place: floats are four times the frames
        if self.standard:
            features = layer_norm(features.movedim(1, -1), features.shape[1:2]).movedim(-1, 1)
        return features


@final
class Attention(nn.Module):
    """Pools a feature map where it attends to: the place of what moves, in cells of the map.

    The soft argmax of one attention map (Finn et al., 2016, "Deep spatial autoencoders"), plus an offset that is read
    where it attends: cells are coarse, places are not. Attention is standardised over the map, so that it begins with
    what stands out: a dot that is all but lost among uniform weights would take long to be found.

    Args:
        channels: C, of the features.
    """

    SHARPNESS = 2.0

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = nn.Conv2d(channels, 3, kernel_size=1)

    def forward(self, features: Tensor) -> Tensor:
        """[N, C, h, w] features to [N, 2] places (x, y)."""
        weights = self.logits(features).softmax(-1)
        cells = grid_cells(features.shape[-2], features.shape[-1], features)
        offset = self.heads(features)[:, 1:].tanh().flatten(2)
        return (weights.unsqueeze(1) * (cells + offset)).sum(-1)

    def logits(self, features: Tensor) -> Tensor:
        """[N, C, h, w] features to the [N, h * w] logits of attending to each cell."""
        attention = self.heads(features)[:, 0].flatten(1)
        mean, spread = _moments(attention)
        return self.SHARPNESS * (attention - mean) / spread

    def focus(self, features: Tensor, side: int) -> Tensor:
        """[N, C, h, w] features to [N, 2] places, pooled in the square of ``side`` cells around the peak alone.

        So what is far away has no say, and a piece of the map tells the same place as all of it.
        """
        peaks = self.heads(features)[:, 0].flatten(1).argmax(-1)
        width = features.shape[-1]
        centres = torch.stack([peaks % width, peaks // width], -1)
        pieces = crop(features, torch.arange(len(features), device=features.device), centres, side)
        return self.pool(self.heads(pieces), centres.to(features), *self.moments(features))

    def pool(self, heads: Tensor, centres: Tensor, mean: Tensor, spread: Tensor) -> Tensor:
        """Where attention is within pieces of maps.

        Args:
            heads: [N, 3, s, s] attention and offsets there.
            centres: [N, 2] cells (x, y) around which they were cut out.
            mean: [N, 1] of attention over the whole map, before it is standardised.
            spread: [N, 1] its standard deviation.

        Returns:
            [N, 2] places.
        """
        cells = grid_cells(heads.shape[-2], heads.shape[-1], heads) - heads.shape[-1] // 2
        flat = heads.flatten(2)
        weights = (self.SHARPNESS * (flat[:, 0] - mean) / spread).softmax(-1)
        return centres + (weights.unsqueeze(1) * (cells + flat[:, 1:].tanh())).sum(-1)

    def moments(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """[N, C, h, w] features to the [N, 1] means and deviations of attention before it is standardised."""
        return _moments(self.heads(features)[:, 0].flatten(1))


def _moments(attention: Tensor) -> tuple[Tensor, Tensor]:
    return attention.mean(-1, keepdim=True), attention.std(-1, keepdim=True).clamp_min(1e-4)


def grid_cells(height: int, width: int, like: Tensor) -> Tensor:
    """[2, h * w] the places (x, y) of a map's cells, row by row."""
    rows = torch.arange(height, dtype=like.dtype, device=like.device)
    columns = torch.arange(width, dtype=like.dtype, device=like.device)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()])


def read(layouts: Tensor, numbers: Tensor, places: Tensor) -> Tensor:
    """Reads maps at places, between cells bilinearly; beyond the border is what is at the border.

    Args:
        layouts: [M, C, h, w] maps.
        numbers: [N] which map each row reads.
        places: [N, R, 2] places (x, y), cells.

    Returns:
        [N, R, C] what is there; differentiable in maps and places.
    """
    height, width = layouts.shape[-2:]
    table = layouts.permute(0, 2, 3, 1).reshape(-1, layouts.shape[1])
    x, y = places[..., 0].clamp(0, width - 1), places[..., 1].clamp(0, height - 1)
    left, top = x.detach().floor().clamp(max=width - 2), y.detach().floor().clamp(max=height - 2)
    right_share, lower_share = x - left, y - top
    corner = (numbers.unsqueeze(-1) * height + top.long()) * width + left.long()
    rows = torch.stack([corner, corner + 1, corner + width, corner + width + 1], -1)
    shares = torch.stack(
        [
            (1 - right_share) * (1 - lower_share),
            right_share * (1 - lower_share),
            (1 - right_share) * lower_share,
            right_share * lower_share,
        ],
        -1,
    )
    bags = embedding_bag(rows.flatten(0, -2), table, per_sample_weights=shares.flatten(0, -2), mode="sum")
    return bags.unflatten(0, places.shape[:2])


def crop(maps: Tensor, numbers: Tensor, centres: Tensor, side: int) -> Tensor:
    """[N, C, side, side] of [M, C, h, w] maps with [N] numbers around [N, 2] centres (x, y), whole cells.

    Beyond the border is what is at the border. The result is channels last.
    """
    count, channels, height, width = maps.shape
    table = maps.permute(0, 2, 3, 1).reshape(count * height * width, channels)
    reach = torch.arange(side, device=maps.device) - side // 2
    x = (centres[:, :1].long() + reach).clamp(0, width - 1)
    y = (centres[:, 1:].long() + reach).clamp(0, height - 1)
    rows = (numbers[:, None, None] * height + y.unsqueeze(2)) * width + x.unsqueeze(1)
    return table[rows].permute(0, 3, 1, 2)
