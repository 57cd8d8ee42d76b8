"""The latent variable: as many modes as there are outcomes, their probabilities, energies, and where events happen."""

from __future__ import annotations

import pytest
import torch

from hjepa.events import EventConfig, find_events
from hjepa.latent import Jumps
from hjepa.latent_fit import fit_jumps
from hjepa.stack import Stack
from tests.ring_world import QUICK, stack_of, walks

FIT = EventConfig(modes=4, fit_steps=400)


@pytest.fixture(scope="module")
def stack() -> Stack:
    stack = stack_of()
    stack.calibrate(walks(portal=True).observations)
    stack.eval().requires_grad_(False)
    data = walks(portal=True)
    stack.jumps = fit_jumps(stack, data, find_events(data, QUICK), FIT, seed=0)
    return stack


def at(stack: Stack, *places: tuple[float, float]) -> torch.Tensor:
    return stack.encode(torch.tensor(places))


def test_it_learns_both_exits_and_their_odds(stack: Stack) -> None:
    jumps = stack.jumps
    assert jumps is not None
    entrance = at(stack, (4.1, 0.0))
    chances = jumps.log_prior(entrance)[0].exp()
    outcomes = jumps.outcomes(entrance)[0]
    assert torch.isfinite(jumps.alive).sum() == 2
    near = [int((outcomes - at(stack, (x, 0.0))).norm(dim=-1).add(100 * (chances < 0.01)).argmin()) for x in (0.1, 2.1)]
    assert chances[near].tolist() == pytest.approx([0.75, 0.25], abs=0.1)


def test_it_knows_where_events_happen(stack: Stack) -> None:
    assert stack.jumps is not None
    hazard = stack.jumps.hazard(at(stack, (0.5, 0.0), (2.0, 1.0), (3.5, 0.0), (4.1, 0.0), (4.15, 1.0)))
    assert (hazard > 0.5).tolist() == [False, False, False, True, True]


def test_the_latent_of_least_energy_explains_what_happened(stack: Stack) -> None:
    jumps = stack.jumps
    assert jumps is not None
    before = at(stack, (4.1, 0.0), (4.1, 0.0), (4.1, 0.0))
    after = at(stack, (0.1, 0.0), (2.1, 0.0), (1.1, 0.0))
    energy, z = jumps.energy(before, after), jumps.infer(before, after)
    assert z[0] != z[1]
    assert torch.equal(energy.argmin(-1), z)
    free = jumps.free_energy(before, after)
    assert torch.equal(free, energy.amin(-1))
    assert free[2] > free[:2].max() + 5  # nothing leads half way between the exits
    assert (jumps.free_energy(before, after, beta=1.0) <= free).all()
    torch.testing.assert_close(jumps.free_energy(before, after, beta=1e3), free, atol=1e-2, rtol=1e-3)


def test_the_same_seed_gives_the_same_model() -> None:
    data, stack = walks(portal=True), stack_of()
    events = find_events(data, QUICK)
    first, second = (fit_jumps(stack, data, events, QUICK, seed=1).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_fresh_model_is_sure_of_nothing() -> None:
    jumps = Jumps(4, 3)
    assert jumps.log_prior(torch.zeros(5, 4)).exp().detach() == pytest.approx(1 / 3, abs=0.01)
    assert jumps.outcomes(torch.zeros(5, 4)).shape == (5, 3, 4)
