"""The names under which Gymnasium makes our environments; what they stand for is imported when one is made."""

from __future__ import annotations

from typing import Any

import gymnasium

NAMED_ENVIRONMENTS = {"Medium": "medium", "Large": "large", "Giant": "giant", "Teleport": "teleport"}
PICTURE_ENVIRONMENTS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "DiverseMaze": ("diverse_maze_env", 500, {}),
    "DiverseMazeSmall": ("diverse_maze_env", 500, {"size": "small", "distance": (2, 7)}),
    "TwoRooms": ("two_rooms_env", 200, {}),
    "TwoRoomsRandom": ("two_rooms_env", 200, {"layouts": 200}),
    "FourRooms": ("four_rooms_env", 210, {}),
}
"""What makes the environment, its time limit, and what it is made with."""


def register_environments() -> None:
    """Registers ``hjepa/PointMazeMedium-v0``, ``hjepa/DiverseMaze-v0`` and their kin with Gymnasium, once."""
    for name, (maker, steps, settings) in PICTURE_ENVIRONMENTS.items():
        if f"hjepa/{name}-v0" not in gymnasium.registry:
            entry = f"worlds.picture_envs:{maker}"
            gymnasium.register(f"hjepa/{name}-v0", entry_point=entry, max_episode_steps=steps, kwargs=settings)
    environments = {f"PointMaze{name}": {"map": map} for name, map in NAMED_ENVIRONMENTS.items()}
    for name, kwargs in {**environments, "PointMaze": {}}.items():
        env_id = f"hjepa/{name}-v0"
        if env_id not in gymnasium.registry:
            gymnasium.register(
                env_id,
                entry_point="worlds.envs:PointMazeEnv",
                vector_entry_point="worlds.vector_env:PointMazeVectorEnv",
                max_episode_steps=1000,
                kwargs=kwargs,
            )
