"""Collapse prevention: values against literal formulas, and which way the gradients push."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from torch import Tensor

from hjepa.regularizer import REGULARIZERS, EMATarget, InfoNCE, NoRegularizer, RegularizerName, SIGReg, VICReg


def gaussian(rows: int = 4096, dim: int = 6, seed: int = 0) -> Tensor:
    return torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def literal_vicreg(states: Tensor, variance: float, covariance: float) -> float:
    """Equations 1 to 4 of the paper, in plain loops."""
    rows, dims = states.shape
    values = states.double().tolist()
    mean = [sum(row[d] for row in values) / rows for d in range(dims)]
    hinge = redundancy = 0.0
    for i in range(dims):
        spread = sum((row[i] - mean[i]) ** 2 for row in values) / rows
        hinge += max(0.0, 1 - math.sqrt(spread + 1e-4)) / dims
        for j in range(dims):
            if i != j:
                shared = sum((row[i] - mean[i]) * (row[j] - mean[j]) for row in values) / (rows - 1)
                redundancy += shared**2 / dims
    return variance * hinge + covariance * redundancy


@pytest.mark.parametrize("seed", range(4))
def test_vicreg_equals_the_papers_equations(seed: int) -> None:
    states = gaussian(50, 4, seed) @ gaussian(4, 4, seed + 10) * 0.4 + 3
    expected = literal_vicreg(states, 2.0, 0.7)
    assert float(VICReg(variance=2.0, covariance=0.7).penalty(states)) == pytest.approx(expected, rel=1e-4)
    assert expected > 0.01


def test_sigreg_equals_the_integral() -> None:
    """One dimension has one projection, up to its sign: the statistic is a plain integral."""
    x = gaussian(200, 1) * 0.5 + 0.3
    t = torch.linspace(-5, 5, 2001, dtype=torch.float64)
    wave = torch.exp(1j * x.double() * t).mean(0)
    gap = (wave - torch.exp(-(t**2) / 2)).abs() ** 2
    expected = 3.0 * torch.trapezoid(gap * torch.exp(-(t**2) / 2), t)
    found = SIGReg(weight=3.0, projections=5, points=101).penalty(x, seeded())
    assert float(found) == pytest.approx(float(expected), rel=1e-3)


@pytest.mark.parametrize("regularizer", [VICReg(), SIGReg()], ids=["vicreg", "sigreg"])
def test_gaussian_states_cost_little_and_collapsed_ones_much(regularizer) -> None:
    states = gaussian()
    good = float(regularizer.penalty(states, seeded()))
    line = states[:, :1] * torch.ones(6)
    assert good < 0.1
    for bad in (torch.zeros_like(states), 0.05 * states, line):
        assert float(regularizer.penalty(bad, seeded())) > 10 * good


def test_sigreg_tells_shapes_that_variance_cannot() -> None:
    two_points = gaussian().sign()
    uniform = (torch.rand(4096, 1, generator=seeded()) - 0.5) * math.sqrt(12)
    assert float(VICReg().penalty(two_points)) < 0.1
    narrow = SIGReg(projections=1)
    good = float(narrow.penalty(gaussian(dim=1), seeded()))
    assert float(narrow.penalty(two_points[:, :1], seeded())) > 50 * good
    assert float(narrow.penalty(uniform, seeded())) > 5 * good
    assert float(narrow.penalty(gaussian(dim=1) + 1, seeded())) > 50 * good, "nor a shift"


@pytest.mark.parametrize("regularizer", [VICReg(), SIGReg()], ids=["vicreg", "sigreg"])
def test_descent_spreads_a_collapsed_batch(regularizer) -> None:
    states = (0.05 * gaussian(256, 4)).requires_grad_()
    before = states.detach().std(0)
    for step in range(200):
        (gradient,) = torch.autograd.grad(regularizer.penalty(states, seeded(step)), states)
        states = (states - 5.0 * gradient).detach().requires_grad_()
    after = states.detach().std(0)
    assert (after > 5 * before).all()


def test_vicreg_descent_decorrelates() -> None:
    states = gaussian(512, 2)
    states = torch.stack([states[:, 0], states[:, 0] + 0.3 * states[:, 1]], 1).requires_grad_()
    before = torch.corrcoef(states.detach().T)[0, 1]
    for _ in range(100):
        (gradient,) = torch.autograd.grad(VICReg().penalty(states), states)
        states = (states - 10.0 * gradient).detach().requires_grad_()
    assert before > 0.9
    assert torch.corrcoef(states.detach().T)[0, 1].abs() < 0.3


@pytest.mark.parametrize("regularizer", [EMATarget(), NoRegularizer()])
def test_ema_and_none_penalise_nothing(regularizer) -> None:
    for states in (gaussian(), torch.zeros(8, 3)):
        assert float(regularizer.penalty(states)) == 0


def literal_infonce(views: Tensor, others: Tensor, temperature: float) -> float:
    """Equation 4 of CPC, with SimCLR's similarity, in plain loops."""
    total = 0.0
    for i, view in enumerate(views.double()):
        scores = [math.exp(float(view @ other / view.norm() / other.norm()) / temperature) for other in others.double()]
        total -= math.log(scores[i] / sum(scores)) / len(views)
    return total


def test_infonce_equals_the_papers_equation() -> None:
    views, others = gaussian(20, 3), gaussian(20, 3, 1)
    expected = 2.0 * literal_infonce(views, others, 0.3)
    assert float(InfoNCE(weight=2.0, temperature=0.3).loss(views, others)) == pytest.approx(expected, rel=1e-4)


def test_views_that_are_all_the_same_cost_what_guessing_does() -> None:
    same = torch.ones(32, 3)
    assert float(InfoNCE().loss(same, same)) == pytest.approx(math.log(32), rel=1e-4)
    assert float(InfoNCE().loss(gaussian(32, 16), gaussian(32, 16))) < 0.3 * math.log(32)


def test_only_the_ema_target_asks_for_a_moving_average() -> None:
    decays = {name: make().ema_decay for name, make in REGULARIZERS.items()}
    assert {name for name, decay in decays.items() if decay is not None} == {"ema"}
    assert 0.9 <= decays["ema"] < 1


def test_the_table_holds_every_name() -> None:
    assert set(REGULARIZERS) == set(get_args(RegularizerName))


@pytest.mark.parametrize("name", REGULARIZERS)
def test_contract(name: RegularizerName) -> None:
    """What every regulariser keeps to: a finite scalar that grows with nothing but its states and generator."""
    regularizer = REGULARIZERS[name]()
    for states in (gaussian(64, 5), torch.zeros(64, 5), gaussian(64, 1), gaussian(64, 5).double()):
        states.requires_grad_()
        penalty = regularizer.penalty(states, seeded())
        assert penalty.shape == ()
        assert penalty.dtype == states.dtype
        assert penalty.isfinite()
        assert penalty >= 0
        if penalty.requires_grad:
            (gradient,) = torch.autograd.grad(penalty, states)
            assert gradient.isfinite().all()
        assert torch.equal(penalty, regularizer.penalty(states, seeded()))
    before = torch.random.get_rng_state()
    regularizer.penalty(gaussian(64, 5), seeded())
    assert torch.equal(before, torch.random.get_rng_state()), "the global generator is left alone"
