"""The compiled graph search against networkx, on thousands of random weighted graphs."""

from __future__ import annotations

import math

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planners.graph import (
    GraphError,
    SearchGraph,
    SearchWorkspace,
    bounded_distances,
    distances_to,
    reachable,
    shortest_path,
    strongly_connected_components,
)


def random_graph(rng: np.random.Generator, nodes: int, degree: float) -> SearchGraph:
    """Edges drawn uniformly, parallel edges and self-loops included."""
    edges = rng.poisson(nodes * degree)
    ends = rng.integers(0, nodes, (2, edges))
    return SearchGraph.from_edges(nodes, *ends, rng.integers(0, 20, edges) / 2)


def random_plane(rng: np.random.Generator, nodes: int) -> tuple[SearchGraph, np.ndarray]:
    """A graph whose edges are at least as long as the distance between its nodes' points."""
    points = rng.random((nodes, 2)).astype(np.float32) * 10
    ends = rng.integers(0, nodes, (2, nodes * 3))
    lengths = np.linalg.norm(points[ends[0]] - points[ends[1]], axis=1) * rng.uniform(1.001, 2, nodes * 3)
    return SearchGraph.from_edges(nodes, *ends, lengths), points


def reference(graph: SearchGraph, sources, source_costs, targets, target_costs, extra=None) -> float:
    """Cost of the best path, by networkx with a virtual start and goal."""
    known = graph.to_networkx()
    for (begin, end), more in zip(graph_edges(graph), extra if extra is not None else [], strict=False):
        known[begin][end]["weight"] += float(more)
    links = [("start", int(node), cost) for node, cost in zip(sources, source_costs, strict=True)]
    links += [(int(node), "goal", cost) for node, cost in zip(targets, target_costs, strict=True)]
    known.add_weighted_edges_from(links)
    if "start" not in known or "goal" not in known or not networkx.has_path(known, "start", "goal"):
        return math.inf
    return networkx.dijkstra_path_length(known, "start", "goal")


def graph_edges(graph: SearchGraph) -> list[tuple[int, int]]:
    return list(zip(graph.sources.tolist(), graph.targets.tolist(), strict=True))


def assert_path_is_valid(graph: SearchGraph, result, source_costs: dict, target_costs: dict, extra) -> None:
    """The path exists, and costs what the result says."""
    pairs = list(zip(result.nodes[:-1].tolist(), result.nodes[1:].tolist(), strict=True))
    assert pairs == [graph_edges(graph)[edge] for edge in result.edges]
    price = graph.costs.astype(float) + (extra if extra is not None else 0)
    total = price[result.edges].sum() + source_costs[int(result.nodes[0])] + target_costs[int(result.nodes[-1])]
    assert result.cost == pytest.approx(total)


def test_shortest_path_equals_networkx_on_1500_graphs() -> None:
    rng = np.random.default_rng(0)
    space = SearchWorkspace(40)
    unreachable = 0
    for _ in range(1500):
        graph = random_graph(rng, int(rng.integers(1, 40)), rng.uniform(0.3, 3))
        count = rng.integers(1, 4, 2)
        ends = [rng.choice(graph.num_nodes, min(n, graph.num_nodes), replace=False) for n in count]
        costs = [rng.uniform(0, 5, len(part)) for part in ends]
        extra = rng.uniform(0, 4, graph.num_edges).astype(np.float32) if rng.random() < 0.5 else None
        expected = reference(graph, ends[0], costs[0], ends[1], costs[1], extra)
        result = shortest_path(graph, ends[0], costs[0], ends[1], costs[1], extra=extra, workspace=space)
        assert result.cost == pytest.approx(expected)
        assert result.found == math.isfinite(expected) == (len(result.nodes) > 0)
        if result.found:
            starts, goals = (dict(zip(e.tolist(), c, strict=True)) for e, c in zip(ends, costs, strict=True))
            assert_path_is_valid(graph, result, starts, goals, extra)
        unreachable += not result.found
    assert 100 < unreachable < 1400


def test_heuristic_keeps_the_optimum_and_expands_less() -> None:
    rng = np.random.default_rng(1)
    plain = guided = 0
    for _ in range(300):
        graph, points = random_plane(rng, 60)
        source, target = rng.integers(0, 60, 2)
        without = shortest_path(graph, [source], [0], [target], [0])
        result = shortest_path(graph, [source], [0], [target], [0], embedding=points, goal_embedding=points[target])
        assert result.cost == pytest.approx(without.cost, rel=1e-5)
        plain, guided = plain + without.expanded, guided + result.expanded
    assert guided < 0.8 * plain


def test_inconsistent_but_admissible_heuristic_is_exact() -> None:
    # h = (0, 9, 0, 0) below is admissible but drops by 9 along the cheap edge 1 -> 2: node 2 is first reached by the
    # dear edge and must be re-opened.
    graph = SearchGraph.from_edges(4, [0, 0, 1, 2], [1, 2, 2, 3], [1, 5, 1, 10])
    heights = np.array([[0], [9], [0], [0]], np.float32)
    result = shortest_path(graph, [0], [0], [3], [0], embedding=heights, goal_embedding=[0])
    assert result.nodes.tolist() == [0, 1, 2, 3]
    assert result.cost == 12
    assert result.expanded == 5
    assert result.order.tolist() == [0, 2, 1, 2]
    assert result.came_from.tolist() == [-1, 0, 0, 2], "each by the way that led to this expansion"


def test_every_expansion_came_from_an_earlier_one_over_an_edge() -> None:
    rng = np.random.default_rng(9)
    for _ in range(50):
        graph, points = random_plane(rng, 60)
        source, other, target = rng.integers(0, 60, 3)
        result = shortest_path(
            graph, [source, other], [0, 3], [target], [0], embedding=points, goal_embedding=points[target]
        )
        assert len(result.came_from) == len(result.order)
        begun = result.came_from < 0
        assert set(result.order[begun].tolist()) <= {source, other}
        assert (result.came_from < np.arange(len(result.order))).all()
        before, after = result.order[result.came_from[~begun]], result.order[~begun]
        assert (graph.edge_numbers(before, after) >= 0).all()


def test_weight_bounds_the_loss() -> None:
    rng = np.random.default_rng(2)
    for _ in range(200):
        graph, points = random_plane(rng, 50)
        source, target = rng.integers(0, 50, 2)
        best = shortest_path(graph, [source], [0], [target], [0]).cost
        found = shortest_path(
            graph, [source], [0], [target], [0], embedding=points, goal_embedding=points[target], weight=2
        ).cost
        assert best * (1 - 1e-6) <= found <= 2 * best * (1 + 1e-5) or best == found == math.inf


def test_limit_cuts_exactly_there() -> None:
    rng = np.random.default_rng(3)
    for _ in range(200):
        graph, points = random_plane(rng, 40)
        source, target = rng.integers(0, 40, 2)
        aim = {"embedding": points, "goal_embedding": points[target]}
        cost = shortest_path(graph, [source], [0], [target], [1]).cost
        if math.isinf(cost):
            continue
        assert shortest_path(graph, [source], [0], [target], [1], limit=cost * 1.0001, **aim).found
        below = shortest_path(graph, [source], [0], [target], [1], limit=cost * 0.999, **aim)
        assert not below.found
        assert below.complete
        assert math.isinf(below.cost)


def test_bound_on_expansions_says_incomplete() -> None:
    chain = SearchGraph.from_edges(50, np.arange(49), np.arange(1, 50), np.ones(49))
    cut = shortest_path(chain, [0], [0], [49], [0], max_expanded=10)
    assert (cut.found, cut.complete, cut.expanded) == (False, False, 10)
    assert shortest_path(chain, [0], [0], [49], [0], max_expanded=50).complete


def test_workspace_does_not_leak_between_searches() -> None:
    rng = np.random.default_rng(4)
    space = SearchWorkspace(64)
    for _ in range(300):
        graph, points = random_plane(rng, int(rng.integers(2, 64)))
        source, target = rng.integers(0, graph.num_nodes, 2)
        aim = {"embedding": points, "goal_embedding": points[target], "limit": rng.uniform(1, 30)}
        fresh = shortest_path(graph, [source], [0], [target], [0], **aim)
        reused = shortest_path(graph, [source], [0], [target], [0], workspace=space, **aim)
        assert fresh.cost == reused.cost
        np.testing.assert_array_equal(fresh.nodes, reused.nodes)
        np.testing.assert_array_equal(fresh.order, reused.order)
        np.testing.assert_array_equal(
            distances_to(graph, [target], [0]), distances_to(graph, [target], [0], workspace=space)
        )


@pytest.mark.parametrize("workers", [1, 3, None])
def test_bounded_distances_equal_networkx(workers: int | None) -> None:
    rng = np.random.default_rng(5)
    for _ in range(40):
        graph = random_graph(rng, int(rng.integers(2, 40)), 2)
        sources, limit = rng.integers(0, graph.num_nodes, 7), rng.uniform(0, 15)
        only = rng.random(graph.num_nodes) < 0.6
        balls = bounded_distances(graph, sources, limit, only=only, workers=workers)
        known = graph.to_networkx()
        for index, source in enumerate(sources):
            expected = networkx.single_source_dijkstra_path_length(known, int(source), cutoff=limit)
            nodes, costs = balls.of(index)
            assert dict(zip(nodes.tolist(), costs.tolist(), strict=True)) == pytest.approx(
                {node: cost for node, cost in expected.items() if only[node]}
            )
            assert (np.diff(costs) >= 0).all()


def test_bounded_distances_from_no_source() -> None:
    graph = SearchGraph.from_edges(3, [0], [1], [1])
    balls = bounded_distances(graph, [], 5)
    assert balls.indptr.tolist() == [0]
    assert len(balls.nodes) == len(balls.costs) == 0


def test_distances_to_equal_networkx() -> None:
    rng = np.random.default_rng(6)
    for _ in range(100):
        graph = random_graph(rng, 30, 1.5)
        targets, costs = rng.choice(30, 3, replace=False), rng.uniform(0, 5, 3)
        extra = rng.uniform(0, 3, graph.num_edges)
        found = distances_to(graph, targets, costs, extra=extra)
        for node in range(0, 30, 5):
            assert found[node] == pytest.approx(reference(graph, [node], [0], targets, costs, extra))


def test_reachable_equals_networkx() -> None:
    rng = np.random.default_rng(8)
    space = SearchWorkspace(40)
    for _ in range(300):
        graph = random_graph(rng, int(rng.integers(2, 40)), 1.5)
        sources = rng.choice(graph.num_nodes, 2)  # perhaps the same one twice
        costs, limit = -np.sort(-rng.uniform(0, 5, 2)), rng.uniform(0, 15)  # the reference takes the last of two
        extra = rng.uniform(0, 3, graph.num_edges).astype(np.float32) if rng.random() < 0.5 else None
        nodes, prices = reachable(graph, sources, costs, limit, extra=extra, workspace=space)
        assert len(set(nodes.tolist())) == len(nodes)
        assert (np.diff(prices) >= 0).all()
        found = dict(zip(nodes.tolist(), prices.tolist(), strict=True))
        for node in range(graph.num_nodes):
            expected = reference(graph, sources, costs, [node], [0], extra)
            assert found.get(node, math.inf) == (pytest.approx(expected) if expected <= limit else math.inf)


def test_reachable_pays_for_what_it_returns() -> None:
    line = np.arange(99_999)
    graph = SearchGraph.from_edges(100_000, line, line + 1, np.ones(99_999))
    space = SearchWorkspace(100_000)
    nodes, costs = reachable(graph, [500], [2.5], 4.5, workspace=space)
    assert nodes.tolist() == [500, 501, 502]
    assert costs.tolist() == [2.5, 3.5, 4.5]
    assert (space.memory.nodes["stamp"] != 0).sum() <= 4


def test_components_equal_networkx() -> None:
    rng = np.random.default_rng(7)
    for _ in range(300):
        graph = random_graph(rng, int(rng.integers(1, 60)), rng.uniform(0.5, 2.5))
        labels = strongly_connected_components(graph)
        found = {frozenset(np.flatnonzero(labels == label).tolist()) for label in range(labels.max() + 1)}
        assert found == set(map(frozenset, networkx.strongly_connected_components(graph.to_networkx())))
        assert (labels[graph.sources] >= labels[graph.targets]).all()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 50)), max_size=60))
def test_edges_keep_the_cheapest_of_parallels(edges: list[tuple[int, int, int]]) -> None:
    graph = SearchGraph.from_edges(10, *np.array(edges, int).reshape(-1, 3).T)
    expected: dict[tuple[int, int], float] = {}
    for begin, end, cost in edges:
        expected[begin, end] = min(cost, expected.get((begin, end), math.inf))
    assert dict(zip(graph_edges(graph), graph.costs.tolist(), strict=True)) == expected
    back = graph.reversed()
    assert {(end, begin): c for (begin, end), c in expected.items()} == dict(
        zip(graph_edges(back), back.costs.tolist(), strict=True)
    )
    pairs = np.indices((10, 10)).reshape(2, -1)
    numbers = graph.edge_numbers(*pairs)
    assert [expected.get(pair) for pair in zip(*pairs.tolist(), strict=True)] == [
        graph.costs[number] if number >= 0 else None for number in numbers
    ]


def test_without_drops_edges() -> None:
    graph = SearchGraph.from_edges(3, [0, 1, 0], [1, 2, 2], [1, 1, 5])
    cut = graph.without(graph.edge_numbers([0], [1]))
    assert graph_edges(cut) == [(0, 2), (1, 2)]
    assert shortest_path(cut, [0], [0], [2], [0]).cost == 5
    assert graph_edges(graph.without(graph.costs < 2)) == [(0, 2)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: SearchGraph.from_edges(2, [0], [2], [1]), "targets must be nodes 0 .. 1"),
        (lambda g: SearchGraph.from_edges(2, [0, 1], [1], [1]), "as many sources as targets"),
        (lambda g: SearchGraph.from_edges(2, [0], [1], [-1]), "finite and not negative"),
        (lambda g: SearchGraph.from_edges(2, [0], [1], [math.nan]), "finite and not negative"),
        (lambda g: shortest_path(g, [5], [0], [0], [0]), "sources must be nodes 0 .. 1; found 5 .. 5"),
        (lambda g: shortest_path(g, [0], [0, 1], [0], [0]), "source_costs must have one entry per source"),
        (lambda g: shortest_path(g, [0], [math.nan], [0], [0]), "source_costs must not be negative or NaN"),
        (lambda g: shortest_path(g, [0], [0], [1], [0], extra=[1, 2]), "extra must have one entry per edge"),
        (lambda g: shortest_path(g, [0], [0], [1], [0], goal_embedding=[1]), "needs both"),
        (
            lambda g: shortest_path(g, [0], [0], [1], [0], embedding=np.zeros((2, 3)), goal_embedding=[1]),
            r"embedding must be \[2, 1\]",
        ),
        (lambda g: shortest_path(g, [0], [0], [1], [0], workspace=SearchWorkspace(1)), "the workspace holds 1 nodes"),
        (lambda g: bounded_distances(g, [0], 1, only=np.ones(5, bool)), "only must have one entry per node"),
    ],
)
def test_nonsense_gets_one_clear_line(call, message: str) -> None:
    with pytest.raises(GraphError, match=message) as caught:
        call(SearchGraph.from_edges(2, [0], [1], [1]))
    assert "\n" not in str(caught.value)
