"""The compiled loops behind :mod:`planners.mcts.gumbel`: completed values, and selection by the improved policy."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from planners.mcts.kernels import (
    SMALLEST_SPAN,
    Doubles,
    Ints,
    Leaf,
    Memory,
    Outcomes,
    Records,
    average,
    compiled,
    expand,
    favour,
    inlined,
    pass_up,
    report,
)
from planners.mcts.prefetch import prefetch

TINY = float(np.finfo(np.float32).tiny)
"""Least prior of an action that was visited."""

LOWEST_SCORE = -1e9
"""An action that is the only one considered is taken, however bad it is."""


class Halving(NamedTuple):
    """What the selection at the root and in completed values go by.

    Attributes:
        root_scores: [B, A] Gumbel noise plus prior logits, -inf for an invalid action.
        considered: [B, S + 1] visits of the actions among which each simulation chooses.
        kept: [B, A] visits that the root's edges already had.
        value_scale: weight of values against prior logits.
        maxvisit_init: visits that this weight begins with; it grows with those of the most visited action.
    """

    root_scores: Doubles
    considered: Ints
    kept: Ints
    value_scale: float
    maxvisit_init: float


@inlined
def _mixed_value(nodes: Records, edges: Records, b: int, node: int) -> float:  # pragma: no cover - compiled
    """The model's own value mixed with the visited actions' (appendix D): what an unvisited action is taken to have."""
    visits, weight, gathered = 0, 0.0, 0.0
    for action in range(edges.shape[2]):
        edge = edges[b, node, action]
        if edge.edge_visits > 0:
            prior = max(edge.priors, TINY)
            visits, weight, gathered = visits + edge.edge_visits, weight + prior, gathered + prior * edge.q
    own = nodes[b, node].own_values
    return own if visits == 0 else (own + visits * gathered / weight) / (visits + 1)


@inlined
def _complete(
    nodes: Records, edges: Records, halving: Halving, completed: Doubles, b: int, node: int
) -> None:  # pragma: no cover - compiled
    """Writes a node's [A] values, scaled so that they can be added to prior logits (equation 8)."""
    mixed = _mixed_value(nodes, edges, b, node)
    low, high, most = math.inf, -math.inf, 0
    for action in range(edges.shape[2]):
        edge = edges[b, node, action]
        completed[action] = edge.q if edge.edge_visits > 0 else mixed
        low, high = min(low, completed[action]), max(high, completed[action])
        most = max(most, edge.edge_visits)
    scale = (halving.maxvisit_init + most) * halving.value_scale / max(high - low, SMALLEST_SPAN)
    for action in range(edges.shape[2]):
        completed[action] = (completed[action] - low) * scale


@inlined
def _improved(edges: Records, completed: Doubles, b: int, node: int) -> None:  # pragma: no cover - compiled
    """Turns a node's completed values into the improved policy: softmax of prior logits plus values."""
    highest, total = -math.inf, 0.0
    for action in range(edges.shape[2]):
        if edges[b, node, action].priors > 0.0:
            highest = max(highest, completed[action])
    for action in range(edges.shape[2]):
        prior = edges[b, node, action].priors
        completed[action] = prior * math.exp(completed[action] - highest) if prior > 0.0 else 0.0
        total += completed[action]
    for action in range(edges.shape[2]):
        completed[action] /= total


@inlined
def _best_inside(edges: Records, policy: Doubles, b: int, node: int) -> int:  # pragma: no cover - compiled
    """The action whose share of visits is furthest below the improved policy (section 5)."""
    visits = 0
    for action in range(edges.shape[2]):
        visits += edges[b, node, action].edge_visits
    best, best_score = 0, -math.inf
    for action in range(edges.shape[2]):
        score = policy[action] - edges[b, node, action].edge_visits / (visits + 1)
        if score > best_score:
            best, best_score = action, score
    return best


@inlined
def _best_at_root(edges: Records, halving: Halving, completed: Doubles, b: int) -> int:  # pragma: no cover - compiled
    """The best of the actions that sequential halving considers now: those with a certain number of visits."""
    done = 0
    for action in range(edges.shape[2]):
        done += edges[b, 0, action].edge_visits - halving.kept[b, action]
    considered = halving.considered[b, done]
    best, best_score = 0, -math.inf
    for action in range(edges.shape[2]):
        if edges[b, 0, action].edge_visits - halving.kept[b, action] == considered and edges[b, 0, action].priors > 0.0:
            score = max(LOWEST_SCORE, halving.root_scores[b, action] + completed[action])
            if score > best_score:
                best, best_score = action, score
    return best


@inlined
def _refresh(
    nodes: Records, edges: Records, halving: Halving, scratch: Doubles, b: int, node: int
) -> None:  # pragma: no cover - compiled
    average(nodes, edges, b, node)
    _complete(nodes, edges, halving, scratch, b, node)
    if node == 0:
        best = _best_at_root(edges, halving, scratch, b)
    else:
        _improved(edges, scratch, b, node)
        best = _best_inside(edges, scratch, b, node)
    favour(nodes, edges, b, node, best)


@compiled
def begin(memory: Memory, halving: Halving, leaf: Leaf, size: int) -> None:  # pragma: no cover - compiled
    """As :func:`planners.mcts.kernels.begin`."""
    nodes, edges = memory.nodes, memory.edges
    scratch = np.empty(edges.shape[2])
    for b in range(len(nodes)):
        for node in range(size - 1, -1, -1):
            if nodes[b, node].visits > 0:
                _refresh(nodes, edges, halving, scratch, b, node)
        report(nodes, leaf, b)


@compiled
def advance(
    memory: Memory, halving: Halving, leaf: Leaf, outcomes: Outcomes, new: int
) -> None:  # pragma: no cover - compiled
    """As :func:`planners.mcts.kernels.advance`."""
    nodes, edges = memory.nodes, memory.edges
    scratch = np.empty(edges.shape[2])
    for b in range(len(nodes)):
        expand(nodes, edges, outcomes, b, new, edges.shape[2], 0)
        following = min(b + 1, len(nodes) - 1)
        ahead = nodes[following, 0].leaves
        node = new
        _refresh(nodes, edges, halving, scratch, b, node)
        while node > 0:
            if ahead >= 0:
                prefetch(edges, following, ahead)
                ahead = nodes[following, ahead].parents
            node = pass_up(nodes, edges, b, node)
            _refresh(nodes, edges, halving, scratch, b, node)
        report(nodes, leaf, b)


@compiled
def conclude(memory: Memory, halving: Halving, scores: Doubles, policy: Doubles) -> None:  # pragma: no cover - compiled
    """Writes the roots' [B, A] scores (noise, prior logits and completed values), and their improved policies."""
    nodes, edges = memory.nodes, memory.edges
    for b in range(len(nodes)):
        _complete(nodes, edges, halving, policy[b], b, 0)
        for action in range(edges.shape[2]):
            scores[b, action] = max(LOWEST_SCORE, halving.root_scores[b, action] + policy[b, action])
        _improved(edges, policy[b], b, 0)
