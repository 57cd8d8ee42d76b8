"""Stochastic shortest paths: values against plain value iteration, attitudes to risk, traps, and where a way ends."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from planners.graph import GraphError, SearchGraph
from planners.risk import MEAN, WORST, Risk
from planners.stochastic_graph import NOWHERE, ChanceNodes, follow, stochastic_values

GIVE_UP = 500.0


def portal() -> tuple[SearchGraph, ChanceNodes]:
    """From 0 to 3: 30 steps on foot, or by the portal 1, which leads to 2 just before the goal, or back to 0."""
    graph = SearchGraph.from_edges(4, [0, 0, 2], [1, 3, 3], [2.0, 30.0, 1.0])
    return graph, ChanceNodes(np.array([1]), np.array([[2, 0]]), np.array([[0.75, 0.25]]), np.ones((1, 2)))


def value_iteration(graph: SearchGraph, chances: ChanceNodes, target: int, risk: Risk) -> np.ndarray:
    """The same from above, sweep by sweep, with no cleverness."""
    values = np.full(graph.num_nodes, np.inf)
    values[target] = 0.0
    for _ in range(150):
        for node in range(graph.num_nodes):
            out = slice(graph.indptr[node], graph.indptr[node + 1])
            if out.start < out.stop:
                values[node] = min(values[node], (graph.costs[out] + values[graph.targets[out]]).min())
        for node, outcomes, chance, costs in zip(*vars(chances).values(), strict=True):
            after = np.where(outcomes == NOWHERE, GIVE_UP, np.minimum(values[outcomes], GIVE_UP))
            paid = risk(torch.from_numpy(costs + after), torch.from_numpy(chance))
            values[node] = min(values[node], float(paid))
    return values


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from([MEAN, Risk(0.3), WORST]))
def test_values_are_those_of_value_iteration(seed: int, risk: Risk) -> None:
    rng = np.random.default_rng(seed)
    begin, end = rng.integers(3, 14, 30), rng.integers(0, 14, 30)  # nodes 0 to 2 are chance nodes
    graph = SearchGraph.from_edges(14, begin, end, rng.uniform(1, 9, 30))
    outcomes = rng.integers(NOWHERE, 14, (3, 4))
    chances = ChanceNodes(np.arange(3), outcomes, rng.dirichlet(np.ones(4), 3), rng.uniform(1, 3, (3, 4)))
    found = stochastic_values(graph, chances, [13], [0.0], risk=risk, give_up=GIVE_UP).nodes
    np.testing.assert_allclose(found, value_iteration(graph, chances, 13, risk), rtol=1e-3, atol=0.05)


def test_each_attitude_takes_its_way() -> None:
    graph, chances = portal()
    walked = {}
    for name, risk in (("average", MEAN), ("worst", WORST)):
        values = stochastic_values(graph, chances, [3], [0.0], risk=risk, give_up=GIVE_UP)
        way = follow(graph, chances, values, [0], [0.0], [3], [0.0])
        walked[name] = (way.result.nodes.tolist(), way.open, round(way.result.cost, 1))
    # V = 2 + .75 (1 + 1) + .25 (1 + V): V = 5
    assert walked == {"average": ([0, 1], True, 5.0), "worst": ([0, 3], False, 30.0)}


def test_without_chance_the_likeliest_or_the_best_outcome_is_certain() -> None:
    graph = SearchGraph.from_edges(5, [0, 0, 2, 4], [1, 3, 3, 3], [2.0, 30.0, 9.0, 1.0])
    portal = ChanceNodes([1], [[2, NOWHERE, 4]], [[0.3, 0.65, 0.05]], np.ones((1, 3)))  # type: ignore[arg-type]
    found = {}
    for name, chances in (
        ("likeliest", portal.likeliest()),
        ("chosen", portal.chosen()),
        ("hoped", portal.chosen(0.1)),
    ):
        values = stochastic_values(graph, chances, [3], [0.0], give_up=GIVE_UP)
        way = follow(graph, chances, values, [0], [0.0], [3], [0.0])
        found[name] = (way.result.nodes.tolist(), way.open, way.result.cost)
    # The likeliest outcome is a trap; of the others, 4 is one step from the goal, and 2 is nine.
    assert found == {"likeliest": ([0, 3], False, 30.0), "chosen": ([0, 1], True, 4.0), "hoped": ([0, 1], True, 12.0)}


def test_a_trap_costs_as_much_as_giving_up() -> None:
    graph = SearchGraph.from_edges(4, [0, 0, 2], [1, 3, 3], [2.0, 30.0, 1.0])
    chances = ChanceNodes(np.array([1]), np.array([[2, NOWHERE]]), np.array([[0.9, 0.1]]), np.ones((1, 2)))
    for give_up, first in ((100.0, 1), (10_000.0, 3)):
        values = stochastic_values(graph, chances, [3], [0.0], give_up=give_up)
        assert follow(graph, chances, values, [0], [0.0], [3], [0.0]).result.nodes[1] == first


def test_penalties_turn_a_way_to_the_portal() -> None:
    graph, chances = portal()
    extra = np.zeros(graph.num_edges, np.float32)
    extra[graph.edge_numbers([0], [1])] = 1000.0
    values = stochastic_values(graph, chances, [3], [0.0], extra=extra)
    way = follow(graph, chances, values, [0], [0.0], [3], [0.0], extra=extra)
    assert way.result.nodes.tolist() == [0, 3]


def test_a_chance_node_may_be_the_target_itself() -> None:
    graph, chances = portal()
    values = stochastic_values(graph, chances, [1], [0.0])
    way = follow(graph, chances, values, [0], [0.0], [1], [0.0])
    assert way.result.nodes.tolist() == [0, 1]
    assert not way.open


def test_no_way_is_told_as_such() -> None:
    graph, chances = portal()
    values = stochastic_values(graph, chances, [0], [0.0])
    way = follow(graph, chances, values, [3], [0.0], [0], [0.0])
    assert not way.result.found
    assert way.result.cost == np.inf


@pytest.mark.parametrize(
    ("change", "named"),
    [({"costs": np.ones((1, 3))}, "costs"), ({"probabilities": np.array([[0.9, 0.9]])}, "sum to 1")],
)
def test_what_does_not_fit_is_named(change: dict[str, np.ndarray], named: str) -> None:
    _, chances = portal()
    with pytest.raises(GraphError, match=named):
        ChanceNodes(**(vars(chances) | change))
