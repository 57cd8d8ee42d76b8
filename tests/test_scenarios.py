"""Scenarios of a latent variable: their distribution, their probabilities, and plans that weigh them by risk."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product

import pytest
import torch
from torch import Tensor

from planners.base import Box, Budget, Categorical, Gaussian, LatentSpace, Plan
from planners.candidates import Evaluator, PlannerError
from planners.risk import MEAN, WORST, Risk
from planners.sampling import CEM, ICEM, MPPI, RandomShooting, SamplingPlanner
from planners.scenarios import draw_scenarios, stratified_uniforms


@dataclass(frozen=True)
class Gusts:
    """A point on a line, pushed by its action and by a gust whose chances depend on where it is."""

    shifts: Tensor = field(default_factory=lambda: torch.tensor([-1.0, 0.0, 3.0]))
    actions: Box = Box(torch.tensor([-1.0]), torch.tensor([1.0]))

    @property
    def latents(self) -> LatentSpace:
        return Categorical(len(self.shifts))

    def log_prior(self, state: Tensor, action: Tensor) -> Tensor:
        weights = torch.arange(len(self.shifts)) * state.tanh() + action
        return weights.log_softmax(-1)

    def step(self, state: Tensor, action: Tensor, latent: Tensor) -> Tensor:
        return state + action + self.shifts[latent][..., None]


@dataclass(frozen=True)
class Drift:
    """A point that drifts at random."""

    latents: LatentSpace = Gaussian(2)
    actions: Box = Box(-torch.ones(2), torch.ones(2))

    # No log_prior: that of a Gaussian is known. Once, a model without it was taken for a deterministic one.

    def step(self, state: Tensor, action: Tensor, latent: Tensor) -> Tensor:
        return state + action + 0.5 * latent


def squares(states: Tensor, actions: Tensor) -> Tensor:
    return states.square().sum(-1)


def brute_force(dynamics: Gusts, start: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
    """Costs and probabilities of all mode sequences for one start [D] and one candidate [H, A]."""
    costs, chances = [], []
    for modes in product(range(len(dynamics.shifts)), repeat=len(actions)):
        state, chance, cost = start, 1.0, float(start.square().sum())
        for action, mode in zip(actions, modes, strict=True):
            chance *= float(dynamics.log_prior(state, action).exp()[mode])
            state = dynamics.step(state, action, torch.tensor(mode))
            cost += float(state.square().sum())
        costs.append(cost)
        chances.append(chance)
    return torch.tensor(costs), torch.tensor(chances)


def evaluator(dynamics, start: Tensor, horizon: int, count: int, risk: Risk = MEAN, seed: int = 0, **more) -> Evaluator:
    scenarios = draw_scenarios(dynamics, start, horizon, count, torch.Generator().manual_seed(seed))
    return Evaluator(dynamics, squares, start, horizon, 1, Budget().meter(), risk=risk, scenarios=scenarios, **more)


@pytest.mark.parametrize("risk", [MEAN, Risk(0.2), WORST], ids=["mean", "cvar", "worst"])
def test_enumeration_equals_brute_force(risk: Risk) -> None:
    start = torch.tensor([[0.3], [-1.0]])
    candidates = torch.rand(2, 4, 3, 1, generator=torch.Generator().manual_seed(1)) * 2 - 1
    totals = evaluator(Gusts(), start, 3, 27, risk)(candidates)
    expected = [[float(risk(*brute_force(Gusts(), start[b], candidates[b, n]))) for n in range(4)] for b in range(2)]
    torch.testing.assert_close(totals, torch.tensor(expected))


def test_samples_agree_with_the_expectation() -> None:
    start, candidate = torch.tensor([[0.3]]), torch.tensor([[[[0.5], [-0.5], [0.2], [0.1]]]])
    expected = MEAN(*brute_force(Gusts(), start[0], candidate[0, 0]))
    sampled = torch.stack([evaluator(Gusts(), start, 4, 64, seed=seed)(candidate) for seed in range(60)]).flatten()
    assert abs(sampled.mean() - expected) < 4 * sampled.std() / 60**0.5
    assert sampled.std() > 0


def test_gaussian_scenarios_agree_with_the_expectation() -> None:
    total = evaluator(Drift(), torch.zeros(1, 2), 2, 40000)(torch.zeros(1, 1, 2, 2))
    torch.testing.assert_close(total, torch.full((1, 1), 3 * 2 * 0.25), atol=0.03, rtol=0)


def test_every_candidate_meets_the_same_scenarios() -> None:
    score = evaluator(Drift(), torch.zeros(2, 2), 3, 5)
    totals = score(torch.full((2, 6, 3, 2), 0.1))
    assert (totals == totals[:, :1]).all()
    assert totals[0, 0] != totals[1, 0], "every problem has its own"


def test_uniforms_are_stratified_and_independent_over_time() -> None:
    draws = stratified_uniforms((3, 8, 500), torch.zeros(0), torch.Generator().manual_seed(0))
    assert torch.equal((draws * 8).long().sort(1).values, torch.arange(8)[:, None].expand(3, -1, 500))
    assert draws.max() < 1
    first, second = draws[:, :, :-1].flatten(), draws[:, :, 1:].flatten()
    assert torch.corrcoef(torch.stack([first, second]))[0, 1].abs() < 0.03


def test_chunks_change_nothing() -> None:
    candidates = torch.rand(2, 9, 3, 1, generator=torch.Generator().manual_seed(1)) * 2 - 1
    start = torch.tensor([[0.3], [-1.0]])
    whole, parts = evaluator(Gusts(), start, 3, 8), evaluator(Gusts(), start, 3, 8, chunk=40)
    torch.testing.assert_close(whole(candidates), parts(candidates))
    assert whole.meter.model_calls == parts.meter.model_calls == 2 * 9 * 3 * 8
    assert torch.equal(whole.plan(True).actions, parts.plan(True).actions)


def test_scores_are_differentiable() -> None:
    start = torch.tensor([[0.3]], dtype=torch.float64)
    candidates = torch.tensor([[[[0.5], [-0.5]]]], dtype=torch.float64, requires_grad=True)
    score = evaluator(Drift(), start.expand(1, 2), 2, 3)
    assert torch.autograd.gradcheck(lambda free: score(free.expand(-1, -1, -1, 2)), candidates)


def test_a_plan_stands_for_its_scenarios() -> None:
    planner = CEM(horizon=3, samples=40, iterations=2, scenarios=6, risk=Risk(0.3))
    plan = planner.plan(Gusts(), squares, torch.tensor([[0.3], [-1.0]]), generator=torch.Generator().manual_seed(0))
    outcomes, states = plan.extras["outcomes"], plan.extras["scenario_states"]
    assert outcomes.shape == plan.extras["chances"].shape == (2, 6)
    assert states.shape == (2, 6, 4, 1)
    torch.testing.assert_close(squares(states, plan.actions).sum(-1), outcomes)
    torch.testing.assert_close(Risk(0.3)(outcomes), plan.cost)
    nearest = (outcomes - plan.cost[:, None]).abs().argmin(1)
    assert torch.equal(plan.states, states[torch.arange(2), nearest])


@dataclass(frozen=True)
class Shortcut:
    """The left road is short, but now and then it is closed; the right one is longer and sure."""

    latents: LatentSpace = Categorical(2)
    actions: Box = Box(torch.tensor([-1.0]), torch.tensor([1.0]))

    def log_prior(self, state: Tensor, action: Tensor) -> Tensor:
        return torch.tensor([0.9, 0.1]).log().expand(*state.shape[:-1], 2)

    def step(self, state: Tensor, action: Tensor, latent: Tensor) -> Tensor:
        closed = latent[..., None] == 1
        return torch.where(action < 0, torch.where(closed, 20.0, 1.0), 5.0)


PLANNERS = [RandomShooting, CEM, ICEM, MPPI]


def cross(planner: SamplingPlanner) -> Plan:
    start, generator = torch.zeros(2, 1), torch.Generator().manual_seed(0)
    return planner.plan(Shortcut(), lambda states, actions: states[..., 0], start, generator=generator)


@pytest.mark.parametrize("planner", PLANNERS)
def test_the_mean_takes_a_risky_shortcut_and_the_worst_case_does_not(planner: type[SamplingPlanner]) -> None:
    bold, careful = (cross(planner(horizon=1, samples=32, risk=risk)) for risk in (MEAN, WORST))
    torch.testing.assert_close(bold.cost, torch.full((2,), 0.9 * 1 + 0.1 * 20))
    torch.testing.assert_close(careful.cost, torch.full((2,), 5.0))
    assert (bold.actions < 0).all()
    assert (careful.actions >= 0).all()


def test_scenarios_must_be_positive() -> None:
    with pytest.raises(PlannerError, match="CEM.scenarios must be positive, not 0"):
        CEM(horizon=2, scenarios=0)
