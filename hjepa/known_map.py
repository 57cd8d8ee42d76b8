"""An agent that sees the map: a world model whose levels are given instead of learned.

Every level's state is the observation itself, the ball's position. A macro-action is a push: the world's action, held
for a stride; the predictor knows where the ball then slides along which wall. Distances are those of the straight way.
Landmarks are a lattice over the free floor. As with a learned model, edges are predicted, then verified by the level
below, and whatever plans over a stack plans over this one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from hjepa.agent import Agent, Experiment
from hjepa.floor import Floor, FloorError, Points
from hjepa.level import LevelConfig
from hjepa.memory import Verification, path_costs
from hjepa.stack import StackConfig
from planners.graph import SearchGraph, SearchWorkspace, reachable
from planners.landmarks import LandmarkGraph
from planners.neighbors import NeighborIndex

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]

STRIDES = (1 / 2, 3, 15)
"""Strides of levels 2, 3 and 4 in cells: where a cell is 20 steps wide, 10, 60 and 300 world steps."""
DIRECTIONS = 16
LENGTHS = (0.5, 1.0)
"""Macro-actions of the codebook: shares of the longest push."""
REACH = 5 / 3
"""An edge is at most this many strides long: that of a trained agent's verified edges."""
SPACING = 0.5
"""Distance between the landmarks of a level above the second, in strides of theirs."""


class Fork(NamedTuple):
    """Where chance decides.

    Attributes:
        place: [2] where it happens, world position.
        outcomes: [m, 2] where it may lead.
        probabilities: [m] how likely.
    """

    place: Points
    outcomes: Points
    probabilities: NDArray[np.float32]


class KnownLevel:
    """One level of a known map; see :class:`hjepa.world_model.WorldLevel`.

    Args:
        floor: where the ball rolls.
        stride: world steps of one prediction.
        speed: world units per world step of a full push along an axis.
    """

    def __init__(self, floor: Floor, stride: int, speed: float) -> None:
        self.floor, self.speed, self.push = floor, speed, stride * speed
        self.codebook = _pushes()
        self.support = torch.tensor([[-1.0, -1.0], [1.0, 1.0]])
        self.change = (self.push * self.codebook).square().mean()
        self.config = LevelConfig(stride, state_dim=2, macro_dim=2, critic_dim=2, codes=len(self.codebook))

    @property
    def critic(self) -> KnownLevel:
        """The straight way tells world steps, at all levels alike."""
        return self

    def embed(self, states: Tensor) -> Tensor:
        """[..., 2] positions in world units to [..., 2] positions in world steps."""
        return states / self.speed

    def predictor(self, states: Tensor, actions: Tensor) -> Tensor:
        """[..., 2] positions and pushes, in -1 .. 1, to the [..., 2] positions one stride later."""
        return self.floor.walk(states, self.push * actions.clamp(-1, 1))


class KnownMap:
    """A stack of given levels; see :class:`hjepa.world_model.WorldModel`.

    Args:
        floor: where the ball rolls.
        strides: world steps of one prediction, finest level first.
        speed: world units per world step of a full push along an axis.
        forks: where chance decides; for pictures, as the predictor has no latent variable.
    """

    def __init__(self, floor: Floor, strides: Sequence[int], speed: float, forks: Sequence[Fork] = ()) -> None:
        self.floor, self.forks = floor, tuple(forks)
        self.scale = torch.ones(())
        self._levels = [KnownLevel(floor, stride, speed) for stride in strides]
        self.config = StackConfig(levels=tuple(level.config for level in self._levels))

    def __len__(self) -> int:
        return len(self._levels)

    def level(self, k: int) -> KnownLevel:
        """Level ``k``, counted from 1 (the finest)."""
        return self._levels[k - 1]

    def encode(self, observations: Tensor, k: int = 1) -> Tensor:
        """The state of every level is the observation."""
        return observations

    def encode_all(self, observations: Tensor) -> list[Tensor]:
        """The observation, once for each level."""
        return [observations] * len(self)

    def raise_states(self, states: Tensor, k: int, to: int) -> Tensor:
        """The state of every level is the same."""
        return states

    def decode(self, states: Tensor, k: int = 1) -> Tensor:
        """The observation is the state."""
        return states


def map_agent(
    walls: ArrayLike,
    corner: tuple[float, float],
    size: float,
    levels: int = 3,
    *,
    speed: float = 0.2,
    radius: float = 0.7,
    entrances: ArrayLike = (),
    exits: ArrayLike = (),
) -> Agent:
    """An agent that is given a map instead of having learned a world. It is made in milliseconds: anew for every edit.

    Args:
        walls: [rows, columns] true where there is wall; columns count along x, rows along y.
        corner: (x, y) of the outer corner of cell (0, 0), world units.
        size: side of a cell, world units.
        levels: 1 to 4.
        speed: world units per world step of a full push along an axis.
        radius: of the ball, world units.
        entrances: [n, 2] portals, world positions. Where a portal leads is a matter of luck, so plans lead around it.
        exits: [m, 2] where portals lead, world positions.

    Raises:
        FloorError: for walls that leave no room, or other numbers that make no map.
    """
    strides = _strides(levels, size, speed)
    floor = Floor(np.asarray(walls, bool), corner, size, radius).without(entrances)
    stack = KnownMap(floor, strides, speed, portal_forks(entrances, exits))
    graphs, verified = _landmark_graphs(stack)
    return Agent(stack, Experiment(stack=stack.config), graphs, {"name": "sees the map"}, verified)


def portal_forks(entrances: ArrayLike, exits: ArrayLike) -> list[Fork]:
    """What is known of portals: each of [n, 2] entrances leads to any of [m, 2] exits, all equally likely."""
    places, outcomes = (np.asarray(points, np.float32).reshape(-1, 2) for points in (entrances, exits))
    chances = np.full(len(outcomes), 1 / max(1, len(outcomes)), np.float32)
    return [Fork(place, outcomes, chances) for place in places]


def _strides(levels: int, size: float, speed: float) -> list[int]:
    """World steps of one prediction of each level, each a multiple of the one below."""
    if not 1 <= levels <= 1 + len(STRIDES):
        raise FloorError(f"levels must be 1 to {1 + len(STRIDES)}, not {levels!r}")
    if not 0 < speed <= size / 4:
        raise FloorError(f"speed must be above 0 and at most a quarter of a cell ({size / 4:g}), not {speed!r}")
    finest = round(STRIDES[0] * size / speed)
    return [1, *(finest * round(stride / STRIDES[0]) for stride in STRIDES)][:levels]


def _pushes() -> Tensor:
    """[codes, 2] pushes in all directions, by a share of the longest; along an axis that is 1."""
    angles = torch.arange(DIRECTIONS) * (2 * math.pi / DIRECTIONS)
    around = torch.stack([angles.cos(), angles.sin()], -1)
    return (torch.tensor(LENGTHS)[:, None, None] * around).flatten(0, 1)


def _landmark_graphs(stack: KnownMap) -> tuple[dict[int, LandmarkGraph], dict[int, Verification]]:
    """Every level's landmarks, nested, and what became of the edges between them."""
    places = _lattice(stack.floor)
    if not len(places):
        raise FloorError("walls leave no room for the ball; at least one cell must be free")
    graphs: dict[int, LandmarkGraph] = {}
    verified: dict[int, Verification] = {}
    for k in range(2, len(stack) + 1):
        stride = stack.level(k).config.stride
        below = np.arange(len(places)) if k == 2 else _net(graphs[k - 1].graph, SPACING * stride)
        places = places[below]
        begin, end = _pairs(stack, places, REACH * stride)
        costs = (
            _straight(stack, places, begin, end)
            if k == 2
            else path_costs(graphs[k - 1].graph, below, np.stack([begin, end], 1), REACH * stride)
        )
        good = costs <= REACH * stride
        graph = SearchGraph.from_edges(len(places), begin[good], end[good], costs[good])
        steps = stack.level(k).embed(torch.from_numpy(places)).numpy()
        graphs[k] = LandmarkGraph(k, places, steps, steps, places, below, graph, stride)
        verified[k] = Verification(len(begin), graph.num_edges)
    return graphs, verified


def _lattice(floor: Floor) -> Points:
    """[L, 2] every second point of a grid, chequered, a quarter of a cell apart: a few in every free cell."""
    rows, columns = floor.walls.shape
    j, i = np.meshgrid(np.arange(1, 4 * columns), np.arange(1, 4 * rows))
    chequered = (i + j) % 2 == 0  # the middle of every cell is one
    grid = np.stack([j[chequered], i[chequered]], 1) * (floor.size / 4) + np.array(floor.corner)
    points = grid.astype(np.float32)
    return points[floor.fits(points)]


def _pairs(stack: KnownMap, places: Points, reach: float) -> tuple[Ints, Ints]:
    """All pairs of places that are at most so many world steps apart as the crow flies: edges, as predicted."""
    steps = stack.level(1).embed(torch.from_numpy(places)).numpy()
    begin, end = NeighborIndex(steps, reach).within(steps)
    return begin[begin != end], end[begin != end]


def _straight(stack: KnownMap, places: Points, begin: Ints, end: Ints) -> Floats:
    """[M] world steps of straight ways, as level 1 finds them: infinite where a wall is met."""
    free = stack.floor.straight(places[begin], places[end])
    steps = np.linalg.norm(places[end] - places[begin], axis=1) / stack.level(1).speed
    return np.where(free, steps, np.inf)


def _net(graph: SearchGraph, spacing: float) -> Ints:
    """Numbers of nodes, ascending, so that every node has one within so many world steps, round all walls.

    Those with many ways on come first: the middle of a corridor rather than its wall, a crossing rather than its arms.
    """
    workspace, covered = SearchWorkspace(graph.num_nodes), np.zeros(graph.num_nodes, bool)
    chosen = []
    for node in np.argsort(-np.diff(graph.indptr), kind="stable"):
        if not covered[node]:
            chosen.append(node)
            covered[reachable(graph, [node], [0.0], spacing, workspace=workspace)[0]] = True
    return np.sort(chosen)
