"""Random shooting, CEM, iCEM and MPPI: their updates by hand, and the optimum of problems with a known one."""

from __future__ import annotations

import time

import pytest
import torch
from torch import Tensor

from planners.base import Box, Budget
from planners.candidates import PlannerError
from planners.outcomes import ConstrainedCost
from planners.sampling import (
    CEM,
    ICEM,
    MPPI,
    RandomShooting,
    SamplingPlanner,
    coloured_noise,
    path_integral_weights,
    shift,
)

GOAL = torch.tensor([[2.0, -1.0], [0.5, 0.25]])


class Integrator:
    actions = Box(torch.tensor([-0.5, -0.5]), torch.tensor([0.5, 0.5]))

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        return state + action


class Tape:
    def __init__(self) -> None:
        self.rounds: list[dict] = []

    def record(self, kind: str, **data) -> None:
        self.rounds.append(data)


def squared_distance(states: Tensor, actions: Tensor) -> Tensor:
    return (states - GOAL.view(2, *[1] * (states.dim() - 2), 2)).square().sum(-1)


def solve(planner: SamplingPlanner, seed: int = 0, cost=squared_distance, **more):
    return planner.plan(Integrator(), cost, torch.zeros(2, 2), generator=torch.Generator().manual_seed(seed), **more)


def optimum(horizon: int) -> Tensor:
    """[2] least cost: both components go to the goal as fast as the box allows."""
    times = torch.arange(horizon + 1)[:, None, None] * 0.5
    return (GOAL.abs() - times.minimum(GOAL.abs())).square().sum((0, 2))


@pytest.mark.parametrize(
    "planner",
    [
        CEM(horizon=6, samples=400, iterations=12, elites=40, momentum=0.1),
        ICEM(horizon=6, samples=400, iterations=12, elites=40),
        MPPI(horizon=6, samples=1000, iterations=20, temperature=0.05),
    ],
    ids=lambda planner: type(planner).__name__,
)
def test_finds_the_optimum(planner: SamplingPlanner) -> None:
    plan = solve(planner)
    best = optimum(6)
    assert (plan.cost >= best - 1e-4).all()
    assert (plan.cost - best < 0.12).all(), plan.cost - best


def test_refinement_beats_as_many_random_candidates() -> None:
    random = solve(RandomShooting(horizon=6, samples=1200)).cost
    for planner in (CEM(horizon=6, samples=300, iterations=4), MPPI(horizon=6, samples=300, iterations=4)):
        assert (solve(planner).cost < random).all()


def test_random_shooting_is_the_best_of_its_draws() -> None:
    plan = solve(RandomShooting(horizon=3, samples=50))
    drawn = Integrator.actions.sample((2, 50, 3), torch.Generator().manual_seed(0))
    drawn[:, 0] = 0
    states = torch.nn.functional.pad(drawn.cumsum(2), (0, 0, 1, 0))
    totals = squared_distance(states, drawn).sum(-1)
    assert torch.equal(plan.actions, drawn[torch.arange(2), totals.argmin(1)])
    assert plan.model_calls == 2 * 50 * 3


def test_cem_refits_to_its_elites() -> None:
    tape = Tape()
    plan = solve(CEM(horizon=3, samples=40, iterations=1, elites=5, momentum=0.25), recorder=tape)
    actions, totals = tape.rounds[0]["actions"], tape.rounds[0]["totals"]
    elites = torch.stack([actions[row, totals[row].argsort()[:5]] for row in range(2)])
    torch.testing.assert_close(plan.extras["mean"], 0.75 * elites.mean(1))
    torch.testing.assert_close(plan.extras["std"], 0.75 * elites.std(1, correction=0) + 0.25 * 0.25)


def test_spread_has_a_floor() -> None:
    planner = CEM(horizon=2, samples=20, iterations=30, elites=1, min_std=0.1)
    assert (solve(planner).extras["std"] == 0.1 * 0.5).all()


def test_mppi_weighs_by_cost() -> None:
    tape = Tape()
    plan = solve(MPPI(horizon=3, samples=40, iterations=1, temperature=0.5), recorder=tape)
    actions, totals = tape.rounds[0]["actions"], tape.rounds[0]["totals"]
    excess = totals - totals.amin(1, keepdim=True)
    weights = (-excess / (0.5 * excess.mean(1, keepdim=True))).exp()
    expected = (weights[:, :, None, None] * actions).sum(1) / weights.sum(1)[:, None, None]
    torch.testing.assert_close(plan.extras["mean"], expected)


def test_weights_of_mppi() -> None:
    totals = torch.tensor([[1.0, 2.0, 3.0], [torch.inf, 5.0, torch.inf], [torch.inf] * 3, [4.0] * 3])
    weights = path_integral_weights(totals, 0.5)
    torch.testing.assert_close(weights.sum(1), torch.ones(4))
    assert weights[0, 0] > weights[0, 1] > weights[0, 2]
    assert weights[1].tolist() == [0, 1, 0]
    torch.testing.assert_close(weights[2:], torch.full((2, 3), 1 / 3))
    torch.testing.assert_close(path_integral_weights(totals * 1000 + 7, 0.5), weights)


def test_icem_keeps_elites_and_draws_fewer() -> None:
    tape = Tape()
    solve(ICEM(horizon=4, samples=40, iterations=4, elites=10, keep=0.3, decay=2), recorder=tape)
    assert [data["totals"].shape[1] for data in tape.rounds] == [40, 23, 23, 23, 1]
    for before, after in zip(tape.rounds[:3], tape.rounds[1:4], strict=True):
        best = before["actions"][0, before["totals"][0].argsort()[:3]]
        assert torch.equal(after["actions"][0, -3:], best)


def test_rounds_never_get_worse() -> None:
    tape = Tape()
    plan = solve(ICEM(horizon=4, samples=30, iterations=5, elites=5), recorder=tape)
    best = torch.stack([data["totals"].amin(1) for data in tape.rounds]).amin(0)
    assert torch.equal(plan.cost, best)


@pytest.mark.parametrize("planner", [RandomShooting, CEM, ICEM, MPPI])
def test_hold_repeats_actions(planner: type[SamplingPlanner]) -> None:
    plan = solve(planner(horizon=7, samples=32, hold=3))
    assert plan.actions.shape == (2, 7, 2)
    assert plan.extras["mean"].shape == (2, 3, 2)
    for step in range(7):
        assert torch.equal(plan.actions[:, step], plan.actions[:, step // 3 * 3])


@pytest.mark.parametrize("planner", [RandomShooting, CEM, ICEM, MPPI])
def test_chunks_change_nothing(planner: type[SamplingPlanner]) -> None:
    tapes = [Tape(), Tape()]
    whole, parts = (
        solve(planner(horizon=4, samples=60, iterations=3, chunk=chunk), recorder=tape)
        for chunk, tape in zip((None, 17), tapes, strict=True)
    )
    torch.testing.assert_close(whole.actions, parts.actions)
    torch.testing.assert_close(whole.extras["mean"], parts.extras["mean"])
    assert whole.model_calls == parts.model_calls
    for left, right in zip(tapes[0].rounds, tapes[1].rounds, strict=True):
        torch.testing.assert_close(left, right)


@pytest.mark.parametrize("planner", [RandomShooting, CEM, ICEM, MPPI])
def test_more_rounds_are_never_worse(planner: type[SamplingPlanner]) -> None:
    longer = [solve(planner(horizon=5, samples=24, iterations=rounds)).cost for rounds in (1, 2, 4, 8)]
    search = planner(horizon=5, samples=24, iterations=9)
    richer = [solve(search, budget=Budget(iterations=rounds)).cost for rounds in (1, 2, 4, 8)]
    for costs in (longer, richer):
        assert all((later <= earlier).all() for earlier, later in zip(costs, costs[1:], strict=False))


class Slow(Integrator):
    """Takes a millisecond for every row, and cannot be preempted out of a lap's measure: it waits for the clock."""

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        until = time.perf_counter() + 1e-3 * state[..., 0].numel()
        while time.perf_counter() < until:
            pass
        return state + action


@pytest.mark.parametrize(("samples", "chunk"), [(4, None), (400, 8)], ids=["between rounds", "inside a round"])
def test_a_budget_of_seconds_is_kept(samples: int, chunk: int | None) -> None:
    planner = CEM(horizon=2, samples=samples, iterations=1000, elites=2, chunk=chunk)
    began = time.perf_counter()
    plan = planner.plan(Slow(), squared_distance, torch.zeros(2, 2), budget=Budget(seconds=0.5))
    assert 0.4 < time.perf_counter() - began < 0.6
    assert not plan.complete.any()
    assert plan.cost.isfinite().all()


class Network:
    """A residual network."""

    actions = Box(-torch.ones(2), torch.ones(2))

    def __init__(self) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.net = torch.nn.Sequential(torch.nn.Linear(4, 64), torch.nn.Tanh(), torch.nn.Linear(64, 2))
        self.types: set[torch.dtype] = set()

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        change = self.net(torch.cat([state, action], -1))
        self.types.add(change.dtype)
        return state + change


@pytest.mark.parametrize("planner", [CEM, MPPI])
def test_bfloat16_plans_nearly_as_well_and_prices_exactly(planner: type[SamplingPlanner]) -> None:
    plans = []
    for precision in ("full", "bfloat16"):
        world, generator = Network(), torch.Generator().manual_seed(0)
        search = planner(horizon=8, samples=300, iterations=6, precision=precision)
        plans.append(search.plan(world, squared_distance, torch.zeros(2, 2), generator=generator))
    full, half = plans
    assert world.types == {torch.float32, torch.bfloat16}
    assert (half.cost < 1.05 * full.cost).all()
    assert half.states.dtype == torch.float32
    with torch.no_grad():
        torch.testing.assert_close(half.states[:, 1:], Network().step(half.states[:, :-1], half.actions))
    torch.testing.assert_close(squared_distance(half.states, half.actions).sum(-1), half.cost)


def overshoot(states: Tensor, actions: Tensor) -> Tensor:
    """How far a state is beyond 1 on the first axis; the goal of the first problem is at 2."""
    return states[..., 0] - 1


@pytest.mark.parametrize("planner", [RandomShooting, CEM, ICEM, MPPI])
def test_a_constraint_comes_before_cost(planner: type[SamplingPlanner]) -> None:
    search = planner(horizon=6, samples=200, iterations=6)
    free = solve(search)
    bound = solve(search, cost=ConstrainedCost(squared_distance, overshoot))
    assert free.states[0, :, 0].max() > 1.2
    assert bound.states[0, :, 0].max() <= 1
    assert (bound.extras["violation"] == 0).all()
    torch.testing.assert_close(bound.cost, squared_distance(bound.states, bound.actions).sum(-1))


def test_where_no_plan_keeps_a_constraint_the_least_violation_wins() -> None:
    def away(states: Tensor, actions: Tensor) -> Tensor:
        return 10 - states[..., 1]

    plan = solve(CEM(horizon=4, samples=200, iterations=15), cost=ConstrainedCost(squared_distance, away))
    least = sum(10 - 0.5 * step for step in range(5))
    assert (plan.extras["violation"] < least + 0.2).all()
    assert (plan.actions[..., 1] > 0.4).all()


def test_shift_makes_the_next_warm_start() -> None:
    actions = torch.arange(12.0).view(1, 6, 2)
    assert shift(actions, 2)[0, :, 0].tolist() == [4, 6, 8, 10, 10, 10]
    assert torch.equal(shift(actions, 0), actions)
    assert shift(torch.tensor([[3, 1, 2]]), 3).tolist() == [[2, 2, 2]]
    with pytest.raises(PlannerError, match=r"shift: steps must be 0 .. horizon \(6\), not 7"):
        shift(actions, 7)


def test_plans_can_be_used_in_autograd() -> None:
    plan = solve(CEM(horizon=3, samples=16))
    weight = torch.ones(2, requires_grad=True)
    ((plan.actions * weight).sum() + (plan.extras["mean"] * weight).sum()).backward()
    assert weight.grad is not None


@pytest.mark.parametrize("planner", [CEM(horizon=3), ICEM(horizon=3), MPPI(horizon=3), RandomShooting(horizon=3)])
def test_forbidden_states_are_avoided(planner: SamplingPlanner) -> None:
    def guarded(states: Tensor, actions: Tensor) -> Tensor:
        cost = squared_distance(states, actions)
        cost = torch.where(states[..., 0] < -0.1, torch.nan, cost)
        return torch.where(states[..., 0] > 0.3, torch.inf, cost)

    plan = solve(planner, cost=guarded)
    assert plan.cost.isfinite().all()
    assert (plan.states[..., 0] <= 0.3).all()
    assert plan.extras["mean"].isfinite().all()


def test_warm_start_is_the_first_mean() -> None:
    warm = Integrator.actions.sample((2, 4), torch.Generator().manual_seed(9))
    tape = Tape()
    solve(CEM(horizon=4, samples=16), warm_start=warm, recorder=tape)
    assert torch.equal(tape.rounds[0]["actions"][:, 0], warm)
    solve(CEM(horizon=4, samples=16), warm_start=warm * 100, recorder=tape)
    assert tape.rounds[-1]["actions"].abs().max() <= 0.5


def test_budget_counts_rounds_and_calls() -> None:
    planner = CEM(horizon=4, samples=16, iterations=10)
    assert solve(planner, budget=Budget(iterations=3)).model_calls == 2 * 3 * 16 * 4
    assert solve(planner, budget=Budget(model_calls=2 * 16 * 4 + 1)).model_calls == 2 * 2 * 16 * 4
    assert solve(planner, budget=Budget(iterations=10)).complete.all()


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("steps", [1, 2, 7, 16])
def test_coloured_noise_has_unit_variance(exponent: float, steps: int) -> None:
    noise = coloured_noise((40000, steps), exponent, torch.zeros(0), torch.Generator().manual_seed(0))
    assert noise.shape == (40000, steps)
    torch.testing.assert_close(noise.square().mean(0), torch.ones(steps), atol=0.06, rtol=0)


def test_larger_exponents_are_smoother() -> None:
    jumps = []
    for exponent in (0.0, 1.0, 2.0, 4.0):
        noise = coloured_noise((5000, 16), exponent, torch.zeros(0), torch.Generator().manual_seed(0))
        jumps.append(noise.diff(dim=-1).square().mean().item())
    assert jumps[0] == pytest.approx(2, rel=0.1)
    assert jumps == sorted(jumps, reverse=True)
    assert jumps[-1] < 0.4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: CEM(horizon=0), "CEM.horizon must be positive, not 0"),
        (lambda: MPPI(horizon=2, temperature=0), "MPPI.temperature must be positive"),
        (lambda: CEM(horizon=2, samples=8, elites=9), r"CEM.elites must be 1 .. samples \(8\), not 9"),
        (lambda: ICEM(horizon=2, momentum=1), r"ICEM.momentum must be in \[0, 1\)"),
        (lambda: CEM(horizon=2, precision="half"), "CEM.precision must be 'full' or 'bfloat16', not 'half'"),
        (lambda: RandomShooting(horizon=2, chunk=0), "RandomShooting.chunk must be positive"),
        (lambda: RandomShooting(horizon=2, init_std=float("nan")), "init_std must be positive"),
    ],
)
def test_nonsense_gets_one_clear_line(call, message: str) -> None:
    with pytest.raises(PlannerError, match=message):
        call()
