"""A level's predictor as the planners see it."""

from __future__ import annotations

from torch import Tensor

from hjepa.level import Level
from planners.base import Box, Discrete


class LevelDynamics:
    """The predictor of one level over its macro-actions (level 1: the world's actions), kept to their support.

    Args:
        level: whose predictor steps.
        box: bounds of the macro-actions; the level's percentile box if None.
    """

    def __init__(self, level: Level, box: Box | None = None) -> None:
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

    def __init__(self, level: Level) -> None:
        self.level = level
        self.actions = Discrete(len(level.codebook))

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        """[..., D] states and [...] code numbers to the [..., D] predicted states."""
        return self.level.predictor(state, self.level.codebook[action])
