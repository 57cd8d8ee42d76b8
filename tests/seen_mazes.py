"""A small world of pictures, and an agent that had a short look at it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import torch

from hjepa.vision.agent import VisionAgent
from hjepa.vision.place_level import PlaceConfig
from hjepa.vision.recordings import Episodes
from hjepa.vision.stack import VisionConfig
from hjepa.vision.train import VisionTraining, train_vision
from scripts._mazes_seen import lessons

STACK = VisionConfig(
    channels=6,
    levels=(
        PlaceConfig(rollout=4, channels=4, hidden=(16,)),
        PlaceConfig(stride=5, rollout=2, channels=4, hidden=(16,), macro_dim=3, codes=6),
    ),
)
TRAINING = VisionTraining(steps=4, batch=3, warm_up=2, upper_steps=3, upper_batch=4, traced=6, save_every=2)


@cache
def recorded() -> Episodes:
    """Two small mazes, a few walks in each."""
    return lessons("small", 2, 800, seed=3, device=torch.device("cpu")).episodes


@cache
def glancing(stack: VisionConfig = STACK) -> VisionAgent:
    """An agent that has learned next to nothing, but has all its parts."""
    trainer = train_vision(stack, recorded(), TRAINING, Path(mkdtemp()), {})
    return VisionAgent.of(trainer, {"data": {"size": "small", "mazes": 2}, "seed": 3})
