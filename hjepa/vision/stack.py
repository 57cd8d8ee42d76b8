"""The stack over frames: one backbone, one attention that finds what moves, and levels with layouts of their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, final

import torch
from torch import Tensor, nn

from hjepa.vision.far_level import FarLevel
from hjepa.vision.features import Attention, Backbone
from hjepa.vision.place_level import PlaceConfig, PlaceLevel
from hjepa.vision.spatial_level import WINDOW, SpatialConfig, SpatialLevel

Encoder = Literal["spatial", "factorised"]


@dataclass(frozen=True)
class VisionConfig:
    """The shape of a stack over frames.

    Attributes:
        channels: of the feature map.
        action_dim: A, components of the world's action.
        patch: pixels of a frame in one cell of the feature map, the unit of length of all places.
        encoder: what level 1's state is: the feature map itself (spatial), or what is read from it, the place of what
            moves and its motion, beside a layout that stays (factorised).
        levels: the finest first; the spatial encoder's level 1 has a shape of its own.
        spatial: the shape of level 1 for the spatial encoder.
        shared: whether all levels read level 1's layout (factorised), which is then learned with level 1 alone, instead
            of one of their own.
        window: cells per side of the square around the peak of attention from which places are read (factorised), odd;
            0 is the whole map, whose rest draws places towards its middle. The spatial encoder has a window always.
    """

    channels: int = 16
    action_dim: int = 2
    patch: int = 4
    encoder: Encoder = "factorised"
    levels: tuple[PlaceConfig, ...] = (
        PlaceConfig(),
        PlaceConfig(stride=10, rollout=4, taps=5, spacing=1.5),
    )
    spatial: SpatialConfig = field(default_factory=SpatialConfig)
    shared: bool = False
    window: int = 0

    def __post_init__(self) -> None:
        if self.shared and (self.encoder == "spatial" or len({level.channels for level in self.levels}) > 1):
            raise ValueError("shared: needs the factorised encoder, and levels with equally many channels")
        if self.window < 0 or (self.window and self.window % 2 == 0):
            raise ValueError(f"window must be an odd number of cells, or 0, not {self.window}")
        if self.patch < 1:
            raise ValueError(f"patch must be at least 1 pixel, not {self.patch}")
        strides = [1, *(level.stride for level in self.levels)]
        for k, (below, own) in enumerate(zip(strides, strides[1:], strict=False), start=1):
            if own % below or (k == 1 and own != 1) or (k > 1 and own <= below):
                raise ValueError(f"levels: the strides must be 1 and then growing multiples, not {strides[1:]}")
        if any(level.rounds for level in self.levels[:-1]) or len(self.recorded) < min(2, len(self.levels)):
            raise ValueError("levels: only the last one of three or more can look far (rounds above 0)")

    @property
    def recorded(self) -> tuple[PlaceConfig, ...]:
        """The levels that learn from what was recorded: all but one that learns in imagination."""
        return tuple(level for level in self.levels if not level.rounds)


@final
class VisionStack(nn.Module):
    """An H-JEPA over frames.

    Args:
        config: its shape.

    Attributes:
        pace: [] cells per world step: the fastest that was recorded, over ten of them.
        strongest: [] the largest norm of a recorded action.
    """

    pace: Tensor
    strongest: Tensor

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.register_buffer("pace", torch.ones(()))
        self.register_buffer("strongest", torch.ones(()))
        self.config = config
        self.backbone = Backbone(config.channels, config.patch, standard=config.encoder == "spatial")
        self.attention = Attention(config.channels)
        self.levels = nn.ModuleList()
        below, action = 1, config.action_dim
        for level in config.levels:
            ratio = level.stride // below
            if ratio == 1 and config.encoder == "spatial":
                self.levels.append(SpatialLevel(config.spatial, config.channels, action))
            elif level.rounds:
                with torch.random.fork_rng(devices=[]):  # all else is as it is without it
                    self.levels.append(FarLevel(level, config.channels, ratio))
            else:
                self.levels.append(PlaceLevel(level, config.channels, action, ratio))
            below, action = level.stride, level.macro_dim if ratio > 1 else action

    def __len__(self) -> int:
        return len(self.levels)

    @property
    def first(self) -> SpatialLevel | PlaceLevel:
        """Level 1, as the encoder has it."""
        level = self.levels[0]
        assert isinstance(level, SpatialLevel | PlaceLevel)
        return level

    def level(self, k: int) -> PlaceLevel:
        """Level ``k``, counted from 1 (the finest), whose states are places: 2 or above for the spatial encoder."""
        level = self.levels[k - 1]
        assert isinstance(level, PlaceLevel)
        return level

    @property
    def far(self) -> FarLevel | None:
        """The topmost level, if it is one that looks far."""
        level = self.levels[-1]
        return level if isinstance(level, FarLevel) else None

    def places(self, features: Tensor) -> Tensor:
        """[N, C, h, w] features to the [N, 2] places of what moves, cells."""
        window = WINDOW if self.config.encoder == "spatial" else self.config.window
        return self.attention.focus(features, window) if window else self.attention(features)

    def layouts(self, features: Tensor, k: int) -> Tensor:
        """[N, C, h, w] features to the [N, C_k, h, w] layout of level ``k``.

        In training as losses shape it; :meth:`PlaceLevel.settle` makes of it what the level reads.
        """
        level = self.levels[k - 1]
        if isinstance(level, FarLevel):
            return level.layout(features)
        shared = self.config.shared and k > 1
        layouts = self.level(1).layout(features).detach() if shared else self.level(k).layout(features)
        return layouts if self.training else self.level(k).settle(layouts)

    def macro_actions(self, actions: Tensor, k: int) -> Tensor:
        """[..., T, A] actions of the world to the [..., T // stride, A_k] macro-actions of level ``k``."""
        for level in range(2, k + 1):
            actions = self.level(level).macro_actions(actions)
        return actions


def states_of(places: Tensor, before: Tensor, numbers: Tensor) -> Tensor:
    """[B, ..., 2] places now and one world step before, and the [B] numbers of their layouts, to [B, ..., 5] states."""
    column = numbers.to(places).view(-1, *[1] * (places.dim() - 1)).expand(*places.shape[:-1], 1)
    return torch.cat([places, places - before, column], -1)
