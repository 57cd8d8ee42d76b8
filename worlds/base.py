"""What an evaluation sees of any world: a batch of goal-reaching episodes."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]
Flags = NDArray[np.bool_]


@runtime_checkable
class TaskBatch(Protocol):
    """``B`` episodes side by side, each with its own start and goal; it knows its map, whoever uses it doesn't.

    An episode that has succeeded, or used up its time, is frozen: further actions leave it where it is.

    Attributes:
        num_envs: B.
        time_limit: steps after which every episode is over (the largest of the episodes' own limits).
        task_names: [B] which task each episode belongs to.
    """

    num_envs: int
    time_limit: int
    task_names: list[str]

    def reset(self) -> tuple[Points, Points]:
        """Begins all episodes (always the same ones): [B, 2] observations and [B, 2] goals, world units."""
        ...

    def step(self, actions: NDArray[np.floating]) -> tuple[Points, Flags]:
        """One step with [B, 2] actions in [-1, 1]: [B, 2] observations, [B] who has succeeded so far."""
        ...

    def active(self) -> Flags:
        """[B] which episodes still run."""
        ...

    def oracle_steps(self) -> NDArray[np.int64]:
        """[B] steps that a breadth-first oracle needs from the same starts to the same goals; its limit if it fails."""
        ...

    def close(self) -> None:
        """Frees what the episodes hold."""
        ...
