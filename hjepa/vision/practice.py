"""Practice in imagination: a level learns from journeys of the level below that nobody ever made.

Recorded walks never go far. The level below, though, can go on from where it imagines itself to be (Dyna; Sutton,
1990), and stops where its edge classifier no longer believes it. Journeys are imagined in pictures that are put
together from pieces of recorded ones (:mod:`hjepa.vision.collage`).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from hjepa.macro_action import k_means
from hjepa.regularizer import VICReg
from hjepa.vision.collage import collage
from hjepa.vision.far_level import FarLevel
from hjepa.vision.journeys import Journeys, imagine
from hjepa.vision.objective import MOTION_WEIGHT, Losses
from hjepa.vision.place_level import LAYOUT, MOTION, PLACE
from hjepa.vision.reachability import EdgeClassifiers
from hjepa.vision.stack import VisionStack
from hjepa.vision.traces import Traces

AT_ONCE, ONWARD = 8, 3
"""Pictures that are made at once, and journeys of each beginning that others go on from."""
BATCH = 4
"""Pictures whose journeys are learned from in one step."""
BLUR = 0.3
"""Noise on macro-actions, in their standard deviations: what a code leaves open, the layout must tell."""
FITTED = 1000
"""Beginnings whose journeys codes are fitted to."""


class Practice(NamedTuple):
    """A store of imagined journeys.

    Attributes:
        features: [M, C, h, w] of the pictures in which they were made.
        journeys: of one stride each; the layouts of their states are these pictures.
    """

    features: Tensor
    journeys: Journeys


@torch.no_grad()
def imagine_journeys(stack: VisionStack, edges: EdgeClassifiers, traces: Traces, pictures: int, seed: int) -> Practice:
    """Imagines journeys of one stride of the topmost level; a pure function of what those below have learned.

    Args:
        stack: whose topmost level looks far.
        edges: classifiers of the levels below.
        traces: what pictures are made of.
        pictures: how many are made.
        seed: of all choices.
    """
    k, level = len(stack) - 1, stack.far
    assert level is not None
    generator = torch.Generator().manual_seed(seed)
    features: list[Tensor] = []
    parts: list[Journeys] = []
    for first in range(0, pictures, AT_ONCE):
        made = collage(stack, traces, min(AT_ONCE, pictures - first), generator)
        features.append(stack.backbone(made.frames))
        layouts = stack.level(k).settle(stack.layouts(features[-1], k))
        begins = torch.cat([made.places, torch.zeros_like(made.places), made.numbers.unsqueeze(1)], 1)
        for _ in range(2):  # from rest, and then from where one comes to, with the motion one has there
            journeys = imagine(stack.level(k), edges.level(k), layouts, begins, level.ratio, level.reach, generator)
            begins = torch.cat([journeys.begins, journeys.ends[:, :ONWARD].flatten(0, 1)])
        for states in (journeys.begins, journeys.ends):
            states[..., LAYOUT] += first
        parts.append(journeys)
    return Practice(torch.cat(features), Journeys(*(torch.cat(part) for part in zip(*parts, strict=True))))


def practice_losses(level: FarLevel, stored: Practice, generator: torch.Generator) -> Losses:
    """The weighted losses of a level that learns in imagination, by name.

    Edges: what is reached against what is not. Predictions: where journeys end, told their blurred macro-actions.

    Args:
        level: in training.
        stored: journeys.
        generator: of the choice of pictures, and of the blur.
    """
    features, journeys = _some(stored, generator)
    seen = level.around(level.layout(features), journeys.begins)
    here = journeys.begins[:, None, PLACE]
    ways, missed = journeys.ends[..., PLACE] - here, journeys.missed - here
    logits = level.judge(seen, torch.cat([ways, missed], 1))
    true = (torch.arange(logits.shape[1], device=logits.device) < ways.shape[1]).to(logits).expand_as(logits)
    macro_actions = level.macro_actions(journeys.ways).squeeze(2)
    blur = BLUR * torch.randn(macro_actions.shape, generator=generator).to(macro_actions)
    after, motions = level.arrive(seen, macro_actions + blur), journeys.ends[..., MOTION]
    place_error = (after[..., :2] - ways).square().mean() / ways.square().mean()
    motion_error = (after[..., 2:] - motions).square().mean() / motions.square().mean()
    return {
        "edges": binary_cross_entropy_with_logits(logits, true),
        "predict": place_error + MOTION_WEIGHT * motion_error,
        "macro": level.config.macro_weight * VICReg().penalty(macro_actions.flatten(0, 1)),
    }


def _some(stored: Practice, generator: torch.Generator) -> tuple[Tensor, Journeys]:
    """The features of a few of the pictures, and all journeys in them."""
    device = stored.features.device
    pictures = torch.randperm(len(stored.features), generator=generator)[:BATCH].to(device)
    number = torch.full((len(stored.features),), -1, device=device)
    number[pictures] = torch.arange(len(pictures), device=device)
    layout = number[stored.journeys.begins[:, LAYOUT].long()]
    rows = (layout >= 0).nonzero().squeeze(1)
    journeys = Journeys(*(part[rows] for part in stored.journeys))
    journeys.begins[:, LAYOUT] = layout[rows].to(journeys.begins)
    return stored.features[pictures], journeys


@torch.no_grad()
def fit_far_codes(level: FarLevel, stored: Practice, seed: int) -> None:
    """Fits a level's codebook and box to imagined journeys; codes are far from each other."""
    found = level.macro_actions(stored.journeys.ways[:FITTED]).flatten(0, 2)
    low, high = torch.quantile(found, torch.tensor([0.02, 0.98], device=found.device), dim=0)
    inside = found[((found >= low) & (found <= high)).all(-1)]
    generator = torch.Generator().manual_seed(seed)
    level.codebook.copy_(k_means(inside.cpu(), level.config.codes, generator, iterations=0))
    level.support.copy_(torch.stack([low, high]))
