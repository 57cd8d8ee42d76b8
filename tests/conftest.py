"""Settings and fixtures that several tests share."""

from __future__ import annotations

import os

# Before any test imports what reads them: no display, no sound, no banner.
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("SDL_AUDIODRIVER", "dummy")
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
# Numba's OpenMP layer shares torch's threads and sets their number anew: on a loaded machine, torch is then 30 times
# slower.
os.environ.setdefault("NUMBA_THREADING_LAYER", "workqueue")

from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from hjepa.agent import Agent
    from hjepa.trajectories import Trajectories
    from worlds.maps import Map

# One thread: the tensors are small, and a loaded machine must not change a test's time or result.
torch.set_num_threads(1)
settings.register_profile(
    "shared", max_examples=50, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("shared")

SMALL_MAP = """\
#########
#...#...#
#.#.#.#.#
#.#...#.#
#.###.#.#
#.....#.#
#########
"""
"""Five by seven cells with a loop, a dead end and long ways round."""


@pytest.fixture(scope="session")
def small_map() -> Map:
    """A map on which an agent learns to plan in seconds."""
    from worlds.maps import Map

    return Map.parse(SMALL_MAP, "small")


@pytest.fixture(scope="session")
def small_data(small_map: Map) -> Trajectories:
    """Recorded walks on the small map."""
    from hjepa.trajectories import Trajectories
    from worlds.collection import collect

    data = collect(small_map, "navigate", 60_000)
    return Trajectories.from_arrays(data.observations, data.actions, data.terminals, "small")


@pytest.fixture(scope="session")
def small_agent(small_data: Trajectories, tmp_path_factory: pytest.TempPathFactory) -> Agent:
    """An agent of three levels, trained for 250 steps. Tests share it and must not change it."""
    from hjepa.agent import Agent, Experiment
    from hjepa.level import LevelConfig
    from hjepa.stack import Stack, StackConfig
    from hjepa.train import TrainConfig, train

    levels = (
        LevelConfig(stride=1, rollout=4, inverse_weight=1.0),
        LevelConfig(stride=10, rollout=3, critic_horizon=100),
        LevelConfig(stride=30, rollout=2, critic_horizon=200),
    )
    training = TrainConfig(steps=250, batch=128, pairs=256, learning_rate=2e-3, memory=20_000)
    experiment = Experiment(stack=StackConfig(levels=levels), train=training)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        stack = Stack(experiment.stack)
    memory = train(stack, small_data, training, tmp_path_factory.mktemp("small_agent"), {})
    return Agent.remember(stack, memory, experiment, {"name": "small"})


@pytest.fixture(scope="session")
def distilled_agent(small_agent: Agent) -> Agent:
    """The same agent with Mode-1 policies for all levels. Tests share it and must not change it."""
    from dataclasses import replace

    from hjepa.policy import PolicyConfig
    from hjepa.signpost import SignpostConfig

    ways = SignpostConfig(hidden=(32,), waves=16, steps=400, batch=128)
    config = PolicyConfig(steps=250, batch=128, ways=ways)
    return replace(small_agent, experiment=replace(small_agent.experiment, policy=config)).distilled()
