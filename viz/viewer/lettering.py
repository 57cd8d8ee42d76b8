"""Text on pygame surfaces: one font, the one of the figures; every text is rendered once and kept."""

from __future__ import annotations

from functools import lru_cache

import pygame

from viz.theme import font_file, rgb255

CAPITAL = 0.73
"""Height of a capital letter, as a share of the text's size."""


def write(
    surface: pygame.Surface,
    xy: tuple[float, float],
    text: str,
    color: str,
    size: int,
    anchor: str = "lm",
    bold: bool = False,
    alpha: float = 1.0,
) -> int:
    """Writes one line of text.

    Args:
        surface: to write on.
        xy: where; pixels.
        text: what.
        color: hex.
        size: of the text; pixels.
        anchor: what of the text is at ``xy``: ``l``, ``m`` or ``r`` for left, middle or right, then ``t``, ``m`` or
            ``b`` for its top, the middle of its capitals, or its bottom.
        bold: whether it is.
        alpha: opacity.

    Returns:
        Its width; pixels.
    """
    drawn = _rendered(text, color, size, bold)
    across = {"l": 0.0, "m": 0.5, "r": 1.0}[anchor[0]] * drawn.get_width()
    capitals = _font(size, bold).get_ascent() - CAPITAL * size / 2
    down = {"t": 0.0, "m": capitals, "b": float(drawn.get_height())}[anchor[1]]
    if alpha < 1:
        drawn = drawn.copy()
        drawn.set_alpha(round(255 * alpha))
    surface.blit(drawn, (round(xy[0] - across), round(xy[1] - down)))
    return drawn.get_width()


@lru_cache(maxsize=4096)
def text_width(text: str, size: int, bold: bool = False) -> int:
    """Pixels that a text takes."""
    return _font(size, bold).size(text)[0]


@lru_cache(maxsize=1024)
def shortened(text: str, size: int, room: int, bold: bool = False) -> str:
    """As much of a text as fits in ``room`` pixels, an ellipsis at its end where it was cut; empty if nothing fits."""
    if text_width(text, size, bold) <= room:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if text_width(_cut(text, middle), size, bold) <= room else (low, middle - 1)
    return _cut(text, low) if low else ""


def _cut(text: str, length: int) -> str:
    return text[:length].rstrip() + "…"


@lru_cache(maxsize=2048)
def _rendered(text: str, color: str, size: int, bold: bool) -> pygame.Surface:
    return _font(size, bold).render(text, True, rgb255(color))


@lru_cache(maxsize=32)
def _font(size: int, bold: bool) -> pygame.font.Font:
    pygame.font.init()
    return pygame.font.Font(font_file(bold), size)
