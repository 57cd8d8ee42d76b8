"""What an actor has in mind along its own way, or along an oracle's: plans, their edges, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hjepa.vision.actor import VisionActor
from hjepa.vision.diagnostics import Affine, monotonicity
from hjepa.vision.place_level import PLACE
from hjepa.vision.probes import Score, mean
from planners.landmarks import Path
from scripts._oracle_walls import TrueWalls
from scripts._seen import SeenTasks
from worlds.goal_tasks import Controller

DETOUR = 1.5
"""An edge leads astray if the shortest way around the walls is so many times as long as the edge."""


class Thought(NamedTuple):
    """What one level had in mind for one episode at one decision.

    Attributes:
        step: of the world.
        episode: its number.
        level: which level, 2 or above.
        path: its present plan.
        subgoal: [2] the place that it asks for, cells.
        cost: world steps that it expects from here to the end of its path.
    """

    step: int
    episode: int
    level: int
    path: Path
    subgoal: NDArray[np.float32]
    cost: float


@dataclass(frozen=True, eq=False)
class Watched:
    """A batch of episodes.

    Attributes:
        success: [B].
        steps: [B] until success, or until the end.
        states: [T+1] of [B, S] the world's states.
        actions: [T] of [B, A].
        thoughts: of all levels above the first, at all decisions.
    """

    success: NDArray[np.bool_]
    steps: NDArray[np.int64]
    states: list[Tensor] = field(default_factory=list)
    actions: list[Tensor] = field(default_factory=list)
    thoughts: list[Thought] = field(default_factory=list)


def watch(actor: VisionActor, seen: SeenTasks, drive: Controller | None = None) -> Watched:
    """Runs episodes to their ends and writes down what was planned meanwhile.

    Args:
        actor: plans, and acts.
        seen: the episodes.
        drive: acts in the actor's place, which goes on planning.
    """
    frames, goals = seen.reset()
    actor.begin(goals)
    active, steps, success = seen.active(), np.zeros(seen.num_envs, np.int64), np.zeros(seen.num_envs, bool)
    states, actions, thoughts = [seen.tasks.states()], list[Tensor](), list[Thought]()
    while active.any():
        chosen = np.asarray(actor.act(frames, active))
        if actor.fresh:
            thoughts += _thoughts(actor, len(actions), active)
        done = chosen if drive is None else np.asarray(drive(states[-1].numpy()), np.float32)
        frames, success = seen.step(done)
        steps += active
        states.append(seen.tasks.states())
        actions.append(torch.from_numpy(done))
        active = seen.active()
    return Watched(success, steps, states, actions, thoughts)


def _thoughts(actor: VisionActor, step: int, active: NDArray[np.bool_]) -> list[Thought]:
    session, pace, found = actor.session, float(actor.stack.pace), []
    assert session is not None
    for k in range(2, actor.levels + 1):
        for b in np.flatnonzero(active).tolist():
            track = session.track(k, b)
            subgoal = pace * track.path.embedding[track.carrot]
            found.append(Thought(step, b, k, track.path, subgoal, sum(track.terms().values())))
    return found


def costs_along_oracle_paths(actor: VisionActor, seen: SeenTasks, calibration: Affine) -> dict[str, Score]:
    """How monotone costs are along the oracle's paths, level by level (H-JEPA's diagnostic).

    The straight distance of the goal, which is all that level 1 alone has; that of where the path leads within one
    prediction of the level above, which is what a subgoal is, and beside it, over the same steps, that of the goal; and
    what each level's search expects it to take to the goal, at every decision.
    """
    watched, inverse = watch(actor, seen, seen.tasks.oracle()), calibration.inverse()
    trail = torch.stack([inverse(state[:, :2]) for state in watched.states], 1).numpy()
    goals = inverse(seen.tasks.goals).numpy()
    ways = [trail[b, : count + 1] for b, count in enumerate(watched.steps.tolist())]
    found = {"goal, straight line": _monotone([(b, way, goals[b]) for b, way in enumerate(ways)])}
    for k in range(2, actor.levels + 1):
        length = actor.stack.config.levels[k - 1].stride
        parts = [
            (b, way[t : t + length + 1]) for b, way in enumerate(ways) for t in range(0, len(way) - length, length)
        ]
        found[f"{length} steps ahead"] = _monotone([(b, part, part[-1]) for b, part in parts])
        found[f"goal, over {length} steps"] = _monotone([(b, part, goals[b]) for b, part in parts])
        mine = [[t.cost for t in watched.thoughts if t.level == k and t.episode == b] for b in range(len(ways))]
        found[f"goal, level {k}'s search"] = monotonicity([np.array(costs) for costs in mine], list(range(len(ways))))
    return found


def _monotone(ways: list[tuple[int, NDArray[np.float32], NDArray[np.float32]]]) -> Score:
    """Of episodes, [n, 2] ways and [2] places, how monotone the distance of the place is along the way."""
    return monotonicity([np.linalg.norm(way - place, axis=1) for _, way, place in ways], [b for b, _, _ in ways])


class Judged(NamedTuple):
    """Planned edges of one level.

    Attributes:
        edges: how many.
        crossing: the share whose straight line goes through a wall.
        astray: the share that needs a detour around walls.
    """

    edges: int
    crossing: Score
    astray: Score


def judged_edges(watched: Watched, seen: SeenTasks, calibration: Affine, level: int) -> Judged | None:
    """What the truth says of every edge that a level has planned; None where it planned none."""
    paths = {id(t.path): t for t in watched.thoughts if t.level == level and len(t.path.edges)}
    ends = [(t.episode, torch.from_numpy(t.path.states[:, PLACE])) for t in paths.values()]
    if not ends:
        return None
    episodes = torch.cat([torch.full((len(places) - 1,), b) for b, places in ends])
    starts = calibration(torch.cat([places[:-1] for _, places in ends]))
    stops = calibration(torch.cat([places[1:] for _, places in ends]))
    walls, maps = TrueWalls.of(seen.raster), seen.tasks.maps[episodes]
    crossing = walls.crosses(maps, starts, stops).float()
    astray = torch.tensor(
        [walls.detour(int(m), a, b) > DETOUR for m, a, b in zip(maps, starts, stops, strict=True)]
    ).float()
    return Judged(len(episodes), mean(crossing, episodes), mean(astray, episodes))
