"""What a first level that keeps the picture minimises.

The error of its own roll-outs around what moves, relative to that of a map in which nothing moves; the error of the
places that attention reads from predicted maps, likewise; an inverse model; and VICReg on the cells of the maps.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hjepa.vision.layout_objective import LAYOUTS
from hjepa.vision.spatial_level import PLACE, Backdrop, SpatialLevel, crop

Losses = dict[str, Tensor]
TINY = 1e-4
SAMPLED = 20_000
"""Cells that the variance is taken over."""


def spatial_losses(
    level: SpatialLevel, backdrop: Backdrop, maps: Tensor, places: Tensor, actions: Tensor, ramp: float
) -> Losses:
    """The weighted losses of level 1, by name.

    Args:
        level: in training.
        backdrop: what is remembered of each window's episode; number ``b`` is window ``b``'s.
        maps: [B, n+2, C, h, w] of successive world steps, the first of which is before the first state.
        places: [B, n+2, 2] of what moves in them, cells.
        actions: [B, n, A] between the last n+1 of them.
        ramp: weight of the roll-outs.
    """
    config, cells = level.config, maps.permute(0, 1, 3, 4, 2).flatten(0, 3)
    sample = cells[:: max(1, len(cells) // SAMPLED)]
    predict, read = _roll_out_losses(level, backdrop, maps, places, actions)
    return {
        "predict": ramp * predict,
        "place": ramp * config.place_weight * read,
        "inverse": config.inverse_weight * _inverse_loss(level, maps, places, actions),
        "layout": LAYOUTS["vicreg"].penalty(sample),
    }


def _roll_out_losses(
    level: SpatialLevel, backdrop: Backdrop, maps: Tensor, places: Tensor, actions: Tensor
) -> tuple[Tensor, Tensor]:
    """[] the errors of predicted maps and of the places read from them, averaged over a roll-out.

    At each step in units of what "nothing moves" would come to: else far steps are all that counts, and how to make a
    single one is not found. The units have gradients, too: nothing is gained by showing less.
    """
    numbers, channels, side = torch.arange(len(maps), device=maps.device), level.channels, level.config.fovea
    state = level.states(maps[:, 1], maps[:, 0], places[:, 1], numbers)
    if level.training:
        now, before = level.foveas(state.detach()).chunk(2, 1)
        level.note_pace((now - before).square().mean())
    rolled = []
    for action in actions.unbind(1):
        state = level(backdrop, state, action)
        rolled.append(state)
    predicted, count = torch.stack(rolled, 1), len(rolled)
    centres, first = predicted[..., PLACE].detach().round().flatten(0, 1), numbers.repeat_interleave(count)
    actual = crop(maps[:, 2:].flatten(0, 1), torch.arange(len(centres), device=maps.device), centres, side)
    foveas = level.foveas(predicted.flatten(0, 1))[:, :channels]
    apart, changed = (
        (piece - actual).square().mean((1, 2, 3)).view(-1, count).mean(0)
        for piece in (foveas, crop(maps[:, 1], first, centres, side))
    )
    astray, moved = ((found - places[:, 2:]).square().mean((0, 2)) for found in (predicted[..., PLACE], places[:, 1:2]))
    return (apart / (changed + TINY)).mean(), (astray / (moved + TINY)).mean()


def _inverse_loss(level: SpatialLevel, maps: Tensor, places: Tensor, actions: Tensor) -> Tensor:
    """[] the squared error of the actions that are read from a step, its motion before, and where it led."""
    count, steps = actions.shape[:2]
    windows = (steps + 2) * torch.arange(count, device=maps.device).unsqueeze(1)
    first = windows + torch.arange(steps, device=maps.device)  # numbers of the maps before each step's own
    numbers = torch.stack([first, first + 1, first + 2], -1).flatten()
    centres = places[:, 1:-1].detach().round().flatten(0, 1).repeat_interleave(3, 0)
    seen = crop(maps.flatten(0, 1), numbers, centres, level.config.fovea)
    return (level.invert(seen.reshape(count * steps, -1)) - actions.flatten(0, 1)).square().mean()
