"""Pairs of places of one episode, and how many world steps lay between them: what distances are learned from."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from hjepa.data import step_generator
from hjepa.vision.stack import VisionStack
from hjepa.vision.traces import Traces

LEAST = 5
"""World steps between two places of a pair: shorter ones tell more of how exactly places are seen than of ways."""


class HindsightPairs(NamedTuple):
    """Where one came from on the way to some places.

    Attributes:
        features: [N, 2, C, h, w] of the frame at the goal and of that at the first start.
        starts: [N, J, 2] places, cells.
        goals: [N, 2] places later in the same episodes.
        gaps: [N, J] world steps between them.
    """

    features: Tensor
    starts: Tensor
    goals: Tensor
    gaps: Tensor


@torch.no_grad()
def hindsight_pairs(
    stack: VisionStack, traces: Traces, seed: int, step: int, batch: int, starts: int
) -> HindsightPairs:
    """Draws ``batch`` goals with some starts each; a pure function of (seed, step).

    Gaps are log-uniform, so that a distance is learned in proportion at every scale: near pairs are as
    many as far ones.
    """
    episodes, frames = traces.places.shape[:2]
    generator, device = step_generator(seed, step, "hindsight"), traces.places.device
    rows = torch.randint(episodes, (batch,), generator=generator)
    least = min(LEAST, frames - 1)
    ends = torch.randint(least, frames, (batch, 1), generator=generator)
    gaps = (least * ((ends + 1) / least).pow(torch.rand(batch, starts, generator=generator))).long()
    rows, ends, gaps = (index.to(device) for index in (rows, ends, gaps.minimum(ends)))
    recorded = traces.episodes
    seen = recorded.states[rows[:, None], torch.cat([ends, ends - gaps[:, :1]], 1)].flatten(0, 1)
    features = stack.backbone(recorded.camera(seen, recorded.layouts[rows].repeat_interleave(2)))
    places = traces.places[rows[:, None], torch.cat([ends, ends - gaps], 1)]
    return HindsightPairs(features.unflatten(0, (batch, 2)), places[:, 1:], places[:, 0], gaps.to(places))
