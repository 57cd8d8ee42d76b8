"""The world of a run: a ball that stays where it is while the map changes under it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.viewer_documents import RING, at, on, painted, ring, zoned
from viz.viewer.document import GUARDRAIL
from viz.viewer.world import World, on_floor
from worlds.maps import CELL_SIZE, EXIT, Map, named_map

EAST = np.array([[1, 0]], np.float32)


def test_the_ball_stays_where_it_is_when_the_map_changes() -> None:
    world = World(ring())
    for _ in range(10):
        world.step(EAST)
    assert world.seen == pytest.approx([2, 0])
    world.change(painted(ring(), (1, 3)))
    assert world.seen == pytest.approx([2, 0]) and world.place == pytest.approx([2, 0])
    for _ in range(30):
        world.step(EAST)
    assert 5 < world.seen[0] < 6 - 0.6  # the new wall stops it


def test_a_map_that_changes_back_and_forth_changes_no_luck_at_portals() -> None:
    maze = named_map("teleport")
    row, column = (int(index) for index in maze.entrances()[0])
    document = on(maze, (row, column), (1, 1))
    places = []
    for edits in (0, 3):
        world = World(document)
        for _ in range(edits):
            world.change(painted(document, (4, 9), kind=1))
            world.change(document)
        world.step(0 * EAST)
        places.append(world.place)
        assert world.seen == pytest.approx(document.start) and maze.cells[tuple(maze.cell_of(world.place))] == EXIT
    assert np.array_equal(places[0], places[1])


def test_what_stands_in_the_way_of_running() -> None:
    assert World(ring()).obstacle() is None
    assert World(on(RING, (1, 1), (2, 2))).obstacle() == "the goal is in a wall"
    assert World(on(RING, (2, 2), (1, 1))).obstacle() == "the start is in a wall"
    world = World(ring())
    world.step(EAST)
    world.change(painted(ring(), (1, 1)))
    assert world.obstacle() == "the ball is in a wall"


def test_a_goal_can_be_reached_on_foot_or_through_portals() -> None:
    assert World(ring()).reachable()
    assert not World(painted(ring(), (1, 4), (3, 4))).reachable()
    apart = Map.parse("#########\n#.I#.O..#\n#########")
    assert World(on(apart, (1, 1), (1, 7))).reachable() and not World(on(apart, (1, 7), (1, 1))).reachable()


def test_the_time_allowed_is_that_of_evaluations() -> None:
    assert World(ring()).allowance() == 1000
    far = on(named_map("giant"), (1, 1), (10, 14))
    assert World(far).allowance() == max(1000, 40 * int(far.map.distances_from((1, 1))[10, 14]))


def test_arrival_and_guardrails_are_seen() -> None:
    document = zoned(replace(ring(), goal=at(RING, 1, 2)), (1, 2), kind=GUARDRAIL)
    world, seen = World(document), []
    for _ in range(16):
        world.step(EAST)
        seen.append((world.in_guardrail, world.arrived))
    assert seen.index((True, False)) in (9, 10) and seen[-1] == (True, True) and seen[0] == (False, False)


def test_an_action_that_is_no_number_is_refused() -> None:
    world = World(ring())
    with pytest.raises(ValueError, match="the planner's action is not a number"):
        world.step(np.array([[np.nan, 0]], np.float32))
    assert world.seen == pytest.approx([0, 0])


@given(st.floats(-100, 100), st.floats(-100, 100))
def test_the_floor_is_where_no_wall_is(x: float, y: float) -> None:
    column, row = int(np.floor(x / CELL_SIZE + 1.5)), int(np.floor(y / CELL_SIZE + 1.5))
    inside = 0 <= row < RING.shape[0] and 0 <= column < RING.shape[1]
    assert on_floor(RING, (x, y)) == (inside and not RING.walls[row, column])
