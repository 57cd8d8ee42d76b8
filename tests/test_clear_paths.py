"""Paths of the upper levels: what breaks a guardrail is rejected, or cut off; slow zones take their time."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from hjepa.clear_paths import ClearPaths, Sights
from hjepa.cost import IntrinsicCost
from hjepa.guardrails import GuardrailError, KeepOut, Region, SpeedLimit
from planners.base import Recorder
from planners.landmarks import NONE, Path, Query, Target

BODY, LIMIT = 0.5, 0.1
PLACES = np.array([[0, 0], [4, 0], [0, 4], [4, 4], [8, 4]], np.float32)
"""Landmarks. The straight way from 0 to 1 leads through the keep-out zone, the others don't."""


def numbers(way: list[int]) -> list[int]:
    """Of the edges on a way between landmarks."""
    return [10 * a + b for a, b in pairwise(way)]


class Detours:
    """Proposes ways from a list, the first none of whose edges was rejected."""

    def __init__(self, *ways: list[int]) -> None:
        self.ways, self.asked = ways, 0

    def paths(self, queries: list[Query], recorder: Recorder | None = None) -> list[Path]:
        self.asked += len(queries)
        return [self._path(query) for query in queries]

    def below(self, landmark: int) -> int:
        return landmark + 100

    def _path(self, query: Query) -> Path:
        way = next((way for way in self.ways if not query.rejected & set(numbers(way))), self.ways[0])
        states = PLACES[way]
        arrival = np.concatenate([[0], np.linalg.norm(np.diff(states, axis=0), axis=-1).cumsum() / 0.2])
        return Path(
            states=states,
            embedding=states,
            arrival=arrival.astype(np.float32),
            landmarks=np.array([NONE, *way[1:]]),
            edges=np.array(numbers(way)),
            final=query.target.goal is not None,
        )


def clear(planner: Detours, straight: bool = True, slow: bool = False) -> ClearPaths:
    def region(*cell: int) -> Region:
        cells = np.zeros((9, 13), bool)
        cells[cell[:2] if cell else ()] = bool(cell)
        return Region(cells, (-2.5, -2.5), 1.0)

    rails = (KeepOut(region(2, 4), BODY), SpeedLimit(region(6, 8) if slow else region(), LIMIT))
    return ClearPaths(planner, IntrinsicCost(rails), lambda states: states, PLACES, Sights(), straight)


def query(goal: bool = False) -> Query:
    point = PLACES[4]
    return Query(PLACES[0], (PLACES[0],), Target(point, goal=(point,) if goal else None))


def test_what_leads_through_a_guardrail_is_rejected_and_the_next_best_way_taken() -> None:
    planner = Detours([0, 1, 3, 4], [0, 2, 3, 4])
    (path,) = clear(planner).paths([query()])
    assert path.landmarks.tolist() == [NONE, 2, 3, 4] and path.found and planner.asked == 2
    assert clear(planner).below(3) == 103


def test_where_ways_are_not_straight_the_states_are_judged() -> None:
    (path,) = clear(Detours([0, 1, 3, 4], [0, 2, 3, 4]), straight=False).paths([query()])
    assert path.landmarks.tolist() == [NONE, 1, 3, 4]


def test_where_nothing_is_clean_a_path_ends_at_the_last_clean_state() -> None:
    (path,) = clear(Detours([0, 2, 0, 1, 3])).paths([query()])
    assert path.landmarks.tolist() == [NONE, 2, 0] and not path.found and not path.final
    assert len(path.states) == len(path.embedding) == len(path.arrival) == len(path.edges) + 1 == 3


def test_queries_are_answered_in_their_order() -> None:
    planner = Detours([0, 1, 3], [0, 2, 3])
    first, second = clear(planner).paths([replace(query(), rejected=frozenset([1])), query()])
    assert first.landmarks.tolist() == second.landmarks.tolist() == [NONE, 2, 3] and planner.asked == 3


def test_a_slow_zone_takes_its_time() -> None:
    fast, slow = (clear(Detours([0, 2, 3, 4]), slow=slow).paths([query()])[0] for slow in (False, True))
    assert fast.arrival.tolist() == pytest.approx([0, 20, 40, 60])
    assert slow.arrival.tolist() == pytest.approx([0, 20, 40, 60 + 1 / LIMIT - 1 / 0.2])


def test_the_last_way_is_judged_where_the_goal_is_known() -> None:
    planner, asked = Detours([0, 2, 3, 4], [0, 2, 4]), query(goal=True)
    paths = clear(planner)
    assert paths.paths([asked])[0].landmarks.tolist() == [NONE, 2, 3, 4]
    assert asked.target.goal is not None
    paths.sights.goals[asked.target.goal[0].tobytes()] = np.array([2.0, 0.0], np.float32)
    assert not paths.paths([asked])[0].found, "the goal itself lies in the zone"


def test_the_first_way_begins_where_the_agent_is_seen() -> None:
    paths = clear(Detours([0, 2, 3]))
    paths.sights.here[PLACES[0].tobytes()] = np.array([2.0, -3.0], np.float32)
    assert len(paths.paths([query()])[0].edges) == 0, "from there, the way to landmark 2 grazes the zone"


def test_guardrails_that_were_altered_are_found_out() -> None:
    paths = clear(Detours([0, 2]))
    object.__setattr__(paths.intrinsic, "guardrails", ())
    with pytest.raises(GuardrailError, match="immutable"):
        paths.paths([query()])
    assert torch.is_tensor(paths.decode(torch.zeros(1, 2)))
