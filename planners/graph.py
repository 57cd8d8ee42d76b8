"""Compiled shortest paths on a sparse directed graph of landmarks.

One best-first search, compiled by numba, serves every function here: A* between weighted sets of nodes, Dijkstra
balls around many sources, and the full cost to go. A search pays only for the nodes that it touches: its working
memory is stamped with the number of the search instead of being cleared, so a local search in a graph of 50,000
nodes takes tens of microseconds.

``N`` is the number of nodes, ``E`` of directed edges, ``S`` of sources. Costs are non-negative, in world steps.
"""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planners.graph_kernels import (
    ENTRY,
    NODE,
    Doubles,
    Floats,
    Ints,
    Longs,
    Memory,
    Question,
    Reals,
    balls,
    search,
    tarjan,
    trace,
)

if TYPE_CHECKING:
    import networkx

Mask = NDArray[np.bool_]

_NO_EXTRA = np.empty(0, np.float32)
_NO_EMBEDDING = np.empty((0, 0), np.float32)
_NO_NODES = np.empty(0, np.int64)
_NO_COSTS = np.empty(0, np.float64)


class GraphError(ValueError):
    """A graph, or a question to it, that makes no sense; the message names the argument."""


@dataclass(frozen=True, eq=False)
class SearchGraph:
    """A directed graph with costs on its edges, in compressed sparse rows. Its arrays are not to be written to.

    Build it with :meth:`from_edges`, which checks and sorts.

    Attributes:
        indptr: [N+1] node ``i`` owns the edges ``indptr[i] : indptr[i+1]``.
        targets: [E] where each edge ends; ascending within a node.
        costs: [E] cost of each edge, world steps; in single or double precision.
    """

    indptr: Longs
    targets: Ints
    costs: Reals

    @classmethod
    def from_edges(
        cls,
        num_nodes: int,
        sources: ArrayLike,
        targets: ArrayLike,
        costs: ArrayLike,
        precision: type[np.float32] | type[np.float64] = np.float32,
    ) -> SearchGraph:
        """Builds a graph from [E] edges in any order; of parallel edges the cheapest is kept.

        Args:
            num_nodes: N.
            sources: [E] where each edge begins.
            targets: [E] where each edge ends.
            costs: [E] of each edge, world steps.
            precision: of the costs and of the points of a heuristic. Single halves the memory; with double, the
                cheapest of paths that differ by less than a millionth is found.

        Raises:
            GraphError: lengths differ, a node is out of range, or a cost is negative, infinite or NaN.
        """
        begin, end = _nodes("sources", sources, num_nodes), _nodes("targets", targets, num_nodes)
        price: NDArray[Any] = np.ascontiguousarray(costs, precision).reshape(-1)
        if not len(begin) == len(end) == len(price):
            raise GraphError(f"edges need as many sources as targets and costs: {len(begin)}, {len(end)}, {len(price)}")
        if not (np.isfinite(price) & (price >= 0)).all():
            raise GraphError(f"edge costs must be finite and not negative; found {price.min()} .. {price.max()}")
        order = np.lexsort((price, end, begin))
        begin, end, price = begin[order], end[order], price[order]
        first = np.ones(len(begin), bool)
        first[1:] = (begin[1:] != begin[:-1]) | (end[1:] != end[:-1])
        return cls(_row_pointers(begin[first], num_nodes), end[first].astype(np.int32), price[first])

    @property
    def num_nodes(self) -> int:
        """Number of nodes, N."""
        return len(self.indptr) - 1

    @property
    def num_edges(self) -> int:
        """Number of directed edges, E."""
        return len(self.targets)

    @cached_property
    def sources(self) -> Ints:
        """[E] where each edge begins."""
        return np.repeat(np.arange(self.num_nodes, dtype=np.int32), np.diff(self.indptr))

    @cached_property
    def _transposed(self) -> tuple[SearchGraph, Longs]:
        """The reversed graph, and for each of its edges the number of the edge here."""
        order = np.argsort(self.targets, kind="stable")
        pointers = _row_pointers(self.targets[order], self.num_nodes)
        return SearchGraph(pointers, self.sources[order], self.costs[order]), order

    def reversed(self) -> SearchGraph:
        """The graph with every edge turned round."""
        return self._transposed[0]

    def without(self, edges: ArrayLike) -> SearchGraph:
        """A graph that lacks some edges, given by number or as an [E] mask; their numbers shift."""
        keep = np.ones(self.num_edges, bool)
        keep[np.asarray(edges)] = False
        return SearchGraph(_row_pointers(self.sources[keep], self.num_nodes), self.targets[keep], self.costs[keep])

    def edge_numbers(self, sources: ArrayLike, targets: ArrayLike) -> Longs:
        """[n] numbers of the edges between [n] pairs of nodes, -1 where there is none."""
        begin = _nodes("sources", sources, self.num_nodes)
        end = _nodes("targets", targets, self.num_nodes)
        known = self.sources.astype(np.int64) * self.num_nodes + self.targets
        wanted = begin * self.num_nodes + end
        place = np.searchsorted(known, wanted)
        hit = np.zeros(len(wanted), bool)
        inside = place < len(known)
        hit[inside] = known[place[inside]] == wanted[inside]
        return np.where(hit, place, -1)

    def to_networkx(self) -> networkx.DiGraph:
        """A networkx copy, with the costs as ``weight``."""
        import networkx

        graph = networkx.DiGraph()
        graph.add_nodes_from(range(self.num_nodes))
        edges = zip(self.sources.tolist(), self.targets.tolist(), self.costs.tolist(), strict=True)
        graph.add_weighted_edges_from(edges)
        return graph


@dataclass(frozen=True, eq=False)
class PathResult:
    """What a search found.

    Attributes:
        found: whether a path within the limit exists (or was found before the bound on expansions).
        nodes: [n] the path, from the chosen source to the chosen target; empty if there is none.
        edges: [n-1] numbers of the edges along it.
        cost: source cost + path + target cost; infinite if there is none.
        expanded: how many nodes were expanded.
        order: [min(expanded, N)] the nodes in the order in which they were expanded.
        came_from: [min(expanded, N)] number of the earlier expansion from which each was reached; -1 for sources.
        complete: false where the bound on expansions ended the search.
    """

    found: bool
    nodes: Ints
    edges: Longs
    cost: float
    expanded: int
    order: Ints
    came_from: Ints
    complete: bool


@dataclass(frozen=True, eq=False)
class Balls:
    """The nodes around each of many sources, in compressed rows.

    Attributes:
        indptr: [S+1] source ``i`` owns the entries ``indptr[i] : indptr[i+1]``.
        nodes: [n] the nodes within the limit, nearest first within a source.
        costs: [n] what it costs to go there from the source, world steps.
    """

    indptr: Longs
    nodes: Ints
    costs: Doubles

    def of(self, index: int) -> tuple[Ints, Doubles]:
        """The nodes around one source and their costs."""
        part = slice(self.indptr[index], self.indptr[index + 1])
        return self.nodes[part], self.costs[part]


class SearchWorkspace:
    """Working memory for searches in graphs of up to ``num_nodes`` nodes, reused without being cleared.

    Use one per thread: two searches at once must not share it.
    """

    def __init__(self, num_nodes: int) -> None:
        nodes, heap = np.zeros(num_nodes, NODE), np.empty(num_nodes, ENTRY)
        self.memory = Memory(nodes, heap, np.empty(num_nodes, np.int32), np.empty(num_nodes, np.int32))
        self.num_nodes = num_nodes
        self.searches = 0

    def begin(self, num_nodes: int, searches: int = 1) -> int:
        """Reserves the numbers of the next searches and returns the first of them."""
        if num_nodes > self.num_nodes:
            raise GraphError(f"the workspace holds {self.num_nodes} nodes, the graph has {num_nodes}")
        first = self.searches + 1
        self.searches += searches
        return first


def shortest_path(
    graph: SearchGraph,
    sources: ArrayLike,
    source_costs: ArrayLike,
    targets: ArrayLike,
    target_costs: ArrayLike,
    *,
    embedding: Reals | None = None,
    goal_embedding: ArrayLike | None = None,
    weight: float = 1.0,
    limit: float = math.inf,
    max_expanded: int | None = None,
    extra: ArrayLike | None = None,
    workspace: SearchWorkspace | None = None,
) -> PathResult:
    """A* from several sources to several targets, each with a cost of its own.

    The sources hang on a virtual start and the targets on a virtual goal, so that the path minimises
    ``source cost + edges + target cost``. With ``weight=1`` and a heuristic that never overestimates the result is
    optimal, even where the heuristic is inconsistent, as a learned one is: nodes are re-opened.

    Args:
        graph: the graph.
        sources: [S] nodes to begin from; a node named twice takes its cheaper cost.
        source_costs: [S] cost to get to each of them.
        targets: [G] nodes to end at.
        target_costs: [G] cost from each of them to the goal.
        embedding: [N, M] a point per node; the heuristic is the Euclidean distance to ``goal_embedding``, world steps.
        goal_embedding: [M] the goal's point.
        weight: of the heuristic; above 1 is faster, and at most that factor from the optimum.
        limit: paths that cost more are not found (with a heuristic, nodes estimated beyond it are dropped).
        max_expanded: bound on expansions; the best path so far is returned when it is reached.
        extra: [E] added to the costs of the edges, such as penalties; not negative.
        workspace: memory to reuse; without it one is made, which costs O(N).

    Raises:
        GraphError: shapes or nodes don't fit, or only one of the two embeddings is given.
    """
    begin, begin_costs = _weighted_nodes("source", sources, source_costs, graph.num_nodes)
    end, end_costs = _weighted_nodes("target", targets, target_costs, graph.num_nodes)
    points, goal = _heuristic(graph, embedding, goal_embedding)
    bound = np.iinfo(np.int64).max if max_expanded is None else max_expanded
    question = Question(
        graph.indptr, graph.targets, graph.costs, _extra(graph, extra), begin, begin_costs, points, goal,
        float(weight), float(limit), bound,
    )  # fmt: skip
    space = workspace or SearchWorkspace(graph.num_nodes)
    number = space.begin(graph.num_nodes)
    expanded, best, cost, complete = search(question, end, end_costs, space.memory, number)
    nodes, edges = trace(space.memory.nodes, best)
    seen = min(expanded, graph.num_nodes)
    order, came_from = space.memory.order[:seen].copy(), space.memory.came_from[:seen].copy()
    return PathResult(best >= 0, nodes, edges, cost, expanded, order, came_from, complete)


def bounded_distances(
    graph: SearchGraph,
    sources: ArrayLike,
    limit: float,
    *,
    only: Mask | None = None,
    extra: ArrayLike | None = None,
    workers: int | None = None,
) -> Balls:
    """Dijkstra from each of [S] sources up to a cost, in parallel threads.

    Args:
        graph: the graph.
        sources: [S] nodes; each begins at cost 0.
        limit: nodes further than this are left out, world steps.
        only: [N] mask of the nodes that are reported; all of them if None.
        extra: [E] added to the costs of the edges.
        workers: threads; one per CPU if None.
    """
    begin = _nodes("sources", sources, graph.num_nodes)
    keep = np.ones(graph.num_nodes, bool) if only is None else np.ascontiguousarray(only, bool)
    if len(keep) != graph.num_nodes:
        raise GraphError(f"only must have one entry per node ({graph.num_nodes}), not {len(keep)}")
    price = _extra(graph, extra)
    threads = max(1, min(workers or os.cpu_count() or 1, len(begin)))

    def run(block: Longs) -> tuple[Longs, Ints, Doubles]:
        space = SearchWorkspace(graph.num_nodes)
        first = space.begin(graph.num_nodes, len(block))
        return balls(graph.indptr, graph.targets, graph.costs, price, block, float(limit), keep, space.memory, first)

    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(run, np.array_split(begin, threads)))
    counts, nodes, costs = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return Balls(np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]), nodes, costs)


def distances_to(
    graph: SearchGraph,
    targets: ArrayLike,
    target_costs: ArrayLike,
    *,
    extra: ArrayLike | None = None,
    workspace: SearchWorkspace | None = None,
) -> Doubles:
    """[N] cost to go from every node to the best of [G] targets, each with a cost of its own; infinite if none."""
    back, order = graph._transposed
    end, end_costs = _weighted_nodes("target", targets, target_costs, graph.num_nodes)
    price = _extra(graph, extra)
    question = Question(
        back.indptr, back.targets, back.costs, price[order] if len(price) else price, end, end_costs,
        _NO_EMBEDDING, _NO_EXTRA, 1.0, math.inf, np.iinfo(np.int64).max,
    )  # fmt: skip
    space = workspace or SearchWorkspace(graph.num_nodes)
    number = space.begin(graph.num_nodes)
    search(question, _NO_NODES, _NO_COSTS, space.memory, number)
    nodes = space.memory.nodes[: graph.num_nodes]
    return np.where(nodes["stamp"] == number, nodes["cost"], np.inf)


def reachable(
    graph: SearchGraph,
    sources: ArrayLike,
    source_costs: ArrayLike,
    limit: float,
    *,
    extra: ArrayLike | None = None,
    workspace: SearchWorkspace | None = None,
) -> tuple[Ints, Doubles]:
    """The nodes within a cost of the nearest of [S] sources, each with a cost of its own: numbers and costs, sorted.

    It pays for the nodes that it returns, not for the whole graph.
    """
    begin, begin_costs = _weighted_nodes("source", sources, source_costs, graph.num_nodes)
    question = Question(
        graph.indptr, graph.targets, graph.costs, _extra(graph, extra), begin, begin_costs,
        _NO_EMBEDDING, _NO_EXTRA, 1.0, float(limit), np.iinfo(np.int64).max,
    )  # fmt: skip
    space = workspace or SearchWorkspace(graph.num_nodes)
    number = space.begin(graph.num_nodes)
    expanded, _, _, _ = search(question, _NO_NODES, _NO_COSTS, space.memory, number)
    nodes = space.memory.order[:expanded].copy()
    return nodes, space.memory.nodes["cost"][nodes]


def strongly_connected_components(graph: SearchGraph) -> Ints:
    """[N] number of each node's component; numbers ascend against the edges (a sink component is 0)."""
    return tarjan(graph.indptr, graph.targets)


def _row_pointers(sources: NDArray[np.integer], num_nodes: int) -> Longs:
    counts = np.bincount(sources, minlength=num_nodes)
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])


def _nodes(name: str, values: ArrayLike, num_nodes: int) -> Longs:
    nodes = np.ascontiguousarray(values, np.int64).reshape(-1)
    if len(nodes) and not (nodes.min() >= 0 and nodes.max() < num_nodes):
        raise GraphError(f"{name} must be nodes 0 .. {num_nodes - 1}; found {nodes.min()} .. {nodes.max()}")
    return nodes


def _weighted_nodes(name: str, nodes: ArrayLike, costs: ArrayLike, num_nodes: int) -> tuple[Longs, Doubles]:
    known = _nodes(f"{name}s", nodes, num_nodes)
    price = np.ascontiguousarray(costs, np.float64).reshape(-1)
    if len(price) != len(known):
        raise GraphError(f"{name}_costs must have one entry per {name} ({len(known)}), not {len(price)}")
    if len(price) and not price.min() >= 0:
        raise GraphError(f"{name}_costs must not be negative or NaN; the smallest is {price.min()}")
    return known, price


def _extra(graph: SearchGraph, extra: ArrayLike | None) -> Floats:
    if extra is None:
        return _NO_EXTRA
    price = np.ascontiguousarray(extra, np.float32)
    if price.shape != (graph.num_edges,):
        raise GraphError(f"extra must have one entry per edge ({graph.num_edges}), not shape {price.shape}")
    return price


def _heuristic(graph: SearchGraph, embedding: Reals | None, goal: ArrayLike | None) -> tuple[Reals, Reals]:
    if embedding is None and goal is None:
        return _NO_EMBEDDING, _NO_EXTRA
    if embedding is None or goal is None:
        raise GraphError("a heuristic needs both embedding and goal_embedding")
    points: Reals = np.ascontiguousarray(embedding, graph.costs.dtype)
    point: Reals = np.ascontiguousarray(goal, graph.costs.dtype).reshape(-1)
    if points.shape != (graph.num_nodes, len(point)):
        raise GraphError(f"embedding must be [{graph.num_nodes}, {len(point)}], not {list(points.shape)}")
    return points, point
