"""Monte Carlo tree search: ours beside mctx and LightZero's C++ trees, with the same network, root states and rules.

The network is small (two layers of 128 units for the dynamics, two for the prediction), so that the tree's own cost
shows; ``network alone`` makes the same number of calls and grows no tree. Answers are mean values of the roots: ours
and mctx's agree; LightZero scales values by the whole tree's range, not by the siblings', hence searches otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from planners.mcts import MCTS, Prediction, Root
from scripts._rivals import Case, Contender, Rival, Target, faster, import_part, within

LATENT, HIDDEN, DISCOUNT = 64, 128, 0.99
PB_C_BASE, PB_C_INIT = 19652, 1.25  # MuZero's; mctx's and our defaults

Weights = dict[str, Any]
Sizes = tuple[int, int, int]


def cases(size: Literal["quick", "full"], device: torch.device) -> Iterator[Case]:
    """MuZero's search at the sizes of the published table, or at a small one."""
    if size == "quick":
        yield _muzero((8, 8, 3), device, {})
        return
    mctx, lightzero, network = "mctx", "LightZero, C++ trees", "network alone"
    yield _muzero((256, 128, 4), device, {mctx: faster(5), lightzero: faster(1.5), network: within(2.5)})
    yield _muzero((64, 32, 4), device, {mctx: faster(1), lightzero: faster(1)})
    yield _muzero((256, 128, 9), device, {})


def _muzero(sizes: Sizes, device: torch.device, targets: dict[str, Target]) -> Case:
    batch, simulations, actions = sizes
    rivals: dict[str, tuple[Callable[[Sizes, torch.device], Contender], str | None]] = {
        "mctx": (_mctx, "mctx"),
        "LightZero, C++ trees": (_lightzero, "LightZero"),
        "network alone": (_network, None),
    }
    return Case(
        family="trees",
        name=f"MuZero's MCTS, {batch} problems x {simulations} simulations x {actions} actions",
        sizes={"B": batch, "simulations": simulations, "actions": actions},
        unit="simulations/s",
        work=batch * simulations,
        answer="root value",
        ours=partial(_ours, sizes, device),
        rivals=tuple(
            Rival(name, partial(build, sizes, device), peer, targets.get(name))
            for name, (build, peer) in rivals.items()
        ),
    )


def make_weights(actions: int, seed: int = 0) -> Weights:
    """The network's weights as NumPy arrays, for every library alike."""
    rng = np.random.default_rng(seed)
    shapes = {
        "dynamics/1": (LATENT + actions, HIDDEN),
        "dynamics/2": (HIDDEN, LATENT + 1),
        "prediction/1": (LATENT, HIDDEN),
        "prediction/2": (HIDDEN, actions + 1),
    }
    return {name: (rng.standard_normal(shape) / shape[0] ** 0.5).astype(np.float32) for name, shape in shapes.items()}


def make_roots(batch: int) -> np.ndarray:
    """[B, D] root states."""
    return np.random.default_rng(1).standard_normal((batch, LATENT)).astype(np.float32)


@dataclass(frozen=True)
class TorchNetwork:
    """The network in PyTorch, as a model of ours."""

    weights: dict[str, Tensor]
    actions: Tensor  # [A, A] one-hot actions

    @staticmethod
    def of(actions: int, device: torch.device) -> TorchNetwork:
        """On a device."""
        weights = {name: torch.from_numpy(value).to(device) for name, value in make_weights(actions).items()}
        return TorchNetwork(weights, torch.eye(actions, device=device))

    def predict(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """[B, D] states to [B, A] prior logits and [B] values."""
        both = torch.relu(states @ self.weights["prediction/1"]) @ self.weights["prediction/2"]
        return both[:, :-1], both[:, -1]

    def root(self, states: Tensor) -> Root:
        """Evaluates [B, D] root states."""
        return Root(states, *self.predict(states))

    def __call__(self, states: Tensor, actions: Tensor) -> Prediction:
        """[B, D] states and [B] actions to what follows."""
        joint = torch.cat([states, self.actions[actions]], -1)
        both = torch.relu(joint @ self.weights["dynamics/1"]) @ self.weights["dynamics/2"]
        after, rewards = torch.tanh(both[:, :-1]), both[:, -1]
        return Prediction(after, rewards, torch.full_like(rewards, DISCOUNT), *self.predict(after))


def _ours(sizes: Sizes, device: torch.device) -> Contender:
    batch, simulations, actions = sizes
    network, planner = TorchNetwork.of(actions, device), MCTS(num_simulations=simulations)
    root = network.root(torch.from_numpy(make_roots(batch)).to(device))
    return Contender(lambda: planner.search(root, network), lambda result: float(result.root_value.mean()))


def _network(sizes: Sizes, device: torch.device) -> Contender:
    batch, simulations, actions = sizes
    network = TorchNetwork.of(actions, device)
    states = torch.from_numpy(make_roots(batch)).to(device)
    choices = torch.arange(batch, device=device)

    @torch.no_grad()
    def call() -> Tensor:
        reached = states
        for simulation in range(simulations):
            prediction = network(reached, (choices + simulation) % actions)
            reached = prediction.states
        return prediction.values

    return Contender(call, lambda values: float(values.mean()))


def _mctx(sizes: Sizes, device: torch.device) -> Contender:
    """Compiled by XLA for these shapes; on the GPU if JAX has one."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # PyTorch needs some of the GPU's memory, too
    jax, mctx = import_module("jax"), import_module("mctx")
    batch, simulations, actions = sizes
    network = _jax_network(jax, actions)

    @jax.jit
    def search(key: Any, states: Any) -> Any:
        logits, values = network.predict(states)
        root = mctx.RootFnOutput(prior_logits=logits, value=values, embedding=states)
        output = mctx.muzero_policy(None, key, root, network.step, simulations, dirichlet_fraction=0.0, temperature=0.0)
        return output.action_weights, output.search_tree.summary().value

    key, states = jax.random.PRNGKey(0), jax.numpy.asarray(make_roots(batch))
    return Contender(
        lambda: jax.block_until_ready(search(key, states)), lambda result: float(np.asarray(result[1]).mean())
    )


@dataclass(frozen=True)
class JaxNetwork:
    """The network in JAX, as a model of mctx."""

    predict: Callable[[Any], tuple[Any, Any]]
    step: Callable[..., Any]


def _jax_network(jax: Any, actions: int) -> JaxNetwork:
    mctx = import_module("mctx")
    weights = {name: jax.numpy.asarray(value) for name, value in make_weights(actions).items()}

    def predict(states: Any) -> tuple[Any, Any]:
        both = jax.nn.relu(states @ weights["prediction/1"]) @ weights["prediction/2"]
        return both[:, :-1], both[:, -1]

    def step(parameters: None, key: Any, action: Any, states: Any) -> Any:
        joint = jax.numpy.concatenate([states, jax.nn.one_hot(action, actions)], -1)
        both = jax.nn.relu(joint @ weights["dynamics/1"]) @ weights["dynamics/2"]
        after, rewards = jax.numpy.tanh(both[:, :-1]), both[:, -1]
        logits, values = predict(after)
        discounts = jax.numpy.full_like(rewards, DISCOUNT)
        return mctx.RecurrentFnOutput(reward=rewards, discount=discounts, prior_logits=logits, value=values), after

    return JaxNetwork(predict, step)


def _lightzero(sizes: Sizes, device: torch.device) -> Contender:
    """LightZero's batched loop (its ``MuZeroMCTSCtree.search``) over its C++ trees, with one network call each."""
    trees = import_part("lzero.mcts.ctree.ctree_muzero.mz_tree")
    batch, simulations, actions = sizes
    network = TorchNetwork.of(actions, device)
    states = make_roots(batch)
    root = network.root(torch.from_numpy(states).to(device))
    logits, nobody = root.prior_logits.tolist(), [-1] * batch

    @torch.no_grad()
    def call() -> Any:
        roots = trees.Roots(batch, [list(range(actions))] * batch)
        roots.prepare_no_noise([0.0] * batch, logits, nobody)
        ranges = trees.MinMaxStatsList(batch)
        ranges.set_delta(0.01)
        path = [states]  # [B, D] of every simulation
        for simulation in range(simulations):
            results = trees.ResultsWrapper(num=batch)
            rows, columns, taken, turns = trees.batch_traverse(
                roots, PB_C_BASE, PB_C_INIT, DISCOUNT, ranges, results, nobody
            )
            leaves = np.asarray([path[row][column] for row, column in zip(rows, columns, strict=True)])
            prediction = network(torch.from_numpy(leaves).to(device), torch.tensor(taken, device=device))
            path.append(prediction.states.cpu().numpy())
            rewards, values, priors = (
                part.tolist() for part in (prediction.rewards, prediction.values, prediction.prior_logits)
            )
            trees.batch_backpropagate(simulation + 1, DISCOUNT, rewards, values, priors, ranges, results, turns)
        return roots.get_values()

    return Contender(call, lambda values: float(np.mean(values)))
