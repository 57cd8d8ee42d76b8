"""A decoder draws what it is shown."""

from __future__ import annotations

import torch
from torch import Tensor

from hjepa.vision.decode import Decoder, marks, train_decoder


def example(step: int) -> tuple[Tensor, Tensor, Tensor]:
    """Maps of one channel that is the picture, and a white dot of 2 x 2 pixels."""
    generator = torch.Generator().manual_seed(step)
    maps = (torch.rand(8, 1, 6, 6, generator=generator) > 0.5).float()
    cells = torch.randint(1, 5, (8, 2), generator=generator)
    frames = 150 * maps.repeat_interleave(2, 2).repeat_interleave(2, 3).repeat(1, 3, 1, 1)
    for b, (x, y) in enumerate(cells.tolist()):
        frames[b, :, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2] = 255
    return maps, cells.float(), frames


def test_it_draws_the_map_and_what_moves() -> None:
    decoder = train_decoder(1, 2, example, steps=150)
    maps, places, frames = example(999)
    drawn = decoder.frames(maps, places)
    assert drawn.dtype == torch.uint8 and drawn.shape == frames.shape
    assert (drawn.float() - frames).abs().mean() < 12
    moved = decoder.frames(maps, places.roll(1, 0))
    assert not torch.equal(drawn, moved)


def test_it_is_the_same_every_time() -> None:
    first, second = (train_decoder(1, 2, example, steps=3) for _ in range(2))
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other) and not one.requires_grad


def test_marks_are_highest_at_the_place() -> None:
    apart, near = marks(torch.zeros(1, 1, 5, 7), torch.tensor([[4.0, 1.0]]))
    assert divmod(int(near.argmax()), 7) == (1, 4)
    assert apart[0, :, 1, 4].tolist() == [0, 0] and apart[0, :, 0, 0].tolist() == [4, 1]


def test_an_untrained_one_draws_frames_of_the_right_size() -> None:
    assert Decoder(3, 4)(torch.zeros(2, 3, 5, 5), torch.zeros(2, 2)).shape == (2, 3, 20, 20)
