"""Plans that ignore chance: a trained agent's latent variable replaced by what a deterministic predictor would say.

For comparison with plans that weigh all outcomes. Levels, landmarks and planners stay the same; only where the world
decides, one outcome is believed to be certain:

* ``likeliest``: the mode of the highest learned probability, by whatever small margin.
* ``optimistic``: the mode that suits the planner best, as if the latent variable were one more action of its own.
* ``mean-outcome``: the mean of all modes in latent space, to which a predictor trained by squared error converges.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from hjepa.chances import jumps_of, lifted_chances, predict
from hjepa.latent import Jumps
from hjepa.world_model import WorldModel
from planners.landmarks import LandmarkGraph
from planners.stochastic_graph import ChanceNodes

Outlook = Literal["likeliest", "optimistic", "mean-outcome"]

POSSIBLE = 0.01
"""Outcomes that are less likely are not hoped for."""
REACH = 5 / 3
"""Strides from an outcome within which a landmark of a level above the second has to be."""


def determined(stack: WorldModel, graphs: dict[int, LandmarkGraph], outlook: Outlook) -> dict[int, LandmarkGraph]:
    """The landmark graphs of every level, with chance nodes that have one outcome each (or several to choose from).

    Args:
        stack: the world model.
        graphs: from level 2 up; as they are where no chance nodes are known.
        outlook: which outcome.
    """
    known: dict[int, LandmarkGraph] = {}
    for k, landmarks in sorted(graphs.items()):
        chances = landmarks.chances
        if chances is not None:
            chances = _certain(stack, landmarks, chances, known.get(k - 1), outlook)
        known[k] = replace(landmarks, chances=chances)
    return known


def _certain(
    stack: WorldModel, landmarks: LandmarkGraph, chances: ChanceNodes, finer: LandmarkGraph | None, outlook: Outlook
) -> ChanceNodes | None:
    """One level's chance nodes without chance; ``finer`` is the level below, already without."""
    if outlook == "likeliest":
        return chances.likeliest()
    if outlook == "optimistic":
        return chances.chosen(POSSIBLE)
    if finer is not None:
        return lifted_chances(finer, landmarks.below, REACH * landmarks.stride)
    jumps = jumps_of(stack)
    return chances if jumps is None else mean_chances(stack, jumps, landmarks, chances)


@torch.no_grad()
def mean_chances(stack: WorldModel, jumps: Jumps, landmarks: LandmarkGraph, chances: ChanceNodes) -> ChanceNodes:
    """Level 2's chance nodes as leading to the ordinary landmark nearest to the mean of their outcomes, however far."""
    level, device = stack.level(landmarks.level), stack.scale.device
    places = torch.from_numpy(landmarks.observations[chances.nodes]).to(device)
    point = level.critic.embed(stack.raise_states(_mean(jumps, stack.encode(places, 1)), 1, landmarks.level))
    ordinary = np.setdiff1d(np.arange(len(landmarks.states)), chances.nodes)
    near = torch.cdist(point, torch.from_numpy(landmarks.embedding[ordinary]).to(device)).min(1)
    outcomes = ordinary[near.indices.cpu().numpy()][:, None]
    return ChanceNodes(chances.nodes, outcomes, np.ones(outcomes.shape), 1 + near.values.cpu().numpy()[:, None])


def _mean(jumps: Jumps, states: Tensor) -> Tensor:
    """[C, D] level-1 states to the [C, D] means of what an event there may lead to."""
    predicted = predict(jumps, states)
    weights = predicted.probabilities / predicted.probabilities.sum(-1, keepdim=True)
    return (weights.unsqueeze(-1) * predicted.states).sum(-2)
