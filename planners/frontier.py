"""The compiled search trees behind :mod:`planners.astar`: those of all problems in one array of nodes.

A problem's open nodes form a pairing heap (Fredman, Sedgewick, Sleator and Tarjan, 1986), whose links are fields of
the nodes: no heap has a size of its own that could be outgrown. One hash table holds the cells of all problems.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple, final

import numpy as np
from numba import njit
from numpy.typing import NDArray

Longs = NDArray[np.int64]
Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]

NODE = np.dtype(
    [
        ("cost", np.float64),
        ("estimate", np.float64),
        ("key", np.float64),
        ("problem", np.int32),
        ("parent", np.int32),
        ("action", np.int32),
        ("child", np.int32),
        ("sibling", np.int32),
        ("status", np.int32),
    ]
)
SLOT = np.dtype([("cell", np.int64), ("number", np.int64)])  # number: 1 + node, so that zeros are an empty table
TREE = np.dtype(
    [
        ("root", np.int64),
        ("best", np.int64),
        ("nearest", np.int64),
        ("expanded", np.int64),
        ("best_cost", np.float64),
        ("weight", np.float64),
        ("finished", np.bool_),
    ]
)
OPEN, CLOSED, REPLACED = 0, 1, 2
SMALLEST_EXCESS = 0.05
"""An anytime search's weight that is nearer to 1 than this becomes 1."""


class Offers(NamedTuple):
    """States that were predicted, [m] each: what they are to become nodes of.

    Attributes:
        problems: whose they are, ascending.
        parents: nodes that they were reached from, -1 for starts.
        actions: taken there, -1 for starts.
        cells: numbers of their cells in the hash grid.
        steps: cost of the step, not finite where it may not be taken.
        estimates: of the cost to go.
        arrived: 1 where the goal is reached, else 0.
    """

    problems: Longs
    parents: Longs
    actions: Longs
    cells: Longs
    steps: Doubles
    estimates: Doubles
    arrived: Doubles


@final
class Frontiers:
    """The nodes of many searches: which were reached, at what cost, and which to expand next.

    States of a problem that fall into one cell of the hash grid are one and the same: the cheapest of them is kept.

    Attributes:
        nodes: [capacity] what is known of every node; the first ``count`` entries are in use.
        count: nodes made so far, the starts first.
        trees: [B] what is known of every problem: ``best`` is its cheapest node that arrived, ``nearest`` the one with
            the least estimate (-1 each where there is none), ``expanded`` counts expansions, ``weight`` is that of the
            heuristic, and ``finished`` says that no open node could improve the result.
        anytime: whether a problem that is finished goes on with a smaller weight, until it is 1.
    """

    def __init__(self, problems: int, weight: float, anytime: bool = False) -> None:
        self.anytime = anytime
        self.trees = np.zeros(problems, TREE)
        self.trees["root"] = self.trees["best"] = self.trees["nearest"] = -1
        self.trees["best_cost"], self.trees["weight"] = np.inf, weight
        self.nodes, self.count = np.empty(max(1024, 8 * problems), NODE), 0
        self._table = np.zeros(_table_size(len(self.nodes)), SLOT)

    def add(self, offers: Offers) -> Longs:
        """Offers [m] states; returns the nodes made of them, in that order, -1 where a state is no news."""
        self._reserve(len(offers.cells))
        made, self.count = _add(self.nodes, self.trees, self._table, self.count, offers)
        return made

    def pop(self, most: int, limit: int) -> Longs:
        """Up to ``most`` nodes of every problem to expand next, best first, problem by problem; [n] nodes.

        ``limit`` bounds each problem's expansions. Nodes that cannot improve a problem's result are left.
        """
        chosen, count = _pop_best(self.nodes, self.trees, most, limit, self.anytime)
        return chosen[:count]

    def put_back(self, nodes: Longs) -> None:
        """Opens [n] nodes again that were popped but not expanded."""
        _put_back(self.nodes, self.trees, nodes)

    def settle(self) -> None:
        """Finds out which problems are finished, as :meth:`pop` does, but pops nothing."""
        self.put_back(self.pop(1, np.iinfo(np.int64).max))

    def bounds(self) -> Doubles:
        """[B] at most how many times a result's cost is the optimum, if no estimate is too high; infinite without one.

        The cheapest way to the goal leads through an open node: it cannot cost less than the least sum of cost and
        estimate among them (Hansen and Zhou, Anytime Heuristic Search, 2007).
        """
        cost, least = self.trees["best_cost"], _least_sums(self.nodes, self.trees)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(least < cost, cost / least, 1.0)
        return np.where(np.isfinite(cost), ratio, np.inf)

    def waiting(self) -> Longs:
        """The open nodes of all problems, ascending."""
        return np.flatnonzero(self.nodes["status"][: self.count] == OPEN)

    def path(self, problem: int) -> Longs:
        """Nodes from a problem's start to the goal, or to the state nearest to it."""
        tree = self.trees[problem]
        path = [int(tree["best"] if tree["best"] >= 0 else tree["nearest"])]
        while self.nodes["parent"][path[-1]] >= 0:
            path.append(int(self.nodes["parent"][path[-1]]))
        return np.array(path[::-1], np.int64)

    def _reserve(self, more: int) -> None:
        if self.count + more <= len(self.nodes):
            return
        capacity = 2 * (self.count + more)
        self.nodes = np.concatenate([self.nodes[: self.count], np.empty(capacity - self.count, NODE)])
        self._table = _rehash(self._table, np.zeros(_table_size(capacity), SLOT))


@cache
def compile_kernels() -> None:
    """Compiles what a search needs, or loads it: seconds that belong to no search's budget."""
    none, zero = np.full(1, -1, np.int64), np.zeros(1)
    frontiers = Frontiers(1, 1.0)
    frontiers.add(Offers(np.zeros(1, np.int64), none, none, none, zero, zero, zero))
    frontiers.settle()
    frontiers.bounds()
    _rehash(frontiers._table, np.zeros_like(frontiers._table))


def _table_size(capacity: int) -> int:
    """A power of two that leaves at least half of the hash table empty."""
    return 1 << (2 * capacity).bit_length()


@njit(cache=True, nogil=True, inline="always")
def _slot(table, cell):  # type: ignore[no-untyped-def]
    """Where a cell is in the hash table, or where it would go."""
    mask = len(table) - 1
    slot = (cell ^ (cell >> 32)) & mask
    while table[slot].number > 0 and table[slot].cell != cell:
        slot = (slot + 1) & mask
    return slot


@njit(cache=True, nogil=True)
def _rehash(table, larger):  # type: ignore[no-untyped-def]
    """Copies all entries into a larger, empty hash table."""
    for old in range(len(table)):
        if table[old].number > 0:
            slot = _slot(larger, table[old].cell)
            larger[slot].cell, larger[slot].number = table[old].cell, table[old].number
    return larger


@njit(cache=True, nogil=True, inline="always")
def _meld(nodes, left, right):  # type: ignore[no-untyped-def]
    """Makes one heap of two, either of which may be empty (-1): by key, then by nearness to the goal (deeper first)."""
    if left < 0:
        return right
    if right < 0:
        return left
    key, other = nodes[left].key, nodes[right].key
    if other < key or (other == key and nodes[right].estimate < nodes[left].estimate):
        left, right = right, left
    nodes[right].sibling = nodes[left].child
    nodes[left].child = right
    return left


@njit(cache=True, nogil=True, inline="always")
def _push(nodes, tree, node):  # type: ignore[no-untyped-def]
    # An estimate may be infinite, which no weight of 0 makes finite.
    nodes[node].key = nodes[node].cost + (tree.weight * nodes[node].estimate if tree.weight > 0.0 else 0.0)
    nodes[node].child, nodes[node].sibling, nodes[node].status = -1, -1, OPEN
    tree.root = _meld(nodes, tree.root, np.int64(node))


@njit(cache=True, nogil=True)
def _drop_root(nodes, tree):  # type: ignore[no-untyped-def]
    """Removes a heap's first node: its children are melded in pairs, and the pairs from the last to the first."""
    left, pairs = np.int64(nodes[tree.root].child), np.int64(-1)
    while left >= 0:
        right = np.int64(nodes[left].sibling)
        after = np.int64(nodes[right].sibling) if right >= 0 else np.int64(-1)
        pair = _meld(nodes, left, right)
        nodes[pair].sibling = pairs
        pairs, left = pair, after
    root = np.int64(-1)
    while pairs >= 0:
        after = np.int64(nodes[pairs].sibling)
        root = _meld(nodes, root, pairs)
        pairs = after
    tree.root = root


@njit(cache=True, nogil=True)
def _add(nodes, trees, table, count, offers):  # type: ignore[no-untyped-def]
    """See :meth:`Frontiers.add`; returns the nodes made and how many there are now."""
    problems, parents, actions, cells, steps, estimates, arrived = offers
    made = np.full(len(cells), -1, np.int64)
    for row in range(len(cells)):
        problem, parent, estimate = problems[row], parents[row], estimates[row]
        if not np.isfinite(steps[row]) or np.isnan(estimate):
            continue
        cost = steps[row] + (nodes[parent].cost if parent >= 0 else 0.0)
        cell = cells[row] ^ (problem * np.int64(0x1E3779B97F4A7C15))
        slot = _slot(table, cell)
        known = table[slot].number - 1
        if known >= 0:
            if cost >= nodes[known].cost:
                continue
            nodes[known].status = REPLACED
        node, count = count, count + 1
        table[slot].cell, table[slot].number = cell, count
        nodes[node].cost, nodes[node].estimate = cost, estimate
        nodes[node].problem, nodes[node].parent, nodes[node].action = problem, parent, actions[row]
        tree = trees[problem]
        _push(nodes, tree, node)
        if arrived[row] != 0.0 and cost < tree.best_cost:
            tree.best, tree.best_cost = node, cost
        if tree.nearest < 0 or estimate < nodes[tree.nearest].estimate:
            tree.nearest = node
        made[row] = node
    return made, count


@njit(cache=True, nogil=True)
def _gather(nodes, tree):  # type: ignore[no-untyped-def]
    """The open nodes of one heap, in no order."""
    found, room, count = np.empty(64, np.int64), 64, 0
    if tree.root >= 0:
        found[0], count = tree.root, 1
    index = 0
    while index < count:
        node = np.int64(nodes[found[index]].child)
        while node >= 0:
            if count == room:
                found, room = np.concatenate((found, np.empty(room, np.int64))), 2 * room
            found[count] = node
            count += 1
            node = np.int64(nodes[node].sibling)
        index += 1
    kept = 0
    for node in found[:count]:
        if nodes[node].status == OPEN:
            found[kept] = node
            kept += 1
    return found[:kept]


@njit(cache=True, nogil=True)
def _lower_weight(nodes, tree):  # type: ignore[no-untyped-def]
    """Halves by how much the weight exceeds 1, and orders the open nodes anew (Likhachev et al., ARA*, 2003)."""
    excess = 0.5 * (tree.weight - 1.0)
    tree.weight = 1.0 + excess if excess >= SMALLEST_EXCESS else 1.0
    waiting = np.sort(_gather(nodes, tree))
    tree.root = -1
    for node in waiting:
        if nodes[node].cost + nodes[node].estimate < tree.best_cost:
            _push(nodes, tree, node)


@njit(cache=True, nogil=True)
def _pop_best(nodes, trees, most, limit, anytime):  # type: ignore[no-untyped-def]
    """See :meth:`Frontiers.pop`; returns room for nodes, and how many there are."""
    chosen, count = np.empty(len(trees) * most, np.int64), 0
    for index in range(len(trees)):
        tree = trees[index]
        room = min(most, limit - tree.expanded)
        first = count
        while not tree.finished and count - first < room:
            if tree.root < 0 or nodes[tree.root].key >= tree.best_cost:
                if count > first:
                    break
                if not (anytime and tree.weight > 1.0 and tree.best >= 0):
                    tree.finished = True
                    break
                _lower_weight(nodes, tree)
                continue
            node = tree.root
            _drop_root(nodes, tree)
            if nodes[node].status == OPEN:
                nodes[node].status = CLOSED
                chosen[count] = node
                count += 1
        tree.expanded += count - first
    return chosen, count


@njit(cache=True, nogil=True)
def _put_back(nodes, trees, waiting):  # type: ignore[no-untyped-def]
    """See :meth:`Frontiers.put_back`."""
    for node in waiting:
        tree = trees[nodes[node].problem]
        tree.expanded -= 1
        if nodes[node].status == CLOSED:
            _push(nodes, tree, node)


@njit(cache=True, nogil=True)
def _least_sums(nodes, trees):  # type: ignore[no-untyped-def]
    """[B] the least sum of cost and estimate among each problem's open nodes, infinite where none is left."""
    least = np.full(len(trees), np.inf)
    for index in range(len(trees)):
        for node in _gather(nodes, trees[index]):
            least[index] = min(least[index], nodes[node].cost + nodes[node].estimate)
    return least
