"""Recorded experience in memory: episodes laid end to end, checked once so that nothing later has to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

ARRAYS = ("observations", "actions", "terminals")


class DataError(ValueError):
    """Recorded experience that cannot be used; the message is one line."""


@dataclass(frozen=True)
class Trajectories:
    """Episodes laid end to end.

    Attributes:
        observations: [R, D] float32, one row per world step.
        actions: [R, A] float32, taken at that row; the last one of an episode leads nowhere.
        starts: [E] int64, first row of each episode.
        lengths: [E] int64, rows of each episode.
        source: what to call them in an error, such as the file's name.
    """

    observations: Tensor
    actions: Tensor
    starts: Tensor
    lengths: Tensor
    source: str = "trajectories"

    @classmethod
    def from_arrays(cls, observations: Any, actions: Any, terminals: Any, source: str = "trajectories") -> Trajectories:
        """Checks [R, D] observations, [R, A] actions and [R] terminals (true on each episode's last row).

        Raises:
            DataError: for another shape, a number that is not finite, or an unfinished last episode.
        """
        arrays = {"observations": np.asarray(observations), "actions": np.asarray(actions)}
        done = np.asarray(terminals)
        for key, array in {**arrays, "terminals": done}.items():
            _check_numbers(array, key, source)
        _check_shapes(arrays["observations"], arrays["actions"], done, source)
        last = np.flatnonzero(done.reshape(-1))
        if not len(last) or last[-1] != len(done) - 1:
            raise DataError(f"{source}: the last row ({len(done) - 1}) is not terminal, so an episode is cut off")
        lengths = np.diff(last, prepend=-1)
        return cls(
            observations=torch.from_numpy(np.array(arrays["observations"], dtype=np.float32)),
            actions=torch.from_numpy(np.array(arrays["actions"], dtype=np.float32)),
            starts=torch.from_numpy(last + 1 - lengths),
            lengths=torch.from_numpy(lengths),
            source=source,
        )

    def __len__(self) -> int:
        return len(self.observations)

    @property
    def longest(self) -> int:
        """Rows of the longest episode."""
        return int(self.lengths.max())

    def to(self, device: torch.device | str) -> Trajectories:
        """The same rows on another device; the episode table stays on the CPU, where sampling happens."""
        return Trajectories(
            self.observations.to(device), self.actions.to(device), self.starts, self.lengths, self.source
        )


def _check_numbers(array: NDArray[Any], key: str, source: str) -> None:
    if array.dtype.kind not in "biuf":
        raise DataError(f"{source}: {key} has type {array.dtype}; expected numbers")
    if array.ndim == 0 or array.size == 0:
        raise DataError(f"{source}: {key} is empty; its shape is {list(array.shape)}")
    finite = np.isfinite(array)
    if not finite.all():
        row = int(np.flatnonzero(~finite.reshape(len(array), -1).all(1))[0])
        raise DataError(f"{source}: {key} is not finite (NaN or infinite) in row {row}, the first of such rows")


def _check_shapes(observations: NDArray[Any], actions: NDArray[Any], done: NDArray[Any], source: str) -> None:
    shapes = [array.shape for array in (observations, actions, done)]
    rows = {len(array) for array in (observations, actions, done)}
    if observations.ndim != 2 or actions.ndim != 2 or done.size != len(done) or len(rows) > 1:
        found = ", ".join(f"{key} {list(shape)}" for key, shape in zip(ARRAYS, shapes, strict=True))
        raise DataError(f"{source}: found {found}; expected [R, D], [R, A] and [R] with the same number of rows R")
