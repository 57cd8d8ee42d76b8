"""The geometry of charts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planners.trace import Tree
from viz.viewer.charts import (
    energy_rects,
    latent_pixels,
    nearest,
    plot_rect,
    time_span,
    time_to_x,
    tree_layout,
    x_to_time,
)
from viz.viewer.layout import Rect

RECT = Rect(100, 50, 400, 300)


def a_tree(parents: list[int], visits: list[int]) -> Tree:
    count = len(parents)
    nothing = np.zeros(count, np.float32)
    places, chance = np.zeros((count, 2), np.float32), np.zeros(count, bool)
    return Tree(np.array(parents, np.int32), np.array(visits, np.int32), nothing, places, chance)


def test_a_time_axis_grows_in_round_steps() -> None:
    assert [time_span(last) for last in (0, 100, 101, 201, 500, 501, 2000, 2001)] == [
        100, 100, 200, 500, 500, 1000, 2000, 5000,
    ]  # fmt: skip


@given(last=st.integers(0, 350), share=st.floats(0, 1))
def test_pixels_of_a_time_axis_lead_back_to_their_step(last: int, share: float) -> None:
    step = round(share * last)
    assert x_to_time(float(time_to_x(step, RECT, last)), RECT, last) == step


def test_a_time_axis_ends_where_time_does() -> None:
    assert x_to_time(RECT.right, RECT, 30) == 30 and x_to_time(-1e6, RECT, 30) == 0
    assert x_to_time(50, Rect(0, 0, 0, 0), 30) == 30
    assert time_to_x([0, 50, 100], RECT, 80).tolist() == [100, 300, 500]


def test_nodes_have_room_by_visits_and_depth() -> None:
    tree = a_tree([-1, 0, 0, 1, 1], [8, 6, 2, 3, 3])
    places = tree_layout(tree, RECT)
    assert places[:, 1].tolist() == [50, 200, 200, 350, 350]
    assert places[:, 0] == pytest.approx([300, 250, 450, 175, 325])


def test_a_root_alone_is_on_top_and_unvisited_nodes_have_a_place_of_their_own() -> None:
    assert tree_layout(a_tree([-1], [1]), RECT).tolist() == [[300, 50]]
    places = tree_layout(a_tree([-1, 0, 0, 0], [1, 0, 0, 1]), RECT)
    assert len({tuple(place) for place in places.tolist()}) == 4


@given(data=st.data(), count=st.integers(1, 60))
def test_every_node_of_a_tree_is_within_its_rectangle_and_children_below_their_parents(
    data: st.DataObject, count: int
) -> None:
    parents = [-1, *(data.draw(st.integers(0, node - 1)) for node in range(1, count))]
    visits = data.draw(st.lists(st.integers(0, 50), min_size=count, max_size=count))
    places = tree_layout(a_tree(parents, visits), RECT)
    assert np.isfinite(places).all()
    assert (places >= (100, 50)).all() and (places <= (500, 350)).all()
    assert all(places[node, 1] > places[parents[node], 1] for node in range(1, count))


def test_a_latent_map_fits_and_keeps_its_shape() -> None:
    points = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 1.0]])
    pixels = latent_pixels(points, RECT)
    assert pixels[1, 0] - pixels[0, 0] == pytest.approx(4 * (pixels[2, 1] - pixels[1, 1]))
    assert all(RECT.contains(x, y) for x, y in pixels)
    assert latent_pixels([[2.0, 0.5]], RECT, within=points).tolist() == [[300, 200]]
    assert latent_pixels(np.empty((0, 2)), RECT).shape == (0, 2)
    assert np.isfinite(latent_pixels([[1.0, 1.0]], RECT)).all()


def test_the_nearest_point_if_it_is_near() -> None:
    points = [[0.0, 0.0], [10.0, 0.0]]
    assert nearest(points, 9, 1, 5) == 1 and nearest(points, 4, 0, 3) is None
    assert nearest([], 0, 0, 9) is None


@given(size=st.tuples(st.integers(0, 2000), st.integers(0, 2000)))
def test_plots_are_within_their_panel(size: tuple[int, int]) -> None:
    body = Rect(10, 20, *size)
    upper, lower = energy_rects(body)
    assert upper.bottom <= lower.y
    for rect in (upper, lower, plot_rect(body)):
        assert rect.width >= 0 and rect.height >= 0
    assert size[1] < 100 or (lower.bottom <= body.bottom and plot_rect(body).bottom <= body.bottom)
