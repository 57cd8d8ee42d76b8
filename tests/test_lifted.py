"""Lifted planning: its relaxed problem by hand, where roll-outs have no useful gradient, and what it promises."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from planners.base import Box, Budget, Categorical, Gaussian, Meter, Plan, rollout
from planners.candidates import Evaluator, PlannerError
from planners.gradient import GradientPlanner
from planners.lifted import LiftedPlanner
from planners.relaxation import Relaxation
from planners.risk import MEAN, WORST
from planners.scenarios import draw_scenarios
from planners.shooting import Shooting

GOALS = torch.tensor([[3.0, 2.0], [-2.0, 3.0], [1.0, -3.0], [-3.0, -1.0]])


@dataclass(frozen=True)
class Point:
    """A point that moves by its action, and by a ripple that is small but steep.

    The ripple moves nothing by more than its height. Its slope, height x frequency, is that of a learned model off its
    data: the gradient through a roll-out is a product of such slopes.
    """

    height: float = 0.0
    frequency: float = 200.0
    actions = Box(torch.tensor([-0.15, -0.15]), torch.tensor([0.15, 0.15]))

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        return state + action + self.height * torch.sin(self.frequency * state)


@dataclass(frozen=True)
class Slippery:
    """A point on a line; with luck an action counts double, without it the point slips back."""

    latents: Categorical | Gaussian = Categorical(2)
    actions = Box(torch.tensor([0.0]), torch.tensor([1.0]))

    def step(self, state: Tensor, action: Tensor, latent: Tensor) -> Tensor:
        luck = latent if isinstance(self.latents, Gaussian) else 2.0 * latent[..., None] - 1
        return state + action * (0.5 + 1.5 * luck)

    def log_prior(self, state: Tensor, action: Tensor) -> Tensor:
        return torch.tensor([0.25, 0.75]).log().expand(*state.shape[:-1], 2)


def to(goals: Tensor):
    def cost(states: Tensor, actions: Tensor) -> Tensor:
        return (states - goals.view(len(goals), *[1] * (states.dim() - 2), -1)).square().sum(-1)

    return cost


def solve(planner: LiftedPlanner | GradientPlanner, dynamics, goals: Tensor = GOALS, **more) -> Plan:
    generator = torch.Generator().manual_seed(0)
    return planner.plan(dynamics, to(goals), torch.zeros(len(goals), goals.shape[1]), generator=generator, **more)


def relaxation(dynamics, cost, start: Tensor, points: Tensor, horizon: int, hold: int = 1, **terms) -> Relaxation:
    evaluate = Evaluator(dynamics, cost, start, horizon, hold, Budget().meter())
    with torch.no_grad():
        return Relaxation.around(Shooting(evaluate, dynamics.actions), points, **terms)


def test_finds_the_way_where_the_gradient_of_a_roll_out_is_noise() -> None:
    ripple = Point(height=0.02)
    lifted = solve(
        LiftedPlanner(horizon=40, restarts=4, iterations=110, sync_every=50, sync_steps=5), ripple
    ).cost.mean()
    for optimizer, rate in (("adam", 0.1), ("lbfgs", 0.1), ("sgd", 0.01)):
        shot = GradientPlanner(horizon=40, restarts=4, iterations=110, optimizer=optimizer, learning_rate=rate)
        assert lifted < 0.6 * solve(shot, ripple).cost.mean()
    # The way without ripples is about as good as it gets.
    assert lifted < 1.3 * solve(GradientPlanner(horizon=40, optimizer="lbfgs"), Point()).cost.mean()


@pytest.mark.parametrize("detached", [True, False])
def test_is_near_the_optimum_where_all_is_smooth(detached: bool) -> None:
    optimum = solve(GradientPlanner(horizon=20, optimizer="lbfgs", iterations=60), Point()).cost
    assert (solve(LiftedPlanner(horizon=20, restarts=4, detached=detached), Point()).cost < 1.02 * optimum).all()


@pytest.mark.parametrize("detached", [True, False])
def test_relaxed_cost_and_slope_by_hand(detached: bool) -> None:
    terms = {"consistency": 0.7, "shaping": 0.4, "detached": detached}
    ripple, start, goals = Point(height=0.1, frequency=5.0), torch.tensor([[0.1, 0.2], [0.3, -0.4]]), GOALS[:2]
    generator = torch.Generator().manual_seed(1)
    points, virtual = (torch.rand(shape, generator=generator) * 2 - 1 for shape in ((2, 3, 3, 2), (2, 3, 5, 2)))
    relaxed = relaxation(ripple, to(goals), start, points, horizon=5, hold=2, **terms)
    totals, push, pull = relaxed.slope(points, virtual)

    points.requires_grad_()
    virtual.requires_grad_()
    for b in range(2):
        for r in range(3):
            unit, before, expected = relaxed.unit[b, 0, 0, 0], start[b], (start[b] - goals[b]).square().sum()
            shaped, leaps = expected.clone(), torch.zeros(())
            for time in range(5):
                action = 0.15 * points[b, r, time // 2]
                predicted = ripple.step(before.detach() if detached else before, action)
                before = virtual[b, r, time] * unit
                leaps = leaps + (predicted - before).square().sum() / unit**2
                expected = expected + (before - goals[b]).square().sum()
                shaped = shaped + (predicted - goals[b]).square().sum()
            whole = 0.7 * leaps + (expected + 0.4 * shaped) / relaxed.steepness[b, 0]
            torch.testing.assert_close(totals[b, r], whole.detach())
            slopes = torch.autograd.grad(whole, (points, virtual))
            torch.testing.assert_close(push[b, r], slopes[0][b, r], atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(pull[b, r], slopes[1][b, r], atol=1e-5, rtol=1e-4)


def test_true_states_have_no_leaps() -> None:
    start = torch.zeros(2, 2)
    points = torch.rand(2, 3, 4, 2, generator=torch.Generator().manual_seed(2)) * 2 - 1
    ripple, cost = Point(height=0.02), to(GOALS[:2])
    relaxed = relaxation(ripple, cost, start, points, horizon=4, consistency=1.0, shaping=0.0, detached=True)
    totals, _, _ = relaxed.slope(points, relaxed.lift(points))
    actions = relaxed.shooting.actions(points)
    true = cost(rollout(ripple, start[:, None].expand(-1, 3, -1), actions), actions).sum(-1)
    torch.testing.assert_close(totals * relaxed.steepness, true)


def test_scale_of_states_and_costs_changes_nothing() -> None:
    @dataclass(frozen=True)
    class Scaled:
        scale: float
        actions = Point.actions

        def step(self, state: Tensor, action: Tensor) -> Tensor:
            return state + self.scale * action

    planner = LiftedPlanner(horizon=8, restarts=3, iterations=30, sync_every=20)
    small, large = solve(planner, Scaled(1.0), GOALS), solve(planner, Scaled(64.0), 64 * GOALS)
    torch.testing.assert_close(small.actions, large.actions, atol=1e-3, rtol=1e-3)


def test_passes_of_any_size_give_the_same_plan() -> None:
    whole = LiftedPlanner(horizon=8, restarts=5, iterations=20, sync_every=8)
    parts = LiftedPlanner(horizon=8, restarts=5, iterations=20, sync_every=8, chunk=70)
    torch.testing.assert_close(solve(whole, Point(0.01)).cost, solve(parts, Point(0.01)).cost)


def test_the_plan_never_gets_worse_with_more_steps() -> None:
    planner = LiftedPlanner(horizon=10, restarts=2, iterations=40, sync_every=8, sync_steps=3, noise=0.3)
    costs = [solve(planner, Point(0.02), budget=Budget(iterations=steps)).cost for steps in (1, 9, 12, 25, 36, 40)]
    assert all((later <= earlier).all() for earlier, later in zip(costs, costs[1:], strict=False))
    assert (costs[-1] < costs[0]).all()


def test_worst_case_takes_no_chances() -> None:
    goal = torch.tensor([[2.0]])
    planner = LiftedPlanner(horizon=3, restarts=4, iterations=60, sync_every=20, risk=MEAN)
    mean = solve(planner, Slippery(), goal)
    worst = solve(LiftedPlanner(horizon=3, restarts=4, iterations=60, sync_every=20, risk=WORST), Slippery(), goal)
    assert mean.actions.sum() > 0.5
    assert worst.actions.abs().max() < 0.02
    assert worst.cost.item() == pytest.approx(4 * 4.0, rel=1e-2)


@pytest.mark.parametrize("latents", [Categorical(2), Gaussian(1)])
@pytest.mark.parametrize("count", [8, 5])
def test_all_steps_at_once_meet_the_same_scenarios(latents: Categorical | Gaussian, count: int) -> None:
    world, start = Slippery(latents), torch.zeros(2, 1)
    scenarios = draw_scenarios(world, start, 3, count, torch.Generator().manual_seed(3))
    assert scenarios is not None
    states, actions = torch.zeros(2, 4, count, 3, 1), torch.zeros(2, 4, count, 3, 1)
    together = scenarios.latents(states, actions, slice(None))
    for time in range(3):
        alone = scenarios.latents(states[..., time, :], actions[..., time, :], time)
        assert torch.equal(together.select(3, time), alone)


def test_a_cost_of_actions_alone_is_planned_for() -> None:
    def effort(states: Tensor, actions: Tensor) -> Tensor:
        return torch.nn.functional.pad(actions.square().sum(-1), (0, 1))

    planner = LiftedPlanner(horizon=4, restarts=3, iterations=60, sync_every=10)
    plan = planner.plan(Point(), effort, torch.zeros(2, 2), warm_start=torch.full((2, 4, 2), 0.1))
    assert plan.actions.abs().max() < 0.01


def test_a_recorder_sees_virtual_states_marked_as_such() -> None:
    class Tape:
        def __init__(self) -> None:
            self.steps: list[tuple[int, bool]] = []

        def record(self, kind: str, **data) -> None:
            assert kind == "iterate"
            assert data["states"].shape == (4, 2, 5, 2)
            virtual = "virtual" in data
            follows = torch.allclose(data["states"][:, :, 1:], data["actions"].cumsum(2), atol=1e-5)
            # Virtual states begin at the true ones.
            assert follows != virtual or data["iteration"] in (0, 6)
            self.steps.append((data["iteration"], virtual))

    tape = Tape()
    solve(LiftedPlanner(horizon=4, restarts=2, iterations=9, sync_every=4, sync_steps=2), Point(), recorder=tape)
    lifted = [iteration for iteration, virtual in tape.steps if virtual]
    assert lifted == [0, 1, 2, 3, 6, 7, 8]
    assert [iteration for iteration, virtual in tape.steps if not virtual] == [0, 4, 5, 6, 9]


@pytest.mark.parametrize("call", [0.0001, 0.001, 0.002])
def test_seconds_are_kept(call: float, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    monkeypatch.setattr(Budget, "meter", lambda self: Meter(self, started=clock[0]))

    class Slow(Point):
        def step(self, state: Tensor, action: Tensor) -> Tensor:
            clock[0] += call
            return super().step(state, action)

    planner = LiftedPlanner(horizon=10, restarts=2, iterations=10**6, sync_every=20)
    plan = solve(planner, Slow(), budget=Budget(seconds=0.2))
    assert not plan.complete.any()
    assert 0.16 <= clock[0] - 100 <= 0.2 + 1e-9


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"horizon": 0}, "LiftedPlanner.horizon must be positive, not 0"),
        ({"horizon": 2, "noise": -1.0}, "LiftedPlanner.noise must not be negative, not -1.0"),
        ({"horizon": 2, "sync_every": 0}, "LiftedPlanner.sync_every must be positive, not 0"),
        ({"horizon": 2, "shaping": float("nan")}, "LiftedPlanner.shaping must not be negative, not nan"),
    ],
)
def test_nonsense_gets_one_clear_line(settings: dict, message: str) -> None:
    with pytest.raises(PlannerError, match=message):
        LiftedPlanner(**settings)
