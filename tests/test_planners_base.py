"""The planners' shared contract: action spaces, budgets, roll-outs and the evaluation of candidates."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from planners.base import Box, Budget, Discrete, Dynamics, Meter, rollout
from planners.candidates import Evaluator, PlannerError, free_actions, hold_actions, require_box

BOX = Box(torch.tensor([-1.0, 0.0]), torch.tensor([1.0, 0.5]))


class Sum:
    actions = BOX

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        return state + action


def test_box_clips_and_samples_inside() -> None:
    assert BOX.dim == 2
    assert BOX.clip(torch.tensor([[5.0, -5.0], [0.75, 0.25]])).tolist() == [[1.0, 0.0], [0.75, 0.25]]
    drawn = BOX.sample((1000, 3), torch.Generator().manual_seed(0))
    assert drawn.shape == (1000, 3, 2)
    assert torch.equal(drawn, BOX.clip(drawn))
    torch.testing.assert_close(drawn.mean((0, 1)), torch.tensor([0.0, 0.25]), atol=0.03, rtol=0)


def test_discrete_samples_every_action() -> None:
    drawn = Discrete(5).sample((4, 100), torch.Generator().manual_seed(0))
    assert drawn.shape == (4, 100)
    assert drawn.unique().tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("name", ["seconds", "model_calls", "iterations"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_budget_must_be_positive(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"Budget.{name} must be positive or None"):
        Budget(**{name: value})


def test_meter_counts_against_every_bound() -> None:
    assert not Budget().meter().exhausted()
    meter = Budget(model_calls=10, iterations=3).meter()
    meter.model_calls = 9
    assert not meter.exhausted()
    meter.model_calls = 10
    assert meter.exhausted()
    assert Meter(Budget(iterations=3), iterations=3).exhausted()
    assert Meter(Budget(seconds=5), started=0.0).exhausted()
    assert not Budget(seconds=1000).meter().exhausted()


def test_rollout_puts_the_start_first() -> None:
    start, actions = torch.zeros(4, 3, 2), torch.randn(4, 3, 5, 2)
    states = rollout(Sum(), start, actions)
    assert states.shape == (4, 3, 6, 2)
    torch.testing.assert_close(states, torch.nn.functional.pad(actions.cumsum(-2), (0, 0, 1, 0)))


def test_dynamics_protocol_can_be_checked() -> None:
    assert isinstance(Sum(), Dynamics)
    assert not isinstance(object(), Dynamics)


@settings(deadline=None, max_examples=50)
@given(horizon=st.integers(1, 12), hold=st.integers(1, 15))
def test_held_actions_and_free_actions_are_inverse(horizon: int, hold: int) -> None:
    free = BOX.sample((2, -(-horizon // hold)), torch.Generator().manual_seed(horizon))
    held = hold_actions(free, hold, horizon)
    assert held.shape == (2, horizon, 2)
    assert all(torch.equal(held[:, t], free[:, t // hold]) for t in range(horizon))
    assert torch.equal(free_actions(held, 2, horizon, hold, BOX), free)


def test_only_a_finite_box_can_be_sampled() -> None:
    world = Sum()
    world.actions = Discrete(3)
    with pytest.raises(PlannerError, match=r"CEM needs a Box of actions, the dynamics has Discrete\(n=3\)"):
        require_box("CEM", world)
    world.actions = Box(torch.zeros(1), torch.full((1,), torch.inf))
    with pytest.raises(PlannerError, match="CEM needs a finite Box"):
        require_box("CEM", world)


def evaluator(**more) -> Evaluator:
    return Evaluator(Sum(), lambda states, actions: states.sum(-1), torch.zeros(3, 2), 4, 1, Budget().meter(), **more)


@pytest.mark.parametrize("chunk", [1, 7, 20, 1000])
def test_chunks_change_nothing(chunk: int) -> None:
    candidates = BOX.sample((3, 20, 4), torch.Generator().manual_seed(0))
    whole, parts = evaluator(), evaluator(chunk=chunk)
    torch.testing.assert_close(whole(candidates), parts(candidates))
    assert torch.equal(whole.plan(True).actions, parts.plan(True).actions)
    assert whole.meter.model_calls == parts.meter.model_calls == 3 * 20 * 4


def test_evaluator_remembers_the_best_of_all_passes() -> None:
    score = evaluator()
    totals = []
    for seed in range(5):
        candidates = BOX.sample((3, 6, 4), torch.Generator().manual_seed(seed))
        totals.append(score(candidates))
    best = torch.cat(totals, 1).amin(1)
    plan = score.plan(True, note=1)
    assert torch.equal(plan.cost, best)
    torch.testing.assert_close(rollout(Sum(), torch.zeros(3, 2), plan.actions), plan.states)
    assert plan.extras == {"note": 1}


def test_evaluator_needs_a_candidate() -> None:
    with pytest.raises(PlannerError, match="at least one candidate"):
        evaluator().plan(True)
