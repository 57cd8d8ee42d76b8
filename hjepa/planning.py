"""Puts an agent's hierarchy together: which planner works at which level."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from hjepa.dynamics import CodeDynamics, LevelDynamics
from hjepa.stack import Stack
from planners.astar import LatentAStar
from planners.base import Box, Planner
from planners.gradient import GradientPlanner
from planners.hierarchy import Controller, HierarchicalPlanner, PlanningLevel
from planners.landmarks import LandmarkGraph, LandmarkPlanner, PathPlanner
from planners.neighbors import NeighborIndex
from planners.sampling import CEM, MPPI
from planners.trajectories import TrajectoryPlanner

Search = Literal["landmarks", "latent", "supported", "gradient", "cem", "mppi"]
Measure = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class PlanningConfig:
    """How an agent plans.

    Attributes:
        search: how the levels above the first plan. ``landmarks``: A* over remembered states and verified edges.
            ``latent``: A* over predicted states, with no landmarks. ``supported``: the same, but only through
            predicted states near remembered ones. ``gradient``, ``cem``, ``mppi``: optimisation of macro-actions.
        commit: world steps for which a decision is followed before the next one.
        horizon: world steps that level 1 looks ahead.
        hold: world steps for which level 1 holds an action within its plan; its subgoals are so near that one
            direction reaches them, and a held action is ten times easier to optimise.
        samples: candidates of level 1 per round.
        iterations: rounds of level 1.
        lookahead: how far along its path level 2 puts the subgoal, in its strides.
        patience: strides without progress after which an edge is rejected.
        off_path: strides away from its path at which a level plans again.
        macro_horizon: macro-actions that ``gradient``, ``cem`` and ``mppi`` plan at once.
    """

    search: Search = "landmarks"
    commit: int = 4
    horizon: int = 5
    hold: int = 5
    samples: int = 32
    iterations: int = 2
    lookahead: float = 1.2
    patience: float = 3.0
    off_path: float = 2.5
    macro_horizon: int = 10


def make_hierarchy(
    stack: Stack,
    graphs: dict[int, LandmarkGraph],
    config: PlanningConfig,
    levels: int,
    generator: torch.Generator,
) -> HierarchicalPlanner:
    """The hierarchical planner of the lowest ``levels`` levels of a stack.

    A flat planner (one level) is measured by the critic of the topmost level, which is trained farthest: the best
    that the checkpoint has to offer for a distant goal.

    Raises:
        ValueError: for a number of levels that the stack does not have.
    """
    if not 1 <= levels <= len(stack):
        raise ValueError(f"levels must be 1 to {len(stack)} for this agent, not {levels}")
    upper: list[PlanningLevel] = []
    below: PathPlanner | None = None
    for k in range(2, levels + 1):
        stride = stack.level(k).config.stride
        below = _path_planner(stack, graphs, config, k, levels, below, generator)
        upper.append(
            PlanningLevel(
                planner=below,
                embed=measure(stack, k, k),
                lookahead=(config.lookahead if k == 2 else 1.0) * stride,
                patience=config.patience * stride,
                off_path=config.off_path * stride,
            )
        )
    target = len(stack) if levels == 1 else 2
    actions = Box(*(sign * torch.ones(stack.config.action_dim, device=stack.scale.device) for sign in (-1, 1)))
    controller = Controller(
        planner=_controller(config),
        dynamics=LevelDynamics(stack.level(1), actions),
        embed=measure(stack, 1, 1),
        measure=measure(stack, 1, target),
    )
    return HierarchicalPlanner(controller, upper)


def measure(stack: Stack, k: int, above: int) -> Measure:
    """States of level ``k`` to the critic space of the same level or of one above it."""

    def embed(states: Tensor) -> Tensor:
        return stack.level(above).critic.embed(stack.raise_states(states, k, above))

    return embed


def _controller(config: PlanningConfig) -> Planner:
    if config.search == "gradient":
        return GradientPlanner(horizon=config.horizon, hold=config.hold, restarts=4, iterations=10)
    return CEM(
        horizon=config.horizon, hold=config.hold, samples=config.samples, iterations=config.iterations, init_std=1.0
    )


def _path_planner(
    stack: Stack,
    graphs: dict[int, LandmarkGraph],
    config: PlanningConfig,
    k: int,
    levels: int,
    finer: PathPlanner | None,
    generator: torch.Generator,
) -> PathPlanner:
    if config.search == "landmarks":
        landmarks = graphs[k] if k < levels else replace(graphs[k], measure=graphs[k].embedding)
        assert finer is None or isinstance(finer, LandmarkPlanner)
        return LandmarkPlanner(landmarks, finer)
    level, stride = stack.level(k), stack.level(k).config.stride
    if config.search in ("latent", "supported"):
        support = _support(stack, graphs, k) if config.search == "supported" else None
        resolution = 0.5 * float(level.change.sqrt())
        planner: Planner = LatentAStar(
            resolution=resolution, stride=stride, weight=1.5, max_expansions=4000, valid=support
        )
        dynamics: CodeDynamics | LevelDynamics = CodeDynamics(level)
    else:
        planner, dynamics = _optimiser(config), LevelDynamics(level)
    return TrajectoryPlanner(
        planner,
        dynamics,
        embed=measure(stack, k, k),
        measure=measure(stack, k, min(k + 1, levels)),
        level=k,
        stride=stride,
        tolerance=0.6 * stride,
        generator=generator,
    )


def _optimiser(config: PlanningConfig) -> Planner:
    horizon = config.macro_horizon
    if config.search == "gradient":
        return GradientPlanner(horizon=horizon, restarts=16, iterations=40)
    if config.search == "cem":
        return CEM(horizon=horizon, samples=256, iterations=5)
    return MPPI(horizon=horizon, samples=256, iterations=5)


def _support(stack: Stack, graphs: dict[int, LandmarkGraph], k: int) -> Callable[[Tensor, Tensor], Tensor]:
    """Says whether a predicted state is near a remembered one (a landmark of level 2, the densest).

    Near is a little more than the spacing of landmarks: a wider net reaches into the walls, and chains of macro-actions
    then jump through.
    """
    stride = stack.level(2).config.stride
    remembered = torch.from_numpy(graphs[2].observations).to(stack.scale.device)
    embed = measure(stack, k, k)
    index = NeighborIndex(embed(stack.encode(remembered, k)).cpu().numpy(), 0.6 * stride)

    def valid(states: Tensor, predicted: Tensor) -> Tensor:
        return torch.from_numpy(index.covers(embed(predicted).cpu().numpy())).to(predicted.device)

    return valid
