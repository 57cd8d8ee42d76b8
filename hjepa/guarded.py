"""An agent that acts within guardrails: they are laid over every level's plans, and a shield has the last word."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hjepa.actor import Actor
from hjepa.adaptation import Adaptation
from hjepa.agent import Agent
from hjepa.clear_paths import ClearPaths, Sights
from hjepa.contact import Touch
from hjepa.cost import CostModule, CostWeights, IntrinsicCost
from hjepa.ground import Ground
from hjepa.guardrails import GuardrailError, KeepOut, Margins, Percept, Region, SpeedLimit
from hjepa.place_costs import together
from hjepa.shield import Shield, Verdict, anchored, compass
from hjepa.world_model import WorldModel
from hjepa.zones import PlaceCost, Zones
from planners.base import AnyDynamics, Budget, Cost, Plan, Planner, Recorder, is_stochastic
from planners.candidates import Evaluator, PlannerError
from planners.hierarchy import HierarchicalPlanner
from planners.landmarks import PathPlanner
from planners.session import Session, SubgoalCost
from planners.trace import Decision

Points = NDArray[np.float32]
WEIGHTS = CostWeights()
PARTS = 5
"""Cells a side into which a guardrail's cells are cut, so that what the agent's body needs beside them can be added."""


def planning_zones(intrinsic: IntrinsicCost, cruise: float) -> Zones | None:
    """The guardrails that stand still as every level's planner knows them: where not to go, and what is slow.

    The agent's centre has to keep its body's radius away from a keep-out region. A speed limit costs the time that it
    takes beyond what the agent is used to.

    Args:
        intrinsic: the guardrails.
        cruise: how far the agent usually goes in a step, world units.

    Raises:
        GuardrailError: for regions that are not on one grid.
    """
    cells, grid = None, None
    for rail in intrinsic.guardrails:
        if not isinstance(rail, KeepOut | SpeedLimit):
            continue
        region = rail.region.inflated(rail.body if isinstance(rail, KeepOut) else 0.0, PARTS)
        cost = np.inf if isinstance(rail, KeepOut) else max(0.0, cruise / rail.limit - 1)
        grid, cells = _same_grid(grid, region), np.zeros(region.cells.shape, np.float32) if cells is None else cells
        cells = np.maximum(cells, np.where(region.cells, np.float32(cost), np.float32(0)))
    return None if grid is None or cells is None else Zones(cells, grid.corner, grid.size, grid.size / 2)


def _same_grid(known: Region | None, region: Region) -> Region:
    if known is not None and (known.corner, known.size, known.cells.shape) != (
        region.corner, region.size, region.cells.shape,
    ):  # fmt: skip
        raise GuardrailError("the regions of all guardrails must be given on one grid")
    return region


@dataclass(eq=False)
class Awareness:
    """What is seen at a decision, for the n problems that are planned for.

    Attributes:
        observations: [n, O].
        percept: of things that move.
    """

    observations: Tensor
    percept: Percept | None = None


@final
@dataclass(frozen=True, eq=False)
class GuardedPlanner:
    """Level 1's planner with the guardrails before its cost; a :class:`planners.base.Planner`.

    Where not one of the planner's trajectories is clean, simple ones are looked at as well: all directions, slower, and
    to stop.

    Attributes:
        planner: plans.
        stack: to which level 1 belongs.
        intrinsic: the guardrails.
        margins: of the predictions.
        awareness: what is seen now; brought up to date before every decision.
        weights: of the drives beside the task.
    """

    planner: Planner
    stack: WorldModel
    intrinsic: IntrinsicCost
    margins: Margins
    awareness: Awareness
    weights: CostWeights = WEIGHTS

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
        """Plans from [B, D] start states; see :class:`planners.base.Planner`.

        Raises:
            PlannerError: for another number of problems than is seen, and for a model with a latent variable.
        """
        if is_stochastic(dynamics):
            raise PlannerError("GuardedPlanner needs a model without a latent variable")
        if len(start) != len(self.awareness.observations):
            raise PlannerError(f"GuardedPlanner sees {len(self.awareness.observations)} problems, not {len(start)}")
        every = torch.arange(len(start), device=start.device)
        limited = self.module(cost, start, every).constrained()
        plan = self.planner.plan(
            dynamics, limited, start, budget=budget, warm_start=warm_start, generator=generator, recorder=recorder
        )
        rows = (plan.extras["violation"] > 0).nonzero().squeeze(1)
        return self._mended(plan, dynamics, cost, start, rows, budget) if len(rows) else plan

    def module(self, cost: Cost, start: Tensor, rows: Tensor) -> CostModule:
        """The cost module of some of the problems, by number; ``start`` are the [B, D] states of all."""
        seen, percept = self.awareness.observations, self.awareness.percept
        return CostModule(
            self.intrinsic,
            read=anchored(self.stack, seen[rows], start[rows]),
            task=replace(cost, target=cost.target[rows]) if isinstance(cost, SubgoalCost) else cost,
            percept=None if percept is None else percept.of(rows),
            margins=self.margins,
            weights=self.weights,
        )

    def _mended(
        self, plan: Plan, dynamics: AnyDynamics, cost: Cost, start: Tensor, rows: Tensor, budget: Budget
    ) -> Plan:
        """The plan, with the best of it and of simple trajectories in the rows of some problems."""
        horizon, module = plan.actions.shape[1], self.module(cost, start, rows).constrained()
        simple = compass(start)[None, :, None].expand(len(rows), -1, horizon, -1)
        candidates = torch.cat([plan.actions[rows][:, None], simple, 0.5 * plan.actions[rows][:, None]], 1)
        evaluate = Evaluator(dynamics, module, start[rows], horizon, 1, budget.meter())
        with torch.no_grad():
            evaluate(candidates)
        better = evaluate.plan(complete=True)
        plan.extras["violation"][rows] = better.extras["violation"]
        return replace(
            plan,
            actions=plan.actions.index_copy(0, rows, better.actions),
            states=plan.states.index_copy(0, rows, better.states),
            cost=plan.cost.index_copy(0, rows, better.cost),
            model_calls=plan.model_calls + better.model_calls,
        )


@final
class GuardedActor:
    """Acts towards goals within guardrails. It sees observations, goals and what moves, nothing else of the world.

    Args:
        agent: whose stack and landmarks to use.
        intrinsic: guardrails and drives.
        margins: of level 1's predictions; see :func:`hjepa.shield.calibrate`.
        levels: levels to plan with; all by default.
        seed: of the planners' randomness.
        shielded: whether executed actions are checked; to leave it out is for comparison only.
        ground: where recorded walks went, for the shield.
        preference: what places cost besides.
        weights: of the drives beside the task.
        adaptation: learns from what the world does otherwise than predicted; see :class:`hjepa.actor.Actor`.

    Attributes:
        actor: the agent's actor, whose plans know the guardrails.
        paths: what plans at each level above the first.
        verdict: what the shield said to the latest actions; None before, and without a shield.
        shielding: seconds that the shield took for them.
    """

    def __init__(
        self,
        agent: Agent,
        intrinsic: IntrinsicCost,
        margins: Margins,
        *,
        levels: int | None = None,
        seed: int = 0,
        shielded: bool = True,
        ground: Ground | None = None,
        preference: PlaceCost | None = None,
        weights: CostWeights = WEIGHTS,
        adaptation: Adaptation | None = None,
    ) -> None:
        zones = together(planning_zones(intrinsic, margins.cruise), preference)
        self.actor = Actor(agent, levels, seed=seed, zones=zones, adaptation=adaptation)
        self.shield = Shield(agent.stack, intrinsic, margins, ground) if shielded else None
        self.verdict: Verdict | None = None
        self.shielding = 0.0
        self._touch: Touch | None = None
        self._margins = margins
        self._awareness = Awareness(torch.zeros(1, agent.stack.config.observation_dim))
        self._sights = Sights()
        self._intrinsic, self._weights = intrinsic, weights
        self.actor.around, self.actor.reflex = self._guard, None  # a reflex would act past the guardrails
        self.actor.planner = self._guard(self.actor.planner)

    @property
    def session(self) -> Session | None:
        """Short-term memory of the hierarchy; None before :meth:`begin`."""
        return self.actor.session

    @property
    def fresh(self) -> bool:
        """Whether the newest action was the first of a new decision."""
        return self.actor.fresh

    def view(self, step: int, problem: int = 0) -> Decision:
        """What the hierarchy has in mind for one episode; see :meth:`hjepa.actor.Actor.view`."""
        return self.actor.view(step, problem)

    def begin(self, goals: Points) -> None:
        """Starts new episodes with [B, O] goals."""
        self.actor.begin(goals)
        self.verdict = self._touch = None
        assert self.actor.session is not None
        points = self.actor.session.goal_points[0]
        self._sights.goals = {point.tobytes(): goal for point, goal in zip(points, goals, strict=True)}

    def _guard(self, hierarchy: HierarchicalPlanner) -> HierarchicalPlanner:
        """Lays the guardrails over a hierarchy, whenever one is made."""
        controller, stack = hierarchy.controller, self.actor.stack
        planner = GuardedPlanner(
            controller.planner, stack, self._intrinsic, self._margins, self._awareness, self._weights
        )
        hierarchy.controller = replace(controller, planner=planner)
        self.paths = {k: self._clear_paths(level.planner, k) for k, level in enumerate(hierarchy.levels, 2)}
        hierarchy.levels = [replace(level, planner=self.paths[k]) for k, level in enumerate(hierarchy.levels, 2)]
        return hierarchy

    def _clear_paths(self, planner: PathPlanner, k: int) -> ClearPaths:
        """What plans at level ``k``, with its paths kept to the guardrails. The ways of level 2 are straight."""
        agent = self.actor.agent
        return ClearPaths(
            planner=planner,
            intrinsic=self._intrinsic,
            decode=lambda states: agent.stack.decode(states, k),
            remembered=agent.graphs[k].observations,
            sights=self._sights,
            straight=k == 2,
        )

    def act(
        self, observations: Points, active: NDArray[np.bool_] | None = None, percept: Percept | None = None
    ) -> Points:
        """[B, O] observations to the [B, A] actions of one world step.

        Args:
            observations: what is seen now.
            active: [B] episodes that still run; the others get zero actions.
            percept: things that are seen to move.
        """
        seen = torch.as_tensor(np.asarray(observations, np.float32)).to(self.actor.stack.scale.device)
        self._feel(seen)
        rows = torch.arange(len(seen)) if active is None else torch.from_numpy(np.flatnonzero(active))
        self._awareness.observations = seen[rows]
        self._awareness.percept = None if percept is None else percept.of(rows)
        self._sights.here = self._states_of(seen)
        wanted = torch.as_tensor(self.actor.act(observations, active)).to(seen)
        if self.shield is None:
            return wanted.cpu().numpy()
        begun = time.perf_counter()
        kept = None if self.verdict is None else self.verdict.ways[rows]
        touch = None if self._touch is None else self._touch.of(rows)
        verdict = self.shield(seen[rows], wanted[rows], self._awareness.percept, touch, kept)
        self.verdict = verdict.spread(rows, len(seen))
        self.actor.acted(self.verdict.actions.cpu().numpy())
        self.shielding = time.perf_counter() - begun
        return self.verdict.actions.cpu().numpy()

    @torch.no_grad()
    def _states_of(self, seen: Tensor) -> dict[bytes, Points]:
        """The [B, O] observations by the bytes of what the levels above the first make of them."""
        levels, places = self.actor.stack.encode_all(seen)[1:], seen.cpu().numpy()
        return {
            state.tobytes(): place for level in levels for state, place in zip(level.cpu().numpy(), places, strict=True)
        }

    def _feel(self, seen: Tensor) -> None:
        """Compares what is seen with what the shield expected, if it knows no ground."""
        if self.verdict is None or self.shield is None or self.shield.ground is not None:
            return
        touch = Touch.nothing(seen) if self._touch is None else self._touch
        self._touch = touch.feel(self.verdict.expected, seen, self._margins.place[1] / 2)
