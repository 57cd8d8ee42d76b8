"""A level's predictor as the planners see it."""

from __future__ import annotations

import torch
from torch import Tensor

from hjepa.world_model import WorldLevel, WorldModel
from planners.base import Box, Discrete


def world_actions(stack: WorldModel) -> Box:
    """The world's actions, of which every component goes from -1 to 1."""
    ones = torch.ones(stack.config.action_dim, device=stack.scale.device)
    return Box(-ones, ones)


class LevelDynamics:
    """The predictor of one level over its macro-actions (level 1: the world's actions), kept to their support.

    Args:
        level: whose predictor steps.
        box: bounds of the macro-actions; the level's percentile box if None.
    """

    def __init__(self, level: WorldLevel, box: Box | None = None) -> None:
        self.level = level
        self.actions = box or Box(level.support[0], level.support[1])

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        """[..., D] states and [..., A] macro-actions to the [..., D] predicted states."""
        return self.level.predictor(state, action)


class CodeDynamics:
    """The same over the level's codebook: an action is the number of a code.

    Args:
        level: whose predictor steps.
    """

    def __init__(self, level: WorldLevel) -> None:
        self.level = level
        self.actions = Discrete(len(level.codebook))

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        """[..., D] states and [...] code numbers to the [..., D] predicted states."""
        return self.level.predictor(state, self.level.codebook[action])
