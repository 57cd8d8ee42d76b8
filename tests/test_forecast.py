"""Plans that say how uncertain they are."""

import pytest
import torch
from torch import Tensor

from hjepa.forecast import Forecast, ForecastPlanner, forecast
from planners.base import Box, Categorical, Gaussian
from planners.sampling import CEM

NOISE = 0.3


class Gusts:
    """Moves by the action and a gust."""

    actions = Box(-torch.ones(2), torch.ones(2))
    latents = Gaussian(2)

    def step(self, state: Tensor, action: Tensor, latent: Tensor) -> Tensor:
        return state + action + NOISE * latent

    def log_prior(self, state: Tensor, action: Tensor) -> Tensor:
        raise NotImplementedError


class Still:
    """Moves by the action."""

    actions = Box(-torch.ones(2), torch.ones(2))

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        return state + action


def to_origin(states: Tensor, actions: Tensor) -> Tensor:
    return states.norm(dim=-1)


def test_futures_spread_as_the_noise_adds_up() -> None:
    start, actions = torch.zeros(3, 2), torch.ones(3, 4, 2)
    told = forecast(Gusts(), to_origin, start, actions, count=4000, generator=torch.Generator().manual_seed(0))
    assert told.places.shape == (3, 4000, 5, 2) and told.costs.shape == (3, 4000)
    expected = NOISE * torch.arange(5.0).sqrt()[None, :, None].expand(3, -1, 2)
    torch.testing.assert_close(told.spread, expected, atol=0.02, rtol=0)
    torch.testing.assert_close(told.places.mean(1)[0, :, 0], torch.arange(5.0), atol=0.03, rtol=0)
    torch.testing.assert_close(told.costs, to_origin(told.places, actions).sum(-1))


def test_quantiles_are_in_order_and_hold_their_share() -> None:
    told = forecast(Gusts(), to_origin, torch.zeros(1, 2), torch.ones(1, 3, 2), count=500)
    assert told.place_quantiles().shape == (9, 1, 4, 2)
    low, middle, high = told.cost_quantiles((0.05, 0.5, 0.95))[:, 0]
    assert low < middle < high
    assert float(((told.costs >= low) & (told.costs <= high)).float().mean()) == pytest.approx(0.9, abs=0.02)


def test_places_are_read_as_asked() -> None:
    told = forecast(Gusts(), to_origin, torch.zeros(1, 2), torch.ones(1, 3, 2), count=10, read=lambda s: s[..., :1])
    assert told.places.shape == (1, 10, 4, 1)


def test_a_deterministic_model_has_one_future() -> None:
    told = forecast(Still(), to_origin, torch.zeros(2, 2), torch.ones(2, 3, 2))
    assert told.places.shape == (2, 1, 4, 2)
    assert told.places[0, 0, :, 0].tolist() == [0, 1, 2, 3]


def test_enumerated_modes_are_no_draws() -> None:
    class Coin(Gusts):
        latents = Categorical(2)  # type: ignore[assignment]

    with pytest.raises(ValueError, match="enumerate"):
        forecast(Coin(), to_origin, torch.zeros(1, 2), torch.ones(1, 3, 2), count=8)


def test_the_plan_is_the_planners_and_carries_its_forecast() -> None:
    planner, start = CEM(horizon=3, samples=32, iterations=2, elites=8), torch.ones(2, 2)
    plain = planner.plan(Gusts(), to_origin, start, generator=torch.Generator().manual_seed(0))
    plan = ForecastPlanner(planner, 50).plan(Gusts(), to_origin, start, generator=torch.Generator().manual_seed(0))
    assert torch.equal(plan.actions, plain.actions)
    told = plan.extras["forecast"]
    assert isinstance(told, Forecast) and told.places.shape == (2, 50, 4, 2)
    assert plan.model_calls == plain.model_calls + 2 * 50 * 3
    # The scenarios that a plan was chosen for flatter it.
    assert told.costs.mean() > plain.cost.mean()
