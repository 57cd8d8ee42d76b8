"""Memory: the latest steps (short-term), and values recalled by keys that are near in latent space (long-term)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from planners.neighbors import NeighborIndex

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Rows = dict[str, NDArray[Any]]
BOOKKEEPING = ("keys", "used")


class RecallError(ValueError):
    """A memory that is used for what it does not hold; the message is one line."""


@final
class ShortTermMemory:
    """The latest world steps of a batch of episodes, in a ring: what was seen, done, and expected to be paid.

    Args:
        size: steps that are kept.
    """

    def __init__(self, size: int) -> None:
        if size < 1:
            raise RecallError(f"a short-term memory keeps at least 1 step, not {size}")
        self.size, self.steps = size, 0
        self._ring: Rows = {}

    def __len__(self) -> int:
        return min(self.steps, self.size)

    def write(self, step: Mapping[str, NDArray[Any]]) -> None:
        """One step: named [B, ...] arrays, the same names and shapes at every step."""
        if not self._ring:
            self._ring = {name: np.zeros((self.size, *row.shape), row.dtype) for name, row in step.items()}
        if step.keys() != self._ring.keys():
            raise RecallError(f"each step holds {', '.join(self._ring)}, not {', '.join(step)}")
        for name, row in step.items():
            self._ring[name][self.steps % self.size] = row
        self.steps += 1

    def amend(self, name: str, row: NDArray[Any]) -> None:
        """Says of the latest step that a [B, ...] row of it was another one."""
        self._ring[name][(self.steps - 1) % self.size] = row

    def last(self, count: int | None = None) -> Rows:
        """The latest steps, the oldest first, as [n, B, ...] arrays by name; all that are kept by default."""
        kept = len(self) if count is None else min(count, len(self))
        places = np.arange(self.steps - kept, self.steps) % self.size
        return {name: rows[places] for name, rows in self._ring.items()}


class Recalled(NamedTuple):
    """What came to mind.

    Attributes:
        rows: [m] numbers of the entries, the nearest first.
        distances: [m] how far their keys are, world steps.
        values: [m, ...] arrays by name.
    """

    rows: Ints
    distances: Floats
    values: Rows


@final
class AssociativeMemory:
    """Values by latent key. Where it is full, what has not been of use for longest is forgotten.

    Args:
        keys: [n, E] latent states of one level in its critic's space, where distances are world steps.
        values: [n, ...] arrays by name.
        radius: world steps within which a key counts as near.
        capacity: entries that are kept.
        used: [n] when each was last of use, in writes; now by default.

    Raises:
        RecallError: for values that do not fit the keys.
    """

    def __init__(
        self, keys: Floats, values: Mapping[str, NDArray[Any]], radius: float, capacity: int, used: Ints | None = None
    ) -> None:
        if not radius > 0 or capacity < 1:
            raise RecallError(f"a memory needs a positive radius and capacity, not {radius} and {capacity}")
        self.keys, self.values, self.radius, self.capacity = keys, dict(values), radius, capacity
        self.used = np.zeros(len(keys), np.int64) if used is None else used
        self._require(keys, self.values)
        self.clock = int(self.used.max(initial=0))
        self._index: NeighborIndex | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def write(self, keys: Floats, values: Mapping[str, NDArray[Any]]) -> None:
        """Adds [m, E] keys with their [m, ...] values."""
        self._require(keys, values)
        self.clock += 1
        self.keys = np.concatenate([self.keys, keys.astype(np.float32)])
        self.values = {name: np.concatenate([rows, values[name]]) for name, rows in self.values.items()}
        self.used = np.concatenate([self.used, np.full(len(keys), self.clock)])
        if len(self) > self.capacity:
            newest = np.argsort(self.used, kind="stable")[len(self) - self.capacity :]
            self.keep(np.isin(np.arange(len(self)), newest))
        self._index = None

    def recall(self, key: Floats, count: int) -> Recalled:
        """The entries whose keys are nearest to an [E] key, wherever they are."""
        found = self._candidates(key, count)
        return Recalled(found.rows[:count], found.distances[:count], self._at(found.rows[:count]))

    def near(self, key: Floats) -> Recalled:
        """All entries within the radius of an [E] key."""
        rows, distances, _ = self._candidates(key, 1)
        inside = distances <= self.radius
        return Recalled(rows[inside], distances[inside], self._at(rows[inside]))

    def use(self, rows: Ints) -> None:
        """Notes that some entries were of use."""
        self.clock += 1
        self.used[rows] = self.clock

    def keep(self, which: NDArray[np.bool_]) -> None:
        """Forgets all but the entries of an [n] mask."""
        self.keys, self.used = self.keys[which], self.used[which]
        self.values = {name: rows[which] for name, rows in self.values.items()}
        self._index = None

    def state(self) -> dict[str, Tensor]:
        """Everything, to be saved."""
        named = {"keys": self.keys, "used": self.used} | {f"value.{name}": rows for name, rows in self.values.items()}
        return {name: torch.from_numpy(np.ascontiguousarray(rows)) for name, rows in named.items()}

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor], radius: float, capacity: int) -> AssociativeMemory:
        """What :meth:`state` gave."""
        if missing := [name for name in BOOKKEEPING if name not in state]:
            raise RecallError(f"a saved memory holds {' and '.join(BOOKKEEPING)}; {missing[0]} is missing")
        rows = {name: part.cpu().numpy() for name, part in state.items()}
        values = {name.removeprefix("value."): part for name, part in rows.items() if name not in BOOKKEEPING}
        return cls(rows["keys"], values, radius, capacity, rows["used"])

    def _candidates(self, key: Floats, at_least: int) -> Recalled:
        """Whatever may be within the radius or among the nearest, sorted by distance."""
        if not len(self):
            return Recalled(np.empty(0, np.int64), np.empty(0, np.float32), {})
        if self._index is None:
            self._index = NeighborIndex(self.keys, self.radius)
        rows = self._index.around(key, at_least)
        distances = np.linalg.norm(self.keys[rows] - key, axis=1)
        order = np.lexsort((rows, distances))
        return Recalled(rows[order], distances[order], {})

    def _at(self, rows: Ints) -> Rows:
        return {name: kept[rows] for name, kept in self.values.items()}

    def _require(self, keys: NDArray[Any], values: Mapping[str, NDArray[Any]]) -> None:
        expected = {name: rows.shape[1:] for name, rows in self.values.items()}
        given = {name: rows.shape[1:] for name, rows in values.items()}
        if given != expected or keys.shape[1:] != self.keys.shape[1:]:
            raise RecallError(f"a memory of {self.keys.shape[1:]} keys and {expected} does not hold {given}")
        if wrong := [name for name, rows in values.items() if len(rows) != len(keys)]:
            raise RecallError(f"{wrong[0]}: {len(values[wrong[0]])} values for {len(keys)} keys")
