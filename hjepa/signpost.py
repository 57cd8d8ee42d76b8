"""Mode-1 above level 1: signposts at the landmarks, in the place of a search.

Where A* searches the landmark graph for the shortest path, a signpost says at once which way to leave a landmark for
another one. It was distilled from all that A* would have answered (see :mod:`hjepa.distil`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hjepa.layers import mlp
from planners.graph import PathResult
from planners.landmarks import NONE, LandmarkGraph

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class SignpostConfig:
    """How the signposts of a level are distilled.

    Attributes:
        hidden: widths of the hidden layers.
        waves: how many waves over the critic's space describe a place; they tell apart what lies close together.
        frequency: of the waves; radians per standard deviation of the landmarks, along each component.
        steps: gradient steps.
        batch: pairs of landmarks per step.
        learning_rate: at the start; it falls to zero along a cosine.
        softness: ways on whose lengths differ by this many strides are told apart by one unit of preference.
        goals: landmarks to which the ways are learned, at most.
    """

    hidden: tuple[int, ...] = (64, 64)
    waves: int = 32
    frequency: float = 0.75
    steps: int = 1000
    batch: int = 512
    learning_rate: float = 1e-2
    softness: float = 0.5
    goals: int = 512

    def __post_init__(self) -> None:
        for name in ("waves", "frequency", "steps", "batch", "learning_rate", "softness", "goals"):
            if not getattr(self, name) > 0:
                raise ValueError(f"policy.ways.{name} must be positive, not {getattr(self, name)}")


@final
class Signpost(nn.Module):
    """One level's network: the heading at which to leave a place for another one.

    A heading is a vector of the critic's space. How well a way on suits is its inner product with the heading, so that
    one answer serves any number of ways.

    Args:
        size: E, size of a point.
        config: the network's shape.

    Attributes:
        centre: [E] mean of the landmarks' points, world steps.
        scale: [] their standard deviation, world steps.
        directions: [E, W] of the waves.
    """

    centre: Tensor
    scale: Tensor
    directions: Tensor

    def __init__(self, size: int, config: SignpostConfig) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(size))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("directions", config.frequency * torch.randn(size, config.waves))
        self.softness = config.softness
        self.network = mlp(2 * (size + 2 * config.waves), config.hidden, size)

    def calibrate(self, points: Tensor) -> None:
        """Sets the input scaling from the [L, E] points of the landmarks."""
        self.centre.copy_(points.mean(0))
        self.scale.copy_((points - self.centre).square().mean().sqrt().clamp_min(1e-6))

    def describe(self, points: Tensor) -> Tensor:
        """[..., E] points to their [..., F] descriptions."""
        places = (points - self.centre) / self.scale
        phases = places @ self.directions
        return torch.cat([places, phases.sin(), phases.cos()], -1)

    def forward(self, here: Tensor, goal: Tensor) -> Tensor:
        """[..., F] descriptions of places and goals to [..., E] headings."""
        return self.network(torch.cat([here, goal], -1))


def ways_on(landmarks: LandmarkGraph) -> Floats:
    """[M, E] where the edges of a graph lead, seen from where they begin; strides."""
    graph, points = landmarks.graph, landmarks.embedding
    return (points[graph.targets] - points[graph.sources]) / np.float32(landmarks.stride)


@final
class SignpostGuide:
    """Walks from signpost to signpost (see :class:`planners.landmarks.Guide`).

    No landmark is passed twice: where the signposts would lead in a circle, the next best way is taken. What is known
    to be dear about a way counts against it, but nothing is searched: what lies beyond it comes as a surprise.

    Args:
        signpost: the level's network.
        landmarks: the level's graph.
    """

    def __init__(self, signpost: Signpost, landmarks: LandmarkGraph) -> None:
        self.signpost, self.landmarks = signpost, landmarks
        self.ways, self.softness = ways_on(landmarks), signpost.softness * landmarks.stride
        points = torch.from_numpy(landmarks.embedding).to(signpost.centre.device)
        with torch.no_grad():
            self.described = signpost.describe(points)

    def __call__(
        self, begins: Ints, begin_costs: Floats, ends: Ints, end_costs: Floats, extra: Floats | None
    ) -> PathResult:
        """From the nearest of the landmarks around the present place to one of those around the target."""
        graph, nearest = self.landmarks.graph, int(end_costs.argmin())
        goal, ring = int(ends[nearest]), set(ends[end_costs <= end_costs[nearest] + self.landmarks.stride].tolist())
        nodes, edges = [int(begins[begin_costs.argmin()])], list[int]()
        while nodes[-1] not in ring:
            edge = self._way_on(nodes[-1], goal, set(nodes), extra)
            if edge == NONE:
                return _result(nodes, [], np.inf)
            edges.append(edge)
            nodes.append(int(graph.targets[edge]))
        paid = graph.costs[edges].sum() + (0.0 if extra is None else extra[edges].sum())
        last = float(end_costs[ends == nodes[-1]].min())
        return _result(nodes, edges, float(begin_costs.min() + paid) + last)

    def _way_on(self, here: int, goal: int, passed: set[int], extra: Floats | None) -> int:
        """The number of the edge to take; NONE where all of them lead back."""
        graph, tolls = self.landmarks.graph, self.landmarks.tolls
        edges = np.arange(graph.indptr[here], graph.indptr[here + 1])
        edges = edges[[int(end) not in passed for end in graph.targets[edges]]]
        if not len(edges):
            return NONE
        with torch.no_grad():
            heading = self.signpost(self.described[here], self.described[goal]).cpu().numpy()
        price = sum((cost[edges] for cost in (tolls, extra) if cost is not None), np.zeros(len(edges), np.float32))
        return int(edges[(self.ways[edges] @ heading - price / self.softness).argmax()])


def _result(nodes: list[int], edges: list[int], cost: float) -> PathResult:
    """A walk as the result of a search that looked at nothing else; with an infinite cost, one that got nowhere."""
    walked, found = np.array(nodes, np.int32), bool(np.isfinite(cost))
    return PathResult(
        found=found,
        nodes=walked if found else walked[:0],
        edges=np.array(edges, np.int64),
        cost=cost,
        expanded=len(nodes),
        order=walked,
        came_from=np.arange(-1, len(nodes) - 1, dtype=np.int32),
        complete=True,
    )
