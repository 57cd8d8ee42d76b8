"""What an agent believes of chance, for people to look at: where the world decides, where it may lead, how likely."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hjepa.agent import Agent
from hjepa.chances import HAPPENS, SAMPLES, jumps_of, predict
from hjepa.known_map import Fork
from hjepa.latent import Jumps
from planners.graph import SearchGraph, strongly_connected_components
from planners.stochastic_graph import NOWHERE

NEAR = 20.0
"""World steps up to which chance nodes may be one place."""
LIKELY = 0.01
"""Outcomes that are less likely are not told."""


@torch.no_grad()
def believed_forks(agent: Agent) -> list[Fork]:
    """Where an agent believes that a latent variable decides; none where it met no events.

    Chance nodes a few steps from each other, between which an event is expected all along, are one place.
    """
    return [fork for fork, _ in _forks(agent)]


@torch.no_grad()
def dead_ends(agent: Agent) -> list[NDArray[np.bool_]]:
    """For each of :func:`believed_forks`, [m] which outcomes are traps: the agent knows no way on from there."""
    return [trap for _, trap in _forks(agent)]


def _forks(agent: Agent) -> list[tuple[Fork, NDArray[np.bool_]]]:
    jumps = jumps_of(agent.stack)
    chances = agent.graphs[2].chances if 2 in agent.graphs else None
    if jumps is None or chances is None:
        return []
    places = agent.graphs[2].observations[chances.nodes]
    states = agent.stack.encode(torch.from_numpy(places).to(agent.stack.scale.device))
    regions = _regions(jumps, states, agent.stack.level(1).critic.embed(states))
    forks = []
    for region in np.unique(regions):
        inside = regions == region
        predicted = predict(jumps, states[torch.from_numpy(inside).to(states.device)])
        likely = predicted.probabilities.mean(0).cpu().numpy()
        ends = agent.stack.decode(predicted.states, 1).mean(0).cpu().numpy()
        told = likely > LIKELY
        fork = Fork(places[inside].mean(0), ends[told], (likely[told] / likely[told].sum()).astype(np.float32))
        forks.append((fork, (chances.outcomes[inside] == NOWHERE).all(0)[told]))
    return forks


def _regions(jumps: Jumps, states: Tensor, points: Tensor) -> NDArray[np.int32]:
    """[C, D] level-1 states of chance nodes, and their [C, E] embeddings, to the [C] numbers of their regions."""
    size = len(states)
    shares = torch.linspace(0, 1, SAMPLES, device=states.device)[:, None]
    between = torch.lerp(states[:, None, None], states[None, :, None], shares)
    joined = ((jumps.hazard(between) > HAPPENS).all(-1) & (torch.cdist(points, points) <= NEAR)).cpu().numpy()
    begin, end = np.nonzero(joined | joined.T)
    return strongly_connected_components(SearchGraph.from_edges(size, begin, end, np.ones(len(begin))))
