"""One level of an H-JEPA: what it encodes, predicts, and how far it thinks two of its states are apart."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hjepa.layers import Residual, SkipMLP, mlp
from hjepa.regularizer import RegularizerName


@dataclass(frozen=True)
class LevelConfig:
    """The shape of one level, and the weights of its losses.

    Attributes:
        stride: world steps that one prediction of this level spans; a multiple of the stride below.
        state_dim: D, components of this level's latent state.
        macro_dim: A, components of its macro-action (level 1 uses the world's own action).
        rollout: how many of its own predictions it is trained to chain.
        hidden: widths of the encoder's and the critic's hidden layers.
        predictor_hidden: widths of the predictor's hidden layers.
        critic_dim: components of the critic's embedding.
        regularizer: what prevents collapse: ``vicreg``, ``sigreg``, ``ema`` or ``none``.
        inverse_weight: weight of the inverse-dynamics loss.
        macro_weight: weight of the VICReg penalty on macro-actions.
        codes: size of the macro-action codebook.
        critic_horizon: longest time, in world steps, that the critic learns to tell; further is "at least that far".
    """

    stride: int = 1
    state_dim: int = 4
    macro_dim: int = 4
    rollout: int = 4
    hidden: tuple[int, ...] = (64, 64)
    predictor_hidden: tuple[int, ...] = (96, 96)
    critic_dim: int = 16
    regularizer: RegularizerName = "vicreg"
    inverse_weight: float = 0.3
    macro_weight: float = 0.06
    codes: int = 64
    critic_horizon: int = 30


class Critic(nn.Module):
    """A temporal distance: how many world steps apart two states of one level are.

    The distance is the Euclidean one between embeddings ``phi(s)`` (as in HILP, Park et al. 2024), so that it is a
    metric: a subgoal cost with a gradient, and a heuristic that costs a search no network call.

    Args:
        state: D, size of the level's state.
        hidden: widths of the hidden layers.
        embedding: E, size of the embedding.
    """

    STEPS_PER_UNIT = 100.0  # so that a fresh embedding already has the magnitude of world steps

    def __init__(self, state: int, hidden: tuple[int, ...], embedding: int) -> None:
        super().__init__()
        self.embedding = SkipMLP(state, hidden, embedding)

    def embed(self, states: Tensor) -> Tensor:
        """[..., D] states to [..., E] embeddings, whose distances are world steps."""
        return self.STEPS_PER_UNIT * self.embedding(states)

    def forward(self, states: Tensor, goals: Tensor) -> Tensor:
        """[..., D] states and goals to [...] world steps."""
        return torch.linalg.vector_norm(self.embed(states) - self.embed(goals), dim=-1)


class MacroActionEncoder(nn.Module):
    """Summarises a chunk of the actions of the level below as one macro-action.

    Args:
        length: n, actions of the level below in one chunk.
        below: their size.
        macro: A, size of the macro-action.
        hidden: widths of the hidden layers.
    """

    def __init__(self, length: int, below: int, macro: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.length = length
        self.summary = SkipMLP(length * below, hidden, macro)

    def forward(self, actions: Tensor) -> Tensor:
        """[..., T, a] actions of the level below to [..., T // n, A] macro-actions."""
        chunks = actions.unflatten(-2, (-1, self.length)).flatten(-2)
        return self.summary(chunks)


class Level(nn.Module):
    """Level ``k``: encodes the level below, and predicts its own state ``stride`` world steps ahead.

    Args:
        config: its shape.
        below: size of the state below (of the observation, for level 1).
        action: size of the action below (of the world's action, for level 1).
        ratio: predictions of the level below in one of its own (1 for level 1).
        observation: O, size of an observation.

    Attributes:
        change: running mean of the squared change of the state over one prediction; the unit of the prediction loss.
        codebook: [codes, A] macro-actions that stand for those in the data (empty before they are fitted).
        support: [2, A] smallest and largest macro-action on the data's support (1st and 99th percentile).
        probe: [D + 1, O] a linear read-out of the observation from the state, fitted after training. It serves people
            (pictures, diagnostics, zones painted on the ground): no loss uses it, and no plan where nothing is painted.
    """

    probe: Tensor
    change: Tensor
    codebook: Tensor
    support: Tensor

    def __init__(self, config: LevelConfig, below: int, action: int, ratio: int, observation: int) -> None:
        super().__init__()
        self.config = config
        self.ratio = ratio
        self.action_dim = config.macro_dim if ratio > 1 else action
        self.encoder = SkipMLP(below, config.hidden, config.state_dim)
        self.macro_action = (
            MacroActionEncoder(ratio, action, config.macro_dim, config.hidden) if ratio > 1 else nn.Identity()
        )
        self.predictor = Residual(config.state_dim, self.action_dim, config.predictor_hidden)
        self.inverse = mlp(2 * config.state_dim, config.hidden, self.action_dim)
        self.critic = Critic(config.state_dim, config.hidden, config.critic_dim)
        self.register_buffer("change", torch.ones(()))
        self.register_buffer("probe", torch.zeros(config.state_dim + 1, observation))
        self.register_buffer("codebook", torch.zeros(config.codes, self.action_dim))
        self.register_buffer("support", torch.stack([-torch.ones(self.action_dim), torch.ones(self.action_dim)]))

    def rollout(self, start: Tensor, actions: Tensor) -> Tensor:
        """[..., D] starts and [..., T, A] macro-actions to [..., T, D] predicted states."""
        states = []
        for macro_action in actions.unbind(-2):
            start = self.predictor(start, macro_action)
            states.append(start)
        return torch.stack(states, -2)
