"""Chance nodes: the landmarks at which, as the model of events believes, the world decides where one is next."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hjepa.latent import Jumps
from hjepa.world_model import WorldModel
from planners.graph import SearchWorkspace, reachable
from planners.landmarks import LandmarkGraph
from planners.stochastic_graph import NOWHERE, ChanceNodes

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

HAPPENS = 0.5
"""Probability from which an event is taken to happen."""
SAMPLES = 16
"""States along an edge at which an event is looked for."""
BLOCK = 4096
"""Edges that are looked at at once."""


def jumps_of(stack: WorldModel) -> Jumps | None:
    """The model of events of a world model, if it has one."""
    return getattr(stack, "jumps", None)


@torch.no_grad()
def happens_at(jumps: Jumps, states: Tensor) -> Mask:
    """[N, D] level-1 states to the [N] flags of those from which an event is expected."""
    return (jumps.hazard(states) > HAPPENS).cpu().numpy()


@torch.no_grad()
def happens_along(jumps: Jumps, states: Tensor, edges: Ints) -> Mask:
    """[M] whether an event is expected on the straight way between the ends of [M, 2] edges, the last one left out."""
    shares = torch.linspace(0, 1, SAMPLES + 1, device=states.device)[:-1, None]
    found = []
    for block in torch.from_numpy(edges).to(states.device).split(BLOCK):
        begin, end = states[block].unsqueeze(-2).unbind(1)
        found.append((jumps.hazard(torch.lerp(begin, end, shares)) > HAPPENS).any(-1).cpu().numpy())
    return np.concatenate(found) if found else np.zeros(0, np.bool_)


def followable(jumps: Jumps, states: Tensor, edges: Ints, risky: Mask) -> Mask:
    """[M] which of [M, 2] edges between landmarks lead where they say, or to a chance node.

    Args:
        jumps: the model of events.
        states: [L, D] level-1 states of the landmarks.
        edges: their numbers.
        risky: [L] the chance nodes.
    """
    inside = happens_along(jumps, states, edges)
    return ~risky[edges[:, 0]] & (~inside | risky[edges[:, 1]])


@torch.no_grad()
def judged(stack: WorldModel, observations: Tensor, edges: Ints) -> tuple[Mask, Mask]:
    """[L] which of [L, O] landmarks are chance nodes, and [M] which of [M, 2] edges lead where they say, or to one."""
    jumps = jumps_of(stack)
    if jumps is None:
        return np.zeros(len(observations), np.bool_), np.ones(len(edges), np.bool_)
    states = stack.encode(observations, 1)
    risky = happens_at(jumps, states)
    return risky, followable(jumps, states, edges, risky)


def chance_nodes(
    stack: WorldModel, landmarks: LandmarkGraph, finer: LandmarkGraph | None, risky: Mask, reach: float, limit: float
) -> ChanceNodes | None:
    """The chance nodes of a level: as the model of events predicts them, or by the level below.

    Args:
        stack: the world model.
        landmarks: the level's graph.
        finer: that of the level below; None for level 2.
        risky: [L] which landmarks are chance nodes.
        reach: world steps within which a predicted outcome is known.
        limit: world steps from an outcome within which a landmark of this level has to be.
    """
    jumps = jumps_of(stack)
    if jumps is None:
        return None
    if finer is not None:
        return lifted_chances(finer, landmarks.below, limit)
    places = torch.from_numpy(landmarks.observations).to(stack.scale.device)
    return predicted_chances(stack, jumps, places, risky, reach)


class Predicted(NamedTuple):
    """What the model of events says of C places.

    Attributes:
        states: [C, K, D] level-1 states that they may lead to.
        probabilities: [C, K].
    """

    states: Tensor
    probabilities: Tensor


@torch.no_grad()
def predict(jumps: Jumps, states: Tensor) -> Predicted:
    """What an event at [C, D] level-1 states may lead to, without the modes that are out of use."""
    used = torch.isfinite(jumps.alive)
    return Predicted(jumps.outcomes(states)[:, used], jumps.log_prior(states)[:, used].exp())


@torch.no_grad()
def predicted_chances(stack: WorldModel, jumps: Jumps, observations: Tensor, risky: Mask, reach: float) -> ChanceNodes:
    """The chance nodes of level 2. An outcome stands for the nearest landmark, or for none if that is far.

    Args:
        stack: the world model.
        jumps: its model of events.
        observations: [L, O] landmarks.
        risky: [L] which of them are chance nodes.
        reach: world steps within which an outcome is known.
    """
    nodes, safe = np.flatnonzero(risky), np.flatnonzero(~risky)
    predicted = predict(jumps, stack.encode(observations[risky], 1))
    critic = stack.level(2).critic
    points = critic.embed(stack.encode(observations[safe], 2)).cpu().numpy()
    ends = critic.embed(stack.raise_states(predicted.states, 1, 2)).flatten(0, 1).cpu().numpy()
    apart = torch.cdist(torch.from_numpy(ends), torch.from_numpy(points)).min(1)
    near, away = safe[apart.indices.numpy()], apart.values.numpy()
    shape = predicted.probabilities.shape
    outcomes = np.where(away <= reach, near, NOWHERE).reshape(shape)
    costs = np.where(away <= reach, 1 + away, 1).reshape(shape)
    return ChanceNodes(nodes, outcomes, predicted.probabilities.double().cpu().numpy(), costs)


def lifted_chances(finer: LandmarkGraph, below: Ints, limit: float) -> ChanceNodes | None:
    """The chance nodes of a level above, by the ways of the level below.

    Args:
        finer: the level below.
        below: [L] the landmarks of this level as landmarks of the level below, ascending.
        limit: world steps from an outcome within which a landmark of this level has to be.
    """
    chances, graph = finer.chances, finer.graph
    if chances is None:
        return None
    kept = np.isin(chances.nodes, below)
    space, ordinary = SearchWorkspace(graph.num_nodes), np.setdiff1d(below, chances.nodes)
    outcomes, costs = chances.outcomes[kept], chances.costs[kept].copy()
    raised = np.full(outcomes.shape, NOWHERE)
    for place in np.unique(outcomes[outcomes != NOWHERE]):
        around, steps = reachable(graph, [place], [0.0], limit, workspace=space)
        here = np.isin(around, ordinary)
        if here.any():
            nearest = steps[here].argmin()
            raised[outcomes == place] = np.searchsorted(below, around[here][nearest])
            costs[outcomes == place] += steps[here][nearest]
    return ChanceNodes(np.searchsorted(below, chances.nodes[kept]), raised, chances.probabilities[kept], costs)
