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


@njit(cache=True, nogil=True)
def _choose(tree, exploration, b, node):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The action with the largest PUCT score, the first of equal ones; values scaled by parent and siblings."""
    low = high = tree.values[b, node]
    edges = tree.edge_visits[b, node]
    q, priors = tree.q[b, node], tree.priors[b, node]
    for action in range(len(edges)):
        if edges[action] > 0:
            low, high = min(low, q[action]), max(high, q[action])
    span = max(high - low, SMALLEST_SPAN)
    bonus = exploration[tree.visits[b, node]]
    best, best_score = -1, 0.0
    for action in range(len(edges)):
        if priors[action] > 0.0:
            score = bonus * priors[action] / (edges[action] + 1)
            if edges[action] > 0:
                score += (q[action] - low) / span
            if best < 0 or score > best_score:
                best, best_score = action, score
    return best


@njit(cache=True, nogil=True)
def _descend(tree, exploration, leaf, b):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Follows the best edges from the root to one that was never taken."""
    node = 0
    action = _choose(tree, exploration, b, node)
    while tree.children[b, node, action] > 0:
        node = tree.children[b, node, action]
        action = _choose(tree, exploration, b, node)
    leaf.nodes[b], leaf.actions[b] = node, action


@njit(cache=True, nogil=True)
def _set_priors(tree, logits, b, node):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Softmax of a node's logits; uniform where every action is invalid. False if a logit is not a number."""
    highest = -math.inf
    for action in range(len(logits)):
        highest = max(highest, logits[action])
    total = 0.0
    for action in range(len(logits)):
        # Where every action is invalid the exponent would be no number.
        nowhere = highest == -math.inf and logits[action] == -math.inf
        weight = 1.0 if nowhere else math.exp(logits[action] - highest)
        tree.priors[b, node, action] = weight
        total += weight
    for action in range(len(logits)):
        tree.priors[b, node, action] = tree.priors[b, node, action] / total if total > 0.0 else 1.0
    return total > 0.0


@njit(cache=True, nogil=True)
def _expand(tree, leaf, outcomes, b, node):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Adds a node below the leaf; a prior that is no number turns into a value that is none, seen at the root."""
    parent, action = leaf.nodes[b], leaf.actions[b]
    tree.children[b, parent, action] = node
    tree.parents[b, node], tree.actions[b, node] = parent, action
    tree.rewards[b, node], tree.discounts[b, node] = outcomes.rewards[b], outcomes.discounts[b]
    sound = _set_priors(tree, outcomes.logits[b], b, node)
    tree.values[b, node] = outcomes.values[b] if sound else math.nan
    tree.visits[b, node] = 1


@njit(cache=True, nogil=True)
def _backup(tree, b, node):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Adds a new node's return to the means of all nodes above it."""
    returns = tree.values[b, node]
    while node > 0:
        parent, action = tree.parents[b, node], tree.actions[b, node]
        reward, discount = tree.rewards[b, node], tree.discounts[b, node]
        returns = reward + discount * returns
        count = tree.visits[b, parent]
        tree.values[b, parent] = (tree.values[b, parent] * count + returns) / (count + 1)
        tree.visits[b, parent] = count + 1
        tree.edge_visits[b, parent, action] += 1
        tree.q[b, parent, action] = reward + discount * tree.values[b, node]
        node = parent


def _select(tree: Tree, exploration: Doubles, leaf: Leaf) -> None:  # pragma: no cover - compiled
    for b in prange(len(tree.visits)):
        _descend(tree, exploration, leaf, b)


def _advance(tree: Tree, exploration: Doubles, leaf: Leaf, outcomes: Outcomes, node: int) -> None:  # pragma: no cover
    for b in prange(len(tree.visits)):
        _expand(tree, leaf, outcomes, b, node)
        _backup(tree, b, node)
        _descend(tree, exploration, leaf, b)


select = njit(cache=True, nogil=True)(_select)
"""First selection: writes every problem's leaf. Arguments: tree, [N + 1] exploration, leaf."""

advance = njit(cache=True, nogil=True)(_advance)
"""Expansion, backup and the next selection. Arguments: tree, [N + 1] exploration, leaf, outcomes, the node."""

advance_threaded = njit(cache=True, nogil=True, parallel=True)(_advance)
"""The same with the problems shared among numba's threads."""
