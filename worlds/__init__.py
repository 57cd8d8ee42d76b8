"""The worlds: batched simulators, their Gymnasium environments, and what records data in them."""

from worlds.collect import Trajectories, collect
from worlds.maps import Map, MapError, as_map, generate_maze, named_map
from worlds.point_maze import PointMaze

__all__ = ["Map", "MapError", "PointMaze", "Trajectories", "as_map", "collect", "generate_maze", "named_map"]
