"""How many steps an agent thinks a place is away from a goal: for pictures, not for planning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from hjepa.agent import Agent
from planners.graph import distances_to
from planners.neighbors import NeighborIndex

NEIGHBORS = 6
BLOCK = 1024  # places at once: bounds the table of distances to all landmarks
SAMPLE = 256  # places that tell how far away landmarks usually are
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Located:
    """Places as one level of an agent knows them, whatever the goal.

    Attributes:
        level: whose critic space.
        points: [M, E] the places in it.
        entries: [M, n] the landmarks nearest to each; n is 0 where the level has none.
        costs: [M, n] the critic's distances to them; world steps.
    """

    level: int
    points: Floats
    entries: NDArray[np.int64]
    costs: Floats

    @property
    def unfamiliar(self) -> Floats:
        """[M] world steps to the nearest landmark; infinite where there is none."""
        return self.costs.min(1, initial=np.inf)


def locate(agent: Agent, places: ArrayLike, level: int = 2) -> Located:
    """Looks up [M, O] places in a level's critic space (in that of the topmost level, if there are fewer)."""
    k = min(level, len(agent.stack))
    points = _embed(agent, places, k)
    if k not in agent.graphs:
        return Located(k, points, np.empty((len(points), 0), np.int64), np.empty((len(points), 0)))
    return Located(k, points, *_nearest(points, agent.graphs[k].embedding))


def remaining_steps(agent: Agent, goal: ArrayLike, located: Located) -> Floats:
    """[M] world steps from located places to a goal ([O] observation); infinite where the agent knows no way."""
    end = _embed(agent, np.asarray(goal)[None], located.level)
    straight = np.linalg.norm(located.points - end, axis=1)
    if located.level not in agent.graphs:
        return straight
    landmarks = agent.graphs[located.level]
    arrivals, arrival_costs = _nearest(end, landmarks.embedding)
    remaining = distances_to(landmarks.graph, arrivals[0], arrival_costs[0])
    around = _shortest(located.costs, remaining[located.entries])
    return np.where(straight <= landmarks.stride, np.minimum(straight, around), around)


def cost_to_go(agent: Agent, goal: ArrayLike, level: int = 2) -> Callable[[ArrayLike], Floats]:
    """The agent's own estimate of the way to a goal, from anywhere.

    From a landmark of the level it is the shortest path in the landmark graph; from another place, the critic's
    distance to a nearby landmark (one that agrees with the nearest) and the path from there. Level 1 has no landmarks,
    only its critic.

    Args:
        agent: who estimates.
        goal: [O] observation of the goal.
        level: whose estimate; that of the topmost level, if there are fewer.

    Returns:
        A function of [M, O] observations to [M] world steps; infinite where the agent knows no way.
    """
    return lambda places: remaining_steps(agent, goal, locate(agent, places, level))


def _shortest(entry_costs: Floats, remaining: Floats) -> Floats:
    """[M] the shortest way over [M, n] landmarks: there by the critic, and on by the graph.

    Left out are landmarks that contradict the nearest one: where two ways on differ by more than the way from one
    landmark over the place to the other, the critic sees through a wall. The nearer landmark is to be believed.
    """
    known = np.where(np.isfinite(remaining), entry_costs, np.inf)
    nearest = known.argmin(1)[:, None]
    detour = entry_costs + np.take_along_axis(entry_costs, nearest, 1)
    reference = np.take_along_axis(remaining, nearest, 1)
    finite = np.isfinite(remaining) & np.isfinite(reference)
    apart = np.abs(np.subtract(remaining, reference, where=finite, out=np.full_like(remaining, np.inf)))
    return np.where(apart <= detour, entry_costs + remaining, np.inf).min(1)


@torch.no_grad()
def _embed(agent: Agent, places: ArrayLike, k: int) -> Floats:
    """[M, O] places to [M, E] points in the critic space of level ``k``."""
    observations = torch.as_tensor(np.asarray(places), dtype=torch.float32, device=agent.stack.scale.device)
    return agent.stack.level(k).critic.embed(agent.stack.encode(observations, k)).cpu().numpy().astype(np.float64)


def _nearest(points: Floats, landmarks: NDArray[np.float32]) -> tuple[NDArray[np.int64], Floats]:
    """[M, n] the landmarks nearest to each of [M, E] points, and the [M, n] distances to them."""
    count = min(NEIGHBORS, len(landmarks))
    numbers, distances = np.empty((len(points), count), np.int64), np.empty((len(points), count))
    left = np.arange(len(points))
    radius = 1.2 * _table(points[:: 1 + len(points) // SAMPLE], landmarks, count)[1].max(initial=0.0)
    if radius > 0 and len(points) * len(landmarks) > BLOCK**2:
        index = NeighborIndex(landmarks, radius)
        query, near = index.within(points.astype(np.float32))
        apart = np.linalg.norm(points[query] - landmarks[near], axis=1)
        order = np.lexsort((apart, query))
        rank = np.arange(len(query)) - np.searchsorted(query, query)
        enough = np.bincount(query, minlength=len(points)) >= count
        chosen = order[(rank < count) & enough[query]]
        numbers[enough], distances[enough] = near[chosen].reshape(-1, count), apart[chosen].reshape(-1, count)
        left = np.flatnonzero(~enough)
    for first in range(0, len(left), BLOCK):
        block = left[first : first + BLOCK]
        numbers[block], distances[block] = _table(points[block], landmarks, count)
    return numbers, distances


def _table(points: Floats, landmarks: NDArray[np.float32], count: int) -> tuple[NDArray[np.int64], Floats]:
    """What :func:`_nearest` finds, by measuring all distances."""
    table = torch.cdist(torch.from_numpy(points), torch.from_numpy(landmarks).double())
    near = table.float().topk(count, largest=False, sorted=False).indices  # twice as fast in single precision
    return near.numpy(), table.gather(1, near).numpy()
