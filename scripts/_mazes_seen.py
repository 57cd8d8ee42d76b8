"""The task ``diverse-maze``: layouts to learn from and others to be tried in, seen in pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hjepa.vision.recordings import Camera, Episodes
from worlds import DiverseMazeTasks, Layouts, generate_layouts, maze_raster, record_diverse_maze
from worlds.force import D4RL
from worlds.raster import Raster

TASK = "diverse-maze"
Size = Literal["small", "large", "wide", "vast"]
STEPS = 100
"""World steps of a recorded episode."""
TRAINING, HELD_OUT = 0, 1
"""Second number of the seeds of layouts, so that those of training and of trials are never the same draw."""


@dataclass(frozen=True)
class Lessons:
    """What there is to learn from.

    Attributes:
        layouts: mazes.
        episodes: recorded in them.
    """

    layouts: Layouts
    episodes: Episodes


def lessons(size: Size, mazes: int, rows: int, seed: int, device: torch.device) -> Lessons:
    """Records transitions under random forces in random mazes.

    Raises:
        ValueError: for fewer rows than one episode of every maze has.
    """
    each = rows // (mazes * STEPS)
    if each < 1:
        raise ValueError(f"--rows must be at least {mazes * STEPS}, an episode in each of {mazes} mazes, not {rows}")
    layouts = _training_layouts(size, mazes, seed)
    data = record_diverse_maze(layouts, each, seed, STEPS, D4RL)
    episodes = Episodes(
        torch.from_numpy(data.states).to(device),
        torch.from_numpy(data.actions).to(device),
        torch.from_numpy(data.maps).to(device),
        camera(maze_raster(layouts).to(device)),
    )
    return Lessons(layouts, episodes)


def lessons_layouts(card: dict[str, Any]) -> Layouts:
    """The mazes that an agent learned from, by its card."""
    data = card["data"]
    return _training_layouts(data["size"], data["mazes"], card["seed"])


def _training_layouts(size: Size, mazes: int, seed: int) -> Layouts:
    return generate_layouts(size, mazes, seed=_seed(seed, TRAINING))


def camera(raster: Raster) -> Camera:
    """A raster as a camera."""

    def draw(states: Tensor, layouts: Tensor) -> Tensor:
        return raster(states, layouts)

    return draw


def held_out(size: Size, mazes: int, seed: int, known: Layouts) -> Layouts:
    """Mazes that are none of those learned from."""
    same = size == known.name.partition("-")[0]
    return generate_layouts(size, mazes, seed=_seed(seed, HELD_OUT), exclude=known if same else None)


def _seed(seed: int, purpose: int) -> int:
    return 2 * seed + purpose


class SeenTasks:
    """Tasks whose observations and goals are pictures; a :class:`hjepa.evaluate.Tasks`.

    Args:
        tasks: in states.
        raster: of their layouts.
    """

    def __init__(self, tasks: DiverseMazeTasks, raster: Raster) -> None:
        self.tasks, self.raster = tasks, raster
        self.num_envs, self.time_limit, self.task_names = tasks.num_envs, tasks.time_limit, tasks.task_names

    def reset(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Begins all episodes: [B, 3, H, W] frames, and pictures of the goals."""
        self.tasks.reset()
        return self._frames(), self.raster(self.tasks.goals, self.tasks.maps).numpy()

    def step(self, actions: NDArray[np.floating]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """[B, 2] forces to [B, 3, H, W] frames, and [B] who has succeeded so far."""
        _, success = self.tasks.step(actions)
        return self._frames(), success

    def active(self) -> NDArray[np.bool_]:
        """[B] which episodes still run."""
        return self.tasks.active()

    def oracle_steps(self) -> NDArray[np.int64]:
        """[B] steps of an oracle that sees the map."""
        return self.tasks.oracle_steps()

    def _frames(self) -> NDArray[np.uint8]:
        return self.raster(self.tasks.states(), self.tasks.maps).numpy()
