"""What is run into is remembered for as long as it is near."""

from __future__ import annotations

import pytest
import torch

from hjepa.contact import Touch

HERE = torch.tensor([[1.0, 2.0], [5.0, 5.0]])


def touched() -> Touch:
    """The first agent wanted to go up and could not; nothing happened to the second."""
    expected = HERE + torch.tensor([[0.0, 0.2], [0.0, 0.01]])
    return Touch.nothing(HERE).feel(expected, HERE, threshold=0.05)


def test_predictions_stop_at_a_surface_and_slide_along_it() -> None:
    touch = touched()
    assert touch.felt.tolist() == [True, False]
    ways = HERE[:, None, None] + torch.tensor([[[0.0, 0.0], [0.3, 0.5]], [[0.0, 0.0], [0.3, -0.5]]])
    corrected = touch.corrected(ways)
    assert corrected[0, 0, 1].tolist() == pytest.approx([1.3, 2.0])
    assert torch.equal(corrected[0, 1], ways[0, 1]) and torch.equal(corrected[1], ways[1])


def test_a_corner_has_two_surfaces() -> None:
    touch = touched().feel(HERE + torch.tensor([0.2, 0.0]), HERE, 0.05)
    corner = touch.of(torch.tensor([0])).corrected(HERE[:1, None] + torch.tensor([0.4, 0.4]))
    assert corner[0, 0].tolist() == pytest.approx([1, 2])


def test_it_is_forgotten_farther_away_and_where_it_turns_out_to_be_open() -> None:
    away, beyond = HERE + torch.tensor([0.7, 0.0]), HERE + torch.tensor([0.0, 0.1])
    for place in (away, beyond):
        assert not touched().feel(place, place, 0.05).felt.any()
    assert touched().of(torch.tensor([1])).felt.tolist() == [False]
