"""Puts a hierarchy together that plans through predicted places alone: no landmarks, as no layout was ever seen before.

Distances are straight lines at the fastest pace that was recorded: as an estimate of what is still to go they are never
too high (A* needs no more), and level 1's subgoals are so near that nothing is in the way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from hjepa.vision.agent import VisionAgent
from hjepa.vision.far_ways import FarPlanning, FarSight, FarWayPlanner
from hjepa.vision.optimised_ways import TopConfig, other_ways
from hjepa.vision.place_level import LAYOUT, PLACE, STATE, PlaceLevel
from hjepa.vision.spatial_level import Backdrop, SpatialLevel
from hjepa.vision.time_to_go import TimeToGo
from hjepa.vision.ways import Edges, Searcher, WayPlanner
from planners.astar import LatentAStar
from planners.base import ActionSpace, Box, Discrete, Dynamics
from planners.hierarchy import Controller, HierarchicalPlanner, PlanningLevel
from planners.landmarks import PathPlanner
from planners.sampling import MPPI

Ground = Tensor | Backdrop
"""What level 1 knows of M layouts: [M, C, h, w] maps of them, or the backdrops of a level that keeps the picture."""
FREE = 1e9
"""Norm of macro-actions that nothing shortens."""


@dataclass(frozen=True)
class VisionPlanning:
    """How an agent that sees plans.

    Attributes:
        commit: world steps for which a decision is followed before the next one.
        horizon: world steps that level 1 looks ahead.
        samples: candidates of level 1 per round.
        iterations: rounds of level 1.
        hold: world steps for which level 1 holds an action within its plan.
        lookahead: how far along its path level 2 puts the subgoal, in its strides.
        patience: strides without progress after which a level plans again.
        off_path: strides away from its path at which a level plans again.
        doubt: logit below which an edge is none.
        caution: strides that an edge costs more for each nat that it is doubted.
        near: cells of the feature map within which two places are the same, when a way is refused.
        tolerance: strides of the fastest pace within which a search has reached its target; what lies between counts as
            open, so that it must be little.
        resolution: cells of the feature map within which a search tells no states apart.
        critic: whether a search estimates what is still to go by the level's critic, instead of by straight lines.
        weight: of this estimate.
        expansions: most nodes that a search expands.
        top: what plans at the topmost level.
        far: how a level that looks far plans.
    """

    commit: int = 4
    horizon: int = 10
    samples: int = 128
    iterations: int = 3
    hold: int = 2
    lookahead: float = 1.2
    patience: float = 3.0
    off_path: float = 2.0
    doubt: float = -2.0
    caution: float = 1.0
    near: float = 1.0
    tolerance: float = 0.3
    resolution: float = 1.0
    critic: bool = False
    weight: float = 1.5
    expansions: int = 1500
    top: TopConfig = field(default_factory=TopConfig)
    far: FarPlanning = field(default_factory=FarPlanning)


@dataclass(frozen=True)
class LayoutDynamics:
    """A level's predictor among the layouts that are seen now.

    Attributes:
        level: whose predictor steps.
        layouts: what it makes of them.
        actions: of the world (level 1), or numbers of codes.
        strongest: largest norm of an action of the world that was recorded; longer ones are shortened to it.
    """

    level: PlaceLevel | SpatialLevel
    layouts: Ground
    actions: Box | Discrete
    strongest: float

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        """[..., D] states and [..., A] actions, or [...] numbers of codes, to the [..., D] predicted states."""
        if isinstance(self.level, PlaceLevel) and isinstance(self.actions, Discrete):
            return self.level(self.layouts, state, self.level.codebook[action])
        norm = torch.linalg.vector_norm(action, dim=-1, keepdim=True)
        return self.level(self.layouts, state, action * (self.strongest / norm.clamp_min(self.strongest)))


def vision_hierarchy(
    agent: VisionAgent, ground: Ground, above: list[Tensor], config: VisionPlanning, generator: torch.Generator
) -> HierarchicalPlanner:
    """The hierarchical planner of level 1 and some above it, among the layouts that are seen now.

    Args:
        agent: whose levels.
        ground: what level 1 makes of the layouts.
        above: for every level above it that is to plan, [M, C_k, h, w].
        config: how they plan.
        generator: of the planners above level 1.
    """
    ones = torch.ones(agent.stack.config.action_dim, device=generator.device)
    embed = _world_steps(agent.stack.pace)
    controller = Controller(
        planner=MPPI(horizon=config.horizon, samples=config.samples, iterations=config.iterations, hold=config.hold),
        dynamics=LayoutDynamics(agent.stack.first, ground, Box(-ones, ones), float(agent.stack.strongest)),
        embed=embed,
        measure=embed,
    )
    far = len(above) == len(agent.stack) - 1 and agent.stack.far is not None
    tops = [TopConfig()] * (len(above) - 1) + [config.top]
    levels = [
        _level(agent, layouts, replace(config, top=top), k, generator)
        for k, (layouts, top) in enumerate(zip(above[: len(above) - far], tops, strict=False), 2)
    ]
    if far:
        near = replace(config, expansions=config.far.expansions, top=TopConfig())
        walker = _level(agent, above[-2], near, len(above), generator).planner
        levels.append(_far_level(agent, above[-1], config, walker, generator))
    return HierarchicalPlanner(controller, levels)


def _level(
    agent: VisionAgent, layouts: Tensor, config: VisionPlanning, k: int, generator: torch.Generator
) -> PlanningLevel:
    level, stride = agent.stack.level(k), agent.stack.level(k).config.stride
    edges = Edges(agent.edges.level(k), layouts, stride, config.doubt, config.caution, config.near)
    pace, tolerance = agent.stack.pace, config.tolerance * stride

    def dynamics(actions: ActionSpace) -> Dynamics:
        return LayoutDynamics(level, layouts, actions, FREE)

    if config.top.planner == "astar":
        codes = len(level.codebook)
        critic = _critic(agent, k) if config.critic else None
        planner = WayPlanner(
            _searcher(config), dynamics(Discrete(codes)), codes, edges, pace, tolerance, generator, critic
        )
    else:
        planner = other_ways(config.top, level, dynamics, edges, pace, tolerance, generator)
    return PlanningLevel(
        planner,
        _world_steps(pace),
        lookahead=(config.lookahead if k == 2 else 1.0) * stride,
        patience=config.patience * stride,
        off_path=config.off_path * stride,
        forgiving=True,
    )


def _critic(agent: VisionAgent, k: int) -> TimeToGo:
    if agent.critics is None:
        raise ValueError("this agent has no critics to plan with: train it with critic_steps above 0")
    return agent.critics.level(k)


def _searcher(config: VisionPlanning) -> Searcher:
    """A* over the codes of a level."""
    search = _a_star(config.resolution, config.weight, config.expansions)
    return lambda edge_cost: replace(search, edge_cost=edge_cost)


def _a_star(resolution: float, weight: float, expansions: int) -> LatentAStar:
    """A search that tells states apart by their places; motion is not told apart: places are expanded once."""
    sizes = [1e6] * STATE
    sizes[PLACE], sizes[LAYOUT] = [resolution] * 2, 0.5
    return LatentAStar(resolution=tuple(sizes), weight=weight, max_expansions=expansions)


def _far_level(
    agent: VisionAgent, layouts: Tensor, config: VisionPlanning, below: PathPlanner, generator: torch.Generator
) -> PlanningLevel:
    level, how = agent.stack.far, config.far
    assert level is not None
    stride, pace = level.config.stride, agent.stack.pace
    planner = FarWayPlanner(
        _a_star(how.resolution, how.weight, config.expansions),
        FarSight(level, layouts),
        how.doubt,
        how.caution,
        below,
        pace,
        near=how.near,
        bound=how.bound * stride,
        generator=generator,
    )
    return PlanningLevel(
        planner,
        _world_steps(pace),
        lookahead=stride,
        patience=config.patience * stride,
        off_path=config.off_path * stride,
        reached=how.reached * stride,
        window=1,
        forgiving=True,
    )


def _world_steps(pace: Tensor) -> Callable[[Tensor], Tensor]:
    """States to places whose distances are world steps at a pace, cells per world step."""
    return lambda states: states[..., PLACE] / pace
