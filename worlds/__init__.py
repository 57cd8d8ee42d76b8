"""The worlds: batched simulators, their Gymnasium environments, and what records data in them.

Importing this package registers ``hjepa/PointMazeMedium-v0``, ``...Large``, ``...Giant``, ``...Teleport`` and
``hjepa/PointMaze-v0`` (any map) with Gymnasium.
"""

from worlds.base import TaskBatch
from worlds.collect import Trajectories, collect
from worlds.envs import PointMazeEnv, register_environments
from worlds.external import OGBenchTasks
from worlds.maps import Map, MapError, as_map, generate_maze, named_map
from worlds.point_maze import PointMaze
from worlds.tasks import MazeTasks
from worlds.vector_env import PointMazeVectorEnv

__all__ = [
    "Map",
    "MapError",
    "MazeTasks",
    "OGBenchTasks",
    "PointMaze",
    "PointMazeEnv",
    "PointMazeVectorEnv",
    "TaskBatch",
    "Trajectories",
    "as_map",
    "collect",
    "generate_maze",
    "named_map",
]

register_environments()
