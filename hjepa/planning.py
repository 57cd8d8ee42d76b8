"""Puts an agent's hierarchy together: which planner works at which level."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, cast, get_args

import torch
from torch import Tensor

from hjepa.determined import Outlook, determined
from hjepa.drift import level_dynamics
from hjepa.dynamics import CodeDynamics, world_actions
from hjepa.optimizers import Effort, Optimizer, make_optimizer
from hjepa.policy import Policy, PolicyPlanner
from hjepa.signpost import Signpost, SignpostGuide
from hjepa.world_model import WorldModel
from hjepa.zones import PlaceCost, priced
from planners.astar import LatentAStar
from planners.base import AnyDynamics, Planner
from planners.dynamic_programming import DynamicProgramming
from planners.edges import StateFunction
from planners.finite_model import Discretisation
from planners.hierarchy import Controller, HierarchicalPlanner, PlanningLevel
from planners.landmarks import Guide, LandmarkGraph, LandmarkPlanner, PathPlanner
from planners.mcts import MCTSPlanner
from planners.risk import MEAN, WORST, Risk
from planners.sampling import CEM
from planners.support import Support
from planners.trajectories import TrajectoryPlanner

Search = Literal["landmarks", "latent", "supported", "values", "mcts"]
"""Searches; fits the levels above the first."""

Distilled = Literal["mode1", "guided"]
"""What needs a policy; ``guided`` fits level 1 only."""

ON_LANDMARKS = ("landmarks", "mode1")
"""What plans over remembered states above level 1."""
NO_POLICY = "{!r} needs a policy, which this agent has not; see scripts/distil.py"

LevelPlanner = Literal[Optimizer, Search, Distilled]

Attitude = Literal["average", "cautious", "worst", Outlook]
RISKS: dict[Attitude, Risk] = {"average": MEAN, "cautious": Risk(0.1), "worst": WORST}
"""What planners weigh where a latent variable decides: the mean, the mean of the worst tenth (CVaR), the worst case."""
RISKS |= {outlook: MEAN for outlook in get_args(Outlook)}  # of the one outcome that is left; hjepa/determined.py

WAY = 48
"""Macro-actions of the longest way that value iteration plans."""

FAR = Effort(samples=256, rounds=5, spread=0.5, restarts=16, steps=40)
"""Of an optimiser above level 1, whose subgoals are far enough for walls to be in the way."""

PACE = 1.0
"""Most extra steps per step that level 1 pays in a dear place. It looks so little ahead that a higher price would stop
it at the border of what the levels above have weighed, and decided to cross."""

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
            ``mode1``: the level's policy alone; at level 1 it knows its subgoal and no surcharge, above it walks from
            landmark to landmark without a search. ``guided``: one small round of CEM around level 1's policy. Policies
            know no zones: where there are any, Mode-1 searches. With ``mode1`` at all levels, :mod:`hjepa.reflex` acts.
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
        risk: what the possible costs of one choice count as, where a level's model has a latent variable; or how that
            variable is ignored on landmarks, for comparison (:mod:`hjepa.determined`).
        give_up: world steps that count for an outcome from which no way to the goal is known. Far more than a way has:
            whoever is trapped does not arrive later, but never. Above the longest way divided by a trap's probability
            (472 / 0.3 steps in the teleport maze), its size makes no difference.
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
    risk: Attitude = "average"
    give_up: float = 10_000.0

    def __post_init__(self) -> None:
        if not self.planners:
            raise ValueError("planners must name at least one, that of level 1")
        fitting = get_args(Literal[Optimizer, Distilled])
        if self.planners[0] not in fitting:
            choices = ", ".join(fitting)
            raise ValueError(f"planners: level 1 has no {self.planners[0]!r}, expected one of {choices}")
        if self.risk not in RISKS:
            raise ValueError(f"risk must be one of {', '.join(RISKS)}, not {self.risk!r}")
        if not self.give_up > 0:
            raise ValueError(f"give_up must be positive, not {self.give_up!r}")

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
    zones: PlaceCost | None = None,
    signposts: Mapping[int, Signpost] = MappingProxyType({}),
) -> HierarchicalPlanner:
    """The hierarchical planner of the lowest ``levels`` levels of a stack.

    A flat planner (one level) is measured by the critic of the topmost level, which is trained farthest: the best
    that the checkpoint has to offer for a distant goal. A policy knows the critic that it was distilled with.

    Args:
        stack: the world model.
        graphs: the landmark graph of every level from 2 up; without tolls, which are added here.
        config: what plans at each level, and how.
        levels: how many.
        generator: randomness of the planners above level 1.
        policy: level 1's Mode-1, for the planners that need one.
        zones: costs and guardrails that all levels have to respect.
        signposts: Mode-1 of the levels above.

    Raises:
        ValueError: for a number of levels that the stack does not have, and for a planner that needs a policy where
            there is none.
    """
    if not 1 <= levels <= len(stack):
        raise ValueError(f"levels must be 1 to {len(stack)} for this agent, not {levels}")
    if zones is not None and zones.empty:
        zones = None
    known = graphs if zones is None else priced(graphs, zones)
    if config.risk in get_args(Outlook):
        known = determined(stack, known, cast(Outlook, config.risk))
    parts = _Parts(stack, known, config, levels, generator, zones, signposts)
    return HierarchicalPlanner(parts.controller(policy), [parts.level(k) for k in range(2, levels + 1)])


def measure(stack: WorldModel, k: int, above: int) -> Measure:
    """States of level ``k`` to the critic space of the same level or of one above it."""

    def embed(states: Tensor) -> Tensor:
        return stack.level(above).critic.embed(stack.raise_states(states, k, above))

    return embed


def target_level(stack: WorldModel) -> int:
    """The level whose critic measures level 1's subgoals."""
    return min(2, len(stack))


@dataclass(frozen=True)
class _Parts:
    """What a hierarchy is put together from; see :func:`make_hierarchy`."""

    stack: WorldModel
    graphs: dict[int, LandmarkGraph]
    config: PlanningConfig
    levels: int
    generator: torch.Generator
    zones: PlaceCost | None
    signposts: Mapping[int, Signpost]

    @property
    def risk(self) -> Risk:
        return RISKS[self.config.risk]

    def stride(self, k: int) -> int:
        return self.stack.level(k).config.stride

    def controller(self, policy: Policy | None) -> Controller:
        """Level 1."""
        stack, distilled = self.stack, self.config.planner(1) in get_args(Distilled)
        target = len(stack) if self.levels == 1 and not distilled else target_level(stack)
        return Controller(
            planner=_controller(self.config, policy, self.zones is not None),
            dynamics=level_dynamics(stack, 1, world_actions(stack)),
            embed=measure(stack, 1, 1),
            measure=measure(stack, 1, target),
            surcharge=None if self.zones is None else _along(stack, self.zones.capped(PACE)),
            forbidden=_forbidden(stack, self.zones, 1),
        )

    def level(self, k: int) -> PlanningLevel:
        """A level above the first."""
        config, stride = self.config, self.stride(k)
        known = all(config.planner(below) in ON_LANDMARKS for below in range(2, k + 1))
        return PlanningLevel(
            planner=self.path_planner(k),
            embed=measure(self.stack, k, k),
            lookahead=(config.lookahead if k == 2 else 1.0) * stride,
            patience=(config.patience if known else config.short_patience) * stride,
            off_path=config.off_path * stride,
            reached=self.tolerance(k - 1) if k > 2 and config.planner(k - 1) not in ON_LANDMARKS else 0.0,
            guarded=self.zones is not None and self.zones.guarded,
        )

    def path_planner(self, k: int) -> PathPlanner:
        name = self.config.planner(k)
        if name in ON_LANDMARKS:
            guide = self.guide(k) if name == "mode1" else None
            # Signposts were learned where nothing was painted: among zones, ways are searched for.
            return self.landmark_planner(k, guide if self.zones is None else None)
        if name == "guided":
            raise ValueError(f"planners: 'guided' plans at level 1 only; name another planner for level {k}")
        level, support = self.stack.level(k), self.support(k)
        dynamics: AnyDynamics
        if name in get_args(Search):
            dynamics, planner = CodeDynamics(level), self.search(k, support)
        else:
            horizon = self.config.macro_horizon
            dynamics = level_dynamics(self.stack, k)
            planner = make_optimizer(cast(Optimizer, name), horizon, 1, FAR, self.risk)
        return TrajectoryPlanner(
            planner,
            dynamics,
            embed=measure(self.stack, k, k),
            measure=measure(self.stack, k, min(k + 1, self.levels)),
            level=k,
            stride=self.stride(k),
            tolerance=self.tolerance(k),
            generator=self.generator,
            support=None if name == "latent" else support,
            weight=self.config.support_weight,
            surcharge=None if self.zones is None else _toll(self.stack, self.zones, k),
            forbidden=_forbidden(self.stack, self.zones, k),
        )

    def tolerance(self, k: int) -> float:
        """World steps within which a planner of predicted states has reached its target."""
        return 0.6 * self.stride(k)

    def landmark_planner(self, k: int, guide: Guide | None = None) -> LandmarkPlanner:
        """Asks the landmarks of the level below for the ways in and out, whatever else plans there."""
        landmarks = self.graphs[k]
        if k == self.levels:
            landmarks = replace(landmarks, measure=landmarks.embedding)
        finer = self.landmark_planner(k - 1) if k > 2 else None
        return LandmarkPlanner(landmarks, finer, guide=guide, risk=self.risk, give_up=self.config.give_up)

    def guide(self, k: int) -> Guide:
        """Mode-1 of a level above the first."""
        if k not in self.signposts:
            raise ValueError(f"planners: {NO_POLICY.format('mode1')}")
        return SignpostGuide(self.signposts[k], self.graphs[k])

    def search(self, k: int, support: Support) -> Planner:
        """Over the macro-actions of the codebook."""
        name, stride, embed = self.config.planner(k), self.stride(k), measure(self.stack, k, k)
        change, edge_cost = float(self.stack.level(k).change.sqrt()), self.edge_cost(k)

        def covers(states: Tensor, predicted: Tensor) -> Tensor:
            return support.excess(embed(predicted)) == 0

        if name == "mcts":
            return MCTSPlanner(
                horizon=self.config.macro_horizon,
                num_simulations=self.config.simulations,
                stride=stride,
                edge_cost=edge_cost,
                risk=self.risk,
            )
        if name == "values":
            world = Discretisation(
                states=self.remembered(k), tolerance=change, stride=stride, edge_cost=edge_cost, valid=covers
            )
            # A policy may circle a target that lies between the places; no way needs more steps than this.
            return DynamicProgramming(world=world, horizon=WAY, reuse=True, risk=self.risk)
        return LatentAStar(
            resolution=0.5 * change,
            stride=stride,
            edge_cost=edge_cost,
            weight=1.5,
            max_expansions=4000,
            valid=covers if name == "supported" else None,
            risk=self.risk,
        )

    def edge_cost(self, k: int) -> StateFunction | None:
        """What a search pays for a prediction of level ``k``: its time, and the toll of where it leads."""
        if self.zones is None:
            return None
        stride, toll = self.stride(k), _toll(self.stack, self.zones, k)
        return lambda states, predicted: stride * (1 + toll(predicted))

    def remembered(self, k: int) -> Tensor:
        """[L, D] level-``k`` states of the landmarks of level 2, the densest memory that an agent keeps."""
        return self.stack.encode(self._places(), k)

    def support(self, k: int) -> Support:
        """What was seen is near these places; they may be handed down, unless the agent must not be there."""
        places = self._places()
        if self.zones is not None and bool((clean := self.zones.clean(places)).any()):
            places = places[clean]
        points = self.stack.level(k).critic.embed(self.stack.encode(places, k)).detach()
        return Support(points, self.config.support * self.stride(2))

    def _places(self) -> Tensor:
        return torch.from_numpy(self.graphs[2].observations).to(self.stack.scale.device)


def _controller(config: PlanningConfig, policy: Policy | None, zones: bool) -> Planner:
    """Level 1: few and short trajectories, because its subgoals are near.

    A policy knows nothing of zones: where there are any, its answer is only where a whole search begins.
    """
    name, horizon, hold, risk = config.planner(1), config.horizon, config.hold, RISKS[config.risk]
    if name in get_args(Distilled):
        if policy is None:
            raise ValueError(f"planners: {NO_POLICY.format(name)}")
        refine = CEM(horizon=horizon, hold=hold, samples=16, iterations=1, init_std=0.25, elites=4, risk=risk)
        if zones:
            refine = replace(refine, samples=config.samples, iterations=config.iterations, init_std=1.0)
        return PolicyPlanner(policy, horizon, hold, refine if name == "guided" or zones else None)
    effort = Effort(config.samples, config.iterations, spread=1.0, restarts=4, steps=10)
    return make_optimizer(cast(Optimizer, name), horizon, hold, effort, risk)


def _toll(stack: WorldModel, zones: PlaceCost, k: int) -> Measure:
    """[..., D] states of level ``k`` to the [...] extra world steps per world step spent there."""
    return lambda states: zones.toll(stack.decode(states, k))


def _along(stack: WorldModel, zones: PlaceCost) -> Measure:
    """[..., T+1, D] states of level 1 to the [..., T+1] extra world steps per world step spent there on such a way."""
    return lambda states: zones.along(stack.decode(states, 1))


def _forbidden(stack: WorldModel, zones: PlaceCost | None, k: int) -> Measure | None:
    """[..., D] states of level ``k`` to [...] whether they are in a guardrail."""
    if zones is None or not zones.guarded:
        return None
    return lambda states: ~zones.clean(stack.decode(states, k))
