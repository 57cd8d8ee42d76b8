"""The names under which Gymnasium makes our environments; what they stand for is imported when one is made."""

from __future__ import annotations

import gymnasium

NAMED_ENVIRONMENTS = {"Medium": "medium", "Large": "large", "Giant": "giant", "Teleport": "teleport"}


def register_environments() -> None:
    """Registers ``hjepa/PointMazeMedium-v0`` and its kin with Gymnasium, once."""
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
