"""Latents of what is seen, and what levels imagine from them."""

from __future__ import annotations

import pytest
import torch

from hjepa.vision.latents import Latents, imagine, latents
from hjepa.vision.place_level import PLACE, PlaceConfig
from hjepa.vision.spatial_level import Backdrop, SpatialLevel
from hjepa.vision.stack import VisionConfig, VisionStack
from tests.seen_mazes import STACK, glancing


def frames(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, 40, 40), generator=generator).to(torch.uint8)


def spatial() -> VisionStack:
    torch.manual_seed(0)
    levels = (PlaceConfig(), PlaceConfig(stride=5, rollout=2, channels=4, hidden=(16,), macro_dim=3, codes=6))
    return VisionStack(VisionConfig(channels=6, encoder="spatial", levels=levels)).eval()


def seen(stack: VisionStack, count: int = 4) -> tuple[Latents, Latents]:
    return latents(stack, frames(count, 0), frames(count, 1)), latents(stack, frames(count, 2), frames(count, 2))


def test_every_latent_has_a_name() -> None:
    found, _ = seen(glancing().stack)
    assert {name: tuple(latent.shape) for name, latent in found.named.items()} == {
        "features": (4, 6, 10, 10), "state, all levels": (4, 4), "level 1 layout": (4, 4, 10, 10),
        "level 2 layout": (4, 4, 10, 10),
    }  # fmt: skip
    assert set(seen(spatial())[0].named) == {"features", "level 1 state", "state above", "level 2 layout"}


def test_many_frames_are_seen_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = seen(glancing().stack)
    monkeypatch.setattr("hjepa.vision.latents.CHUNK", 3)
    parts, _ = seen(glancing().stack)
    torch.testing.assert_close(whole.state, parts.state)
    assert parts.state[:, 4].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("k", [1, 2])
def test_imagination_is_the_predictor_chained(k: int) -> None:
    stack = glancing().stack
    now, other = seen(stack)
    actions = torch.randn(4, 10, 2, generator=torch.Generator().manual_seed(0))
    places, maps = imagine(stack, k, now, other, actions)
    layouts = (now.layouts[k] + other.layouts[k]) / 2
    state = now.state
    for t, move in enumerate(stack.macro_actions(actions, k).unbind(1), 1):
        state = stack.level(k)(layouts, state, move)
        torch.testing.assert_close(places[:, t], state[:, PLACE])
    assert places.shape[1] == 1 + 10 // STACK.levels[k - 1].stride and torch.equal(maps[:, -1], layouts)


def test_a_level_that_keeps_the_picture_imagines_pictures() -> None:
    stack = spatial()
    now, other = seen(stack)
    places, maps = imagine(stack, 1, now, other, torch.zeros(4, 3, 2))
    assert places.shape == (4, 4, 2) and maps.shape == (4, 4, 6, 10, 10)
    first = stack.first
    assert isinstance(first, SpatialLevel) and now.fine is not None
    both = [torch.stack(pair, 1) for pair in ((now.features, other.features), (now.places, other.places))]
    backdrop = Backdrop.remember(stack.attention, *both)
    with torch.no_grad():
        after = first(backdrop, now.fine, torch.zeros(4, 2))
    torch.testing.assert_close(places[:, 1], after[:, PLACE])
    x, y = (int(part) for part in after[0, PLACE].round().clamp(2, 7))  # where the whole fovea is inside
    if torch.equal(after[0, PLACE].round(), torch.tensor([x, y], dtype=torch.float32)):
        torch.testing.assert_close(maps[0, 1, :, y - 2 : y + 3, x - 2 : x + 3], first.foveas(after)[0, :6])
