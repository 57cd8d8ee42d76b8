"""OGBench's official environment for benchmarks, in this process and in others beside it.

Worker processes import this file, so it loads nothing that it doesn't need.
"""

from __future__ import annotations

import multiprocessing
import time
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np


def official_environment(maze: str) -> Any:
    """The official environment of a maze, begun, without Gymnasium's wrappers: their cost is not the simulator's."""
    import gymnasium
    import ogbench  # noqa: F401  (registers the environments)

    env = gymnasium.make(f"pointmaze-{maze}-v0").unwrapped
    model_file = getattr(env, "fullpath", None)
    if model_file is not None:
        Path(model_file).unlink(missing_ok=True)  # OGBench leaves one temporary file behind for every environment
    env.reset(seed=0, options={"task_id": 1})
    return env


def seconds_per_step(env: Any, steps: int, seed: int) -> float:
    """Wall-clock seconds of one world step with random actions, over ``steps`` of them."""
    actions = np.random.default_rng(seed).uniform(-1, 1, (steps, 2))
    begun = time.perf_counter()
    for action in actions:
        env.step(action)
    return (time.perf_counter() - begun) / steps


class OfficialProcesses:
    """Several official environments, each in a process of its own, stepped at the same time.

    Args:
        maze: name of the maze.
        count: of processes.
    """

    def __init__(self, maze: str, count: int = 2) -> None:
        context = multiprocessing.get_context("spawn")
        self.count = count
        self._processes, self._pipes = [], []
        for number in range(count):
            here, there = context.Pipe()
            self._processes.append(context.Process(target=_serve, args=(there, maze, number), daemon=True))
            self._pipes.append(here)
        for process in self._processes:
            process.start()
        self.seconds_per_step(1)  # all of them stand ready

    def seconds_per_step(self, steps: int) -> float:
        """Wall-clock seconds per world step, all processes' steps counted, until the last one is done."""
        begun = time.perf_counter()
        for pipe in self._pipes:
            pipe.send(steps)
        for pipe in self._pipes:
            pipe.recv()
        return (time.perf_counter() - begun) / (steps * self.count)

    def __enter__(self) -> OfficialProcesses:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pipe in self._pipes:
            pipe.send(0)
        for process in self._processes:
            process.join()


def _serve(pipe: Connection, maze: str, seed: int) -> None:
    """Takes as many steps as it is told to, until it is told 0."""
    env = official_environment(maze)
    while steps := pipe.recv():
        pipe.send(seconds_per_step(env, steps, seed))
    env.close()
