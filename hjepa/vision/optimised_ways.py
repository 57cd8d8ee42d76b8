"""Other planners for the top of a hierarchy over frames: what A* over codes is compared with.

Trajectory optimisers choose macro-actions from the box that 96 % of the recorded ones are in, and follow the first few
of them (model-predictive control). With MPPI and no edge classifier that is the upper half of HWM, a hierarchical
planner (arXiv 2604.03208). Tree search expands the same codes as A*. All share what A* has: the level's predictor, its
edge classifier, and the memory of ways that did not lead where the model said.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, final

import torch
from torch import Tensor

from hjepa.vision.place_level import PlaceLevel
from hjepa.vision.ways import Edges, WayPlanner
from planners.astar import SearchGoal
from planners.base import ActionSpace, AnyDynamics, Box, Budget, Cost, Discrete, Dynamics, Plan, Planner, Recorder
from planners.candidates import PlannerError, require_not_negative, require_positive
from planners.edges import StateFunction
from planners.gradient import GradientPlanner
from planners.mcts import MCTSPlanner
from planners.sampling import CEM, MPPI, RandomShooting

TopPlanner = Literal["astar", "mcts", "random", "cem", "mppi", "gradient"]
"""What plans at the top."""
Aim = Literal["last", "sum"]
"""What an optimiser brings near the target: the last state of a trajectory, or on average all of them."""
SHUT = 20.0
"""Strides that are paid for what is no edge: more than can be gained by it."""


@dataclass(frozen=True)
class TopConfig:
    """What plans at the top, and how hard it tries.

    Attributes:
        planner: ``astar`` or ``mcts`` over the level's codes; ``random`` shooting, ``cem``, ``mppi`` or ``gradient``
            (Adam) over macro-actions in the box between the 2nd and the 98th percentile of those recorded.
        calls: states that all but A* predict for one plan, about; A* stops when it has arrived.
        horizon: macro-actions that they look ahead.
        rounds: of cem and mppi.
        restarts: trajectories that gradient improves side by side.
        follow: macro-actions of a trajectory that are followed before the next plan.
        aim: what an optimiser brings near the target.
    """

    planner: TopPlanner = "astar"
    calls: int = 3000
    horizon: int = 12
    rounds: int = 5
    restarts: int = 8
    follow: int = 3
    aim: Aim = "last"

    def __post_init__(self) -> None:
        positive = ("calls", "horizon", "rounds", "restarts", "follow")
        require_positive("TopConfig", **{name: getattr(self, name) for name in positive})


def other_ways(
    config: TopConfig,
    level: PlaceLevel,
    dynamics: Callable[[ActionSpace], Dynamics],
    edges: Edges,
    pace: Tensor,
    tolerance: float,
    generator: torch.Generator,
) -> WayPlanner:
    """The planner of the top level's ways where it is not A*.

    Args:
        config: which.
        level: the top level.
        dynamics: its predictor, for a space of actions.
        edges: of the level.
        pace: [] cells per world step.
        tolerance: a target counts as reached within this many world steps.
        generator: of the planner.

    Raises:
        PlannerError: for A*.
    """
    if config.planner == "mcts":
        codes = len(level.codebook)
        # A node costs one prediction, and one for each of its codes; so do the root, and a first way to the horizon.
        simulations = max(1, config.calls // (1 + codes) - config.horizon - 1)

        def grow(edge_cost: StateFunction) -> Planner:
            paid = _finite(edge_cost, edges.stride)
            return Tree(MCTSPlanner(horizon=config.horizon, num_simulations=simulations, edge_cost=paid))

        return WayPlanner(grow, dynamics(Discrete(codes)), codes, edges, pace, tolerance, generator)
    optimiser = _optimiser(config)

    def shoot(edge_cost: StateFunction) -> Planner:
        return Shooting(optimiser, _finite(edge_cost, edges.stride), edges.stride, config.follow, config.aim)

    # What is doubted is dear rather than shut, and the dearer the more it is: else there were no slope to descend.
    priced = replace(edges, doubt=-torch.inf)
    space = Box(level.support[0], level.support[1])
    return WayPlanner(shoot, dynamics(space), config.horizon, priced, pace, tolerance, generator)


def _optimiser(config: TopConfig) -> Planner:
    """The trajectory optimiser of a name, with as many candidates as its calls allow."""
    horizon, rounds = config.horizon, config.rounds
    candidates = max(rounds + 1, config.calls // horizon)
    samples = max(2, candidates // rounds)
    match config.planner:
        case "random":
            return RandomShooting(horizon=horizon, samples=candidates, init_std=1.0)
        case "cem":
            elites = max(1, samples // 8)
            return CEM(horizon=horizon, samples=samples, iterations=rounds, init_std=1.0, elites=elites)
        case "mppi":
            return MPPI(horizon=horizon, samples=samples, iterations=rounds, init_std=1.0)
        case "gradient":
            steps = max(1, candidates // config.restarts - 1)  # a last look scores the last step
            return GradientPlanner(horizon=horizon, restarts=config.restarts, iterations=steps)
    raise PlannerError(f"TopConfig.planner: {config.planner!r} is no optimiser of trajectories")


@final
@dataclass(frozen=True)
class Tree:
    """Tree search, which tells how many nodes it expanded, as A* does.

    Attributes:
        planner: the search.
    """

    planner: MCTSPlanner

    def plan(
        self,
        dynamics: AnyDynamics,
        cost: Cost,
        start: Tensor,
        *,
        budget: Budget = Budget(),
        warm_start: Tensor | None = None,
        generator: torch.Generator | None = None,
        recorder: Recorder | None = None,
    ) -> Plan:
        """See :class:`planners.base.Planner`; ``extras`` has ``expanded``, [B] nodes."""
        plan = self.planner.plan(
            dynamics, cost, start, budget=budget, warm_start=warm_start, generator=generator, recorder=recorder
        )
        assert isinstance(dynamics.actions, Discrete)
        return _with_expanded(plan, dynamics.actions.n)


@final
@dataclass(frozen=True)
class Shooting:
    """Lets an optimiser of trajectories answer as a search does: with a path to the target, as far as it is followed.

    Attributes:
        planner: the optimiser.
        edge_cost: of every step of a trajectory, world steps.
        stride: world steps of a step, which all trajectories pay alike.
        follow: most steps of a trajectory that does not arrive.
        aim: which states are to be near the target.
    """

    planner: Planner
    edge_cost: StateFunction
    stride: int
    follow: int
    aim: Aim

    def __post_init__(self) -> None:
        require_not_negative("Shooting", follow=self.follow)

    def plan(
        self,
        dynamics: AnyDynamics,
        cost: Cost,
        start: Tensor,
        *,
        budget: Budget = Budget(),
        warm_start: Tensor | None = None,
        generator: torch.Generator | None = None,
        recorder: Recorder | None = None,
    ) -> Plan:
        """See :class:`planners.base.Planner`; ``extras`` has what A* tells.

        That is ``found`` [B], whether the trajectory arrives; ``path_lengths`` [B], steps to follow: up to the arrival,
        or the first few; and ``expanded`` [B] trajectories.

        Raises:
            PlannerError: where the cost is no goal.
        """
        if not isinstance(cost, SearchGoal):
            raise PlannerError(f"Shooting needs a SearchGoal as its cost, not {type(cost).__name__}")
        plan = self.planner.plan(
            dynamics, TrajectoryCost(cost, self.edge_cost, self.stride, self.aim), start,
            budget=budget, warm_start=warm_start, generator=generator, recorder=recorder,
        )  # fmt: skip
        apart = cost(plan.states, plan.actions)[:, 1:]
        nearest, steps = apart.min(1)
        found = nearest <= cost.tolerance
        lengths = torch.where(found, steps + 1, (steps + 1).clamp(max=self.follow))
        plan = replace(plan, extras=plan.extras | {"found": found, "path_lengths": lengths})
        return _with_expanded(plan, plan.actions.shape[1])


@final
@dataclass(frozen=True)
class TrajectoryCost:
    """What a trajectory costs: how far from the target it leads, and what its steps cost more than their time.

    Attributes:
        goal: the target.
        edge_cost: [M, D] states and [M, D] next states to [M] world steps.
        stride: world steps of a step.
        aim: which states are to be near the target.
    """

    goal: SearchGoal
    edge_cost: StateFunction
    stride: int
    aim: Aim

    def __call__(self, states: Tensor, actions: Tensor) -> Tensor:
        """[B, ..., T+1, D] states to [B, ..., T+1] world steps."""
        apart = self.goal(states, actions)
        if self.aim == "last":
            apart = torch.cat([torch.zeros_like(apart[..., :-1]), apart[..., -1:]], -1)
        before, after = states[..., :-1, :], states[..., 1:, :]
        paid = self.edge_cost(before.flatten(0, -2), after.flatten(0, -2)).view(before.shape[:-1]) - self.stride
        return apart + torch.cat([torch.zeros_like(paid[..., :1]), paid], -1)


def _finite(edge_cost: StateFunction, stride: int) -> StateFunction:
    """Lets what is no edge cost a great deal: neither values of trees nor slopes may be infinite."""
    return lambda before, after: edge_cost(before, after).clamp(max=SHUT * stride)


def _with_expanded(plan: Plan, each: int) -> Plan:
    """The plan, and how many nodes or trajectories of ``each`` predictions were made for every problem."""
    count = plan.model_calls // (each * len(plan.states))
    return replace(plan, extras=plan.extras | {"expanded": torch.full((len(plan.states),), count)})
