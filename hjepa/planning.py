"""Puts an agent's hierarchy together: which planner works at which level."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from hjepa.dynamics import CodeDynamics, LevelDynamics
from hjepa.stack import Stack
from planners.astar import LatentAStar
from planners.base import Box, Planner
from planners.gradient import GradientPlanner
from planners.hierarchy import Controller, HierarchicalPlanner, PlanningLevel
from planners.landmarks import LandmarkGraph, LandmarkPlanner, PathPlanner
from planners.sampling import CEM, ICEM, MPPI, RandomShooting
from planners.support import Support
from planners.trajectories import TrajectoryPlanner

Optimizer = Literal["random", "cem", "icem", "mppi", "gradient"]
"""Optimises a trajectory of (macro-)actions; fits any level."""

Search = Literal["landmarks", "latent", "supported"]
"""Searches; fits the levels above the first."""

LevelPlanner = Literal[Optimizer, Search]
Measure = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class PlanningConfig:
    """How an agent plans.

    Attributes:
        planners: what plans at each level, the finest first; the last one does so at all further levels.
            ``landmarks``: A* over remembered states and verified edges. ``latent``: A* over predicted states, with no
            landmarks. ``supported``: the same, but only through predicted states near remembered ones. ``random``,
            ``cem``, ``icem``, ``mppi``, ``gradient``: optimisation of a trajectory; above level 1 of macro-actions,
            with a penalty on predicted states that are far from all remembered ones.
        commit: world steps for which a decision is followed before the next one.
        horizon: world steps that level 1 looks ahead.
        hold: world steps for which level 1 holds an action within its plan; its subgoals are so near that one
            direction reaches them, and a held action is ten times easier to optimise.
        samples: candidates of level 1 per round.
        iterations: rounds of level 1.
        lookahead: how far along its path level 2 puts the subgoal, in its strides.
        patience: strides without progress after which an edge is rejected.
        off_path: strides away from its path at which a level plans again.
        macro_horizon: macro-actions that an optimiser above level 1 plans at once.
        support: distance to remembered places up to which a prediction is believed, in strides of level 2.
        support_weight: world steps that an optimiser pays for each world step outside.
    """

    planners: tuple[LevelPlanner, ...] = ("cem", "landmarks")
    commit: int = 4
    horizon: int = 5
    hold: int = 5
    samples: int = 32
    iterations: int = 2
    lookahead: float = 1.2
    patience: float = 3.0
    off_path: float = 2.5
    macro_horizon: int = 7
    support: float = 0.6
    support_weight: float = 10.0

    def __post_init__(self) -> None:
        if not self.planners:
            raise ValueError("planners must name at least one, that of level 1")
        if self.planners[0] not in get_args(Optimizer):
            choices = ", ".join(get_args(Optimizer))
            raise ValueError(f"planners: level 1 has no {self.planners[0]!r}, expected one of {choices}")

    def planner(self, k: int) -> LevelPlanner:
        """What plans at level ``k``."""
        return self.planners[min(k, len(self.planners)) - 1]


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
    for k in range(2, levels + 1):
        stride = stack.level(k).config.stride
        upper.append(
            PlanningLevel(
                planner=_path_planner(stack, graphs, config, k, levels, generator),
                embed=measure(stack, k, k),
                lookahead=(config.lookahead if k == 2 else 1.0) * stride,
                patience=config.patience * stride,
                off_path=config.off_path * stride,
                reached=_tolerance(stack, k - 1) if k > 2 and config.planner(k - 1) != "landmarks" else 0.0,
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
    """Level 1: few and short trajectories, because its subgoals are near."""
    span = {"horizon": config.horizon, "hold": config.hold}
    if config.planner(1) == "gradient":
        return GradientPlanner(**span, restarts=4, iterations=10)
    rounds = 1 if config.planner(1) == "random" else config.iterations
    samples = config.samples * config.iterations // rounds
    return _sampler(config.planner(1))(**span, samples=samples, iterations=rounds, init_std=1.0)


def _path_planner(
    stack: Stack,
    graphs: dict[int, LandmarkGraph],
    config: PlanningConfig,
    k: int,
    levels: int,
    generator: torch.Generator,
) -> PathPlanner:
    name, level, stride = config.planner(k), stack.level(k), stack.level(k).config.stride
    if name == "landmarks":
        return _landmark_planner(graphs, k, levels)
    support = _support(stack, graphs, config, k)
    dynamics: CodeDynamics | LevelDynamics = LevelDynamics(level)
    embed = measure(stack, k, k)
    if name in ("latent", "supported"):
        planner, dynamics = _latent_astar(stack, k, name == "supported", support, embed), CodeDynamics(level)
    else:
        planner = _optimizer(name, config)
    return TrajectoryPlanner(
        planner,
        dynamics,
        embed=embed,
        measure=measure(stack, k, min(k + 1, levels)),
        level=k,
        stride=stride,
        tolerance=_tolerance(stack, k),
        generator=generator,
        support=None if name == "latent" else support,
        weight=config.support_weight,
    )


def _tolerance(stack: Stack, k: int) -> float:
    """World steps within which a planner of predicted states has reached its target."""
    return 0.6 * stack.level(k).config.stride


def _landmark_planner(graphs: dict[int, LandmarkGraph], k: int, levels: int) -> LandmarkPlanner:
    """Asks the landmarks of the level below for the ways in and out, whatever else plans there."""
    landmarks = graphs[k] if k < levels else replace(graphs[k], measure=graphs[k].embedding)
    return LandmarkPlanner(landmarks, _landmark_planner(graphs, k - 1, levels) if k > 2 else None)


def _latent_astar(stack: Stack, k: int, supported: bool, support: Support, embed: Measure) -> LatentAStar:
    level = stack.level(k)

    def covers(states: Tensor, predicted: Tensor) -> Tensor:
        return support.excess(embed(predicted)) == 0

    return LatentAStar(
        resolution=0.5 * float(level.change.sqrt()),
        stride=level.config.stride,
        weight=1.5,
        max_expansions=4000,
        valid=covers if supported else None,
    )


def _optimizer(name: LevelPlanner, config: PlanningConfig) -> Planner:
    """Above level 1: subgoals are far enough for walls to be in the way."""
    horizon = config.macro_horizon
    if name == "gradient":
        return GradientPlanner(horizon=horizon, restarts=16, iterations=40)
    if name == "random":
        return RandomShooting(horizon=horizon, samples=1280)
    return _sampler(name)(horizon=horizon, samples=256, iterations=5)


def _sampler(name: LevelPlanner) -> type[RandomShooting] | type[CEM] | type[ICEM] | type[MPPI]:
    return {"random": RandomShooting, "cem": CEM, "icem": ICEM, "mppi": MPPI}[name]


def _support(stack: Stack, graphs: dict[int, LandmarkGraph], config: PlanningConfig, k: int) -> Support:
    """Around the landmarks of level 2, the densest memory that an agent keeps."""
    remembered = torch.from_numpy(graphs[2].observations).to(stack.scale.device)
    places = stack.level(k).critic.embed(stack.encode(remembered, k)).detach()
    return Support(places, config.support * stack.level(2).config.stride)
