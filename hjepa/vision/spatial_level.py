"""A first level that keeps the picture: its state is a feature map, and convolutions predict the next one.

Nothing in it says that there is one thing that moves, or where: walls, agent and velocity are all in one map. A
prediction is made in a window around what is attended to; further away nothing changes within a plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from hjepa.layers import mlp


@dataclass(frozen=True)
class SpatialConfig:
    """The shape of a level that keeps the picture, and the weights of its losses.

    Attributes:
        rollout: how many of its own predictions it is trained to chain.
        hidden: channels of the predictor's hidden layers.
        window: cells per side of the window in which a plan's predictions are made.
        inverse_weight: weight of the inverse-dynamics loss.
    """

    rollout: int = 8
    hidden: int = 24
    window: int = 13
    inverse_weight: float = 0.5


@final
class SpatialLevel(nn.Module):
    """Predicts the next feature map from the present one and an action.

    Args:
        config: its shape.
        channels: C, of the feature map.
        action: A, components of an action.
    """

    def __init__(self, config: SpatialConfig, channels: int, action: int) -> None:
        super().__init__()
        self.config = config
        self.change = nn.Sequential(
            nn.Conv2d(channels + action, config.hidden, 3, padding=1, padding_mode="replicate"),
            nn.SiLU(),
            nn.Conv2d(config.hidden, config.hidden, 3, padding=1, padding_mode="replicate"),
            nn.SiLU(),
            nn.Conv2d(config.hidden, channels, 3, padding=1, padding_mode="replicate"),
        )
        last = self.change[-1]
        assert isinstance(last, nn.Conv2d) and last.bias is not None
        nn.init.normal_(last.weight, std=1e-3)  # it begins as "nothing changes"
        nn.init.zeros_(last.bias)
        self.invert = mlp(2 * channels + 2, (64,), action)

    def forward(self, maps: Tensor, actions: Tensor) -> Tensor:
        """[N, C, h, w] feature maps and [N, A] actions to the [N, C, h, w] maps one world step later."""
        planes = actions[:, :, None, None].expand(-1, -1, *maps.shape[2:])
        return maps + self.change(torch.cat([maps, planes], 1))
