"""Recorded episodes as a trained perception sees them: places, found once, which the upper levels learn from."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from hjepa.vision.recordings import Episodes, draw_windows
from hjepa.vision.stack import VisionStack, states_of

CHUNK = 512
"""Frames seen at once."""


class Traces(NamedTuple):
    """What perception makes of some episodes.

    Attributes:
        episodes: that were looked at.
        places: [E, T+1, 2] of what moves, cells of the feature map.
    """

    episodes: Episodes
    places: Tensor


class Chunk(NamedTuple):
    """A batch for the upper levels.

    Attributes:
        features: [B, 2, C, h, w] of the first frame of each window, and of any frame of its episode.
        states: [B, n+1, 5] a stride apart; layout ``b`` is window ``b``'s own.
        actions: [B, n stride, A] the world's actions in between.
    """

    features: Tensor
    states: Tensor
    actions: Tensor


@torch.no_grad()
def trace(stack: VisionStack, episodes: Episodes, count: int) -> Traces:
    """Looks at every frame of ``count`` episodes, evenly spaced among all."""
    some = episodes.spread(count)
    states = some.states.flatten(0, 1)
    layouts = some.layouts.repeat_interleave(some.steps + 1)
    places = [
        stack.places(stack.backbone(some.camera(states[i : i + CHUNK], layouts[i : i + CHUNK])))
        for i in range(0, len(states), CHUNK)
    ]
    return Traces(some, torch.cat(places).view(len(some.actions), -1, 2))


@torch.no_grad()
def chunk(stack: VisionStack, traces: Traces, seed: int, step: int, batch: int, stride: int, count: int) -> Chunk:
    """Draws windows of ``count`` strides; a pure function of (seed, step, stride)."""
    episodes, length = traces.episodes, stride * count
    rows, begin, any_time = draw_windows(traces.places.shape[:2], seed, step, batch, stride, length)
    rows, begin, any_time = (index.to(traces.places.device) for index in (rows, begin, any_time))
    seen = episodes.states[rows[:, None], torch.stack([begin, any_time], 1)].flatten(0, 1)
    features = stack.backbone(episodes.camera(seen, episodes.layouts[rows].repeat_interleave(2)))
    times = begin[:, None] + stride * torch.arange(count + 1, device=begin.device)
    states = states_of(
        traces.places[rows[:, None], times], traces.places[rows[:, None], times - 1],
        torch.arange(batch, device=begin.device),
    )  # fmt: skip
    steps = begin[:, None] + torch.arange(length, device=begin.device)
    return Chunk(features.unflatten(0, (batch, 2)), states, episodes.actions[rows[:, None], steps])
