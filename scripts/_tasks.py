"""What a task's name stands for: a map, the data recorded on it, and the episodes of its evaluation."""

from __future__ import annotations

import hashlib
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from hjepa.checkpoint import has_checkpoint
from hjepa.data import Trajectories, load_trajectories
from hjepa.evaluate import Tasks
from worlds import Map, MazeTasks, OGBenchTasks, as_map, collect, generate_maze
from worlds.collection import Protocol
from worlds.external import TIME_LIMIT
from worlds.places import official_task, place_near

OFFICIAL = re.compile(r"ogbench/pointmaze-(medium|large|giant|teleport)-(navigate|stitch)")
OWN = "point-maze"
EXPECTED = f"ogbench/pointmaze-{{medium,large,giant,teleport}}-{{navigate,stitch}} or {OWN}"
DEFAULT_TASK = "ogbench/pointmaze-medium-navigate"
OFFICIAL_ROWS = 1_000_000  # as many as OGBench's own data sets hold
TaskName = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="TASK", help=EXPECTED)]
ROWS_PER_CELL, LEAST_ROWS = 10_000, 200_000  # what the giant maze gets in OGBench, per free cell


@dataclass(frozen=True)
class Maze:
    """The map of the task ``point-maze``."""

    map: str | None = None
    """Text file with a map (# wall, . free, I portal entrance, O portal exit), or the name of one."""
    size: int | None = None
    """Cells a side of a generated maze, in the place of --map."""
    maze_seed: int = 0
    """Of the generated maze."""


@dataclass(frozen=True)
class Task:
    """A named task.

    Attributes:
        name: as on the command line.
        map: where it takes place. Agents never see it.
        protocol: how its data are recorded.
    """

    name: str
    map: Map
    protocol: Protocol

    @property
    def official(self) -> bool:
        """Whether it is evaluated in OGBench's own environments."""
        return self.name != OWN

    @property
    def label(self) -> str:
        """A name for files."""
        return self.name.replace("/", "-") if self.official else f"{OWN}-{self.map.name}"

    @property
    def rows(self) -> int:
        """Rows of data by default."""
        return OFFICIAL_ROWS if self.official else max(LEAST_ROWS, ROWS_PER_CELL * len(self.map.free_cells()))

    @property
    def episodes(self) -> int:
        """Episodes of an evaluation by default; of an official one, per task."""
        return 50 if self.official else 250

    def evaluation(self, episodes: int, seed: int) -> Tasks:
        """All episodes of an evaluation, side by side."""
        if self.official:
            return OGBenchTasks(self.map.name, episodes=episodes, seed=seed)
        return MazeTasks(self.map, episodes, seed=seed)

    def single_episodes(self, seed: int) -> list[Tasks]:
        """Five episodes, one at a time."""
        if self.official:
            return [OGBenchTasks(self.map.name, tasks=(task,), episodes=1, seed=seed) for task in range(1, 6)]
        return [MazeTasks(self.map, 1, seed=seed + number) for number in range(5)]

    def random_episodes(self, episodes: int, seed: int) -> Tasks:
        """The first episodes of the evaluation, ten of each task, for an agent that acts at random."""
        return self.evaluation(min(episodes, 10 if self.official else 50), seed)

    def protocol_of(self, episodes: int) -> str:
        """How the evaluation is done, in words."""
        if self.official:
            return f"official environments, 5 tasks x {episodes} episodes of {TIME_LIMIT} steps at most"
        return f"random starts and goals, {episodes} episodes of max(1000, 40 x cells of the shortest path) steps"


def make_task(name: str, maze: Maze) -> Task:
    """The task of a name.

    Raises:
        ValueError: for an unknown name, or a map that is missing, malformed or disconnected.
    """
    if name == OWN:
        return Task(name, _own_map(maze), "navigate")
    match = OFFICIAL.fullmatch(name)
    if match is None:
        raise ValueError(f"unknown task {name!r}, expected {EXPECTED}")
    if maze.map is not None or maze.size is not None:
        raise ValueError(f"task {name} has a map of its own; --map and --size are for {OWN}")
    return Task(name, as_map(match[1]), "stitch" if match[2] == "stitch" else "navigate")


def _own_map(maze: Maze) -> Map:
    if (maze.map is None) == (maze.size is None):
        raise ValueError(f"task {OWN} needs a map: either --map FILE or --size CELLS")
    if maze.map is not None:
        return as_map(maze.map).require_connected()
    assert maze.size is not None
    return generate_maze(maze.size, maze.size, maze.maze_seed)


def official_episode(map: Map, task: int, seed: int) -> MazeTasks:
    """One of OGBench's five tasks of a maze in our own simulator, which needs no MuJoCo.

    Raises:
        ValueError: where the maze has no such task.
    """
    start, goal = official_task(map, task)
    generator = np.random.default_rng(seed)
    tasks = MazeTasks(map, 1, seed, TIME_LIMIT)
    tasks.starts[0], tasks.goals[0] = place_near(map, start, generator), place_near(map, goal, generator)
    return tasks


def agent_folder(path: Path) -> Path:
    """An agent's folder; a run's folder stands for the agent in it."""
    return path / "agent" if has_checkpoint(path / "agent") else path


@dataclass(frozen=True)
class Recording:
    """Data to train on.

    Attributes:
        trajectories: the rows.
        card: where they are from.
        seconds: that it took to get them.
    """

    trajectories: Trajectories
    card: dict[str, Any]
    seconds: float


def record(task: Task, file: Path | None, rows: int | None, seed: int) -> Recording:
    """Reads the data of a task from a file, or records them anew."""
    begun = time.perf_counter()
    if file is None:
        data = collect(
            task.map, task.protocol, task.rows if rows is None else rows, seed=seed, progress=sys.stderr.isatty()
        )
        source = f"{task.label}, seed {seed}"
        trajectories = Trajectories.from_arrays(data.observations, data.actions, data.terminals, source)
        card: dict[str, Any] = {"protocol": task.protocol, "seed": seed}
    elif rows is not None:
        raise ValueError("--rows is for data that are recorded anew; with --data, all rows of the file are used")
    else:
        trajectories = load_trajectories(file)
        card = {"file": file.name, "sha256": _sha256(file)}
    card |= {"rows": len(trajectories), "episodes": len(trajectories.lengths)}
    return Recording(trajectories, card, time.perf_counter() - begun)


def _sha256(path: Path) -> str:
    """Of a file; of a folder in Minari's layout, of the file with its arrays."""
    with open(path / "data" / "main_data.hdf5" if path.is_dir() else path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
