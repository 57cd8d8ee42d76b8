"""From line segments to pixels: how much of each pixel they cover, and mixing a colour into those."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pygame
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float32]
Weights = NDArray[np.uint16]
"""0 (nothing) to 256 (opaque)."""

FEATHER = 0.5
"""Pixels on both sides of an edge over which it fades."""
PORTION = 12_000
"""Pixels of way that are worked on together: what they need fits into the processor's cache."""
_BYTES = np.uint32(0x00FF00FF)
_EIGHT, _OPAQUE = np.uint32(8), np.uint32(256)


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
        parts = _portions(segments, self.size)
        portions = [_covered(segments[part], radii[part], strengths[part], self) for part in parts]
        places, weights = (np.concatenate(arrays) for arrays in zip(*portions, strict=True))
        _blend(self.row, places, weights, np.uint32(color & 0xFFFFFFFF))


def _portions(segments: Floats, size: tuple[int, int]) -> Iterator[slice]:
    """Segments that follow each other, about ``PORTION`` pixels of way together."""
    ways = np.minimum(np.abs(segments[:, 1] - segments[:, 0]).max(1), max(size)) + 4
    ends = np.cumsum(ways)
    cuts = np.searchsorted(ends, np.arange(PORTION, ends[-1], PORTION))
    bounds = np.unique([0, *cuts, len(segments)]).tolist()
    return (slice(first, last) for first, last in zip(bounds, bounds[1:], strict=False))


class _Walk(NamedTuple):
    """Segments walked along their longer axis, ``u``, one pixel a step; all [p], one entry a step of any segment.

    Attributes:
        owner: number of the segment.
        u: where; pixels.
        du: the same, from the segment's beginning.
        v0: of the segment's beginning, across.
        run: length of the segment along ``u``.
        rise: the same across.
        limit: pixels that there are across.
        steep: whether ``u`` is down, rather than to the right.
    """

    owner: Array
    u: Array
    du: Floats
    v0: Floats
    run: Floats
    rise: Floats
    limit: Floats
    steep: NDArray[np.bool_]


def _walk(segments: Floats, reach: Floats, size: tuple[int, int]) -> _Walk:
    steep = np.abs(segments[:, 1, 1] - segments[:, 0, 1]) > np.abs(segments[:, 1, 0] - segments[:, 0, 0])
    ends = np.where(steep[:, None, None], segments[:, :, ::-1], segments)
    ends = np.where((ends[:, :1, :1] > ends[:, 1:, :1]), ends[:, ::-1], ends)  # so that u grows
    limits = np.where(steep[:, None], size[::-1], size).astype(np.float32)
    first = np.clip(np.ceil(ends[:, 0, 0] - reach), 0, limits[:, 0]).astype(np.int32)
    last = np.clip(np.floor(ends[:, 1, 0] + reach), -1, limits[:, 0] - 1).astype(np.int32)
    count = np.maximum(last - first + 1, 0)
    owner = np.repeat(np.arange(len(count)), count)
    u = np.arange(len(owner)) - (np.cumsum(count) - count - first)[owner]
    columns = np.stack([ends[:, 0, 0], ends[:, 0, 1], *(ends[:, 1] - ends[:, 0]).T, limits[:, 1]])
    u0, v0, run, rise, limit = columns[:, owner]
    return _Walk(owner, u, u.astype(np.float32) - u0, v0, run, rise, limit, steep[owner])


def _covered(segments: Floats, radii: Floats, strengths: Floats, pixels: Pixels) -> tuple[Array, Weights]:
    """The pixels that segments touch, [p] numbers in the row of pixels, with repetitions, and their [p] weights.

    At each step of a walk along a segment, a band of pixels across it is tried.
    """
    owner, u, du, v0, run, rise, limit, steep = _walk(segments, radii + FEATHER, pixels.size)
    reach, slope = (radii + FEATHER)[owner], rise / np.maximum(run, 1e-6)
    squared = np.maximum(run * run + rise * rise, 1e-12)
    band = int(2 * float(np.max(reach * np.sqrt(1 + slope * slope), initial=0))) + 2
    lowest = np.floor(v0 + slope * np.clip(du, 0, run) - (band - 2) / 2)
    v = lowest + np.arange(band, dtype=np.float32)[:, None]  # [band, p], as is all that follows
    dv = v - v0
    nearest = np.clip(du * (run / squared) + dv * (rise / squared), 0, 1)
    coverage = reach - np.sqrt((du - nearest * run) ** 2 + (dv - nearest * rise) ** 2)
    kept = (coverage > 0) & (v >= 0) & (v < limit)
    along, across = np.where(steep, pixels.pitch, 1), np.where(steep, 1, pixels.pitch)
    places = u * along + np.clip(v, 0, limit).astype(np.int32) * across
    weights = np.minimum(coverage, 1) * strengths[owner]
    return places[kept], weights[kept].astype(np.uint16)


def _blend(pixels: NDArray[np.uint32], places: Array, weights: Weights, color: np.uint32) -> None:
    """Mixes a colour into [p] pixels (with repetitions: the highest of their weights counts)."""
    highest = _scratch(len(pixels))
    np.maximum.at(highest, places, weights)
    weight = highest[places].astype(np.uint32)
    highest[places] = 0
    old, rest = pixels[places], _OPAQUE - weight
    even = (((old & _BYTES) * rest + (color & _BYTES) * weight) >> _EIGHT) & _BYTES
    odd = (((old >> _EIGHT) & _BYTES) * rest + ((color >> _EIGHT) & _BYTES) * weight) & ~_BYTES
    pixels[places] = even | odd


def _scratch(length: int) -> Weights:
    """Zeros, to be left as zeros: enough for a surface of ``length`` pixels."""
    return _zeros(1 << max(length - 1, 1).bit_length())


@lru_cache(maxsize=4)
def _zeros(length: int) -> Weights:
    return np.zeros(length, np.uint16)
