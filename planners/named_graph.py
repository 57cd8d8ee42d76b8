"""Compiled A* on networkx graphs: any hashable nodes, the same answers, converted once and asked often."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import ArrayLike

from planners.base import Recorder
from planners.graph import GraphError, SearchGraph, SearchWorkspace, shortest_path
from planners.graph_kernels import Doubles, Longs

if TYPE_CHECKING:
    import networkx

Weight = str | Callable[[Hashable, Hashable, dict[str, Any]], float | None] | None
"""Name of an edge's attribute (1 where it is missing), or a function of its ends and attributes, or 1 everywhere.

An edge for which the function returns None is left out.
"""
Heuristic = Callable[[Hashable, Hashable], float]
"""A node and the target to the estimated cost between them."""


class NodeNotFoundError(GraphError):
    """A node that the graph does not have."""


@final
@dataclass(frozen=True)
class NamedPath:
    """The answer to one problem.

    Attributes:
        found: False where no path leads from the source to the target.
        nodes: along the path, both ends included; empty where there is none.
        cost: of the path; infinite where there is none.
        expanded: how many nodes were expanded.
    """

    found: bool
    nodes: tuple[Hashable, ...]
    cost: float
    expanded: int


@final
class NamedGraph:
    """A copy of a networkx graph for compiled search; later edits of the graph don't reach it.

    Of parallel edges the cheapest counts. Not for several threads at once.

    Attributes:
        names: [N] the nodes, in the graph's order.
        search_graph: the same graph with nodes by number.

    >>> import networkx
    >>> roads = networkx.Graph([("Nice", "Lyon", {"km": 471}), ("Lyon", "Paris", {"km": 465})])
    >>> NamedGraph(roads, weight="km").shortest_path("Paris", "Nice")
    NamedPath(found=True, nodes=('Paris', 'Lyon', 'Nice'), cost=936.0, expanded=3)
    """

    def __init__(
        self,
        graph: networkx.Graph,
        weight: Weight = "weight",
        positions: Mapping[Hashable, ArrayLike] | None = None,
    ) -> None:
        """Converts the graph.

        Args:
            graph: directed or not, with parallel edges or without.
            weight: cost of an edge, not negative.
            positions: a point for every node. The straight distance to the target is the heuristic, scaled so that no
                edge is shorter than it is long there: it never overestimates, whatever the costs are.

        Raises:
            GraphError: a cost is negative, infinite or no number, or a position is missing.
        """
        self.names: list[Hashable] = list(graph)
        self._numbers = {name: number for number, name in enumerate(self.names)}
        sources, targets, costs = _edges(graph, self._numbers, weight)
        if not graph.is_directed():
            sources, targets = np.concatenate([sources, targets]), np.concatenate([targets, sources])
            costs = np.concatenate([costs, costs])
        self.search_graph = SearchGraph.from_edges(len(self.names), sources, targets, costs, np.float64)
        self._points = None if positions is None else _scaled(_points(self.names, positions), self.search_graph)
        self._workspace = SearchWorkspace(len(self.names))
        self._estimates: tuple[Heuristic, int, Doubles] | None = None

    def shortest_path(
        self,
        source: Hashable,
        target: Hashable,
        *,
        heuristic: Heuristic | None = None,
        recorder: Recorder | None = None,
    ) -> NamedPath:
        """The cheapest path, as ``networkx.astar_path`` finds it.

        Args:
            source: node to begin from.
            target: node to end at.
            heuristic: estimated cost from a node to the target; the path is the cheapest if no estimate is too high.
                It is asked once for every node, however near the target, and again for another target: positions are
                faster. These by default, or none.
            recorder: receives one ``expansion``: the ``nodes`` in the order of their expansion, and the ``frontier``.

        Raises:
            NodeNotFoundError: for a source or target that is no node.
            GraphError: an estimate is not a number.
        """
        begin, end = self._number("source", source), self._number("target", target)
        points = self._points if heuristic is None else self._estimated(heuristic, end)
        goal = None if points is None else points[end] if heuristic is None else np.zeros(1)
        result = shortest_path(
            self.search_graph, [begin], [0.0], [end], [0.0],
            embedding=points, goal_embedding=goal, workspace=self._workspace,
        )  # fmt: skip
        if recorder is not None:
            recorder.record("expansion", nodes=self._named(result.order), frontier=self._named(self._frontier()))
        return NamedPath(result.found, self._named(result.nodes), result.cost, result.expanded)

    def _number(self, role: str, name: Hashable) -> int:
        try:
            return self._numbers[name]
        except (KeyError, TypeError):  # nothing that cannot be hashed is a node
            raise NodeNotFoundError(f"{role}: {name!r} is none of the graph's {len(self.names)} nodes") from None

    def _named(self, numbers: np.ndarray) -> tuple[Hashable, ...]:
        return tuple(self.names[number] for number in numbers.tolist())

    def _estimated(self, heuristic: Heuristic, target: int) -> Doubles:
        """[N, 1] estimates, those of the last question if it was the same."""
        if self._estimates is None or self._estimates[:2] != (heuristic, target):
            goal = self.names[target]
            values = np.array([heuristic(name, goal) for name in self.names], np.float64)
            if np.isnan(values).any():
                raise GraphError(f"heuristic: {self.names[int(np.isnan(values).argmax())]!r} has no estimate, but NaN")
            self._estimates = heuristic, target, values.clip(min=0)[:, None]
        return self._estimates[2]

    def _frontier(self) -> Longs:
        """Nodes that the last search reached and did not expand, as they are numbered."""
        nodes = self._workspace.memory.nodes
        return np.flatnonzero((nodes["stamp"] == self._workspace.searches) & (nodes["place"] >= 0))


def _edges(graph: networkx.Graph, numbers: dict[Hashable, int], weight: Weight) -> tuple[Longs, Longs, Doubles]:
    """[E] sources, targets and costs."""
    known: list[tuple[Hashable, Hashable, float | None]]
    if callable(weight):
        known = [(begin, end, weight(begin, end, data)) for begin, end, data in graph.edges(data=True)]
        known = [edge for edge in known if edge[2] is not None]
    elif weight is None:
        known = [(begin, end, 1.0) for begin, end in graph.edges()]
    else:
        known = list(graph.edges(data=weight, default=1.0))
    sources = np.array([numbers[begin] for begin, _, _ in known], np.int64)
    targets = np.array([numbers[end] for _, end, _ in known], np.int64)
    try:
        return sources, targets, np.array([cost for _, _, cost in known], np.float64)
    except (TypeError, ValueError):
        raise GraphError(f"weight: {weight!r} is not a number on every edge") from None


def _points(names: list[Hashable], positions: Mapping[Hashable, ArrayLike]) -> Doubles:
    """[N, M] points of the nodes."""
    missing = [name for name in names if name not in positions]
    if missing:
        raise GraphError(f"positions: {missing[0]!r} has none, nor have {len(missing) - 1} other nodes")
    try:
        points = np.array([np.asarray(positions[name], np.float64).reshape(-1) for name in names])
    except ValueError:
        raise GraphError("positions: expected points of the same number of coordinates for all nodes") from None
    if not np.isfinite(points).all():
        raise GraphError("positions: expected finite coordinates")
    return points.reshape(len(names), points.size // max(1, len(names)))


def _scaled(points: Doubles, graph: SearchGraph) -> Doubles:
    """The points, so far apart that every edge costs at least the distance between its ends."""
    lengths = np.linalg.norm(points[graph.sources] - points[graph.targets], axis=1)
    apart = lengths > 0
    scale = (graph.costs[apart] / lengths[apart]).min(initial=math.inf)
    return points * scale if math.isfinite(scale) else np.zeros_like(points)
