"""Text: its place, its width, and cutting it to fit."""

from __future__ import annotations

import numpy as np
import pygame
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viz.viewer.lettering import shortened, text_width, write


def box(text: str, anchor: str, **options: object) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the pixels that a text at (100, 50) takes."""
    surface = pygame.Surface((200, 100), 0, 32)
    write(surface, (100, 50), text, "#ffffff", 20, anchor, **options)  # type: ignore[arg-type]
    rows, columns = np.nonzero(pygame.surfarray.array3d(surface)[..., 0].T > 128)
    return int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())


def test_anchors_across() -> None:
    left, middle, right = (box("HHH", anchor)[0] for anchor in ("lm", "mm", "rm"))
    assert left >= 100 and box("HHH", "rm")[2] <= 100
    assert left - right == text_width("HHH", 20) and left - middle == pytest.approx(text_width("HHH", 20) / 2, abs=1)


def test_capitals_are_centred() -> None:
    _, top, _, bottom = box("HH", "mm")
    assert (top + bottom) / 2 == pytest.approx(50, abs=1)
    assert box("HH", "mt")[1] >= 50 > box("HH", "mb")[3]


def test_bold_and_faint() -> None:
    assert text_width("level", 20, bold=True) > text_width("level", 20)
    surface = pygame.Surface((200, 100), 0, 32)
    assert write(surface, (10, 50), "█", "#ffffff", 30, alpha=0.5) == text_width("█", 30)
    assert pygame.surfarray.array3d(surface).max() == pytest.approx(128, abs=2)
    write(surface, (10, 50), "█", "#ffffff", 30)
    assert pygame.surfarray.array3d(surface).max() == 255


@given(st.text(st.characters(min_codepoint=32, max_codepoint=0x17F), max_size=40), st.integers(0, 300))
def test_what_is_cut_fits_and_is_as_long_as_can_be(text: str, room: int) -> None:
    cut = shortened(text, 13, room)
    assert text_width(cut, 13) <= room or cut == ""
    if cut != text and cut:
        kept = len(cut) - 1
        assert cut.endswith("…") and text.startswith(cut[:-1])
        assert text_width(text[: kept + 1].rstrip() + "…", 13) > room or text[kept] == " "
    if text_width(text, 13) <= room:
        assert cut == text
