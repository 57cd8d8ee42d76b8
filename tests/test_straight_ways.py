"""Straight ways and squares: distances and shares agree with many samples, and are exact where samples are not."""

from __future__ import annotations

import numpy as np
import pytest

from hjepa.straight_ways import distance, share_inside

CENTRES = np.array([[0.0, 0.0], [3.0, 1.0]])


def test_by_hand() -> None:
    begin, end = np.array([[-5.0, 2], [-5, 0.5], [2, -1], [1.5, -9]]), np.array([[5.0, 2], [5, 0.5], [2, -2], [1.5, 9]])
    assert distance(begin, end, CENTRES, 1.0).tolist() == pytest.approx([0, 0, 1, 0.5])
    assert share_inside(begin, end, CENTRES, 1.0).tolist() == pytest.approx([0, 0.4, 0, 0])


def test_a_way_that_cuts_a_corner_by_a_hair_is_found() -> None:
    begin, end = np.array([[0.0, 1.999]]), np.array([[1.999, 0.0]])
    assert distance(begin, end, CENTRES[:1], 1.0)[0] == 0
    assert 0 < share_inside(begin, end, CENTRES[:1], 1.0)[0] < 1e-3
    assert distance(begin + 0.01, end + 0.01, CENTRES[:1], 1.0)[0] > 0


def test_they_agree_with_many_samples() -> None:
    generator = np.random.default_rng(0)
    begin, end = (generator.uniform(-3, 6, (300, 2)) for _ in range(2))
    places = begin[:, None] + np.linspace(0, 1, 2001)[:, None] * (end - begin)[:, None]
    outside = (np.abs(places[:, :, None] - CENTRES) - 1.0).clip(min=0)
    gaps = np.linalg.norm(outside, axis=-1).min(-1)
    assert distance(begin, end, CENTRES, 1.0) == pytest.approx(gaps.min(1), abs=3e-3)
    assert share_inside(begin, end, CENTRES, 1.0) == pytest.approx((gaps == 0).mean(1), abs=2e-3)


def test_a_way_of_no_length_is_a_place_and_no_squares_are_far() -> None:
    here = np.array([[2.0, 0.0], [0.5, 0.5]])
    assert distance(here, here, CENTRES[:1], 1.0).tolist() == pytest.approx([1, 0])
    assert distance(here, here, np.empty((0, 2)), 1.0).tolist() == [np.inf, np.inf]
    assert share_inside(here, here + 1, np.empty((0, 2)), 1.0).tolist() == [0, 0]
