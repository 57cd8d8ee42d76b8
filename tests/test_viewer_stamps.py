"""Markers: where they were put, as large as they were asked to be, and drawn once."""

from __future__ import annotations

import numpy as np
import pygame
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viz.theme import DARK
from viz.viewer import stamps
from viz.viewer.stamps import DISC, SQUARE, STAR, Shape, shape_of, stamp

WHITE = "#ffffff"
SHAPES = [DISC, SQUARE, STAR, Shape(3), Shape(5), Shape(6)]


def light(surface: pygame.Surface) -> np.ndarray:
    return pygame.surfarray.array3d(surface).transpose(1, 0, 2)[..., 0] / 255


@given(st.sampled_from(SHAPES), st.floats(15, 25), st.floats(15, 25), st.floats(2, 9))
def test_a_marker_is_where_it_was_put(shape: Shape, x: float, y: float, radius: float) -> None:
    surface = pygame.Surface((40, 40), 0, 32)
    stamp(surface, (x, y), shape, radius, WHITE)
    covered = light(surface)
    assert (covered * np.arange(40)).sum() / covered.sum() == pytest.approx(x, abs=0.2)
    if shape.sides % 2 == 0:  # the others' corners lie round their centre, but not evenly above and below
        assert (covered.T * np.arange(40)).sum() / covered.sum() == pytest.approx(y, abs=0.2)


@pytest.mark.parametrize(("shape", "area"), [(DISC, np.pi), (SQUARE, 2 * 1.15**2), (Shape(4), 2 * 1.15**2)])
def test_a_marker_has_its_area(shape: Shape, area: float) -> None:
    surface = pygame.Surface((60, 60), 0, 32)
    stamp(surface, (30, 30), shape, 12, WHITE)
    assert light(surface).sum() == pytest.approx(area * 144, rel=0.03)


def test_hollow_markers_and_rims() -> None:
    surface = pygame.Surface((60, 60), 0, 32)
    stamp(surface, (30, 30), DISC, 12, WHITE, "#ff0000", rim=3, line=2)
    assert surface.get_at((30, 30))[:3] == (0, 0, 0)
    assert surface.get_at((42, 30))[:3] == (255, 255, 255)
    assert surface.get_at((45, 30))[:3] == (255, 0, 0)


def test_opacity() -> None:
    surface = pygame.Surface((60, 60), 0, 32)
    stamp(surface, (30, 30), DISC, 12, WHITE, alpha=0.5)
    assert light(surface)[30, 30] == pytest.approx(0.5, abs=0.01)
    stamp(surface, (30, 30), DISC, 12, WHITE, alpha=0.0)
    assert light(surface)[30, 30] == pytest.approx(0.5, abs=0.01)


def test_many_at_once_wherever_they_are() -> None:
    surface = pygame.Surface((60, 60), 0, 32)
    stamp(surface, [(10, 10), (50, 50), (np.nan, 3), (1e12, 5), (-np.inf, 0)], DISC, 3, WHITE)
    assert light(surface)[10, 10] == light(surface)[50, 50] == 1
    stamp(surface, np.empty((0, 2)), DISC, 3, WHITE)


def test_a_marker_is_drawn_once_for_a_quarter_of_a_pixel() -> None:
    stamps._drawn.cache_clear()
    surface = pygame.Surface((60, 60), 0, 32)
    for place in np.random.default_rng(0).uniform(10, 50, (400, 2)):
        stamp(surface, place, DISC, 4, WHITE)
    assert stamps._drawn.cache_info().currsize == stamps.PHASES**2


def test_levels_have_different_shapes() -> None:
    assert len({shape_of(DARK.level(level)) for level in range(1, 7)}) == 6
