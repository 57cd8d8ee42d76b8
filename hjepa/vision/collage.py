"""Pictures that nobody took: pieces of recorded ones, turned, mirrored and put together.

Levels of places read what is around them, and nothing else: to them such pictures are as good as mazes of their own,
and there are any number of them. A level that looks far would learn 25 mazes by heart.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from hjepa.vision.stack import VisionStack
from hjepa.vision.traces import Traces

PIECE = 12
"""Cells of the feature map per side of a piece of a picture."""
MARGIN = 2
"""Cells from the rim of a piece in which what moves must not be."""
SIDE, RIM = 5, 1
"""Pieces per side of a picture, and how many from its border are those in which nothing begins."""


class Collage(NamedTuple):
    """Pictures that were put together.

    Attributes:
        frames: [M, 3, H, W] bytes.
        places: [N, 2] where something moves in them, cells; well within the pictures.
        numbers: [N] in which of them.
    """

    frames: Tensor
    places: Tensor
    numbers: Tensor


@torch.no_grad()
def collage(stack: VisionStack, traces: Traces, count: int, generator: torch.Generator) -> Collage:
    """Puts ``count`` pictures together.

    Args:
        stack: finds what moves.
        traces: recorded pictures, and where something moves in them.
        count: M.
        generator: of the choices.

    Raises:
        ValueError: for pictures that are smaller than a piece.
    """
    pieces = _pieces(traces, count * SIDE**2, stack.config.patch, generator)
    pieces = _turn(pieces, torch.randint(8, (len(pieces),), generator=generator).to(pieces.device))
    places = stack.places(stack.backbone(pieces))
    grid = pieces.view(count, SIDE, SIDE, *pieces.shape[1:])
    frames = grid.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)
    number = torch.arange(len(pieces), device=pieces.device)
    at = torch.stack([number % SIDE, number // SIDE % SIDE], -1)
    inner = ((at >= RIM) & (at < SIDE - RIM)).all(-1)
    return Collage(frames, (places + PIECE * at)[inner], (number // SIDE**2)[inner])


def _pieces(traces: Traces, number: int, patch: int, generator: torch.Generator) -> Tensor:
    """[N, 3, s, s] pieces of recorded pictures, with what moves somewhere in each."""
    rows = torch.randint(len(traces.places), (number,), generator=generator)
    times = torch.randint(traces.places.shape[1], (number,), generator=generator)
    shares = torch.rand(number, 2, generator=generator)
    rows, times, shares = (drawn.to(traces.places.device) for drawn in (rows, times, shares))
    places, episodes = traces.places[rows, times], traces.episodes
    frames = episodes.camera(episodes.states[rows, times], episodes.layouts[rows])
    room = torch.tensor([frames.shape[-1], frames.shape[-2]], device=frames.device) // patch - PIECE
    if int(room.min()) < 0:
        raise ValueError(f"pictures must be at least {PIECE * patch} pixels wide and high, to be cut into pieces")
    low = (places.ceil() + MARGIN + 1 - PIECE).clamp_min(0).minimum(room)
    high = (places.floor() - MARGIN).clamp_min(0).minimum(room).maximum(low)
    corner = (patch * (low + (high - low + 1) * shares).floor()).long().minimum(patch * room)
    reach = torch.arange(PIECE * patch, device=frames.device)
    x, y = corner[:, :1] + reach, corner[:, 1:] + reach
    which = torch.arange(number, device=frames.device)[:, None, None]
    return frames[which, :, y[:, :, None], x[:, None, :]].permute(0, 3, 1, 2)


def _turn(pieces: Tensor, how: Tensor) -> Tensor:
    """Mirrors and turns [N, 3, s, s] pieces in [N] of eight ways."""
    for bit, axis in ((1, -1), (2, -2)):
        pieces = torch.where((how & bit).view(-1, 1, 1, 1) > 0, pieces.flip(axis), pieces)
    return torch.where((how & 4).view(-1, 1, 1, 1) > 0, pieces.mT, pieces)
