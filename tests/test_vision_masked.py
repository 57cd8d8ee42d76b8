"""Features of what is hidden: what is hidden, what is learned, and what is not touched."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from hjepa.metrics import effective_rank
from hjepa.vision.features import Backbone
from hjepa.vision.masked import HIDDEN, MaskedLatents, blocks
from hjepa.vision.train import VisionTrainer
from tests.seen_mazes import STACK, TRAINING, recorded


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(step: int, count: int = 16) -> torch.Tensor:
    """[count, 3, 24, 24] stripes of random directions: what is hidden follows from what is seen."""
    generator = seeded(step)
    row = torch.randint(0, 2, (count, 1, 6, 1), generator=generator).repeat_interleave(4, 2).expand(-1, 3, 24, 24)
    upright = torch.rand(count, 1, 1, 1, generator=generator) < 0.5
    return torch.where(upright, row.transpose(2, 3), row).mul(255).to(torch.uint8)


@pytest.mark.parametrize("shape", [(24, 24), (10, 16), (6, 6)])
def test_blocks_hide_a_part_of_every_map(shape: tuple[int, int]) -> None:
    hidden = blocks(200, *shape, seeded())
    shares = hidden.float().mean((1, 2))
    assert hidden.shape == (200, *shape) and (shares > 0).all() and (shares < 1).float().mean() > 0.9
    assert 0.3 < shares.mean() < 0.75
    assert torch.equal(hidden, blocks(200, *shape, seeded())) and not torch.equal(
        hidden, blocks(200, *shape, seeded(1))
    )


def test_what_is_hidden_cannot_be_seen() -> None:
    """Pixels under blocks change nothing but the targets, which the average sees."""
    torch.manual_seed(0)
    backbone = Backbone(4)
    masked = MaskedLatents(backbone, 4, 4)
    seen: list[torch.Tensor] = []
    backbone.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    frames = torch.randint(0, 100, (5, 3, 24, 24), dtype=torch.uint8, generator=seeded())
    masked.loss(backbone, frames, seeded())
    hidden = (
        blocks(5, 6, 6, seeded()).repeat_interleave(4, 1).repeat_interleave(4, 2).unsqueeze(1).expand(-1, 3, -1, -1)
    )
    assert (seen[0][hidden] == HIDDEN).all() and torch.equal(seen[0][~hidden], frames[~hidden])
    assert frames.max() < HIDDEN


def test_hidden_features_are_learned_without_collapse() -> None:
    torch.manual_seed(0)
    backbone = Backbone(6)
    masked = MaskedLatents(backbone, 6, 4)
    optimizer = torch.optim.Adam([*backbone.parameters(), *masked.predict.parameters()], 3e-3)
    losses = []
    for step in range(80):
        masked.follow(backbone)
        loss = masked.loss(backbone, pictures(step), seeded(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    with torch.no_grad():
        cells = backbone(pictures(999)).permute(0, 2, 3, 1).flatten(0, 2)
    assert sum(losses[-10:]) < 0.6 * sum(losses[:10])
    assert effective_rank(cells) > 1.5 and cells.std(0).mean() > 0.01


def test_it_comes_before_perception_and_teaches_the_backbone_only() -> None:
    trainer = VisionTrainer(STACK, recorded(), replace(TRAINING, masked_steps=2))
    before = {name: weight.clone() for name, weight in trainer.network.named_parameters()}
    assert set(trainer.update()) == {"loss", "masked"}
    moved = {
        name.split(".")[1]
        for name, weight in trainer.network.named_parameters()
        if not torch.equal(weight, before[name])
    }
    assert moved == {"backbone", "predict"}
    trainer.update()
    assert "motion/1" in trainer.update()


def test_the_average_is_no_part_of_the_agent() -> None:
    trainer = VisionTrainer(STACK, recorded(), replace(TRAINING, masked_steps=1))
    assert not any("masked" in name for name in trainer.stack.state_dict())
