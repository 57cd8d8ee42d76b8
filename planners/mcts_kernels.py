"""The compiled loops behind :mod:`planners.mcts`: selection, expansion and backup, in place, for a batch of trees.

A simulation touches only the nodes on its own path, so that its cost doesn't grow with the tree. Node 0 is the root;
as no edge leads there, 0 in ``children`` also says that an edge was never taken.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Doubles = NDArray[np.float64]

SMALLEST_SPAN = 1e-8
"""Values that differ by less than this are not stretched to 0..1."""


class Tree(NamedTuple):
    """Search trees of B problems as arrays of N nodes with A edges each, nodes in the order of their expansion.

    Attributes:
        visits: [B, N] simulations that passed through or ended at a node; the root's own evaluation counts as one.
        values: [B, N] mean return from a node, its own evaluation included.
        parents: [B, N] node above, -1 at the root.
        actions: [B, N] action that led here, -1 at the root.
        rewards: [B, N] reward on the way here.
        discounts: [B, N] discount on the way here, 0 where the episode ended.
        children: [B, N, A] node below an edge, 0 if the edge was never taken.
        edge_visits: [B, N, A] simulations that took an edge.
        priors: [B, N, A] probability of an action; 0 marks an invalid one.
        q: [B, N, A] reward plus discounted value below an edge, 0 if it was never taken.
    """

    visits: Ints
    values: Doubles
    parents: Ints
    actions: Ints
    rewards: Doubles
    discounts: Doubles
    children: Ints
    edge_visits: Ints
    priors: Doubles
    q: Doubles


NODE = np.dtype(
    [
        ("values", np.float64),
        ("rewards", np.float64),
        ("discounts", np.float64),
        ("visits", np.int32),
        ("parents", np.int32),
        ("actions", np.int32),
        ("unused", np.int32),
    ]
)
"""One node. What a simulation reads together lies together: it is the memory's latency that a search waits for."""

EDGE = np.dtype([("q", np.float64), ("priors", np.float64), ("edge_visits", np.int32), ("children", np.int32)])
"""One edge; four of them fill a line and a half of the processor's cache."""


class Memory(NamedTuple):
    """The same trees as the kernels hold them: [B, N] records ``NODE`` and [B, N, A] records ``EDGE``."""

    nodes: NDArray[np.void]
    edges: NDArray[np.void]

    def view(self, size: int) -> Tree:
        """The first nodes of every tree, without a copy."""
        of_edges = EDGE.names or ()
        return Tree(**{name: (self.edges if name in of_edges else self.nodes)[name][:, :size] for name in Tree._fields})


class Leaf(NamedTuple):
    """Where each problem's simulation left its tree: [B] nodes, and the [B] actions that it takes there."""

    nodes: Longs
    actions: Longs


class Outcomes(NamedTuple):
    """What the model says of the new nodes: [B] rewards, [B] discounts, [B, A] prior logits and [B] values."""

    rewards: Doubles
    discounts: Doubles
    logits: Doubles
    values: Doubles


@njit(cache=True, nogil=True, inline="always")
def _choose(nodes, edges, exploration, b, node):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The action with the largest PUCT score, the first of equal ones; values scaled by parent and siblings."""
    low = high = nodes[b, node].values
    for action in range(edges.shape[2]):
        if edges[b, node, action].edge_visits > 0:
            q = edges[b, node, action].q
            low, high = min(low, q), max(high, q)
    scale = 1.0 / max(high - low, SMALLEST_SPAN)
    bonus = exploration[nodes[b, node].visits]
    best, best_score = -1, 0.0
    for action in range(edges.shape[2]):
        prior, count = edges[b, node, action].priors, edges[b, node, action].edge_visits
        if prior > 0.0:
            score = bonus * prior / (count + 1)
            if count > 0:
                score += (edges[b, node, action].q - low) * scale
            if best < 0 or score > best_score:
                best, best_score = action, score
    return best


@njit(cache=True, nogil=True, inline="always")
def _descend(nodes, edges, exploration, leaf, b):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Follows the best edges from the root to one that was never taken."""
    node = 0
    while True:
        action = _choose(nodes, edges, exploration, b, node)
        below = edges[b, node, action].children
        if below == 0:
            break
        node = below
    leaf.nodes[b], leaf.actions[b] = node, action


@njit(cache=True, nogil=True, inline="always")
def _set_priors(edges, logits, b, node):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Softmax of a node's logits; uniform where every action is invalid. False if a logit is not a number."""
    highest = -math.inf
    for action in range(edges.shape[2]):
        highest = max(highest, logits[b, action])
    total = 0.0
    for action in range(edges.shape[2]):
        # Where every action is invalid the exponent would be no number.
        nowhere = highest == -math.inf and logits[b, action] == -math.inf
        weight = 1.0 if nowhere else math.exp(logits[b, action] - highest)
        edges[b, node, action].priors = weight
        total += weight
    for action in range(edges.shape[2]):
        edges[b, node, action].priors = edges[b, node, action].priors / total if total > 0.0 else 1.0
    return total > 0.0


@njit(cache=True, nogil=True, inline="always")
def _expand(nodes, edges, leaf, outcomes, b, node):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Adds a node below the leaf; a prior that is no number turns into a value that is none, seen at the root."""
    parent, action = leaf.nodes[b], leaf.actions[b]
    edges[b, parent, action].children = node
    nodes[b, node].parents, nodes[b, node].actions = parent, action
    nodes[b, node].rewards, nodes[b, node].discounts = outcomes.rewards[b], outcomes.discounts[b]
    sound = _set_priors(edges, outcomes.logits, b, node)
    nodes[b, node].values = outcomes.values[b] if sound else math.nan
    nodes[b, node].visits = 1


@njit(cache=True, nogil=True, inline="always")
def _backup(nodes, edges, b, node):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Adds a new node's return to the means of all nodes above it."""
    returns = nodes[b, node].values
    while node > 0:
        parent, action = nodes[b, node].parents, nodes[b, node].actions
        reward, discount = nodes[b, node].rewards, nodes[b, node].discounts
        returns = reward + discount * returns
        count = nodes[b, parent].visits
        nodes[b, parent].values = (nodes[b, parent].values * count + returns) / (count + 1)
        nodes[b, parent].visits = count + 1
        edges[b, parent, action].edge_visits += 1
        edges[b, parent, action].q = reward + discount * nodes[b, node].values
        node = parent


def _select(memory: Memory, exploration: Doubles, leaf: Leaf) -> None:  # pragma: no cover - compiled
    nodes, edges = memory.nodes, memory.edges
    for b in range(len(nodes)):
        _descend(nodes, edges, exploration, leaf, b)


def _advance(
    memory: Memory, exploration: Doubles, leaf: Leaf, outcomes: Outcomes, node: int
) -> None:  # pragma: no cover
    nodes, edges = memory.nodes, memory.edges
    for b in prange(len(nodes)):
        _expand(nodes, edges, leaf, outcomes, b, node)
        _backup(nodes, edges, b, node)
        _descend(nodes, edges, exploration, leaf, b)


select = njit(cache=True, nogil=True)(_select)
"""First selection: writes every problem's leaf. Arguments: memory, [N + 1] exploration, leaf."""

advance = njit(cache=True, nogil=True)(_advance)
"""Expansion, backup and the next selection. Arguments: memory, [N + 1] exploration, leaf, outcomes, the node."""

advance_threaded = njit(cache=True, nogil=True, parallel=True)(_advance)
"""The same with the problems shared among numba's threads."""
