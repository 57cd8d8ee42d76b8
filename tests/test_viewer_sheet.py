"""Sheets: what was drawn on a clear one ends up in the same place on another."""

from __future__ import annotations

import numpy as np
import pygame
import pytest

from tests.viewer_scene import MAZE
from viz.theme import DARK
from viz.viewer.layout import Camera, Rect, projection
from viz.viewer.sheet import Sheet, line_scale
from viz.viewer.stamps import DISC, stamp
from worlds.compiled import RADIUS

WHERE = projection(Camera(), MAZE.shape, Rect(0, 0, 300, 200))


def white() -> Sheet:
    surface = pygame.Surface((300, 200), 0, 32)
    surface.fill("#ffffff")
    return Sheet(surface, WHERE, DARK)


@pytest.mark.parametrize("alpha", [1.0, 0.5])
def test_what_is_laid_over_lies_where_it_was_drawn(alpha: float) -> None:
    clear, below = Sheet.clear(WHERE, DARK, "#0000ff"), white()
    stamp(clear.surface, (120, 70), DISC, 10, "#0000ff")
    drawn = clear.drawn()
    assert drawn.get_offset() == (110, 60) and drawn.get_size() == (21, 21)
    below.lay(drawn, alpha)
    red = pygame.surfarray.array3d(below.surface)[..., 0]
    assert red[120, 70] == pytest.approx(255 * (1 - alpha), abs=2)
    assert np.argwhere(red < 250).min(0).tolist() == [110, 60] and np.argwhere(red < 250).max(0).tolist() == [130, 80]


def test_an_empty_sheet_changes_nothing() -> None:
    below = white()
    below.lay(Sheet.clear(WHERE, DARK, "#0000ff").drawn(), 1.0)
    assert pygame.surfarray.array3d(below.surface).min() == 255


def test_sizes_follow_the_scale() -> None:
    near = projection(Camera(4.0), MAZE.shape, Rect(0, 0, 300, 200))
    assert Sheet.clear(near, DARK, "#ffffff").agent_radius == pytest.approx(RADIUS * near.scale)
    assert Sheet.clear(near, DARK, "#ffffff").unit > Sheet.clear(WHERE, DARK, "#ffffff").unit
    assert 0.5 < line_scale(WHERE) <= line_scale(near) < 1.5
    assert white().style(3).width == pytest.approx(DARK.level(3).width * white().unit)
