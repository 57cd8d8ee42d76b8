"""A picture of an episode that an agent saw: its way, every level's plan, and the frames that it had to go by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hjepa.vision.actor import VisionActor
from hjepa.vision.diagnostics import Affine
from hjepa.vision.place_level import PLACE
from planners.trace import Decision, Episode, LevelView
from scripts._seen import SeenTasks
from viz.figures import SUFFIXES, save
from viz.record import write_gif
from viz.seen import seen_figure
from worlds import DiverseMazeTasks
from worlds.maps import CELL_SIZE, Map

Points = NDArray[np.float32]
Show = Callable[[Tensor], Points]
"""[..., D] states of a level to their [..., 2] places in pictures of mazes."""
GLANCES = 64
"""Places that are looked at to tell where in the world what the agent has in mind would be."""


@dataclass(frozen=True, eq=False)
class Recorded:
    """One episode.

    Attributes:
        map: its maze.
        episode: what happened and what was planned, in the units of pictures of mazes.
        first: [3, H, W] the first frame that the agent saw.
        goal: [3, H, W] what it was shown of the goal.
    """

    map: Map
    episode: Episode
    first: NDArray[np.uint8]
    goal: NDArray[np.uint8]


def draw_episode(actor: VisionActor, seen: SeenTasks, title: str, path: Path) -> Path:
    """Runs the first of some episodes, and draws it: a film (.gif) or a figure.

    Raises:
        ValueError: for a world whose layouts are no mazes of cells, or a file of another kind.
    """
    if path.suffix.lower() not in (*SUFFIXES, ".gif"):
        raise ValueError(f"{path}: expected a file ending in {', '.join((*SUFFIXES, '.gif'))}")
    recorded = record(actor, seen, title)
    if path.suffix.lower() == ".gif":
        return write_gif(recorded.map, recorded.episode, path)
    figure = seen_figure(recorded.map, recorded.episode, recorded.first, recorded.goal)
    return save(figure, path)


def record(actor: VisionActor, seen: SeenTasks, title: str) -> Recorded:
    """Runs the first of some episodes."""
    tasks = seen.tasks
    if not isinstance(tasks, DiverseMazeTasks):
        raise ValueError(f"--figure draws mazes of cells; {type(tasks).__name__} has none")
    frames, goals = seen.reset()
    actor.begin(goals)
    only = np.arange(seen.num_envs) == 0
    show = _to_pictures(actor, seen)
    first, places, decisions = frames[0], [tasks.states()[0, :2]], list[Decision]()
    success = np.zeros(seen.num_envs, bool)
    while seen.active()[0]:
        actions = actor.act(frames, only)
        if actor.fresh:
            decisions.append(_decision(actor, len(places) - 1, show))
        frames, success = seen.step(actions)
        places.append(tasks.states()[0, :2])
    way = _of_map(torch.stack(places))
    episode = Episode(way, _of_map(tasks.goals[0]), bool(success[0]), decisions, title)
    return Recorded(tasks.layouts.maps[int(tasks.maps[0])], episode, first, goals[0])


def _of_map(places: Tensor) -> Points:
    """[..., 2] places in cells from the corner to those of pictures of mazes, whose first cell's middle is one less."""
    return (CELL_SIZE * (places - 1.5)).numpy().astype(np.float32)


def _to_pictures(actor: VisionActor, seen: SeenTasks) -> Show:
    """Where in the world a place of the agent's is, by what it makes of some places on the floor."""
    tasks, stack = seen.tasks, actor.stack
    assert isinstance(tasks, DiverseMazeTasks)
    cells = tasks.layouts.maps[int(tasks.maps[0])].free_cells()
    generator = np.random.default_rng(0)
    picked = cells[generator.integers(len(cells), size=GLANCES)][:, ::-1] + generator.uniform(0.2, 0.8, (GLANCES, 2))
    places = torch.from_numpy(picked.astype(np.float32))
    with torch.no_grad():
        found = stack.places(stack.backbone(seen.raster(places, tasks.maps[:1].expand(GLANCES))))
    calibration = Affine.fit(found, places)
    return lambda states: _of_map(calibration(states[..., PLACE]))


def _decision(actor: VisionActor, step: int, show: Show) -> Decision:
    """What every level has in mind for the first episode."""
    session = actor.session
    assert session is not None and session.pursuit is not None
    plan = show(session.pursuit.states[0])
    views = [LevelView(plan, plan[-1])]
    for k in range(2, actor.levels + 1):
        track = session.track(k, 0)
        path = track.path
        states = show(torch.from_numpy(path.states[track.at :]))
        asked = show(torch.from_numpy(path.embedding[track.carrot]) * actor.stack.pace)
        arrival = path.arrival[track.at :] - path.arrival[track.at] - track.age
        views.append(LevelView(states, asked, int(track.age), path.expanded, arrival.astype(np.float32), "astar"))
    return Decision(step, tuple(views), tuple(session.events[0]))
