"""Long-term memory: recorded observations, the landmarks chosen from them, and the edges that the model predicts.

Everything here is made from transitions and the model's predictions. No map enters.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hjepa.chances import chance_nodes, judged
from hjepa.world_model import WorldModel
from planners.graph import SearchGraph, bounded_distances, strongly_connected_components
from planners.landmarks import LandmarkGraph
from planners.neighbors import NeighborIndex

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class MemoryConfig:
    """How landmarks and their edges are made.

    Attributes:
        spacing: distance between the landmarks of level 2, in strides.
        coarse_spacing: the same for the levels above, in strides of theirs.
        snap: a predicted state stands for every landmark within this many spacings of it.
        tolerance: an edge that the level below finds longer than this many strides is rejected.
        min_visits: landmarks with fewer remembered observations within the spacing are dropped: a path through a
            place seen only once is not to be trusted.
        min_component: landmarks that edges join to less than this share of all are dropped: a search that enters
            such a pocket cannot leave it, and the level below knows the way in.
    """

    spacing: float = 0.5
    coarse_spacing: float = 0.5
    snap: float = 1.0
    tolerance: float = 1.67
    min_visits: int = 3
    min_component: float = 0.05


@dataclass(frozen=True)
class Verification:
    """What the level below said about one level's predicted edges.

    Attributes:
        proposed: edges that the predictor proposed.
        accepted: those that the level below could follow within the tolerance.
    """

    proposed: int
    accepted: int


@torch.no_grad()
def build_landmarks(
    stack: WorldModel, observations: Tensor, config: MemoryConfig = MemoryConfig(), levels: int | None = None
) -> tuple[dict[int, LandmarkGraph], dict[int, Verification]]:
    """Chooses every level's landmarks and predicts the edges between them, from level 2 up.

    Landmarks are nested: those of level ``k`` are some of level ``k - 1``'s, so that the level below can be asked how
    long an edge really is.

    Args:
        stack: a trained stack.
        observations: [N, O] remembered observations.
        config: how.
        levels: the highest level wanted; all by default.

    Returns:
        The graphs, and what verification found, by level.

    Raises:
        ValueError: where no place was visited often enough to be a landmark, or no edge was verified.
    """
    graphs: dict[int, LandmarkGraph] = {}
    verified: dict[int, Verification] = {}
    keep = np.arange(len(observations))
    top = levels or len(stack)
    risky = np.zeros(len(keep), np.bool_)
    for k in range(2, top + 1):
        stride = stack.level(k).config.stride
        spacing = stride * (config.spacing if k == 2 else config.coarse_spacing)
        points = _embed(stack, observations[keep], k)
        chosen = _landmarks(points, spacing, config.min_visits if k == 2 else 1, ~risky)
        if not len(chosen):
            raise ValueError(_no_landmarks(len(observations), k, spacing, config))
        edges = _proposed(stack, observations[keep[chosen]], k, config.snap * spacing)
        costs = (
            _critic_distance(stack, observations[keep[chosen]], edges)
            if k == 2
            else path_costs(graphs[k - 1].graph, chosen, edges, config.tolerance * stride)
        )
        good = costs <= config.tolerance * stride
        risky, leads = judged(stack, observations[keep[chosen]], edges) if k == 2 else (risky[chosen], good)
        good &= leads
        verified[k] = Verification(len(edges), int(good.sum()))
        if len(chosen) > 1 and not good.any():
            raise ValueError(_no_edges(len(observations), k, len(chosen), len(edges)))
        graph, joined = _without_pockets(len(chosen), edges[good], costs[good], config.min_component, risky)
        chosen, risky = chosen[joined], risky[joined]
        keep = keep[chosen]
        graphs[k] = LandmarkGraph(
            level=k,
            states=stack.encode(observations[keep], k).cpu().numpy(),
            embedding=points[chosen],
            measure=_embed(stack, observations[keep], min(k + 1, top)),
            observations=observations[keep].cpu().numpy(),
            below=chosen,
            graph=graph,
            stride=stride,
        )
        if risky.any():
            chances = chance_nodes(stack, graphs[k], graphs.get(k - 1), risky, 2 * spacing, config.tolerance * stride)
            graphs[k] = replace(graphs[k], chances=chances)
    return graphs, verified


def _no_landmarks(observations: int, k: int, spacing: float, config: MemoryConfig) -> str:
    return (
        f"level {k}: none of the places in {observations:,} remembered observations has memory.min_visits = "
        f"{config.min_visits} of them within {spacing:g} steps; record more data, remember more (train.memory), "
        "or lower memory.min_visits"
    )


def _no_edges(observations: int, k: int, landmarks: int, proposed: int) -> str:
    return (
        f"level {k}: the level below could follow none of the {proposed} edges predicted between {landmarks} landmarks "
        f"from {observations:,} remembered observations; record or remember more (train.memory), train longer, or use "
        "fewer levels"
    )


def _without_pockets(nodes: int, edges: Ints, costs: Floats, share: float, risky: Mask) -> tuple[SearchGraph, Ints]:
    """The graph without its small strongly connected components, and the numbers of the nodes that stay.

    Chance nodes, which no edge leaves, stay where one leads to them.
    """
    graph = SearchGraph.from_edges(nodes, edges[:, 0], edges[:, 1], costs)
    component = strongly_connected_components(graph)
    sizes = np.bincount(component)
    stays = sizes[component] >= max(share * nodes, min(2, nodes))
    if not stays.any():
        stays = sizes[component] == sizes.max()
    stays[edges[stays[edges[:, 0]] & risky[edges[:, 1]], 1]] = True
    number = np.cumsum(stays) - 1
    inside = stays[edges].all(1)
    ends = number[edges[inside]]
    return SearchGraph.from_edges(int(stays.sum()), ends[:, 0], ends[:, 1], costs[inside]), np.flatnonzero(stays)


def _embed(stack: WorldModel, observations: Tensor, k: int) -> Floats:
    blocks = [stack.level(k).critic.embed(stack.encode(block, k)) for block in observations.split(65_536)]
    return torch.cat(blocks).cpu().numpy()


def _landmarks(points: Floats, spacing: float, min_visits: int, ordinary: Mask) -> Ints:
    """Numbers of well-spread points, the most visited places first, ascending; chance nodes are all kept.

    Busy places first, because they are where recorded paths agree: the middle of a corridor rather than its wall. A
    finer net goes before, so that visits need not be counted around every remembered point.
    """
    candidates = NeighborIndex(points, 0.5 * spacing).net(np.flatnonzero(ordinary))
    visits = NeighborIndex(points, spacing).count(points[candidates])
    order = np.argsort(-visits, kind="stable")
    order = order[visits[order] >= min_visits]
    chosen = candidates[NeighborIndex(points[candidates], spacing).net(order)]
    return np.sort(np.concatenate([chosen, np.flatnonzero(~ordinary)]))


def _proposed(stack: WorldModel, observations: Tensor, k: int, snap: float) -> Ints:
    """[M, 2] edges: from each landmark, the landmarks around where each code is predicted to lead."""
    level = stack.level(k)
    states = stack.encode(observations, k)
    index = NeighborIndex(level.critic.embed(states).cpu().numpy(), snap)
    edges = []
    for first in range(0, len(states), 1024):
        block = states[first : first + 1024]
        landed = level.predictor(
            block.unsqueeze(1).expand(-1, len(level.codebook), -1),
            level.codebook.expand(len(block), -1, -1),
        )
        query, end = index.within(level.critic.embed(landed).flatten(0, 1).cpu().numpy())
        begin = first + query // len(level.codebook)
        pairs = np.unique((begin * len(states) + end)[begin != end])
        edges.append(np.stack([pairs // len(states), pairs % len(states)], 1))
    return np.concatenate(edges)


def _critic_distance(stack: WorldModel, observations: Tensor, edges: Ints) -> Floats:
    """[M] world steps along level-2 edges, as level 1 judges them."""
    points = _embed(stack, observations, 1)
    return np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)


def path_costs(graph: SearchGraph, landmarks: Ints, edges: Ints, limit: float) -> Floats:
    """[M] world steps along edges between some landmarks of the level below, by its own shortest paths."""
    only = np.zeros(graph.num_nodes, bool)
    only[landmarks] = True
    balls = bounded_distances(graph, landmarks, limit, only=only)
    number = np.full(graph.num_nodes, -1)
    number[landmarks] = np.arange(len(landmarks))
    source = np.repeat(np.arange(len(landmarks)), np.diff(balls.indptr))
    known = source * len(landmarks) + number[balls.nodes]
    order = np.argsort(known)
    wanted = edges[:, 0] * len(landmarks) + edges[:, 1]
    place = np.minimum(np.searchsorted(known[order], wanted), len(known) - 1)
    hit = known[order][place] == wanted
    return np.where(hit, balls.costs[order][place], np.inf)
