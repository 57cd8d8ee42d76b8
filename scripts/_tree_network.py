"""The small network that tree searches are compared over: in PyTorch for ours and LightZero, in JAX for mctx.

Two layers of 128 units make the dynamics, two the prediction, so that the trees' own cost shows. All have the same
weights and root states.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from planners.mcts import Prediction, Root
from planners.mcts.chance import Afterstate

LATENT, HIDDEN, DISCOUNT = 64, 128, 0.99

Floats = NDArray[np.float32]


def make_weights(actions: int, seed: int = 0) -> dict[str, Floats]:
    """The weights, for a number of actions."""
    rng = np.random.default_rng(seed)
    shapes = {
        "dynamics/1": (LATENT + actions, HIDDEN),
        "dynamics/2": (HIDDEN, LATENT + 1),
        "prediction/1": (LATENT, HIDDEN),
        "prediction/2": (HIDDEN, actions + 1),
    }
    weights = {name: rng.standard_normal(shape) / shape[0] ** 0.5 for name, shape in shapes.items()}
    biases = {f"{name}/bias": np.zeros(shape[1]) for name, shape in shapes.items()}
    return {name: value.astype(np.float32) for name, value in (weights | biases).items()}


def make_roots(batch: int) -> Floats:
    """[B, D] root states."""
    return np.random.default_rng(1).standard_normal((batch, LATENT)).astype(np.float32)


@dataclass(frozen=True)
class TorchNetwork:
    """The network as a model of ours, in PyTorch."""

    weights: dict[str, Tensor]
    actions: Tensor  # [A, A] one-hot actions

    @staticmethod
    def of(actions: int, device: torch.device) -> TorchNetwork:
        """On a device."""
        weights = {name: torch.from_numpy(value).to(device) for name, value in make_weights(actions).items()}
        return TorchNetwork(weights, torch.eye(actions, device=device))

    def predict(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """[B, D] states to [B, A] prior logits and [B] values."""
        both = self._layer("prediction/2", torch.relu(self._layer("prediction/1", states)))
        return both[:, :-1], both[:, -1]

    def root(self, states: Tensor) -> Root:
        """Evaluates [B, D] root states."""
        return Root(states, *self.predict(states))

    def __call__(self, states: Tensor, actions: Tensor) -> Prediction:
        """[B, D] states and [B] actions to what follows."""
        joint = torch.cat([states, self.actions[actions]], -1)
        both = self._layer("dynamics/2", torch.relu(self._layer("dynamics/1", joint)))
        after, rewards = torch.tanh(both[:, :-1]), both[:, -1]
        return Prediction(after, rewards, torch.full_like(rewards, DISCOUNT), *self.predict(after))

    def _layer(self, name: str, inputs: Tensor) -> Tensor:
        return torch.addmm(self.weights[f"{name}/bias"], inputs, self.weights[name])


@dataclass(frozen=True)
class ChanceNetwork:
    """The network as a stochastic model of ours: one call for the afterstate, another for each of C = A outcomes."""

    network: TorchNetwork

    @property
    def num_outcomes(self) -> int:
        """As many as there are actions."""
        return len(self.network.actions)

    def afterstate_dim(self, state_dim: int) -> int:
        """Afterstates are like states."""
        return state_dim

    def afterstate(self, states: Tensor, actions: Tensor, problems: Tensor) -> Afterstate:
        """[M, D] states and [M] actions to afterstates; the policy is that of chance."""
        reached = self.network(states, actions)
        return Afterstate(reached.states, reached.prior_logits, reached.values)

    def outcome(self, afterstates: Tensor, outcomes: Tensor, problems: Tensor) -> Prediction:
        """[M, D] afterstates and [M] outcomes to what follows."""
        return self.network(afterstates, outcomes)


@dataclass(frozen=True)
class JaxNetwork:
    """The network in JAX.

    Attributes:
        predict: [B, D] states to [B, A] prior logits and [B] values.
        step: [B, D] states and [B] actions to the next states, rewards, prior logits and values.
    """

    predict: Callable[[Any], tuple[Any, Any]]
    step: Callable[[Any, Any], tuple[Any, Any, Any, Any]]


def jax_network(actions: int) -> JaxNetwork:
    """Imports JAX."""
    jax = import_module("jax")
    weights = {name: jax.numpy.asarray(value) for name, value in make_weights(actions).items()}

    def layer(name: str, inputs: Any) -> Any:
        return inputs @ weights[name] + weights[f"{name}/bias"]

    def predict(states: Any) -> tuple[Any, Any]:
        both = layer("prediction/2", jax.nn.relu(layer("prediction/1", states)))
        return both[:, :-1], both[:, -1]

    def step(states: Any, choice: Any) -> tuple[Any, Any, Any, Any]:
        joint = jax.numpy.concatenate([states, jax.nn.one_hot(choice, actions)], -1)
        both = layer("dynamics/2", jax.nn.relu(layer("dynamics/1", joint)))
        after = jax.numpy.tanh(both[:, :-1])
        return after, both[:, -1], *predict(after)

    return JaxNetwork(predict, step)
