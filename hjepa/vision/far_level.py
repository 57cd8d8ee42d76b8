"""A level that sees where the level below can get to: its predictor looks at the layout far around, round corners, too.

Nobody recorded so long a way; it is learned from journeys that the level below imagines (:mod:`hjepa.vision.practice`).
What is around is a patch of the level's own layout. One convolution, applied again and again, tells from cell to cell
what can be reached from the middle (as value iteration networks do; Tamar et al., 2016). A macro-action aims at some
place in the patch, and the prediction is where, near to it, one can get.
"""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample

from hjepa.layers import SkipMLP
from hjepa.vision.features import read
from hjepa.vision.place_level import LAYOUT, MOTION, PLACE, STATE, PlaceConfig, layout_head, square

FINER = 2
"""Places per side at which the layout is read for each place of the patch."""
MOTION_SCALE = 5.0
"""Of motions, cells per world step, beside the other inputs."""
SHARPNESS = 4.0
"""With which attention begins to look where a macro-action aims; it is learned."""
HOPELESS = -20.0
"""Logit of a place beyond the patch."""


@final
class FarLevel(nn.Module):
    """Level ``k``, 3 or above: predicts places and motions ``stride`` steps ahead, and tells its own edges.

    Args:
        config: its shape; ``taps`` and ``spacing`` are of the patch, and the first of ``hidden`` is how many channels
            the repeated convolution has.
        features: channels of the feature map.
        ratio: predictions of the level below in one of its own.
    """

    codebook: Tensor
    support: Tensor
    taps: Tensor
    finer: Tensor

    def __init__(self, config: PlaceConfig, features: int, ratio: int) -> None:
        super().__init__()
        self.config, self.ratio, self.action_dim = config, ratio, config.macro_dim
        width = config.hidden[0]
        self.layout = layout_head(features, config.channels)
        self.macro_action = SkipMLP(2 * ratio, config.hidden[:1], config.macro_dim)
        self.aim = nn.Linear(config.macro_dim, 2)
        self.sharpness = nn.Parameter(torch.zeros(()))
        self.look = nn.Conv2d(FINER**2 * config.channels + 3, width, 3, padding=1)
        self.spread = nn.Conv2d(width, width, 3, padding=1)
        self.tell = nn.Conv2d(width, 3, 1)
        with torch.no_grad():  # macro-actions begin as the way that was made in all, and aim at its end
            self.macro_action.linear.weight.copy_(torch.eye(config.macro_dim, 2).repeat(1, ratio))
            nn.init.eye_(self.aim.weight)
        self.register_buffer("codebook", torch.zeros(config.codes, self.action_dim))
        self.register_buffer("support", torch.tensor([[-1.0], [1.0]]).repeat(1, self.action_dim))
        side = config.spacing * (torch.arange(config.taps) - (config.taps - 1) / 2)
        within = config.spacing / FINER * (torch.arange(FINER) - (FINER - 1) / 2)
        self.register_buffer("taps", square(side), persistent=False)
        self.register_buffer("finer", square(within), persistent=False)

    @property
    def reach(self) -> float:
        """Cells from the middle of the patch to its sides: further than a stride leads."""
        return self.config.spacing * (self.config.taps - 1) / 2

    @property
    def unit(self) -> float:
        """Cells that macro-actions are measured in: about the standard deviation of a stride."""
        return self.reach / 4

    def macro_actions(self, ways: Tensor) -> Tensor:
        """[..., T, 2] ways of the level below, cells, to [..., T // ratio, A] macro-actions.

        What it did is told by where it led: along a wall, the same macro-actions of the level below lead elsewhere.
        """
        return self.macro_action((ways / self.unit).unflatten(-2, (-1, self.ratio)).flatten(-2))

    def around(self, layouts: Tensor, states: Tensor) -> Tensor:
        """What a stride can lead to, for every place of the patch around a state.

        Args:
            layouts: [M, C, h, w].
            states: [N, 5].

        Returns:
            [N, 3, taps, taps] the logit that one can get there, and the motion with which one comes there.
        """
        side, count = self.config.taps, len(states)
        places = states[:, None, None, PLACE] + self.taps[:, None] + self.finer
        seen = read(layouts, states[:, LAYOUT].long(), places.flatten(1, 2)).view(count, side, side, -1)
        begin = seen.new_zeros(1, 1, side, side)
        begin[..., side // 2, side // 2] = 1
        motion = MOTION_SCALE * states[:, MOTION, None, None].expand(-1, -1, side, side)
        inputs = torch.cat([seen.permute(0, 3, 1, 2), motion, begin.expand(count, -1, -1, -1)], 1)
        looked = self.look(inputs)
        spread = looked.relu()
        for _ in range(self.config.rounds):
            spread = (looked + self.spread(spread)).relu()
        return self.tell(spread)

    def forward(self, layouts: Tensor, states: Tensor, actions: Tensor) -> Tensor:
        """[M, C, h, w] layouts, [..., 5] states and [..., A] macro-actions to the [..., 5] states a stride later."""
        flat = states.reshape(-1, STATE)
        return self.step(self.around(layouts, flat), flat, actions.reshape(-1, self.action_dim)).view(states.shape)

    def step(self, seen: Tensor, states: Tensor, actions: Tensor) -> Tensor:
        """[N, 3, taps, taps] of :meth:`around`, [N, 5] states and [N, A] macro-actions to the [N, 5] states to come."""
        after = self.arrive(seen, actions.unsqueeze(1)).squeeze(1)
        return torch.cat([states[:, PLACE] + after[:, :2], after[:, 2:], states[:, LAYOUT:]], -1)

    def arrive(self, seen: Tensor, moves: Tensor) -> Tensor:
        """[N, 3, taps, taps] of :meth:`around` and [N, n, A] macro-actions to [N, n, 4] ways and motions at their ends.

        Attention over the patch: near to what the macro-action aims at, and where one can get.
        """
        told = seen.flatten(2)
        off = torch.cdist(self.aim(moves), self.taps.expand(len(seen), -1, -1) / self.unit).square()
        weights = (told[:, :1] - SHARPNESS * self.sharpness.exp() * off).softmax(-1)
        return weights @ torch.cat([self.taps.T.expand(len(seen), -1, -1), told[:, 1:]], 1).mT

    def judge(self, seen: Tensor, ways: Tensor) -> Tensor:
        """[N, 3, taps, taps] of :meth:`around` and [N, n, 2] ways to [N, n] logits that a stride can make them."""
        logits = grid_sample(seen[:, :1], (ways / self.reach).unsqueeze(2), align_corners=True, padding_mode="border")
        return logits[:, 0, :, 0].masked_fill(ways.abs().amax(-1) > self.reach, HOPELESS)
