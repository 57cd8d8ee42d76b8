"""What a first level that keeps the picture minimises.

The error of its own roll-outs around what moves, relative to that of a map in which nothing moves; the error of the
places that attention reads from predicted maps, likewise; an inverse model; and VICReg on the cells of the maps.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hjepa.regularizer import VICReg
from hjepa.vision.spatial_level import PLACE, Scene, SpatialLevel, crop

Losses = dict[str, Tensor]
TINY = 1e-4
SAMPLED = 20_000
"""Cells that the variance is taken over."""
MAP_WEIGHT, MAP_VARIANCE = 1.0, VICReg(variance=1.0, covariance=0.1)


def spatial_losses(
    level: SpatialLevel, scene: Scene, maps: Tensor, places: Tensor, actions: Tensor, ramp: float
) -> Losses:
    """The weighted losses of level 1, by name.

    Args:
        level: in training.
        scene: what is remembered of each window's episode; number ``b`` is window ``b``'s.
        maps: [B, n+2, C, h, w] of successive world steps, the first of which is before the first state.
        places: [B, n+2, 2] of what moves in them, cells.
        actions: [B, n, A] between the last n+1 of them.
        ramp: weight of the roll-outs.
    """
    config, cells = level.config, maps.permute(0, 1, 3, 4, 2).flatten(0, 3)
    sample = cells[:: max(1, len(cells) // SAMPLED)]
    predict, read = _roll_out_losses(level, scene, maps, places, actions)
    return {
        "predict": ramp * predict,
        "place": ramp * config.place_weight * read,
        "inverse": config.inverse_weight * _inverse_loss(level, maps, places, actions),
        "layout": MAP_WEIGHT * MAP_VARIANCE.penalty(sample),
    }


def _roll_out_losses(
    level: SpatialLevel, scene: Scene, maps: Tensor, places: Tensor, actions: Tensor
) -> tuple[Tensor, Tensor]:
    """[] the errors of predicted maps and of the places read from them, averaged over a roll-out.

    A map's unit is how far it is from one in which nothing moves there. It has gradients, too: nothing is gained by
    showing less.
    """
    numbers = torch.arange(len(maps), device=maps.device)
    state = level.states(maps[:, 1], maps[:, 0], places[:, 1], numbers)
    moved = (places[:, -1] - places[:, 1]).square().mean()
    apart, shown, read = maps.new_zeros(()), maps.new_zeros(()), maps.new_zeros(())
    for t in range(actions.shape[1]):
        state = level(scene, state, actions[:, t])
        centres = state[:, PLACE].detach().round()
        actual = crop(maps[:, t + 2], numbers, centres, level.config.fovea)
        empty = scene.around(numbers, centres, level.config.fovea)
        apart = apart + (level.foveas(state)[:, : level.channels] - actual).square().mean()
        shown = shown + (empty - actual).square().mean()
        read = read + (state[:, PLACE] - places[:, t + 2]).square().mean()
    return apart / (shown + TINY), read / actions.shape[1] / (moved + TINY)


def _inverse_loss(level: SpatialLevel, maps: Tensor, places: Tensor, actions: Tensor) -> Tensor:
    """[] the squared error of the actions that are read from a step, its motion before, and where it led."""
    count, steps = actions.shape[:2]
    numbers = torch.arange(count * steps, device=maps.device)
    centres = places[:, 1:-1].detach().round().flatten(0, 1)
    seen = [
        crop(maps[:, t : t + steps].flatten(0, 1), numbers, centres, level.config.fovea).flatten(1) for t in (0, 1, 2)
    ]
    return (level.invert(torch.cat(seen, -1)) - actions.flatten(0, 1)).square().mean()
