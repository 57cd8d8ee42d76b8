"""The compiled loops of trees with chance nodes: decision, afterstate, outcome, state (Stochastic MuZero, 2022).

Antonoglou et al., "Planning in Stochastic Environments with a Learned Model", ICLR 2022. Levels alternate: below a
decision node's edges are afterstates, below an afterstate's edges are the states that its outcomes lead to.
"""

from __future__ import annotations

import numpy as np

from planners.mcts.kernels import (
    Doubles,
    Leaf,
    Memory,
    Outcomes,
    Records,
    average,
    best_by_puct,
    compiled,
    expand,
    favour,
    inlined,
    pass_up,
    report,
)
from planners.mcts.prefetch import prefetch
from planners.risk import tail_mean


@inlined
def _rarest(nodes: Records, edges: Records, b: int, node: int) -> int:  # pragma: no cover - compiled
    """The outcome that was visited least for its probability, so that visits follow the probabilities."""
    best, best_score = 0, -1.0
    for outcome in range(edges.shape[2]):
        score = edges[b, node, outcome].priors / (edges[b, node, outcome].edge_visits + 1)
        if score > best_score:
            best, best_score = outcome, score
    return best


@inlined
def _weigh(
    nodes: Records, edges: Records, tail: float, scratch: Doubles, b: int, node: int
) -> None:  # pragma: no cover - compiled
    """A chance node's value: the mean over the worst share of its outcomes, by their probabilities."""
    count = edges.shape[2]
    for outcome in range(count):
        edge = edges[b, node, outcome]
        scratch[0, outcome] = -edge.q if edge.edge_visits > 0 else -nodes[b, node].own_values
        scratch[1, outcome] = edge.priors
    nodes[b, node].values = -tail_mean(scratch[0], scratch[1], count, tail)


@inlined
def _refresh(
    nodes: Records, edges: Records, exploration: Doubles, tail: float, scratch: Doubles, b: int, node: int
) -> None:  # pragma: no cover - compiled
    chance = nodes[b, node].chance != 0
    if chance and tail < 1.0:
        _weigh(nodes, edges, tail, scratch, b, node)
    else:
        average(nodes, edges, b, node)
    best = _rarest(nodes, edges, b, node) if chance else best_by_puct(nodes, edges, exploration, b, node)
    favour(nodes, edges, b, node, best)


@compiled
def begin(memory: Memory, exploration: Doubles, tail: float, leaf: Leaf, size: int) -> None:  # pragma: no cover
    """As :func:`planners.mcts.kernels.begin`; ``tail`` is the :class:`planners.risk.Risk` at chance nodes."""
    nodes, edges = memory.nodes, memory.edges
    scratch = np.empty((2, edges.shape[2]))
    for b in range(len(nodes)):
        for node in range(size - 1, -1, -1):
            if nodes[b, node].visits > 0:
                _refresh(nodes, edges, exploration, tail, scratch, b, node)
        report(nodes, leaf, b)


@compiled
def advance(
    memory: Memory,
    exploration: Doubles,
    tail: float,
    num_actions: int,
    num_outcomes: int,
    leaf: Leaf,
    outcomes: Outcomes,
    new: int,
) -> None:  # pragma: no cover - compiled
    """As :func:`planners.mcts.kernels.advance`; what hangs below a decision node is a chance node, and vice versa."""
    nodes, edges = memory.nodes, memory.edges
    scratch = np.empty((2, edges.shape[2]))
    for b in range(len(nodes)):
        chance, count = (0, num_actions) if leaf.chance[b] else (1, num_outcomes)
        expand(nodes, edges, outcomes, b, new, count, chance)
        following = min(b + 1, len(nodes) - 1)
        ahead = nodes[following, 0].leaves
        node = new
        _refresh(nodes, edges, exploration, tail, scratch, b, node)
        while node > 0:
            if ahead >= 0:
                prefetch(edges, following, ahead)
                ahead = nodes[following, ahead].parents
            node = pass_up(nodes, edges, b, node)
            _refresh(nodes, edges, exploration, tail, scratch, b, node)
        report(nodes, leaf, b)
