"""Tree searches of other libraries: mctx, and LightZero's C++ trees."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import torch

from scripts._rivals import Contender, import_part
from scripts._tree_network import DISCOUNT, JaxNetwork, TorchNetwork, jax_network, make_roots

PB_C_BASE, PB_C_INIT = 19652, 1.25  # MuZero's; the defaults of mctx and of ours

Sizes = tuple[int, int, int]
"""Problems, simulations, actions."""


def mctx_muzero(sizes: Sizes, device: torch.device) -> Contender:
    """Without noise, as ours."""
    mctx = _mctx()

    def policy(network: JaxNetwork, key: Any, root: Any) -> Any:
        return mctx.muzero_policy(None, key, root, _step(network), sizes[1], dirichlet_fraction=0.0, temperature=0.0)

    return _searching(sizes, policy)


def mctx_gumbel(sizes: Sizes, device: torch.device) -> Contender:
    """Without noise, as ours."""
    mctx = _mctx()

    def policy(network: JaxNetwork, key: Any, root: Any) -> Any:
        return mctx.gumbel_muzero_policy(None, key, root, _step(network), sizes[1], gumbel_scale=0.0)

    return _searching(sizes, policy)


def mctx_stochastic(sizes: Sizes, device: torch.device) -> Contender:
    """As many outcomes as actions; without noise, as ours."""
    mctx = _mctx()

    def policy(network: JaxNetwork, key: Any, root: Any) -> Any:
        def decide(parameters: None, key: Any, action: Any, states: Any) -> Any:
            after, _, logits, values = network.step(states, action)
            return mctx.DecisionRecurrentFnOutput(chance_logits=logits, afterstate_value=values), after

        def chance(parameters: None, key: Any, outcome: Any, afterstates: Any) -> Any:
            after, rewards, logits, values = network.step(afterstates, outcome)
            discounts = 0.0 * rewards + DISCOUNT
            answer = mctx.ChanceRecurrentFnOutput(
                action_logits=logits, value=values, reward=rewards, discount=discounts
            )
            return answer, after

        settings = {"num_simulations": sizes[1], "dirichlet_fraction": 0.0, "temperature": 0.0}
        return mctx.stochastic_muzero_policy(None, key, root, decide, chance, **settings)

    return _searching(sizes, policy)


def _mctx() -> Any:
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # PyTorch needs some of the GPU's memory, too
    return import_module("mctx")


def _step(network: JaxNetwork) -> Callable[..., Any]:
    mctx = _mctx()

    def step(parameters: None, key: Any, action: Any, states: Any) -> Any:
        after, rewards, logits, values = network.step(states, action)
        discounts = 0.0 * rewards + DISCOUNT
        return mctx.RecurrentFnOutput(reward=rewards, discount=discounts, prior_logits=logits, value=values), after

    return step


def _searching(sizes: Sizes, policy: Callable[[JaxNetwork, Any, Any], Any]) -> Contender:
    """Compiled by XLA for these shapes; on the GPU if JAX has one."""
    jax, mctx, network = import_module("jax"), _mctx(), jax_network(sizes[2])

    @jax.jit
    def search(key: Any, states: Any) -> Any:
        logits, values = network.predict(states)
        output = policy(network, key, mctx.RootFnOutput(prior_logits=logits, value=values, embedding=states))
        return output.action_weights, output.search_tree.node_values[:, 0]

    key, states = jax.random.PRNGKey(0), jax.numpy.asarray(make_roots(sizes[0]))
    return Contender(
        lambda: jax.block_until_ready(search(key, states)), lambda result: float(np.asarray(result[1]).mean())
    )


def lightzero(sizes: Sizes, device: torch.device) -> Contender:
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
