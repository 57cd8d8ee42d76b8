"""Icons, as lines, discs and polygons in a square of 16 units; each is drawn once for a size and a colour, and kept."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import pygame

from viz.theme import rgb255

UNITS, FINENESS = 16, 8
"""Sides of an icon; and how many times larger it is drawn before it is averaged down."""
Points = tuple[tuple[float, float], ...]


class Stroke(NamedTuple):
    """A line with round ends.

    Attributes:
        points: that it passes through; units.
        width: units.
    """

    points: Points
    width: float = 1.6


class Area(NamedTuple):
    """A filled polygon.

    Attributes:
        points: its corners; units.
        cut: whether it is cut out of what was drawn before.
    """

    points: Points
    cut: bool = False


def _arc(x: float, y: float, radius: float, first: float, last: float) -> Points:
    """Points of an arc, from an angle to another one; degrees, clockwise from the right."""
    angles = [math.radians(first + (last - first) * part / 24) for part in range(25)]
    return tuple((x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles)


def _square(x: float, y: float, side: float) -> Points:
    return ((x, y), (x + side, y), (x + side, y + side), (x, y + side))


def _closed(points: Points) -> Points:
    return (*points, points[0])


def _star(x: float, y: float, radius: float) -> Points:
    corners = range(10)
    reach = [radius if corner % 2 == 0 else 0.42 * radius for corner in corners]
    turned = [math.pi * corner / 5 for corner in corners]
    return tuple((x + r * math.sin(a), y - r * math.cos(a)) for r, a in zip(reach, turned, strict=True))


def _mirrored(*shapes: Stroke | Area) -> tuple[Stroke | Area, ...]:
    """The same the other way round, left to right."""
    return tuple(shape._replace(points=tuple((UNITS - x, y) for x, y in shape.points)) for shape in shapes)


_FORWARD = (Area(((4.5, 3), (11.5, 8), (4.5, 13))), Stroke(((12.6, 3.6), (12.6, 12.4)), 1.6))
_NEXT_MARK = (Stroke(((4, 3.6), (8.2, 8), (4, 12.4))), Stroke(((8.6, 3.6), (12.8, 8), (8.6, 12.4))))
_UNDO = (
    Stroke(((6.2, 2.6), (2.8, 6), (6.2, 9.4))),
    Stroke(((3.2, 6), (9.6, 6), *_arc(9.6, 9.4, 3.4, -90, 90), (6, 12.8))),
)

ICONS: dict[str, tuple[Stroke | Area, ...]] = {
    "inspect": (Area(((3.5, 1.8), (3.5, 13), (6.6, 10.2), (8.8, 14.6), (10.8, 13.6), (8.7, 9.4), (12.8, 9.2))),),
    "wall": (
        Area(((2, 3), (14, 3), (14, 13), (2, 13))),
        *(Stroke(line, -0.9) for line in (
            ((2, 6.4), (14, 6.4)), ((2, 9.7), (14, 9.7)), ((6, 3), (6, 6.4)), ((10.5, 3), (10.5, 6.4)),
            ((8.2, 6.4), (8.2, 9.7)), ((5, 9.7), (5, 13)), ((11.2, 9.7), (11.2, 13)),
        )),
    ),
    "cost": (
        Stroke(_closed(_square(2.6, 2.6, 10.8)), 1.3), Stroke(((3, 9), (9, 3)), 1.2),
        Stroke(((3.4, 12.8), (12.8, 3.4)), 1.2), Stroke(((7.4, 13), (13, 7.4)), 1.2),
    ),
    "guardrail": (Stroke(_arc(8, 8, 5.6, 0, 360), 1.7), Stroke(((4.2, 4.2), (11.8, 11.8)), 1.7)),
    "erase": (
        Stroke(_closed(((2.4, 10), (8.6, 3.2), (13.4, 7.4), (7.4, 13.4), (5.4, 13.4))), 1.4),
        Stroke(((5.6, 6.6), (10.4, 10.8)), 1.3), Stroke(((7.6, 13.5), (13.6, 13.5)), 1.3),
    ),
    "goal": (Area(_star(8, 8.4, 6.6)),),
    "start": (Stroke(_arc(8, 8, 5.4, 0, 360), 1.5), Area(((6.4, 5.2), (11, 8), (6.4, 10.8)))),
    "subgoal": (Area(_arc(8, 5.6, 4, 0, 360)), Stroke(((8, 8), (8, 14.4)), 1.6), Area(_arc(8, 5.6, 1.5, 0, 360), True)),
    "probe": (
        Stroke(_arc(8, 5.2, 3.2, -180, 70), 1.7), Stroke(((9, 8.2), (8, 9.2), (8, 10.4)), 1.7),
        Area(_arc(8, 13.4, 1.15, 0, 360)),
    ),
    "layers": (
        Area(((8, 1.8), (14.4, 5.4), (8, 9), (1.6, 5.4))), Stroke(((1.9, 8.2), (8, 11.6), (14.1, 8.2)), 1.3),
        Stroke(((1.9, 10.9), (8, 14.3), (14.1, 10.9)), 1.3),
    ),
    "agent": (Area(_arc(8, 5, 3, 0, 360)), Area((*_arc(8, 14, 5.6, -180, 0), (2.4, 14)))),
    "levels": (
        Stroke(((8, 2.8), (3.4, 8.2)), 1.2), Stroke(((8, 2.8), (12.6, 8.2)), 1.2), Stroke(((3.4, 8.2), (3.4, 13)), 1.2),
        Stroke(((12.6, 8.2), (12.6, 13)), 1.2),
        *(Area(_arc(x, y, 1.9, 0, 360)) for x, y in ((8, 2.9), (3.4, 8.1), (12.6, 8.1), (3.4, 13.1), (12.6, 13.1))),
    ),
    "risk": (
        Stroke(_closed(((8, 2.4), (14.2, 13.2), (1.8, 13.2))), 1.5), Stroke(((8, 6.4), (8, 9.4)), 1.5),
        Area(_arc(8, 11.4, 0.9, 0, 360)),
    ),
    "share": (
        Stroke(((8, 10), (8, 2.4)), 1.6), Stroke(((5, 5), (8, 2), (11, 5)), 1.6),
        Stroke(((2.8, 9.4), (2.8, 13.4), (13.2, 13.4), (13.2, 9.4)), 1.6),
    ),
    "undo": _UNDO,
    "redo": _mirrored(*_UNDO),
    "restart": (Stroke(_arc(8, 8.4, 5.2, -50, 230), 1.7), Area(((3.1, 1.7), (8.1, 3.6), (4.1, 7.2)))),
    "new": (
        Stroke(_closed(_square(2.6, 2.6, 10.8)), 1.4),
        *(Area(_arc(x, y, 1.15, 0, 360)) for x, y in ((5.4, 5.4), (10.6, 5.4), (8, 8), (5.4, 10.6), (10.6, 10.6))),
    ),
    "compare": (Stroke(_closed(((2, 3), (14, 3), (14, 13), (2, 13))), 1.4), Stroke(((8, 3), (8, 13)), 1.4)),
    "theme": (Stroke(_arc(8, 8, 5.4, 0, 360), 1.5), Area(_arc(8, 8, 5.4, -90, 90))),
    "smaller": (Stroke(((3.2, 12), (6.4, 4.4), (9.6, 12)), 1.5), Stroke(((4.4, 9.4), (8.4, 9.4)), 1.3),
                Stroke(((11.2, 8), (14.6, 8)), 1.4)),
    "larger": (Stroke(((2, 13), (6.2, 3), (10.4, 13)), 1.6), Stroke(((3.6, 9.6), (8.8, 9.6)), 1.4),
               Stroke(((11.6, 6), (15.2, 6)), 1.4), Stroke(((13.4, 4.2), (13.4, 7.8)), 1.4)),
    "help": (
        Stroke(_closed(((1.8, 4), (14.2, 4), (14.2, 12.4), (1.8, 12.4))), 1.4), Stroke(((5.2, 10), (10.8, 10)), 1.3),
        *(Area(_arc(x, 6.9, 0.85, 0, 360)) for x in (4.6, 8, 11.4)),
    ),
    "play": (Area(((4, 2.4), (13.4, 8), (4, 13.6))),),
    "pause": (Stroke(((5.4, 3.6), (5.4, 12.4)), 2.6), Stroke(((10.6, 3.6), (10.6, 12.4)), 2.6)),
    "step-forward": _FORWARD,
    "step-back": _mirrored(*_FORWARD),
    "mark-next": _NEXT_MARK,
    "mark-previous": _mirrored(*_NEXT_MARK),
    "follow": (
        Area(_arc(8, 8, 2.6, 0, 360)), Stroke(_arc(8, 8, 5.6, -50, 50), 1.4), Stroke(_arc(8, 8, 5.6, 130, 230), 1.4),
    ),
    "replan": (
        Stroke(_arc(8, 8, 5.2, 200, 320), 1.6), Stroke(_arc(8, 8, 5.2, 20, 140), 1.6),
        Area(((9.6, 6.2), (14.4, 6.6), (13.4, 2))), Area(((6.4, 9.8), (1.6, 9.4), (2.6, 14))),
    ),
    "unpin": (
        Area(_arc(8, 5.4, 3.6, 0, 360)), Stroke(((8, 8), (8, 14)), 1.5), Stroke(((2.6, 13), (13.4, 2.6)), -2.6),
        Stroke(((2.4, 13.4), (13.6, 2.6)), 1.4),
    ),
    "chevron": (Stroke(((4, 6.2), (8, 10.2), (12, 6.2)), 1.6),),
    "tick": (Stroke(((3, 8.4), (6.6, 12), (13, 4.6)), 1.9),),
    "close": (Stroke(((4, 4), (12, 12)), 1.6), Stroke(((12, 4), (4, 12)), 1.6)),
}  # fmt: skip
"""By name; a stroke of negative width is cut out of what was drawn before."""


def icon(surface: pygame.Surface, name: str, x: float, y: float, size: int, color: str) -> None:
    """Draws an icon centred on a place."""
    surface.blit(_drawn(name, max(1, size), color), (round(x - size / 2), round(y - size / 2)))


@lru_cache(maxsize=512)
def _drawn(name: str, size: int, color: str) -> pygame.Surface:
    scale = FINENESS * size / UNITS
    large = pygame.Surface((FINENESS * size, FINENESS * size), pygame.SRCALPHA)
    opaque, clear = (*rgb255(color), 255), (*rgb255(color), 0)
    large.fill(clear)
    for shape in ICONS[name]:
        points = [(x * scale, y * scale) for x, y in shape.points]
        if isinstance(shape, Area):
            pygame.draw.polygon(large, clear if shape.cut else opaque, points)
        else:
            _line(large, clear if shape.width < 0 else opaque, points, abs(shape.width) * scale)
    return pygame.transform.smoothscale(large, (size, size))


def _line(surface: pygame.Surface, color: tuple[int, ...], points: list[tuple[float, float]], width: float) -> None:
    for (ax, ay), (bx, by) in zip(points, points[1:], strict=False):
        length = math.hypot(bx - ax, by - ay) or 1.0
        across = (ay - by) / length * width / 2, (bx - ax) / length * width / 2
        corners = [(ax + across[0], ay + across[1]), (bx + across[0], by + across[1]),
                   (bx - across[0], by - across[1]), (ax - across[0], ay - across[1])]  # fmt: skip
        pygame.draw.polygon(surface, color, corners)
    for point in points:
        pygame.draw.circle(surface, color, point, width / 2)
