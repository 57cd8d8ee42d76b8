"""What every world that is seen in pictures promises, and how it checks what it is given."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from worlds.base import Flags


class PictureWorld(Protocol):
    """A batched world of states, each in one of some layouts: what can be drawn by a raster.

    Attributes:
        num_envs: B.
        maps: [B] layouts.
        state: [B, S] float64, the place first.
    """

    num_envs: int
    maps: NDArray[np.int64]
    state: NDArray[np.float64]

    def seed(self, seed: int) -> None:
        """Starts the world's random stream anew."""
        ...

    def reset(
        self, states: NDArray[np.floating] | None, maps: NDArray[np.integer] | None, mask: Flags | None = None
    ) -> Tensor:
        """Begins episodes: [B, S] float32 states."""
        ...

    def step(self, actions: Tensor | NDArray[np.floating]) -> Tensor:
        """One step: [B, S] float32 states."""
        ...

    def observe(self) -> Tensor:
        """[B, S] float32 states."""
        ...


def finite_actions(actions: Tensor | NDArray[np.floating], number: int, what: str) -> NDArray[np.float64]:
    """[B, 2] actions as an array, or ValueError."""
    given = np.ascontiguousarray(actions, dtype=np.float64)
    if given.shape != (number, 2) or not np.isfinite(given).all():
        raise ValueError(f"{what}: actions must be ({number}, 2) finite numbers, not {given.shape}")
    return given


def chosen_layouts(
    now: NDArray[np.int64], maps: NDArray[np.integer] | None, mask: NDArray[np.bool_], count: int, what: str
) -> NDArray[np.int64]:
    """[B] layouts after a reset of the masked episodes, or ValueError."""
    given = now if maps is None else np.asarray(maps).astype(np.int64)
    if given.shape != now.shape or (given < 0).any() or (given >= count).any():
        raise ValueError(f"{what}: maps must be {now.shape} numbers of layouts below {count}")
    return np.where(mask, given, now)


def require_counts(what: str, episodes: int, time_limit: int) -> None:
    """Raises ValueError for tasks without episodes or time."""
    if episodes < 1 or time_limit < 1:
        raise ValueError(f"{what} needs episodes and time_limit >= 1, not {episodes} and {time_limit}")
