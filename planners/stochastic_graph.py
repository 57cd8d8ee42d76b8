"""Stochastic shortest paths on a landmark graph with chance nodes.

Most nodes are ordinary: whoever is there takes an edge and arrives. At a *chance node* the world decides: one of a few
nodes is next, with known probabilities. Values solve

    V(i) = min over edges of  cost(i, j) + V(j),        V(chance node) = risk over outcomes of  cost + V(outcome)

by value iteration from above, in which all ordinary nodes are swept at once by Dijkstra's algorithm: only what is worth
at chance nodes is iterated (Bertsekas and Tsitsiklis, 1991, "An analysis of stochastic shortest path problems").

``N`` is the number of nodes, ``C`` of chance nodes, ``m`` of outcomes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from planners.graph import GraphError, PathResult, SearchGraph, SearchWorkspace, distances_to
from planners.risk import MEAN, Risk, tail_mean

Ints = NDArray[np.int64]
Doubles = NDArray[np.float64]

NOWHERE = -1
"""Stands for an outcome from which nothing is known: a trap, as far as a plan is concerned."""
SWEEPS = 200
TOLERANCE = 1e-3
"""World steps by which no value changes any more."""


@dataclass(frozen=True, eq=False)
class ChanceNodes:
    """The nodes of a graph at which the world decides. Their edges, if they have any, are never taken.

    Attributes:
        nodes: [C] their numbers, ascending. One that has several rows is a choice between them, made by whoever plans.
        outcomes: [C, m] the nodes that may come next, :data:`NOWHERE` for none that is known.
        probabilities: [C, m] how likely each is; rows sum to 1.
        costs: [C, m] world steps until there.

    Raises:
        GraphError: for arrays that do not fit, or probabilities that are none.
    """

    nodes: Ints
    outcomes: Ints
    probabilities: Doubles
    costs: Doubles

    def __post_init__(self) -> None:
        for name, kind in (("nodes", np.int64), ("outcomes", np.int64), ("probabilities", float), ("costs", float)):
            object.__setattr__(self, name, np.ascontiguousarray(getattr(self, name), kind))
        shape = (len(self.nodes), self.outcomes.shape[-1])
        for name in ("outcomes", "probabilities", "costs"):
            if getattr(self, name).shape != shape:
                raise GraphError(
                    f"{name} must be {list(shape)} like nodes and outcomes, not {getattr(self, name).shape}"
                )
        if not (np.all(self.probabilities >= 0) and np.allclose(self.probabilities.sum(-1), 1, atol=1e-3)):
            raise GraphError("probabilities of outcomes must not be negative, and sum to 1 for every chance node")

    def among(self, nodes: NDArray[np.integer]) -> NDArray[np.bool_]:
        """[n] which of [n] nodes are chance nodes."""
        return np.isin(nodes, self.nodes)

    def likeliest(self) -> ChanceNodes:
        """The same nodes, each with its likeliest outcome alone: what a predictor without a latent variable may say.

        >>> ChanceNodes([7], [[2, 5]], [[0.4, 0.6]], [[1.0, 3.0]]).likeliest().outcomes.tolist()
        [[5]]
        """
        best = self.probabilities.argmax(1)[:, None]
        costs = np.take_along_axis(self.costs, best, 1)
        return ChanceNodes(self.nodes, np.take_along_axis(self.outcomes, best, 1), np.ones_like(costs), costs)

    def chosen(self, least: float = 0.0) -> ChanceNodes:
        """The same nodes, as if the planner chose the outcome: a row for each that is likelier than ``least``.

        >>> ChanceNodes([7], [[2, 5]], [[0.4, 0.6]], [[1.0, 3.0]]).chosen().nodes.tolist()
        [7, 7]
        """
        node, outcome = np.nonzero(self.probabilities > least)
        outcomes, costs = self.outcomes[node, outcome, None], self.costs[node, outcome, None]
        return ChanceNodes(self.nodes[node], outcomes, np.ones_like(costs), costs)


class Values(NamedTuple):
    """What it costs to go on from everywhere.

    Attributes:
        nodes: [N] from each node, world steps by the attitude to risk; infinite where no way is known.
        sweeps: rounds of value iteration.
    """

    nodes: Doubles
    sweeps: int


class Way(NamedTuple):
    """A way that follows the values.

    Attributes:
        result: as of a search; it ends where the world decides, if it leads to a chance node.
        open: whether it does: what comes next has to be planned when it is known.
    """

    result: PathResult
    open: bool


def stochastic_values(
    graph: SearchGraph,
    chances: ChanceNodes,
    targets: ArrayLike,
    target_costs: ArrayLike,
    *,
    risk: Risk = MEAN,
    give_up: float = 10_000.0,
    extra: ArrayLike | None = None,
    workspace: SearchWorkspace | None = None,
) -> Values:
    """Values towards the best of [G] targets, each with a cost of its own.

    >>> graph = SearchGraph.from_edges(4, [0, 0, 2], [1, 3, 3], [1.0, 9.0, 2.0])
    >>> portal = ChanceNodes([1], [[2, NOWHERE]], [[0.75, 0.25]], [[1.0, 1.0]])
    >>> stochastic_values(graph, portal, [3], [0.0], give_up=10.0).nodes.tolist()
    [6.0, 5.0, 2.0, 0.0]

    Args:
        graph: ordinary nodes and edges; chance nodes have no edges that lead out.
        chances: where the world decides.
        targets: [G] nodes; a chance node among them is a target all the same.
        target_costs: [G] from each of them to the goal.
        risk: what the outcomes of a chance node count as.
        give_up: world steps that count for an outcome from which no way is known, or only a longer one, so that a trap
            has a price (Kolobov et al., 2012).
        extra: [E] added to the costs of edges, such as penalties.
        workspace: memory to reuse.
    """
    ends = np.asarray(targets, np.int64).reshape(-1)
    end_costs = np.asarray(target_costs, np.float64).reshape(-1)
    space = workspace or SearchWorkspace(graph.num_nodes)
    worth = np.full(len(chances.nodes), math.inf)
    sweeps = 0
    while sweeps < SWEEPS:
        sweeps += 1
        known = np.isfinite(worth)
        values = distances_to(
            graph, np.concatenate([ends, chances.nodes[known]]), np.concatenate([end_costs, worth[known]]),
            extra=extra, workspace=space,
        )  # fmt: skip
        updated = np.minimum(worth, _weigh(values, *_arrays(chances), risk.tail, give_up))
        if np.all(worth - updated <= TOLERANCE):
            break
        worth = updated
    return Values(values, sweeps)


def follow(
    graph: SearchGraph,
    chances: ChanceNodes,
    values: Values,
    begins: ArrayLike,
    begin_costs: ArrayLike,
    targets: ArrayLike,
    target_costs: ArrayLike,
    *,
    extra: ArrayLike | None = None,
) -> Way:
    """The cheapest way from one of [S] nodes, each with a cost of its own, by the values, until chance decides.

    Args:
        graph: as the values were found in.
        chances: likewise.
        values: of :func:`stochastic_values`.
        begins: [S] nodes.
        begin_costs: [S] world steps to each of them.
        targets: [G] as the values were found for.
        target_costs: [G] likewise.
        extra: likewise.
    """
    start, prices = np.asarray(begins, np.int64).reshape(-1), np.asarray(begin_costs, np.float64).reshape(-1)
    total = prices + values.nodes[start]
    expanded = values.sweeps * graph.num_nodes
    if not np.isfinite(total).any():
        return Way(_result([], [], math.inf, expanded), open=False)
    final = np.full(graph.num_nodes, math.inf)
    np.minimum.at(final, np.asarray(targets, np.int64), np.asarray(target_costs, np.float64))
    costs = graph.costs if extra is None else graph.costs + np.asarray(extra)
    nodes, edges = [int(start[total.argmin()])], list[int]()
    while len(nodes) <= graph.num_nodes and values.nodes[nodes[-1]] < final[nodes[-1]]:
        here = nodes[-1]
        if chances.among(np.array([here]))[0]:
            return Way(_result(nodes, edges, float(total.min()), expanded), open=True)
        out = slice(graph.indptr[here], graph.indptr[here + 1])
        edge = int(graph.indptr[here] + (costs[out] + values.nodes[graph.targets[out]]).argmin())
        edges.append(edge)
        nodes.append(int(graph.targets[edge]))
    return Way(_result(nodes, edges, float(total.min()), expanded), open=False)


def _result(nodes: list[int], edges: list[int], cost: float, expanded: int) -> PathResult:
    nothing = np.empty(0, np.int32)
    return PathResult(
        bool(nodes), np.array(nodes, np.int32), np.array(edges, np.int64), cost, expanded, nothing, nothing, True
    )


def _arrays(chances: ChanceNodes) -> tuple[Ints, Doubles, Doubles]:
    return chances.outcomes, chances.probabilities, chances.costs


@njit(cache=True, nogil=True)
def _weigh(values, outcomes, probabilities, costs, tail, give_up):  # type: ignore[no-untyped-def]  # pragma: no cover
    """[C] what chance nodes are worth: their outcomes, weighed by the attitude to risk."""
    worth = np.empty(len(outcomes))
    paid = np.empty(outcomes.shape[1])
    for node in range(len(outcomes)):
        for index in range(outcomes.shape[1]):
            after = give_up
            if outcomes[node, index] >= 0:
                after = min(give_up, values[outcomes[node, index]])
            paid[index] = costs[node, index] + after
        worth[node] = tail_mean(paid, probabilities[node], outcomes.shape[1], tail)
    return worth
