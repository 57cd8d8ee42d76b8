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


class Memory(NamedTuple):
    """Working memory of a search; an entry holds only if the node's stamp is the search's number."""

    stamp: Longs
    cost: Doubles
    key: Doubles
    distance: Doubles
    parent: Ints
    edge: Longs
    place: Ints
    heap: Ints
    order: Ints
    goal_stamp: Longs
    goal_cost: Doubles


class Question(NamedTuple):
    """What is searched: the graph, the start, and what orders and bounds the search."""

    indptr: Longs
    targets: Ints
    costs: Floats
    extra: Floats
    sources: Longs
    source_costs: Doubles
    embedding: Floats
    goal_embedding: Floats
    weight: float
    limit: float
    max_expanded: int


@njit(cache=True, nogil=True)
def _float_up(memory, index):  # type: ignore[no-untyped-def]
    """Moves the entry at ``index`` towards the heap's top until its parent is no larger."""
    heap, key, place = memory.heap, memory.key, memory.place
    node = heap[index]
    value = key[node]
    while index > 0:
        above = (index - 1) >> 1
        other = heap[above]
        if key[other] <= value:
            break
        heap[index] = other
        place[other] = index
        index = above
    heap[index] = node
    place[node] = index


@njit(cache=True, nogil=True)
def _pop(memory, size):  # type: ignore[no-untyped-def]
    """Removes and returns the node with the smallest key from a heap of ``size`` entries."""
    heap, key, place = memory.heap, memory.key, memory.place
    top, node = heap[0], heap[size - 1]
    place[top] = -1
    last = size - 1
    value = key[node]
    index = 0
    while True:
        child = 2 * index + 1
        if child >= last:
            break
        if child + 1 < last and key[heap[child + 1]] < key[heap[child]]:
            child += 1
        if key[heap[child]] >= value:
            break
        heap[index] = heap[child]
        place[heap[index]] = index
        index = child
    if last > 0:
        heap[index] = node
        place[node] = index
    return top


@njit(cache=True, nogil=True)
def _distance(question, node):  # type: ignore[no-untyped-def]
    """The heuristic: Euclidean distance between a node's point and the goal's, 0 without an embedding."""
    if question.embedding.shape[0] == 0:
        return 0.0
    total = 0.0
    for axis in range(question.embedding.shape[1]):
        gap = question.embedding[node, axis] - question.goal_embedding[axis]
        total += gap * gap
    return math.sqrt(total)


@njit(cache=True, nogil=True)
def _relax(question, memory, number, bound, size, node, cost, parent, edge):  # type: ignore[no-untyped-def]
    """Offers a node a new cost; returns the heap's size."""
    seen = memory.stamp[node] == number
    if seen and cost >= memory.cost[node]:
        return size
    if not seen:
        memory.distance[node] = _distance(question, node)
    # A weight below 1 is a caller's way to keep a heuristic admissible: then it must also bound less.
    if not cost + min(question.weight, 1.0) * memory.distance[node] <= bound:
        return size
    if not seen:
        memory.stamp[node] = number
        memory.place[node] = -1
    memory.cost[node] = cost
    memory.key[node] = cost + question.weight * memory.distance[node]
    memory.parent[node] = parent
    memory.edge[node] = edge
    if memory.place[node] < 0:
        memory.heap[size] = node
        memory.place[node] = size
        size += 1
    _float_up(memory, memory.place[node])
    return size


@njit(cache=True, nogil=True)
def _begin(question, goals, goal_costs, memory, number):  # type: ignore[no-untyped-def]
    """Marks the goals and puts the sources on the heap; returns its size."""
    for index in range(len(goals)):
        node = goals[index]
        if memory.goal_stamp[node] != number or goal_costs[index] < memory.goal_cost[node]:
            memory.goal_stamp[node] = number
            memory.goal_cost[node] = goal_costs[index]
    size = 0
    for index in range(len(question.sources)):
        cost = question.source_costs[index]
        size = _relax(question, memory, number, question.limit, size, question.sources[index], cost, -1, -1)
    return size


@njit(cache=True, nogil=True)
def search(question, goals, goal_costs, memory, number):  # type: ignore[no-untyped-def]
    """Best-first search; returns nodes expanded, the best goal node (or -1), its cost, and whether it was finished."""
    size = _begin(question, goals, goal_costs, memory, number)
    expanded, best, best_cost, bound = 0, -1, np.inf, question.limit
    priced = len(question.extra) > 0
    while size > 0 and memory.key[memory.heap[0]] < best_cost:
        if expanded >= question.max_expanded:
            return expanded, best, best_cost, False
        node = _pop(memory, size)
        size -= 1
        if expanded < len(memory.order):
            memory.order[expanded] = node
        expanded += 1
        cost = memory.cost[node]
        if memory.goal_stamp[node] == number and cost + memory.goal_cost[node] <= bound:
            total = cost + memory.goal_cost[node]
            if total < best_cost:
                best, best_cost, bound = node, total, total
        for edge in range(question.indptr[node], question.indptr[node + 1]):
            there = cost + question.costs[edge]
            if priced:
                there += question.extra[edge]
            size = _relax(question, memory, number, bound, size, question.targets[edge], there, node, edge)
    return expanded, best, best_cost, True


@njit(cache=True, nogil=True)
def trace(parents, edges, best):  # type: ignore[no-untyped-def]
    """The path to a node: its [n] nodes and [n-1] edges."""
    length = 0
    node = best
    while node >= 0:
        node = parents[node]
        length += 1
    path, taken = np.empty(length, np.int32), np.empty(max(length - 1, 0), np.int64)
    node = best
    for index in range(length - 1, -1, -1):
        path[index] = node
        if index > 0:
            taken[index - 1] = edges[node]
        node = parents[node]
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
                prices[used] = memory.cost[node]
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
