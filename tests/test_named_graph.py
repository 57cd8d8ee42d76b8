"""Compiled searches of networkx graphs, beside networkx's own."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Hashable

import networkx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planners.graph import GraphError
from planners.named_graph import NamedGraph, NamedPath, NodeNotFoundError

KINDS = [networkx.Graph, networkx.DiGraph, networkx.MultiGraph, networkx.MultiDiGraph]


def random_graph(seed: int, kind: type) -> tuple[networkx.Graph, dict[Hashable, tuple[float, float]]]:
    """Nodes of several types; some edges lack their weight; costs have nothing to do with positions."""
    rng = random.Random(seed)
    names: list[Hashable] = [number if number % 3 else ("cell", number) for number in range(rng.randint(1, 25))]
    names += ["a", frozenset({1}), 2.5, None][: rng.randint(0, 3)]
    graph = kind()
    graph.add_nodes_from(names)
    for _ in range(rng.randint(0, 3 * len(names))):
        data = {"weight": rng.choice([0, 1, rng.uniform(0, 9)])} if rng.random() < 0.9 else {}
        graph.add_edge(rng.choice(names), rng.choice(names), **data)
    return graph, {name: (rng.uniform(-9, 9), rng.uniform(-9, 9)) for name in names}


def assert_path(graph: networkx.Graph, path: NamedPath, source: Hashable, target: Hashable) -> None:
    """The path exists, and its cost is its own."""
    assert (path.nodes[0], path.nodes[-1]) == (source, target)
    assert networkx.is_path(graph, path.nodes)
    assert path.cost == pytest.approx(networkx.path_weight(graph, path.nodes, "weight"), rel=1e-12)


def priced(graph: networkx.Graph) -> networkx.Graph:
    """A copy in which no weight is missing: networkx itself cannot add up a path there."""
    full = graph.copy()
    for _, _, data in full.edges(data=True):
        data.setdefault("weight", 1)
    return full


@given(st.integers(0, 10**6), st.sampled_from(KINDS))
def test_costs_are_those_of_networkx(seed: int, kind: type) -> None:
    graph, positions = random_graph(seed, kind)
    compiled, scaled, full = NamedGraph(graph), NamedGraph(graph, positions=positions), priced(graph)
    rng = random.Random(seed)
    for _ in range(4):
        source, target = rng.choices(compiled.names, k=2)
        exact = networkx.single_source_dijkstra_path_length(full.reverse() if full.is_directed() else full, target)
        share = rng.random()

        def heuristic(node: Hashable, goal: Hashable, exact=exact, target=target, share=share) -> float:
            assert goal == target
            return share * exact.get(node, math.inf)

        for path in (
            compiled.shortest_path(source, target),
            compiled.shortest_path(source, target, heuristic=heuristic),
            scaled.shortest_path(source, target),
        ):
            assert path.found == networkx.has_path(graph, source, target)
            if not path.found:
                assert path.nodes == () and path.cost == math.inf
                continue
            assert path.cost == pytest.approx(networkx.astar_path_length(graph, source, target), rel=1e-12, abs=1e-12)
            assert_path(full, path, source, target)


def test_positions_and_a_heuristic_save_expansions() -> None:
    graph = networkx.grid_2d_graph(40, 40)
    positions = {node: node for node in graph}
    plain, guided = NamedGraph(graph), NamedGraph(graph, positions=positions)
    without = plain.shortest_path((20, 20), (30, 25))
    assert guided.shortest_path((20, 20), (30, 25)).expanded < 0.5 * without.expanded

    def manhattan(node: Hashable, goal: Hashable) -> float:
        return sum(abs(a - b) for a, b in zip(node, goal, strict=True))  # type: ignore[call-overload]

    told = plain.shortest_path((20, 20), (30, 25), heuristic=manhattan)
    assert told.expanded < 0.5 * without.expanded
    assert told.cost == without.cost == networkx.astar_path_length(graph, (20, 20), (30, 25), manhattan) == 15


def test_a_heuristic_is_asked_once_for_every_node_and_target() -> None:
    asked = []

    def zero(node: Hashable, goal: Hashable) -> float:
        asked.append((node, goal))
        return -1.0  # as good as none

    compiled = NamedGraph(networkx.path_graph(5))
    for source, target in ((0, 4), (1, 4), (3, 4), (0, 2)):
        assert compiled.shortest_path(source, target, heuristic=zero).cost == target - source
    assert asked == [(node, goal) for goal in (4, 2) for node in range(5)]


def test_close_calls_are_told_apart() -> None:
    graph = networkx.DiGraph()
    graph.add_weighted_edges_from([(0, 1, 1e6), (1, 3, 1e-6), (0, 2, 1e6), (2, 3, 2e-6)])
    assert NamedGraph(graph).shortest_path(0, 3).nodes == (0, 1, 3)


@pytest.mark.parametrize(
    ("weight", "nodes"),
    [("weight", "sbt"), ("toll", "sat"), (None, "st"), (lambda u, v, data: data.get("toll"), "sat")],
)
def test_what_an_edge_costs(weight: str | Callable | None, nodes: str) -> None:
    graph = networkx.DiGraph()
    graph.add_edge("s", "t", weight=9, toll=9)
    graph.add_edges_from([("s", "a"), ("a", "t")], weight=6, toll=1)
    graph.add_edges_from([("s", "b"), ("b", "t")], weight=2)  # a toll of 1, or no edge
    graph["s"]["b"]["toll"] = 5
    assert NamedGraph(graph, weight).shortest_path("s", "t").nodes == tuple(nodes)


def test_recorder_is_told_the_order_and_the_frontier() -> None:
    records = []

    class Tape:
        def record(self, kind: str, **data) -> None:
            records.append((kind, data))

    graph = networkx.star_graph(4)
    graph.add_edge(4, "goal", weight=0.5)
    graph[0][4]["weight"] = 0.25
    compiled = NamedGraph(graph)
    heard = compiled.shortest_path(0, "goal", recorder=Tape())
    assert heard == compiled.shortest_path(0, "goal")
    assert records == [("expansion", {"nodes": (0, 4, "goal"), "frontier": (1, 2, 3)})]


def broken(**edge) -> networkx.Graph:
    return networkx.Graph([("a", "b", edge)])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: g.shortest_path("x", "a"), "source: 'x' is none of the graph's 2 nodes"),
        (lambda g: g.shortest_path("a", ["b"]), r"target: \['b'\] is none"),
        (lambda g: g.shortest_path("a", "b", heuristic=lambda node, goal: math.nan), "heuristic: 'a' has no estimate"),
        (lambda g: NamedGraph(broken(weight=-1)), "edge costs must be finite and not negative"),
        (lambda g: NamedGraph(broken(weight=math.nan)), "edge costs must be finite and not negative"),
        (lambda g: NamedGraph(broken(weight="far")), "weight: 'weight' is not a number on every edge"),
        (lambda g: NamedGraph(broken(), positions={"a": (0, 0)}), "positions: 'b' has none, nor have 0 other"),
        (lambda g: NamedGraph(broken(), positions={"a": (0, 0), "b": (1,)}), "the same number of coordinates"),
        (lambda g: NamedGraph(broken(), positions={"a": (0, 0), "b": (1, np.inf)}), "finite coordinates"),
    ],
)
def test_nonsense_gets_one_clear_line(call, message: str) -> None:
    with pytest.raises(GraphError, match=message) as caught:
        call(NamedGraph(broken()))
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, NodeNotFoundError) == ("none of the graph" in message or "is none" in message)


def test_a_graph_without_edges_or_nodes() -> None:
    lonely = networkx.Graph()
    lonely.add_nodes_from("ab")
    compiled = NamedGraph(lonely, positions={"a": (0.0,), "b": (1.0,)})
    assert compiled.shortest_path("a", "a") == NamedPath(True, ("a",), 0.0, 1)
    assert not compiled.shortest_path("a", "b").found
    with pytest.raises(NodeNotFoundError, match="0 nodes"):
        NamedGraph(networkx.Graph(), positions={}).shortest_path(0, 0)
