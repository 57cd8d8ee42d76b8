"""What scripts/uncertainty.py measures with: walks beside what is dear, changed mazes, and its rows."""

import numpy as np
import pytest
import torch

from hjepa.drift import Drift, DriftDynamics
from scripts._ledge import BESIDE, PRICE, Ledges, Walked, on_plans, walk
from scripts._wind import CALM, WINDY, Told, Wind, energies, with_a_cell_closed


@pytest.fixture(scope="module")
def wind() -> Wind:
    return Wind.in_maze("medium")


@pytest.fixture(scope="module")
def level(wind: Wind) -> DriftDynamics:
    """Level 1 with a latent variable that nobody has trained: it says as good as nothing."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drift = Drift(wind.stack.level(1).config.state_dim, 2, latent=2, hidden=(8,))
    drift.unit.fill_(1e-4)
    return DriftDynamics(wind.stack.level(1), drift.eval().requires_grad_(False))


def test_one_half_is_windy(wind: Wind) -> None:
    assert (wind.strength[:, :4] == CALM).all() and (wind.strength[:, 4:] == WINDY).all()


def test_ledges_run_along_the_way(wind: Wind) -> None:
    ledges = Ledges.draw(wind, 40, 0)
    np.testing.assert_allclose((ledges.ahead * ledges.aside).sum(-1), 0, atol=1e-6)
    np.testing.assert_allclose(ledges.offset(ledges.starts), -BESIDE, atol=1e-5)
    np.testing.assert_allclose(ledges.offset(ledges.targets), -BESIDE, atol=1e-5)
    beyond = ledges.starts + ledges.aside
    np.testing.assert_allclose(ledges.offset(torch.stack([beyond, beyond], 1)), 1 - BESIDE, atol=1e-5)


def test_walks_arrive_and_are_counted(wind: Wind, level: DriftDynamics) -> None:
    walked = walk(wind, Ledges.draw(wind, 6, 0), level, "no z", 0)
    assert walked.arrived.all() and (walked.steps < 40).all()
    for b, steps in enumerate(walked.steps):
        assert walked.inside[b] == (walked.offsets[b, 1 : steps + 1] > 0).sum()
    np.testing.assert_allclose(walked.cost, walked.steps + PRICE * walked.inside)
    assert walked.row().split()[0] == "no"


def test_rows_name_the_share_that_entered() -> None:
    steps, inside = np.full(10, 20), np.array([0] * 7 + [1, 2, 3])
    nothing = np.zeros((10, 21), np.float32)
    row = Walked("worst", nothing, nothing, steps, inside, np.ones(10, bool)).row()
    assert "30%" in row and "3.0%" in row and "26.0" in row and "100%" in row


def test_plans_are_forecast_and_carried_out(wind: Wind, level: DriftDynamics) -> None:
    rows, reach = on_plans(wind, level, 5, 0, horizon=10)
    assert [(row.steps, row.source) for row in rows][-1] == (10, "cost of plans")
    assert reach.futures.shape == (5, 200, 11, 2) and reach.outcome.shape == (5, 11, 2)
    np.testing.assert_allclose(reach.futures[:, :, 0], reach.outcome[:, None, 0].repeat(200, 1), atol=1e-4)


def test_rows_tell_spread_and_error() -> None:
    futures = torch.randn(400, 100, 2, generator=torch.Generator().manual_seed(0))
    row = Told.of(2, 10, "recordings", futures, torch.zeros(400, 2))
    assert row.spread == pytest.approx(2**0.5, rel=0.02) and row.error < 0.2
    assert row.reliability.coverage[0] == 1.0


def test_energies_are_compared_between_the_same_walks_in_two_mazes(wind: Wind, level: DriftDynamics) -> None:
    closed = with_a_cell_closed(wind.map, 0)
    assert (closed.cells != wind.map.cells).sum() == 1
    held_out, changed = wind.record(30_000, 3), wind.record(30_000, 3, closed)
    assert torch.equal(held_out.actions, changed.actions)
    for row in energies(wind, 1, level, held_out, changed):
        assert row.plain[0] > 0.55 and row.plain[1][0] <= row.plain[0] <= row.plain[1][1]
