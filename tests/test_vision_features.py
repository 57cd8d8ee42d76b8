"""What is read from feature maps, and what is attended to."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import grid_sample

from hjepa.vision.features import Attention, Backbone, grid_cells, read


def test_reading_is_bilinear_as_torch_has_it() -> None:
    generator = torch.Generator().manual_seed(0)
    layouts = torch.randn(3, 5, 7, 9, generator=generator)
    numbers = torch.tensor([2, 0, 1, 2])
    places = torch.rand(4, 6, 2, generator=generator) * torch.tensor([12.0, 10.0]) - 2  # some are outside
    scale = torch.tensor([2 / 8, 2 / 6])
    expected = grid_sample(
        layouts[numbers], (places * scale - 1).unsqueeze(1), align_corners=True, padding_mode="border"
    )
    torch.testing.assert_close(read(layouts, numbers, places), expected[:, :, 0].transpose(1, 2), atol=1e-5, rtol=1e-5)


def test_what_is_read_has_gradients_in_map_and_place() -> None:
    layouts = torch.randn(1, 2, 4, 4, requires_grad=True)
    places = torch.tensor([[[1.3, 2.2]]], requires_grad=True)
    read(layouts, torch.tensor([0]), places).sum().backward()
    assert layouts.grad is not None and places.grad is not None
    assert layouts.grad.sum() == 2 and places.grad.abs().sum() > 0


def test_attention_finds_what_stands_out_and_follows_it() -> None:
    torch.manual_seed(0)
    attention = Attention(4)
    with torch.no_grad():
        attention.heads.weight.zero_()
        attention.heads.weight[0, 0] = 1
        attention.heads.bias.zero_()
        features = torch.zeros(2, 4, 20, 24)
        features[0, 0, 5, 7] = 1
        features[1, 0, 6, 9] = 1
        places = attention(features)
    torch.testing.assert_close(places, torch.tensor([[7.0, 5.0], [9.0, 6.0]]), atol=0.02, rtol=0)


def test_cells_are_numbered_row_by_row() -> None:
    assert grid_cells(2, 3, torch.zeros(1)).T.tolist() == [[0, 0], [1, 0], [2, 0], [0, 1], [1, 1], [2, 1]]


@pytest.mark.parametrize(("patch", "shape"), [(4, (24, 16)), (8, (12, 8))])
def test_the_backbone_sees_bytes_patch_by_patch(patch: int, shape: tuple[int, int]) -> None:
    frames = torch.randint(0, 256, (2, 3, 98, 66), dtype=torch.uint8)
    before = frames.clone()
    assert Backbone(5, patch)(frames).shape == (2, 5, *shape)
    assert torch.equal(frames, before)


def test_pictures_may_be_floats_and_stay_as_they_are() -> None:
    torch.manual_seed(0)
    backbone, frames = Backbone(5), torch.randint(0, 256, (1, 3, 16, 16), dtype=torch.uint8)
    floats = frames.float().contiguous(memory_format=torch.channels_last)
    first, again = backbone(floats), backbone(floats)
    torch.testing.assert_close(first, again)
    torch.testing.assert_close(first, backbone(frames))
