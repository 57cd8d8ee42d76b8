"""Dynamic programming over a learned world model: value iteration on representative states, then a greedy roll-out.

All problems share the finite model; each has its own goal and values. The plan itself is made of the states that the
dynamics predicts, not of representatives: at every step the policy is asked anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from planners.astar import SearchGoal
from planners.base import AnyDynamics, Budget, Cost, Meter, Plan, Recorder, is_stochastic
from planners.bellman import Mask, Policy, value_iteration
from planners.candidates import PlannerError, require_positive
from planners.finite_model import Discretisation, FiniteModel, Transitions, require_discrete
from planners.risk import MEAN, Risk


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class DynamicProgramming:
    """Value iteration over a dynamics with ``Discrete`` actions, for a batch of problems at once.

    Attributes:
        world: the representative states, and how predictions are matched with them. They must be denser than the
            goal's tolerance.
        risk: what the modes of a latent variable count as, at every step.
        discount: weight of each further step, in (0, 1].
        give_up: what it costs to give up, at most which a trap counts; see :func:`value_iteration`.
        tolerance: change of a value that counts as none, in units of cost.
        max_sweeps: rounds of value iteration.
        horizon: most steps of a plan.
        reuse: keeps the finite model for as long as the dynamics is the same object. Only for a dynamics that doesn't
            change: a network that was trained further is the same object, and its old predictions would be used.
    """

    world: Discretisation
    risk: Risk = MEAN
    discount: float = 1.0
    give_up: float = math.inf
    tolerance: float = 1e-6
    max_sweeps: int = 10_000
    horizon: int = 256
    reuse: bool = False
    _kept: list[tuple[AnyDynamics, FiniteModel]] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        require_positive("DynamicProgramming", horizon=self.horizon)

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
        """Plans from [B, D] start states; see :class:`planners.base.Planner`.

        Args:
            dynamics: the world model; its actions must be :class:`Discrete`.
            cost: a :class:`SearchGoal`. Its heuristic is not needed, only compared with where the goal is not reached.
            start: [B, D] start states; they need not be representatives, but must lead to some in one step.
            budget: one iteration is one action tried in all states, or one sweep. Where it runs out, the plan makes do
                with the actions tried so far.
            warm_start: [B, H] actions, returned if they turn out to be cheaper; negative ones end a sequence. Not used
                where the dynamics is stochastic: what is planned there is no sequence.
            generator: draws a Gaussian latent variable.
            recorder: receives an ``iterate`` per sweep: the representative ``states`` and their [B, S] ``values``.

        Returns:
            A plan whose ``actions`` [B, H] are padded with -1 and ``states`` [B, H+1, D] with the last state. They end
            at the goal, or where the cost so far and the estimate of the rest are least. Its ``cost`` is that of this
            path, with the estimate where the goal is not reached. Where the dynamics is stochastic, the path shows the
            likeliest outcomes (the first of the samples), and the ``cost`` is the policy's risk-weighted one.
            ``extras``: ``found`` and ``path_lengths`` [B], and ``policy``, a
            :class:`planners.bellman.Policy`.
        """
        space, meter = require_discrete("DynamicProgramming", dynamics), budget.meter()
        goal = _check(cost, start)
        warm = None if warm_start is None else _check_warm_start(warm_start, len(start), space.n)
        model = self._model(dynamics, generator, meter)
        policy = value_iteration(
            model, self._goals(goal), risk=self.risk, discount=self.discount, give_up=self.give_up,
            tolerance=self.tolerance, max_sweeps=self.max_sweeps, meter=meter,
            recorder=None if recorder is None else _WithStates(recorder, self.world.states),
        )  # fmt: skip
        walker = _Walker(self, dynamics, goal, start, policy, model.num_actions, meter, generator)
        path = walker.greedy()
        stochastic = is_stochastic(dynamics)
        if warm is not None and not stochastic:
            path = path.or_better(walker.follow(warm))
        whole = torch.from_numpy(policy.converged & (model.num_actions == space.n))
        extras: dict[str, Any] = {"found": path.found, "path_lengths": path.lengths, "policy": policy}
        return Plan(
            path.actions, path.states, walker.values() if stochastic else path.cost, whole.to(start.device),
            meter.model_calls, extras,
        )  # fmt: skip

    def _model(self, dynamics: AnyDynamics, generator: torch.Generator | None, meter: Meter) -> FiniteModel:
        for known, model in self._kept:
            if known is dynamics:
                return model
        model = self.world.model(dynamics, generator=generator, meter=meter)
        if self.reuse and model.num_actions == require_discrete("DynamicProgramming", dynamics).n:
            self._kept[:] = [(dynamics, model)]
        return model

    def _goals(self, goal: SearchGoal) -> Mask:
        """[B, S] which representatives count as each problem's goal."""
        states = self.world.states
        problems = torch.arange(len(goal.goal), device=states.device)
        return np.stack([goal.measure(states, problem.expand(len(states)))[1].cpu().numpy() for problem in problems])


@dataclass(frozen=True)
class _Path:
    """One path per problem.

    Attributes:
        actions: [B, H] padded with -1.
        states: [B, H+1, D] padded with the last state.
        lengths: [B] actions taken.
        found: [B] whether it ends at the goal.
        cost: [B] of the path, and the estimate of the rest if it doesn't.
    """

    actions: Tensor
    states: Tensor
    lengths: Tensor
    found: Tensor
    cost: Tensor

    @classmethod
    def best_part(cls, actions: Tensor, states: Tensor, spent: Tensor, rest: Tensor, arrived: Tensor) -> _Path:
        """Cuts [B, T] actions at the goal, or where [B, T+1] costs so far and estimates of the rest are least."""
        totals = torch.where(arrived, spent, spent + rest)
        found = arrived.any(1)
        lengths = torch.where(found, arrived.int().argmax(1), totals.argmin(1))
        steps = torch.arange(states.shape[1], device=states.device)
        most = int(lengths.max())
        last = torch.minimum(steps, lengths[:, None])[:, : most + 1]
        kept = torch.where(steps[:most] < lengths[:, None], actions[:, :most], -1)
        states = states.gather(1, last[..., None].expand(-1, -1, states.shape[-1]))
        return cls(kept, states, lengths, found, totals.gather(1, lengths[:, None])[:, 0])

    def or_better(self, other: _Path) -> _Path:
        """The cheaper of the two, problem by problem; one that ends at the goal comes first."""
        better = (other.found & ~self.found) | ((other.found == self.found) & (other.cost < self.cost))
        longest = max(self.actions.shape[1], other.actions.shape[1])
        mine, others = self._padded(longest), other._padded(longest)
        pick = better[:, None]
        return _Path(
            torch.where(pick, others.actions, mine.actions),
            torch.where(pick[..., None], others.states, mine.states),
            torch.where(better, other.lengths, self.lengths),
            torch.where(better, other.found, self.found),
            torch.where(better, other.cost, self.cost),
        )

    def _padded(self, length: int) -> _Path:
        more = length - self.actions.shape[1]
        actions = torch.nn.functional.pad(self.actions, (0, more), value=-1)
        states = torch.cat([self.states, self.states[:, -1:].expand(-1, more, -1)], 1)
        return _Path(actions, states, self.lengths, self.found, self.cost)


@dataclass
class _Walker:
    """Rolls actions out in the world model, for all problems at once.

    Attributes:
        settings: of the planner.
        dynamics: the world model; of a stochastic one, the likeliest outcome comes true.
        goal: where to go.
        start: [B, D] start states.
        policy: what to do at representatives.
        num_actions: actions that the policy knows.
        meter: what has been spent.
        generator: draws a Gaussian latent variable.
    """

    settings: DynamicProgramming
    dynamics: AnyDynamics
    goal: SearchGoal
    start: Tensor
    policy: Policy
    num_actions: int
    meter: Meter
    generator: torch.Generator | None

    def follow(self, actions: Tensor) -> _Path:
        """The path of [B, H] actions."""
        columns = iter(actions.unbind(1))
        return self._walk(lambda states, rows: next(columns)[rows], actions.shape[1])

    def greedy(self) -> _Path:
        """The path of the policy."""
        return self._walk(self._choose, self.settings.horizon)

    def _walk(self, choose: Callable[[Tensor, Tensor], Tensor], steps: int) -> _Path:
        """Goes on until all problems have arrived or stopped; ``choose`` maps [M, D] states of [M] problems."""
        everyone = torch.arange(len(self.start), device=self.start.device)
        rest, arrived = self.goal.measure(self.start, everyone)
        states, taken, spent, rests, arrivals = [self.start], [], [torch.zeros_like(rest)], [rest], [arrived]
        rows = everyone
        for _ in range(steps):
            rows = rows[~arrivals[-1][rows]]
            picked = choose(states[-1][rows], rows) if len(rows) else rows
            rows, picked = rows[picked >= 0], picked[picked >= 0]
            if not len(rows):
                break
            reached, price = self._step(states[-1][rows], picked)
            rest, arrived = self.goal.measure(reached, rows)
            taken.append(torch.full_like(everyone, -1).index_copy(0, rows, picked))
            states.append(states[-1].index_copy(0, rows, reached))
            spent.append(spent[-1].index_add(0, rows, price.to(spent[-1])))
            rests.append(rests[-1].index_copy(0, rows, rest))
            arrivals.append(arrivals[-1].index_copy(0, rows, arrived))
        actions = torch.stack(taken, 1) if taken else everyone.new_empty((len(everyone), 0))
        return _Path.best_part(actions, *(torch.stack(columns, 1) for columns in (states, spent, rests, arrivals)))

    def _step(self, states: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """[M, D] likeliest next states and [M] costs of [M] actions."""
        outcomes = self._outcomes(states, actions)
        likeliest = torch.from_numpy(outcomes.chances.argmax(1)).to(states.device)
        every = torch.arange(len(states), device=states.device)
        costs = torch.from_numpy(outcomes.costs).to(states.device)
        return outcomes.states[every, likeliest], costs[every, likeliest]

    def _outcomes(self, states: Tensor, actions: Tensor) -> Transitions:
        outcomes = self.settings.world.outcomes(self.dynamics, states, actions, self.generator)
        self.meter.model_calls += outcomes.chances.size
        return outcomes

    def _choose(self, states: Tensor, rows: Tensor) -> Tensor:
        """[M] best actions at [M, D] states of [M] problems, -1 where none leads to the goal.

        All actions are tried, and the states that they lead to are looked up. Once the budget is used up, that is
        done only where the state is like no representative, or like one of the goal.
        """
        chosen = torch.full_like(rows, -1)
        if self.meter.exhausted():
            nearest = self.settings.world.nearest(states)
            known = self.policy.actions[rows.cpu().numpy(), nearest]
            chosen = torch.from_numpy(np.where(nearest >= 0, known, -1)).to(rows)
        ask = chosen < 0
        if ask.any():
            least, best = self._look_ahead(states[ask], rows[ask]).min(1)
            chosen[ask] = torch.where(least < self.settings.give_up, best, -1)
        return chosen

    def values(self) -> Tensor:
        """[B] the policy's cost to go from the start, risk-weighted."""
        everyone = torch.arange(len(self.start), device=self.start.device)
        totals = self._look_ahead(self.start, everyone).amin(1).to(self.start.dtype)
        return torch.where(self.goal.measure(self.start, everyone)[1], 0.0, totals)

    def _look_ahead(self, states: Tensor, rows: Tensor) -> Tensor:
        """[M, n] what the actions cost at [M, D] states of [M] problems, with all that follows."""
        count, settings = self.num_actions, self.settings
        tried = torch.arange(count, device=states.device).repeat(len(states))
        outcomes = self._outcomes(states.repeat_interleave(count, 0), tried)
        problems = rows.repeat_interleave(count * outcomes.chances.shape[1])
        arrived = self.goal.measure(outcomes.states.flatten(0, 1), problems)[1].cpu().numpy() & outcomes.valid.ravel()
        numbers = outcomes.numbers.ravel()
        follows = np.where(numbers >= 0, self.policy.values[problems.cpu().numpy(), numbers], settings.give_up)
        totals = outcomes.costs + settings.discount * np.where(arrived, 0.0, follows).reshape(outcomes.costs.shape)
        weighted = settings.risk(torch.from_numpy(totals), torch.from_numpy(outcomes.chances))
        return weighted.clamp(max=settings.give_up).view(len(states), count).to(states.device)


@dataclass(frozen=True)
class _WithStates:
    """Adds the representative states to what a recorder is told.

    Attributes:
        recorder: is told.
        states: [S, D] the representatives.
    """

    recorder: Recorder
    states: Tensor

    def record(self, kind: str, **data: Any) -> None:
        self.recorder.record(kind, states=self.states, **data)


def _check(cost: Cost, start: Tensor) -> SearchGoal:
    if not isinstance(cost, SearchGoal):
        raise PlannerError(f"DynamicProgramming needs a SearchGoal as its cost, not {type(cost).__name__}")
    if len(start) != len(cost.goal):
        raise PlannerError(f"start {list(start.shape)} and goal {list(cost.goal.shape)}: one goal per start is needed")
    return cost


def _check_warm_start(warm_start: Tensor, batch: int, count: int) -> Tensor:
    fits = warm_start.dim() == 2 and len(warm_start) == batch and not warm_start.is_floating_point()
    if not fits or (warm_start >= count).any():
        raise PlannerError(f"warm_start must be [{batch}, H] actions under {count}, not {list(warm_start.shape)}")
    return warm_start
