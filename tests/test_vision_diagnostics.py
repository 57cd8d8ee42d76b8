"""Measures of a trained stack, on cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from hjepa.vision.diagnostics import Affine, horizon_errors, monotonicity, rank_of, spearman


def test_rank_correlation_is_that_of_scipy_also_with_ties() -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        first, second = generator.integers(0, 6, (2, 30))
        assert spearman(first, second) == pytest.approx(spearmanr(first, second).statistic)


def test_what_never_changes_tells_nothing() -> None:
    assert spearman(np.ones(5), np.arange(5)) == 0.0


def test_a_cost_that_always_falls_is_monotone_and_one_that_rises_is_not() -> None:
    falling, rising = np.array([9.0, 4, 3, 1]), np.array([1.0, 2, 5, 6])
    assert monotonicity([falling, falling], [0, 1]).value == 1.0
    assert monotonicity([rising], [0]).value == -1.0
    assert monotonicity([falling, rising], [0, 1]).value == 0.0


def test_calibration_finds_the_way_there_and_back() -> None:
    points = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    matrix, offset = torch.tensor([[2.0, 0.3], [-0.1, 1.5]]), torch.tensor([4.0, -1.0])
    found = Affine.fit(points, points @ matrix + offset)
    assert torch.allclose(found.matrix, matrix, atol=1e-4) and torch.allclose(found.offset, offset, atol=1e-4)
    assert torch.allclose(found.inverse()(found(points)), points, atol=1e-4)


def test_errors_by_horizon_are_relative_to_standing_still() -> None:
    actual = torch.arange(5.0).view(1, 5, 1).repeat(6, 1, 2)
    imagined = actual * 0.5
    errors = horizon_errors(imagined, actual, 10, torch.arange(6))
    assert [one.steps for one in errors] == [10, 20, 30, 40]
    assert [one.relative for one in errors] == pytest.approx([0.5] * 4)
    assert errors[1].error.value == pytest.approx(2**0.5)


def test_the_rank_of_maps_is_that_of_their_cells() -> None:
    line = torch.randn(4, 1, 5, 5, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 2, 3]).view(3, 1, 1)
    assert rank_of(line) == (pytest.approx(1.0, abs=1e-3), 3)
    assert rank_of(torch.eye(3).repeat(4, 1))[1] == 3
