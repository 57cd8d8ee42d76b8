"""A level whose state is where something is and how it moves; the layout around it decides what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from hjepa.layers import SkipMLP, mlp, start_at_zero
from hjepa.vision.features import read

PLACE, MOTION = slice(0, 2), slice(2, 4)
LAYOUT = 4
"""Components of a state: a place (x, y), cells of the feature map; its motion, cells per world step; and the number of
the layout that it is in, which never changes: a state then says all that a prediction needs to know."""
STATE = 5
DECAY = 0.98
"""Of the running means that errors are measured by."""


@dataclass(frozen=True)
class PlaceConfig:
    """The shape of one level, and the weights of its losses.

    Attributes:
        stride: world steps that one prediction spans; a multiple of the stride below.
        macro_dim: A, components of its macro-action (level 1 uses the world's own action).
        rollout: how many of its own predictions it is trained to chain.
        channels: C, of its layout map.
        steady: weight of its layout staying as it is during an episode. Distractors change a few cells of many, and are
            dropped where this is large.
        whole: whether its layout is read in whole numbers (its components have a standard deviation of about 1): what
            is left of something that was all but dropped is then gone.
        commitment: weight of its layout being near whole numbers, so that little never makes one another.
        taps: places per side of the square in which it reads the layout; odd.
        spacing: cells between them.
        hidden: widths of its networks' hidden layers.
        inverse_weight: weight of the inverse-dynamics loss.
        macro_weight: weight of the VICReg penalty on macro-actions.
        codes: size of the macro-action codebook.
        shortest: false ways that its edge classifier learns from are at least this many times as long as the true ones
            that they are made of. Below 1 where walls are thin: who crosses one need not go far.
        rounds: 0 for a level that learns from what was recorded; above 0 for one that looks far, and learns in
            imagination (:class:`hjepa.vision.far_level.FarLevel`): how often its convolution is applied.
    """

    stride: int = 1
    macro_dim: int = 6
    rollout: int = 12
    channels: int = 12
    steady: float = 1.0
    whole: bool = False
    commitment: float = 0.0
    taps: int = 3
    spacing: float = 0.75
    hidden: tuple[int, ...] = (96, 96)
    inverse_weight: float = 0.5
    macro_weight: float = 0.05
    codes: int = 24
    shortest: float = 1.0
    rounds: int = 0


def layout_head(features: int, channels: int) -> nn.Sequential:
    """Reads a level's own layout: [N, features, h, w] to [N, channels, h, w]."""
    return nn.Sequential(
        nn.Conv2d(features, channels, 3, padding=1, padding_mode="replicate"),
        nn.SiLU(),
        nn.Conv2d(channels, channels, 1),
    )


def square(side: Tensor) -> Tensor:
    """[n] numbers to the [n * n, 2] places (x, y) that they span, row by row."""
    y, x = torch.meshgrid(side, side, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], -1)


@final
class PlaceLevel(nn.Module):
    """Level ``k``: reads its own layout from the features, and predicts places and motions ``stride`` steps ahead.

    Args:
        config: its shape.
        features: channels of the feature map.
        action: size of the action of the level below (of the world, for level 1).
        ratio: predictions of the level below in one of its own (1 for level 1).

    Attributes:
        change: [2] running means of the squared change of a place over one prediction, and of a motion's square: the
            units that its networks work in.
        batches: [] how many went into these.
        codebook: [codes, A] macro-actions that stand for those in the data.
        support: [2, A] smallest and largest macro-action on the data's support.
    """

    change: Tensor
    batches: Tensor
    codebook: Tensor
    support: Tensor
    taps: Tensor

    def __init__(self, config: PlaceConfig, features: int, action: int, ratio: int) -> None:
        super().__init__()
        self.config, self.ratio = config, ratio
        self.action_dim = config.macro_dim if ratio > 1 else action
        self.layout = layout_head(features, config.channels)
        self.macro_action = SkipMLP(ratio * action, config.hidden[:1], config.macro_dim) if ratio > 1 else None
        self.predict = mlp(config.taps**2 * config.channels + 2 + self.action_dim, config.hidden, 4)
        self.invert = mlp(6, config.hidden[:1], self.action_dim)
        start_at_zero(self.predict)
        self.register_buffer("change", torch.ones(2))
        self.register_buffer("batches", torch.zeros(()))
        self.register_buffer("codebook", torch.zeros(config.codes, self.action_dim))
        self.register_buffer("support", torch.tensor([[-1.0], [1.0]]).repeat(1, self.action_dim))
        side = config.spacing * (torch.arange(config.taps) - (config.taps - 1) / 2)
        self.register_buffer("taps", square(side), persistent=False)

    def note_change(self, change: Tensor) -> None:
        """Takes [2] one batch's mean squares into the running means."""
        self.batches += 1
        self.change.lerp_(change.clamp_min(1e-6), max(1 - DECAY, 1 / float(self.batches)))

    def settle(self, layouts: Tensor) -> Tensor:
        """Layouts as this level reads them.

        Where these are whole numbers, gradients pass straight through (Mentzer et al., 2024, "Finite scalar
        quantization").
        """
        return layouts + (layouts.round() - layouts).detach() if self.config.whole else layouts

    def macro_actions(self, actions: Tensor) -> Tensor:
        """[..., T, a] actions of the level below to [..., T // ratio, A] macro-actions."""
        if self.macro_action is None:
            return actions
        return self.macro_action(actions.unflatten(-2, (-1, self.ratio)).flatten(-2))

    def forward(self, layouts: Tensor, states: Tensor, actions: Tensor) -> Tensor:
        """[M, C, h, w] layouts, [..., 5] states and [..., A] macro-actions to the [..., 5] states a stride later."""
        flat, moves = states.reshape(-1, STATE), actions.reshape(-1, self.action_dim)
        place, motion, number = flat[:, PLACE], flat[:, MOTION], flat[:, LAYOUT:]
        around = read(layouts, number[:, 0].long(), place.unsqueeze(1) + self.taps)
        unit, pace = self.change.sqrt()
        bend = self.predict(torch.cat([around.flatten(1), motion / pace, moves], -1))
        after = torch.cat([place + unit * bend[:, :2], pace * bend[:, 2:], number], -1)
        return after.view(states.shape)

    def invert_actions(self, before: Tensor, after: Tensor) -> Tensor:
        """[..., 5] states a stride apart to the [..., A] macro-actions between them."""
        unit, pace = self.change.sqrt()
        moved = (after[..., PLACE] - before[..., PLACE]) / unit
        return self.invert(torch.cat([moved, before[..., MOTION] / pace, after[..., MOTION] / pace], -1))
