"""Wind: a point maze that is not deterministic in a continuous way.

After every step a gust pushes each ball, and walls stop it as they stop any other motion. How strong gusts are may
depend on the place, so that a model has to learn where the world can be foreseen and where it cannot.
"""

from __future__ import annotations

from typing import final

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from worlds.collection import Trajectories, collect
from worlds.maps import CELL_SIZE, Map
from worlds.point_maze import PointMaze


@final
class GustyMaze:
    """A :class:`worlds.point_maze.PointMaze` in the wind; nobody can observe it but by what it does.

    Attributes:
        map: its map.
        num_envs: B, the number of balls.
        strength: [rows, columns] standard deviation of the gusts in every cell, in units of action: along each axis, a
            gust of 1 pushes as far as a full action. None pushes farther.
    """

    def __init__(self, map: Map, num_envs: int, strength: ArrayLike = 0.5, seed: int = 0) -> None:
        """Makes the batch and resets it.

        Args:
            map: where to walk.
            num_envs: B.
            strength: one number, or one for every cell of the map.
            seed: of starts, goals and gusts.

        Raises:
            ValueError: for strengths that don't fit the map, or are negative or NaN.
        """
        self.map, self.num_envs = map, num_envs
        self.strength = _strengths(map, strength)
        self._world = PointMaze(map, num_envs, seed=seed)
        self._wind = torch.Generator().manual_seed(seed)

    @property
    def position(self) -> Tensor:
        """[B, 2] float64 places, world units."""
        return self._world.position

    def reset(self, starts: Tensor | None = None, goals: Tensor | None = None) -> Tensor:
        """Begins new episodes: [B, 2] float32 observations; see :meth:`worlds.point_maze.PointMaze.reset`."""
        return self._world.reset(starts, goals)

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor]:
        """[B, 2] actions, then a gust: [B, 2] float32 observations, and [B] whether each ball is at its goal."""
        self._world.step(actions)
        return self._world.step(self._gusts())

    def _gusts(self) -> Tensor:
        """[B, 2] pushes, in units of action."""
        column, row = torch.floor(self.position / CELL_SIZE + 1.5).long().unbind(-1)
        noise = torch.randn(self.num_envs, 2, generator=self._wind, dtype=torch.float64)
        return (self.strength[row, column, None] * noise).clamp(-1, 1)


def repeat_in_wind(
    map: Map,
    rows: int,
    strength: ArrayLike,
    *,
    episode_rows: int = 121,
    seed: int = 0,
    changed: Map | None = None,
) -> Trajectories:
    """Records at least ``rows`` rows in the wind: the actions of walks in calm air are repeated there.

    Actions are thus chosen without a look at the gusts. Had the walker corrected its course, its later actions would
    tell of earlier gusts, and a model of chunks of actions would take the correction for foresight.

    Args:
        map: where to walk.
        rows: how many rows at least.
        strength: of the gusts; see :class:`GustyMaze`.
        episode_rows: rows of an episode; a short one stays near the walk that it repeats.
        seed: of walks and gusts.
        changed: where the walks are repeated; where they were made if None. Balls that would start in a new wall start
            anywhere.

    Raises:
        ValueError: as :func:`worlds.collection.collect` and :class:`GustyMaze` do.
    """
    calm = collect(map, "navigate", rows, episode_rows=episode_rows, seed=seed)
    observations, actions = (array.reshape(-1, episode_rows, 2) for array in (calm.observations, calm.actions))
    world = GustyMaze(changed or map, len(actions), strength, seed)
    starts = torch.from_numpy(observations[:, 0].astype(np.float64))
    row, column = torch.floor(starts.flip(-1) / CELL_SIZE + 1.5).long().unbind(-1)
    free = ~torch.from_numpy(world.map.walls.copy())[row, column]
    seen = [world.reset(torch.where(free[:, None], starts, world.position))]
    for action in actions.swapaxes(0, 1)[:-1]:
        seen.append(world.step(torch.from_numpy(action))[0])
    places = torch.stack(seen, 1).numpy().reshape(-1, 2)
    # In a maze without portals a ball is where it is seen; nobody asks how fast the wind throws it back.
    return Trajectories(places, calm.actions, calm.terminals, places, np.zeros_like(places))


def _strengths(map: Map, strength: ArrayLike) -> Tensor:
    table = np.asarray(strength, np.float64)
    if table.ndim and table.shape != map.shape:
        raise ValueError(f"strength must be one number or of the map's shape {map.shape}, not {table.shape}")
    if not (table >= 0).all():
        raise ValueError("strength must not be negative or NaN")
    return torch.from_numpy(np.broadcast_to(table, map.shape).copy())
