"""Recorded episodes of a world that is seen: kept as states, and drawn when they are looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from hjepa.data import step_generator

Camera = Callable[[Tensor, Tensor], Tensor]
"""[N, S] states of a world and the [N] numbers of their layouts to [N, 3, H, W] frames, bytes.

It stands for a folder of recorded frames: whoever learns sees what it draws, and nothing of the states.
"""


@dataclass(frozen=True, eq=False)
class Episodes:
    """Episodes of one length, drawn on demand: a million frames need no disk.

    Attributes:
        states: [E, T+1, S] of the world, for the camera only.
        actions: [E, T, A] what was done.
        layouts: [E] the number of each episode's layout, for the camera only.
        camera: draws.
    """

    states: Tensor
    actions: Tensor
    layouts: Tensor
    camera: Camera

    def __post_init__(self) -> None:
        episodes, steps = self.actions.shape[:2]
        if self.states.shape[:2] != (episodes, steps + 1) or self.layouts.shape != (episodes,):
            raise ValueError(
                f"episodes: states {list(self.states.shape)}, actions {list(self.actions.shape)} and layouts "
                f"{list(self.layouts.shape)} do not fit; expected [E, T+1, S], [E, T, A] and [E]"
            )

    @property
    def steps(self) -> int:
        """Actions per episode, T."""
        return self.actions.shape[1]

    def spread(self, count: int) -> Episodes:
        """``count`` of them (all, where there are no more), evenly spaced: they are recorded layout by layout."""
        rows = torch.linspace(0, len(self.actions) - 1, min(count, len(self.actions))).round().long()
        rows = rows.to(self.states.device)
        return Episodes(self.states[rows], self.actions[rows], self.layouts[rows], self.camera)


class Glimpses(NamedTuple):
    """Windows of recorded episodes, seen at some of their times.

    Attributes:
        frames: [B, U, 3, H, W] all that is looked at, in the order of time; the last one is at any time of the episode.
        now: [n+1] which of these frames are those at times 0, s, 2 s, ... of the window.
        before: [n+1] which of them are one world step earlier.
        actions: [B, n s, A] all that was done between the first and the last of them.
    """

    frames: Tensor
    now: Tensor
    before: Tensor
    actions: Tensor


def glimpses(episodes: Episodes, seed: int, step: int, batch: int, stride: int, count: int) -> Glimpses:
    """Draws windows of ``count`` strides; see :func:`draw_windows`."""
    length, device = stride * count, episodes.states.device
    windows = draw_windows(episodes.states.shape[:2], seed, step, batch, stride, length)
    rows, begin, any_time = (index.to(device) for index in windows)
    wanted = stride * torch.arange(count + 1, device=rows.device)
    offsets = torch.cat([wanted, wanted - 1]).unique()
    seen = torch.cat([begin[:, None] + offsets, any_time[:, None]], 1)
    states = episodes.states[rows[:, None], seen]
    layouts = episodes.layouts[rows][:, None].expand_as(seen)
    frames = episodes.camera(states.flatten(0, 1), layouts.flatten()).unflatten(0, seen.shape)
    steps = begin[:, None] + torch.arange(length, device=rows.device)
    now, before = torch.searchsorted(offsets, wanted), torch.searchsorted(offsets, wanted - 1)
    return Glimpses(frames, now, before, episodes.actions[rows[:, None], steps])


def draw_windows(
    shape: tuple[int, ...], seed: int, step: int, batch: int, stride: int, length: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Where to look: a pure function of (seed, step, stride).

    Args:
        shape: episodes, and the frames of each.
        seed: of the run.
        step: of the training.
        batch: windows, B.
        stride: of the level.
        length: world steps of each window.

    Returns:
        [B] episodes, the [B] times at which their windows begin, never the first, and [B] any times of theirs.

    Raises:
        ValueError: for episodes that are shorter than such a window.
    """
    episodes, frames = shape
    if frames < length + 2:
        raise ValueError(f"episodes of {frames - 1} steps are too short for windows of {length} and one before")
    generator = step_generator(seed, step, f"windows/{stride}")
    rows = torch.randint(episodes, (batch,), generator=generator)
    begin = torch.randint(1, frames - length, (batch,), generator=generator)
    return rows, begin, torch.randint(frames, (batch,), generator=generator)
