"""Where pictures of one episode differ, and what attention learns from it."""

from __future__ import annotations

import pytest
import torch

from hjepa.vision.moving import motion_loss

TIMES, SIDE, PATCH = 9, 6, 4
JUMP = 4
"""When the distractor jumps."""


def walk() -> torch.Tensor:
    """[1, 10, 3, 24, 24]: a dot goes down column 1, a cell a step; another stands in (4, 1), then in (4, 4)."""
    frames = torch.zeros(1, TIMES + 1, 3, SIDE, SIDE, dtype=torch.uint8)
    for t in range(TIMES):
        frames[0, t, :, min(t, SIDE - 1), 1] = 200
        frames[0, t, :, 1 if t < JUMP else 4, 4] = 200
    frames[0, -1, :, 0, 0] = 200
    return frames.repeat_interleave(PATCH, -1).repeat_interleave(PATCH, -2)


def taught(frames: torch.Tensor, lag: int) -> torch.Tensor:
    """[U, 6, 6] where attention would grow."""
    logits = torch.zeros(1, TIMES + 1, SIDE * SIDE, requires_grad=True)
    motion_loss(logits, frames, PATCH, lag).backward()
    assert logits.grad is not None
    return (logits.grad[0] < 0).unflatten(1, (SIDE, SIDE))


def test_neighbours_teach_what_moves_on_and_not_what_jumped() -> None:
    grown = taught(walk(), lag=2)
    for t in range(2, 4):
        assert grown[t].nonzero().tolist() == [[t, 1]]
    assert not grown[[0, 1, -1]].any()
    assert not grown[:, :, 4].any()


def test_any_other_picture_teaches_both() -> None:
    grown = taught(walk(), lag=0)
    assert grown[2, 2, 1] and grown[2, 1, 4] and grown[6, 4, 4]


def test_frames_in_which_nothing_moves_teach_nothing() -> None:
    frames = walk()[:, :1].expand(1, TIMES + 1, -1, -1, -1)
    logits = torch.randn(1, TIMES + 1, SIDE * SIDE)
    assert motion_loss(logits, frames, PATCH, lag=2) == 0
    assert motion_loss(logits, frames, PATCH) == 0


def test_attention_in_the_right_place_costs_least() -> None:
    frames = walk()
    right, wrong = torch.zeros(2, 1, TIMES + 1, SIDE, SIDE)
    for t in range(TIMES):
        right[0, t, min(t, SIDE - 1), 1] = 8.0
        wrong[0, t, 1 if t < JUMP else 4, 4] = 8.0
    costs = [float(motion_loss(logits.flatten(2), frames, PATCH, lag=2)) for logits in (right, wrong)]
    assert costs[0] < 0.1 < costs[1]


def test_a_lag_that_does_not_fit_is_one_line() -> None:
    with pytest.raises(ValueError, match="lag: a frame 5 steps before"):
        motion_loss(torch.zeros(1, TIMES + 1, SIDE * SIDE), walk(), PATCH, lag=5)
