"""A* over a learned world model with discrete macro-actions: no landmarks, the graph is implicit.

Every round takes the best few nodes of every problem's frontier and expands all their macro-actions in a single call
of the predictor. Predicted states never repeat exactly, so states are told apart by a hash grid in latent space.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from planners.base import AnyDynamics, Budget, Cost, Discrete, Meter, Plan, Recorder
from planners.candidates import PlannerError, require_not_negative, require_positive
from planners.edges import Edges, HashGrid, StateFunction, Steps, outcomes_of
from planners.frontier import Frontiers, Longs, Offers, compile_kernels
from planners.risk import MEAN, Risk


@final
@dataclass(frozen=True)
class SearchGoal:
    """A goal that a search can aim at. It is a :class:`planners.base.Cost` too: the estimate at every state.

    Attributes:
        goal: [B, G] one goal per problem: a state, or whatever the heuristic compares states with.
        heuristic: [M, D] states and [M, G] goals to the [M] estimated cost to go, world steps. For optimal plans it
            must not overestimate the cost of coming within the tolerance.
        tolerance: how near is there, in the unit of ``distance``.
        distance: [M, D] states and [M, G] goals to [M] distances for the test of arrival; the heuristic if None.
        surcharge: [..., D] states to the [...] world steps that each costs extra where costs are summed over states. A
            search pays on its way, and must be given it as an edge cost: it is no part of the estimate.
    """

    goal: Tensor
    heuristic: StateFunction
    tolerance: float
    distance: StateFunction | None = None
    surcharge: Callable[[Tensor], Tensor] | None = None

    def __post_init__(self) -> None:
        if self.goal.dim() != 2:
            raise PlannerError(f"SearchGoal.goal must be [B, G], not {list(self.goal.shape)}")
        require_not_negative("SearchGoal", tolerance=self.tolerance)

    def __call__(self, states: Tensor, actions: Tensor) -> Tensor:
        """[B, ..., T+1, D] states to their [B, ..., T+1] estimated costs to go and surcharges, world steps."""
        goals = self.goal.view(len(self.goal), *[1] * (states.dim() - 2), -1).expand(*states.shape[:-1], -1)
        estimates = self.heuristic(states.flatten(0, -2), goals.flatten(0, -2)).view(states.shape[:-1])
        return estimates if self.surcharge is None else estimates + self.surcharge(states)

    def measure(self, states: Tensor, problems: Tensor) -> tuple[Tensor, Tensor]:
        """[M, D] states of [M] problems to their [M] costs to go and [M] flags of arrival."""
        goals = self.goal[problems]
        estimates = self.heuristic(states, goals)
        distances = estimates if self.distance is None else self.distance(states, goals)
        return estimates.clamp(min=0), distances <= self.tolerance


@final
@dataclass(frozen=True, kw_only=True)
class LatentAStar:
    """Weighted and anytime A* over ``Dynamics`` with ``Discrete`` actions, for a batch of problems at once.

    With ``weight=1``, an admissible heuristic and a grid that tells all states apart, plans are optimal. A search
    goes on after the goal is reached for as long as an open node could still lead to a cheaper path.

    A :class:`planners.base.StochasticDynamics` is determinised: an edge leads to the most likely outcome, and costs
    more by what ``risk`` makes of the estimates of all outcomes than by the estimate of the most likely one
    (:class:`planners.edges.Determinised`).

    Attributes:
        resolution: cell size of the hash grid, in units of the state; one number, or one for each of D components.
        stride: cost of one macro-action, world steps; not used where ``edge_cost`` is given.
        weight: of the heuristic; above 1 is faster, and at most that factor from the optimum.
        anytime: once nothing is left to gain under this weight, search on with a smaller one, until it is 1.
        batch: nodes of each problem that are expanded in one round.
        chunk: states in one call of the predictor: what its layers make of them should fit into the cache.
        max_expansions: bound on each problem's expansions; a budget's ``iterations`` lowers it.
        edge_cost: [M, D] states and [M, D] next states to [M] costs of going there, world steps, not negative.
        valid: [M, D] states and [M, D] next states to [M] flags: whether the model's prediction is to be believed.
        risk: attitude to the outcomes of a stochastic dynamics.
        scenarios: samples of a Gaussian latent variable.
    """

    resolution: float | tuple[float, ...]
    stride: float = 1.0
    weight: float = 1.0
    anytime: bool = False
    batch: int = 24
    chunk: int = 4096
    max_expansions: int = 1500
    edge_cost: StateFunction | None = None
    valid: StateFunction | None = None
    risk: Risk = MEAN
    scenarios: int = 16

    def __post_init__(self) -> None:
        positive = ("stride", "batch", "chunk", "max_expansions", "scenarios")
        require_positive("LatentAStar", **{name: getattr(self, name) for name in positive})
        require_not_negative("LatentAStar", weight=self.weight)
        if not np.all(np.asarray(self.resolution) > 0):
            raise PlannerError(f"LatentAStar.resolution must be positive, not {self.resolution!r}")

    @torch.no_grad()
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
        """Searches from [B, D] start states; see :class:`planners.base.Planner`.

        Args:
            dynamics: the world model; its actions must be :class:`Discrete`.
            cost: a :class:`SearchGoal`.
            start: [B, D] start states.
            budget: bounds the search; model calls and seconds are checked between calls of the predictor.
            warm_start: [B, H] macro-actions whose predicted states join the frontier; negative ones end a sequence.
            generator: used where the dynamics has a Gaussian latent variable only: the search is deterministic.
            recorder: receives one ``expansion`` per call of the predictor: ``problems``, ``states`` expanded in order,
                ``actions``, ``next_states`` and whether these are ``new``, [m] or [m, D] each; then ``frontier`` [n, D]
                and ``frontier_problems`` [n], the open nodes after it.

        Returns:
            A plan whose ``actions`` [B, H] are padded with -1 and ``states`` [B, H+1, D] with the last state. Its
            ``cost`` is that of the path; where the goal was not reached the path leads to the state estimated to be
            nearest to it, whose estimate is added. ``complete`` is true where the goal was reached and no open node
            could improve the path. ``extras``, [B] each: ``found``, ``expanded``, ``path_lengths``, and ``bound``: the
            cost is at most so many times the optimum if the heuristic is admissible (infinite where nothing was found).
        """
        space = dynamics.actions
        if not isinstance(space, Discrete):
            raise PlannerError(f"LatentAStar needs Discrete actions, the dynamics has {type(space).__name__}")
        if not isinstance(cost, SearchGoal):
            raise PlannerError(f"LatentAStar needs a SearchGoal as its cost, not {type(cost).__name__}")
        if len(start) != len(cost.goal):
            raise PlannerError(
                f"start {list(start.shape)} and goal {list(cost.goal.shape)}: one goal per start is needed"
            )
        compile_kernels()
        meter = budget.meter()
        predict = outcomes_of(dynamics, cost.measure, self.risk, self.scenarios, start, generator)
        grid = HashGrid.of(self.resolution, start)
        edges = Edges(predict, cost.measure, grid, self.stride, self.edge_cost, self.valid)
        search = _Search(self, edges, predict.outcomes, space.n, meter, start, recorder)
        if warm_start is not None:
            search.follow(warm_start)
        search.run()
        return search.plan()


class _Search:
    """The rounds of all problems' searches; rows of a round are sorted by problem.

    Args:
        settings: of the planner.
        edges: the model.
        outcomes: predictions per edge.
        num_actions: of every state.
        meter: what has been spent.
        start: [B, D] start states.
        recorder: listens.
    """

    def __init__(
        self,
        settings: LatentAStar,
        edges: Edges,
        outcomes: int,
        num_actions: int,
        meter: Meter,
        start: Tensor,
        recorder: Recorder | None,
    ) -> None:
        self.batch, self.edges, self.outcomes = settings.batch, edges, outcomes
        self.num_actions, self.meter, self.recorder = num_actions, meter, recorder
        self.limit = min(settings.max_expansions, meter.budget.iterations or settings.max_expansions)
        self.width = max(1, settings.chunk // (num_actions * outcomes))
        self.frontiers = Frontiers(len(start), settings.weight, settings.anytime)
        self.states = start.new_empty(len(self.frontiers.nodes), start.shape[1])
        none = np.full(len(start), -1, np.int64)
        self._offer(edges.starts(start), np.arange(len(start)), none, none)

    def follow(self, actions: Tensor) -> None:
        """Adds the states that [B, H] actions lead to."""
        sequence, size = actions.cpu().numpy().astype(np.int64), len(self.frontiers.trees)
        if sequence.ndim != 2 or len(sequence) != size or sequence.max(initial=-1) >= self.num_actions:
            raise PlannerError(f"warm_start must be [{size}, H] actions under {self.num_actions}")
        nodes = np.arange(size)
        for action in sequence.T:
            going = np.flatnonzero((nodes >= 0) & (action >= 0))
            made = np.full(size, -1, np.int64)
            if len(going):
                made[going] = self._step(nodes[going], action[going])
            nodes = made

    def run(self) -> None:
        """Expands until every problem is finished or the budget is used up; one call is always made."""
        while len(nodes := self.frontiers.pop(self.batch, self.limit)):
            for first in range(0, len(nodes), self.width):
                part = nodes[first : first + self.width]
                self._step(np.repeat(part, self.num_actions), np.tile(np.arange(self.num_actions), len(part)))
                self.meter.lap()
                if self.meter.exhausted():
                    self.frontiers.put_back(nodes[first + self.width :])
                    return

    def plan(self) -> Plan:
        """The best paths so far."""
        self.frontiers.settle()
        trees, known, device = self.frontiers.trees, self.frontiers.nodes, self.states.device
        paths = [self.frontiers.path(problem) for problem in range(len(trees))]
        lengths = np.array([len(path) - 1 for path in paths])
        padded = np.stack([np.pad(path, (0, lengths.max() + 1 - len(path)), mode="edge") for path in paths])
        actions = np.where(np.arange(lengths.max()) < lengths[:, None], known["action"][padded[:, 1:]], -1)
        found, ends = trees["best"] >= 0, padded[:, -1]
        totals = known["cost"][ends] + np.where(found, 0.0, known["estimate"][ends])
        kind = self.states.dtype
        return Plan(
            actions=torch.from_numpy(actions.astype(np.int64)).to(device),
            states=self.states[self._index(padded)],
            cost=torch.from_numpy(totals).to(device, kind),
            complete=torch.from_numpy(found & trees["finished"]).to(device),
            model_calls=self.meter.model_calls,
            extras={
                "found": torch.from_numpy(found),
                "expanded": torch.from_numpy(trees["expanded"].copy()),
                "path_lengths": torch.from_numpy(lengths),
                "bound": torch.from_numpy(self.frontiers.bounds()).to(kind),
            },
        )

    def _step(self, nodes: Longs, actions: Longs) -> Longs:
        """Takes [m] actions in [m] nodes; returns the [m] nodes made, -1 where the state is known or invalid."""
        problems = self.frontiers.nodes["problem"][nodes].astype(np.int64)
        before = self.states.index_select(0, self._index(nodes))
        steps = self.edges.take(before, self._index(actions), self._index(problems))
        self.meter.model_calls += len(actions) * self.outcomes
        made = self._offer(steps, problems, nodes, actions)
        if self.recorder is not None:
            waiting = self._index(self.frontiers.waiting())
            self.recorder.record(
                "expansion", problems=problems, states=before, next_states=steps.states, actions=actions, new=made >= 0,
                frontier=self.states[waiting], frontier_problems=self.frontiers.nodes["problem"][waiting.cpu()],
            )  # fmt: skip
        return made

    def _offer(self, steps: Steps, problems: Longs, parents: Longs, actions: Longs) -> Longs:
        """Offers [m] states to their problems' frontiers; returns the [m] nodes made, -1 where there is none."""
        costs, estimates, arrived = steps.numbers.cpu().numpy()
        first, cells = self.frontiers.count, steps.cells.cpu().numpy()
        made = self.frontiers.add(Offers(problems, parents, actions, cells, costs, estimates, arrived))
        count = self.frontiers.count
        if count > len(self.states):
            room = self.states.new_empty(len(self.frontiers.nodes) - first, self.states.shape[1])
            self.states = torch.cat([self.states[:first], room])
        self.states[first:count] = steps.states.index_select(0, self._index(np.flatnonzero(made >= 0)))
        return made

    def _index(self, numbers: Longs) -> Tensor:
        return torch.from_numpy(numbers).to(self.states.device)
