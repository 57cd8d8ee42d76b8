"""The official OGBench environments as a batch of tasks, under the official protocol."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import gymnasium
import numpy as np
from numpy.random.mtrand import get_bit_generator, set_bit_generator
from numpy.typing import NDArray

from worlds.base import Flags, Points
from worlds.maps import Map, named_map
from worlds.oracle import walk
from worlds.places import official_task

TIME_LIMIT = 1000
"""Steps per episode in OGBench's evaluation, on every maze."""


class MissingPackageError(ImportError, ValueError):
    """An optional package that isn't installed; the message says how to install it."""


class OGBenchTasks:
    """A :class:`~worlds.base.TaskBatch` of official MuJoCo environments, one per episode, stepped side by side.

    Every episode is what it would be alone: it is seeded by ``reset(seed=s)`` and ``numpy.random.seed(s)`` with its own
    ``s``, and keeps its own copy of NumPy's global generator, from which OGBench draws noise and portal exits. The
    caller's global generator is left as it was.
    """

    def __init__(self, maze: str, tasks: Sequence[int] = (1, 2, 3, 4, 5), episodes: int = 50, seed: int = 0) -> None:
        """Makes the environments.

        Args:
            maze: ``medium``, ``large``, ``giant`` or ``teleport``.
            tasks: which of the five official tasks.
            episodes: episodes per task, so that ``B = len(tasks) * episodes``.
            seed: from which each episode's own seed is derived.

        Raises:
            MissingPackageError: without the package ``ogbench``.
            ValueError: for an unknown maze or task.
        """
        require_ogbench()
        self.map: Map = named_map(maze)
        pairs = [(task, episode) for task in tasks for episode in range(episodes)]
        if not pairs:
            raise ValueError("OGBenchTasks needs at least one task and one episode")
        for task in tasks:
            official_task(self.map, task)
        self._tasks = [task for task, _ in pairs]
        self._seeds = [episode_seed(seed, task, episode) for task, episode in pairs]
        self.task_names = [f"task{task}" for task in self._tasks]
        self.num_envs = len(pairs)
        self.time_limit = TIME_LIMIT
        self._envs = [_make(f"pointmaze-{maze}-v0") for _ in pairs]
        self._generators = [np.random.MT19937() for _ in pairs]
        self.reset()

    def reset(self) -> tuple[Points, Points]:
        """Begins all episodes: [B, 2] observations and [B, 2] goals, world units."""
        observations, goals = [], []
        with _borrowed_global_generator():
            for index, (env, seed) in enumerate(zip(self._envs, self._seeds, strict=True)):
                set_bit_generator(self._generators[index])
                np.random.seed(seed)
                observation, info = env.reset(seed=seed, options={"task_id": self._tasks[index]})
                observations.append(observation)
                goals.append(info["goal"])
        self.starts, self.goals = np.array(observations), np.array(goals)
        self._observations = self.starts.astype(np.float32)
        self._succeeded = np.zeros(self.num_envs, dtype=bool)
        self._steps = 0
        return self._observations.copy(), self.goals.astype(np.float32)

    def step(self, actions: NDArray[np.floating]) -> tuple[Points, Flags]:
        """One step with [B, 2] actions: [B, 2] observations, [B] who has succeeded so far."""
        actions = np.clip(np.asarray(actions, dtype=np.float32), -1, 1)
        if actions.shape != (self.num_envs, 2) or not np.isfinite(actions).all():
            raise ValueError(f"OGBenchTasks: actions must be finite, of shape ({self.num_envs}, 2)")
        with _borrowed_global_generator():
            for index in np.flatnonzero(self.active()):
                set_bit_generator(self._generators[index])
                observation, _, _, _, info = self._envs[index].step(actions[index])
                self._observations[index] = observation
                self._succeeded[index] = info["success"] > 0
        self._steps += 1
        return self._observations.copy(), self._succeeded.copy()

    def active(self) -> Flags:
        """[B] which episodes still run."""
        return ~self._succeeded & (self._steps < self.time_limit)

    def oracle_steps(self) -> NDArray[np.int64]:
        """[B] steps that the breadth-first oracle needs for the same starts and goals; the limit if it fails.

        It walks in our own simulator, which agrees with the official one to 1e-6 per step.
        """
        return walk(self.map, self.starts, self.goals, np.full(self.num_envs, self.time_limit))

    def close(self) -> None:
        """Closes the environments."""
        for env in self._envs:
            env.close()
        self._envs = []


def episode_seed(seed: int, task: int, episode: int) -> int:
    """The seed of one episode, below 2**31: a hash, so that no two evaluations share episodes by accident."""
    return int(np.random.SeedSequence((seed, task, episode)).generate_state(1)[0] >> 1)


def require_ogbench() -> None:
    """Registers the official environments.

    Raises:
        MissingPackageError: without the package ``ogbench``.
    """
    try:
        import ogbench  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            f"the official environments need the package ogbench ({error}): pip install ogbench"
        ) from error


def _make(env_id: str) -> gymnasium.Env:
    env = gymnasium.make(env_id)
    model_file = getattr(env.unwrapped, "fullpath", None)
    if model_file and os.path.exists(model_file):
        os.remove(model_file)  # OGBench leaves one temporary file behind for every environment
    return env


@contextmanager
def _borrowed_global_generator() -> Iterator[None]:
    """Puts NumPy's global generator back afterwards, as it was."""
    generator, state = get_bit_generator(), np.random.get_state()
    try:
        yield
    finally:
        set_bit_generator(generator)
        np.random.set_state(state)
