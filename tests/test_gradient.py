"""Gradient planning: against torch's own optimisers, at the box's faces, and out of local minima."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from planners.base import Box, Budget, Categorical, Meter, Plan, rollout
from planners.candidates import PlannerError
from planners.gradient import GradientPlanner
from planners.risk import MEAN, WORST, Risk


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


@dataclass(frozen=True)
class Quadratic:
    """Random convex costs of the end state, far steeper in some directions than in others.

    Attributes:
        push: [B, D, D] by how much an action moves the state.
        target: [B, D] the cheapest end.
    """

    push: Tensor
    target: Tensor

    @classmethod
    def random(cls, batch: int, size: int) -> Quadratic:
        generator = torch.Generator().manual_seed(7)
        slopes = torch.logspace(0, -1.5, size, dtype=torch.float64)
        push = torch.randn(batch, size, size, generator=generator, dtype=torch.float64) * slopes
        return cls(push, torch.randn(batch, size, generator=generator, dtype=torch.float64))

    @property
    def actions(self) -> Box:
        half = torch.full(self.target.shape[1:], 0.4, dtype=torch.float64)
        return Box(-half, half)

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        return state + torch.einsum("bde,bne->bnd", self.push, action)

    def cost(self, states: Tensor, actions: Tensor) -> Tensor:
        return (states - self.target[:, None, None]).square().sum(-1)

    def optimum(self, problem: int, horizon: int) -> float:
        """Of one problem, by scipy's bounded L-BFGS."""
        push, target = self.push[problem].numpy(), self.target[problem].numpy()

        def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
            gaps = np.cumsum(flat.reshape(horizon, -1) @ push.T, 0) - target
            slope = 2 * np.cumsum(gaps[::-1], 0)[::-1] @ push
            return float((target**2).sum() + (gaps**2).sum()), slope.ravel()

        free = horizon * len(target)
        bounds, exact = [(-0.4, 0.4)] * free, {"ftol": 1e-14, "gtol": 1e-10, "maxiter": 1000}
        return minimize(value, np.zeros(free), jac=True, method="L-BFGS-B", bounds=bounds, options=exact).fun


def test_lbfgs_finds_the_optimum_in_a_box_that_scipy_finds() -> None:
    world = Quadratic.random(batch=6, size=5)
    start = torch.zeros(6, 5, dtype=torch.float64)
    shared = {"horizon": 4, "restarts": 3, "iterations": 60}
    found = GradientPlanner(optimizer="lbfgs", **shared).plan(world, world.cost, start)
    optima = torch.tensor([world.optimum(problem, 4) for problem in range(6)], dtype=torch.float64)
    torch.testing.assert_close(found.cost, optima, rtol=1e-3, atol=1e-3)
    # All restarts get there, and plain steps don't.
    torch.testing.assert_close(found.extras["totals"], optima[:, None].expand(-1, 3), rtol=2e-2, atol=1e-3)
    plain = GradientPlanner(optimizer="sgd", learning_rate=0.02, **shared).plan(world, world.cost, start)
    assert ((plain.cost - optima) > 10 * (found.cost - optima)).all()


def test_lbfgs_goes_on_from_where_it_was_when_a_step_went_wrong() -> None:
    def cliff(states: Tensor, actions: Tensor) -> Tensor:
        x = states[..., 0]
        return torch.where(x < 0.6, -x, 100 + x) + states[..., 1].square()

    plan = solve(GradientPlanner(horizon=2, restarts=1, iterations=40, optimizer="lbfgs", learning_rate=0.9), cliff)
    assert plan.states[0, 1:, 0].max() < 0.6
    assert plan.cost < -0.9


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "lbfgs"])
def test_the_plan_never_gets_worse_with_more_steps(optimizer: str) -> None:
    planner = GradientPlanner(horizon=3, restarts=2, iterations=12, optimizer=optimizer, noise=0.5, learning_rate=0.8)
    costs = [solve(planner, to(torch.tensor([0.3, -0.2])), budget=Budget(iterations=n)).cost for n in range(1, 13)]
    assert all(later <= earlier for earlier, later in zip(costs, costs[1:], strict=False))
    assert costs[-1] < costs[0]


def test_passes_of_any_size_give_the_same_plan() -> None:
    goals = torch.tensor([[0.4, 0.0], [-0.4, 0.2]])[:, None, None]
    plans = [solve(GradientPlanner(horizon=3, restarts=5, chunk=chunk), to(goals), batch=2) for chunk in (None, 4, 1)]
    for plan in plans[1:]:
        torch.testing.assert_close(plan.actions, plans[0].actions)
        assert plan.model_calls == plans[0].model_calls


def test_risk_decides_what_to_do() -> None:
    class Wind:
        """Blows one to the left, three times out of four, or two to the right, from the second step on."""

        actions, latents = Integrator.actions, Categorical(2)

        def step(self, state: Tensor, action: Tensor, latent: Tensor) -> Tensor:
            blow = torch.where(latent == 0, -1.0, 2.0)[..., None]
            return state + action + 0.1 * blow * torch.tensor([1.0, 0.0])

        def log_prior(self, state: Tensor, action: Tensor) -> Tensor:
            return torch.tensor([0.75, 0.25]).log().expand(*state.shape[:-1], 2)

    def best(risk: Risk) -> Plan:
        planner = GradientPlanner(horizon=1, restarts=2, iterations=200, learning_rate=0.01, risk=risk)
        return planner.plan(Wind(), to(torch.zeros(2)), torch.zeros(1, 2))

    # One action a: the mean cost is 0.75 (a - 0.1)^2 + 0.25 (a + 0.2)^2, the worst case max((a - 0.1)^2, (a + 0.2)^2).
    assert best(MEAN).actions[0, 0, 0].item() == pytest.approx(0.025, abs=5e-3)
    assert best(WORST).actions[0, 0, 0].item() == pytest.approx(-0.05, abs=5e-3)
    assert best(WORST).cost.item() == pytest.approx(0.15**2, abs=2e-3)


@pytest.mark.parametrize("chunk", [None, 1])
@pytest.mark.parametrize("call", [0.0001, 0.002, 0.0035])
def test_seconds_are_kept(call: float, chunk: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    monkeypatch.setattr(Budget, "meter", lambda self: Meter(self, started=clock[0]))

    class Slow(Integrator):
        def step(self, state: Tensor, action: Tensor) -> Tensor:
            clock[0] += call
            return super().step(state, action)

    planner = GradientPlanner(horizon=4, restarts=2, iterations=10**6, chunk=chunk)
    plan = planner.plan(Slow(), to(torch.ones(2)), torch.zeros(1, 2), budget=Budget(seconds=0.2))
    assert not plan.complete.any()
    assert 0.16 <= clock[0] - 100 <= 0.2 + 1e-9


def test_the_models_weights_are_left_alone() -> None:
    net = torch.nn.Linear(2, 2)

    class Learned(Integrator):
        def step(self, state: Tensor, action: Tensor) -> Tensor:
            return state + net(action)

    asked: list[bool] = []
    net.weight.register_hook(lambda gradient: asked.append(True))
    GradientPlanner(horizon=3, iterations=3).plan(Learned(), to(torch.ones(2)), torch.zeros(1, 2))
    assert not asked, "gradients of weights cost time, and nobody reads them"
    assert net.weight.requires_grad
    assert net.weight.grad is None


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


def test_a_cost_without_a_gradient_gets_one_clear_line() -> None:
    with pytest.raises(PlannerError, match="the cost must depend on the actions in a differentiable way"):
        solve(GradientPlanner(horizon=2), lambda states, actions: (states[..., 0] > 0).float())


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
