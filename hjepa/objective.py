"""What training minimises: prediction energy, collapse prevention, inverse dynamics and temporal distance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hjepa.data import Pairs
from hjepa.regularizer import REGULARIZERS, Regularizer, VICReg
from hjepa.stack import Stack

Losses = dict[str, Tensor]
CHANGE_MOMENTUM = 0.99
MACRO_REGULARIZER = VICReg(variance=5.0, covariance=5.0 / 6.0)


@dataclass(frozen=True)
class Batch:
    """What one training step sees: recorded transitions, nothing else.

    Attributes:
        observations: [B, T+1, O] consecutive observations of one episode each.
        actions: [B, T, A] the actions between them.
        pairs: per level, two observations of one episode and the world steps between them, up to the level's horizon.
    """

    observations: Tensor
    actions: Tensor
    pairs: list[Pairs]


@dataclass(frozen=True)
class CriticObjective:
    """How the temporal distance is fitted.

    Attributes:
        quantile: of the gaps seen between two states; low, because recorded paths wander and the fast ones tell
            the distance.
        far_weight: weight with which unrelated states are pushed further apart than the level's horizon.
    """

    quantile: float = 0.15
    far_weight: float = 0.05


def relative_error(predicted: Tensor, actual: Tensor, change: Tensor) -> Tensor:
    """Mean squared error over [..., D], in units of the state's own mean squared change over one prediction.

    One world step moves a latent by a hundredth of its spread, so that under a plain squared error a model that
    copies its input looks nearly perfect.
    """
    return (predicted - actual).square().sum(-1).mean() / change.clamp_min(1e-8)


def level_losses(
    stack: Stack, target: Stack, k: int, batch: Batch, below_fixed: bool, generator: torch.Generator
) -> Losses:
    """The losses of level ``k`` on one batch, weighted, by name.

    Args:
        stack: the model in training.
        target: the model whose states are predicted: the same, or its moving average (EMA target).
        k: level, counted from 1.
        batch: recorded transitions.
        below_fixed: no gradient flows into the levels below (level-by-level training).
        generator: randomness of the regulariser.
    """
    level, config = stack.level(k), stack.level(k).config
    regularizer: Regularizer = REGULARIZERS[config.regularizer]()
    span = config.rollout * config.stride
    with torch.set_grad_enabled(not below_fixed):
        below = _states_below(stack, k, batch.observations[:, : span + 1 : config.stride])
        actions = _actions_below(stack, k, batch.actions[:, :span])
    states = level.encoder(below)
    macro_actions = level.macro_action(actions)
    if regularizer.ema_decay is None:
        goals = states
    else:
        with torch.no_grad():
            goals = target.encode(batch.observations[:, : span + 1 : config.stride], k)
    with torch.no_grad():
        change = (states[:, 1:] - states[:, :-1]).square().sum(-1).mean()
        level.change.lerp_(change, 1 - CHANGE_MOMENTUM) if level.change != 1 else level.change.copy_(change)
    predicted = level.rollout(states[:, 0], macro_actions)
    step = (states[:, 1:] - states[:, :-1]) / level.change.sqrt()
    recovered = level.inverse(torch.cat([states[:, :-1], step], -1))
    losses = {
        "prediction": relative_error(predicted, goals[:, 1:], level.change),
        "collapse": regularizer.penalty(states[:, 0], generator),
        "inverse": config.inverse_weight * (recovered - macro_actions).square().mean(),
    }
    if k > 1:
        losses["macro"] = config.macro_weight * MACRO_REGULARIZER.penalty(macro_actions[:, 0])
    return losses


def critic_loss(stack: Stack, k: int, pairs: Pairs, how: CriticObjective) -> Tensor:
    """Quantile regression of level ``k``'s temporal distance, on states that receive no gradient.

    In logarithms, so that near and far pairs weigh alike; a quantile is the same under any increasing function.
    Unrelated states (the second ones of other pairs) are pushed apart up to the level's horizon.
    """
    level = stack.level(k)
    with torch.no_grad():
        states = stack.encode(torch.stack([pairs.first, pairs.second]), k)
    start, goal = level.critic.embed(states)
    distance = torch.linalg.vector_norm(start - goal, dim=-1).clamp_min(1e-3)
    error = pairs.gap.float().log() - distance.log()
    pinball = torch.maximum(how.quantile * error, (how.quantile - 1) * error).mean()
    apart = torch.linalg.vector_norm(start - goal.roll(1, 0), dim=-1).clamp_min(1e-3)
    return pinball + how.far_weight * torch.relu(math.log(level.config.critic_horizon) - apart.log()).mean()


def _states_below(stack: Stack, k: int, observations: Tensor) -> Tensor:
    if k == 1:
        return (observations - stack.centre) / stack.scale
    return stack.encode(observations, k - 1)


def _actions_below(stack: Stack, k: int, actions: Tensor) -> Tensor:
    return actions if k == 1 else stack.macro_actions(actions, k - 1)
