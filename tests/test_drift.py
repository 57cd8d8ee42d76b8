"""The continuous latent variable: what it learns of noise, and what planners make of it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hjepa.drift import Drift, DriftDynamics, drift_of, level_dynamics, make_drifts
from hjepa.drift_fit import DriftConfig, LevelWindows, fit_drift, fit_temperature, information
from hjepa.dynamics import LevelDynamics
from hjepa.level import LevelConfig
from hjepa.planning import PlanningConfig, make_hierarchy
from hjepa.reliability import Reliability, region_rank
from hjepa.stack import Stack, StackConfig
from hjepa.trajectories import DataError, Trajectories
from planners.base import Gaussian, is_stochastic
from planners.risk import MEAN, WORST
from planners.sampling import CEM

SMALL = DriftConfig(latent=3, hidden=(48, 48), mean_steps=100, steps=500, batch=128, rollout=1)
CALM, WINDY = 0.06, 0.2


def walk(rows: int, seed: int) -> Trajectories:
    """Random walks in the plane; right of the middle there are gusts of 0.2 a step, left of it of 0.06."""
    rng = np.random.default_rng(seed)
    episodes, length = rows // 41, 41
    places, actions = [rng.uniform(-3, 3, (episodes, 2))], rng.uniform(-1, 1, (length, episodes, 2))
    for action in actions[:-1]:
        wind = np.where(places[-1][:, :1] > 0, WINDY, CALM) * rng.standard_normal((episodes, 2))
        places.append(places[-1] + 0.2 * action + wind)
    terminals = np.zeros((episodes, length))
    terminals[:, -1] = 1
    seen = np.stack(places, 1).reshape(-1, 2)
    return Trajectories.from_arrays(seen, actions.swapaxes(0, 1).reshape(-1, 2), terminals.reshape(-1))


@pytest.fixture(scope="module")
def stack() -> Stack:
    """Two levels that know nothing yet: fresh predictors copy, and fresh encoders turn and shift."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = Stack(StackConfig(levels=(LevelConfig(), LevelConfig(stride=5, rollout=1))))
    made.calibrate(walk(2000, 0).observations)
    return made.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def fitted(stack: Stack) -> DriftDynamics:
    return DriftDynamics(stack.level(1), fit_drift(stack, 1, walk(20_000, 1), SMALL))


def futures_of(stack: Stack, dynamics: DriftDynamics, k: int = 1, count: int = 100) -> tuple[torch.Tensor, ...]:
    """[N, 2, O] observed places of level-``k`` windows, and [N, S, O] predicted ones."""
    states, actions = LevelWindows(stack, k, walk(8000, 2), 1, 800, 3).batch(0)
    drawn = dynamics.sample(states[:, 0], actions, count, torch.Generator().manual_seed(0))
    inverse = torch.linalg.pinv(stack.level(1).encoder.linear.weight) if k == 1 else None
    assert inverse is not None
    bias = stack.level(1).encoder.linear.bias
    return tuple(((each - bias) @ inverse.T) * stack.scale + stack.centre for each in (states, drawn[:, :, 1]))


def test_futures_are_as_various_as_the_place_is_windy(stack: Stack, fitted: DriftDynamics) -> None:
    seen, drawn = futures_of(stack, fitted)
    spread = drawn.std(1).mean(-1)
    windy, calm = spread[seen[:, 0, 0] > 0.5].mean(), spread[seen[:, 0, 0] < -0.5].mean()
    assert windy == pytest.approx(WINDY, rel=0.25)
    assert calm < 0.5 * windy


def test_recordings_not_trained_on_lie_in_the_predicted_regions(stack: Stack, fitted: DriftDynamics) -> None:
    seen, drawn = futures_of(stack, fitted)
    assert Reliability.of(region_rank(drawn, seen[:, 1])).worst < 0.12


def test_what_is_inferred_explains_what_happened_and_costs_nats(stack: Stack, fitted: DriftDynamics) -> None:
    states, actions = LevelWindows(stack, 1, walk(8000, 2), 1, 500, 3).batch(0)
    before, doing, after = states[:, 0], actions[:, 0], states[:, 1]
    mean, log_variance = fitted.posterior(before, doing, after)
    nats = information(mean, log_variance).mean(0).sort(descending=True).values
    assert nats[1] > 0.8  # gusts blow in two directions
    explained = (after - fitted.predict(before, doing, mean)).square().sum(-1)
    unforeseen = (after - fitted.predict(before, doing, torch.zeros_like(mean))).square().sum(-1)
    assert explained.mean() < 0.1 * unforeseen.mean()


def test_information_is_the_divergence_from_the_prior() -> None:
    mean, log_variance = torch.tensor([0.0, 1.0]), torch.tensor([0.0, -1.0])
    q = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    expected = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0))
    torch.testing.assert_close(information(mean, log_variance), expected)


def test_a_price_too_high_empties_the_latent_variable(stack: Stack) -> None:
    dear = replace(SMALL, price=1e4, score=0.0, steps=60)
    dynamics = DriftDynamics(stack.level(1), fit_drift(stack, 1, walk(4000, 1), dear))
    states, actions = LevelWindows(stack, 1, walk(4000, 2), 1, 300, 3).batch(0)
    nats = information(*dynamics.posterior(states[:, 0], actions[:, 0], states[:, 1])).sum(-1).mean()
    assert nats < 0.1


def test_fits_are_reproducible_and_leave_the_stack_alone(stack: Stack) -> None:
    before = {name: value.clone() for name, value in stack.state_dict().items()}
    brief = replace(SMALL, mean_steps=3, steps=3)
    first, second, other = (fit_drift(stack, 2, walk(2000, 1), brief, seed) for seed in (0, 0, 1))
    assert all(torch.equal(value, before[name]) for name, value in stack.state_dict().items())
    weights = [each.shift_net[0].weight for each in (first, second, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_temperature_widens_what_was_too_narrow(stack: Stack, fitted: DriftDynamics) -> None:
    narrow = Drift(4, 2, SMALL.latent, SMALL.hidden)
    narrow.load_state_dict(fitted.drift.state_dict())
    narrow.temperature.fill_(0.5)
    states, actions = LevelWindows(stack, 1, walk(8000, 4), 2, 200, 5).batch(0)
    fit_temperature(DriftDynamics(stack.level(1), narrow), states, actions)
    assert 0.75 < float(narrow.temperature) < 1.35


def test_planners_see_the_latent_variable_of_a_level_that_has_one(stack: Stack, fitted: DriftDynamics) -> None:
    assert isinstance(level_dynamics(stack, 1), LevelDynamics) and drift_of(stack, 1) is None
    stack.drifts["1"] = fitted.drift
    try:
        dynamics = level_dynamics(stack, 1)
        assert is_stochastic(dynamics) and dynamics.latents == Gaussian(3)
        assert isinstance(level_dynamics(stack, 2), LevelDynamics)
        planning = PlanningConfig(risk="worst")
        controller = make_hierarchy(stack, {}, planning, 1, torch.Generator()).controller
        assert isinstance(controller.dynamics, DriftDynamics)
    finally:
        del stack.drifts["1"]


def test_a_saved_stack_comes_back_with_its_latent_variables(stack: Stack, fitted: DriftDynamics) -> None:
    stack.drifts["1"] = fitted.drift
    weights = stack.state_dict()
    del stack.drifts["1"]
    again = Stack(stack.config)
    make_drifts(again, weights)
    again.load_state_dict(weights)
    dynamics, state, action = level_dynamics(again, 1), torch.ones(1, 4), torch.ones(1, 2)
    assert isinstance(dynamics, DriftDynamics) and drift_of(again, 2) is None
    draw = torch.ones(1, SMALL.latent)
    torch.testing.assert_close(dynamics.step(state, action, draw), fitted.step(state, action, draw))
    make_drifts(plain := Stack(stack.config), stack.state_dict())
    assert not plain.drifts


def test_without_a_draw_the_likeliest_future_is_predicted(stack: Stack, fitted: DriftDynamics) -> None:
    state, action = stack.encode(torch.zeros(3, 2)), torch.ones(3, 2)
    torch.testing.assert_close(fitted.step(state, action), fitted.predict(state, action, torch.zeros(3, 3)))
    with pytest.raises(TypeError, match="Gaussian"):
        fitted.log_prior(state, action)


def test_the_worst_case_keeps_farther_from_what_is_dear(stack: Stack, fitted: DriftDynamics) -> None:
    """Beside the windy place lies a dear one: the more the bad cases count, the farther a plan stays away."""
    start = stack.encode(torch.tensor([[2.0, 0.0]]))
    axis = stack.encode(torch.tensor([[2.0, 1.0]])) - start

    def along(states: torch.Tensor) -> torch.Tensor:
        """How far towards the dear place."""
        return ((states - start) * axis).sum(-1) / axis.square().sum()

    def cost(states: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        return (along(states) - 0.4).abs() + 2 * (along(states) > 0.6)

    reached = {}
    for risk in (MEAN, WORST):
        planner = CEM(horizon=3, samples=64, iterations=4, risk=risk, scenarios=24)
        plan = planner.plan(fitted, cost, start, generator=torch.Generator().manual_seed(0))
        drawn = fitted.sample(start, plan.actions, 500, torch.Generator().manual_seed(1))
        reached[risk] = along(drawn[0, :, -1]).mean()
    assert reached[WORST] < reached[MEAN] - 0.05


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"latent": 0}, "latent"),
        ({"price": -1.0}, "price"),
        ({"mean_steps": -1}, "mean_steps"),
        ({"width": 0.0}, "width"),
    ],
)
def test_impossible_settings_are_named(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=f"drift.{message}"):
        DriftConfig(**wrong)  # type: ignore[arg-type]


def test_episodes_shorter_than_a_roll_out_are_refused(stack: Stack) -> None:
    with pytest.raises(DataError):
        fit_drift(stack, 2, walk(2000, 1), replace(SMALL, rollout=20))
