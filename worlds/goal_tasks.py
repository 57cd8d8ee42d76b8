"""What the goal-reaching tasks of all worlds that are seen in pictures have in common: time, success and freezing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worlds.base import Flags, Points
from worlds.picture_world import PictureWorld

Controller = Callable[[NDArray[np.floating]], NDArray[np.floating]]
"""[B, S] states to [B, A] actions."""


class GoalTasks(ABC):
    """B episodes side by side, always the same ones. One that has succeeded or used up its time stays where it is.

    Like a :class:`~worlds.base.TaskBatch`, but observations are [B, S] states, and who learns from pictures draws them:
    ``raster(tasks.states(), tasks.maps)`` what the agent sees, ``raster(tasks.goals, tasks.maps)`` where it should be.

    Attributes:
        num_envs: B.
        time_limit: steps after which every episode is over.
        task_names: [B] what each episode is called.
        maps: [B] int64 tensor, each episode's layout.
        starts: [B, S] where they begin.
        goals: [B, 2] float32 tensor, world units.
        radius: success is within this distance of the goal, world units.
    """

    task_names: list[str]

    def __init__(
        self,
        world: PictureWorld,
        maps: NDArray[np.int64],
        starts: NDArray[np.float64],
        goals: NDArray[np.float64],
        radius: float,
        time_limit: int,
        seed: int,
    ) -> None:
        """Keeps the episodes and begins them; ``seed`` is of the chances that the world takes meanwhile."""
        self.num_envs, self.time_limit, self.radius = len(maps), time_limit, radius
        self.maps, self.starts = torch.from_numpy(maps), starts
        self.goals = torch.from_numpy(goals.astype(np.float32))
        self.world, self._seed = world, seed
        self.reset()

    def reset(self) -> tuple[Points, Points]:
        """Begins all episodes: [B, S] states and [B, 2] goals."""
        self.world.seed(self._seed)
        states = self.world.reset(self.starts, self.maps.numpy()).numpy()
        self._succeeded = np.zeros(self.num_envs, dtype=bool)
        self._steps = 0
        return states, self.goals.numpy().copy()

    def step(self, actions: NDArray[np.floating] | Tensor) -> tuple[Points, Flags]:
        """One step with [B, 2] actions: [B, S] states, [B] who has succeeded so far."""
        active, before = self.active(), self.world.state
        self.world.step(actions)
        self.world.state = np.where(active[:, None], self.world.state, before)
        self._steps += 1
        self._succeeded |= active & self._judged() & (self.gaps() < self.radius)
        return self.world.observe().numpy(), self._succeeded.copy()

    def active(self) -> Flags:
        """[B] which episodes still run."""
        return ~self._succeeded & (self._steps < self.time_limit)

    def states(self) -> Tensor:
        """[B, S] float32 states."""
        return self.world.observe()

    def gaps(self) -> NDArray[np.float64]:
        """[B] distance from the goal, world units."""
        return np.linalg.norm(self.world.state[:, :2] - self.goals.numpy(), axis=1)

    def oracle_steps(self) -> NDArray[np.int64]:
        """[B] steps that the oracle needs from the same starts to the same goals; the limit where it fails."""
        oracle = self.oracle()
        states, _ = self.reset()
        steps = np.zeros(self.num_envs, dtype=np.int64)
        while self.active().any():
            steps += self.active()
            states, _ = self.step(oracle(states))
        steps[~self._succeeded] = self.time_limit
        self.reset()
        return steps

    @abstractmethod
    def oracle(self) -> Controller:
        """A controller that sees the layouts and the goals, to show that the tasks can be solved."""

    def _judged(self) -> bool:
        """Whether success counts now; some protocols look at the end only."""
        return True
