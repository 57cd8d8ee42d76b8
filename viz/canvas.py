"""Fast anti-aliased drawing in world units on a Pillow image: what moves in a recording or a window."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from viz.backdrop import Array, Extent
from viz.theme import LevelStyle, font_file, rgb255

SUPERSAMPLING = 3  # drawn this many times larger, then averaged down


class Canvas:
    """Draws in world units on an image that is ``SUPERSAMPLING`` times larger than the result.

    Args:
        image: the background, already enlarged; it is drawn on.
        extent: what part of the world the map's area shows.
        origin: top left corner of the map's area in the result; pixels.
        pixels_per_unit: pixels of the result per world unit.
        unit: line widths and sizes in proportion, as in the figures (points become pixels).
    """

    def __init__(
        self, image: Image.Image, extent: Extent, origin: tuple[float, float], pixels_per_unit: float, unit: float
    ) -> None:
        self.image, self.draw = image, ImageDraw.Draw(image)
        self._corner = np.array([extent.left, extent.top])
        self._origin = np.array(origin)
        self._zoom, self._unit = pixels_per_unit, unit

    def result(self) -> Image.Image:
        """The picture at its real size."""
        return self.image.reduce(SUPERSAMPLING)

    def pixels(self, points: Array) -> Array:
        """[..., 2] world positions to [..., 2] positions on the enlarged image."""
        return SUPERSAMPLING * (self._origin + (np.asarray(points, dtype=float) - self._corner) * self._zoom)

    def world(self, pixel: tuple[float, float]) -> Array:
        """The [2] world position under a pixel of the result."""
        return self._corner + (np.array(pixel) - self._origin) / self._zoom

    def line(self, points: Array, color: str, width: float, alpha: float = 1.0) -> None:
        """A polyline through [n, 2] world positions, with round joints and ends."""
        pixels = self.pixels(points)
        stroke = max(1, round(width * self._unit * SUPERSAMPLING))
        if len(pixels) < 2:
            return
        if alpha >= 1:
            _stroke(self.draw, pixels, stroke, rgb255(color))
            return
        low = np.maximum(pixels.min(0).astype(int) - stroke, 0)
        high = np.minimum(pixels.max(0).astype(int) + stroke, self.image.size)
        if np.all(high > low):
            width_px, height_px = (high - low).tolist()
            mask = Image.new("L", (width_px, height_px))
            _stroke(ImageDraw.Draw(mask), pixels - low, stroke, round(255 * alpha))
            self.image.paste(rgb255(color), tuple(low.tolist()), mask)

    def dots(self, points: Array, style: LevelStyle, edge: str) -> None:
        """A level's marker at each of [n, 2] world positions, with a thin edge."""
        radius = 0.5 * style.size * self._unit
        for point in self.pixels(points):
            self._shape(point, style, radius + 0.8 * self._unit, fill=edge)
            self._shape(point, style, radius, fill=style.color)

    def ring(self, point: Array, style: LevelStyle, edge: str) -> None:
        """A level's marker, large and hollow, at a [2] world position."""
        radius, centre = 0.5 * (style.size + 7) * self._unit, self.pixels(point)
        self._shape(centre, style, radius + 1.8 * self._unit, outline=edge, width=4.0 * self._unit)
        self._shape(centre, style, radius + 0.9 * self._unit, outline=style.color, width=2.1 * self._unit)

    def disc(self, point: Array, radius: float, color: str, edge: str) -> None:
        """A disc of a radius in world units, but never too small to be seen, at a [2] world position."""
        x, y = self.pixels(point)
        inner = SUPERSAMPLING * max(radius * self._zoom, 2.5)
        for reach, fill in ((inner + SUPERSAMPLING * 1.2 * self._unit, edge), (inner, color)):
            self.draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=rgb255(fill))

    def star(self, point: Array, color: str, edge: str, size: float = 8.6) -> None:
        """The goal's star, of a radius in points, at a [2] world position."""
        x, y = self.pixels(point)
        for radius, fill in ((1.34 * size * self._unit, edge), (size * self._unit, color)):
            self.draw.polygon(_star(x, y, radius * SUPERSAMPLING), fill=rgb255(fill))

    def text(
        self, xy: tuple[float, float], text: str, color: str, size: float, anchor: str = "lm", bold: bool = False
    ) -> float:
        """Text of a size in pixels at a pixel of the result; returns its width in pixels."""
        place = (xy[0] * SUPERSAMPLING, xy[1] * SUPERSAMPLING)
        self.draw.text(place, text, fill=rgb255(color), font=_font(round(size * SUPERSAMPLING), bold), anchor=anchor)
        return self.text_width(text, size, bold)

    def text_width(self, text: str, size: float, bold: bool = False) -> float:
        """Pixels of the result that a text takes."""
        return float(_font(round(size * SUPERSAMPLING), bold).getlength(text)) / SUPERSAMPLING

    def shortened(self, text: str, size: float, room: float, bold: bool = False) -> str:
        """As much of a text as fits in ``room`` pixels, an ellipsis at its end where it was cut."""
        cuts = [text, *(text[:length].rstrip() + "…" for length in range(len(text) - 1, 0, -1))]
        return next((cut for cut in cuts if self.text_width(cut, size, bold) <= room), "")

    def _shape(
        self, at: Array, style: LevelStyle, radius: float, fill: str = "", outline: str = "", width: float = 1.0
    ) -> None:
        x, y = at
        inside = rgb255(fill) if fill else None
        border = rgb255(outline) if outline else None
        stroke = max(1, round(width * SUPERSAMPLING)) if outline else 0
        reach = radius * SUPERSAMPLING
        if style.sides == 0:
            self.draw.ellipse((x - reach, y - reach, x + reach, y + reach), inside, border, stroke)
        else:
            corners = _polygon(x, y, reach * 1.15, style.sides, style.rotation)
            self.draw.polygon(corners, inside, border, stroke)


def _stroke(draw: ImageDraw.ImageDraw, pixels: Array, width: int, color: int | tuple[int, int, int]) -> None:
    draw.line([tuple(point) for point in pixels.tolist()], fill=color, width=width, joint="curve")
    reach = width / 2 - 0.5
    for x, y in (pixels[0], pixels[-1]):
        draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=color)


def _polygon(x: float, y: float, radius: float, sides: int, rotation: float) -> Sequence[tuple[float, float]]:
    angles = [math.radians(rotation) + 2 * math.pi * corner / sides for corner in range(sides)]
    return [(x + radius * math.sin(angle), y - radius * math.cos(angle)) for angle in angles]


def _star(x: float, y: float, radius: float) -> Sequence[tuple[float, float]]:
    angles = [math.pi * corner / 5 for corner in range(10)]
    reach = [radius if corner % 2 == 0 else 0.42 * radius for corner in range(10)]
    return [(x + r * math.sin(a), y - r * math.cos(a)) for a, r in zip(angles, reach, strict=True)]


@lru_cache(maxsize=32)
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(font_file(bold), size)
