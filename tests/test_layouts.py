"""Layouts of the Diverse Mazes: PLDM's rules, checked another way."""

import networkx
import numpy as np
import pytest

from worlds.layouts import SIZES, LayoutRules, Layouts, generate_layouts, longest_path
from worlds.maps import Map, MapError


def graph(map: Map) -> networkx.Graph:
    cells = {tuple(cell) for cell in map.free_cells().tolist()}
    edges = [((i, j), near) for i, j in cells for near in ((i + 1, j), (i, j + 1)) if near in cells]
    found = networkx.Graph(edges)
    found.add_nodes_from(cells)
    return found


@pytest.mark.parametrize(("size", "count"), [("small", 12), ("large", 12), ("wide", 3), ("vast", 1)])
def test_layouts_obey_the_rules(size, count):
    rules, layouts = SIZES[size], generate_layouts(size, count, seed=4)
    assert layouts.walls.shape == (count, rules.interior + 2, rules.interior + 2)
    for map in layouts.maps:
        floor = graph(map)
        assert networkx.is_connected(floor)
        assert rules.open_range[0] <= len(floor) / rules.interior**2 <= rules.open_range[1]
        assert networkx.diameter(floor) == longest_path(map) < rules.longest


@pytest.mark.parametrize("size", ["small", "large"])
def test_no_open_cell_has_more_than_six_open_neighbours(size):
    for walls in generate_layouts(size, 20, seed=1).walls:
        free = np.pad(~walls, 1)
        rows, columns = np.nonzero(free)
        around = sum(free[rows + i, columns + j] for i in (-1, 0, 1) for j in (-1, 0, 1)) - 1
        assert around.max() <= 6


def test_wide_layouts_are_made_of_layouts_like_those_of_training():
    tiles = generate_layouts("wide", 2, seed=0).walls[:, 1:-1, 1:-1]
    for tile in tiles.reshape(2, 2, 8, 2, 8).swapaxes(2, 3).reshape(-1, 8, 8):
        floor = graph(Map(np.pad(tile, 1, constant_values=True).astype(np.uint8)))
        assert networkx.is_connected(floor) and networkx.diameter(floor) < SIZES["large"].longest


def test_held_out_layouts_are_none_of_training_even_where_few_exist():
    rules = LayoutRules(2, (0.75, 0.75), 9)  # three of four cells: four layouts in all
    train = generate_layouts(rules, 2, seed=0)
    held_out = generate_layouts(rules, 2, seed=0, exclude=train)
    assert len(train.versions | held_out.versions) == 4


def test_seeds_decide():
    assert generate_layouts("large", 3, 0).versions == generate_layouts("large", 3, 0).versions
    assert generate_layouts("large", 3, 0).maps == generate_layouts("large", 5, 0).maps[:3]
    assert not generate_layouts("large", 25, 0).versions & generate_layouts("large", 20, 1).versions


@pytest.mark.parametrize(("size", "count"), [("huge", 1), ("large", 0)])
def test_bad_requests_get_one_clear_line(size, count):
    with pytest.raises(MapError, match="needs one of small, large, wide, vast and count >= 1"):
        generate_layouts(size, count, 0)


def test_layouts_of_different_sizes_are_refused():
    small, large = (generate_layouts(size, 1, 0).maps for size in ("small", "large"))
    with pytest.raises(MapError, match="must be of one size"):
        Layouts(small + large)
    with pytest.raises(MapError, match="found none"):
        Layouts(())
