"""The worlds: batched simulators, their Gymnasium environments, and what records data in them.

Importing this package registers ``hjepa/PointMazeMedium-v0``, ``...Large``, ``...Giant``, ``...Teleport`` and
``hjepa/PointMaze-v0`` (any map) with Gymnasium.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from worlds.registration import register_environments

if TYPE_CHECKING:
    from worlds.base import TaskBatch
    from worlds.collection import Trajectories, collect
    from worlds.envs import PointMazeEnv
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

_MODULES = {
    "base": "TaskBatch",
    "collection": "Trajectories collect",
    "envs": "PointMazeEnv",
    "external": "OGBenchTasks",
    "maps": "Map MapError as_map generate_maze named_map",
    "point_maze": "PointMaze",
    "tasks": "MazeTasks",
    "vector_env": "PointMazeVectorEnv",
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Imports a name when it is first asked for: who wants a map or a trace need not wait for torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)


register_environments()
