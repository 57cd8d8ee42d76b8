"""Search over a landmark graph in latent space: one level's remembered states, and predicted ways between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from planners.base import Recorder
from planners.graph import PathResult, SearchGraph, SearchWorkspace, reachable, shortest_path
from planners.neighbors import NeighborIndex
from planners.risk import MEAN, Risk
from planners.stochastic_graph import ChanceNodes, Way, follow, stochastic_values

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
NONE = -1
"""Stands for "no landmark" and "no edge" where a number is expected."""
DIRECT = -2
"""Number of the straight way to a near goal."""


def attachment(landmarks: Ints) -> Ints:
    """Numbers of the ways between landmarks and places that are none: negative, unlike those of edges."""
    return DIRECT - 1 - landmarks


@dataclass(frozen=True, eq=False)
class Target:
    """Where one problem's path should lead. Two targets are equal only if they are the same one.

    Attributes:
        point: [E'] in the space that measures arrival: the critic of the level above (at the top, the level's own);
            distances there are world steps.
        landmark: the same as a landmark of the planning level, if it is one; else -1.
        goal: where the target is a place to stay at (the final goal, or a pin): that place in every level's critic
            space, finest first; else None.
    """

    point: Floats
    landmark: int = NONE
    goal: tuple[Floats, ...] | None = None


@dataclass(frozen=True)
class Query:
    """One problem for one level: where it is, where it should go, and what did not work before.

    Attributes:
        state: [D] the present state of the level.
        points: the present state in every level's critic space, finest first.
        target: where to go.
        rejected: numbers of the ways (see :class:`Path`) that turned out not to lead where the model said.
    """

    state: Floats
    points: tuple[Floats, ...]
    target: Target
    rejected: frozenset[int] = frozenset()


@dataclass(frozen=True, eq=False)
class Path:
    """One level's plan for one problem, the present state first. Two paths are equal only if they are the same one.

    Attributes:
        states: [n+1, D] predicted states of the level.
        embedding: [n+1, E] the same in the level's critic space.
        arrival: [n+1] predicted arrival times, world steps from now.
        landmarks: [n+1] which landmarks these are; -1 for states that are none.
        edges: [n] numbers of the ways between them, by which they can be rejected; -1 where there is no such number.
            For landmarks: the graph's edges, -2 for the straight way to a near goal, and -3 - i for the ways between
            landmark i and a place that is none.
        final: whether the last state is the target's goal.
        found: false where no way was found, and the path is only a guess.
        expanded: search nodes or candidates that it took.
        calls: states passed through the level's predictor and critic.
        order: [m] landmarks in the order of their expansion, for a viewer.
        came_from: [m] from which earlier entry of ``order`` the search came to each of them; -1 where it began.
        surcharges: [n] world steps that each way costs on top of its time, by what they are paid for: ``zones`` are
            what is dear or forbidden, ``rejected`` what did not work before.
    """

    states: Floats
    embedding: Floats
    arrival: Floats
    landmarks: Ints
    edges: Ints
    final: bool
    found: bool = True
    expanded: int = 0
    calls: int = 0
    order: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    came_from: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    surcharges: Mapping[str, Floats] = field(default_factory=dict)


class PathPlanner(Protocol):
    """Plans one level's way to a target, for several problems at once."""

    def paths(self, queries: list[Query], recorder: Recorder | None = None) -> list[Path]:
        """One path per query; a recorder hears what the planner of predicted states does, if there is one."""
        ...

    def below(self, landmark: int) -> int:
        """A landmark of this level as one of the level below; -1 where there is none."""
        ...


@dataclass(frozen=True, eq=False)
class LandmarkGraph:
    """One level's landmarks and the edges between them.

    Attributes:
        level: k.
        states: [L, D] states of the level.
        embedding: [L, E] the same in the level's own critic space, world steps.
        measure: [L, E'] the same in the space in which arrival at a target is measured (the critic of the level above).
        observations: [L, O] what was observed there; for pictures.
        below: [L] the same places as landmarks of the level below (at level 2: as remembered observations).
        graph: edges, their costs in world steps.
        stride: world steps of one prediction.
        tolls: [E] what part of an edge's cost is no time, but paid for where it leads; world steps. None for none.
        sealed: [L] landmarks that nothing is near to but other landmarks, such as those just behind a door that was
            found shut; None for none.
        chances: landmarks at which the world decides where they lead. None where it never does.
    """

    level: int
    states: Floats
    embedding: Floats
    measure: Floats
    observations: Floats
    below: Ints
    graph: SearchGraph
    stride: int
    tolls: Floats | None = None
    sealed: NDArray[np.bool_] | None = None
    chances: ChanceNodes | None = None


@dataclass(frozen=True, eq=False)
class _Space:
    """The landmarks' places in one critic's space: [L, E] points, and what finds those near a place."""

    points: Floats
    index: NeighborIndex


class Guide(Protocol):
    """Knows ways through one landmark graph without a search."""

    def __call__(
        self, begins: Ints, begin_costs: Floats, ends: Ints, end_costs: Floats, extra: Floats | None
    ) -> PathResult:
        """A way from one of some landmarks to one of others; see :func:`planners.graph.shortest_path`."""
        ...


class LandmarkPlanner:
    """A* over a landmark graph; the heuristic is the critic's temporal distance, at no network call.

    How to get from the present state into the graph, and from the graph to a goal, is asked of the level below: its
    own graph knows the walls that a distance in latent space does not.

    Args:
        landmarks: the graph.
        finer: the planner of the level below, if that one has landmarks too.
        attach: landmarks within this many strides are entries to the graph; the radius doubles until there are any.
        direct: a goal within this many strides is gone to without a search.
        weight: of the heuristic; 1 keeps the search exact where the critic never overestimates.
        penalty: world steps added to a rejected edge, so that it is a last resort rather than forbidden.
        guide: finds the ways in the place of A*.
        risk: what the possible outcomes count as where the world decides. Where it does so anywhere, values are
            iterated in the place of A* (:mod:`planners.stochastic_graph`).
        give_up: world steps that count for an outcome from which no way is known.
    """

    MIN_ENTRIES = 3
    DOUBLINGS = 4
    TOLL_DOUBLINGS = 16
    """Where there are tolls, the nearest entry may be dear, and is still better than one behind a wall."""

    def __init__(
        self,
        landmarks: LandmarkGraph,
        finer: LandmarkPlanner | None = None,
        attach: float = 0.5,
        direct: float = 1.0,
        weight: float = 1.0,
        penalty: float = 1000.0,
        guide: Guide | None = None,
        risk: Risk = MEAN,
        give_up: float = 10_000.0,
    ) -> None:
        self.risk, self.give_up = risk, give_up
        self.landmarks, self.finer, self.weight, self.penalty = landmarks, finer, weight, penalty
        self.guide = guide
        self.attach, self.direct = attach * landmarks.stride, direct * landmarks.stride
        self.workspace = SearchWorkspace(landmarks.graph.num_nodes)
        if finer is not None:
            self._number_above = np.full(finer.landmarks.graph.num_nodes, NONE)
            self._number_above[landmarks.below] = np.arange(len(landmarks.below))

    def below(self, landmark: int) -> int:
        """See :class:`PathPlanner`; level 1 has no landmarks."""
        return NONE if self.finer is None or landmark == NONE else int(self.landmarks.below[landmark])

    def paths(self, queries: list[Query], recorder: Recorder | None = None) -> list[Path]:
        """See :class:`PathPlanner`. Nothing is recorded: ``order`` and ``came_from`` tell of the search."""
        return [self._path(query) for query in queries]

    def entries(self, points: tuple[Floats, ...], leaving: bool = False) -> tuple[Ints, Floats, int]:
        """Landmarks around a place, the world steps to them, and the search nodes that it took to find them.

        Args:
            points: the place in every level's critic space.
            leaving: the way from the landmarks to the place, instead of the way to them.
        """
        if self.finer is None:
            return *self._near(self._embedded, points[self.landmarks.level - 1]), 0
        begins, begin_costs, expanded = self.finer.entries(points, leaving)
        graph = self.finer.landmarks.graph.reversed() if leaving else self.finer.landmarks.graph
        for doubling in range(self.DOUBLINGS if self.landmarks.tolls is None else self.TOLL_DOUBLINGS):
            limit = self.attach * 2**doubling
            nodes, costs = reachable(graph, begins, begin_costs, limit, workspace=self.finer.workspace)
            expanded += len(nodes)
            number = self._number_above[nodes]
            here = number != NONE
            if self._ordinary(number[here]).any():
                return number[here], costs[here].astype(np.float32), expanded
        return *self._near(self._embedded, points[self.landmarks.level - 1]), expanded

    def _path(self, query: Query) -> Path:
        goal, own = query.target.goal, self.landmarks.level - 1
        if goal is not None and DIRECT not in query.rejected:
            straight = float(np.linalg.norm(goal[own] - query.points[own]))
            if straight <= self.direct:
                return self._assemble(query, np.empty(0, np.int64), np.empty(0, np.int64), straight)
        begins, begin_costs, entered = self.entries(query.points)
        ends, end_costs, left = self._ends(query.target)
        result, arrives = self._way(
            query, begins, self._priced(begins, begin_costs, query), ends, self._priced(ends, end_costs, query)
        )
        if not result.found:
            return self._assemble(query, ends[:1], np.empty(0, np.int64), 0.0, result, entered + left)
        entry = float(begin_costs[np.flatnonzero(begins == result.nodes[0])[0]])
        return self._assemble(
            query, result.nodes.astype(np.int64), result.edges, entry, result, entered + left, arrives
        )

    def _way(
        self, query: Query, begins: Ints, begin_costs: Floats, ends: Ints, end_costs: Floats
    ) -> tuple[PathResult, bool]:
        """From landmarks around the present place to landmarks around the target, and whether it gets there for sure.

        Otherwise it ends where the world decides.
        """
        extra, goal = self._extra(query.rejected), query.target.goal
        if self.landmarks.chances is not None and self.guide is None:
            way = self._risky_way(self.landmarks.chances, begins, begin_costs, ends, end_costs, extra)
            return way.result, not way.open
        if self.guide is not None:
            return self.guide(begins, begin_costs, ends, end_costs, extra), True
        space, point = (
            (self.landmarks.measure, query.target.point)
            if goal is None
            else (self.landmarks.embedding, goal[self.landmarks.level - 1])
        )
        found = shortest_path(
            self.landmarks.graph, begins, begin_costs, ends, end_costs, embedding=space, goal_embedding=point,
            weight=self.weight, extra=extra, workspace=self.workspace,
        )  # fmt: skip
        return found, True

    def _risky_way(
        self,
        chances: ChanceNodes,
        begins: Ints,
        begin_costs: Floats,
        ends: Ints,
        end_costs: Floats,
        extra: Floats | None,
    ) -> Way:
        """The way of least cost by the attitude to risk; nobody walks on from a chance node to a goal beside it."""
        graph, ordinary = self.landmarks.graph, ~chances.among(ends)
        if ordinary.any():
            ends, end_costs = ends[ordinary], end_costs[ordinary]
        values = stochastic_values(
            graph, chances, ends, end_costs,
            risk=self.risk, give_up=self.give_up, extra=extra, workspace=self.workspace,
        )  # fmt: skip
        return follow(graph, chances, values, begins, begin_costs, ends, end_costs, extra=extra)

    def _assemble(
        self,
        query: Query,
        nodes: Ints,
        edges: NDArray[np.integer],
        entry: float,
        result: PathResult | None = None,
        attached: int = 0,
        arrives: bool = True,
    ) -> Path:
        graph, own = self.landmarks, self.landmarks.level - 1
        goal = query.target.goal if arrives else None
        states, points = [query.state[None], graph.states[nodes]], [query.points[own][None], graph.embedding[nodes]]
        legs = [np.zeros(1, np.float32), np.full(min(1, len(nodes)), entry, np.float32), graph.graph.costs[edges]]
        if graph.tolls is not None:
            legs[-1] = legs[-1] - graph.tolls[edges]
        landmarks, numbers = [np.full(1, NONE), nodes], [attachment(nodes[:1]), np.asarray(edges)]
        if goal is not None:
            states.append(states[-1][-1:] if len(nodes) else states[0])
            last = points[-1][-1] if len(nodes) else points[0][0]
            points.append(goal[own][None])
            legs.append(np.full(1, np.linalg.norm(goal[own] - last)))
            landmarks.append(np.full(1, NONE))
            numbers.append(attachment(nodes[-1:]) if len(nodes) else np.full(1, DIRECT))
        ways = np.concatenate(numbers).astype(np.int64)
        return Path(
            states=np.concatenate(states),
            embedding=np.concatenate(points),
            arrival=np.cumsum(np.concatenate(legs)).astype(np.float32),
            landmarks=np.concatenate(landmarks),
            edges=ways,
            final=goal is not None,
            found=result is None or result.found,
            expanded=attached + (0 if result is None else result.expanded),
            order=np.empty(0, np.int64) if result is None else result.order.astype(np.int64),
            came_from=np.empty(0, np.int64) if result is None else result.came_from.astype(np.int64),
            surcharges=self._surcharges(ways, query.rejected),
        )

    def _surcharges(self, ways: Ints, rejected: frozenset[int]) -> dict[str, Floats]:
        """What is paid on ways, by their numbers."""
        zones, edges = np.zeros(len(ways), np.float32), ways >= 0
        if self.landmarks.tolls is not None:
            zones[edges] = self.landmarks.tolls[ways[edges]]
        return {"zones": zones, "rejected": np.where(np.isin(ways, list(rejected)), self.penalty, 0).astype(np.float32)}

    def _ends(self, target: Target) -> tuple[Ints, Floats, int]:
        if target.goal is not None:
            return self.entries(target.goal, leaving=True)
        if target.landmark != NONE:
            return np.array([target.landmark]), np.zeros(1, np.float32), 0
        return *self._near(self._measured, target.point), 0

    @cached_property
    def _embedded(self) -> _Space:
        return _Space(self.landmarks.embedding, NeighborIndex(self.landmarks.embedding, self.attach))

    @cached_property
    def _measured(self) -> _Space:
        return _Space(self.landmarks.measure, NeighborIndex(self.landmarks.measure, self.attach))

    def _near(self, space: _Space, point: Floats) -> tuple[Ints, Floats]:
        """Landmarks within reach of a point, at least a few from which ways lead on, nearest first, and how far."""
        sealed, chances = self.landmarks.sealed, self.landmarks.chances
        spare = 0 if sealed is None else int(np.count_nonzero(sealed))
        spare += 0 if chances is None else len(chances.nodes)
        around = np.sort(space.index.around(point, self.MIN_ENTRIES + spare))
        if sealed is not None:
            around = around[~sealed[around]]
        squared = np.square(space.points[around] - point).sum(1)
        nearest = np.argsort(squared, kind="stable")
        leads_on = np.flatnonzero(self._ordinary(around[nearest]))[: self.MIN_ENTRIES]
        few = leads_on[-1] + 1 if len(leads_on) else len(nearest)
        nearest = nearest[: max(few, np.count_nonzero(squared <= self.attach**2))]
        return around[nearest], np.sqrt(squared[nearest])

    def _ordinary(self, landmarks: Ints) -> NDArray[np.bool_]:
        """[n] which landmarks are no chance nodes: a way in or out that knew only those would have to take a chance."""
        chances = self.landmarks.chances
        return np.ones(len(landmarks), np.bool_) if chances is None else ~chances.among(landmarks)

    def _priced(self, landmarks: Ints, costs: Floats, query: Query) -> Floats:
        """[n] costs of the ways between landmarks and a place, the rejected ones made dear."""
        return costs + self.penalty * np.isin(attachment(landmarks), list(query.rejected))

    def _extra(self, rejected: frozenset[int]) -> Floats | None:
        edges = [number for number in rejected if number >= 0]
        if not edges:
            return None
        extra = np.zeros(self.landmarks.graph.num_edges, np.float32)
        extra[edges] = self.penalty
        return extra
