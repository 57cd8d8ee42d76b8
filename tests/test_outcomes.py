"""Which candidate is the best, with and without a constraint."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from planners.outcomes import ConstrainedCost, Outcomes, scores

VALUES = st.sampled_from([0.0, 0.5, 1.0, 2.0, torch.inf])


def outcomes(totals: list[float], violations: list[float] | None = None) -> Outcomes:
    count = len(totals)
    actions = torch.arange(float(count)).view(1, count, 1, 1)
    broken = None if violations is None else torch.tensor([violations])
    return Outcomes(torch.tensor([totals]), actions, actions.expand(1, count, 2, 1), broken)


def rank(total: float, violation: float) -> tuple[float, float]:
    return violation, total


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(VALUES, VALUES), min_size=2, max_size=6))
def test_the_best_is_the_first_in_the_order_of_violation_and_cost(pairs: list[tuple[float, float]]) -> None:
    whole = outcomes(*map(list, zip(*pairs, strict=True)))
    best = min(rank(*pair) for pair in pairs)
    single = whole.cheapest()
    assert rank(float(single.totals), float(single.violations)) == best
    step_by_step = outcomes([pairs[0][0]], [pairs[0][1]]).cheapest()
    for total, violation in pairs[1:]:
        step_by_step.take_better(outcomes([total], [violation]))
    assert rank(float(step_by_step.totals), float(step_by_step.violations)) == best


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.floats(-5, 5), st.sampled_from([0.0, 0.5, 1.0, 2.0])), min_size=2, max_size=6))
def test_scores_keep_that_order(pairs: list[tuple[float, float]]) -> None:
    totals, violations = (torch.tensor([column]) for column in zip(*pairs, strict=True))
    found = scores(totals, violations)[0].tolist()
    kept = [score for score, (_, violation) in zip(found, pairs, strict=True) if violation == 0]
    broken = sorted((violation, score) for score, (_, violation) in zip(found, pairs, strict=True) if violation > 0)
    assert kept == totals[violations == 0].tolist()
    assert all(score > max(kept) for _, score in broken if kept)
    assert [score for _, score in broken] == sorted(score for _, score in broken)


def test_without_a_constraint_scores_are_totals() -> None:
    totals = torch.tensor([[3.0, 1.0]])
    assert scores(totals, None) is totals


def test_arrays_of_the_best_belong_together() -> None:
    whole = outcomes([3.0, 1.0, 2.0])
    assert whole.cheapest().actions.item() == 1
    for total, action in ((1.0, 1), (0.5, 0)):
        best = whole.cheapest()
        best.take_better(outcomes([total]))
        assert best.actions.item() == action, "equal is not better"
        assert best.states.flatten().tolist() == [action] * 2


def test_problems_take_better_ones_each_for_itself() -> None:
    totals, actions = torch.tensor([[3.0], [1.0]]), torch.zeros(2, 1, 1, 1)
    best = Outcomes(totals, actions, torch.zeros(2, 1, 2, 1))
    best.take_better(
        Outcomes(torch.tensor([[4.0, 2.0], [5.0, 6.0]]), actions.expand(2, 2, 1, 1) + 7, torch.ones(2, 2, 2, 1))
    )
    assert best.totals.flatten().tolist() == [2, 1]
    assert best.actions.flatten().tolist() == [7, 0]
    assert best.states.sum((1, 2, 3)).tolist() == [2, 0]


def test_the_scenario_that_stands_for_a_plan_is_possible() -> None:
    single = outcomes([5.0])
    costs = torch.tensor([[[5.0, 1.0, 6.0]]])
    assert int(Outcomes(single.totals, single.actions, single.states, None, costs).nearest_scenario()) == 0
    chances = torch.tensor([[[0.0, 0.5, 0.5]]])
    assert int(Outcomes(single.totals, single.actions, single.states, None, costs, chances).nearest_scenario()) == 2


def test_a_violation_is_never_negative() -> None:
    cost = ConstrainedCost(lambda states, actions: states[..., 0], lambda states, actions: states[..., 0] - 1)
    states = torch.tensor([[[0.0], [3.0]]])
    assert cost(states, states[:, 1:]).tolist() == [[0.0, 3.0]]
    assert cost.violation(states, states[:, 1:]).tolist() == [[0.0, 2.0]]
