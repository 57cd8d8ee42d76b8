"""The compiled search tree behind :mod:`planners.astar`: a priority queue, and a hash grid of the states seen."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Longs = NDArray[np.int64]
Doubles = NDArray[np.float64]

NODE = np.dtype(
    [("cell", np.int64), ("cost", np.float64), ("estimate", np.float64), ("parent", np.int64), ("action", np.int64)]
)
ENTRY = np.dtype([("key", np.float64), ("estimate", np.float64), ("node", np.int64)])


class Frontier:
    """The nodes of one search: which were reached, at what cost, and which to expand next.

    States that fall into one cell of the hash grid are one and the same: the cheapest of them is kept.

    Attributes:
        nodes: [capacity] what is known of every node; the first ``count`` entries are in use.
        count: nodes made so far; node 0 is the start.
    """

    def __init__(self, weight: float, capacity: int = 1024) -> None:
        self.weight = weight
        self.nodes = np.empty(capacity, NODE)
        self.count = 0
        self._heap, self._waiting = np.empty(capacity, ENTRY), 0
        self._table = np.full(_table_size(capacity), -1, np.int64)

    def add(self, cells: Longs, costs: Doubles, estimates: Doubles, parents: Longs, actions: Longs) -> Longs:
        """Offers [m] states; returns the rows of those that are new or cheaper, which become nodes in that order."""
        self._reserve(len(cells))
        rows, self._waiting = _add(
            self.nodes, self._heap, self._table, self.count, self._waiting, self.weight, cells, costs, estimates,
            parents, actions,
        )  # fmt: skip
        self.count += len(rows)
        return rows

    def pop(self, most: int, bound: float) -> Longs:
        """Up to ``most`` nodes to expand next, best first; none is left whose key is under ``bound`` if empty."""
        chosen, self._waiting = _pop_best(self.nodes, self._heap, self._table, self._waiting, most, bound)
        return chosen

    def path(self, node: int) -> Longs:
        """Nodes from the start to one node."""
        path = [node]
        while self.nodes["parent"][path[-1]] >= 0:
            path.append(int(self.nodes["parent"][path[-1]]))
        return np.array(path[::-1], np.int64)

    def _reserve(self, more: int) -> None:
        if self.count + more <= len(self.nodes):
            return
        capacity = 2 * (self.count + more)
        self.nodes = np.concatenate([self.nodes[: self.count], np.empty(capacity - self.count, NODE)])
        self._heap = np.concatenate([self._heap[: self._waiting], np.empty(capacity - self._waiting, ENTRY)])
        self._table = _rehash(self.nodes, self.count, _table_size(capacity))


def _table_size(capacity: int) -> int:
    """A power of two that leaves at least half of the hash table empty."""
    return 1 << (2 * capacity).bit_length()


@njit(cache=True, nogil=True)
def _slot(nodes, table, cell):  # type: ignore[no-untyped-def]
    """Where a cell is in the hash table, or where it would go."""
    mask = len(table) - 1
    slot = (cell ^ (cell >> 32)) & mask
    while table[slot] >= 0 and nodes[table[slot]].cell != cell:
        slot = (slot + 1) & mask
    return slot


@njit(cache=True, nogil=True)
def _rehash(nodes, count, size):  # type: ignore[no-untyped-def]
    """A larger hash table of the same nodes; of several nodes in a cell the newest, which is the cheapest, stays."""
    table = np.full(size, -1, np.int64)
    for node in range(count):
        table[_slot(nodes, table, nodes[node].cell)] = node
    return table


@njit(cache=True, nogil=True)
def _before(heap, left, right):  # type: ignore[no-untyped-def]
    """Whether one entry comes before another: by key, then by nearness to the goal (deeper first)."""
    if heap[left].key != heap[right].key:
        return heap[left].key < heap[right].key
    return heap[left].estimate < heap[right].estimate


@njit(cache=True, nogil=True)
def _swap(heap, left, right):  # type: ignore[no-untyped-def]
    key, estimate, node = heap[left].key, heap[left].estimate, heap[left].node
    heap[left].key, heap[left].estimate, heap[left].node = heap[right].key, heap[right].estimate, heap[right].node
    heap[right].key, heap[right].estimate, heap[right].node = key, estimate, node


@njit(cache=True, nogil=True)
def _push(heap, size, key, estimate, node):  # type: ignore[no-untyped-def]
    heap[size].key, heap[size].estimate, heap[size].node = key, estimate, node
    index = size
    while index > 0 and _before(heap, index, (index - 1) >> 1):
        _swap(heap, index, (index - 1) >> 1)
        index = (index - 1) >> 1


@njit(cache=True, nogil=True)
def _drop_top(heap, size):  # type: ignore[no-untyped-def]
    """Removes the first of ``size`` entries."""
    _swap(heap, 0, size - 1)
    index, child = 0, 1
    while child < size - 1:
        if child + 1 < size - 1 and _before(heap, child + 1, child):
            child += 1
        if not _before(heap, child, index):
            break
        _swap(heap, index, child)
        index, child = child, 2 * child + 1


@njit(cache=True, nogil=True)
def _add(nodes, heap, table, count, waiting, weight, cells, costs, estimates, parents, actions):  # type: ignore[no-untyped-def]
    """See :meth:`Frontier.add`; returns the accepted rows and the size of the heap."""
    rows = np.empty(len(cells), np.int64)
    taken = 0
    for row in range(len(cells)):
        slot = _slot(nodes, table, cells[row])
        if table[slot] >= 0 and costs[row] >= nodes[table[slot]].cost:
            continue
        node = count + taken
        nodes[node].cell, nodes[node].cost, nodes[node].estimate = cells[row], costs[row], estimates[row]
        nodes[node].parent, nodes[node].action = parents[row], actions[row]
        table[slot] = node
        _push(heap, waiting, costs[row] + weight * estimates[row], estimates[row], node)
        waiting += 1
        rows[taken] = row
        taken += 1
    return rows[:taken].copy(), waiting


@njit(cache=True, nogil=True)
def _pop_best(nodes, heap, table, waiting, most, bound):  # type: ignore[no-untyped-def]
    """See :meth:`Frontier.pop`; returns the nodes and the size of the heap. Nodes that were replaced are skipped."""
    chosen = np.empty(most, np.int64)
    found = 0
    while found < most and waiting > 0 and heap[0].key < bound:
        node = heap[0].node
        _drop_top(heap, waiting)
        waiting -= 1
        if table[_slot(nodes, table, nodes[node].cell)] == node:
            chosen[found] = node
            found += 1
    return chosen[:found].copy(), waiting
