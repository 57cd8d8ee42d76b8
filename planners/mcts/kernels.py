"""The compiled loops behind :mod:`planners.mcts.puct`: expansion, backup and selection, in place, for a batch of trees.

A simulation touches only the nodes on its own path, so that its cost doesn't grow with the tree. Nor does it descend:
a node's best edge changes only when a return passes through it, so every node remembers the leaf that its best edges
lead to, and backup brings it up to date on the way to the root, where the next simulation finds it.

Node 0 is the root; as no edge leads there, 0 in ``children`` also says that an edge was never taken.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from planners.mcts.prefetch import prefetch

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Doubles = NDArray[np.float64]
Records = NDArray[np.void]

SMALLEST_SPAN = 1e-8
"""Values that differ by less than this are not stretched to 0..1."""

# Division as in numpy: the check for zero that Python asks for costs a third of the time.
compiled = njit(cache=True, nogil=True, error_model="numpy")
inlined = njit(cache=True, nogil=True, error_model="numpy", inline="always")


class Tree(NamedTuple):
    """Search trees of B problems as arrays of N nodes with A edges each, nodes in the order of their expansion.

    Attributes:
        visits: [B, N] simulations that passed through or ended at a node; the root's own evaluation counts as one. 0
            marks a place without a node (a problem that kept a smaller tree than its neighbours).
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
        ("own_values", np.float64),
        ("rewards", np.float64),
        ("discounts", np.float64),
        ("visits", np.int32),
        ("parents", np.int32),
        ("actions", np.int32),
        ("best", np.int32),
        ("leaves", np.int32),
        ("chance", np.int32),
    ]
)
"""One node. What a simulation reads together lies together. Beside the fields of :class:`Tree`: the model's own value,
the best edge, the node that best edges lead to from here, and whether this is a chance node."""

EDGE = np.dtype([("q", np.float64), ("priors", np.float64), ("edge_visits", np.int32), ("children", np.int32)])
"""One edge; four of them fill a line and a half of the processor's cache."""


class Memory(NamedTuple):
    """The same trees as the kernels hold them: [B, N] records ``NODE`` and [B, N, A] records ``EDGE``."""

    nodes: Records
    edges: Records

    def view(self, size: int) -> Tree:
        """The first nodes of every tree, without a copy."""
        of_edges = EDGE.names or ()
        return Tree(**{name: (self.edges if name in of_edges else self.nodes)[name][:, :size] for name in Tree._fields})


class Leaf(NamedTuple):
    """Where each problem's next simulation leaves its tree.

    Attributes:
        rows: [B] the leaf's row among the [N * B] states, nodes first.
        actions: [B] the action that it takes there (at a chance node: the outcome).
        chance: [B] true for a chance node.
    """

    rows: Longs
    actions: Longs
    chance: NDArray[np.bool_]


class Outcomes(NamedTuple):
    """What the model says of the new nodes: [B] rewards, [B] discounts, [B, A] prior logits and [B] values."""

    rewards: Doubles
    discounts: Doubles
    logits: Doubles
    values: Doubles


@inlined
def _set_priors(edges: Records, logits: Doubles, b: int, node: int, count: int) -> bool:  # pragma: no cover - compiled
    """Softmax of a node's first logits; uniform where all of them are -inf. False if one of them is not a number."""
    highest = -math.inf
    for action in range(count):
        highest = max(highest, logits[b, action])
    total = 0.0
    for action in range(count):
        # Where every action is invalid the exponent would be no number.
        nowhere = highest == -math.inf and logits[b, action] == -math.inf
        weight = 1.0 if nowhere else math.exp(logits[b, action] - highest)
        edges[b, node, action].priors = weight
        total += weight
    for action in range(count):
        edges[b, node, action].priors = edges[b, node, action].priors / total if total > 0.0 else 1.0
    return total > 0.0


@inlined
def expand(
    nodes: Records, edges: Records, outcomes: Outcomes, b: int, node: int, count: int, chance: int
) -> None:  # pragma: no cover - compiled
    """Adds a node below the leaf, the first ``count`` of its edges usable; its memory may hold anything before.

    A prior that is no number turns into a value that is none, which is seen at the root.
    """
    parent = nodes[b, 0].leaves
    action = nodes[b, parent].best
    edges[b, parent, action].children = node
    new = nodes[b, node]
    new.parents, new.actions, new.visits, new.chance = parent, action, 1, chance
    new.rewards, new.discounts = outcomes.rewards[b], outcomes.discounts[b]
    for action in range(edges.shape[2]):
        edge = edges[b, node, action]
        edge.q, edge.priors, edge.edge_visits, edge.children = 0.0, 0.0, 0, 0
    sound = _set_priors(edges, outcomes.logits, b, node, count)
    new.own_values = outcomes.values[b] if sound else math.nan


@inlined
def pass_up(nodes: Records, edges: Records, b: int, node: int) -> int:  # pragma: no cover - compiled
    """Counts a visit of the edge that leads to a node, writes the node's value into it, and returns the node above."""
    below = nodes[b, node]
    parent = below.parents
    edge = edges[b, parent, below.actions]
    edge.edge_visits += 1
    edge.q = below.rewards + below.discounts * below.values
    nodes[b, parent].visits += 1
    return parent


@inlined
def average(nodes: Records, edges: Records, b: int, node: int) -> None:  # pragma: no cover - compiled
    """A node's value: the mean of its own evaluation and of all returns through its edges."""
    total = nodes[b, node].own_values
    for action in range(edges.shape[2]):
        total += edges[b, node, action].edge_visits * edges[b, node, action].q
    nodes[b, node].values = total / nodes[b, node].visits


@inlined
def favour(nodes: Records, edges: Records, b: int, node: int, best: int) -> None:  # pragma: no cover - compiled
    """Remembers a node's best edge, and the leaf that lies that way."""
    below = edges[b, node, best].children
    nodes[b, node].best = best
    nodes[b, node].leaves = node if below == 0 else nodes[b, below].leaves


@inlined
def report(nodes: Records, leaf: Leaf, b: int) -> None:  # pragma: no cover - compiled
    """Writes down where a problem's next simulation leaves its tree."""
    node = nodes[b, 0].leaves
    leaf.rows[b] = node * len(nodes) + b
    leaf.actions[b] = nodes[b, node].best
    leaf.chance[b] = nodes[b, node].chance != 0


@inlined
def best_by_puct(
    nodes: Records, edges: Records, exploration: Doubles, b: int, node: int
) -> int:  # pragma: no cover - compiled
    """The action with the largest PUCT score, the first of equal ones; values scaled by parent and siblings."""
    low = high = nodes[b, node].values
    for action in range(edges.shape[2]):
        edge = edges[b, node, action]
        low = min(low, edge.q if edge.edge_visits > 0 else low)
        high = max(high, edge.q if edge.edge_visits > 0 else high)
    scale = 1.0 / max(high - low, SMALLEST_SPAN)
    bonus = exploration[nodes[b, node].visits]
    best, best_score = 0, -math.inf
    for action in range(edges.shape[2]):
        edge = edges[b, node, action]
        gain = (edge.q - low) * scale if edge.edge_visits > 0 else 0.0
        score = bonus * edge.priors / (edge.edge_visits + 1) + gain
        # Without short-circuit: what is best can't be foreseen, and a wrong guess costs more than a comparison.
        better = (edge.priors > 0.0) & (score > best_score)
        best, best_score = action if better else best, score if better else best_score
    return best


@inlined
def _refresh(nodes: Records, edges: Records, exploration: Doubles, b: int, node: int) -> None:  # pragma: no cover
    average(nodes, edges, b, node)
    favour(nodes, edges, b, node, best_by_puct(nodes, edges, exploration, b, node))


@compiled
def begin(memory: Memory, exploration: Doubles, leaf: Leaf, size: int) -> None:  # pragma: no cover - compiled
    """Brings trees of a size up to date and finds their leaves; ``exploration`` is the priors' weight by visits."""
    nodes, edges = memory.nodes, memory.edges
    for b in range(len(nodes)):
        # Children stand behind their parents.
        for node in range(size - 1, -1, -1):
            if nodes[b, node].visits > 0:
                _refresh(nodes, edges, exploration, b, node)
        report(nodes, leaf, b)


@compiled
def advance(
    memory: Memory, exploration: Doubles, leaf: Leaf, outcomes: Outcomes, new: int
) -> None:  # pragma: no cover - compiled
    """Adds a node to every tree, backs its value up, and finds the next leaves."""
    nodes, edges = memory.nodes, memory.edges
    for b in range(len(nodes)):
        following = min(b + 1, len(nodes) - 1)
        ahead = nodes[following, 0].leaves
        expand(nodes, edges, outcomes, b, new, edges.shape[2], 0)
        node = new
        _refresh(nodes, edges, exploration, b, node)
        while node > 0:
            # The next problem's path is asked for meanwhile. (As a function of its own this costs more than it saves.)
            if ahead >= 0:
                prefetch(edges, following, ahead)
                ahead = nodes[following, ahead].parents
            node = pass_up(nodes, edges, b, node)
            _refresh(nodes, edges, exploration, b, node)
        report(nodes, leaf, b)
