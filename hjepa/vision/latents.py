"""Every latent that a stack makes of what it sees, by name: what probes read, and what there is to look at."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hjepa.vision.place_level import LAYOUT, PLACE, PlaceLevel
from hjepa.vision.spatial_level import FOVEA, NUMBER, Backdrop, SpatialLevel
from hjepa.vision.stack import VisionStack, states_of

CHUNK = 64
"""Frames seen at once."""


@dataclass(frozen=True, eq=False)
class Latents:
    """What a stack makes of N frames, each beside the one before it.

    Attributes:
        features: [N, C, h, w].
        places: [N, 2] of what moves, cells.
        state: [N, 5] of the levels whose states are places; layout ``n`` is frame ``n``'s.
        fine: [N, D] of level 1, where it keeps the picture.
        layouts: by level, [N, C_k, h, w].
    """

    features: Tensor
    places: Tensor
    state: Tensor
    fine: Tensor | None
    layouts: dict[int, Tensor]

    @property
    def named(self) -> dict[str, Tensor]:
        """All of it by name: [N, D] states without the number of their layout, and [N, C, h, w] maps."""
        motion = self.state[:, :LAYOUT]
        states = {"state, all levels": motion}
        if self.fine is not None:
            level_1 = torch.cat([self.fine[:, PLACE], self.fine[:, FOVEA]], 1)
            states = {"level 1 state": level_1, "state above": motion}
        maps = {f"level {k} layout": layout for k, layout in self.layouts.items()}
        return {"features": self.features, **states, **maps}


@torch.no_grad()
def latents(stack: VisionStack, now: Tensor, before: Tensor) -> Latents:
    """[N, 3, H, W] frames, and those one world step earlier, to what the stack makes of them."""
    parts = [_latents(stack, *pair) for pair in zip(now.split(CHUNK), before.split(CHUNK), strict=True)]
    state = torch.cat([part.state for part in parts])
    state[:, LAYOUT] = torch.arange(len(state))
    fine = [part.fine for part in parts if part.fine is not None]
    return Latents(
        torch.cat([part.features for part in parts]),
        torch.cat([part.places for part in parts]),
        state,
        torch.cat(fine) if fine else None,
        {k: torch.cat([part.layouts[k] for part in parts]) for k in parts[0].layouts},
    )


def _latents(stack: VisionStack, now: Tensor, before: Tensor) -> Latents:
    features, earlier = stack.backbone(now), stack.backbone(before)
    places, numbers = stack.places(features), torch.arange(len(now))
    state, first = states_of(places, stack.places(earlier), numbers), stack.first
    spatial = isinstance(first, SpatialLevel)
    fine = first.states(features, earlier, places, numbers) if isinstance(first, SpatialLevel) else None
    layouts = {k: stack.layouts(features, k) for k in range(2 if spatial else 1, len(stack) + 1)}
    return Latents(features, places, state, fine, layouts)


@torch.no_grad()
def imagine(stack: VisionStack, k: int, seen: Latents, goal: Latents, actions: Tensor) -> tuple[Tensor, Tensor]:
    """Rolls level ``k`` out from what is seen.

    Args:
        stack: whose level.
        k: its number.
        seen: N frames to begin with.
        goal: another look at each of the N layouts: what is hidden in one is seen in the other, as for an actor.
        actions: [N, T, A] of the world.

    Returns:
        [N, T // stride + 1, 2] places, the first one seen, and [N, T // stride + 1, C, h, w] maps.
    """
    level, moves = stack.levels[k - 1], stack.macro_actions(actions, k)
    if isinstance(level, SpatialLevel):
        return _imagine_maps(stack, level, seen, goal, moves)
    assert isinstance(level, PlaceLevel)
    layouts, states = (seen.layouts[k] + goal.layouts[k]) / 2, [seen.state]
    states[0][:, LAYOUT] = torch.arange(len(layouts))
    for move in moves.unbind(1):
        states.append(level(layouts, states[-1], move))
    places = torch.stack(states, 1)[..., PLACE]
    return places, layouts.unsqueeze(1).expand(-1, places.shape[1], -1, -1, -1)


def _imagine_maps(
    stack: VisionStack, level: SpatialLevel, seen: Latents, goal: Latents, actions: Tensor
) -> tuple[Tensor, Tensor]:
    both = [torch.stack(pair, 1) for pair in ((seen.features, goal.features), (seen.places, goal.places))]
    backdrop = Backdrop.remember(stack.attention, *both)
    assert seen.fine is not None
    state = seen.fine.clone()
    state[:, NUMBER] = torch.arange(len(state))
    places, maps = [state[:, PLACE]], [seen.features]
    for action in actions.unbind(1):
        state = level(backdrop, state, action)
        places.append(state[:, PLACE])
        maps.append(_whole(level, backdrop, state))
    return torch.stack(places, 1), torch.stack(maps, 1)


def _whole(level: SpatialLevel, backdrop: Backdrop, states: Tensor) -> Tensor:
    """[N, C, h, w] remembered maps with the foveas of [N, D] states in their places."""
    side, maps = level.config.fovea, backdrop.maps.clone()
    height, width = maps.shape[-2:]
    reach = torch.arange(side) - side // 2
    centre = states[:, PLACE].round().long()
    x, y = (centre[:, :1] + reach).clamp(0, width - 1), (centre[:, 1:] + reach).clamp(0, height - 1)
    rows = torch.arange(len(states))[:, None, None]
    maps.permute(0, 2, 3, 1)[rows, y.unsqueeze(2), x.unsqueeze(1)] = level.foveas(states)[:, : level.channels].permute(
        0, 2, 3, 1
    )
    return maps
