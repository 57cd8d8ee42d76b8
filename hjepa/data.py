"""Reproducible mini-batches of recorded experience.

Which rows a batch holds is a pure function of a seed and a step, so that a resumed training run sees exactly what
it would have seen without the interruption.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import torch
from torch import Tensor

from hjepa.recordings import load_trajectories
from hjepa.trajectories import DataError, Trajectories

__all__ = [
    "DataError",
    "Pairs",
    "Trajectories",
    "WindowSampler",
    "Windows",
    "load_trajectories",
    "step_generator",
]


class Windows(NamedTuple):
    """A batch of consecutive steps.

    Attributes:
        observations: [B, T+1, D].
        actions: [B, T, A]; ``actions[:, t]`` leads from ``observations[:, t]`` to ``observations[:, t + 1]``.
    """

    observations: Tensor
    actions: Tensor


class Pairs(NamedTuple):
    """Hindsight pairs: two observations of one episode, and the steps between them.

    Attributes:
        first: [N, D].
        second: [N, D], observed ``gap`` steps later.
        gap: [N] int64, world steps.
    """

    first: Tensor
    second: Tensor
    gap: Tensor


def step_generator(seed: int, step: int, stream: str = "") -> torch.Generator:
    """A CPU generator that depends on these three values alone, so that no step inherits another one's state."""
    digest = hashlib.blake2b(f"{seed}/{step}/{stream}".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest))


class WindowSampler:
    """Draws windows and hindsight pairs, uniformly over every place where they fit into an episode.

    No list of valid rows is kept. With the episodes sorted from long to short, those longer than a gap ``g`` are
    the first ones, and the ``k`` longest hold ``S_k - k g`` valid starts together, ``S_k`` being their rows; so
    the ``u``-th valid start is found by bisection, for any gap, in memory proportional to the episodes.
    """

    def __init__(
        self,
        trajectories: Trajectories,
        length: int,
        batch_size: int,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        """Prepares to draw ``batch_size`` windows of ``length`` actions; the rows move to ``device``.

        Raises:
            DataError: if no episode is long enough for a single window.
        """
        if length < 1 or batch_size < 1:
            raise DataError(f"length and batch_size must be at least 1, not {length} and {batch_size}")
        self.trajectories = trajectories.to(device)
        self.length, self.batch_size, self.seed = length, batch_size, seed
        self._lengths, order = trajectories.lengths.sort(descending=True, stable=True)
        self._starts = trajectories.starts[order]
        self._rows_before = torch.cat([torch.zeros(1, dtype=torch.int64), self._lengths.cumsum(0)])
        self._require(length, "windows of {} actions")

    def batch(self, step: int) -> Windows:
        """The windows of one training step: a pure function of (seed, step)."""
        gaps = torch.full((self.batch_size,), self.length)
        rows = self._draw_rows(gaps, step_generator(self.seed, step, "windows"))
        observations, actions = self.trajectories.observations, self.trajectories.actions
        index = (rows[:, None] + torch.arange(self.length + 1)).to(observations.device)
        return Windows(observations[index], actions[index[:, :-1]])

    def sample_pairs(self, step: int, num: int, max_gap: int) -> Pairs:
        """``num`` pairs of one training step, with gaps log-uniform over 1 .. ``max_gap``; pure in (seed, step).

        Log-uniform, because a distance must be right in proportion at every scale: near pairs are as many as far ones.

        Raises:
            DataError: if no episode holds two rows that far apart.
        """
        self._require(max_gap, "pairs {} steps apart")
        generator = step_generator(self.seed, step, "pairs")
        gaps = (max_gap + 1) ** torch.rand(num, generator=generator, dtype=torch.float64)
        gaps = gaps.long().clamp(1, max_gap)
        rows = self._draw_rows(gaps, generator)
        observations = self.trajectories.observations
        first, second, gaps = (index.to(observations.device) for index in (rows, rows + gaps, gaps))
        return Pairs(observations[first], observations[second], gaps)

    def _require(self, gap: int, what: str) -> None:
        longest = self.trajectories.longest
        if not 1 <= gap < longest:
            raise DataError(
                f"{self.trajectories.source}: {what.format(gap)} need an episode of {gap + 1} rows; "
                f"the longest has {longest}"
            )

    def _draw_rows(self, gaps: Tensor, generator: torch.Generator) -> Tensor:
        """[N] gaps to [N] rows, each uniform over the rows that have a row ``gap`` steps later in their episode."""
        episodes = torch.searchsorted(-self._lengths, -gaps)  # how many are longer than the gap
        valid = self._rows_before[episodes] - episodes * gaps
        uniform = torch.rand(len(gaps), generator=generator, dtype=torch.float64)
        drawn = torch.minimum((uniform * valid).long(), valid - 1)
        below = torch.zeros_like(gaps)  # bisection for the last k whose episodes hold no more than `drawn` starts
        for bit in reversed(range(len(self._lengths).bit_length())):
            tried = below + (1 << bit)
            k = torch.minimum(tried, episodes)
            below = torch.where((tried < episodes) & (self._rows_before[k] - k * gaps <= drawn), tried, below)
        return self._starts[below] + drawn - (self._rows_before[below] - below * gaps)
