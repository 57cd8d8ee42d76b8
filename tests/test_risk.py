"""Risk attitudes against definitions worked out by brute force."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from planners.risk import MEAN, WORST, Risk, tail_mean

COSTS = st.lists(st.floats(-100, 100).map(lambda cost: round(cost, 1)), min_size=1, max_size=6)
TAILS = st.sampled_from([0.0, 0.01, 0.1, 0.25, 0.5, 0.9, 1.0])


def cvar_by_definition(costs: np.ndarray, chances: np.ndarray, tail: float) -> float:
    """Rockafellar and Uryasev: the least over t of ``t + E[max(cost - t, 0)] / tail``, attained at an outcome."""
    possible = costs[chances > 0]
    if tail == 0:
        return float(possible.max())
    chances = chances / chances.sum()
    return float(min(t + (chances * np.maximum(costs - t, 0)).sum() / tail for t in possible))


@given(COSTS, TAILS, st.data())
def test_equals_the_definition(costs: list[float], tail: float, data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.integers(0, 5), min_size=len(costs), max_size=len(costs)).filter(any))
    values, chances = np.array(costs), np.array(weights, float)
    expected = cvar_by_definition(values, chances, tail)
    found = Risk(tail)(torch.from_numpy(values), torch.from_numpy(chances))
    assert float(found) == pytest.approx(expected, abs=1e-9)
    assert tail_mean(values, chances, len(values), tail) == pytest.approx(expected, abs=1e-9)


@given(COSTS, TAILS)
def test_without_chances_all_are_alike(costs: list[float], tail: float) -> None:
    values = torch.tensor(costs, dtype=torch.float64)
    assert float(Risk(tail)(values)) == pytest.approx(float(Risk(tail)(values, torch.ones_like(values))), abs=1e-9)


def test_mean_and_worst_are_the_ends() -> None:
    costs = torch.tensor([[3.0, 1.0], [0.0, 5.0]])
    assert MEAN(costs).tolist() == [2.0, 2.5]
    assert WORST(costs).tolist() == [3.0, 5.0]


def test_an_impossible_outcome_counts_nothing() -> None:
    costs, chances = torch.tensor([1.0, torch.inf]), torch.tensor([1.0, 0.0])
    assert [float(risk(costs, chances)) for risk in (MEAN, Risk(0.3), WORST)] == [1.0, 1.0, 1.0]


def test_less_tail_is_never_cheaper() -> None:
    costs = torch.randn(50, 7, generator=torch.Generator().manual_seed(0))
    tails = [Risk(tail)(costs) for tail in (1.0, 0.7, 0.3, 0.1, 0.0)]
    assert all((left <= right + 1e-6).all() for left, right in zip(tails, tails[1:], strict=False))


@pytest.mark.parametrize("risk", [MEAN, Risk(0.4), WORST])
def test_gradients_reach_the_outcomes_that_count(risk: Risk) -> None:
    costs = torch.tensor([1.0, 4.0, 2.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda values: risk(values), costs)
    (gradient,) = torch.autograd.grad(risk(costs), costs)
    assert float(gradient.sum()) == pytest.approx(1.0)


@pytest.mark.parametrize("tail", [-0.1, 1.1, float("nan")])
def test_a_share_outside_0_to_1_is_an_error(tail: float) -> None:
    with pytest.raises(ValueError, match=r"Risk\.tail must be a share in 0\.\.1"):
        Risk(tail)
