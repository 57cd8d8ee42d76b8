"""The compiled loops behind :mod:`planners.graph`: one best-first search, and Tarjan's components.

Everything here runs without the interpreter lock. A search number stamps what it touches in its working memory, so
that the memory is never cleared.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Reals = NDArray[np.floating]
"""In single or double precision."""


# What a search knows of a node: 64 bytes, one line of the processor's cache. The fields up to ``place`` hold only if
# ``stamp`` is the search's number, ``goal_cost`` only if ``goal_stamp`` is; ``rank`` only once it was expanded.
NODE = np.dtype(
    [
        ("stamp", np.int64),
        ("cost", np.float64),
        ("distance", np.float64),
        ("edge", np.int64),
        ("parent", np.int32),
        ("place", np.int32),
        ("goal_stamp", np.int64),
        ("goal_cost", np.float64),
        ("rank", np.int64),
    ]
)
ENTRY = np.dtype([("key", np.float64), ("node", np.int64)])


class Memory(NamedTuple):
    """Working memory of a search.

    Attributes:
        nodes: [N] what is known of each.
        heap: [N] its entries.
        order: [N] nodes in the order of their expansion.
        came_from: [N] number in that order from which each was reached; -1 for the sources.
    """

    nodes: NDArray[np.void]
    heap: NDArray[np.void]
    order: Ints
    came_from: Ints


class Question(NamedTuple):
    """What is searched: the graph, the start, and what orders and bounds the search."""

    indptr: Longs
    targets: Ints
    costs: Reals
    extra: Floats
    sources: Longs
    source_costs: Doubles
    embedding: Reals
    goal_embedding: Reals
    weight: float
    limit: float
    max_expanded: int


@njit(cache=True, nogil=True)
def _float_up(nodes, heap, index):  # type: ignore[no-untyped-def]
    """Moves the entry at ``index`` towards the heap's top until its parent is no larger."""
    key, node = heap[index].key, heap[index].node
    while index > 0:
        above = (index - 1) >> 1
        if heap[above].key <= key:
            break
        heap[index].key, heap[index].node = heap[above].key, heap[above].node
        nodes[heap[index].node].place = index
        index = above
    heap[index].key, heap[index].node = key, node
    nodes[node].place = index


@njit(cache=True, nogil=True)
def _pop(nodes, heap, size):  # type: ignore[no-untyped-def]
    """Removes and returns the node with the smallest key from a heap of ``size`` entries."""
    top, last = heap[0].node, size - 1
    key, node = heap[last].key, heap[last].node
    index, child = 0, 1
    while child < last:
        if child + 1 < last and heap[child + 1].key < heap[child].key:
            child += 1
        if heap[child].key >= key:
            break
        heap[index].key, heap[index].node = heap[child].key, heap[child].node
        nodes[heap[index].node].place = index
        index, child = child, 2 * child + 1
    heap[index].key, heap[index].node = key, node
    nodes[node].place = index
    nodes[top].place = -1
    return top


@njit(cache=True, nogil=True)
def _distance(embedding, goal, node):  # type: ignore[no-untyped-def]
    """The heuristic: Euclidean distance between a node's point and the goal's, 0 without an embedding."""
    total = 0.0
    for axis in range(len(goal)):
        gap = embedding[node, axis] - goal[axis]
        total += gap * gap
    return math.sqrt(total)


@njit(cache=True, nogil=True, inline="always")
def _relax(nodes, heap, size, number, embedding, goal, weight, bound, node, cost, parent, edge):  # type: ignore[no-untyped-def]
    """Offers a node a new cost; returns the heap's size. Inlined: called once per edge, it is the search's cost."""
    known = nodes[node].stamp == number
    if known and cost >= nodes[node].cost:
        return size
    if not known:
        nodes[node].distance = _distance(embedding, goal, node)
    # A weight below 1 is a caller's way to keep a heuristic admissible: then it must also bound less.
    if not cost + min(weight, 1.0) * nodes[node].distance <= bound:
        return size
    place = nodes[node].place if known else -1
    if place < 0:
        place = size
        size += 1
    nodes[node].stamp, nodes[node].cost = number, cost
    nodes[node].parent, nodes[node].edge = parent, edge
    heap[place].key, heap[place].node = cost + weight * nodes[node].distance, node
    _float_up(nodes, heap, place)
    return size


@njit(cache=True, nogil=True)
def _mark_goals(nodes, number, goals, goal_costs):  # type: ignore[no-untyped-def]
    """Writes the goals' costs into their nodes; a goal named twice takes the cheaper."""
    for index in range(len(goals)):
        node = goals[index]
        if nodes[node].goal_stamp != number or goal_costs[index] < nodes[node].goal_cost:
            nodes[node].goal_stamp = number
            nodes[node].goal_cost = goal_costs[index]


@njit(cache=True, nogil=True)
def search(question, goals, goal_costs, memory, number):  # type: ignore[no-untyped-def]
    """Best-first search; returns nodes expanded, the best goal node (or -1), its cost, and whether it was finished."""
    # Local names: numba counts references on every access to a field that is an array.
    indptr, targets, costs, extra, sources, source_costs, embedding, goal, weight, bound, max_expanded = question
    nodes, heap, order, came_from = memory
    _mark_goals(nodes, number, goals, goal_costs)
    size, expanded, best, best_cost, priced = 0, 0, -1, np.inf, len(extra) > 0
    for index in range(len(sources)):
        start = sources[index]
        size = _relax(
            nodes, heap, size, number, embedding, goal, weight, bound, start, source_costs[index], -1, np.int64(-1)
        )
    while size > 0 and heap[0].key < best_cost:
        if expanded >= max_expanded:
            return expanded, best, best_cost, False
        node = _pop(nodes, heap, size)
        size -= 1
        if expanded < len(order):
            order[expanded] = node
            parent = nodes[node].parent
            came_from[expanded] = nodes[parent].rank if parent >= 0 else -1
            nodes[node].rank = expanded
        expanded += 1
        cost = nodes[node].cost
        if nodes[node].goal_stamp == number and cost + nodes[node].goal_cost <= bound:
            total = cost + nodes[node].goal_cost
            if total < best_cost:
                best, best_cost, bound = node, total, total
        for edge in range(indptr[node], indptr[node + 1]):
            there = cost + costs[edge]
            if priced:
                there += extra[edge]
            size = _relax(nodes, heap, size, number, embedding, goal, weight, bound, targets[edge], there, node, edge)
    return expanded, best, best_cost, True


@njit(cache=True, nogil=True)
def trace(nodes, best):  # type: ignore[no-untyped-def]
    """The path to a node: its [n] nodes and [n-1] edges."""
    length = 0
    node = best
    while node >= 0:
        node = nodes[node].parent
        length += 1
    path, taken = np.empty(length, np.int32), np.empty(max(length - 1, 0), np.int64)
    node = best
    for index in range(length - 1, -1, -1):
        path[index] = node
        if index > 0:
            taken[index - 1] = nodes[node].edge
        node = nodes[node].parent
    return path, taken


@njit(cache=True, nogil=True)
def balls(indptr, targets, costs, extra, sources, limit, keep, memory, first):  # type: ignore[no-untyped-def]
    """Dijkstra from each source in turn: [S] counts, then the kept nodes and costs of all, one after the other."""
    counts = np.zeros(len(sources), np.int64)
    nodes, prices = np.empty(1024, np.int32), np.empty(1024, np.float64)
    used = 0
    no_points, no_point = np.empty((0, 0), np.float32), np.empty(0, np.float32)
    no_goals, no_costs = np.empty(0, np.int64), np.empty(0, np.float64)
    for index in range(len(sources)):
        start = sources[index : index + 1]
        question = Question(
            indptr, targets, costs, extra, start, np.zeros(1), no_points, no_point, 1.0, limit, np.int64(2**62)
        )
        expanded, _, _, _ = search(question, no_goals, no_costs, memory, first + index)
        while used + expanded > len(nodes):
            nodes = np.concatenate((nodes, np.empty_like(nodes)))
            prices = np.concatenate((prices, np.empty_like(prices)))
        for node in memory.order[:expanded]:
            if keep[node]:
                nodes[used] = node
                prices[used] = memory.nodes[node].cost
                used += 1
                counts[index] += 1
    return counts, nodes[:used].copy(), prices[:used].copy()


@njit(cache=True, nogil=True)
def tarjan(indptr, targets):  # type: ignore[no-untyped-def]
    """Tarjan's strongly connected components, with an explicit stack (recursion would overflow)."""
    total = len(indptr) - 1
    label, low, found = np.full(total, -1, np.int32), np.empty(total, np.int64), np.full(total, -1, np.int64)
    cursor, calls, open_nodes = indptr[:-1].copy(), np.empty(total, np.int64), np.empty(total, np.int64)
    clock, components, depth, waiting = 0, 0, 0, 0
    for root in range(total):
        if found[root] >= 0:
            continue
        calls[0] = root
        depth = 1
        while depth > 0:
            node = calls[depth - 1]
            if found[node] < 0:
                found[node] = low[node] = clock
                clock += 1
                open_nodes[waiting] = node
                waiting += 1
            if cursor[node] < indptr[node + 1]:
                child = targets[cursor[node]]
                cursor[node] += 1
                if found[child] < 0:
                    calls[depth] = child
                    depth += 1
                elif label[child] < 0:
                    low[node] = min(low[node], found[child])
                continue
            depth -= 1
            if depth > 0:
                low[calls[depth - 1]] = min(low[calls[depth - 1]], low[node])
            if low[node] == found[node]:
                while True:
                    waiting -= 1
                    member = open_nodes[waiting]
                    label[member] = components
                    if member == node:
                        break
                components += 1
    return label
