"""Markers: small anti-aliased shapes, each drawn once for every quarter of a pixel that it may lie at, and kept."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pygame
from numpy.typing import ArrayLike

from viz.theme import LevelStyle, rgb255
from viz.viewer.paint import FEATHER, Array, Floats, image

PHASES = 4
"""Places per pixel and axis that a shape is drawn for: it moves smoothly."""


class Shape(NamedTuple):
    """The outline of a marker.

    Attributes:
        sides: corners; 0 is a disc.
        rotation: degrees; at 0 a corner points up.
        inner: radius of the corners between these, as a share of theirs; 0 for none (a star has them).
    """

    sides: int = 0
    rotation: float = 0.0
    inner: float = 0.0


DISC, SQUARE, STAR = Shape(), Shape(4, 45.0), Shape(5, 0.0, 0.42)
_AREA = 1.15
"""Polygons are drawn larger than discs of their radius, to look as large."""


def shape_of(style: LevelStyle) -> Shape:
    """A level's shape."""
    return Shape(style.sides, style.rotation)


def stamp(
    surface: pygame.Surface,
    places: ArrayLike,
    shape: Shape,
    radius: float,
    color: str,
    edge: str = "",
    rim: float = 0.9,
    alpha: float = 1.0,
    line: float = 0.0,
) -> None:
    """Draws a marker at each of [..., 2] places.

    Args:
        surface: to draw on.
        places: of the centres; pixels.
        shape: what.
        radius: pixels.
        color: hex.
        edge: colour of a rim around it, which lifts it off what lies below; none if empty.
        rim: width of the rim; pixels.
        alpha: opacity, drawn in steps of a 32nd.
        line: width of the outline of a hollow marker; 0 fills it.
    """
    at = np.asarray(places, np.float64).reshape(-1, 2)
    width, height = surface.get_size()
    seen = np.all((at > -100) & (at < (width + 100, height + 100)), axis=1)  # not where it is not a number either
    quarters = np.round(at[seen] * PHASES).astype(int)
    look = (shape, round(radius * 4) / 4, color, edge, rim if edge else 0.0, round(alpha * 32) / 32, line)
    if alpha >= 1 / 64:
        surface.fblits([_placed(look, x, y) for x, y in quarters.tolist()])


_Look = tuple[Shape, float, str, str, float, float, float]


def _placed(look: _Look, x: int, y: int) -> tuple[pygame.Surface, tuple[int, int]]:
    drawn = _drawn(look, x % PHASES, y % PHASES)
    half = drawn.get_width() // 2
    return drawn, (x // PHASES - half, y // PHASES - half)


@lru_cache(maxsize=4096)
def _drawn(look: _Look, phase_x: int, phase_y: int) -> pygame.Surface:
    shape, radius, color, edge, rim, alpha, line = look
    half = int(np.ceil(radius * (_AREA if shape.sides else 1.0) + line / 2 + rim)) + 2
    grid = np.arange(-half, half + 1, dtype=np.float32)
    x, y = np.meshgrid(grid - phase_x / PHASES, grid - phase_y / PHASES)
    distance = _distance(shape, radius, x, y)
    if line:
        distance = np.abs(distance) - line / 2
    inside = np.clip(FEATHER - distance, 0, 1)[..., None]
    around = np.clip(FEATHER - (distance - rim), 0, 1)
    rgb = np.array(rgb255(edge or color)) * (1 - inside) + np.array(rgb255(color)) * inside
    return image(rgb, around * alpha)


def _distance(shape: Shape, radius: float, x: Floats, y: Floats) -> Array:
    """[h, w] signed distances of pixels to a shape's outline, negative inside."""
    if shape.sides == 0:
        return np.hypot(x, y) - radius
    corners = _corners(shape) * radius * (1.0 if shape.inner else _AREA)
    following = np.roll(corners, -1, 0)
    nearest, inside = np.full(x.shape, np.inf), np.zeros(x.shape, bool)
    for (ax, ay), (bx, by) in zip(corners, following, strict=True):
        share = np.clip(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2), 0, 1)
        nearest = np.minimum(nearest, np.hypot(x - ax - share * (bx - ax), y - ay - share * (by - ay)))
        if ay != by:
            inside ^= ((ay > y) != (by > y)) & (x < ax + (y - ay) / (by - ay) * (bx - ax))
    return np.where(inside, -nearest, nearest)


def _corners(shape: Shape) -> Array:
    """[n, 2] corners at radius 1."""
    count = shape.sides * (2 if shape.inner else 1)
    angles = np.radians(shape.rotation) + 2 * np.pi * np.arange(count) / count
    radii = np.where(np.arange(count) % 2 == 1, shape.inner, 1.0) if shape.inner else np.ones(count)
    return radii[:, None] * np.stack([np.sin(angles), -np.cos(angles)], 1)
