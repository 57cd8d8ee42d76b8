"""The support of a model's predictions against brute force."""

from __future__ import annotations

import pytest
import torch

from planners import support as module
from planners.support import Support


@pytest.fixture
def places() -> torch.Tensor:
    return torch.randn(40, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_nearest_and_excess_equal_brute_force(places: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS", 7)  # several blocks
    points = torch.randn(5, 6, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    distances = (points.unsqueeze(-2) - places).norm(dim=-1)
    support = Support(places, 0.4)
    assert torch.equal(support.nearest(points), distances.argmin(-1))
    torch.testing.assert_close(support.excess(points), (distances.amin(-1) - 0.4).clamp(min=0))


def test_remembered_places_are_inside(places: torch.Tensor) -> None:
    assert Support(places, 0.1).excess(places).eq(0).all()


def test_the_way_back_inside_is_downhill(places: torch.Tensor) -> None:
    point = torch.tensor([9.0, 0.0, 0.0], dtype=torch.float64, requires_grad=True)
    support = Support(places, 0.1)
    (gradient,) = torch.autograd.grad(support.excess(point), point)
    assert gradient.norm() == pytest.approx(1.0)
    before, after = support.excess(point.detach()), support.excess((point - 0.5 * gradient).detach())
    assert float(after) == pytest.approx(float(before) - 0.5)
