"""Anti-aliased drawing on pygame surfaces; everything in pixels, nothing needs a display.

Lines of any width, with round joints and ends, are drawn many in one go (:mod:`viz.viewer.raster`): each pixel takes
the coverage of the nearest line, so that what overlaps within one call is one translucent shape. Markers and text are
drawn once and kept (:mod:`viz.viewer.stamps`, :mod:`viz.viewer.lettering`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pygame
from numpy.typing import ArrayLike, NDArray

from viz.theme import rgb255
from viz.viewer.raster import FEATHER, Array, Floats, Pixels

MOST_DASHES = 5000
"""Dashes of one line; they become longer where there would be more."""


def polyline(surface: pygame.Surface, points: ArrayLike, color: str, width: float, alpha: float = 1.0) -> None:
    """A line through [n, 2] places, with round joints and ends."""
    strokes(surface, segments_of(points), color, width, alpha)


def dashed(
    surface: pygame.Surface, points: ArrayLike, color: str, width: float, dash: float = 6.0, alpha: float = 1.0
) -> None:
    """A line through [n, 2] places, of dashes of a length with gaps as long."""
    strokes(surface, _dashes(segments_of(points), dash), color, width, alpha)


def ring(
    surface: pygame.Surface, centre: ArrayLike, radius: float, color: str, width: float, alpha: float = 1.0
) -> None:
    """A circle's outline."""
    angles = np.linspace(0, 2 * np.pi, max(12, int(2.2 * radius)))
    polyline(surface, np.asarray(centre) + radius * np.stack([np.cos(angles), np.sin(angles)], 1), color, width, alpha)


def arrow(
    surface: pygame.Surface, points: ArrayLike, color: str, width: float, alpha: float = 1.0, head: float = 7.0
) -> None:
    """A line through [n, 2] places with an open head of a length at its end."""
    points = np.asarray(points, np.float32)
    along = points[-1] - points[-2]
    along = along / max(float(np.hypot(*along)), 1e-6) * head
    across = 0.55 * np.array([-along[1], along[0]], np.float32)
    tips = np.stack([points[-1] - along + across, points[-1], points[-1] - along - across])
    strokes(surface, np.concatenate([segments_of(points), segments_of(tips)]), color, width, alpha)


def panel(
    surface: pygame.Surface,
    rect: tuple[int, int, int, int],
    color: str,
    radius: float = 8.0,
    border: str = "",
    alpha: float = 1.0,
) -> None:
    """A filled rectangle (x, y, width, height) with rounded corners, and a line around it if ``border`` is a colour."""
    x, y, width, height = rect
    if width > 0 and height > 0:
        surface.blit(_panel((width, height), color, min(radius, width / 2, height / 2), border, alpha), (x, y))


@lru_cache(maxsize=64)
def _panel(size: tuple[int, int], color: str, radius: float, border: str, alpha: float) -> pygame.Surface:
    """Worked out at the least size that has all four corners; then its middle row and column are repeated."""
    corner = int(np.ceil(radius)) + 2
    least = tuple(min(side, 2 * corner + 1) for side in size)
    x, y = (np.abs(np.arange(n, dtype=np.float32) - (n - 1) / 2) - (n / 2 - radius) for n in least)
    outside = np.hypot(np.maximum(x, 0), np.maximum(y, 0)[:, None]) + np.minimum(np.maximum(x, y[:, None]), 0) - radius
    inside = np.clip(FEATHER - outside, 0, 1)
    rgb = np.broadcast_to(np.array(rgb255(color), np.float32), (*outside.shape, 3))
    if border:
        line = np.clip(outside + 1 + FEATHER, 0, 1)[..., None]
        rgb = rgb * (1 - line) + np.array(rgb255(border), np.float32) * line
    columns, rows = (_stretched(m, n, corner) for m, n in zip(least, size, strict=True))
    return surface_of((_words(rgb) | _opacity(inside * alpha))[np.ix_(rows, columns)])


def _stretched(count: int, length: int, middle: int) -> NDArray[np.intp]:
    """[length] which of ``count`` rows to show: all of them, and the middle one as often as there is room."""
    return np.repeat(np.arange(count), np.where(np.arange(count) == middle, 1 + length - count, 1))


def image(rgb: Array, alpha: Array) -> pygame.Surface:
    """[h, w, 3] colours, 0..255, and [h, w] opacities, 0..1, to a surface."""
    return surface_of(_words(rgb) | _opacity(alpha))


def shaded(palette: Array, shade: Floats, alpha: Floats) -> NDArray[np.uint32]:
    """[h, w] pixels: of [n, 3] colours, [h, w] shades choose one, from the first (0) to the last (1).

    Args:
        palette: colours, 0..255.
        shade: which; 0..1.
        alpha: [h, w] opacities, 0..1.
    """
    number = (shade * np.float32(len(palette) - 1) + np.float32(0.5)).astype(np.uint16)
    return _words(palette).take(number, mode="clip") | _opacity(alpha)


def surface_of(pixels: NDArray[np.uint32]) -> pygame.Surface:
    """[h, w] pixels of alpha, red, green and blue to a surface: in this order it is the fastest to lay over another."""
    height, width = pixels.shape
    return pygame.image.frombytes(pixels.astype("<u4", copy=False).tobytes(), (width, height), "BGRA")


def _words(rgb: Array) -> NDArray[np.uint32]:
    return np.round(rgb).astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)


def _opacity(alpha: Array) -> NDArray[np.uint32]:
    return (alpha * np.float32(255) + np.float32(0.5)).astype(np.uint32) << np.uint32(24)


def gradient(colors: Sequence[str], count: int) -> Floats:
    """[count, 3] colours, 0..255, evenly from the first to the last, through those between."""
    stops = np.array([rgb255(color) for color in colors], np.float32)
    at = np.linspace(0, len(stops) - 1, count)
    return np.stack([np.interp(at, np.arange(len(stops)), channel) for channel in stops.T], 1).astype(np.float32)


def hexadecimal(rgb: ArrayLike) -> str:
    """[3] a colour, 0..255, as themes write it."""
    return "#" + "".join(f"{round(channel):02x}" for channel in np.asarray(rgb).tolist())


def segments_of(lines: ArrayLike) -> Floats:
    """[..., n, 2] polylines to their [m, 2 ends, 2] segments."""
    lines = np.asarray(lines, np.float32)
    return np.stack([lines[..., :-1, :], lines[..., 1:, :]], -2).reshape(-1, 2, 2)


def strokes(surface: pygame.Surface, segments: ArrayLike, color: str, width: ArrayLike, alpha: ArrayLike = 1.0) -> None:
    """Draws [m, 2 ends, 2] segments with round ends, all together as one shape.

    Args:
        surface: of 32 bits a pixel.
        segments: where; pixels.
        color: hex.
        width: [] or [m] pixels; what is thinner than one pixel is fainter instead.
        alpha: [] or [m] opacity; where segments overlap, the highest counts.
    """
    drawn = np.asarray(segments, np.float32)
    widths = np.broadcast_to(np.asarray(width, np.float32), (len(drawn),))
    radii = np.float32(0.5) * np.maximum(widths, 1)
    strengths = np.float32(256) * np.minimum(widths, 1) * np.clip(np.asarray(alpha, np.float32), 0, 1)
    seen = np.isfinite(drawn).all((1, 2)) & (strengths >= 1)
    if seen.any():
        Pixels.of(surface).mix(drawn[seen], radii[seen], strengths[seen], surface.map_rgb(rgb255(color)))


def _dashes(segments: Floats, dash: float) -> Floats:
    """Cuts [m, 2 ends, 2] consecutive segments into dashes; the pattern runs on across joints."""
    segments = segments[np.isfinite(segments).all((1, 2))]
    lengths = np.hypot(*(segments[:, 1] - segments[:, 0]).T.astype(np.float64))
    ends = np.cumsum(lengths)
    if len(segments) == 0 or ends[-1] < 1e-3:
        return segments[:0]
    dash = max(dash, ends[-1] / MOST_DASHES)
    begins = np.arange(0, ends[-1], 2 * dash)
    cuts = np.unique(np.concatenate([begins, np.minimum(begins + dash, ends[-1]), ends, [0.0]]))
    middle = (cuts[1:] + cuts[:-1]) / 2
    drawn = middle % (2 * dash) < dash
    owner = np.minimum(np.searchsorted(ends, middle), len(segments) - 1)
    offsets = np.stack([cuts[:-1], cuts[1:]], 1) - (ends - lengths)[owner, None]
    share = (offsets / np.maximum(lengths[owner, None], 1e-6))[..., None]
    pieces = segments[owner, None, 0] * (1 - share) + segments[owner, None, 1] * share
    return pieces[drawn].astype(np.float32)
