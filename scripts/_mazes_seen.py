"""The task ``diverse-maze``: layouts to learn from and others to be tried in, seen in pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch

from hjepa.vision.agent import VisionExperiment
from hjepa.vision.place_level import PlaceConfig
from hjepa.vision.planning import VisionPlanning
from hjepa.vision.recordings import Episodes
from hjepa.vision.stack import VisionConfig
from hjepa.vision.train import VisionTraining
from scripts._seen import Row, SeenTasks, SeenWorld, camera
from worlds import DiverseMazeTasks, Layouts, generate_layouts, maze_raster, record_diverse_maze
from worlds.diverse_tasks import TIME_LIMIT
from worlds.force import D4RL

TASK = "diverse-maze"
TRAINING_HELP = """Trains an agent that sees, in mazes that it will not be tried in.

python scripts/train.py diverse-maze --out runs/diverse

Data: a disc pushed by random forces in random mazes (PLDM's and HWM's protocol), recorded anew and drawn on the fly.
Every field of the experiment is a flag below."""
EVALUATION_HELP = """Evaluates an agent that sees in mazes that it has never seen.

python scripts/evaluate.py diverse-maze --agent runs/diverse --levels 2

Start: where recorded walks have been; goal: a random cell so many cells away on the shortest path. Success: ever within
half a cell."""
Size = Literal["small", "large", "wide", "vast"]
STEPS = 100
"""World steps of a recorded episode."""
TRAINING, HELD_OUT = 0, 1
"""Second number of the seeds of layouts, so that those of training and of trials are never the same draw."""
SPLITS = ((5, 8), (9, 12), (13, 16))


@dataclass(frozen=True)
class MazeData:
    """Transitions under random forces in random mazes."""

    size: Size = "large"
    """Mazes with interiors of 4 x 4 (small), 8 x 8 (large), 16 x 16 (wide) or 32 x 32 cells (vast)."""
    mazes: int = 25
    """How many."""
    rows: int = 1_000_000
    """Transitions in all of them."""

    @property
    def label(self) -> str:
        """A name for files."""
        return f"{TASK}-{self.size}"

    def episodes(self, seed: int, device: torch.device) -> Episodes:
        """Records; see :func:`lessons`."""
        return lessons(self.size, self.mazes, self.rows, seed, device).episodes


@dataclass(frozen=True)
class MazeTrials:
    """Mazes that are none of those learned from."""

    size: Size = "large"
    """Of the mazes."""
    mazes: int = 20
    """How many, none of them among those learned from."""
    distances: tuple[tuple[int, int], ...] = SPLITS
    """Least and largest cells between start and goal, for every row of the table."""
    time_limit: int = TIME_LIMIT
    """World steps of an episode."""

    shipped = TASK

    @property
    def protocol(self) -> str:
        """Where, and what counts as success."""
        return (
            f"{self.size}: {self.mazes} mazes not learned from; success within half a cell, ever, "
            f"in {self.time_limit} steps"
        )

    def rows(self, card: dict[str, Any], seed: int) -> list[Row]:
        """One for every range of distances."""
        mazes = held_out(self.size, self.mazes, seed, lessons_layouts(card))
        return [self._row(mazes, distance, seed) for distance in self.distances]

    def _row(self, mazes: Layouts, distance: tuple[int, int], seed: int) -> Row:
        raster = maze_raster(mazes)

        def tasks(first: int, count: int) -> SeenTasks:
            return SeenTasks(DiverseMazeTasks(mazes, count, distance, seed, self.time_limit, D4RL, first), raster)

        return Row(f"{distance[0]}..{distance[1]}", tasks, {"distance": distance})


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


def held_out(size: Size, mazes: int, seed: int, known: Layouts) -> Layouts:
    """Mazes that are none of those learned from."""
    same = size == known.name.partition("-")[0]
    return generate_layouts(size, mazes, seed=_seed(seed, HELD_OUT), exclude=known if same else None)


def _seed(seed: int, purpose: int) -> int:
    return 2 * seed + purpose


FAR = PlaceConfig(stride=40, macro_dim=2, channels=8, taps=11, spacing=2.0, hidden=(16,), rounds=8, codes=48)
"""A third level, which learns from what the second one imagines."""
EXPERIMENT = VisionExperiment(
    VisionConfig(encoder="spatial", levels=(*VisionConfig().levels, FAR), window=5),
    VisionTraining(practice_steps=1200, pictures=40),
)
PLANNING = VisionPlanning(horizon=8, samples=32, iterations=2)
DIVERSE_MAZE = SeenWorld(
    TASK, TRAINING_HELP, EVALUATION_HELP, MazeData(), MazeTrials(), "cells apart", EXPERIMENT, PLANNING
)
