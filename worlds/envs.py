"""Point mazes as Gymnasium environments: one ball, or a native vector of them on the batched world."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from worlds.compiled import SUCCESS_RADIUS
from worlds.draw import draw_maze, maze_text
from worlds.maps import CELL_SIZE, Map, MapError, as_map, generate_maze
from worlds.places import official_task, place_near, random_task
from worlds.point_maze import PointMaze

Observation = dict[str, NDArray[np.float32]]

RENDER_MODES = ["human", "rgb_array", "ansi"]
RENDER_FPS = 30


class PointMazeEnv(gymnasium.Env[Any, Any]):
    """One ball that should get within 1.0 of a goal.

    Observations are dictionaries of [2] places in world units: ``observation`` and ``achieved_goal`` (where the ball
    is) and ``desired_goal``. Actions are [2] in [-1, 1]. The reward is 1 on success, which ends the episode, else 0.

    ``reset(options={"task_id": k})`` takes OGBench's task ``k`` of a named maze; otherwise start and goal are random.
    """

    metadata = {"render_modes": RENDER_MODES, "render_fps": RENDER_FPS}

    def __init__(
        self,
        map: Map | str | Path | None = None,
        rows: int = 16,
        columns: int = 16,
        maze_seed: int = 0,
        render_mode: str | None = None,
    ) -> None:
        """Makes the environment.

        Args:
            map: a map, the name of one, its text, or its file; a generated maze by default.
            rows: height of the generated maze in cells.
            columns: width of the generated maze in cells.
            maze_seed: of the generated maze.
            render_mode: ``human``, ``rgb_array``, ``ansi`` or None.
        """
        require_render_mode(render_mode)
        self.map = chosen_map(map, rows, columns, maze_seed)
        self.render_mode = render_mode
        self.observation_space = observation_space(self.map)
        self.action_space = action_space()
        self._world = PointMaze(self.map, 1)
        self._window: Any = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begins an episode; ``options`` may hold ``task_id``."""
        super().reset(seed=seed)
        begin(self._world, self.np_random, np.ones(1, dtype=bool), options)
        self._render_human()
        return self._observe(), {"success": False}

    def step(self, action: NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """One step; as in OGBench the observation is the place before a portal's jump."""
        seen, success = self._world.step(torch.as_tensor(np.asarray(action))[None])
        self._render_human()
        succeeded = bool(success[0])
        return self._observe(seen), float(succeeded), succeeded, False, {"success": succeeded}

    def compute_reward(self, achieved_goal: ArrayLike, desired_goal: ArrayLike, info: Any = None) -> NDArray:
        """[...] rewards of [..., 2] achieved for [..., 2] desired places (for hindsight relabelling)."""
        return goal_reward(achieved_goal, desired_goal)

    def render(self) -> NDArray[np.uint8] | str | None:
        """A picture or a text, by the render mode; in mode ``human`` the window is kept up to date instead."""
        position, goal = self._world.position[0].numpy(), self._world.goal[0].numpy()
        if self.render_mode == "ansi":
            return maze_text(self.map, position, goal)
        if self.render_mode == "rgb_array":
            return draw_maze(self.map, position, goal)
        self._render_human()
        return None

    def close(self) -> None:
        """Closes the window, if there is one."""
        if self._window is not None:
            self._window.close()
            self._window = None

    def _observe(self, seen: torch.Tensor | None = None) -> Observation:
        place = (self._world.observe() if seen is None else seen)[0].numpy()
        return {
            "observation": place,
            "achieved_goal": place.copy(),
            "desired_goal": self._world.goal[0].numpy().copy(),
        }

    def _render_human(self) -> None:
        if self.render_mode != "human":
            return
        if self._window is None:
            self._window = _Window()
        self._window.show(draw_maze(self.map, self._world.position[0].numpy(), self._world.goal[0].numpy()))


class _Window:
    """A pygame window that shows pictures at the environment's frame rate."""

    def __init__(self) -> None:
        try:
            import pygame
        except ImportError as error:
            raise gymnasium.error.DependencyNotInstalled(
                "render_mode 'human' needs the package pygame-ce: pip install pygame-ce"
            ) from error
        self._pygame = pygame
        self._screen: Any = None
        pygame.display.init()
        self._clock = pygame.time.Clock()

    def show(self, picture: NDArray[np.uint8]) -> None:
        """Shows a [height, width, 3] picture."""
        if self._screen is None:
            self._screen = self._pygame.display.set_mode((picture.shape[1], picture.shape[0]))
        self._pygame.surfarray.blit_array(self._screen, picture.swapaxes(0, 1))
        self._pygame.event.pump()
        self._pygame.display.flip()
        self._clock.tick(RENDER_FPS)

    def close(self) -> None:
        self._pygame.display.quit()


def goal_reward(achieved_goal: ArrayLike, desired_goal: ArrayLike) -> NDArray:
    """[...] 1 within 1.0 of the goal, else 0, for [..., 2] places."""
    gap = np.asarray(achieved_goal, dtype=np.float64) - np.asarray(desired_goal, dtype=np.float64)
    return ((gap**2).sum(-1) <= SUCCESS_RADIUS**2).astype(np.float64)


def observation_space(map: Map) -> spaces.Dict:
    """The places on a map, world units."""
    low = np.full(2, -1.5 * CELL_SIZE, dtype=np.float32)
    high = low + np.array(map.shape[::-1], dtype=np.float32) * np.float32(CELL_SIZE)
    keys = ("observation", "achieved_goal", "desired_goal")
    return spaces.Dict({key: spaces.Box(low, high, dtype=np.float32) for key in keys})


def action_space() -> spaces.Box:
    """[-1, 1]^2."""
    return spaces.Box(-1.0, 1.0, (2,), dtype=np.float32)


def begin(
    world: PointMaze, generator: np.random.Generator, mask: NDArray[np.bool_], options: dict[str, Any] | None
) -> None:
    """Begins the masked episodes with starts, goals and portal exits drawn from the generator."""
    task_id = (options or {}).get("task_id")
    starts, goals = world.position.numpy().copy(), world.goal.numpy().astype(np.float64)
    for index in np.flatnonzero(mask):
        start, goal = random_task(world.map, generator)[:2] if task_id is None else official_task(world.map, task_id)
        starts[index], goals[index] = place_near(world.map, start, generator), place_near(world.map, goal, generator)
    if mask.all():
        world.seed(int(generator.integers(2**62)))
    world.reset(torch.from_numpy(starts), torch.from_numpy(goals), torch.from_numpy(mask))


def chosen_map(map: Map | str | Path | None, rows: int, columns: int, maze_seed: int) -> Map:
    """The given map, or one generated; it must have room for a start and a goal."""
    chosen = generate_maze(rows, columns, maze_seed) if map is None else as_map(map)
    if len(chosen.free_cells()) < 2:
        raise MapError(f"{chosen.name}: an environment needs at least two free cells")
    return chosen


def require_render_mode(mode: str | None, allowed: list[str] = RENDER_MODES) -> None:
    """Raises ValueError for a render mode that is not allowed."""
    if mode is not None and mode not in allowed:
        raise ValueError(f"unknown render_mode {mode!r}, expected one of {', '.join(allowed)}")
