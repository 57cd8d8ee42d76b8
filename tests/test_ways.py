"""Ways that worked: learned when they arrive, taken again, joined from near places, and forgotten when they fail."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path as File
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from hjepa.actor import Actor
from hjepa.agent import Agent
from hjepa.evaluate import run_episodes
from hjepa.known_map import map_agent
from hjepa.recall import AssociativeMemory, RecallError
from hjepa.ways import RECALLED, RecallingPlanner, Ways
from hjepa.zones import Zones
from planners.base import Recorder
from planners.landmarks import NONE, Path, Query, Target
from worlds import MazeTasks

if TYPE_CHECKING:
    from worlds.maps import Map

SPEED = 0.2
WALLS = np.array([[cell == "#" for cell in row] for row in ("######", "#....#", "#.##.#", "#....#", "######")])


@pytest.fixture(scope="module")
def ring() -> Agent:
    """An agent that sees a ring; its places are its latent states, five world steps to a world unit."""
    return map_agent(WALLS, (-6.0, -6.0), 4.0)


def trail(*corners: tuple[float, float]) -> np.ndarray:
    """[T, 2] places from corner to corner, one world step apart."""
    parts = [np.array(corners[:1])]
    for begin, end in zip(corners, corners[1:], strict=False):
        steps = round(float(np.abs(np.subtract(end, begin)).sum()) / SPEED)
        parts.append(begin + np.linspace(0, 1, steps + 1)[1:, None] * np.subtract(end, begin))
    return np.concatenate(parts).astype(np.float32)


def learn(ways: Ways, seen: np.ndarray, goal: tuple[float, float]) -> int:
    steps = {"observation": seen[:, None], "active": np.ones((len(seen), 1), bool)}
    return ways.learn(steps, point(goal)[None])


def point(place: tuple[float, float]) -> np.ndarray:
    return (np.array(place) / SPEED).astype(np.float32)


OVER, UNDER = trail((0, 4), (0, 0), (12, 0), (12, 4)), trail((0, 4), (0, 8), (12, 8), (12, 4))


def test_a_way_that_arrived_is_taken_again(ring: Agent) -> None:
    ways = Ways(ring.stack)
    assert learn(ways, OVER, (12, 4.5)) == 1 and len(ways) == 1
    way = ways.way(point((0, 4)), point((12, 4.5)))
    assert way is not None
    np.testing.assert_allclose(way.places[[0, -1]], OVER[[0, -1]])
    assert way.arrival[-1] == pytest.approx(100 + 2.5)
    assert way.arrival[0] == 0 and (np.diff(way.arrival) > 0).all()


def test_parts_of_a_way_serve_other_tasks(ring: Agent) -> None:
    ways = Ways(ring.stack)
    learn(ways, OVER, (12, 4))
    way = ways.way(point((0.5, 0)), point((8, 0.5)))
    assert way is not None and way.arrival[-1] < 45
    assert (way.places[:, 1] == 0).all() and way.places[:, 0].max() <= 9
    assert ways.way(point((8, 0)), point((0.5, 0))) is None, "nobody has walked back"
    assert ways.way(point((0, 8)), point((8, 0))) is None, "nobody has been there"


def test_what_did_not_arrive_or_was_luck_is_no_way(ring: Agent) -> None:
    ways = Ways(ring.stack)
    assert learn(ways, OVER[:-30], (12, 4)) == 0
    assert learn(ways, np.concatenate([OVER[:30], OVER[40:]]), (12, 4)) == 0, "a jump of ten steps in one"
    assert len(ways) == 0


def test_only_news_are_kept(ring: Agent) -> None:
    ways, detour = Ways(ring.stack), trail((0, 4), (0, 0), (4, 0), (0, 0), (12, 0), (12, 4))
    assert [learn(ways, each, (12, 4)) for each in (detour, OVER, OVER, detour)] == [1, 1, 0, 0]
    way = ways.way(point((0, 4)), point((12, 4)))
    assert way is not None and way.arrival[-1] == pytest.approx(100)


def test_steps_that_did_not_count_are_left_out(ring: Agent) -> None:
    ways, frozen = Ways(ring.stack), np.stack([np.concatenate([OVER, OVER[:1].repeat(9, 0)])] * 2, 1)
    active = np.ones(frozen.shape[:2], bool)
    active[len(OVER) :, 0] = False
    assert ways.learn({"observation": frozen, "active": active}, np.stack([point((12, 4))] * 2)) == 1


def test_a_way_that_is_not_to_be_trusted_is_not_taken(ring: Agent) -> None:
    ways = Ways(ring.stack)
    learn(ways, OVER, (12, 4))
    assert ways.way(point((0, 4)), point((12, 4)), frozenset({0})) is None
    ways.forget(frozenset({0}))
    assert len(ways) == 0 and ways.way(point((0, 4)), point((12, 4))) is None


def test_an_actor_learns_ways_and_searches_no_more(distilled_agent: Agent, small_map: Map) -> None:
    agent, tasks = distilled_agent, MazeTasks(small_map, 6, seed=5, min_distance=3)
    ways = Ways(agent.stack)
    actor = Actor(agent, 2, seed=0, ways=ways)
    first, _ = run_episodes(actor, tasks)
    actor.end()
    learned = len(ways)
    assert 4 <= learned <= 6 and first.expanded[2] > 0
    again, _ = run_episodes(actor, tasks)
    assert again.success[first.success].all() and again.expanded[2] < 0.2 * first.expanded[2]
    assert again.steps[first.success].mean() < 1.1 * first.steps[first.success].mean()


def test_with_three_levels_the_top_recalls_and_the_levels_below_follow(distilled_agent: Agent, small_map: Map) -> None:
    ways, tasks = Ways(distilled_agent.stack), MazeTasks(small_map, 6, seed=5, min_distance=3)
    actor = Actor(distilled_agent, 3, seed=0, ways=ways)
    first, _ = run_episodes(actor, tasks)
    again, _ = run_episodes(actor, tasks)
    top = actor.planner.levels[-1].planner
    assert isinstance(top, RecallingPlanner) and top.recalled >= 4
    assert again.success[first.success].all() and again.first.get(3, 0) < first.first[3]


def test_an_actor_without_ways_or_among_zones_plans_as_ever(ring: Agent) -> None:
    zones = Zones(np.where(np.eye(5, 6, dtype=bool), 3.0, 0.0), (-6.0, -6.0), 4.0)
    for actor in (Actor(ring), Actor(ring, zones=zones, ways=Ways(ring.stack)), Actor(ring, 1, ways=Ways(ring.stack))):
        assert actor.ways is None
        assert not any(isinstance(level.planner, RecallingPlanner) for level in actor.planner.levels)


def test_a_way_that_is_blocked_is_forgotten_and_a_search_takes_over(ring: Agent) -> None:
    """The ring is shut above; memory says that the way leads over there."""
    walls = WALLS.copy()
    walls[1, 2:4] = True
    shut = map_agent(walls, (-6.0, -6.0), 4.0)
    ways = Ways(shut.stack)
    learn(ways, OVER, (12, 4))
    actor, place = Actor(shut, 2, ways=ways), np.array([[0.0, 4.0]], np.float32)
    actor.begin(np.array([[12.0, 4.0]], np.float32))
    for _ in range(400):
        action = actor.act(place)
        place = shut.stack.level(1).predictor(torch.from_numpy(place), torch.from_numpy(action)).numpy()
        if np.linalg.norm(place - (12, 4)) < 1:
            break
    assert np.linalg.norm(place - (12, 4)) < 1
    assert len(ways) == 0 and any(edge <= RECALLED for edge in (actor.session or pytest.fail()).rejected[2][0])


def test_a_recalled_path_has_a_landmark_of_nobody(ring: Agent) -> None:
    ways = Ways(ring.stack)
    learn(ways, OVER, (12, 4))
    actor = Actor(ring, 2, ways=ways)
    actor.begin(np.array([[12.0, 4.0]], np.float32))
    actor.act(np.array([[0.0, 4.0]], np.float32))
    assert actor.session is not None
    path = actor.session.track(2, 0).path
    assert path.final and path.expanded == 0 and (path.landmarks == NONE).all()
    assert len(path.states) == len(path.arrival) == len(path.edges) + 1
    view = actor.view(0)
    assert view.levels[1].plan[:, 1].min() < 1, "the way over, though the way under is as short"


def test_other_planners_hear_nothing_of_rejected_ways(ring: Agent) -> None:
    """They know the numbers of their own ways only."""
    heard: list[Query] = []
    planner = Actor(ring, 2).planner.levels[0].planner

    class Spy:
        def paths(self, queries: list[Query], recorder: Recorder | None = None) -> list[Path]:
            heard.extend(queries)
            return planner.paths(queries, recorder)

        def below(self, landmark: int) -> int:
            return planner.below(landmark)

    points = (point((0, 4)), point((0, 4)))
    target = Target(point((12, 4)), goal=(point((12, 4)), point((12, 4))))
    query = Query(np.array([0, 4], np.float32), points, target, frozenset({RECALLED, RECALLED - 7, 3, -4}))
    (path,) = RecallingPlanner(Spy(), Ways(ring.stack), 2).paths([query])
    assert path.found and heard[0].rejected == {3, -4}


def test_ways_are_saved_with_the_agent(distilled_agent: Agent, tmp_path: File) -> None:
    agent = replace(distilled_agent, ways=Ways(distilled_agent.stack))
    assert agent.ways is not None
    seen = agent.graphs[2].observations[:1]
    points = agent.stack.level(1).critic.embed(agent.stack.encode(torch.from_numpy(seen))).numpy()
    agent.ways.learn({"observation": seen[:, None], "active": np.ones((1, 1), bool)}, points)
    agent.save(tmp_path)
    loaded = Agent.load(tmp_path).ways
    assert loaded is not None and len(loaded) == 1
    np.testing.assert_array_equal(loaded.memory.keys, agent.ways.memory.keys)
    distilled_agent.save(tmp_path)
    assert Agent.load(tmp_path).ways is None


def test_a_memory_of_something_else_is_refused(ring: Agent) -> None:
    with pytest.raises(RecallError, match="ways are kept by 2 numbers a place, with place, way, time"):
        Ways(ring.stack, AssociativeMemory(np.empty((0, 3), np.float32), {}, 1.0, 1))
