"""Maps: text, named mazes, generated mazes, distances, errors."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worlds.maps import FREE, WALL, Map, MapError, as_map, generate_maze, named_map

NON_CORRIDORS = {"medium": 21, "large": 22, "teleport": 24, "giant": 46}


@pytest.mark.parametrize("name", NON_CORRIDORS)
def test_named_maps_equal_the_official_ones(name):
    pytest.importorskip("ogbench")
    import gymnasium

    official = gymnasium.make(f"pointmaze-{name}-v0").unwrapped
    map = named_map(name)
    assert np.array_equal(map.walls, official.maze_map == 1)
    for cell in map.free_cells():
        assert tuple(map.center(cell)) == official.ij_to_xy(tuple(cell))
    portals = official._teleport_info or {"teleport_in_ijs": [], "teleport_out_ijs": []}
    assert [tuple(cell) for cell in map.entrances()] == portals["teleport_in_ijs"]
    assert [tuple(cell) for cell in map.exits()] == portals["teleport_out_ijs"]


@pytest.mark.parametrize(("name", "count"), NON_CORRIDORS.items())
def test_goal_cells_are_as_many_as_in_the_official_generator(name, count):
    assert len(named_map(name).non_corridor_cells()) == count


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 30), st.integers(3, 30), st.integers(0, 10**6), st.floats(0, 1))
def test_generated_mazes_have_the_size_asked_for_and_are_connected(rows, columns, seed, loops):
    map = generate_maze(rows, columns, seed, loops)
    assert map.shape == (rows, columns)
    assert map.is_connected
    assert map.version == generate_maze(rows, columns, seed, loops).version


def test_loops_open_the_stated_fraction_of_the_walls_that_a_tree_leaves():
    tree, loopy, open_ = (generate_maze(41, 41, 3, loops) for loops in (0, 0.15, 1))
    rooms, doors = 400, 2 * 20 * 19
    assert len(tree.free_cells()) == rooms + rooms - 1
    assert len(open_.free_cells()) == rooms + doors
    assert len(loopy.free_cells()) == rooms + rooms - 1 + round(0.15 * (doors - rooms + 1))


def test_generated_mazes_differ_by_seed():
    assert generate_maze(31, 31, 0) != generate_maze(31, 31, 1)


@settings(max_examples=30, deadline=None)
@given(st.integers(3, 20), st.integers(3, 20), st.integers(0, 100))
def test_text_round_trip(rows, columns, seed):
    map = generate_maze(rows, columns, seed)
    again = Map.parse(map.to_text())
    assert again == map and hash(again) == hash(map) and again.version == map.version


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 200), st.integers(0, 200), st.floats(-1.99, 1.99), st.floats(-1.99, 1.99))
def test_every_place_in_a_cell_belongs_to_it(row, column, dx, dy):
    map = named_map("medium")
    assert map.cell_of(map.center((row, column)) + [dx, dy]).tolist() == [row, column]


def test_maps_are_immutable_values():
    map = named_map("teleport")
    with pytest.raises(ValueError, match="read-only"):
        map.cells[1, 1] = WALL
    edited = map.cells.copy()
    edited[1, 1] = WALL
    assert Map(edited).version != map.version
    assert pickle.loads(pickle.dumps(map)) == map


def test_distances_are_shortest_paths():
    map = Map.parse("######\n#...##\n#.#..#\n#...##\n######")
    assert map.distances_from((1, 1))[2, 4] == 4
    assert map.distances_from((1, 1))[0, 0] == -1
    assert map.distances_from((0, 0)).max() == -1
    reference = _flood(map, (1, 1))
    assert np.array_equal(map.distances_from((1, 1)), reference)


def _flood(map, start):
    """Distances by relaxing every cell until nothing changes."""
    far = map.cells.size
    distances = np.where(map.walls, far, far - 1)
    distances[start] = 0
    for _ in range(far):
        padded = np.pad(distances, 1, constant_values=far)
        nearest = np.minimum.reduce([padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]])
        distances = np.where(map.walls, far, np.minimum(distances, nearest + 1))
    return np.where(distances >= far - 1, -1, distances)


def test_distances_around_portals_keep_off_their_entrances():
    map = Map.parse("#######\n#..I.O#\n#######")
    assert map.distances_from((1, 1))[1, 5] == 4
    assert map.distances_from((1, 1), around_portals=True)[1, 5] == -1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("\n\n", "empty"),
        ("###\n#.#\n####", "row 3 has 4 cells, row 1 has 3"),
        ("###\n#x#\n###", "row 2, column 2: unknown character 'x'"),
        ("###\n#..\n###", "open at row 2, column 3"),
        ("###\n###", "no free cell"),
        ("####\n#I.#\n####", "at least one entrance I and one exit O"),
    ],
)
def test_malformed_maps_get_one_clear_line(text, message):
    with pytest.raises(MapError, match=message) as caught:
        Map.parse(text)
    assert "\n" not in str(caught.value)


def test_disconnected_maps_are_named_cell_by_cell():
    map = Map.parse("#####\n#.#.#\n#####")
    assert not map.is_connected
    with pytest.raises(MapError, match="disconnected: row 2, column 4 can't be reached from row 2, column 2"):
        map.require_connected()


def test_a_region_behind_a_portal_counts_as_connected():
    map = Map.parse("######\n#.I#O#\n######")
    assert not map.is_connected
    assert map.require_connected() is map
    assert named_map("teleport").require_connected() is named_map("teleport")


def test_maps_are_loaded_from_files(tmp_path):
    path = tmp_path / "rooms.txt"
    path.write_text("#####\r\n#...#\r\n#####\r\n")
    assert as_map(path).name == "rooms"
    assert as_map(str(path)) == as_map("#####\n#...#\n#####")
    assert as_map("giant") is named_map("giant")


def test_unreadable_files_and_unknown_names_get_one_clear_line(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "missing.txt", tmp_path / "binary", tmp_path):
        with pytest.raises(MapError, match="map file"):
            as_map(path)
    with pytest.raises(MapError, match="unknown map 'huge', expected one of arena, medium"):
        named_map("huge")
    with pytest.raises(MapError, match="rows, columns >= 3"):
        generate_maze(2, 9, 0)


def test_large_mazes_are_generated_in_milliseconds():
    map = generate_maze(128, 128, 0)
    assert len(map.free_cells()) > 8000
    assert set(np.unique(map.cells)) == {FREE, WALL}
