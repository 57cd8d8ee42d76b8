"""The agent's own ways through level 2's landmarks, and where they pass: what a learned cost is held against.

A landmark graph is small. What each of its edges spends at each bump of the cost is known once, and so is which share
of it a demonstration has in common with it: ways under another cost are then a few searches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hjepa.agent import Agent
from hjepa.preference import Bumps, embed, in_motion, wendland
from planners.landmarks import LandmarkPlanner, Query, Target
from planners.neighbors import NeighborIndex

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

LEVEL = 2
"""The level whose landmarks say how the agent would have gone: the finest that knows a way round a wall."""
SAMPLES = 8
"""Places along an edge at which is looked up where it passes."""


@final
@dataclass(frozen=True, eq=False)
class Ways:
    """M ways of some tasks.

    Attributes:
        owner: [M] the task of each.
        time: [M] world steps.
        occupancy: [M, C] world steps spent at each bump.
        elsewhere: [M] world steps spent where the demonstration of the task does not pass.
    """

    owner: Tensor
    time: Tensor
    occupancy: Tensor
    elsewhere: Tensor

    def __len__(self) -> int:
        return len(self.owner)

    def joined(self, other: Ways) -> Ways:
        """These, and others after them."""
        names = ("owner", "time", "occupancy", "elsewhere")
        return Ways(**{name: torch.cat([getattr(self, name), getattr(other, name)]) for name in names})


@final
class Roads:
    """Finds ways between the ends of demonstrations, and tells what they have in common with them.

    Args:
        agent: whose ways.
        shown: [T, O] demonstrations, paced: one for each task.
        bumps: over places, and over motions.
        leeway: in their reach; whoever passes within it, heading the same way, passes the same place.
    """

    @torch.no_grad()
    def __init__(self, agent: Agent, shown: Sequence[Tensor], bumps: Sequence[Bumps], leeway: float) -> None:
        self.stack, self.landmarks = agent.stack, agent.graphs[LEVEL]
        self.shown, self.reach, self.leeway = list(shown), bumps[0].reach, leeway
        self.kinds = [(one, NeighborIndex(one.centres.numpy(), one.reach)) for one in bumps if len(one)]
        self.queries = [self._query(one[0].numpy(), one[-1].numpy()) for one in self.shown]
        graph, places = self.landmarks.graph, self.landmarks.observations
        points = self._straight(places[graph.sources], places[graph.targets])
        self.time = graph.costs.astype(np.float32)
        self.occupancy = self._occupancy(points, self.time)
        self.shared = np.stack([self._shared(points, one) for one in self.shown])
        self.gone: set[tuple[int, bytes]] = set()

    @torch.no_grad()
    def demonstrated(self) -> Ways:
        """The demonstrations themselves."""
        walks = [embed(self.stack, one)[None] for one in self.shown]
        occupancy = [self._occupancy(walk, np.full(1, walk.shape[1], np.float32)) for walk in walks]
        return _ways([(n, float(len(one)), occupancy[n][0], 0.0) for n, one in enumerate(self.shown)])

    def fresh(self, weights: Tensor, contrary: float = 0.0) -> Ways | None:
        """The best way of each task under a cost, of those ways that were not found before; None if there are none.

        Args:
            weights: [C] heights of the bumps.
            contrary: world steps that a step counts more where the demonstration passes: how far to look for a way that
                differs from it (loss-augmented planning, Ratliff et al., 2006, equation 7).
        """
        priced = self.time + self.occupancy @ weights.numpy()
        found = []
        for number, shared in enumerate(self.shared):
            way = self._planned(number, priced + contrary * shared * self.time)
            if way is not None:
                found.append(self._along(number, *way))
        return _ways(found) if found else None

    def _planned(self, number: int, costs: Floats) -> tuple[Ints, Ints] | None:
        """The landmarks and the edges of the way of one task where edges have [E] costs; None for a known way."""
        graph = replace(self.landmarks.graph, costs=costs.astype(self.landmarks.graph.costs.dtype))
        priced = replace(self.landmarks, graph=graph, tolls=costs - self.time, measure=self.landmarks.embedding)
        (path,) = LandmarkPlanner(priced).paths([self.queries[number]])
        nodes = path.landmarks[path.landmarks >= 0]
        key = (number, nodes.tobytes())
        if not path.found or key in self.gone:
            return None
        self.gone.add(key)
        return nodes, path.edges[path.edges >= 0]

    @torch.no_grad()
    def _along(self, number: int, nodes: Ints, edges: Ints) -> tuple[int, float, Floats, float]:
        """The task, the time, the occupancy, and the time elsewhere, of a way and the two legs that lead to it."""
        shown, places = self.shown[number], self.landmarks.observations
        corners = np.stack([shown[0].numpy(), *places[nodes[[0, -1]] if len(nodes) else nodes], shown[-1].numpy()])
        points = self._straight(corners[:-1:2], corners[1::2])
        time = torch.linalg.vector_norm(points.diff(dim=1), dim=-1).sum(-1).numpy()
        away = time @ (1 - self._shared(points, shown)) + self.time[edges] @ (1 - self.shared[number, edges])
        occupancy = self._occupancy(points, time).sum(0) + self.occupancy[edges].sum(0)
        return number, float(time.sum() + self.time[edges].sum()), occupancy, float(away)

    def _straight(self, begin: Floats, end: Floats) -> Tensor:
        """[N, O] and [N, O] ends to [N, SAMPLES, E] points between them in level 1's critic space."""
        shares = torch.linspace(0, 1, SAMPLES)[:, None]
        return embed(self.stack, torch.lerp(torch.from_numpy(begin)[:, None], torch.from_numpy(end)[:, None], shares))

    def _occupancy(self, points: Tensor, time: Floats) -> Floats:
        """[N, S, E] points, one after the other, and the [N] time spent on them, to [N, C] time at each bump."""
        count, samples = points.shape[:2]
        parts = []
        for (bumps, index), found in zip(self.kinds, (points, in_motion(points, self.reach)), strict=False):
            row, bump, heights = _near(index, bumps.centres.numpy(), found, self.reach)
            spent = heights * (time / samples)[row // samples]
            parts.append(np.bincount(row // samples * len(bumps) + bump, spent, count * len(bumps)).reshape(count, -1))
        return np.concatenate(parts, 1).astype(np.float32)

    def _shared(self, points: Tensor, shown: Tensor) -> Floats:
        """[N, S, E] points, one after the other, to the [N] shares of them where a demonstration passes."""
        own = in_motion(embed(self.stack, shown), self.reach).numpy()
        row, _, heights = _near(NeighborIndex(own, self.reach), own, in_motion(points, self.reach), self.reach)
        highest = np.zeros(points.shape[:2], np.float32).reshape(-1)
        np.maximum.at(highest, row, heights)
        enough = float(wendland(torch.tensor(self.leeway)))
        return np.minimum(highest / enough, 1).reshape(points.shape[:2]).mean(1)

    @torch.no_grad()
    def _query(self, start: Floats, goal: Floats) -> Query:
        here, there = self._points(start), self._points(goal)
        state = self.stack.encode(torch.from_numpy(start), LEVEL).numpy()
        return Query(state, here, Target(there[LEVEL - 1], goal=there))

    def _points(self, place: Floats) -> tuple[Floats, ...]:
        """[O] a place in the critic spaces of the levels up to :data:`LEVEL`."""
        states = self.stack.encode_all(torch.from_numpy(place))[:LEVEL]
        return tuple(self.stack.level(k).critic.embed(state).numpy() for k, state in enumerate(states, 1))


def _near(index: NeighborIndex, centres: Floats, points: Tensor, reach: float) -> tuple[Ints, Ints, Floats]:
    """Pairs of [..., E] points, numbered as they come, and centres within reach, and the heights of bumps there."""
    flat = points.flatten(0, -2).numpy()
    row, centre = index.within(flat)
    apart = torch.from_numpy(np.linalg.norm(flat[row] - centres[centre], axis=-1) / reach)
    return row, centre, wendland(apart).numpy()


def _ways(found: list[tuple[int, float, Floats, float]]) -> Ways:
    owner, time, occupancy, elsewhere = zip(*found, strict=True)
    return Ways(torch.tensor(owner), torch.tensor(time), torch.from_numpy(np.stack(occupancy)), torch.tensor(elsewhere))
