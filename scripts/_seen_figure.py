"""A picture of an episode that an agent saw: its way, every level's plan, and the frames that it had to go by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import max_pool2d

from hjepa.vision.actor import VisionActor
from hjepa.vision.diagnostics import Affine
from hjepa.vision.place_level import PLACE
from planners.trace import Decision, Episode, LevelView
from scripts._oracle_walls import TrueWalls
from scripts._seen import SeenTasks
from viz.backdrop import Extent
from viz.figures import SUFFIXES, save
from viz.record import write_gif
from viz.seen import Picture, seen_figure
from worlds import DiverseMazeTasks
from worlds.maps import CELL_SIZE, Map

Points = NDArray[np.float32]
Show = Callable[[Tensor], Points]
"""[..., 2] places, or states of a level, to [..., 2] places in a picture."""
GLANCES = 64
"""Places that are looked at to tell where in the world what the agent has in mind would be."""


@dataclass(frozen=True, eq=False)
class Recorded:
    """One episode.

    Attributes:
        ground: its maze, or a picture of its layout.
        episode: what happened and what was planned, in the units in which the ground is drawn.
        first: [3, H, W] the first frame that the agent saw.
        goal: [3, H, W] what it was shown of the goal.
    """

    ground: Map | Picture
    episode: Episode
    first: NDArray[np.uint8]
    goal: NDArray[np.uint8]


def draw_episode(actor: VisionActor, seen: SeenTasks, title: str, path: Path) -> Path:
    """Runs the first of some episodes, and draws it: a film (.gif) or a figure.

    Raises:
        ValueError: for a file of another kind, or a film of a world that is no maze of cells.
    """
    require_drawable(seen, path)
    recorded = record(actor, seen, title)
    if isinstance(recorded.ground, Map) and path.suffix.lower() == ".gif":
        return write_gif(recorded.ground, recorded.episode, path)
    return save(seen_figure(recorded.ground, recorded.episode, recorded.first, recorded.goal), path)


def require_drawable(seen: SeenTasks, path: Path) -> None:
    """Finds mistakes before anything is run; see :func:`draw_episode`."""
    suffixes = (*SUFFIXES, ".gif") if isinstance(seen.tasks, DiverseMazeTasks) else SUFFIXES
    if path.suffix.lower() not in suffixes:
        raise ValueError(f"{path}: expected a file ending in {', '.join(suffixes)}")


def record(actor: VisionActor, seen: SeenTasks, title: str) -> Recorded:
    """Runs the first of some episodes."""
    tasks, draw = seen.tasks, _drawn(seen)
    frames, goals = seen.reset()
    actor.begin(goals)
    only = np.arange(seen.num_envs) == 0
    calibration = _calibration(actor, seen)
    first, places, decisions = frames[0], [tasks.states()[0, :2]], list[Decision]()
    success = np.zeros(seen.num_envs, bool)
    while seen.active()[0]:
        actions = actor.act(frames, only)
        if actor.fresh:
            decisions.append(_decision(actor, len(places) - 1, lambda states: draw(calibration(states[..., PLACE]))))
        frames, success = seen.step(actions)
        places.append(tasks.states()[0, :2])
    episode = Episode(draw(torch.stack(places)), draw(tasks.goals[0]), bool(success[0]), decisions, title)
    return Recorded(_ground(seen), episode, first, goals[0])


def _drawn(seen: SeenTasks) -> Show:
    """From [..., 2] places in the world to those in its picture: in one of a maze, cells are larger."""
    in_maze = isinstance(seen.tasks, DiverseMazeTasks)
    factor, offset = (CELL_SIZE, -1.5 * CELL_SIZE) if in_maze else (1.0, 0.0)  # a maze's first middle is at -CELL_SIZE
    return lambda places: (factor * places + offset).numpy().astype(np.float32)


def _ground(seen: SeenTasks) -> Map | Picture:
    """What the first episode takes place in."""
    tasks, raster = seen.tasks, seen.raster
    if isinstance(tasks, DiverseMazeTasks):
        return tasks.layouts.maps[int(tasks.maps[0])]
    image = raster.backgrounds[int(tasks.maps[0]), :3].permute(1, 2, 0).numpy()
    left, right, bottom = ((edge - raster.offset) / raster.scale for edge in (0, image.shape[1], image.shape[0]))
    return Picture(image, Extent(left, right, left, bottom))


def _calibration(actor: VisionActor, seen: SeenTasks) -> Affine:
    """From the agent's places to those of the world, by what it makes of some on the floor of the first layout."""
    tasks, stack, raster = seen.tasks, actor.stack, seen.raster
    number = tasks.maps[:1].expand(GLANCES)
    solid = TrueWalls.of(raster).solid[int(tasks.maps[0])]
    floor = (~max_pool2d(solid[None].float(), 5, 1, 2)[0].bool()).nonzero()  # so far from walls that all of it is seen
    picked = floor[torch.randint(len(floor), (GLANCES,), generator=torch.Generator().manual_seed(0))]
    places = (picked.flip(1) + 0.5 - raster.offset) / raster.scale
    with torch.no_grad():
        found = stack.places(stack.backbone(raster(places, number)))
    return Affine.fit(found, places)


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
