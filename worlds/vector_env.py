"""The point maze as a native Gymnasium vector environment, on the batched world."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from worlds.draw import draw_maze, maze_text
from worlds.envs import (
    RENDER_FPS,
    RENDER_MODES,
    Observation,
    action_space,
    begin,
    chosen_map,
    goal_reward,
    observation_space,
    require_render_mode,
)
from worlds.maps import Map
from worlds.point_maze import PointMaze


class PointMazeVectorEnv(VectorEnv[Any, Any, Any]):
    """Any number of :class:`PointMazeEnv` on one batched world; an episode that ended resets in the next step."""

    metadata = {
        "render_modes": RENDER_MODES[1:],
        "render_fps": RENDER_FPS,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        num_envs: int = 1,
        max_episode_steps: int = 1000,
        map: Map | str | Path | None = None,
        rows: int = 16,
        columns: int = 16,
        maze_seed: int = 0,
        render_mode: str | None = None,
    ) -> None:
        """Makes the vector; see :class:`PointMazeEnv` for the other arguments.

        Args:
            num_envs: B.
            max_episode_steps: after which an episode is truncated.
            map: a map, the name of one, its text, or its file; a generated maze by default.
            rows: height of the generated maze in cells.
            columns: width of the generated maze in cells.
            maze_seed: of the generated maze.
            render_mode: ``rgb_array``, ``ansi`` or None.
        """
        require_render_mode(render_mode, self.metadata["render_modes"])
        self.map = chosen_map(map, rows, columns, maze_seed)
        self.num_envs = num_envs
        self.render_mode = render_mode
        self.max_episode_steps = max_episode_steps
        self.single_observation_space = observation_space(self.map)
        self.single_action_space = action_space()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._world = PointMaze(self.map, num_envs)
        self._steps = np.zeros(num_envs, dtype=np.int64)
        self._ended = np.zeros(num_envs, dtype=bool)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begins all episodes; ``options`` may hold ``task_id``."""
        super().reset(seed=seed)
        begin(self._world, self.np_random, np.ones(self.num_envs, dtype=bool), options)
        self._steps[:] = 0
        self._ended[:] = False
        return self._observe(self._world.observe().numpy()), {"success": np.zeros(self.num_envs, dtype=bool)}

    def step(
        self, actions: NDArray[np.float32]
    ) -> tuple[Observation, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """One step; episodes that ended in the step before begin anew, and their actions are ignored."""
        seen, success = (tensor.numpy() for tensor in self._world.step(torch.as_tensor(np.asarray(actions))))
        begun = self._ended
        if begun.any():
            begin(self._world, self.np_random, begun, None)
            seen = np.where(begun[:, None], self._world.observe().numpy(), seen)
        self._steps = np.where(begun, 0, self._steps + 1)
        terminated = success & ~begun
        truncated = ~begun & (self._steps >= self.max_episode_steps)
        self._ended = terminated | truncated
        return self._observe(seen), terminated.astype(np.float64), terminated, truncated, {"success": terminated}

    def compute_reward(self, achieved_goal: ArrayLike, desired_goal: ArrayLike, info: Any = None) -> NDArray:
        """[...] rewards of [..., 2] achieved for [..., 2] desired places."""
        return goal_reward(achieved_goal, desired_goal)

    def render(self) -> tuple[NDArray[np.uint8] | str, ...] | None:
        """One picture or text per environment, by the render mode."""
        if self.render_mode is None:
            return None
        draw = maze_text if self.render_mode == "ansi" else draw_maze
        places = zip(self._world.position.numpy(), self._world.goal.numpy(), strict=True)
        return tuple(draw(self.map, position, goal) for position, goal in places)

    def _observe(self, place: NDArray[np.float32]) -> Observation:
        return {
            "observation": place.copy(),
            "achieved_goal": place.copy(),
            "desired_goal": self._world.goal.numpy().copy(),
        }
