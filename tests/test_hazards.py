"""Hazards: they leave a way, patrols go to and fro in disjoint corridors, and what was done is judged exactly."""

from __future__ import annotations

import numpy as np
import pytest

from worlds import named_map
from worlds.hazards import KINDS, SWEEP, Hazards, Patrols, traffic
from worlds.maps import Map


def patrols(*ends: tuple[tuple[float, float], tuple[float, float]], phase: float = 0.0) -> Patrols:
    places = np.array(ends, np.float64).reshape(-1, 2, 2)
    return Patrols(places[:, 0], places[:, 1], np.full(len(places), phase))


def test_a_patrol_goes_to_the_end_and_back_at_its_speed() -> None:
    there = patrols(((0, 0), (4, 0)))
    places = np.array([there.at(step)[0][0] for step in range(81)])
    assert places[[0, 40, 80], 0] == pytest.approx([0, 4, 0], abs=1e-5)
    assert np.abs(np.diff(places[:, 0])) == pytest.approx(0.1, abs=1e-5)
    assert there.at(10)[1][0] == pytest.approx([0.1, 0]) and there.at(50)[1][0] == pytest.approx([-0.1, 0])


@pytest.mark.parametrize("seed", range(5))
def test_hazards_leave_a_way_and_do_not_meet(seed: int) -> None:
    hazards = Hazards.draw(named_map("large"), seed)
    assert hazards.open_map.is_connected
    assert hazards.keep_out.any() and hazards.slow.any() and len(hazards.patrols)
    assert not (hazards.keep_out & hazards.map.walls).any() and not (hazards.slow & hazards.keep_out).any()
    for step in range(0, 500, 7):
        row, column = hazards.map.cell_of(hazards.patrols.at(step)[0]).T
        assert not (hazards.map.walls | hazards.keep_out | hazards.slow)[row, column].any()


def judge() -> Hazards:
    """A corridor: cell 1 is open, 2 is to keep out of, 4 is slow, and an obstacle stands in 6."""
    corridor = Map.parse("########\n#......#\n########")
    keep_out, slow = np.zeros((2, *corridor.shape), bool)
    keep_out[1, 2] = slow[1, 4] = True
    return Hazards(corridor, keep_out, slow, 0.1, patrols(((20, 0), (21, 0))))


@pytest.mark.parametrize(
    ("before", "after", "broken"),
    [
        ((1.29, 0), (1.29, 0), ()),
        ((1.31, 0), (1.31, 0), ("keep-out",)),
        ((12, 0), (12.09, 0), ()),
        ((12, 0), (12.11, 0), ("speed limit",)),
        ((13.9, 0), (14.1, 0), ("speed limit",)),
        ((14.1, 0), (14.3, 0), ()),
        ((18.79, 0), (18.79, 0), ()),
        ((18.81, 0), (18.81, 0), ("moving obstacles",)),
    ],
)
def test_what_breaks_a_guardrail(
    before: tuple[float, float], after: tuple[float, float], broken: tuple[str, ...]
) -> None:
    hazards = judge()
    found = hazards.broken(np.array([before], np.float32), np.array([after], np.float32), step=0)
    assert tuple(kind for kind in KINDS if found[kind][0]) == broken


def test_straight_ways_are_judged_exactly() -> None:
    hazards = judge()  # the keep-out square reaches from (2, -2) to (6, 2), the slow one from (10, -2) to (14, 2)
    begin = np.array([[0.0, 2.69], [0.0, 2.71], [1.0, 3.0], [1.6, -2.6], [1.5, -2.5], [4.0, 0.0]])
    end = np.array([[9.0, 2.69], [9.0, 2.71], [1.0, -3.0], [1.6, -2.6], [1.5, -2.5], [4.0, 0.0]])
    assert hazards.ways_touch(begin, end).tolist() == [True, False, False, False, False, True]
    hair = np.array([[0.0, 3.0], [0.0, 3.02]])
    assert hazards.ways_touch(hair, hair + [4.0, -4.0]).tolist() == [True, True]
    assert hazards.ways_touch(hair, np.array([[1.52, 2.5], [1.5, 2.52]])).tolist() == [True, False]
    assert not hazards.ways_touch(hair + [0, 0.5], hair + [1.0, 0.5]).any()
    assert hazards.ways_touch(np.array([[0.0, 4.0]]), np.array([[4.0, 0.0]])).tolist() == [True]
    slow = hazards.slow_length(np.array([[9.0, 0.0], [0, 0], [11, 1]]), np.array([[12.0, 0.0], [9, 0], [11, 1]]))
    assert slow.tolist() == pytest.approx([2, 0, 0])


def test_near_is_within_two_units_of_the_ball() -> None:
    hazards, places = judge(), np.array([[-0.71, 0], [-0.69, 0], [17.0, 0], [8.0, 0]], np.float32)
    assert hazards.near(places, 0).tolist() == [False, True, True, True]


@pytest.mark.parametrize("seed", range(3))
def test_hazards_lie_where_ways_lead(seed: int) -> None:
    maze = named_map("giant")
    hazards, busy = Hazards.draw(maze, seed), traffic(maze)
    lengths = np.linalg.norm(hazards.patrols.end - hazards.patrols.begin, axis=-1)
    crossed = maze.cell_of((hazards.patrols.begin + hazards.patrols.end)[np.isclose(lengths, 2 * SWEEP)] / 2)
    assert len(crossed) >= 5 and (lengths > 2.1 * SWEEP).sum() >= 3
    assert busy[tuple(crossed.T)].mean() > busy[~maze.walls].mean()
    for row, column in crossed:
        beside = maze.walls[row, [column - 1, column + 1]].all(), maze.walls[[row - 1, row + 1], column].all()
        assert sum(beside) == 1, "from wall to wall of a corridor"


def test_traffic_counts_shortest_ways() -> None:
    corridor = Map.parse("#####\n#...#\n#####")
    assert traffic(corridor)[1, 1:4].tolist() == pytest.approx([5 / 9, 7 / 9, 5 / 9])
