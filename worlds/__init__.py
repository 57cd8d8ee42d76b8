"""The worlds: batched simulators, their Gymnasium environments, and what records data in them.

Importing this package registers ``hjepa/PointMazeMedium-v0``, ``...Large``, ``...Giant``, ``...Teleport`` and
``hjepa/PointMaze-v0`` (any map) with Gymnasium, and the worlds seen in pictures: ``hjepa/DiverseMaze-v0``,
``hjepa/DiverseMazeSmall-v0``, ``hjepa/TwoRooms-v0``, ``hjepa/TwoRoomsRandom-v0`` and ``hjepa/FourRooms-v0``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from worlds.registration import register_environments

if TYPE_CHECKING:
    from worlds.base import TaskBatch
    from worlds.collection import Trajectories, collect
    from worlds.diverse_maze import DiverseMaze, record_diverse_maze
    from worlds.diverse_tasks import DiverseMazeTasks
    from worlds.envs import PointMazeEnv
    from worlds.episodes import Episodes
    from worlds.external import OGBenchTasks
    from worlds.four_rooms import FourRooms
    from worlds.four_rooms_data import four_rooms_raster, record_four_rooms
    from worlds.four_rooms_tasks import FourRoomsTasks
    from worlds.goal_tasks import GoalTasks
    from worlds.layouts import Layouts, generate_layouts
    from worlds.maps import Map, MapError, as_map, generate_maze, named_map
    from worlds.maze_view import MazeView, maze_raster, point_maze_raster
    from worlds.point_maze import PointMaze
    from worlds.raster import Raster
    from worlds.rooms_data import record_rooms, rooms_raster
    from worlds.rooms_tasks import TwoRoomsTasks
    from worlds.tasks import MazeTasks
    from worlds.two_rooms import Rooms, TwoRooms, fixed_rooms, random_rooms
    from worlds.vector_env import PointMazeVectorEnv

__all__ = [
    "DiverseMaze",
    "DiverseMazeTasks",
    "Episodes",
    "FourRooms",
    "FourRoomsTasks",
    "GoalTasks",
    "Layouts",
    "Map",
    "MapError",
    "MazeTasks",
    "MazeView",
    "OGBenchTasks",
    "PointMaze",
    "PointMazeEnv",
    "PointMazeVectorEnv",
    "Raster",
    "Rooms",
    "TaskBatch",
    "Trajectories",
    "TwoRooms",
    "TwoRoomsTasks",
    "as_map",
    "collect",
    "fixed_rooms",
    "four_rooms_raster",
    "generate_layouts",
    "generate_maze",
    "maze_raster",
    "named_map",
    "point_maze_raster",
    "random_rooms",
    "record_diverse_maze",
    "record_four_rooms",
    "record_rooms",
    "rooms_raster",
]

_MODULES = {
    "base": "TaskBatch",
    "collection": "Trajectories collect",
    "diverse_maze": "DiverseMaze record_diverse_maze",
    "diverse_tasks": "DiverseMazeTasks",
    "envs": "PointMazeEnv",
    "episodes": "Episodes",
    "external": "OGBenchTasks",
    "four_rooms": "FourRooms",
    "four_rooms_data": "four_rooms_raster record_four_rooms",
    "four_rooms_tasks": "FourRoomsTasks",
    "goal_tasks": "GoalTasks",
    "layouts": "Layouts generate_layouts",
    "maps": "Map MapError as_map generate_maze named_map",
    "maze_view": "MazeView maze_raster point_maze_raster",
    "point_maze": "PointMaze",
    "raster": "Raster",
    "rooms_data": "record_rooms rooms_raster",
    "rooms_tasks": "TwoRoomsTasks",
    "tasks": "MazeTasks",
    "two_rooms": "Rooms TwoRooms fixed_rooms random_rooms",
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
