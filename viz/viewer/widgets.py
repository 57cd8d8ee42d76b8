"""What panels are drawn with: their colours, text that fits, bars; and what they keep between frames.

A panel gets a :class:`Stage` and a rectangle, and draws on nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import isfinite
from typing import Any, Literal

import pygame

from viz.theme import Theme, rgb255
from viz.viewer.layout import Layout, Rect
from viz.viewer.lettering import shortened, text_width, write
from viz.viewer.model import Model
from viz.viewer.panels.history import History
from viz.viewer.recording import Recording
from viz.viewer.state import ViewState

Align = Literal["left", "middle", "right"]


@lru_cache(maxsize=4096)
def mix(color: str, other: str, share: float) -> str:
    """The colour a share of the way to another one.

    >>> mix("#000000", "#ffffff", 0.5)
    '#808080'
    """
    pairs = zip(rgb255(color), rgb255(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


@dataclass(frozen=True)
class Look:
    """A theme's colours for panels; hex strings.

    Attributes:
        theme: the theme itself.
        page: behind everything.
        panel: a panel.
        raised: a button on it.
        sheet: what lies on top.
        lit: a button under the pointer.
        line: edges and grids.
        faint: what is there but out of use.
        muted: secondary text.
        ink: text.
        accent: what is chosen.
        alarm: what went wrong.
        good: what went well.
    """

    theme: Theme
    page: str
    panel: str
    raised: str
    sheet: str
    lit: str
    line: str
    faint: str
    muted: str
    ink: str
    accent: str
    alarm: str
    good: str

    def level(self, level: int) -> str:
        """The hue of a level."""
        return self.theme.level(level).color


@lru_cache(maxsize=4)
def look_of(theme: Theme) -> Look:
    """The colours of a theme."""
    page, ink, dark = theme.page, theme.ink, theme.name == "dark"
    return Look(
        theme,
        page=mix(page, theme.wall, 0.35 if dark else 0.06),
        panel=mix(page, ink, 0.025),
        raised=mix(page, ink, 0.085),
        sheet=mix(page, ink, 0.085) if dark else page,
        lit=mix(page, ink, 0.16),
        line=mix(page, ink, 0.13),
        faint=mix(page, ink, 0.34),
        muted=theme.muted,
        ink=ink,
        accent=theme.exit if dark else theme.hues[1],
        alarm=theme.guardrail,
        good=theme.hues[3],
    )


class Store:
    """What is kept from one frame to the next: pictures by name, each for one key, and histories of recordings."""

    def __init__(self) -> None:
        self._pictures: dict[str, tuple[Hashable, Any]] = {}
        self._histories: dict[tuple[Recording, int], History] = {}

    def kept(self, name: str, key: Hashable, make: Callable[[], Any]) -> Any:
        """What ``make`` returned the last time that the name had this key; made anew where it had another."""
        known = self._pictures.get(name)
        if known is None or known[0] != key:
            known = self._pictures[name] = (key, make())
        return known[1]

    def history(self, recording: Recording, level: int) -> History:
        """The history of a level, up to date."""
        return self._histories.setdefault((recording, level), History(recording, level)).update()

    def forget(self, recordings: set[Recording]) -> None:
        """Keeps the histories of these recordings only."""
        for key in [key for key in self._histories if key[0] not in recordings]:
            del self._histories[key]


@dataclass(frozen=True)
class Stage:
    """What a panel draws on, and what it draws from.

    Attributes:
        surface: 32 bits a pixel.
        state: where the person looks.
        model: what is known.
        layout: where everything is.
        look: colours.
        store: what is kept between frames.
    """

    surface: pygame.Surface
    state: ViewState
    model: Model
    layout: Layout
    look: Look
    store: Store = field(default_factory=Store)

    @property
    def recording(self) -> Recording | None:
        """The selected run's recording."""
        return self.model.run(self.state.run).recording

    @property
    def step(self) -> int:
        """The world step that the selected run shows: a run that ended before the others stays at its end."""
        return min(self.state.step, self.model.run(self.state.run).last)

    @property
    def small(self) -> int:
        """Size of secondary text; pixels."""
        return max(8, round(0.85 * self.layout.text))

    def unit(self, pixels: float) -> int:
        """A length at ordinary text size, at the present one; pixels, 1 at least."""
        return max(1, round(pixels * self.layout.text / 13))

    def within(self, rect: Rect) -> pygame.Surface:
        """The part of the surface in a rectangle: nothing drawn on it gets out."""
        return self.surface.subsurface(pygame.Rect(rect).clip(self.surface.get_rect()))

    def text(
        self, words: str, x: float, y: float, color: str, *, size: int | None = None, bold: bool = False,
        align: Align = "left", room: float | None = None,
    ) -> int:  # fmt: skip
        """Writes one line, centred on ``y``, cut short beyond ``room`` pixels; returns the width that it took."""
        size = size or self.layout.text
        words = words if room is None else shortened(words, size, int(room), bold)
        return write(self.surface, (x, y), words, color, size, f"{align[0]}m", bold) if words else 0

    def on(self, surface: pygame.Surface) -> Stage:
        """The same on another surface, such as a chart that is kept."""
        return replace(self, surface=surface)


@contextmanager
def clipped(surface: pygame.Surface, rect: Rect) -> Iterator[None]:
    """What is drawn meanwhile stays in a rectangle: the last resort of a panel in a very small window."""
    before = surface.get_clip()
    surface.set_clip(pygame.Rect(rect).clip(before))
    try:
        yield
    finally:
        surface.set_clip(before)


# --- shapes --------------------------------------------------------------------------------------------------------


def wrapped(words: str, size: int, room: int) -> list[str]:
    """Words in lines that fit; what is too long for a line is left as it is."""
    lines: list[str] = []
    for word in words.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def fill(surface: pygame.Surface, rect: Rect, color: str) -> None:
    """A plain rectangle."""
    surface.fill(rgb255(color), rect)


def bar(surface: pygame.Surface, rect: Rect, share: float, color: str, track: str) -> None:
    """A bar filled to a share, 0..1."""
    fill(surface, rect, track)
    fill(surface, rect._replace(width=round(rect.width * min(max(share, 0.0), 1.0))), color)


def number(value: float) -> str:
    """A figure in as few digits as say something.

    >>> number(3.14159), number(214.6), number(0.0), number(12345.0), number(2_304_000)
    ('3.1', '215', '0', '12.3 k', '2.3 M')
    """
    if not isfinite(value):
        return "–"
    size = abs(value)
    if size >= 999_950:
        return f"{value / 1e6:.3g} M"
    if size >= 9_999.5:
        return f"{value / 1e3:.3g} k"
    return f"{value:.0f}" if size >= 99.95 or value == round(value) else f"{value:.1f}"
