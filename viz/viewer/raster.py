"""From line segments to pixels: how much of each pixel they cover, and mixing a colour into those. Compiled."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pygame
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float32]
Weights = NDArray[np.uint16]
"""0 (nothing) to 256 (opaque)."""

FEATHER = 0.5
"""Pixels on both sides of an edge over which it fades."""


class Pixels(NamedTuple):
    """A surface's pixels.

    Attributes:
        row: all of them, in one row.
        pitch: how many lie between one row of the surface and the next.
        size: width and height of the surface.
    """

    row: NDArray[np.uint32]
    pitch: int
    size: tuple[int, int]

    @classmethod
    def of(cls, surface: pygame.Surface) -> Pixels:
        """Those of a surface of 32 bits a pixel, which stays locked for as long as they are held."""
        rows = pygame.surfarray.pixels2d(surface).T
        pitch = rows.strides[0] // 4
        length = (rows.shape[0] - 1) * pitch + rows.shape[1]
        return cls(np.lib.stride_tricks.as_strided(rows, (length,), (4,)), pitch, surface.get_size())

    def mix(self, segments: Floats, radii: Floats, strengths: Floats, color: int) -> None:
        """Mixes a colour into what [m, 2 ends, 2] segments of [m] radii and strengths 0..256 cover together."""
        scratch, touched = _scratch(len(self.row))
        count = _cover(scratch, touched, self.pitch, *self.size, segments, radii, strengths)
        _mix(self.row, scratch, touched[:count], color & 0xFFFFFFFF)


@njit("int64(uint16[::1], int32[::1], int64, int64, int64, float32[:,:,::1], float32[::1], float32[::1])", cache=True)
def _cover(
    scratch: Weights,
    touched: NDArray[np.int32],
    pitch: int,
    width: int,
    height: int,
    segments: Floats,
    radii: Floats,
    strengths: Floats,
) -> int:
    """Notes how strongly segments cover pixels; where they overlap, the strongest counts.

    Args:
        scratch: zeros, one for each pixel; the weights are left there.
        touched: room for as many numbers of pixels; of those with a weight are left there.
        pitch: from one row to the next.
        width: pixels in a row.
        height: rows.
        segments: [m, 2 ends, 2] in pixels, finite.
        radii: [m] half of their widths; pixels.
        strengths: [m] 0..256.

    Returns:
        How many pixels were touched.
    """
    count = 0
    for m in range(len(segments)):
        x0, y0, x1, y1 = segments[m, 0, 0], segments[m, 0, 1], segments[m, 1, 0], segments[m, 1, 1]
        reach = radii[m] + np.float32(FEATHER)
        low_y, high_y = min(y0, y1), max(y0, y1)
        first_x, last_x = max(0.0, min(x0, x1) - reach), min(width - 1.0, max(x0, x1) + reach)
        first_y, last_y = max(0.0, low_y - reach), min(height - 1.0, high_y + reach)
        if first_x > last_x or first_y > last_y:
            continue
        dx, dy = x1 - x0, y1 - y0
        inverse = np.float32(1.0) / max(dx * dx + dy * dy, np.float32(1e-12))
        slope = dx / dy if abs(dy) > 1e-3 else 0.0
        band = reach * math.sqrt(1.0 + slope * slope) + 1.0
        for y in range(int(first_y), int(last_y) + 1):
            low, high = int(first_x), int(last_x)
            if slope != 0.0:  # only the columns that the stroke can touch in this row
                before = x0 + slope * (min(max(y - reach, low_y), high_y) - y0)
                after = x0 + slope * (min(max(y + reach, low_y), high_y) - y0)
                low = max(low, int(max(min(before, after) - band, 0.0)))
                high = min(high, int(max(max(before, after) + band, -1.0)))
            for x in range(low, high + 1):
                along = min(max(((x - x0) * dx + (y - y0) * dy) * inverse, np.float32(0.0)), np.float32(1.0))
                off_x, off_y = x - x0 - along * dx, y - y0 - along * dy
                squared = off_x * off_x + off_y * off_y
                if squared < reach * reach:
                    weight = np.uint16(strengths[m] * min(reach - math.sqrt(squared), np.float32(1.0)) + 0.5)
                    place = y * pitch + x
                    if weight > scratch[place]:
                        if scratch[place] == 0:
                            touched[count] = place
                            count += 1
                        scratch[place] = weight
    return count


@njit("void(uint32[::1], uint16[::1], int32[::1], uint32)", cache=True)
def _mix(row: NDArray[np.uint32], scratch: Weights, touched: NDArray[np.int32], color: int) -> None:
    """Mixes a colour into the touched pixels, as strongly as the scratch says, and clears the scratch."""
    even_color, odd_color = color & np.uint32(0x00FF00FF), (color >> np.uint32(8)) & np.uint32(0x00FF00FF)
    for place in touched:
        weight = np.uint32(scratch[place])
        scratch[place] = 0
        old, rest = row[place], np.uint32(256) - weight
        even = ((old & np.uint32(0x00FF00FF)) * rest + even_color * weight) >> np.uint32(8)
        odd = ((old >> np.uint32(8)) & np.uint32(0x00FF00FF)) * rest + odd_color * weight
        row[place] = (even & np.uint32(0x00FF00FF)) | (odd & np.uint32(0xFF00FF00))


def _scratch(length: int) -> tuple[Weights, NDArray[np.int32]]:
    """Zeros, to be left as zeros, and room for numbers: enough for a surface of ``length`` pixels."""
    return _zeros(1 << max(length - 1, 1).bit_length())


@lru_cache(maxsize=4)
def _zeros(length: int) -> tuple[Weights, NDArray[np.int32]]:
    return np.zeros(length, np.uint16), np.empty(length, np.int32)
