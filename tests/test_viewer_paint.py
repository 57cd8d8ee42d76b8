"""Anti-aliased drawing: exact where it can be, and never outside of what it was given."""

from __future__ import annotations

import time

import numpy as np
import pygame
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viz.theme import DARK, PAPER, rgb255
from viz.viewer import paint

WHITE = "#ffffff"


def canvas(width: int = 60, height: int = 40) -> pygame.Surface:
    return pygame.Surface((width, height), 0, 32)


def light(surface: pygame.Surface) -> np.ndarray:
    """[h, w] how white the pixels are, 0..1."""
    return pygame.surfarray.array3d(surface).transpose(1, 0, 2)[..., 0] / 255


def test_a_level_line_covers_just_its_rows() -> None:
    surface = canvas()
    paint.polyline(surface, [(10, 20), (50, 20)], WHITE, 3.0)
    rows = light(surface)[:, 30]
    assert rows[19:22].tolist() == [1, 1, 1] and rows.sum() == 3
    assert light(surface)[20, 5:9].max() == 0 and light(surface)[20, 8 + 1] == 1  # its end is round


@given(st.floats(0, 6.3), st.floats(1.5, 9), st.floats(0, 1), st.floats(0, 1))
def test_a_stroke_covers_its_area(angle: float, width: float, x: float, y: float) -> None:
    surface, along = canvas(), 12 * np.array([np.cos(angle), np.sin(angle)])
    middle = np.array([30 + x, 20 + y])
    paint.polyline(surface, [middle - along, middle + along], WHITE, width)
    assert light(surface).sum() == pytest.approx(24 * width + np.pi * width**2 / 4, rel=0.06)


@given(st.floats(-30, 90), st.floats(-30, 90), st.floats(2, 12))
def test_the_weight_of_a_disc_is_where_it_was_put(x: float, y: float, width: float) -> None:
    surface = canvas(200, 200)
    paint.polyline(surface, [(x + 60, y + 60), (x + 60, y + 60)], WHITE, width)
    covered = light(surface)
    assert (covered * np.arange(200)).sum() / covered.sum() == pytest.approx(x + 60, abs=0.1)
    assert (covered.T * np.arange(200)).sum() / covered.sum() == pytest.approx(y + 60, abs=0.1)


def test_what_overlaps_in_one_call_is_one_shape() -> None:
    surface = canvas()
    paint.strokes(surface, paint.segments_of([[(5, 20), (55, 20)], [(30, 5), (30, 35)]]), WHITE, 4.0, 0.5)
    assert light(surface)[20, 30] == light(surface)[20, 12] == pytest.approx(0.5, abs=0.01)


def test_segments_may_have_their_own_opacity() -> None:
    surface = canvas()
    paint.strokes(surface, paint.segments_of([[(5, 10), (55, 10)], [(5, 30), (55, 30)]]), WHITE, 4.0, [0.25, 0.75])
    assert light(surface)[10, 30] == pytest.approx(0.25, abs=0.01)
    assert light(surface)[30, 30] == pytest.approx(0.75, abs=0.01)


def test_segments_may_have_their_own_width() -> None:
    surface = canvas()
    paint.strokes(surface, paint.segments_of([[(5, 10), (55, 10)], [(5, 30), (55, 30)]]), WHITE, [1.0, 5.0])
    assert light(surface)[:20, 30].sum() == 1 and light(surface)[20:, 30].sum() == 5


def test_many_strokes_are_one_shape() -> None:
    surface, lines = canvas(400, 400), np.random.default_rng(0).uniform(0, 400, (120, 2, 2))
    paint.strokes(surface, lines, WHITE, 3.0, 0.5)
    assert light(surface).max() == pytest.approx(0.5, abs=0.01)


def test_hair_lines_are_fainter_rather_than_thinner() -> None:
    surface = canvas()
    paint.polyline(surface, [(5, 20), (55, 20)], WHITE, 0.5)
    assert light(surface)[20, 30] == pytest.approx(0.5, abs=0.01)


def test_colours_are_mixed_by_opacity() -> None:
    surface = canvas()
    surface.fill((200, 100, 0))
    paint.polyline(surface, [(5, 20), (55, 20)], "#0064c8", 6.0, 0.5)
    assert surface.get_at((30, 20))[:3] == pytest.approx((100, 100, 100), abs=1)
    assert surface.get_at((30, 5))[:3] == (200, 100, 0)


coordinates = st.floats(-1e9, 1e9) | st.floats(allow_nan=True, allow_infinity=True) | st.floats(-10, 70)


@given(st.lists(st.tuples(coordinates, coordinates), max_size=6), st.floats(0, 30), st.floats(-1, 2))
def test_a_part_of_a_surface_is_all_that_changes(points: list[tuple[float, float]], width: float, alpha: float) -> None:
    whole = canvas()
    part = whole.subsurface((13, 7, 20, 11))
    with np.errstate(over="ignore"):
        line = np.array(points, np.float32).reshape(-1, 2)
    if len(line):
        paint.polyline(part, line, WHITE, width, alpha)
        paint.dashed(part, line, WHITE, width, alpha=alpha)
    outside = light(whole)
    outside[7:18, 13:33] = 0
    assert outside.max() == 0


@pytest.mark.parametrize("lengths", [(48,), (7, 41), (5, 5, 5, 33)])
def test_dashes_run_on_across_joints(lengths: tuple[int, ...]) -> None:
    surface, straight = canvas(), canvas()
    corners = np.cumsum([0, *lengths])
    paint.dashed(surface, np.stack([6.0 + corners, np.full(len(corners), 20.0)], 1), WHITE, 2.0, 6.0)
    paint.dashed(straight, [(6, 20), (54, 20)], WHITE, 2.0, 6.0)
    assert np.abs(light(surface) - light(straight)).max() < 0.02
    assert light(straight)[20, 9] == 1 and light(straight)[20, 15] == 0 and light(straight)[20, 21] == 1


def test_an_arrow_widens_before_its_tip() -> None:
    surface = canvas()
    paint.arrow(surface, [(5, 20), (50, 20)], WHITE, 2.0, head=8.0)
    covered = light(surface).sum(0)
    assert covered[44] > 1.5 * covered[20] and covered[53] == 0


def test_a_ring_is_hollow() -> None:
    surface = canvas()
    paint.ring(surface, (30, 20), 12, WHITE, 2.0)
    assert light(surface)[20, 30] == 0 and light(surface)[20, 42] > 0.9 and light(surface)[8, 30] > 0.9


def test_panels_have_round_corners_and_a_border() -> None:
    surface = canvas()
    paint.panel(surface, (10, 5, 40, 30), "#204060", 8, "#ffffff")
    assert surface.get_at((10, 5))[:3] == (0, 0, 0)
    assert surface.get_at((30, 20))[:3] == (0x20, 0x40, 0x60)
    assert surface.get_at((30, 5))[:3] == (255, 255, 255)
    paint.panel(surface, (10, 5, 0, 30), "#204060")  # nothing to see, nothing to fail


def test_shades_choose_colours() -> None:
    palette = paint.gradient(("#000000", "#ff8000"), 3)
    surface = paint.surface_of(paint.shaded(palette, np.array([[0, 0.5, 1]], np.float32), np.array([[1, 0.5, 0]])))
    assert [tuple(surface.get_at((x, 0))) for x in range(3)] == [(0, 0, 0, 255), (128, 64, 0, 128), (255, 128, 0, 0)]


@given(st.sampled_from([*DARK.hues, *PAPER.hues, DARK.page, PAPER.goal]))
def test_colours_survive_numbers(color: str) -> None:
    assert paint.hexadecimal(rgb255(color)) == color


def test_many_thin_lines_are_fast() -> None:
    generator, surface, times = np.random.default_rng(0), canvas(900, 600), []
    lines = generator.uniform(50, 500, (64, 1, 2)) + np.cumsum(generator.normal(0, 12, (64, 6, 2)), 1)
    for _ in range(30):
        began = time.perf_counter()
        paint.strokes(surface, paint.segments_of(lines), WHITE, 1.3, 0.5)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.006
