"""What happened, as small shapes for time lines and charts: each kind has its own, so that colour isn't needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pygame

from viz.viewer.icons import icon
from viz.viewer.recording import Mark
from viz.viewer.stamps import DISC, STAR, Shape, stamp
from viz.viewer.widgets import Look

KINDS = {
    "rejected": "subgoal rejected",
    "guardrail": "guardrail",
    "surprise": "surprise",
    "pinned": "subgoal pinned",
    "pin-reached": "pin reached",
    "edit": "edit",
    "arrived": "arrived",
    "late": "late",
}
"""Kinds of marks that are drawn, and what they are called; replans are seen as the beginnings of plans."""
_TRIANGLE, _DOWN, _SQUARE, _DIAMOND = Shape(3), Shape(3, 180.0), Shape(4, 45.0), Shape(4)


def spots(marks: Iterable[Mark], left: float, scale: float, apart: float) -> Iterator[tuple[Mark, float]]:
    """Marks that are drawn, with their pixels: of those of one kind and level that lie close together, the first.

    Args:
        marks: what happened.
        left: where world step 0 is; pixels.
        scale: pixels per world step.
        apart: pixels within which marks count as one.
    """
    drawn = set()
    for mark in marks:
        x = left + mark.step * scale
        spot = (mark.kind, mark.level, int(x / apart))
        if mark.kind in KINDS and spot not in drawn:
            drawn.add(spot)
            yield mark, x


def glyph(surface: pygame.Surface, kind: str, x: float, y: float, radius: float, look: Look) -> None:
    """Draws one mark centred on a place; kinds that are not drawn leave no trace."""
    at = (x, y)
    match kind:
        case "rejected":
            stamp(surface, at, DISC, 1.1 * radius, look.panel)
            icon(surface, "close", x, y, round(4 * radius), look.alarm)
        case "guardrail":
            stamp(surface, at, _SQUARE, radius, look.alarm, look.panel)
            stamp(surface, at, _SQUARE, 0.4 * radius, look.panel)
        case "surprise":
            stamp(surface, at, _TRIANGLE, 1.1 * radius, look.theme.goal, look.panel)
        case "pinned":
            stamp(surface, at, DISC, radius, look.ink, look.panel)
        case "pin-reached":
            stamp(surface, at, DISC, radius, look.ink, look.panel)
            stamp(surface, at, DISC, 0.5 * radius, look.panel)
        case "edit":
            stamp(surface, at, _DIAMOND, radius, look.ink, look.panel)
        case "arrived":
            stamp(surface, at, STAR, 1.3 * radius, look.good, look.panel)
        case "late":
            stamp(surface, at, _DOWN, radius, look.muted, look.panel)
