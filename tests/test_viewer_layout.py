"""Rectangles that fit, at any size; and the way between world and pixels."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.viewer_session import MAZE, a_document
from viz.backdrop import Extent
from viz.viewer.layout import (
    Camera,
    Layout,
    Rect,
    banner_rect,
    extent,
    layout,
    level_rows,
    projection,
    projections,
    tab_body,
    tab_row,
)
from viz.viewer.state import TEXT_SCALES, ViewState
from worlds.maps import named_map

sizes = st.tuples(st.integers(640, 4000), st.integers(400, 2400))


def parts(shown: Layout) -> list[Rect]:
    """Rectangles that must not overlap."""
    beside = [shown.levels, tab_row(shown), tab_body(shown), shown.inspector]
    return [shown.top, *shown.maps, shown.tracks, shown.rounds, *(rect for rect in beside if rect.width)]


def within(inner: Rect, outer: Rect) -> bool:
    return outer.x <= inner.x <= inner.right <= outer.right and outer.y <= inner.y <= inner.bottom <= outer.bottom


def overlap(one: Rect, other: Rect) -> bool:
    across = min(one.right, other.right) - max(one.x, other.x)
    return across > 0 and min(one.bottom, other.bottom) - max(one.y, other.y) > 0


def test_the_usual_window() -> None:
    shown = layout(ViewState(a_document()))
    assert shown.screen == (0, 0, 1280, 800)
    assert shown.top == (0, 0, 1280, 44)
    assert shown.maps == ((0, 44, 908, 628),)
    assert shown.timeline == (0, 672, 1280, 128)
    assert {rect.width for rect in (shown.levels, shown.tabs, shown.inspector)} == {372}
    assert shown.text == 13


@given(size=sizes, scale=st.sampled_from(TEXT_SCALES), panels=st.booleans(), runs=st.integers(1, 2))
def test_everything_is_on_the_screen_and_nothing_lies_on_anything_else(
    size: tuple[int, int], scale: float, panels: bool, runs: int
) -> None:
    shown = layout(ViewState(a_document(runs), size=size, text_scale=scale, panels=panels))
    assert all(within(rect, shown.screen) and rect.height > 0 for rect in parts(shown))
    assert not any(overlap(one, other) for one, other in combinations(parts(shown), 2))
    assert within(shown.tracks, shown.timeline) and within(shown.rounds, shown.timeline)
    assert len(shown.maps) == runs and all(pane.width >= 150 and pane.height >= 100 for pane in shown.maps)


@given(size=st.tuples(st.integers(-10, 640), st.integers(-10, 400)), scale=st.sampled_from(TEXT_SCALES))
def test_no_window_is_too_small(size: tuple[int, int], scale: float) -> None:
    state = ViewState(a_document(2), size=size, text_scale=scale)
    shown = layout(state)
    assert all(rect.width >= 0 and rect.height >= 0 for rect in parts(shown))
    assert all(np.isfinite(pane.scale) and pane.scale > 0 for pane in projections(state, shown))
    level_rows(shown, 5), banner_rect(shown)


def test_two_runs_are_side_by_side_and_hidden_panels_leave_the_map_their_place() -> None:
    left, right = layout(ViewState(a_document(2))).maps
    assert left.width == right.width and left.right + 2 == right.x
    hidden = layout(ViewState(a_document(), panels=False))
    assert hidden.maps[0].width == 1280 and hidden.levels.width == hidden.tabs.width == 0


def test_larger_text_takes_more_room() -> None:
    small, large = (layout(ViewState(a_document(), size=(1920, 1080), text_scale=scale)) for scale in (1.0, 1.5))
    assert large.text > small.text and large.top.height > small.top.height and large.levels.width > small.levels.width


def test_rows_of_levels_are_in_the_table_the_coarsest_on_top() -> None:
    shown = layout(ViewState(a_document(levels=4)))
    rows = level_rows(shown, 4)
    assert [row.y for row in rows] == sorted((row.y for row in rows), reverse=True)
    assert all(within(row, shown.levels) and row.height > 30 for row in rows)


# --- projections ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["medium", "large", "giant", "teleport"])
def test_figures_show_as_much_of_a_map(name: str) -> None:
    cells = named_map(name).cells
    figure = Extent.of(cells)
    assert extent(cells.shape) == pytest.approx((figure.left, figure.top, figure.right, figure.bottom))


@given(size=sizes, zoom=st.floats(1, 16), centre=st.tuples(st.floats(-100, 100), st.floats(-100, 100)))
def test_pixels_and_world_are_inverse(size: tuple[int, int], zoom: float, centre: tuple[float, float]) -> None:
    state = ViewState(a_document(2), size=size, camera=Camera(zoom, centre))
    for pane in projections(state, layout(state)):
        places = np.array([[0.0, 0.0], [3.5, -2.0], [24.0, 16.0]])
        back = [pane.world(x, y) for x, y in pane.pixels(places)]
        assert np.allclose(back, places)


def test_the_whole_map_is_in_the_middle_of_its_pane() -> None:
    state = ViewState(a_document())
    (pane,) = projections(state, layout(state))
    left, top, right, bottom = extent(MAZE.shape)
    (x, y), (to_x, to_y) = pane.pixels([[left, top], [right, bottom]])
    assert x - pane.rect.x == pytest.approx(pane.rect.right - to_x)
    assert y - pane.rect.y == pytest.approx(pane.rect.bottom - to_y)
    assert min(x - pane.rect.x, y - pane.rect.y) == pytest.approx(10)


@given(zoom=st.floats(1, 16), centre=st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)))
def test_the_camera_stays_on_the_map(zoom: float, centre: tuple[float, float]) -> None:
    pane = projection(Camera(zoom, centre), MAZE.shape, Rect(0, 44, 908, 628))
    left, top, right, bottom = extent(MAZE.shape)
    x, y = pane.world(pane.rect.width / 2, 44 + pane.rect.height / 2)
    assert left - 1e-6 <= x <= right + 1e-6 and top - 1e-6 <= y <= bottom + 1e-6


def test_zoom_shows_less_and_cells_are_where_the_map_says() -> None:
    whole, close = (projection(Camera(zoom), MAZE.shape, Rect(0, 0, 900, 600)) for zoom in (1.0, 4.0))
    assert close.scale == pytest.approx(4 * whole.scale)
    x, y = whole.pixels(MAZE.center((1, 2)))
    assert tuple(MAZE.cell_of(whole.world(x, y))) == (1, 2)


def test_a_rectangle_holds_its_first_pixel_but_not_the_one_beyond_its_last() -> None:
    rect = Rect(10, 20, 30, 40)
    assert rect.contains(10, 20) and rect.contains(39, 59)
    assert not rect.contains(40, 20) and not rect.contains(10, 60) and not rect.contains(9, 20)
    assert rect.inset(5) == (15, 25, 20, 30) and rect.inset(50).width == 0


def test_the_banner_is_on_the_maps() -> None:
    shown = layout(replace(ViewState(a_document(2)), size=(700, 450)))
    assert banner_rect(shown).x >= 0 and banner_rect(shown).right <= shown.maps[-1].right
