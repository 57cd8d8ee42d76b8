"""Recorded episodes of the worlds that are seen in pictures: states, actions and layout numbers, never frames.

A hundred times smaller than the pictures, which :mod:`worlds.raster` draws again from the states, and made anew from a
seed in seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Episodes:
    """E episodes of T steps.

    Attributes:
        states: [E, T + 1, S] float32 before each step and after the last; the first two numbers are the place (x, y).
        actions: [E, T, A] float32.
        maps: [E] int64, which layout each episode was recorded in.
    """

    states: Floats
    actions: Floats
    maps: NDArray[np.int64]

    def __post_init__(self) -> None:
        episodes, steps = self.actions.shape[:2]
        if self.states.shape[:2] != (episodes, steps + 1) or self.maps.shape != (episodes,):
            raise ValueError(
                f"Episodes: states {self.states.shape}, actions {self.actions.shape} and maps {self.maps.shape} differ"
            )

    def __len__(self) -> int:
        return len(self.actions)

    @property
    def transitions(self) -> int:
        """How many steps there are in all."""
        return self.actions.shape[0] * self.actions.shape[1]

    def every(self, skip: int) -> Episodes:
        """The same with ``skip`` steps for one: [E, T / skip, skip * A] actions; steps that are left over are dropped.

        Raises:
            ValueError: for a skip below 1 or above T.
        """
        episodes, steps = self.actions.shape[:2]
        if not 1 <= skip <= steps:
            raise ValueError(f"every: skip must be 1..{steps}, not {skip}")
        kept = steps // skip * skip
        actions = self.actions[:, :kept].reshape(episodes, kept // skip, -1)
        return Episodes(self.states[:, : kept + 1 : skip], actions, self.maps)

    def take(self, rows: NDArray[np.integer]) -> Episodes:
        """The episodes of these numbers, in this order."""
        return Episodes(self.states[rows], self.actions[rows], self.maps[rows])

    @classmethod
    def joined(cls, parts: Sequence[Episodes]) -> Episodes:
        """Recordings of the same layouts and length, one after another."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("states", "actions", "maps")))

    def windows(self, batch: int, steps: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Random parts of episodes, each as likely as any other.

        Args:
            batch: B.
            steps: T of the parts.
            generator: on the CPU.

        Returns:
            [B, T + 1, S] states, [B, T, A] actions and [B] layouts.

        Raises:
            ValueError: where the episodes are shorter.
        """
        longest = self.actions.shape[1]
        if not 1 <= steps <= longest:
            raise ValueError(f"windows must be of 1..{longest} steps, not {steps}")
        episodes = torch.randint(len(self), (batch,), generator=generator)
        starts = torch.randint(longest - steps + 1, (batch,), generator=generator)
        times = starts[:, None] + torch.arange(steps + 1)
        states = torch.from_numpy(self.states)[episodes[:, None], times]
        actions = torch.from_numpy(self.actions)[episodes[:, None], times[:, :-1]]
        return states, actions, torch.from_numpy(self.maps)[episodes]
