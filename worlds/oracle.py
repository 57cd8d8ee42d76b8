"""How many steps a breadth-first oracle needs: the yardstick for an agent's own steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from worlds.compiled import walk_all
from worlds.maps import Map


def walk(map: Map, starts: NDArray, goals: NDArray, limits: NDArray[np.int64], seed: int = 0) -> NDArray[np.int64]:
    """Walks from [B, 2] starts to [B, 2] goals along shortest paths, with unit actions and no noise.

    The oracle heads for the centre of the next cell, and in the last cell for the goal. It walks around portals where
    that is possible, else across them.

    Args:
        map: where to walk.
        starts: [B, 2] world units, on free floor.
        goals: [B, 2] world units, on free floor.
        limits: [B] steps after which it gives up.
        seed: of the portals' exits.

    Returns:
        [B] steps until within 1.0 of the goal; the limit where it failed.
    """
    return walk_all(
        np.ascontiguousarray(map.walls),
        np.ascontiguousarray(map.walls_and_entrances),
        map.center(map.entrances()),
        map.center(map.exits()),
        np.ascontiguousarray(starts, dtype=np.float64),
        np.ascontiguousarray(goals, dtype=np.float64),
        np.ascontiguousarray(limits, dtype=np.int64),
        seed,
    )
