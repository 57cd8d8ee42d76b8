"""Gradient planning: against torch's own optimisers, at the box's faces, and out of local minima."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from planners.base import Box, Budget, rollout
from planners.candidates import PlannerError
from planners.gradient import GradientPlanner


class Integrator:
    actions = Box(torch.tensor([-0.5, -0.5]), torch.tensor([0.5, 0.5]))

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        return state + action


class Tape:
    def __init__(self) -> None:
        self.actions: list[Tensor] = []

    def record(self, kind: str, **data) -> None:
        assert kind == "iterate"
        self.actions.append(data["actions"])


def to(goal: Tensor):
    return lambda states, actions: (states - goal).square().sum(-1)


def solve(planner: GradientPlanner, cost, batch: int = 1, **more):
    return planner.plan(Integrator(), cost, torch.zeros(batch, 2), generator=torch.Generator().manual_seed(0), **more)


def test_reaches_the_faces_of_the_box_exactly() -> None:
    goal = torch.tensor([9.0, -9.0])
    plan = solve(GradientPlanner(horizon=4, restarts=3, iterations=60), to(goal))
    assert torch.equal(plan.actions, torch.tensor([0.5, -0.5]).expand(1, 4, 2))


def test_finds_an_optimum_inside_the_box() -> None:
    goal = torch.tensor([0.3, -0.2])
    plan = solve(GradientPlanner(horizon=3, restarts=2, iterations=300, learning_rate=0.02), to(goal))
    assert plan.cost.item() == pytest.approx(goal.square().sum().item(), abs=1e-3)
    torch.testing.assert_close(plan.states[0, -1], goal, atol=2e-2, rtol=0)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_steps_equal_torchs_optimiser(optimizer: str) -> None:
    goal, tape = torch.tensor([0.4, -0.3]), Tape()
    warm = torch.full((1, 5, 2), 0.07)
    planner = GradientPlanner(horizon=5, restarts=1, iterations=10, learning_rate=0.01, optimizer=optimizer)
    solve(planner, to(goal), warm_start=warm, recorder=tape)
    points = (warm / 0.5).clone().requires_grad_()
    reference = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optimizer]([points], lr=0.01)
    for actions in tape.actions:
        torch.testing.assert_close(actions[:, 0], points.detach() * 0.5, atol=1e-5, rtol=1e-4)
        reference.zero_grad()
        to(goal)(rollout(Integrator(), torch.zeros(1, 2), points * 0.5), None).sum().backward()
        reference.step()
    assert len(tape.actions) == 11


def test_restarts_leave_a_local_minimum() -> None:
    def two_valleys(states: Tensor, actions: Tensor) -> Tensor:
        x = states[..., 0]
        return (x.square() * (x - 1).square() * 16 - x) * (x < 2) + states[..., 1].square()

    alone = solve(GradientPlanner(horizon=3, restarts=1, iterations=80, learning_rate=0.02), two_valleys)
    many = solve(GradientPlanner(horizon=3, restarts=32, iterations=80, learning_rate=0.02), two_valleys)
    assert many.cost < alone.cost - 1


def test_noise_leaves_a_plateau() -> None:
    def plateau(states: Tensor, actions: Tensor) -> Tensor:
        return -(states[..., -1, 0] - 0.2).clamp(min=0).unsqueeze(-1) * torch.ones(states.shape[-2])

    # At a point of zero gradient only noise moves: the first restart begins there.
    still = solve(GradientPlanner(horizon=2, restarts=1, iterations=40), plateau, batch=8)
    moved = solve(GradientPlanner(horizon=2, restarts=1, iterations=40, noise=0.3), plateau, batch=8)
    assert (still.cost == 0).all()
    assert (moved.cost < -1).sum() >= 4


def test_best_iterate_is_kept_when_the_rate_is_far_too_high() -> None:
    tape, goal = Tape(), torch.tensor([0.1, 0.1])
    planner = GradientPlanner(horizon=3, restarts=4, iterations=20, learning_rate=1.5)
    plan = solve(planner, to(goal), recorder=tape)
    costs = [to(goal)(rollout(Integrator(), torch.zeros(1, 4, 2), a), a).sum(-1).min() for a in tape.actions]
    assert plan.cost.item() == pytest.approx(min(costs).item())
    assert min(costs) < costs[-1]


def test_each_problem_has_its_own_goal() -> None:
    goals = torch.tensor([[0.4, 0.0], [-0.4, 0.2], [0.0, -0.3]])
    planner = GradientPlanner(horizon=3, restarts=4, iterations=200, learning_rate=0.03)
    plan = solve(planner, to(goals[:, None, None]), batch=3)
    torch.testing.assert_close(plan.states[:, -1], goals, atol=3e-2, rtol=0)
    assert plan.extras["totals"].shape == (3, 4)


def test_a_gradient_that_is_not_finite_does_not_spread() -> None:
    def broken(states: Tensor, actions: Tensor) -> Tensor:
        # The square root has an infinite slope at the start, and no value left of it.
        return states[..., 0].sqrt() + (states[..., 1] - 1).square()

    plan = solve(GradientPlanner(horizon=3, restarts=8, iterations=20), broken)
    assert plan.cost.isfinite().all()
    assert plan.actions.isfinite().all()


def test_budget_counts_every_restart() -> None:
    planner = GradientPlanner(horizon=4, restarts=5, iterations=10)
    assert solve(planner, to(torch.ones(2)), batch=2).model_calls == 2 * 5 * 4 * 11
    cut = solve(planner, to(torch.ones(2)), batch=2, budget=Budget(iterations=3))
    assert cut.model_calls == 2 * 5 * 4 * 3
    assert not cut.complete.any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"horizon": 0}, "GradientPlanner.horizon must be positive, not 0"),
        ({"horizon": 2, "optimizer": "adma"}, "optimizer must be one of 'adam', 'sgd', 'lbfgs', not 'adma'"),
        ({"horizon": 2, "noise": -1.0}, "noise must not be negative"),
        ({"horizon": 2, "learning_rate": float("nan")}, "learning_rate must be positive"),
    ],
)
def test_nonsense_gets_one_clear_line(settings: dict, message: str) -> None:
    with pytest.raises(PlannerError, match=message):
        GradientPlanner(**settings)
