"""Worlds that are seen in pictures, as ``scripts/train.py`` and ``scripts/evaluate.py`` know them.

A new one is a module that describes a :class:`SeenWorld`, and a line in ``scripts/_seen_worlds.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, device

from hjepa.vision.agent import VisionExperiment
from hjepa.vision.planning import VisionPlanning
from hjepa.vision.recordings import Camera, Episodes
from worlds.goal_tasks import GoalTasks
from worlds.raster import Raster


class Data(Protocol):
    """What is recorded to learn from: a frozen dataclass, whose fields are flags of training and go to the card."""

    @property
    def label(self) -> str:
        """A name for files."""
        ...

    def episodes(self, seed: int, device: device) -> Episodes:
        """Records, and draws on demand.

        Raises:
            ValueError: for flags that don't fit.
        """
        ...


class Trials(Protocol):
    """What an agent is tried in: a frozen dataclass, whose fields are flags of evaluation."""

    @property
    def shipped(self) -> str:
        """The name of the shipped agent that is evaluated by default."""
        ...

    @property
    def protocol(self) -> str:
        """Where, from where to where, and what counts as success: a line or two."""
        ...

    def rows(self, card: dict[str, Any], seed: int) -> list[Row]:
        """The rows of the table for the agent of a card."""
        ...


@dataclass(frozen=True)
class Row:
    """One row of an evaluation.

    Attributes:
        name: in the table.
        tasks: the number of the first episode and how many there are, to these episodes. What an episode is depends on
            its number only.
        facts: of the row, for the file of results.
    """

    name: str
    tasks: Callable[[int, int], SeenTasks]
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SeenWorld:
    """A world that is seen in pictures.

    Attributes:
        name: of the task, on the command line.
        training: what ``train.py NAME --help`` says first.
        evaluation: what ``evaluate.py NAME --help`` says first.
        data: what is recorded by default.
        trials: what an agent is tried in by default.
        heading: of the first column of the table.
        experiment: what an agent is by default, and how it is trained.
        planning: how it plans by default.
    """

    name: str
    training: str
    evaluation: str
    data: Data
    trials: Trials
    heading: str
    experiment: VisionExperiment = field(default_factory=VisionExperiment)
    planning: VisionPlanning = field(default_factory=VisionPlanning)


def camera(raster: Raster) -> Camera:
    """A raster as a camera."""

    def draw(states: Tensor, layouts: Tensor) -> Tensor:
        return raster(states, layouts)

    return draw


class SeenTasks:
    """Tasks whose observations and goals are pictures; a :class:`hjepa.evaluate.Tasks`.

    When an episode has succeeded is the business of the tasks themselves.

    Args:
        tasks: in states.
        raster: of their layouts.
    """

    def __init__(self, tasks: GoalTasks, raster: Raster) -> None:
        self.tasks, self.raster = tasks, raster
        self.num_envs, self.time_limit, self.task_names = tasks.num_envs, tasks.time_limit, tasks.task_names

    def reset(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Begins all episodes: [B, 3, H, W] frames, and pictures of the goals."""
        self.tasks.reset()
        return self._frames(), self.raster(self.tasks.goals, self.tasks.maps).numpy()

    def step(self, actions: NDArray[np.floating]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """[B, A] actions to [B, 3, H, W] frames, and [B] who has succeeded so far."""
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
