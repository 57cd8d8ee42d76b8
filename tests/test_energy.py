"""Energies of observed pairs at any level, with whatever latent variable it has."""

import math

import pytest
import torch

from hjepa.drift import Drift, DriftDynamics
from hjepa.energy import Drifting, EnergyError, Eventful, Foreseen, LevelEnergy, energy_model
from hjepa.latent import Jumps
from hjepa.level import LevelConfig
from hjepa.stack import Stack, StackConfig


@pytest.fixture(scope="module")
def stack() -> Stack:
    """Fresh predictors copy; actions bend them a little, so that each has an outcome of its own."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = Stack(StackConfig(levels=(LevelConfig(), LevelConfig(stride=4, rollout=1), LevelConfig(stride=8))))
        for k in (1, 2, 3):
            torch.nn.init.normal_(made.level(k).predictor.change[-1].weight, std=0.5)
    return made.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def drifting(stack: Stack) -> Drifting:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        drift = Drift(4, 2, latent=2, hidden=(16,))
    drift.width.fill_(0.2)
    return Drifting(DriftDynamics(stack.level(1), drift.eval().requires_grad_(False)))


def swept(model: Drifting, axis: torch.Tensor, *given: torch.Tensor) -> torch.Tensor:
    """[n * n, N] energies of all pairs of values of ``z``."""
    grid = torch.cartesian_prod(axis, axis)[:, None].expand(-1, len(given[0]), -1)
    return model.energy(*(part.expand(len(grid), -1, -1) for part in given), grid)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("k", [1, 2, 3])
def test_what_was_predicted_has_the_least_energy_at_every_level(stack: Stack, k: int) -> None:
    energy, stride = LevelEnergy(stack, k), stack.level(k).config.stride
    here, actions, later = draw(20, 2), draw(20, stride, 2, seed=1), draw(20, 2, seed=2)
    predicted = stack.level(k).predictor(stack.encode(here, k), stack.macro_actions(actions, k)[:, 0])
    model = Foreseen(stack.level(k))
    states, doing = stack.encode(here, k), stack.macro_actions(actions, k)[:, 0]
    assert (model.free_energy(states, doing, predicted) < 1e-9).all()
    expected = 0.5 * 4 * (stack.encode(later, k) - predicted).square().sum(-1) / stack.level(k).change
    torch.testing.assert_close(energy(here, actions, later), expected)
    assert model.infer(states, doing, predicted) is None


def test_probabilities_are_those_of_gibbs_and_boltzmann(stack: Stack) -> None:
    energy = LevelEnergy(stack, 2)
    here, actions, candidates = draw(5, 2), draw(5, 4, 2, seed=1), draw(5, 7, 2, seed=2)
    free = energy(here, actions, candidates)
    for beta in (0.5, 2.0):
        probability = energy.probabilities(here, actions, candidates, beta)
        torch.testing.assert_close(probability, (-beta * free).softmax(-1))
    ranks = energy.ranks(here, actions, candidates)
    assert (ranks.sort(-1).values == torch.arange(1, 8)).all()
    assert torch.equal((ranks == 1).int().argmax(-1), free.argmin(-1))


def test_the_inferred_latent_variable_has_the_least_energy(drifting: Drifting) -> None:
    states, actions, after = draw(6, 4), draw(6, 2, seed=1), draw(6, 4, seed=2)
    best = drifting.energy(states, actions, after, drifting.infer(states, actions, after))
    torch.testing.assert_close(best, drifting.free_energy(states, actions, after))
    everywhere = swept(drifting, torch.linspace(-4, 4, 81), states, actions, after)
    assert (best <= 1.02 * everywhere.amin(0)).all()


def test_the_softmin_is_the_integral_over_the_latent_variable(drifting: Drifting) -> None:
    """Laplace's approximation against a sum over a grid, where the energy is nearly quadratic."""
    states, actions = draw(6, 4), draw(6, 2, seed=1)
    after = drifting.dynamics.predict(states, actions, 0.3 * draw(6, 2, seed=3))
    energies = swept(drifting, torch.linspace(-6, 6, 121), states, actions, after)
    for beta in (1.0, 4.0):
        exact = -((-beta * energies).logsumexp(0) + 2 * math.log(0.1)) / beta
        torch.testing.assert_close(drifting.free_energy(states, actions, after, beta), exact, atol=0.05, rtol=0)


def test_a_latent_variable_explains_what_a_plain_level_cannot(stack: Stack, drifting: Drifting) -> None:
    states, actions = draw(30, 4), draw(30, 2, seed=1)
    after = drifting.dynamics.predict(states, actions, draw(30, 2, seed=3))
    plain = Foreseen(stack.level(1), drifting.dynamics.drift.width)
    assert drifting.free_energy(states, actions, after).mean() < 0.5 * plain.free_energy(states, actions, after).mean()


def test_events_are_values_of_a_discrete_latent_variable(stack: Stack) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        jumps = Jumps(4, 3).requires_grad_(False)
    jumps.centres.copy_(5 * torch.eye(4)[:3])
    jumps.width.fill_(0.1)
    model = Eventful(Foreseen(stack.level(1)), jumps)
    states, actions = draw(8, 4), draw(8, 2, seed=1)
    calm, event = stack.level(1).predictor(states, actions), jumps.outcomes(states)[:, 1]
    assert (model.infer(states, actions, calm) == 0).all()
    assert (model.infer(states, actions, event) == 2).all()
    best = model.energy(states, actions, event, model.infer(states, actions, event))
    torch.testing.assert_close(best, model.free_energy(states, actions, event))
    assert (model.free_energy(states, actions, event, beta=1.0) <= best).all()


def test_the_model_is_chosen_by_what_the_level_has(stack: Stack, drifting: Drifting) -> None:
    assert isinstance(energy_model(stack, 1), Foreseen)
    assert isinstance(energy_model(stack, 1, drifting.dynamics.drift), Drifting)
    stack.drifts["1"] = drifting.dynamics.drift
    assert isinstance(energy_model(stack, 1), Drifting) and isinstance(energy_model(stack, 2), Foreseen)
    del stack.drifts["1"]
    stack.jumps = Jumps(4, 2)
    try:
        assert isinstance(energy_model(stack, 1), Eventful) and isinstance(energy_model(stack, 2), Foreseen)
    finally:
        stack.jumps = None


def test_what_makes_no_sense_is_named(stack: Stack, drifting: Drifting) -> None:
    energy, here = LevelEnergy(stack, 2), draw(3, 2)
    with pytest.raises(EnergyError, match="over 4 world steps, not over 5"):
        energy(here, draw(3, 5, 2), here)
    with pytest.raises(EnergyError, match="beta must be positive"):
        energy(here, draw(3, 4, 2), here, beta=0.0)
    with pytest.raises(EnergyError, match="beta must be finite"):
        energy.probabilities(here, draw(3, 4, 2), draw(3, 2, 2), beta=math.inf)
    with pytest.raises(EnergyError, match="k must be 1 to 3"):
        LevelEnergy(stack, 4)
    with pytest.raises(EnergyError, match="latent variable"):
        drifting.energy(draw(1, 4), draw(1, 2), draw(1, 4))
