"""A world with a portal for tests: a ring that is walked in one direction, and what a small stack learns of it."""

from __future__ import annotations

import numpy as np
import torch

from hjepa.events import EventConfig
from hjepa.level import LevelConfig
from hjepa.stack import Stack, StackConfig
from hjepa.trajectories import Trajectories

ROWS = 150
QUICK = EventConfig(steps=120, fit_steps=40, batch=256)
LEVELS = (LevelConfig(stride=1, rollout=2), LevelConfig(stride=5, rollout=2, critic_horizon=20))


def walks(portal: bool, episodes: int = 30) -> Trajectories:
    """Random walks to the right; beyond x = 4, where there is a portal, it leads to 0 or (one in four times) to 2."""
    rng = np.random.default_rng(0)
    places = np.zeros((episodes, ROWS, 2), np.float32)
    actions = rng.uniform(-1, 1, (episodes, ROWS, 2)).astype(np.float32)
    actions[..., 0] = np.abs(actions[..., 0])
    for t in range(ROWS - 1):
        here = places[:, t].copy()
        if portal:
            exits = np.where(rng.random(episodes) < 0.25, 2.0, 0.0)
            here[:, 0] = np.where(here[:, 0] > 4, exits, here[:, 0])
        places[:, t + 1] = here + 0.2 * actions[:, t]
    terminals = np.zeros((episodes, ROWS))
    terminals[:, -1] = 1
    return Trajectories.from_arrays(places.reshape(-1, 2), actions.reshape(-1, 2), terminals.reshape(-1), "walks")


def stack_of() -> Stack:
    """An untrained stack: its encoders begin as isometries."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Stack(StackConfig(levels=LEVELS))
