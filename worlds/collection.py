"""Trajectories recorded as OGBench recorded its data sets, about a hundred times as fast.

Two protocols of the benchmark's generator: *navigate* (walk to one random goal after another) and *stitch* (short
walks to goals four cells away). The actor is a noisy breadth-first oracle that sees the map; what learns from the data
doesn't.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from worlds.compiled import record_all
from worlds.maps import Map

Protocol = Literal["navigate", "stitch"]
Points = NDArray[np.float32]

GIANT_CELLS = 192
"""Maps with at least as many cells as OGBench's giant one get its longer navigate episodes."""


@dataclass(frozen=True)
class Trajectories:
    """Episodes laid end to end, as OGBench does it: the last action of an episode has no next state.

    Attributes:
        observations: [R, 2] what the agent saw; world units. Where a portal took it, still the place before the jump.
        actions: [R, 2] in [-1, 1].
        terminals: [R] 1 in the last row of each episode.
        qpos: [R, 2] where the ball was, after any jump; world units.
        qvel: [R, 2] the velocity with which a wall threw it back; world units per second, 0 in the open.
    """

    observations: Points
    actions: Points
    terminals: NDArray[np.float32]
    qpos: Points
    qvel: Points

    def __len__(self) -> int:
        return len(self.observations)

    @property
    def num_episodes(self) -> int:
        """Number of episodes."""
        return int(self.terminals.sum())

    def save(self, path: str | Path) -> Path:
        """Writes an OGBench npz file, beside the target first, so that a killed run leaves no half file."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        with partial.open("wb") as file:
            np.savez(file, **vars(self))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        return path


def default_episode_rows(map: Map, protocol: Protocol) -> int:
    """Rows per episode in OGBench: stitch 201, navigate 1001, and 2001 on maps as large as giant or larger."""
    if protocol == "stitch":
        return 201
    return 2001 if map.cells.size >= GIANT_CELLS else 1001


def collect(
    map: Map,
    protocol: Protocol = "navigate",
    rows: int = 1_000_000,
    *,
    episode_rows: int | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Trajectories:
    """Records at least ``rows`` rows, rounded up to whole episodes, with every core.

    The data depend on the map, the protocol, the seed and the episodes' number and length, not on the number of cores.

    Args:
        map: where to walk.
        protocol: ``navigate`` or ``stitch``.
        rows: how many rows at least.
        episode_rows: rows per episode; OGBench's by default (:func:`default_episode_rows`).
        seed: of the random streams, one per episode.
        progress: show a progress bar.

    Raises:
        ValueError: for an unknown protocol, or rows below 1.
    """
    if protocol not in get_args(Protocol):
        raise ValueError(f"unknown protocol {protocol!r}, expected one of {', '.join(get_args(Protocol))}")
    length = default_episode_rows(map, protocol) if episode_rows is None else episode_rows
    if rows < 1 or length < 2:
        raise ValueError(f"collect needs rows >= 1 and episode_rows >= 2, not {rows} and {length}")
    episodes = -(-rows // length)
    shape = (episodes, length, 2)
    observations, actions, qpos, qvel = (np.empty(shape, dtype=np.float32) for _ in range(4))
    places = _Places.of(map)
    block = max(1, episodes // 50) if progress else episodes
    for first in tqdm(range(0, episodes, block), desc="collecting", disable=not progress, leave=False):
        part = slice(first, first + block)
        outputs = (observations[part], actions[part], qpos[part], qvel[part])
        record_all(*places.arrays(), protocol == "stitch", seed, first, *outputs)
    terminals = np.zeros((episodes, length), dtype=np.float32)
    terminals[:, -1] = 1
    return Trajectories(
        observations=observations.reshape(-1, 2),
        actions=actions.reshape(-1, 2),
        terminals=terminals.reshape(-1),
        qpos=qpos.reshape(-1, 2),
        qvel=qvel.reshape(-1, 2),
    )


@dataclass(frozen=True)
class _Places:
    """A map as arrays for compiled code."""

    walls: NDArray[np.bool_]
    starts: NDArray[np.int64]
    goals: NDArray[np.int64]
    entrances: NDArray[np.float64]
    exits: NDArray[np.float64]

    @classmethod
    def of(cls, map: Map) -> _Places:
        goals = map.non_corridor_cells()
        goals = goals if len(goals) else map.free_cells()
        return cls(map.walls, map.free_cells(), goals, map.center(map.entrances()), map.center(map.exits()))

    def arrays(self) -> tuple[NDArray, ...]:
        return tuple(np.ascontiguousarray(array) for array in vars(self).values())
