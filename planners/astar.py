"""A* over a learned world model with discrete macro-actions: no landmarks, the graph is implicit.

Every round takes the best few nodes of every problem's frontier and expands all their macro-actions in a single call
of the predictor. Predicted states never repeat exactly, so states are told apart by a hash grid in latent space.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from planners.base import Budget, Cost, Discrete, Dynamics, Meter, Plan, Recorder
from planners.candidates import PlannerError, require_positive
from planners.frontier import Doubles, Frontier, Longs

StateFunction = Callable[[Tensor, Tensor], Tensor]
"""[M, D] states and [M, D] others (goals, next states) to [M] numbers or flags."""


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
    """

    goal: Tensor
    heuristic: StateFunction
    tolerance: float
    distance: StateFunction | None = None

    def __post_init__(self) -> None:
        if self.goal.dim() != 2:
            raise PlannerError(f"SearchGoal.goal must be [B, G], not {list(self.goal.shape)}")
        if not self.tolerance >= 0:
            raise PlannerError(f"SearchGoal.tolerance must not be negative, not {self.tolerance!r}")

    def __call__(self, states: Tensor, actions: Tensor) -> Tensor:
        """[B, ..., T+1, D] states to their [B, ..., T+1] estimated costs to go, world steps."""
        goals = self.goal.view(len(self.goal), *[1] * (states.dim() - 2), -1).expand(*states.shape[:-1], -1)
        return self.heuristic(states.flatten(0, -2), goals.flatten(0, -2)).view(states.shape[:-1])

    def measure(self, states: Tensor, problems: Tensor) -> tuple[Tensor, Tensor]:
        """[M, D] states of [M] problems to their [M] costs to go and [M] flags of arrival."""
        goals = self.goal[problems]
        estimates = self.heuristic(states, goals)
        distances = estimates if self.distance is None else self.distance(states, goals)
        return estimates.clamp(min=0), distances <= self.tolerance


@final
@dataclass(frozen=True, kw_only=True)
class LatentAStar:
    """Weighted A* over ``Dynamics`` with ``Discrete`` actions, for a batch of problems at once.

    With ``weight=1``, an admissible heuristic and a grid that tells all states apart, plans are optimal. A search
    goes on after the goal is reached for as long as an open node could still lead to a cheaper path.

    Attributes:
        resolution: cell size of the hash grid, in units of the state; one number, or one for each of D components.
        stride: cost of one macro-action, world steps; not used where ``edge_cost`` is given.
        weight: of the heuristic; above 1 is faster, and at most that factor from the optimum.
        batch: nodes of each problem that are expanded in one round.
        max_expansions: bound on each problem's expansions; a budget's ``iterations`` lowers it.
        edge_cost: [M, D] states and [M, D] next states to [M] costs of going there, world steps, not negative.
        valid: [M, D] states and [M, D] next states to [M] flags: whether the model's prediction is to be believed.
    """

    resolution: float | tuple[float, ...]
    stride: float = 1.0
    weight: float = 1.0
    batch: int = 24
    max_expansions: int = 1500
    edge_cost: StateFunction | None = None
    valid: StateFunction | None = None

    def __post_init__(self) -> None:
        require_positive("LatentAStar", stride=self.stride, batch=self.batch, max_expansions=self.max_expansions)
        if not self.weight >= 0:
            raise PlannerError(f"LatentAStar.weight must not be negative, not {self.weight!r}")
        if not np.all(np.asarray(self.resolution) > 0):
            raise PlannerError(f"LatentAStar.resolution must be positive, not {self.resolution!r}")

    @torch.no_grad()
    def plan(
        self,
        dynamics: Dynamics,
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
            budget: bounds the search; model calls and seconds are checked between rounds.
            warm_start: [B, H] macro-actions whose predicted states join the frontier; negative ones end a sequence.
            generator: not used: the search is deterministic.
            recorder: receives one ``expansion`` per round, with the states expanded and the states reached.

        Returns:
            A plan whose ``actions`` [B, H] are padded with -1 and ``states`` [B, H+1, D] with the last state. Its
            ``cost`` is that of the path; where the goal was not reached the path leads to the state estimated to be
            nearest to it, whose estimate is added. ``complete`` is true where the goal was reached and no open node
            could improve the path. ``extras``: ``found``, ``expanded`` and ``path_lengths``, [B] each.
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
        search = _Search(self, dynamics, space.n, cost, budget.meter(), start, recorder)
        if warm_start is not None:
            search.follow(warm_start)
        search.run()
        return search.plan()


@dataclass
class _Problem:
    """One problem's search.

    Attributes:
        frontier: its nodes.
        states: [capacity, D] the states of its nodes.
        best: the cheapest node that arrived, -1 if none did.
        best_cost: its cost.
        nearest: the node with the least estimate.
        expanded: expansions so far.
        finished: whether no open node could improve the result.
    """

    frontier: Frontier
    states: Tensor
    best: int = -1
    best_cost: float = math.inf
    nearest: int = 0
    expanded: int = 0
    finished: bool = False

    def absorb(self, states: Tensor, arrived: NDArray[np.bool_]) -> None:
        """Stores the [m, D] states of the newest nodes, and notes which of them are better than what was known."""
        known = self.frontier.nodes[: self.frontier.count]
        first = self.frontier.count - len(states)
        if self.frontier.count > len(self.states):
            room = self.states.new_empty((2 * self.frontier.count - len(self.states), self.states.shape[1]))
            self.states = torch.cat([self.states, room])
        self.states[first : self.frontier.count] = states
        costs = np.where(arrived, known["cost"][first:], np.inf)
        if costs.min(initial=np.inf) < self.best_cost:
            self.best, self.best_cost = first + int(costs.argmin()), float(costs.min())
        estimates = known["estimate"][first:]
        if len(states) and (first == 0 or estimates.min() < known["estimate"][self.nearest]):
            self.nearest = first + int(estimates.argmin())

    def path(self) -> Longs:
        """Nodes of the path to the goal, or to the state nearest to it."""
        return self.frontier.path(self.best if self.best >= 0 else self.nearest)


class _Search:
    """The rounds of all problems' searches; rows of a round are sorted by problem."""

    def __init__(
        self,
        settings: LatentAStar,
        dynamics: Dynamics,
        num_actions: int,
        goal: SearchGoal,
        meter: Meter,
        start: Tensor,
        recorder: Recorder | None,
    ) -> None:
        self.settings, self.dynamics, self.goal, self.meter, self.recorder = settings, dynamics, goal, meter, recorder
        self.num_actions = num_actions
        self.limit = min(settings.max_expansions, meter.budget.iterations or settings.max_expansions)
        self.grid = _Grid.of(settings.resolution, start)
        self.problems = [_Problem(Frontier(settings.weight), start[:0]) for _ in start]
        none = np.full(len(start), -1, np.int64)
        self._offer(np.arange(len(start)), start, np.zeros(len(start)), none, none, np.ones(len(start), bool))

    def follow(self, actions: Tensor) -> None:
        """Adds the states that [B, H] actions lead to."""
        sequence, count = _numpy(actions, np.int64), self.num_actions
        if sequence.ndim != 2 or len(sequence) != len(self.problems) or sequence.max(initial=-1) >= count:
            raise PlannerError(f"warm_start must be [{len(self.problems)}, H] actions under {count}")
        nodes = np.zeros(len(self.problems), np.int64)
        for action in sequence.T:
            problems = np.flatnonzero((nodes >= 0) & (action >= 0))
            made = np.full(len(nodes), -1, np.int64)
            if len(problems):
                made[problems] = self._step(problems, nodes[problems], action[problems])
            nodes = made

    def run(self) -> None:
        """Expands until every problem is finished or the budget is used up; at least one round is done."""
        while self._round() and not self.meter.exhausted():
            pass
        for problem in self.problems:
            problem.finished = problem.finished or not len(problem.frontier.pop(1, problem.best_cost))

    def plan(self) -> Plan:
        """The best paths so far."""
        paths = [problem.path() for problem in self.problems]
        nodes = [problem.frontier.nodes[path] for problem, path in zip(self.problems, paths, strict=True)]
        lengths = torch.tensor([len(path) - 1 for path in paths])
        actions = torch.full((len(paths), int(lengths.max())), -1)
        for row, path in zip(actions, nodes, strict=True):
            row[: len(path) - 1] = torch.from_numpy(path["action"][1:].copy())
        padded = [np.pad(path, (0, actions.shape[1] + 1 - len(path)), mode="edge") for path in paths]
        states = [problem.states[self._index(path)] for problem, path in zip(self.problems, padded, strict=True)]
        found = torch.tensor([problem.best >= 0 for problem in self.problems])
        totals = [
            path["cost"][-1] + (0.0 if problem.best >= 0 else path["estimate"][-1])
            for problem, path in zip(self.problems, nodes, strict=True)
        ]
        first = self.problems[0].states
        return Plan(
            actions=actions.to(first.device),
            states=torch.stack(states),
            cost=torch.tensor(totals, dtype=first.dtype, device=first.device),
            complete=(found & torch.tensor([problem.finished for problem in self.problems])).to(first.device),
            model_calls=self.meter.model_calls,
            extras={
                "found": found,
                "expanded": torch.tensor([problem.expanded for problem in self.problems]),
                "path_lengths": lengths,
            },
        )

    def _round(self) -> bool:
        """Expands the best nodes of every unfinished problem; false if there is none."""
        picked = [self._pick(problem) for problem in self.problems]
        nodes = np.concatenate(picked)
        if not len(nodes):
            return False
        problems = np.repeat(np.arange(len(picked)), [len(part) for part in picked])
        actions = np.tile(np.arange(self.num_actions), len(nodes))
        self._step(np.repeat(problems, self.num_actions), np.repeat(nodes, self.num_actions), actions)
        return True

    def _pick(self, problem: _Problem) -> Longs:
        most = min(self.settings.batch, self.limit - problem.expanded)
        if problem.finished or most <= 0:
            return np.empty(0, np.int64)
        nodes = problem.frontier.pop(most, problem.best_cost)
        problem.expanded += len(nodes)
        problem.finished = not len(nodes)
        return nodes

    def _step(self, problems: Longs, nodes: Longs, actions: Longs) -> Longs:
        """Takes [m] actions in [m] nodes; returns the [m] nodes made, -1 where the state is known or invalid."""
        ends = np.searchsorted(problems, np.arange(len(self.problems) + 1))
        parts = [(problem, nodes[i:j]) for problem, i, j in zip(self.problems, ends, ends[1:], strict=False) if i < j]
        before = torch.cat([problem.states[self._index(part)] for problem, part in parts])
        spent = np.concatenate([problem.frontier.nodes["cost"][part] for problem, part in parts])
        after = self.dynamics.step(before, self._index(actions))
        self.meter.model_calls += len(actions)
        step_costs, valid = self._judge(before, after)
        made = self._offer(problems, after, spent + step_costs, nodes, actions, valid)
        if self.recorder is not None:
            self.recorder.record(
                "expansion", problems=problems, states=before, next_states=after, actions=actions, new=made >= 0
            )
        return made

    def _judge(self, before: Tensor, after: Tensor) -> tuple[Doubles, NDArray[np.bool_]]:
        """[m] step costs and [m] flags: whether the steps may be taken."""
        costs = np.full(len(after), self.settings.stride)
        if self.settings.edge_cost is not None:
            costs = _numpy(self.settings.edge_cost(before, after), np.float64)
        valid = np.isfinite(costs) & _numpy(torch.isfinite(after).all(-1), bool)
        if self.settings.valid is not None:
            valid &= _numpy(self.settings.valid(before, after), bool)
        return costs, valid

    def _offer(
        self,
        problems: Longs,
        states: Tensor,
        costs: Doubles,
        parents: Longs,
        actions: Longs,
        valid: NDArray[np.bool_],
    ) -> Longs:
        """Offers [m] states to their problems' frontiers; returns the [m] nodes made, -1 where there is none."""
        estimates, arrived = self.goal.measure(states, self._index(problems))
        guess, there = _numpy(estimates, np.float64), _numpy(arrived, bool)
        cells, made = _numpy(self.grid.cells(states), np.int64), np.full(len(problems), -1, np.int64)
        usable, ends = valid & ~np.isnan(guess), np.searchsorted(problems, np.arange(len(self.problems) + 1))
        for problem, first, last in zip(self.problems, ends, ends[1:], strict=False):
            rows = first + np.flatnonzero(usable[first:last])
            if not len(rows):
                continue
            new = rows[problem.frontier.add(cells[rows], costs[rows], guess[rows], parents[rows], actions[rows])]
            problem.absorb(states[self._index(new)], there[new])
            made[new] = np.arange(problem.frontier.count - len(new), problem.frontier.count)
        return made

    def _index(self, numbers: Longs) -> Tensor:
        return torch.from_numpy(numbers).to(self.goal.goal.device)


@dataclass(frozen=True)
class _Grid:
    """Cells of a latent space.

    Attributes:
        resolution: [D] cell size of each component.
        factors: [D] odd numbers that hash a cell's coordinates to 64 bits.
    """

    resolution: Tensor
    factors: Tensor

    @classmethod
    def of(cls, resolution: float | tuple[float, ...], start: Tensor) -> _Grid:
        size = torch.as_tensor(resolution, dtype=start.dtype, device=start.device)
        dim = start.shape[-1]
        if size.dim() and size.shape != (dim,):
            raise PlannerError(f"LatentAStar.resolution must be one number or {dim}, not {len(size)}")
        generator = torch.Generator().manual_seed(0)
        factors = torch.randint(2**62, (dim,), generator=generator) * 2 + 1
        return cls(size, factors.to(start.device))

    def cells(self, states: Tensor) -> Tensor:
        """[M, D] states to the [M] numbers of their cells; two cells share a number with a chance of 2 ** -64."""
        # A multiplication of integers wraps around, which is what a hash wants.
        return (torch.round(states / self.resolution).long() * self.factors).sum(-1)


def _numpy(values: Tensor, kind: type) -> NDArray[Any]:
    return values.cpu().numpy().astype(kind)
