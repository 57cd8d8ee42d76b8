"""A plane with walls, for any number of levels; the world is made of plain functions.

Every level has a state and a critic space of its own (a multiple of the position; a rotated and shifted copy of the
plane), so that a mix-up of levels or spaces leads astray.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from planners.base import Box, Plan, rollout
from planners.graph import SearchGraph, bounded_distances
from planners.hierarchy import Controller, HierarchicalPlanner, PlanningLevel, Session, SubgoalCost
from planners.landmarks import LandmarkGraph, LandmarkPlanner, PathPlanner
from planners.neighbors import NeighborIndex

STRIDES = (1, 5, 15, 45)
COMMIT = 2
SIZE = 60.0


def serpentine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[...] whether the way between [..., 2] places is barred: walls at x = 20 up to y = 50 and at x = 40 from 10."""
    crossed = np.zeros(np.broadcast_shapes(a.shape, b.shape)[:-1], bool)
    for x, barred in ((20.0, lambda y: y < 50), (40.0, lambda y: y > 10)):
        with np.errstate(divide="ignore", invalid="ignore"):
            share = (x - a[..., 0]) / (b[..., 0] - a[..., 0])
            y = a[..., 1] + share * (b[..., 1] - a[..., 1])
        crossed |= ((a[..., 0] < x) != (b[..., 0] < x)) & barred(y)
    return crossed


def move(positions: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """One step of the world: whoever walks into a wall slides along it."""
    for axis in np.eye(2, dtype=np.float32):
        moved = positions + axis * np.clip(actions, -1, 1)
        positions = np.where(serpentine(positions, moved)[:, None], positions, moved)
    return positions.astype(np.float32)


def critic_space(k: int, positions: Any) -> Any:
    """[..., 2] positions to level ``k``'s critic space; distances stay, and one unit takes one world step."""
    turn = [[math.cos(0.7 * k), math.sin(0.7 * k)], [-math.sin(0.7 * k), math.cos(0.7 * k)]]
    if isinstance(positions, Tensor):
        return positions @ torch.tensor(turn, dtype=positions.dtype) + 10 * k
    return (positions @ np.array(turn) + 10 * k).astype(np.float32)


def state_of(k: int, positions: Any) -> Any:
    return positions * float(k)


class Walker:
    """Level 1's model of the world: one step of at most one unit along each axis, walls unknown."""

    actions = Box(-torch.ones(2), torch.ones(2))

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        return state + action


@dataclass
class Straight:
    """A controller without randomness: walks straight to the subgoal, and keeps what it was asked."""

    horizon: int = 4
    targets: list[Tensor] = field(default_factory=list)

    def plan(self, dynamics, cost, start, *, budget=None, warm_start=None, generator=None, recorder=None) -> Plan:
        assert isinstance(cost, SubgoalCost)
        self.targets.append(cost.target)
        way = cost.target - cost.measure(start)
        undo = critic_space(2, torch.eye(2)) - critic_space(2, torch.zeros(2))
        way = way @ undo.T
        length = way.norm(dim=-1, keepdim=True)
        moves = [(way / length.clamp_min(1e-6)) * (length - t).clamp(0, 1) for t in range(self.horizon)]
        actions = torch.stack(moves, 1)
        done = torch.ones(len(start), dtype=torch.bool)
        return Plan(actions, rollout(dynamics, start, actions), length[:, 0], done, model_calls=actions.shape[1])


def fine_places(margin: float) -> np.ndarray:
    """A square grid, at least a margin off the walls."""
    axis = np.arange(1.25, SIZE, 2.5)
    x, y = (part.reshape(-1) for part in np.meshgrid(axis, axis))
    near = ((np.abs(x - 20) < margin) & (y < 50 + margin)) | ((np.abs(x - 40) < margin) & (y > 10 - margin))
    return np.stack([x, y], 1)[~near].astype(np.float32)


def build_graphs(levels: int, margin: float = 4.0) -> dict[int, LandmarkGraph]:
    """Nested landmarks whose edges respect the walls, as a verified memory has them.

    The critic spaces know no walls: with a smaller margin, landmarks behind one look near.
    """
    graphs: dict[int, LandmarkGraph] = {}
    places = fine_places(margin)
    for k in range(2, levels + 1):
        stride = STRIDES[k - 1]
        if k == 2:
            chosen = np.arange(len(places))
            apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
            edges = np.argwhere((apart <= stride) & (apart > 0) & ~serpentine(places[:, None], places[None]))
            costs = apart[edges[:, 0], edges[:, 1]]
        else:
            chosen = NeighborIndex(places, 0.5 * stride).net(np.arange(len(places)))
            balls = bounded_distances(graphs[k - 1].graph, chosen, 1.5 * stride)
            number = np.full(len(places), -1)
            number[chosen] = np.arange(len(chosen))
            source, end = np.repeat(np.arange(len(chosen)), np.diff(balls.indptr)), number[balls.nodes]
            keep = (end >= 0) & (end != source)
            edges, costs = np.stack([source[keep], end[keep]], 1), balls.costs[keep]
        places = places[chosen]
        graph = SearchGraph.from_edges(len(places), edges[:, 0], edges[:, 1], costs)
        above = min(k + 1, levels)
        graphs[k] = LandmarkGraph(
            k, state_of(k, places), critic_space(k, places), critic_space(above, places), places, chosen, graph, stride
        )
    return graphs


def embed_of(k: int, above: int | None = None) -> Callable[[Tensor], Tensor]:
    return lambda states: critic_space(above or k, states / k)


def make(
    graphs: dict[int, LandmarkGraph], controller: Any = None, planners: dict[int, PathPlanner] | None = None
) -> HierarchicalPlanner:
    """The hierarchy over levels 1 .. 1 + len(graphs)."""
    finer, levels = None, []
    for k in range(2, len(graphs) + 2):
        stride = STRIDES[k - 1]
        planner = finer = LandmarkPlanner(graphs[k], finer, attach=0.75)
        planner = (planners or {}).get(k, planner)
        levels.append(PlanningLevel(planner, embed_of(k), 1.2 * stride, 3.0 * stride, 2.5 * stride))
    target = min(2, len(graphs) + 1)
    return HierarchicalPlanner(Controller(controller or Straight(), Walker(), embed_of(1), embed_of(1, target)), levels)


def begin(planner: HierarchicalPlanner, goals: np.ndarray) -> Session:
    return planner.start([critic_space(k, torch.from_numpy(goals)) for k in range(1, len(planner) + 1)])


def decide(planner: HierarchicalPlanner, positions: np.ndarray, session: Session, **options: Any) -> Plan:
    here = torch.from_numpy(positions)
    return planner.plan([state_of(k, here) for k in range(1, len(planner) + 1)], session, **options)


def walk(
    planner: HierarchicalPlanner, starts: Any, goals: Any, steps: int
) -> tuple[np.ndarray, list[list[list[str]]], Session]:
    """[T+1, B, 2] where the problems went, and each decision's events."""
    positions, goals = np.array(starts, np.float32), np.array(goals, np.float32)
    session, trail, events = begin(planner, goals), [positions], []
    for decision in range(steps // COMMIT):
        plan = decide(planner, positions, session, elapsed=0.0 if decision == 0 else float(COMMIT))
        events.append(session.events)
        for action in plan.actions[:, :COMMIT].numpy().swapaxes(0, 1):
            positions = move(positions, action)
            trail.append(positions)
    return np.stack(trail), events, session


STARTS = [[2, 2], [10, 55], [55, 5], [30, 30]]
GOALS = [[58, 57], [58, 3], [3, 3], [31, 33]]
