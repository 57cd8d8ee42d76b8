"""The H-JEPA: a stack of levels, each encoding the one below and predicting over a longer time step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hjepa.latent import Jumps
from hjepa.level import Level, LevelConfig

LEVELS = (
    LevelConfig(stride=1, rollout=4, inverse_weight=1.0),
    LevelConfig(stride=10, rollout=3, critic_horizon=100),
    LevelConfig(stride=60, rollout=1, codes=96, critic_horizon=400),
    LevelConfig(stride=300, rollout=1, codes=128, critic_horizon=1500),
)
"""Levels to begin with. Strides grow five- to tenfold: a level then plans a handful of its own steps for each one
above it."""


@dataclass(frozen=True)
class StackConfig:
    """The shape of a stack.

    Attributes:
        observation_dim: components of an observation.
        action_dim: components of the world's action.
        levels: from the finest (level 1, stride 1) to the coarsest.
    """

    observation_dim: int = 2
    action_dim: int = 2
    levels: tuple[LevelConfig, ...] = LEVELS[:3]

    def __post_init__(self) -> None:
        strides = [level.stride for level in self.levels]
        if not strides or strides[0] != 1:
            raise ValueError(f"levels: the first stride must be 1 (level 1 predicts single world steps), not {strides}")
        for below, above in zip(strides, strides[1:], strict=False):
            if above <= below or above % below:
                raise ValueError(f"levels: stride {above} must be a larger multiple of the stride {below} below it")

    @property
    def window(self) -> int:
        """World steps that one training window must span, so that every level sees its whole roll-out."""
        return max(level.stride * level.rollout for level in self.levels)


class Stack(nn.Module):
    """An H-JEPA of any number of levels.

    Args:
        config: its shape.

    Attributes:
        centre: [O] mean observation of the training data.
        scale: [] one standard deviation for all components, so that the geometry stays that of the world.
        jumps: the model of events; None where the world holds no surprises.
        drifts: by level ("1", ...), what a continuous latent variable does there (:mod:`hjepa.drift`); empty where the
            world does nothing of its own.
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, config: StackConfig) -> None:
        super().__init__()
        self.config = config
        below, action, stride = config.observation_dim, config.action_dim, 1
        levels = []
        for shape in config.levels:
            level = Level(shape, below, action, shape.stride // stride, config.observation_dim)
            levels.append(level)
            below, action, stride = shape.state_dim, level.action_dim, shape.stride
        self.levels = nn.ModuleList(levels)
        self.register_buffer("centre", torch.zeros(config.observation_dim))
        self.register_buffer("scale", torch.ones(()))
        self.jumps: Jumps | None = None
        self.drifts = nn.ModuleDict()

    def __len__(self) -> int:
        return len(self.levels)

    def level(self, k: int) -> Level:
        """Level ``k``, counted from 1 (the finest)."""
        level = self.levels[k - 1]
        assert isinstance(level, Level)
        return level

    def calibrate(self, observations: Tensor) -> None:
        """Sets the input scaling from [N, O] observations of the training data."""
        self.centre.copy_(observations.mean(0))
        self.scale.copy_((observations - self.centre).square().mean().sqrt().clamp_min(1e-6))

    def encode(self, observations: Tensor, k: int = 1) -> Tensor:
        """[..., O] observations to the [..., D_k] states of level ``k``."""
        states = (observations - self.centre) / self.scale
        return self.raise_states(states, 0, k)

    def encode_all(self, observations: Tensor) -> list[Tensor]:
        """[..., O] observations to the states of every level, finest first."""
        states = (observations - self.centre) / self.scale
        pyramid = []
        for k in range(1, len(self) + 1):
            states = self.level(k).encoder(states)
            pyramid.append(states)
        return pyramid

    def raise_states(self, states: Tensor, k: int, to: int) -> Tensor:
        """[..., D_k] states of level ``k`` to the [..., D_to] states of a level above it (or of itself)."""
        for j in range(k + 1, to + 1):
            states = self.level(j).encoder(states)
        return states

    def macro_actions(self, actions: Tensor, k: int) -> Tensor:
        """[..., T, A_1] world actions to the [..., T // stride_k, A_k] macro-actions of level ``k``."""
        for j in range(1, k + 1):
            actions = self.level(j).macro_action(actions)
        return actions

    def decode(self, states: Tensor, k: int = 1) -> Tensor:
        """[..., D_k] states to [..., O] observations, by a linear probe: for people, and the zones they paint."""
        probe = self.level(k).probe
        return states @ probe[:-1] + probe[-1]
