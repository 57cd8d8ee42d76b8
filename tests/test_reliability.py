"""Coverage of predicted regions, and the area under the ROC curve."""

import pytest
import torch

from hjepa.reliability import Reliability, auroc, quantile_rank, region_rank

MIXING = torch.tensor([[1.0, 0.0], [0.8, 0.3]])


def draw(*shape: int, seed: int, spread: float = 1.0) -> torch.Tensor:
    """Samples of one correlated normal distribution."""
    return spread * torch.randn(*shape, 2, generator=torch.Generator().manual_seed(seed)) @ MIXING.T


def test_true_predictions_are_calibrated() -> None:
    ranks = region_rank(draw(2000, 200, seed=0), draw(2000, seed=1))
    assert Reliability.of(ranks).worst < 0.03
    assert abs(Reliability.of(ranks).bias) < 0.03


@pytest.mark.parametrize(("spread", "sign"), [(0.5, -1), (2.0, 1)])
def test_too_narrow_and_too_wide_predictions_are_found_out(spread: float, sign: int) -> None:
    found = Reliability.of(region_rank(draw(1000, 200, seed=0, spread=spread), draw(1000, seed=1)))
    assert found.worst > 0.2 and sign * found.bias > 0.1


def test_regions_have_the_shape_of_the_futures() -> None:
    along, across = MIXING @ torch.tensor([1.5, 0.0]), torch.tensor([0.8, -1.0])
    futures = draw(2, 2000, seed=0)
    ranks = region_rank(futures, torch.stack([along, across]))
    assert ranks[0] < 0.8 < 0.99 < ranks[1]  # though the second is nearer to the mean


def test_futures_without_spread_hold_only_what_they_say() -> None:
    futures = torch.zeros(2, 50, 2)
    assert region_rank(futures, torch.tensor([[0.0, 0.0], [1.0, 0.0]])).tolist() == [0.0, 1.0]


def test_central_intervals_of_numbers() -> None:
    futures = torch.linspace(0, 1, 101).expand(3, -1)
    ranks = quantile_rank(futures, torch.tensor([0.5, 0.96, -1.0]))
    torch.testing.assert_close(ranks, torch.tensor([0.0, 0.9, 1.0]), atol=0.02, rtol=0)


def test_reliability_counts() -> None:
    found = Reliability.of(torch.tensor([0.1, 0.4, 0.85, 0.99]))
    assert found.hits == (2, 2, 3, 3) and found.coverage == (0.5, 0.5, 0.75, 0.75)
    assert found.worst == pytest.approx(0.3)
    assert all(low < share < high for share, (low, high) in zip(found.coverage, found.intervals, strict=True))


def test_auroc_counts_ties_by_half() -> None:
    high, low = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.0, 1.0])
    area, (least, most) = auroc(high, low)
    assert area == pytest.approx((6 - 0.5) / 6) and least < area < most <= 1
    assert auroc(low, low)[0] == 0.5
    assert auroc(low, high)[0] == pytest.approx(1 - area)
