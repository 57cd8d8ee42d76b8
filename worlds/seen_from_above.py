"""Point mazes by pixels: the same environment, seen from above."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray

from worlds.compiled import RADIUS
from worlds.maps import CELL_SIZE
from worlds.maze_view import MazeView, point_maze_raster


class SeenFromAbove(gymnasium.ObservationWrapper[Any, Any, Any]):
    """A :class:`~worlds.envs.PointMazeEnv` whose observations are frames.

    ``SeenFromAbove(gymnasium.make("hjepa/PointMazeGiant-v0"))``: ``observation`` (the ball where it is) and ``goal``
    (the ball where it should be), [3, H, W] uint8 each.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], cell: float = 4.0) -> None:
        """Wraps the environment; ``cell`` is the number of pixels on a cell's side.

        Raises:
            ValueError: for an environment without a map.
        """
        super().__init__(env)
        map = getattr(env.unwrapped, "map", None)
        if map is None:
            raise ValueError(f"SeenFromAbove needs a point maze, not {env.unwrapped}")
        self._raster = point_maze_raster([map], MazeView(cell, dot=RADIUS / CELL_SIZE))
        frame = spaces.Box(0, 255, self._raster.shape, dtype=np.uint8)
        self.observation_space = spaces.Dict({"observation": frame, "goal": frame})

    def observation(self, observation: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.uint8]]:
        """Draws the places."""
        places = {"observation": observation["observation"], "goal": observation["desired_goal"]}
        return {name: self._raster(torch.from_numpy(place)).numpy() for name, place in places.items()}
