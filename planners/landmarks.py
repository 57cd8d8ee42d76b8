"""Search over a landmark graph in latent space: one level's states kept in memory, and predicted ways between them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from planners.graph import SearchGraph, SearchWorkspace, shortest_path

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Target:
    """Where one problem's path should lead.

    Attributes:
        point: [E'] in the space that measures arrival: the critic of the level above, or of the level itself at
            the top; distances there are world steps.
        goal: [E] the final goal in the level's own critic space, if the target is that goal; else None.
    """

    point: Floats
    goal: Floats | None = None


@dataclass(frozen=True)
class Path:
    """One level's plan for one problem, the present state first.

    Attributes:
        states: [n+1, D] predicted states of the level.
        embedding: [n+1, E] the same in the level's critic space.
        arrival: [n+1] predicted arrival times, world steps from now.
        edges: numbers of the graph's edges along the path (-1 for the first and last leg), n of them; empty where
            the planner has no graph.
        final: whether the last state is the final goal.
        found: false where no way was found, and the path is only a guess.
        expanded: search nodes or candidates that it took.
        calls: states passed through the level's predictor and critic.
    """

    states: Floats
    embedding: Floats
    arrival: Floats
    edges: Ints
    final: bool
    found: bool = True
    expanded: int = 0
    calls: int = 0
    order: Ints = field(default_factory=lambda: np.empty(0, np.int64))


class PathPlanner(Protocol):
    """Plans one level's way to a target, for several problems at once."""

    def paths(
        self, starts: Floats, embedding: Floats, targets: list[Target], rejected: list[frozenset[int]]
    ) -> list[Path]:
        """[B, D] present states, [B, E] their critic embeddings, and B targets to B paths that avoid rejected edges."""
        ...


@dataclass(frozen=True, eq=False)
class LandmarkGraph:
    """One level's landmarks and the edges between them.

    Attributes:
        states: [L, D] states of the level.
        embedding: [L, E] the same in the level's own critic space, world steps.
        measure: [L, E'] the same in the space in which arrival at a target is measured (the critic of the level above).
        observations: [L, O] what was observed there; for pictures.
        graph: edges, their costs in world steps.
        stride: world steps of one prediction.
    """

    states: Floats
    embedding: Floats
    measure: Floats
    observations: Floats
    graph: SearchGraph
    stride: int


class LandmarkPlanner:
    """A* over a landmark graph; the heuristic is the critic's temporal distance, at no network call.

    Args:
        landmarks: the graph.
        attach: landmarks within this many strides of the present state (or of the goal) are entries to the graph.
        direct: a goal within this many strides is gone to without a search.
        weight: of the heuristic; 1 keeps the search exact where the critic never overestimates.
        penalty: world steps added to a rejected edge, so that it is a last resort rather than forbidden.
    """

    MIN_ENTRIES = 3

    def __init__(
        self,
        landmarks: LandmarkGraph,
        attach: float = 1.5,
        direct: float = 1.0,
        weight: float = 1.0,
        penalty: float = 1000.0,
    ) -> None:
        self.landmarks, self.weight, self.penalty = landmarks, weight, penalty
        self.attach, self.direct = attach * landmarks.stride, direct * landmarks.stride
        self.workspace = SearchWorkspace(landmarks.graph.num_nodes)

    def paths(
        self, starts: Floats, embedding: Floats, targets: list[Target], rejected: list[frozenset[int]]
    ) -> list[Path]:
        """See :class:`PathPlanner`."""
        problems = zip(starts, embedding, targets, rejected, strict=True)
        return [self._path(start, here, target, edges) for start, here, target, edges in problems]

    def _path(self, start: Floats, here: Floats, target: Target, rejected: frozenset[int]) -> Path:
        graph = self.landmarks
        if target.goal is not None:
            straight = float(np.linalg.norm(target.goal - here))
            if straight <= self.direct and not rejected:
                return Path(
                    np.stack([start, start]), np.stack([here, target.goal]), np.float32([0, straight]),
                    np.full(1, -1), final=True,
                )  # fmt: skip
        ends, end_costs = self._ends(target)
        begins, begin_costs = self._near(graph.embedding, here)
        point, space = (target.goal, graph.embedding) if target.goal is not None else (target.point, graph.measure)
        result = shortest_path(
            graph.graph, begins, begin_costs, ends, end_costs,
            embedding=space, goal_embedding=point, weight=self.weight,
            extra=self._extra(rejected), workspace=self.workspace,
        )  # fmt: skip
        nodes = result.nodes if result.found else ends[:1]
        return self._assemble(start, here, target, nodes, result.edges, result.found, result.expanded, result.order)

    def _assemble(
        self,
        start: Floats,
        here: Floats,
        target: Target,
        nodes: NDArray[np.integer],
        edges: NDArray[np.integer],
        found: bool,
        expanded: int,
        order: NDArray[np.integer],
    ) -> Path:
        graph = self.landmarks
        states, points = [start[None], graph.states[nodes]], [here[None], graph.embedding[nodes]]
        first = float(np.linalg.norm(graph.embedding[nodes[0]] - here))
        legs = [np.float32([0, first]), graph.graph.costs[edges] if len(edges) else np.empty(0, np.float32)]
        numbers = [np.full(1, -1), np.asarray(edges, np.int64)]
        if target.goal is not None:
            states.append(graph.states[nodes[-1:]])
            points.append(target.goal[None])
            legs.append(np.linalg.norm(target.goal - graph.embedding[nodes[-1]], keepdims=True))
            numbers.append(np.full(1, -1))
        return Path(
            np.concatenate(states), np.concatenate(points), np.cumsum(np.concatenate(legs)).astype(np.float32),
            np.concatenate(numbers), final=target.goal is not None, found=found, expanded=expanded,
            order=order.astype(np.int64),
        )  # fmt: skip

    def _ends(self, target: Target) -> tuple[Ints, Floats]:
        if target.goal is not None:
            return self._near(self.landmarks.embedding, target.goal)
        return self._near(self.landmarks.measure, target.point)

    def _near(self, space: Floats, point: Floats) -> tuple[Ints, Floats]:
        """Landmarks within reach of a point, at least a few, nearest first, and their distances."""
        squared = np.square(space - point).sum(1)
        inside = np.flatnonzero(squared <= self.attach**2)
        if len(inside) < self.MIN_ENTRIES:
            inside = np.argpartition(squared, min(self.MIN_ENTRIES, len(squared) - 1))[: self.MIN_ENTRIES]
        nearest = inside[np.argsort(squared[inside])]
        return nearest, np.sqrt(squared[nearest])

    def _extra(self, rejected: frozenset[int]) -> Floats | None:
        if not rejected:
            return None
        extra = np.zeros(self.landmarks.graph.num_edges, np.float32)
        extra[list(rejected)] = self.penalty
        return extra


def path_length(path: Path) -> float:
    """World steps that a path is predicted to take; infinite where none was found."""
    return float(path.arrival[-1]) if path.found else math.inf
