"""The compiled loops behind :mod:`planners.bellman`, for one goal at a time and without the interpreter lock.

Values begin at (a little above) the cost of a policy that surely arrives, and only fall from there: so they stay right
where some steps cost nothing, and at any time there is a policy at least that good (Bertsekas and Yu, 2016).
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from planners.risk import tail_mean

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Doubles = NDArray[np.float64]
Mask = NDArray[np.bool_]

ROUNDING = 1e-12
"""Sums of probabilities that differ by less than this are equal, and so are costs by this share."""


class Tables(NamedTuple):
    """A :class:`planners.finite_model.FiniteModel`: its arrays, and what it knows of them."""

    next_states: Ints
    chances: Doubles
    costs: Doubles
    counts: Ints
    ends: Mask
    pointers: Longs
    arcs: Longs


class Rules(NamedTuple):
    """What a value is.

    Attributes:
        tail: of the :class:`planners.risk.Risk`.
        discount: weight of each further step.
        give_up: what giving up costs, and being nowhere.
        unit_costs: whether every step costs 1 instead of its own cost.
    """

    tail: float
    discount: float
    give_up: float
    unit_costs: bool


class Solution(NamedTuple):
    """What is known for one goal.

    Attributes:
        values: [S] costs to go.
        actions: [S] the policy; -1 where there is no action.
        steps: [S] how many steps the first policy takes.
        arrived: [S] where the goal is reached.
    """

    values: Doubles
    actions: Ints
    steps: Doubles
    arrived: Mask


@njit(cache=True, nogil=True, inline="always")
def _outcome(tables, rules, values, state, action, outcome):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The chance of an outcome, and the cost of its step and of all that follows."""
    after = tables.next_states[state, action, outcome]
    follows = values[after] if after >= 0 else rules.give_up
    price = 1.0 if rules.unit_costs else tables.costs[state, action, outcome]
    return tables.chances[state, action, outcome], price + rules.discount * follows


@njit(cache=True, nogil=True)
def action_value(tables, rules, values, state, action, partial):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Risk over the outcomes of an action.

    With ``partial``, outcomes of infinite value are left out, as if they were impossible.
    """
    count, mean, worst, total = 0, 0.0, -np.inf, 0.0
    for outcome in range(tables.chances.shape[2]):
        chance, cost = _outcome(tables, rules, values, state, action, outcome)
        if chance > 0.0 and not (partial and cost == np.inf):
            count, mean, worst, total = count + 1, mean + chance * cost, max(worst, cost), total + chance
    if count == 0:
        return np.inf
    if rules.tail == 1.0:
        return mean / total
    if rules.tail == 0.0 or count == 1 or worst == np.inf:
        return worst
    costs, chances, count = np.empty(count), np.empty(count), 0
    for outcome in range(tables.chances.shape[2]):
        chance, cost = _outcome(tables, rules, values, state, action, outcome)
        if chance > 0.0 and cost < np.inf:
            costs[count], chances[count] = cost, chance
            count += 1
    return tail_mean(costs, chances, count, rules.tail)


@njit(cache=True, nogil=True)
def _lose(tables, choices, blocked, arrived, found):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Spreads the loss of the states ``found``: actions that may lead there are barred, which may lose more states.

    ``choices`` counts the actions that a state has left; it is 0 where the state is lost.
    """
    _, actions, outcomes = tables.chances.shape
    while len(found) > 0:
        state = found.pop()
        for arc in tables.arcs[tables.pointers[state] : tables.pointers[state + 1]]:
            before, action = arc // (actions * outcomes), arc // outcomes % actions
            if choices[before] == 0 or arrived[before] or blocked[before, action]:
                continue
            blocked[before, action] = True
            choices[before] -= 1
            if choices[before] == 0:
                found.append(before)


@njit(cache=True, nogil=True)
def _step_cost(tables, state, action):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Mean cost of the step alone."""
    total = 0.0
    for outcome in range(tables.chances.shape[2]):
        total += tables.chances[state, action, outcome] * tables.costs[state, action, outcome]
    return total


@njit(cache=True, nogil=True)
def _spread(tables, rules, blocked, solution):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Dijkstra's search from the goal: a policy that surely arrives, and its values or estimates of them.

    An action is taken up once, however unlucky, it is bound to lead to states that are settled sooner or later: the
    share of its outcomes that are not must be less than the tail, as the tail could consist of nothing else. (For
    the worst case: there must be none.) Until then an unlucky step counts as one to be taken again. Exact where there
    is one outcome, and for the worst case (Knuth, 1977).
    """
    states, actions, outcomes = tables.chances.shape
    values, choice, _, arrived = solution
    waiting, outside = tables.counts.copy(), np.ones((states, actions))
    values[:], choice[:] = np.inf, -1
    values[arrived] = 0.0
    settled = np.zeros(states, np.bool_)
    heap = [(0.0, state) for state in np.flatnonzero(arrived)]
    while len(heap) > 0:
        state = heappop(heap)[1]
        if settled[state]:
            continue
        settled[state] = True
        for arc in tables.arcs[tables.pointers[state] : tables.pointers[state + 1]]:
            before, action = arc // (actions * outcomes), arc // outcomes % actions
            if settled[before] or arrived[before] or blocked[before, action]:
                continue
            waiting[before, action] -= 1
            outside[before, action] -= tables.chances[before, action, arc % outcomes]
            if waiting[before, action] > 0 and not outside[before, action] < rules.tail - ROUNDING:
                continue
            value = action_value(tables, rules, values, before, action, True)
            if waiting[before, action] > 0:
                unlucky = outside[before, action] / rules.tail
                value += _step_cost(tables, before, action) * unlucky / (1.0 - unlucky)
            if value < values[before]:
                values[before], choice[before] = value, action
                heappush(heap, (value, before))


@njit(cache=True, nogil=True)
def begin(tables, rules, solution):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Fills a solution with a policy and values to begin with; infinite where no policy surely arrives.

    With a price for giving up nothing is lost. With a discount it costs no more to never arrive than to go on
    forever, and only dead ends are lost. Else whatever cannot arrive is, which may bar the way for others: hence the
    repetition.
    """
    values, _, steps, arrived = solution
    all_or_nothing = rules.give_up == np.inf
    blocked = (tables.counts == 0) | (tables.ends & all_or_nothing)
    choices = (~blocked).sum(1)
    found = [state for state in range(len(values)) if choices[state] == 0 and not arrived[state]]
    while True:
        if all_or_nothing:
            _lose(tables, choices, blocked, arrived, found)
        _spread(tables, rules, blocked, solution)
        if not all_or_nothing or rules.discount < 1.0:
            break
        found = [state for state in range(len(values)) if values[state] == np.inf and choices[state] > 0]
        if len(found) == 0:
            break
        for state in found:
            choices[state] = 0
    steps[:] = 0.0
    ceiling = rules.give_up
    if all_or_nothing and rules.discount < 1.0:
        ceiling = tables.costs.max() / (1.0 - rules.discount)
    for state in range(len(values)):
        if choices[state] > 0 or not all_or_nothing:
            values[state] = min(values[state], ceiling)


@njit(cache=True, nogil=True)
def evaluate(tables, rules, solution):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Updates the values and the steps of the policy, the lowest first; returns the largest change of each."""
    values, choice, steps, _ = solution
    counting = Rules(rules.tail, rules.discount, 0.0, True)
    most, most_steps = 0.0, 0.0
    for state in np.argsort(values):
        if choice[state] < 0:
            continue
        value = min(rules.give_up, action_value(tables, rules, values, state, choice[state], False))
        count = action_value(tables, counting, steps, state, choice[state], False)
        most, most_steps = max(most, abs(value - values[state])), max(most_steps, abs(count - steps[state]))
        values[state], steps[state] = value, count
    return most, most_steps


@njit(cache=True, nogil=True)
def raise_above(rules, solution, error):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Raises values that changed by ``error`` in their last evaluation, so that no further one would raise them.

    If ``T V <= V + error`` and the steps ``N`` changed by at most a half, then ``V + 2 * error * N`` is such, for any
    risk that is subadditive.
    """
    values, _, steps, _ = solution
    for state in range(len(values)):
        if steps[state] > 0.0:
            values[state] = min(rules.give_up, values[state] + 2.0 * error * steps[state])


@njit(cache=True, nogil=True)
def improve(tables, rules, solution):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Updates the policy and its values in place, the lowest first (Gauss-Seidel); returns the largest change.

    An action is replaced only by a better one, never by one as good: among equals that cost nothing, some lead round
    in circles.
    """
    values, choice, _, arrived = solution
    largest = 0.0
    for state in np.argsort(values):
        if arrived[state] or values[state] == np.inf:
            continue
        best, action = rules.give_up, -1
        if choice[state] >= 0:
            value = action_value(tables, rules, values, state, choice[state], False)
            if value < best:
                best, action = value, choice[state]
        for other in range(tables.chances.shape[1]):
            value = action_value(tables, rules, values, state, other, False)
            if value < best * (1.0 - ROUNDING):
                best, action = value, other
        largest = max(largest, abs(best - values[state]))
        values[state], choice[state] = best, action
    return largest
