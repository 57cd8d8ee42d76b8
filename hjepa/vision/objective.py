"""What a stack over frames minimises, level by level.

A level's loss is the error of its own roll-outs, relative to that of "nothing moves"; an inverse model, which makes
places tell what was done; a hinge on how far what it attends to moves *within* an episode, as a variance over a batch
is satisfied by walls alone, and what moves is then dropped; and for its layout, that it stays as it is during an
episode, with a regulariser against its collapse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hjepa.vision.layout_objective import LayoutRegularizer, layout_loss, macro_penalty
from hjepa.vision.moving import motion_loss
from hjepa.vision.place_level import MOTION, PLACE, PlaceLevel
from hjepa.vision.recordings import Glimpses
from hjepa.vision.spatial_level import Backdrop, SpatialLevel
from hjepa.vision.spatial_objective import spatial_losses
from hjepa.vision.stack import VisionStack, states_of

Losses = dict[str, Tensor]
MARGIN = 1.0
"""Cells that what moves must move within an episode, root mean square over a batch."""
MOTION_WEIGHT = 0.1
"""Of errors of motions beside those of places."""
TAUGHT = 0.2
"""Weight of what motion teaches attention, in the end: it keeps places where they are seen, and at their scale."""
REMEMBERED = [0, -2, -1]
"""Of a window's frames, those from which its backdrop is remembered: both ends, and the one at any time."""
TINY = 1e-6
"""Squared cells that are nothing."""


@dataclass(frozen=True, eq=False)
class Objective:
    """What can be chosen of what is minimised.

    Attributes:
        regularizer: what keeps layouts from collapsing.
        within: weight of the hinge on how far what moves moves within an episode.
        taught: weight of what motion teaches attention.
        lag: world steps between the frames whose differences teach it; 0: they are of any two times.
        target: a moving average of the stack, whose layouts are the targets.
        generator: of what regularisers draw.
    """

    regularizer: LayoutRegularizer = "vicreg"
    within: float = 2.0
    taught: float = 1.0
    lag: int = 0
    target: VisionStack | None = None
    generator: torch.Generator | None = None


def perception_losses(stack: VisionStack, seen: Glimpses, ramp: float, how: Objective = Objective()) -> Losses:
    """The weighted losses of level 1, and of what all levels see with, by name.

    Args:
        stack: in training.
        seen: windows of single steps.
        ramp: 0 to 1, weight of the roll-outs: there is nothing to predict before something has been found that moves.
        how: what else is chosen.
    """
    batch, times = seen.frames.shape[:2]
    features = stack.backbone(seen.frames.flatten(0, 1))
    places = stack.places(features).view(batch, times, 2)
    maps = features.unflatten(0, (batch, times))
    logits = stack.attention.logits(features).unflatten(0, (batch, times))
    moving = how.taught * (1 - (1 - TAUGHT) * ramp) * motion_loss(logits, seen.frames, stack.config.patch, how.lag)
    apart = places[:, -1] - places[:, 0]  # the last frame is at any time of the episode
    # A logarithm, as the errors below are relative: a linear hinge on small moves gives way to them.
    within = torch.relu(math.log(MARGIN) - 0.5 * apart.square().mean(0).add(1e-8).log()).mean()
    shared = {"motion": moving, "within": how.within * within}
    if isinstance(stack.first, SpatialLevel):
        backdrop = Backdrop.remember(stack.attention, maps[:, REMEMBERED], places[:, REMEMBERED].detach())
        return shared | spatial_losses(stack.first, backdrop, maps[:, :-1], places[:, :-1], seen.actions, ramp)
    layouts = stack.layouts(maps[:, [0, -1]].flatten(0, 1), 1).unflatten(0, (batch, 2))
    states = states_of(places[:, seen.now], places[:, seen.before], torch.arange(batch, device=places.device))
    target = None if how.target is None else how.target.layouts(how.target.backbone(seen.frames[:, -1]), 1)
    return shared | level_losses(stack, 1, layouts, states, seen.actions, ramp, how, target)


def level_losses(
    stack: VisionStack,
    k: int,
    layouts: Tensor,
    states: Tensor,
    actions: Tensor,
    ramp: float = 1.0,
    how: Objective = Objective(),
    target: Tensor | None = None,
) -> Losses:
    """The weighted losses of level ``k``, by name.

    Args:
        stack: in training.
        k: the level.
        layouts: [B, 2, C_k, h, w] of the level, read at two times of each window's episode.
        states: [B, n+1, 5] a stride apart.
        actions: [B, n stride, A] the world's actions in between.
        ramp: weight of the roll-outs.
        how: what else is chosen.
        target: [B, C_k, h, w] the later ones of the layouts, as a moving average of the stack has them.
    """
    level = stack.level(k)
    macro_actions = stack.macro_actions(actions, k)
    losses = {
        "predict": ramp * _roll_out_loss(level, level.settle(layouts[:, 0]), states, macro_actions),
        "inverse": level.config.inverse_weight * _inverse_loss(level, states, macro_actions),
        "layout": layout_loss(layouts, how.regularizer, target, how.generator, level.config.steady),
    }
    if level.config.commitment:  # as codes do (van den Oord et al., 2017, "Neural discrete representation learning")
        losses["commitment"] = level.config.commitment * (layouts - layouts.detach().round()).square().mean()
    if level.macro_action is not None:
        penalty = macro_penalty(how.regularizer, macro_actions.flatten(0, 1), how.generator)
        losses["macro"] = level.config.macro_weight * penalty
    return losses


def _roll_out_loss(level: PlaceLevel, layouts: Tensor, states: Tensor, macro_actions: Tensor) -> Tensor:
    """[] the squared error of predicted places and motions, averaged over a roll-out.

    In units of what standing still would come to: for places at the end of the roll-out, as single steps are shorter
    than places are exact, to begin with. The units have gradients, too: nothing is gained by smaller moves.
    """
    moved = (states[:, -1, PLACE] - states[:, 0, PLACE]).square().mean()
    pace = states[..., MOTION].square().mean()
    if level.training:
        step = (states[:, 1:, PLACE] - states[:, :-1, PLACE]).square().mean().detach()
        level.note_change(torch.stack([step, pace.detach()]))
    state, total = states[:, 0], states.new_zeros(())
    for t in range(macro_actions.shape[1]):
        state = level(layouts, state, macro_actions[:, t])
        apart = (state - states[:, t + 1]).square()
        total = (
            total + apart[:, PLACE].mean() / (moved + TINY) + MOTION_WEIGHT * apart[:, MOTION].mean() / (pace + TINY)
        )
    return total / macro_actions.shape[1]


def _inverse_loss(level: PlaceLevel, states: Tensor, macro_actions: Tensor) -> Tensor:
    done = macro_actions if level.macro_action is None else macro_actions.detach()
    return (level.invert_actions(states[:, :-1], states[:, 1:]) - done).square().mean()
