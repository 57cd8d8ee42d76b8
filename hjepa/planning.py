"""Puts an agent's hierarchy together: which planner works at which level."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, cast, get_args

import torch
from torch import Tensor

from hjepa.dynamics import CodeDynamics, LevelDynamics, world_actions
from hjepa.optimizers import Effort, Optimizer, make_optimizer
from hjepa.policy import Policy, PolicyPlanner
from hjepa.world_model import WorldModel
from planners.astar import LatentAStar
from planners.base import Planner
from planners.dynamic_programming import DynamicProgramming
from planners.finite_model import Discretisation
from planners.hierarchy import Controller, HierarchicalPlanner, PlanningLevel
from planners.landmarks import LandmarkGraph, LandmarkPlanner, PathPlanner
from planners.mcts import MCTSPlanner
from planners.sampling import CEM
from planners.support import Support
from planners.trajectories import TrajectoryPlanner

Search = Literal["landmarks", "latent", "supported", "values", "mcts"]
"""Searches; fits the levels above the first."""

Distilled = Literal["mode1", "guided"]
"""What needs a policy; fits level 1."""

LevelPlanner = Literal[Optimizer, Search, Distilled]
WAY = 48
"""Macro-actions of the longest way that value iteration plans."""

FAR = Effort(samples=256, rounds=5, spread=0.5, restarts=16, steps=40)
"""Of an optimiser above level 1, whose subgoals are far enough for walls to be in the way."""

Measure = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class PlanningConfig:
    """How an agent plans.

    Attributes:
        planners: what plans at each level, the finest first; the last one does so at all further levels.
            ``landmarks``: A* over remembered states and verified edges. ``latent``: A* over predicted states, with no
            landmarks. ``supported``: the same, but only through predicted states near remembered ones. ``values``:
            value iteration over remembered states. ``mcts``: tree search over predicted states (at level 1, over
            actions drawn from the box). ``random``, ``cem``, ``icem``, ``mppi``, ``gradient`` (Adam), ``lbfgs``,
            ``lifted`` (states optimised with the actions): optimisation of a trajectory; above level 1 of
            macro-actions. These and ``mcts`` pay for predicted states that are far from all remembered ones.
            ``mode1``: level 1's policy alone, which knows its subgoal and no surcharge. ``guided``: one small round of
            CEM around the policy's answer.
        commit: world steps for which a decision is followed before the next one.
        horizon: world steps that level 1 looks ahead.
        hold: world steps for which level 1 holds an action within its plan; its subgoals are so near that one
            direction reaches them, and a held action is ten times easier to optimise.
        samples: candidates of level 1 per round.
        iterations: rounds of level 1.
        lookahead: how far along its path level 2 puts the subgoal, in its strides.
        patience: strides without progress after which an edge is rejected.
        short_patience: the same where this level, or one below, plans over predicted states: they mislead more often.
        off_path: strides away from its path at which a level plans again.
        macro_horizon: macro-actions that an optimiser above level 1 plans at once.
        support: distance to remembered places up to which a prediction is believed, in strides of level 2.
        support_weight: world steps that are paid for each world step outside.
        simulations: nodes that ``mcts`` adds to a tree.
    """

    planners: tuple[LevelPlanner, ...] = ("cem", "landmarks")
    commit: int = 4
    horizon: int = 5
    hold: int = 5
    samples: int = 32
    iterations: int = 2
    lookahead: float = 1.2
    patience: float = 3.0
    short_patience: float = 1.5
    off_path: float = 2.5
    macro_horizon: int = 7
    support: float = 0.6
    support_weight: float = 10.0
    simulations: int = 256

    def __post_init__(self) -> None:
        if not self.planners:
            raise ValueError("planners must name at least one, that of level 1")
        fitting = get_args(Literal[Optimizer, Distilled])
        if self.planners[0] not in fitting:
            choices = ", ".join(fitting)
            raise ValueError(f"planners: level 1 has no {self.planners[0]!r}, expected one of {choices}")

    def planner(self, k: int) -> LevelPlanner:
        """What plans at level ``k``."""
        return self.planners[min(k, len(self.planners)) - 1]


def make_hierarchy(
    stack: WorldModel,
    graphs: dict[int, LandmarkGraph],
    config: PlanningConfig,
    levels: int,
    generator: torch.Generator,
    policy: Policy | None = None,
) -> HierarchicalPlanner:
    """The hierarchical planner of the lowest ``levels`` levels of a stack.

    A flat planner (one level) is measured by the critic of the topmost level, which is trained farthest: the best
    that the checkpoint has to offer for a distant goal. A policy knows the critic that it was distilled with.

    Raises:
        ValueError: for a number of levels that the stack does not have, and for a planner that needs a policy where
            there is none.
    """
    if not 1 <= levels <= len(stack):
        raise ValueError(f"levels must be 1 to {len(stack)} for this agent, not {levels}")
    upper: list[PlanningLevel] = []
    for k in range(2, levels + 1):
        stride = stack.level(k).config.stride
        known = all(config.planner(below) == "landmarks" for below in range(2, k + 1))
        upper.append(
            PlanningLevel(
                planner=_path_planner(stack, graphs, config, k, levels, generator),
                embed=measure(stack, k, k),
                lookahead=(config.lookahead if k == 2 else 1.0) * stride,
                patience=(config.patience if known else config.short_patience) * stride,
                off_path=config.off_path * stride,
                reached=_tolerance(stack, k - 1) if k > 2 and config.planner(k - 1) != "landmarks" else 0.0,
            )
        )
    target = len(stack) if levels == 1 and config.planner(1) not in get_args(Distilled) else target_level(stack)
    controller = Controller(
        planner=_controller(config, policy),
        dynamics=LevelDynamics(stack.level(1), world_actions(stack)),
        embed=measure(stack, 1, 1),
        measure=measure(stack, 1, target),
    )
    return HierarchicalPlanner(controller, upper)


def measure(stack: WorldModel, k: int, above: int) -> Measure:
    """States of level ``k`` to the critic space of the same level or of one above it."""

    def embed(states: Tensor) -> Tensor:
        return stack.level(above).critic.embed(stack.raise_states(states, k, above))

    return embed


def target_level(stack: WorldModel) -> int:
    """The level whose critic measures level 1's subgoals."""
    return min(2, len(stack))


def _controller(config: PlanningConfig, policy: Policy | None) -> Planner:
    """Level 1: few and short trajectories, because its subgoals are near."""
    name, horizon, hold = config.planner(1), config.horizon, config.hold
    if name in get_args(Distilled):
        if policy is None:
            raise ValueError(f"planners: {name!r} needs a policy, which this agent has not; see scripts/distil.py")
        refine = CEM(horizon=horizon, hold=hold, samples=16, iterations=1, init_std=0.25, elites=4)
        return PolicyPlanner(policy, horizon, hold, refine if name == "guided" else None)
    effort = Effort(config.samples, config.iterations, spread=1.0, restarts=4, steps=10)
    return make_optimizer(cast(Optimizer, name), horizon, hold, effort)


def _path_planner(
    stack: WorldModel,
    graphs: dict[int, LandmarkGraph],
    config: PlanningConfig,
    k: int,
    levels: int,
    generator: torch.Generator,
) -> PathPlanner:
    name, level, stride = config.planner(k), stack.level(k), stack.level(k).config.stride
    if name == "landmarks":
        return _landmark_planner(graphs, k, levels)
    if name in get_args(Distilled):
        raise ValueError(f"planners: {name!r} plans at level 1 only; name another planner for level {k}")
    support = _support(stack, graphs, config, k)
    dynamics: CodeDynamics | LevelDynamics
    if name in get_args(Search):
        dynamics, planner = CodeDynamics(level), _search(stack, graphs, config, k, support)
    else:
        dynamics, planner = LevelDynamics(level), make_optimizer(cast(Optimizer, name), config.macro_horizon, 1, FAR)
    return TrajectoryPlanner(
        planner,
        dynamics,
        embed=measure(stack, k, k),
        measure=measure(stack, k, min(k + 1, levels)),
        level=k,
        stride=stride,
        tolerance=_tolerance(stack, k),
        generator=generator,
        support=None if name == "latent" else support,
        weight=config.support_weight,
    )


def _tolerance(stack: WorldModel, k: int) -> float:
    """World steps within which a planner of predicted states has reached its target."""
    return 0.6 * stack.level(k).config.stride


def _landmark_planner(graphs: dict[int, LandmarkGraph], k: int, levels: int) -> LandmarkPlanner:
    """Asks the landmarks of the level below for the ways in and out, whatever else plans there."""
    landmarks = graphs[k] if k < levels else replace(graphs[k], measure=graphs[k].embedding)
    return LandmarkPlanner(landmarks, _landmark_planner(graphs, k - 1, levels) if k > 2 else None)


def _search(
    stack: WorldModel, graphs: dict[int, LandmarkGraph], config: PlanningConfig, k: int, support: Support
) -> Planner:
    """Over the macro-actions of the codebook."""
    name, stride, embed = config.planner(k), stack.level(k).config.stride, measure(stack, k, k)
    change = float(stack.level(k).change.sqrt())

    def covers(states: Tensor, predicted: Tensor) -> Tensor:
        return support.excess(embed(predicted)) == 0

    if name == "mcts":
        return MCTSPlanner(horizon=config.macro_horizon, num_simulations=config.simulations, stride=stride)
    if name == "values":
        world = Discretisation(states=_remembered(stack, graphs, k), tolerance=change, stride=stride, valid=covers)
        # A policy may circle a target that lies between the places; no way needs more steps than this.
        return DynamicProgramming(world=world, horizon=WAY, reuse=True)
    return LatentAStar(
        resolution=0.5 * change,
        stride=stride,
        weight=1.5,
        max_expansions=4000,
        valid=covers if name == "supported" else None,
    )


def _remembered(stack: WorldModel, graphs: dict[int, LandmarkGraph], k: int) -> Tensor:
    """[L, D] level-``k`` states of the landmarks of level 2, the densest memory that an agent keeps."""
    return stack.encode(torch.from_numpy(graphs[2].observations).to(stack.scale.device), k)


def _support(stack: WorldModel, graphs: dict[int, LandmarkGraph], config: PlanningConfig, k: int) -> Support:
    """What was seen is near these places."""
    places = stack.level(k).critic.embed(_remembered(stack, graphs, k)).detach()
    return Support(places, config.support * stack.level(2).config.stride)
