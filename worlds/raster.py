"""Batched pixels: pictures of many worlds at once, drawn on whatever device the states are on.

A :class:`Raster` keeps one picture of every layout (the background: walls and floor, anti-aliased once) and, for a
batch of places, gathers the backgrounds and stamps the agent's dot onto a small patch of each. Frames are bytes; a
training loop keeps states, not frames, and draws its frames anew for every batch::

    layouts = generate_layouts("large", 25, seed=0)
    raster = maze_raster(layouts, PROTOCOL)                 # worlds.maze_view; or LOW: 40 pixels
    frames = raster(states, maps)                           # [..., 3, 98, 98] uint8
    inputs = frames.float() / 255                           # or raster.floats(...): the same in [0, 1]

A place is ``(x, y)`` in world units; picture row 0 is at the top, where y is least. What follows the place in a state
(velocities) is not seen, unless the raster has a stamp for further dots.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worlds.draw import AGENT, COLOURS, GOAL
from worlds.maps import FREE, WALL

Colour = tuple[float, ...]
FLOOR_COLOUR, WALL_COLOUR = COLOURS[FREE], COLOURS[WALL]
CUTOFF = 3.33
"""Standard deviations after which a Gaussian dot is below 1/255."""


@dataclass(frozen=True)
class Stamp:
    """A dot, by how opaque it is at a distance from its centre.

    Attributes:
        size: of a disc its radius, of a Gaussian dot its standard deviation; pixels.
        colour: [C] what it is painted with, 0..255.
        profile: ``disc`` (anti-aliased edge) or ``gaussian`` (``exp(-d^2 / 2 size^2)``).
        channels: [C] which channels it is painted on; all by default.
    """

    size: float
    colour: Colour = AGENT
    profile: Literal["disc", "gaussian"] = "disc"
    channels: tuple[bool, ...] | None = None

    @property
    def reach(self) -> int:
        """Pixels on each side of its centre's pixel that it may colour."""
        return int(np.ceil(self.size + 0.5 if self.profile == "disc" else CUTOFF * self.size))

    def opacity(self, distance: Tensor) -> Tensor:
        """[...] 0..1 at [...] distances from the centre, pixels."""
        if self.profile == "gaussian":
            return torch.exp(-distance.square() / (2 * self.size**2))
        return (self.size + 0.5 - distance).clamp(0, 1)


class Raster:
    """Draws frames: the layouts' backgrounds with the agent's dot on them."""

    def __init__(
        self, backgrounds: Tensor, stamp: Stamp, scale: float = 1.0, offset: float = 0.0, others: Stamp | None = None
    ) -> None:
        """Keeps what never changes.

        Args:
            backgrounds: [M, C, H, W] uint8, one for each layout.
            stamp: the agent's dot.
            scale: pixels per world unit.
            offset: pixels between the picture's top left corner and the world's origin. A picture's pixel (row i,
                column j) is the square from (j, i) to (j + 1, i + 1) in ``scale * place + offset``.
            others: the dots of whatever else moves, below the agent's; without it only the agent is drawn.
        """
        self.backgrounds = backgrounds.contiguous()
        self._words = _widest(self.backgrounds.flatten(1))
        self.stamp, self.scale, self.offset, self.others = stamp, scale, offset, others

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a frame."""
        channels, height, width = self.backgrounds.shape[1:]
        return channels, height, width

    def to(self, device: torch.device | str) -> Raster:
        """The same on another device, where the states will be."""
        return Raster(self.backgrounds.to(device), self.stamp, self.scale, self.offset, self.others)

    def __call__(self, states: Tensor, maps: Tensor | None = None) -> Tensor:
        """Draws one frame for each state.

        Args:
            states: [..., S] whose first two numbers are the place, world units; with a stamp for others, each further
                two are the place of another dot, negative where there is none.
            maps: [...] layouts; the first by default. May lack trailing dimensions: [B] maps for [B, T, S] states.

        Returns:
            [..., C, H, W] uint8.
        """
        batch = states.shape[:-1]
        maps = torch.zeros((), dtype=torch.int64) if maps is None else maps
        maps = maps.to(self.backgrounds.device).reshape(maps.shape + (1,) * (len(batch) - maps.dim())).expand(batch)
        frames = self._words.index_select(0, maps.reshape(-1)).view(torch.uint8).view(-1, *self.shape)
        self.stamp_state(frames, states.to(self.backgrounds.device, torch.float32).reshape(-1, states.shape[-1]))
        return frames.view(*batch, *self.shape)

    def stamp_state(self, frames: Tensor, states: Tensor) -> None:
        """Paints the dots of [N, S] states onto [N, C, H, W] frames, in place."""
        if self.others is not None:
            for other in states[:, 2:].unflatten(1, (-1, 2)).unbind(1):
                stamp_dots(frames, self.pixels(other), self.others, visible=other[:, 0] >= 0)
        stamp_dots(frames, self.pixels(states[:, :2]), self.stamp)

    def floats(self, states: Tensor, maps: Tensor | None = None) -> Tensor:
        """The same as [..., C, H, W] float32 in [0, 1]: what a network reads."""
        return self(states, maps).float().div_(255)

    def pixels(self, places: Tensor) -> Tensor:
        """[..., 2] (column, row) in the picture of [..., 2] places, pixels."""
        return places.to(self.backgrounds.device, torch.float32) * self.scale + self.offset


def stamp_dots(frames: Tensor, centers: Tensor, stamp: Stamp, visible: Tensor | None = None) -> None:
    """Paints one dot onto each frame, in place; a dot over the picture's edge is cut off.

    Args:
        frames: [N, C, H, W] uint8, contiguous.
        centers: [N, 2] (column, row) of the dots' centres, pixels.
        stamp: the dot.
        visible: [N] whether to paint it; all by default.
    """
    number, channels, height, width = frames.shape
    columns, rows = (_span(centers[:, k], stamp.reach, size) for k, size in ((0, width), (1, height)))
    dx, dy = columns + 0.5 - centers[:, :1], rows + 0.5 - centers[:, 1:]
    opacity = stamp.opacity((dy[:, :, None].square() + dx[:, None, :].square()).sqrt()).flatten(1)[:, None]
    if visible is not None:
        opacity = opacity * visible[:, None, None]
    if stamp.channels is not None:
        opacity = opacity * torch.tensor(stamp.channels, device=frames.device)[:, None]
    index = (rows[:, :, None] * width + columns[:, None, :]).flatten(1)[:, None].expand(-1, channels, -1)
    pixels = frames.view(number, channels, -1)
    under = pixels.gather(2, index).float()
    colour = torch.tensor(stamp.colour, device=frames.device, dtype=torch.float32)[:, None]
    pixels.scatter_(2, index, (under + opacity * (colour - under)).round().to(torch.uint8))


def _span(centers: Tensor, reach: int, size: int) -> Tensor:
    """[N, n] neighbouring rows (or columns) around [N] centres, moved so that all of them are in the picture."""
    count = min(2 * reach + 1, size)
    first = (centers.floor().long() - reach).clamp(0, size - count)
    return first[:, None] + torch.arange(count, device=centers.device)


def _widest(rows: Tensor) -> Tensor:
    """[M, n] bytes as the widest words that n is made of: gathering rows of those is several times as fast."""
    for dtype in (torch.int64, torch.int32, torch.int16):
        if rows.shape[1] % dtype.itemsize == 0:
            return rows.view(dtype)
    return rows


def two_colours(share: Tensor) -> Tensor:
    """[M, 3, H, W] uint8 pictures of [M, H, W] float64 shares of wall: floor at 0, wall at 1."""
    wall, floor = (torch.tensor(colour, dtype=torch.float64)[:, None, None] for colour in (WALL_COLOUR, FLOOR_COLOUR))
    return (floor + share[:, None] * (wall - floor)).round().to(torch.uint8)


def picture(raster: Raster, state: Tensor, map: Tensor, goal: Tensor, enlarge: int = 1) -> NDArray[np.uint8]:
    """[H, W, 3] for people: one [S] state in a layout with the goal's [2] place marked, each pixel so many times."""
    frame = raster.backgrounds[map][None].clone()
    stamp_dots(frame, raster.pixels(goal[None]), replace(raster.stamp, colour=GOAL, channels=None))
    raster.stamp_state(frame, state[None].float())
    return frame[0].permute(1, 2, 0).cpu().numpy().repeat(enlarge, 0).repeat(enlarge, 1)
