"""Guardrails: how far a trajectory keeps clear of what stands, what moves, and what is too fast."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from hjepa.guardrails import (
    FAR,
    GuardrailError,
    KeepOut,
    Margins,
    MovingObstacles,
    Percept,
    Region,
    Scene,
    SpeedLimit,
)  # fmt: skip

CORNER, SIZE = (-2.0, -2.0), 4.0


def region(*cells: tuple[int, int]) -> Region:
    """Of a grid of 5 x 6 cells whose first has its centre at the origin; (row, column)."""
    marked = np.zeros((5, 6), bool)
    for cell in cells:
        marked[cell] = True
    return Region(marked, CORNER, SIZE)


def places(*points: tuple[float, float]) -> Tensor:
    return torch.tensor([points], dtype=torch.float32)


def test_distance_is_exact_up_to_a_cell_and_negative_inside() -> None:
    found = region((1, 1), (1, 2)).distance(places((1, 4), (1, 1), (4, 4), (6, 4), (4, 2.5), (20, 4), (-90, 1)))
    assert found[0].tolist() == pytest.approx([1, 2**0.5, -2, -2, -0.5, 4, 4], abs=1e-5)


def test_distance_agrees_with_brute_force() -> None:
    marked = np.random.default_rng(0).random((5, 6)) < 0.3
    points = np.random.default_rng(1).uniform(-2, 18, (500, 2))
    centres = np.argwhere(marked)[:, ::-1] * SIZE
    gaps = np.linalg.norm((np.abs(points[:, None] - centres) - SIZE / 2).clip(min=0), axis=-1).min(1)
    found = Region(marked, CORNER, SIZE).distance(torch.from_numpy(points)).numpy()
    assert found.clip(min=0) == pytest.approx(gaps.clip(max=SIZE), abs=1e-5)
    assert ((found < 0) == (gaps == 0)).all()


def test_inflated_covers_all_that_is_near_and_little_more() -> None:
    near = region((1, 1)).inflated(0.7)
    inside = near.distance(places((1.35, 4), (1.1, 4), (6.65, 4), (4, 6.65), (1.5, 1.5)))[0] < 0
    assert inside.tolist() == [True, False, True, True, True]
    assert region((1, 1)).inflated(0).cells.sum() == 25


def test_a_body_must_not_touch_and_margins_come_on_top() -> None:
    rail, way = KeepOut(region((1, 1)), body=0.7), places((0, 4), (1, 4), (1.5, 4))
    assert rail.clearance(Scene(way))[0].tolist() == pytest.approx([1.3, 0.3, -0.2], abs=1e-5)
    margins = Margins((0.0, 0.1), 0.0)
    assert rail.clearance(Scene(way, margins=margins))[0].tolist() == pytest.approx([1.3, 0.2, -0.3], abs=1e-5)


def test_a_speed_limit_binds_steps_from_and_into_its_zone() -> None:
    rail = SpeedLimit(region((0, 1)), limit=0.1)
    left = rail.clearance(Scene(places((1.0, 0), (1.9, 0), (2.1, 0), (2.15, 0))))[0]
    assert left.tolist() == pytest.approx([FAR, FAR, -0.1, 0.05], abs=1e-5)
    slower = rail.clearance(Scene(places((2.1, 0), (4.1, 0)), stride=10))[0]
    assert slower.tolist() == pytest.approx([FAR, -0.1], abs=1e-5)


def test_a_moving_thing_may_go_on_or_turn_round() -> None:
    percept = Percept(torch.tensor([[[0.0, 0.0]]]), torch.tensor([[[0.5, 0.0]]]), torch.tensor([0.3]))
    rail, still = MovingObstacles(body=0.7, horizon=2), places(*[(3, 0)] * 4)
    for side in (1, -1):
        clear = rail.clearance(Scene(side * still, percept=percept))[0]
        assert clear.tolist() == pytest.approx([2, 1.5, 1, FAR], abs=1e-5)
    beside = rail.clearance(Scene(places((0.5, 2), (0.5, 2)), percept=percept))[0, 1]
    assert float(beside) == pytest.approx(1, abs=1e-5)


def test_candidates_are_judged_by_what_their_own_problem_perceives() -> None:
    percept = Percept(torch.tensor([[[0.0, 0.0]], [[9.0, 0.0]]]), torch.zeros(2, 1, 2), torch.tensor([0.3]))
    ways = torch.zeros(2, 3, 4, 2)
    clear = MovingObstacles(body=0.7).clearance(Scene(ways, percept=percept))
    assert clear.shape == (2, 3, 4) and (clear[0] < 0).all() and (clear[1] > 0).all()


def test_every_clearance_has_a_gradient_that_leads_out() -> None:
    percept = Percept(torch.tensor([[[3.0, 0.2]]]), torch.zeros(1, 1, 2), torch.tensor([0.3]))
    for rail in (KeepOut(region((0, 1)), 0.7), SpeedLimit(region((0, 1)), 0.1), MovingObstacles(0.7)):
        way = places((2.0, 0), (2.5, 0)).requires_grad_()
        rail.clearance(Scene(way, percept=percept))[0, 1].backward()
        assert way.grad is not None and way.grad.isfinite().all() and float(way.grad[0, 1, 0]) < 0


def test_input_that_makes_no_sense() -> None:
    with pytest.raises(GuardrailError, match="limit must be positive, not 0"):
        SpeedLimit(region(), 0)
    with pytest.raises(GuardrailError, match="cells of positive size"):
        Region(np.zeros(3, bool), CORNER, SIZE)
    with pytest.raises(GuardrailError, match="margins must not be negative"):
        Margins((0.0, -1.0))


def test_compiled_clearances_are_the_same() -> None:
    generator = torch.Generator().manual_seed(0)
    ways = torch.rand(3, 4, 6, 2, generator=generator) * 24 - 4
    moving = Percept(
        torch.rand(3, 5, 2, generator=generator) * 16,
        torch.rand(3, 5, 2, generator=generator) - 0.5,
        torch.rand(5, generator=generator),
        torch.rand(3, 5, 2, generator=generator) * 2,
    )
    for rail in (KeepOut(region((0, 1), (3, 3), (4, 5)), 0.7), MovingObstacles(0.7)):
        plain = rail.clearance(Scene(ways, percept=moving))
        followed = rail.clearance(Scene(ways.clone().requires_grad_(), percept=moving))
        assert followed.requires_grad and torch.allclose(plain, followed, atol=1e-5)


def test_what_moves_goes_no_farther_than_it_has_room() -> None:
    room = torch.tensor([[[0.5, 3.0]]])
    percept = Percept(torch.zeros(1, 1, 2), torch.tensor([[[0.1, 0.0]]]), torch.tensor([0.3]), room)
    scene = Scene(places((2, 0), (2, 0)), stride=100, percept=percept)
    assert MovingObstacles(0.7, horizon=100).clearance(scene)[0].tolist() == pytest.approx([1, -1], abs=1e-4)
    behind = Scene(places((-2, 0), (-2, 0)), stride=100, percept=percept)
    assert MovingObstacles(0.7, horizon=100).clearance(behind)[0, 1] == pytest.approx(0.5, abs=1e-4)


def test_margins_are_wider_where_something_may_be_in_the_way() -> None:
    way, margins = places((0, 4), (0, 4)), Margins((0.0, 0.1), doubtful=(0.0, 0.4))
    rail = KeepOut(region((1, 1)), body=0.7)
    for doubt, margin in ((False, 0.1), (True, 0.4)):
        scene = Scene(way, margins=margins, doubt=torch.tensor([[False, doubt]]))
        assert rail.clearance(scene)[0].tolist() == pytest.approx([1.3, 1.3 - margin], abs=1e-5)
