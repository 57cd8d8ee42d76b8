"""Value iteration over finite models: the least expected, worst or CVaR cost to go, and the policy that attains it.

The cost to go obeys ``V(s) = min_a risk(cost + discount * V(next))`` over the outcomes of ``a``, and is 0 at a goal. A
risk other than the mean is taken at every step (nested, as a time-consistent policy needs it; Ruszczynski, 2010).
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planners.base import Budget, Meter, Recorder
from planners.bellman_kernels import Rules, Solution, Tables, begin, evaluate, improve, raise_above
from planners.candidates import PlannerError, require_positive
from planners.finite_model import FiniteModel
from planners.risk import MEAN, Risk

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Doubles = NDArray[np.float64]
Mask = NDArray[np.bool_]

ROUGHLY = 0.05
"""Change in the number of steps at which the first policy is known well enough to be improved; at most a half."""

THREADED_FROM = 50_000
"""Outcomes in a model from which on a sweep takes longer than waking a thread."""


class Walk(NamedTuple):
    """Roll-outs of a policy, N per goal.

    Attributes:
        states: [G, N, T+1] the states passed; -1 is nowhere. Where the policy has no action, the state stays.
        actions: [G, N, T] the actions taken, -1 where there was none.
        costs: [G, N, T] cost of each step.
    """

    states: Longs
    actions: Longs
    costs: Doubles


@final
@dataclass(frozen=True, eq=False)
class Policy:
    """What to do in every state, for each of G goals.

    Attributes:
        values: [G, S] risk-weighted cost to go; infinite where no policy is sure to arrive.
        actions: [G, S] the best action; -1 at the goal, where giving up is best, and where the value is infinite.
        converged: [G] whether the last sweep changed no value by more than the tolerance.
        sweeps: rounds over all states that it took.
    """

    values: Doubles
    actions: Ints
    converged: Mask
    sweeps: int

    def walk(
        self, model: FiniteModel, starts: ArrayLike, steps: int, generator: np.random.Generator | None = None
    ) -> Walk:
        """Follows the policy from [G, N] states; the likeliest outcome comes true, or one drawn by a generator."""
        state = np.asarray(starts, np.int64)
        if state.ndim != 2 or len(state) != len(self.values):
            raise PlannerError(f"starts must be [{len(self.values)}, N], not {list(state.shape)}")
        states, actions, costs = [state], [], []
        for _ in range(steps):
            action = np.where(state >= 0, np.take_along_axis(self.actions, np.maximum(state, 0), 1), -1)
            place = (np.maximum(state, 0), np.maximum(action, 0))
            outcome = _draw(model.chances[place], generator)
            moves = action >= 0
            state = np.where(moves, model.next_states[(*place, outcome)], state)
            states.append(state)
            actions.append(action)
            costs.append(np.where(moves, model.costs[(*place, outcome)], 0.0))
        return Walk(np.stack(states, -1), _stack(actions, state, np.int64), _stack(costs, state, np.float64))


def value_iteration(
    model: FiniteModel,
    goals: ArrayLike,
    *,
    risk: Risk = MEAN,
    discount: float = 1.0,
    give_up: float = math.inf,
    tolerance: float = 1e-6,
    max_sweeps: int = 10_000,
    meter: Meter | None = None,
    recorder: Recorder | None = None,
    workers: int | None = None,
) -> Policy:
    """Finds the best policy for each of G goals.

    >>> model = FiniteModel.of(next_states=[[1, 2], [2, 2], [2, 2]], costs=[[1, 5], [2, 1], [0, 0]])
    >>> policy = value_iteration(model, goals=[2])
    >>> policy.values.tolist(), policy.actions.tolist()
    ([[2.0, 1.0, 0.0]], [[0, 1, -1]])

    Args:
        model: the world.
        goals: [G] states, or [G, S] masks of the states that count as each goal. An episode ends there.
        risk: what the outcomes of an action count as.
        discount: weight of each further step, in (0, 1].
        give_up: what it costs to give up, which is possible everywhere, so that nothing costs more and traps have a
            price (Kolobov et al., 2012). If infinite, a state from which the goal cannot be reached for sure costs
            infinitely much.
        tolerance: largest change of a value in a sweep that counts as none, in units of cost.
        max_sweeps: rounds over all states.
        meter: what may be spent; checked between sweeps, which are its iterations.
        recorder: receives an ``iterate`` with the [G, S] ``values`` before the first sweep and after each one.
        workers: threads, which share the goals; if None, one per CPU for a model that is large enough.

    Raises:
        PlannerError: a setting makes no sense, or a goal is no state.
    """
    require_positive("value_iteration", tolerance=tolerance, max_sweeps=max_sweeps, give_up=give_up)
    if not 0 < discount <= 1:
        raise PlannerError(f"value_iteration's discount must be in (0, 1], not {discount!r}")
    tables = Tables(model.next_states, model.chances, model.costs, *model.possible, *model.incoming)
    rules = Rules(float(risk.tail), float(discount), float(give_up), False)
    iteration = _Iteration(tables, rules, _goal_masks(goals, model.num_states), tolerance, recorder)
    meter = meter or Budget().meter()
    threads = workers or (os.cpu_count() or 1 if model.chances.size >= THREADED_FROM else 1)
    if min(threads, len(iteration.arrived)) <= 1:
        iteration.run(map, max_sweeps, meter)
    else:
        with ThreadPoolExecutor(threads) as pool:
            iteration.run(pool.map, max_sweeps, meter)
    return Policy(iteration.values, iteration.actions, iteration.converged, iteration.sweeps)


class _Iteration:
    """The sweeps over all goals: of each, first those that evaluate a policy to begin with, then those that improve it.

    Attributes:
        arrived: [G, S] masks of the goals.
        values: [G, S] values, which never rise while they are improved.
        actions: [G, S] the policy.
        steps: [G, S] how many steps the first policy takes.
        improving: [G] whether the first policy is evaluated.
        converged: [G] whether its best improvement is found.
        sweeps: done so far.
    """

    def __init__(
        self, tables: Tables, rules: Rules, arrived: Mask, tolerance: float, recorder: Recorder | None
    ) -> None:
        self.tables, self.rules, self.arrived, self.tolerance, self.recorder = (
            tables, rules, arrived, tolerance, recorder,
        )  # fmt: skip
        self.values, self.actions = np.zeros(arrived.shape), np.full(arrived.shape, -1, np.int32)
        self.steps = np.zeros(arrived.shape)
        self.improving, self.converged = np.zeros(len(arrived), np.bool_), np.zeros(len(arrived), np.bool_)
        self.sweeps = 0

    def run(self, each: Callable[..., object], max_sweeps: int, meter: Meter) -> None:
        """Sweeps until nothing changes or the budget is used up; ``each`` maps a function over goals."""
        list(each(lambda goal: begin(self.tables, self.rules, self._solution(goal)), range(len(self.arrived))))  # type: ignore[call-overload]
        self._record()
        while not self.converged.all() and self.sweeps < max_sweeps and not meter.exhausted():
            active = np.flatnonzero(~self.converged)
            settled = active[list(each(self._sweep, active))]  # type: ignore[call-overload]
            self.converged[settled] = self.improving[settled]
            self.improving[settled] = True
            self.sweeps += 1
            meter.iterations += 1
            meter.lap()
            self._record()

    def _solution(self, goal: int) -> Solution:
        return Solution(self.values[goal], self.actions[goal], self.steps[goal], self.arrived[goal])

    def _sweep(self, goal: int) -> bool:
        """Whether a sweep of one goal's values settled what it works on."""
        solution = self._solution(goal)
        if self.improving[goal]:
            return bool(improve(self.tables, self.rules, solution) <= self.tolerance)
        error, steps = evaluate(self.tables, self.rules, solution)
        settled = bool(steps <= ROUGHLY)
        if settled:
            raise_above(self.rules, solution, error)
        return settled

    def _record(self) -> None:
        if self.recorder is not None:
            self.recorder.record("iterate", iteration=self.sweeps, values=self.values.copy())


def _goal_masks(goals: ArrayLike, num_states: int) -> Mask:
    """[G] states or [G, S] masks to [G, S] masks."""
    given = np.asarray(goals)
    if given.dtype == np.bool_ and given.ndim == 2 and given.shape[1] == num_states:
        return np.ascontiguousarray(given)
    if given.ndim != 1 or not np.issubdtype(given.dtype, np.integer):
        shape = f"{list(given.shape)} of {given.dtype}"
        raise PlannerError(f"goals must be [G] integers or [G, {num_states}] of bool, not {shape}")
    if len(given) and not (given.min() >= 0 and given.max() < num_states):
        raise PlannerError(f"goals must be states 0 .. {num_states - 1}; found {given.min()} .. {given.max()}")
    return given[:, None] == np.arange(num_states)


def _draw(chances: Doubles, generator: np.random.Generator | None) -> Longs:
    """[..., K] probabilities to [...] outcomes."""
    if generator is None:
        return chances.argmax(-1)
    ladder = chances.cumsum(-1)
    return (generator.random((*chances.shape[:-1], 1)) * ladder[..., -1:] >= ladder).sum(-1)


def _stack(steps: list[NDArray], like: Longs, kind: type) -> NDArray:
    return np.stack(steps, -1) if steps else np.empty((*like.shape, 0), kind)
