"""Layouts: what keeps them from collapsing, and that they do collapse without."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from hjepa.vision.layout_objective import LayoutRegularizer, ema_decay, layout_loss, macro_penalty
from hjepa.vision.train import VisionTrainer, train_vision
from tests.seen_mazes import STACK, TRAINING, recorded

NAMES: tuple[LayoutRegularizer, ...] = ("vicreg", "sigreg", "ema", "contrastive", "none")


def pictures(step: int, count: int = 6) -> Tensor:
    """[count, 2, 3, 6, 6] two noisy looks at each of some patterns."""
    generator = torch.Generator().manual_seed(step)
    pattern = (torch.rand(count, 1, 3, 6, 6, generator=generator) > 0.5).float()
    return pattern + 0.1 * torch.randn(count, 2, 3, 6, 6, generator=generator)


def spread_of_layouts(name: LayoutRegularizer, steps: int = 80) -> tuple[float, float]:
    """Standard deviation of the cells before and after a layout head has learned nothing but to be stable."""
    torch.manual_seed(0)
    head = nn.Conv2d(3, 4, 1)
    average = copy.deepcopy(head).requires_grad_(False)
    optimizer = torch.optim.Adam(head.parameters(), 0.02)
    with torch.no_grad():
        before = head(pictures(999, 40).flatten(0, 1)).std((0, 2, 3)).mean()
    for step in range(steps):
        seen = pictures(step)
        layouts = head(seen.flatten(0, 1)).unflatten(0, seen.shape[:2])
        target = None if ema_decay(name) is None else average(seen[:, 1])
        loss = layout_loss(layouts, name, target, torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for slow, fast in zip(average.parameters(), head.parameters(), strict=True):
                slow.lerp_(fast, 0.05)
    with torch.no_grad():
        after = head(pictures(999, 40).flatten(0, 1)).std((0, 2, 3)).mean()
    return float(before), float(after)


@pytest.mark.parametrize("name", ["vicreg", "sigreg", "contrastive"])
def test_layouts_keep_their_spread(name: LayoutRegularizer) -> None:
    before, after = spread_of_layouts(name)
    assert after > before


def test_without_a_regulariser_they_collapse() -> None:
    before, after = spread_of_layouts("none")
    assert after < 0.1 * before


def test_a_moving_average_collapses_more_slowly() -> None:
    """It has no predictor to be ahead of it, as layouts stay; so it delays what it cannot forbid."""
    assert spread_of_layouts("ema")[1] > 2 * spread_of_layouts("none")[1]


def test_layouts_that_change_within_an_episode_cost() -> None:
    still = torch.randn(4, 1, 3, 5, 5, generator=torch.Generator().manual_seed(0)).repeat(1, 2, 1, 1, 1)
    changed = still.clone()
    changed[:, 1] = changed[:, 1].roll(1, 0)
    for name in NAMES:
        target = still[:, 1] if name == "ema" else None
        moved = changed[:, 1] if name == "ema" else None
        kept = layout_loss(still, name, target, torch.Generator().manual_seed(1))
        lost = layout_loss(changed, name, moved, torch.Generator().manual_seed(1))
        assert lost > kept + 0.5, name


def test_what_changes_can_cost_more() -> None:
    layouts = torch.randn(4, 2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    costs = [layout_loss(layouts, "vicreg", steady=steady) for steady in (0.0, 1.0, 3.0)]
    torch.testing.assert_close(costs[2] - costs[0], 3 * (costs[1] - costs[0]))
    torch.testing.assert_close(costs[1], layout_loss(layouts, "vicreg"))


def test_the_average_is_a_target_without_gradient() -> None:
    layouts, target = torch.randn(2, 2, 3, 4, 4), torch.randn(2, 3, 4, 4, requires_grad=True)
    loss = layout_loss(layouts.requires_grad_(), "ema", target)
    loss.backward()
    assert target.grad is None and layouts.grad is not None and (layouts.grad[:, 1] == 0).all()
    torch.testing.assert_close(loss, (layouts[:, 0] - target).square().mean())


@pytest.mark.parametrize("name", NAMES)
def test_macro_actions_that_are_all_the_same_cost_unless_nothing_forbids_it(name: LayoutRegularizer) -> None:
    same, apart = torch.zeros(64, 3), torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
    costs = [float(macro_penalty(name, actions, torch.Generator().manual_seed(1))) for actions in (same, apart)]
    assert costs == [0, 0] if name == "none" else costs[0] > costs[1] + 1


@pytest.mark.parametrize("name", NAMES)
def test_a_run_is_resumed_bit_identically(name: LayoutRegularizer, tmp_path: Path) -> None:
    how = replace(TRAINING, regularizer=name)
    whole = train_vision(STACK, recorded(), how, tmp_path / "whole", {})

    def interrupt(step: int, metrics: dict[str, float]) -> None:
        if step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_vision(STACK, recorded(), how, tmp_path / "part", {}, progress=interrupt)
    resumed = train_vision(STACK, recorded(), how, tmp_path / "part", {}, resume=True)
    for weight, again in zip(whole.network.parameters(), resumed.network.parameters(), strict=True):
        assert torch.equal(weight, again)


def test_the_average_follows_the_stack() -> None:
    trainer = VisionTrainer(STACK, recorded(), replace(TRAINING, regularizer="ema"))
    assert trainer.average is not None
    before = trainer.average.backbone.patches.weight.clone()
    trainer.update()
    now, slow = trainer.stack.backbone.patches.weight, trainer.average.backbone.patches.weight
    torch.testing.assert_close(slow, 0.99 * before + 0.01 * now)


def test_what_is_not_taught_is_not_in_the_losses() -> None:
    trainer = VisionTrainer(STACK, recorded(), replace(TRAINING, taught=0.0, within=0.0))
    losses = trainer.update()
    assert losses["motion/1"] == losses["within/1"] == 0 and losses["loss"] > 0
