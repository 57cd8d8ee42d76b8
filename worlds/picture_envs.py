"""The worlds that are seen in pictures as Gymnasium environments, by pixels or by state.

``gymnasium.make("hjepa/DiverseMaze-v0", obs="pixels")``. Observations are dictionaries: ``observation`` (what is now)
and ``goal`` (what should be): frames [C, H, W] uint8, or a state and a place. Actions are [2] in [-1, 1]. The reward is
1 on success, which ends the episode, else 0.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal, get_args

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from worlds.bounce import HIGH, LOW, MAX_STEP
from worlds.diverse_tasks import DiverseMazeTasks
from worlds.force import MAX_SPEED
from worlds.four_rooms import DISTRACTORS, SIZE
from worlds.four_rooms_data import four_rooms_raster
from worlds.four_rooms_tasks import FourRoomsTasks
from worlds.goal_tasks import GoalTasks
from worlds.layouts import generate_layouts
from worlds.maze_view import LOW as LOW_VIEW
from worlds.maze_view import PROTOCOL, PROTOCOL_SMALL, MazeView, maze_raster
from worlds.raster import Raster, picture
from worlds.rooms_data import rooms_raster
from worlds.rooms_tasks import TwoRoomsTasks
from worlds.two_rooms import fixed_rooms, random_rooms

Observation = dict[str, NDArray[Any]]
Seen = Literal["pixels", "state"]
NUMBERS = 2**31
"""Episodes are drawn among so many."""


class PictureEnv(gymnasium.Env[Any, Any]):
    """One episode after another of some tasks, each drawn by the environment's own random numbers."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 25}

    def __init__(
        self,
        tasks: Callable[[int], GoalTasks],
        raster: Raster,
        drawn: Raster,
        box: spaces.Box,
        reach: float = 1.0,
        obs: Seen = "pixels",
        render_mode: str | None = None,
        enlarge: int = 1,
    ) -> None:
        """Makes the environment.

        Args:
            tasks: the tasks whose only episode is this one.
            raster: draws what the agent sees.
            drawn: draws what people see.
            box: of the states.
            reach: what an action of 1 is in the world's own units.
            obs: ``pixels`` or ``state``.
            render_mode: ``rgb_array`` or None.
            enlarge: times that each pixel is drawn for people.

        Raises:
            ValueError: for an unknown ``obs`` or render mode.
        """
        if obs not in get_args(Seen) or render_mode not in (None, "rgb_array"):
            raise ValueError(f"obs must be pixels or state, and render_mode rgb_array, not {obs!r} and {render_mode!r}")
        self._make, self._raster, self._drawn = tasks, raster, drawn
        self._reach, self._enlarge = reach, enlarge
        self.obs, self.render_mode = obs, render_mode
        self.action_space = spaces.Box(-1.0, 1.0, (2,), dtype=np.float32)
        frame = spaces.Box(0, 255, raster.shape, dtype=np.uint8)
        place = spaces.Box(box.low[:2], box.high[:2], dtype=np.float32)
        seen, goal = (frame, frame) if obs == "pixels" else (box, place)
        self.observation_space = spaces.Dict({"observation": seen, "goal": goal})
        self._tasks = tasks(0)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begins an episode; ``options`` may hold ``episode``, the number of one."""
        super().reset(seed=seed)
        drawn = int(self.np_random.integers(NUMBERS))
        self._tasks = self._make(int((options or {}).get("episode", drawn)))
        return self._observe(), {"success": False}

    def step(self, action: ArrayLike) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """One step."""
        succeeded = bool(self._tasks.step(self._reach * np.asarray(action)[None])[1][0])
        return self._observe(), float(succeeded), succeeded, False, {"success": succeeded}

    def render(self) -> NDArray[np.uint8] | None:
        """[H, W, 3] the agent and its goal."""
        if self.render_mode is None:
            return None
        tasks = self._tasks
        return picture(self._drawn, tasks.states()[0], tasks.maps[0], tasks.goals[0], self._enlarge)

    def _observe(self) -> Observation:
        tasks = self._tasks
        if self.obs == "state":
            return {"observation": tasks.states()[0].numpy(), "goal": tasks.goals[0].numpy().copy()}
        seen, goal = (self._raster(places[0], tasks.maps[0]).numpy() for places in (tasks.states(), tasks.goals))
        return {"observation": seen, "goal": goal}


_layouts = lru_cache(generate_layouts)
"""Environments of the same layouts share them."""


def diverse_maze_env(
    size: str = "large",
    layouts: int = 25,
    layout_seed: int = 0,
    distance: tuple[int, int] = (5, 8),
    obs: Seen = "pixels",
    low: bool = False,
    render_mode: str | None = None,
) -> PictureEnv:
    """Diverse Maze in one of some layouts; ``low`` for fewer pixels; goals at a breadth-first ``distance``."""
    mazes = _layouts(size, layouts, layout_seed)
    view = LOW_VIEW if low else PROTOCOL_SMALL if size == "small" else PROTOCOL
    rows, columns = mazes.walls.shape[1:]
    high = np.array([columns, rows, MAX_SPEED, MAX_SPEED], dtype=np.float32)
    box = spaces.Box(np.array([0, 0, -MAX_SPEED, -MAX_SPEED], dtype=np.float32), high, dtype=np.float32)
    for_people = maze_raster(mazes, MazeView(max(8.0, 240 // columns)))
    return PictureEnv(
        lambda episode: DiverseMazeTasks(mazes, 1, distance, layout_seed, first=episode),
        maze_raster(mazes, view),
        for_people,
        box,
        obs=obs,
        render_mode=render_mode,
    )


def two_rooms_env(
    layouts: int | None = None,
    layout_seed: int = 0,
    obs: Seen = "pixels",
    rgb: bool = False,
    render_mode: str | None = None,
) -> PictureEnv:
    """Two Rooms with PLDM's wall and door, or with so many random ``layouts``."""
    rooms = fixed_rooms() if layouts is None else random_rooms(layouts, layout_seed)
    return PictureEnv(
        lambda episode: TwoRoomsTasks(rooms, 1, layout_seed, first=episode),
        rooms_raster(rooms, rgb),
        rooms_raster(rooms, rgb=True),
        spaces.Box(LOW, HIGH, (2,), dtype=np.float32),
        reach=MAX_STEP,
        obs=obs,
        render_mode=render_mode,
        enlarge=4,
    )


def four_rooms_env(obs: Seen = "pixels", pixels: int = 224, render_mode: str | None = None) -> PictureEnv:
    """Four Rooms with distractors."""
    return PictureEnv(
        lambda episode: FourRoomsTasks(1, first=episode),
        four_rooms_raster(pixels),
        four_rooms_raster(),
        spaces.Box(-1.0, SIZE, (2 + 2 * DISTRACTORS,), dtype=np.float32),
        obs=obs,
        render_mode=render_mode,
    )
