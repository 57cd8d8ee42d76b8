"""Monte Carlo tree search: ours beside mctx and LightZero's C++ trees, with the same network, root states and rules.

``network alone`` makes the same number of calls of the network and grows no tree. Answers are mean values of the roots:
those of ours and mctx agree; LightZero scales values by a whole tree's range, not by the siblings', and so searches
otherwise. In its loop the network is called once per simulation, as in ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from planners.mcts import MCTS
from planners.mcts.device import DeviceMCTS
from planners.mcts.gumbel import GumbelMCTS
from scripts._peers_trees import Sizes, lightzero, mctx_gumbel, mctx_muzero, mctx_stochastic
from scripts._rivals import Case, Contender, Rival, Target, faster, within
from scripts._tree_network import ChanceNetwork, TorchNetwork, make_roots

Make = Callable[[Sizes, torch.device], Contender]
Targets = dict[str, Target]

MCTX, LIGHTZERO, NETWORK = "mctx", "LightZero, C++ trees", "network alone"


def cases(size: Literal["quick", "full"], device: torch.device) -> Iterator[Case]:
    """MuZero's search at the sizes of the published table, its relatives, and with the trees on the device."""
    if size == "quick":
        for search in SEARCHES:
            yield _case(search, (8, 8, 3), device, {})
        yield _on_device((8, 8, 3), device)
        return
    targets = {MCTX: faster(5), LIGHTZERO: faster(1.5), NETWORK: within(2.5)}
    yield _case("MuZero", (256, 128, 4), device, targets)
    yield _case("MuZero", (64, 32, 4), device, {MCTX: faster(1), LIGHTZERO: faster(1)})
    yield _case("MuZero", (256, 128, 9), device, {})
    yield _case("Gumbel MuZero", (256, 128, 4), device, {})
    yield _case("Stochastic MuZero", (256, 128, 4), device, {})
    yield _on_device((256, 128, 4) if device.type == "cuda" else (64, 32, 4), device)


def _case(search: str, sizes: Sizes, device: torch.device, targets: Targets) -> Case:
    batch, simulations, actions = sizes
    ours, rivals = SEARCHES[search]
    return Case(
        family="trees",
        name=f"{search}, {batch} problems x {simulations} simulations x {actions} actions",
        sizes={"B": batch, "simulations": simulations, "actions": actions},
        unit="simulations/s",
        work=batch * simulations,
        answer="root value",
        ours=partial(ours, sizes, device),
        rivals=tuple(
            Rival(name, partial(build, sizes, device), PEERS.get(name), targets.get(name))
            for name, build in rivals.items()
        ),
    )


def _on_device(sizes: Sizes, device: torch.device) -> Case:
    """The same case, with trees that are tensors: made for GPUs, where the search is one CUDA graph."""
    case = _case("MuZero", sizes, device, {})
    compiled = Rival("ours, compiled trees on the CPU", case.ours)
    return replace(
        case,
        name=f"{case.name}, trees on the device ({device.type})",
        ours=partial(_ours_on_device, sizes, device),
        rivals=(compiled, *case.rivals),
    )


def _ours(sizes: Sizes, device: torch.device) -> Contender:
    network, planner = TorchNetwork.of(sizes[2], device), MCTS(num_simulations=sizes[1])
    root = network.root(torch.from_numpy(make_roots(sizes[0])).to(device))
    return Contender(lambda: planner.search(root, network), lambda result: float(result.root_value.mean()))


def _ours_gumbel(sizes: Sizes, device: torch.device) -> Contender:
    network, planner = TorchNetwork.of(sizes[2], device), GumbelMCTS(num_simulations=sizes[1], gumbel_scale=0.0)
    root = network.root(torch.from_numpy(make_roots(sizes[0])).to(device))
    return Contender(lambda: planner.search(root, network), lambda result: float(result.root_value.mean()))


def _ours_stochastic(sizes: Sizes, device: torch.device) -> Contender:
    network, planner = TorchNetwork.of(sizes[2], device), MCTS(num_simulations=sizes[1])
    root, model = network.root(torch.from_numpy(make_roots(sizes[0])).to(device)), ChanceNetwork(network)
    return Contender(lambda: planner.search(root, model), lambda result: float(result.root_value.mean()))


def _ours_on_device(sizes: Sizes, device: torch.device) -> Contender:
    network = TorchNetwork.of(sizes[2], device)
    root = network.root(torch.from_numpy(make_roots(sizes[0])).to(device))
    search = DeviceMCTS(num_simulations=sizes[1]).capture(root, network)
    return Contender(lambda: search(root), lambda result: float(result.root_value.mean()))


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


PEERS = {MCTX: "mctx", LIGHTZERO: "LightZero"}
SEARCHES: dict[str, tuple[Make, dict[str, Make]]] = {
    "MuZero": (_ours, {MCTX: mctx_muzero, LIGHTZERO: lightzero, NETWORK: _network}),
    "Gumbel MuZero": (_ours_gumbel, {MCTX: mctx_gumbel, NETWORK: _network}),
    "Stochastic MuZero": (_ours_stochastic, {MCTX: mctx_stochastic, NETWORK: _network}),
}
"""Ours, and its rivals by name."""
