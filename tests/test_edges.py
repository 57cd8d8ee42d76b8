"""Edges of a learned dynamics: risky outcomes are priced as they should be, and states told apart."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from planners.astar import LatentAStar, SearchGoal
from planners.base import Categorical, Discrete, Gaussian
from planners.candidates import PlannerError
from planners.edges import HashGrid
from planners.risk import MEAN, WORST, Risk


@dataclass
class Cliff:
    """States are numbers. Action 0 goes one further towards 6; action 1, at 0, jumps to 5, or into the pit, 20 away.

    The latent variable decides which: its mode 1, or a normal number above 1.2816 (a chance of 0.1), is the fall.
    """

    fall: float = 0.1
    latents: Categorical | Gaussian = field(default=Categorical(2))
    actions: Discrete = field(default=Discrete(2))

    def step(self, state: Tensor, action: Tensor, latent: Tensor) -> Tensor:
        bad = latent == 1 if isinstance(self.latents, Categorical) else latent[..., 0] > 1.2816
        jumped = torch.where(bad[..., None], torch.tensor(-14.0), torch.tensor(5.0))
        return torch.where((action == 1)[..., None] & (state == 0), jumped, state + 1)

    def log_prior(self, state: Tensor, action: Tensor) -> Tensor:
        return torch.tensor([1 - self.fall, self.fall]).log().expand(*action.shape, 2)


def to_six() -> SearchGoal:
    return SearchGoal(torch.full((2, 1), 6.0), lambda states, goals: (goals - states).abs().sum(-1), tolerance=0.5)


@pytest.mark.parametrize(
    ("risk", "fall", "jumps"),
    [
        (MEAN, 0.1, True),  # costs 1 + 1 and a surcharge of 0.1 * 19, less than 6
        (MEAN, 0.3, False),  # the surcharge is 0.3 * 19
        (WORST, 0.1, False),
        (WORST, 0.0, True),  # what has no chance is no risk
        (Risk(0.5), 0.1, True),  # half of all outcomes, the worst first: 0.2 * 19
        (Risk(0.3), 0.1, False),  # 19 / 3
    ],
)
def test_a_risky_shortcut_is_taken_where_it_pays(risk: Risk, fall: float, jumps: bool) -> None:
    plan = LatentAStar(resolution=0.5, risk=risk).plan(Cliff(fall), to_six(), torch.zeros(2, 1))
    assert plan.complete.all()
    assert plan.extras["path_lengths"].tolist() == ([2, 2] if jumps else [6, 6])
    assert plan.states[:, 1].flatten().tolist() == ([5, 5] if jumps else [1, 1]), "the most likely outcome"
    if jumps:
        torch.testing.assert_close(plan.cost, torch.full((2,), 2 + 19 * fall / risk.tail if risk.tail else 2.0))
    else:
        assert plan.cost.tolist() == [6, 6]


@pytest.mark.parametrize(("risk", "jumps"), [(MEAN, True), (WORST, False)])
def test_risk_of_a_sampled_latent(risk: Risk, jumps: bool) -> None:
    planner = LatentAStar(resolution=0.5, risk=risk, scenarios=200)
    world = Cliff(latents=Gaussian(1))
    plan = planner.plan(world, to_six(), torch.zeros(2, 1), generator=torch.Generator().manual_seed(0))
    assert plan.extras["path_lengths"].tolist() == ([2, 2] if jumps else [6, 6])
    if jumps:
        assert plan.cost[0].item() == pytest.approx(2 + 1.9, abs=1.2)
    assert plan.model_calls % 201 == 0, "the samples and the most likely outcome"
    with pytest.raises(PlannerError, match="generator: LatentAStar samples"):
        planner.plan(world, to_six(), torch.zeros(2, 1))


def test_a_latent_that_changes_nothing_costs_nothing() -> None:
    class Sure(Cliff):
        def step(self, state: Tensor, action: Tensor, latent: Tensor) -> Tensor:
            return super().step(state, action, torch.zeros_like(latent))

    class Certain:
        actions = Discrete(2)

        def step(self, state: Tensor, action: Tensor) -> Tensor:
            return Cliff().step(state, action, torch.zeros_like(action))

    plain = LatentAStar(resolution=0.5).plan(Certain(), to_six(), torch.zeros(2, 1))
    for risk in (MEAN, Risk(0.3), WORST):
        plan = LatentAStar(resolution=0.5, risk=risk).plan(Sure(), to_six(), torch.zeros(2, 1))
        for name in ("actions", "states", "cost", "complete"):
            assert torch.equal(getattr(plan, name), getattr(plain, name)), name
        assert plan.model_calls == 2 * plain.model_calls


def test_a_step_into_nothing_is_no_edge() -> None:
    class Broken(Cliff):
        def step(self, state: Tensor, action: Tensor, latent: Tensor) -> Tensor:
            return torch.where((latent == 1)[..., None], torch.nan, super().step(state, action, latent))

    plan = LatentAStar(resolution=0.5).plan(Broken(), to_six(), torch.zeros(2, 1))
    assert not plan.extras["found"].any(), "no outcome of it may be unknown"


def test_cells_are_the_same_in_every_search_and_tell_states_apart() -> None:
    grid = HashGrid.of((0.5, 2.0, 1.0), torch.zeros(1, 3))
    states = torch.randn(5000, 3, generator=torch.Generator().manual_seed(0)) * 5
    numbers = grid.cells(states)
    corners = torch.round(states / torch.tensor([0.5, 2.0, 1.0]))
    assert len(numbers.unique()) == len(corners.unique(dim=0)) > 1000
    assert torch.equal(numbers, HashGrid.of((0.5, 2.0, 1.0), torch.zeros(9, 3)).cells(corners * grid.resolution))


def test_a_model_of_half_the_precision_plans_too() -> None:
    class Half:
        actions = Discrete(2)

        def step(self, state: Tensor, action: Tensor) -> Tensor:
            return (state + action[:, None]).bfloat16()

    plan = LatentAStar(resolution=0.5).plan(Half(), to_six(), torch.zeros(2, 1))
    assert plan.complete.all() and plan.states.dtype == torch.float32
    assert plan.cost.tolist() == [6, 6]
