"""Adaptation: an agent whose corridor has closed gets through, remembers how, and takes back what no longer holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hjepa.actor import Actor
from hjepa.adaptation import LAST_RESORT, Adaptation, StoppedDynamics
from hjepa.agent import Agent, Experiment
from hjepa.dynamics import LevelDynamics
from hjepa.known_map import map_agent
from hjepa.level import LevelConfig
from hjepa.stack import Stack, StackConfig
from hjepa.surprises import SurpriseError, Surprises
from planners.landmarks import LandmarkPlanner
from scripts._closures import Task, attempt, closed
from worlds.maps import CELL_SIZE, Map
from worlds.point_maze import PointMaze

RING = Map.parse("#######\n#.....#\n#.###.#\n#.....#\n#######", "ring")
DOOR, OTHER_DOOR = (1, 3), (3, 3)
TASK = Task(RING.center((1, 1)), RING.center((1, 5)))


@pytest.fixture(scope="module")
def agent() -> Agent:
    """It was given the map as it was."""
    return map_agent(RING.walls, (-1.5 * CELL_SIZE, -1.5 * CELL_SIZE), CELL_SIZE)


def adaptation_of(agent: Agent) -> Adaptation:
    return Adaptation(agent, Surprises.empty(agent.stack, 0.5))


def steps(actor: Actor, map: Map) -> int:
    """Of one episode; the limit is 1000."""
    return attempt(actor, [TASK], [map])[0].steps


@pytest.fixture(scope="module")
def experienced(agent: Agent) -> tuple[Actor, list[int]]:
    """Three episodes with the door closed. Tests must not act with it."""
    actor = Actor(agent, adaptation=adaptation_of(agent))
    return actor, [steps(actor, closed(RING, DOOR)) for _ in range(3)]


def learned(experienced: tuple[Actor, list[int]]) -> Adaptation:
    adaptation = experienced[0].adaptation
    assert adaptation is not None
    return Adaptation(adaptation.agent, adaptation.memory)


def test_where_nothing_changed_it_acts_as_without_adaptation(agent: Agent) -> None:
    plain, adapting = (Actor(agent, adaptation=a) for a in (None, adaptation_of(agent)))
    ways = [attempt(actor, [TASK], [RING])[0].way for actor in (plain, adapting)]
    assert np.array_equal(*ways)


def test_it_gets_through_and_remembers_the_way(agent: Agent, experienced: tuple[Actor, list[int]]) -> None:
    first, second, third = experienced[1]
    assert steps(Actor(agent), closed(RING, DOOR)) == 1000  # without adaptation, it never arrives
    assert first < 600
    assert max(second, third) < 1.4 * TASK.oracle(closed(RING, DOOR))
    assert second < first


def test_a_door_that_opens_again_is_found_open_when_it_is_needed(experienced: tuple[Actor, list[int]]) -> None:
    adaptation = learned(experienced)
    actor = Actor(adaptation.agent, adaptation=adaptation)
    taken = [steps(actor, closed(RING, OTHER_DOOR)) for _ in range(3)]
    assert taken[0] < 1000
    assert taken[2] < 1.4 * TASK.oracle(RING)


def test_only_ways_through_the_door_are_given_up(experienced: tuple[Actor, list[int]]) -> None:
    adaptation = learned(experienced)
    for k, was in adaptation.agent.graphs.items():
        now = adaptation.graphs[k]
        shut = now.graph.costs >= LAST_RESORT
        assert shut.any()
        ends = was.observations[np.stack([was.graph.sources, was.graph.targets])[:, shut]]
        assert (np.abs(ends[0] - RING.center(DOOR)).min(-1) < CELL_SIZE * k).all()
        assert now.tolls is not None and np.array_equal(now.tolls >= LAST_RESORT, shut)
    far = adaptation.agent.graphs[3].observations[:, 1] > 6.0  # the lower corridor
    graph = adaptation.graphs[3].graph
    assert (graph.costs[far[graph.sources] & far[graph.targets]] < LAST_RESORT).all()


def test_the_agent_itself_is_not_touched(agent: Agent, experienced: tuple[Actor, list[int]]) -> None:
    assert learned(experienced).graphs is not agent.graphs
    assert all((landmarks.graph.costs < LAST_RESORT).all() for landmarks in agent.graphs.values())
    assert steps(Actor(agent), RING) < 1.4 * TASK.oracle(RING)


def test_level_1_stops_at_the_door_and_nothing_else_changes(experienced: tuple[Actor, list[int]]) -> None:
    adaptation = learned(experienced)
    level = adaptation.stack.level(1)
    plain = LevelDynamics(level)
    corrected = adaptation.corrected(plain)
    assert isinstance(corrected, StoppedDynamics)
    front = adaptation.memory.believed.only(torch.tensor([0]))
    at, right = front.states, torch.tensor([[1.0, 0.0]])
    assert float(level.critic.embed(plain.step(at, right) - at).norm()) == pytest.approx(1.0, abs=0.05)
    assert float(level.critic.embed(corrected.step(at, right) - at).norm()) < 0.1
    assert torch.equal(corrected.step(at, -right), plain.step(at, -right))  # back is free
    away = at + torch.tensor([[-4.0, 0.0]])
    assert torch.equal(corrected.step(away, right), plain.step(away, right))


def test_what_was_found_long_ago_is_doubted_first(experienced: tuple[Actor, list[int]]) -> None:
    adaptation = learned(experienced)
    adaptation.memory = replace(adaptation.memory, age=torch.zeros_like(adaptation.memory.age))
    prices = []
    for _ in range(4):
        actor = Actor(adaptation.agent)
        actor.begin(TASK.goal[None].astype(np.float32))
        assert actor.session is not None
        adaptation.recall(actor.session)
        prices.append(float(adaptation.graphs[2].graph.costs.max()))
    assert prices[0] > 1.9 * prices[1]
    assert prices[1] == prices[2] == prices[3] >= LAST_RESORT


def test_ways_that_a_session_rejected_are_remembered_over_several(agent: Agent) -> None:
    adaptation = adaptation_of(agent)
    actor = Actor(agent)
    changes = []
    for _ in range(3):
        actor.begin(TASK.goal[None].astype(np.float32))
        assert actor.session is not None
        actor.session.rejected[2][0] = frozenset({7})
        actor.session.rejected[3][0] = frozenset({1})  # is verified by the level below instead
        changes.append(adaptation.recall(actor.session))
    assert changes == [False, False, True]
    assert adaptation.graphs[2].graph.costs[7] >= LAST_RESORT
    evidence = adaptation.memory.evidence
    adaptation.recall(actor.session)
    assert torch.equal(adaptation.memory.evidence, evidence)  # it is explained by now
    assert isinstance(adaptation.corrected(LevelDynamics(agent.stack.level(1))), LevelDynamics)


def test_episodes_that_are_over_teach_nothing(agent: Agent) -> None:
    adaptation = adaptation_of(agent)
    still = np.repeat(TASK.start[None].astype(np.float32), 8, 0)
    push = np.tile(np.float32([1.0, 0.0]), (8, 1))
    assert not adaptation.observe(still, push, still, np.zeros(8, bool))
    assert len(adaptation.noticed) == 0
    assert adaptation.observe(still, push, still)
    assert len(adaptation.noticed) == 8


def test_an_episode_that_is_over_goes_unnoticed_while_others_run(agent: Agent) -> None:
    starts, goals = np.stack([TASK.start, TASK.start]), np.stack([TASK.goal, TASK.goal]).astype(np.float32)
    for over, surprised in ((True, False), (False, True)):
        actor, world = Actor(agent, adaptation=adaptation_of(agent)), PointMaze(RING, 2)
        here = world.reset(torch.from_numpy(starts), torch.from_numpy(goals)).numpy()
        actor.begin(goals)
        for step in range(2 * actor.config.commit + 1):
            actions = actor.act(here, np.array([step == 0 or not over, True]))
            here = np.stack([here[0], world.step(torch.from_numpy(actions))[0].numpy()[1]])  # the first one stays
        assert actor.adaptation is not None
        assert bool(len(actor.adaptation.memory)) is surprised


def test_it_plans_anew_at_all_levels_as_soon_as_it_believes(agent: Agent) -> None:
    actor, world = Actor(agent, adaptation=adaptation_of(agent)), PointMaze(closed(RING, DOOR), 1)
    here = world.reset(torch.from_numpy(TASK.start[None]), torch.from_numpy(TASK.goal[None])).numpy()
    actor.begin(TASK.goal[None].astype(np.float32))
    assert actor.adaptation is not None and actor.session is not None
    for _ in range(300):
        actions = actor.act(here)
        if len(actor.adaptation.memory.believed):
            break
        here = world.step(torch.from_numpy(actions))[0].numpy()
    assert {"replan 2", "replan 3"} <= set(actor.session.events[0])


def test_a_walk_through_a_front_takes_it_back(experienced: tuple[Actor, list[int]]) -> None:
    adaptation = learned(experienced)
    right = np.float32([[1.0, 0.0]])
    while len(adaptation.memory.believed):
        at = adaptation.memory.believed.observations[:1].numpy()
        assert adaptation.observe(at, right, at + 0.4 * right)
    assert all(adaptation.graphs[k] is landmarks for k, landmarks in adaptation.agent.graphs.items())


def test_nothing_attaches_to_landmarks_just_behind_the_door(experienced: tuple[Actor, list[int]]) -> None:
    adaptation = learned(experienced)
    landmarks = adaptation.graphs[2]
    assert landmarks.sealed is not None and landmarks.sealed.any() and not landmarks.sealed.all()
    at = adaptation.memory.believed.observations[:1]
    points = (adaptation.stack.level(2).critic.embed(at)[0].numpy(),) * 2
    entries, _, _ = LandmarkPlanner(landmarks).entries(points)
    assert len(entries) >= LandmarkPlanner.MIN_ENTRIES and not landmarks.sealed[entries].any()
    before, _, _ = LandmarkPlanner(adaptation.agent.graphs[2]).entries(points)
    assert landmarks.sealed[before].any()


def test_one_level_adapts_too(agent: Agent) -> None:
    alone = map_agent(RING.walls, (-1.5 * CELL_SIZE, -1.5 * CELL_SIZE), CELL_SIZE, levels=1)
    actor = Actor(alone, adaptation=adaptation_of(alone))
    assert steps(actor, closed(RING, DOOR)) == 1000  # it sees no way round, and comes to no harm
    assert actor.adaptation is not None and len(actor.adaptation.memory.believed)


def test_surprises_are_saved_with_the_agent(tmp_path: Path) -> None:
    config = StackConfig(levels=(LevelConfig(stride=1, hidden=(8,), predictor_hidden=(8,)),))
    stack = Stack(config).requires_grad_(False)
    agent = Agent(stack, Experiment(stack=config), {}, {}, {})
    with pytest.raises(SurpriseError, match="needs Surprises.calibrated"):
        Adaptation(agent)
    adaptation = Adaptation(agent, Surprises.empty(stack, 1e-3))
    still = np.zeros((4, 2), np.float32)
    adaptation.observe(still, np.ones((4, 2), np.float32), still)
    assert len(adaptation.memory)
    agent.save(tmp_path / "before")
    replace(agent, surprises=adaptation.memory).save(tmp_path / "after")
    assert Agent.load(tmp_path / "before").surprises is None
    again = Adaptation(Agent.load(tmp_path / "after")).memory
    assert torch.equal(again.places, adaptation.memory.places)
    assert torch.equal(again.evidence, adaptation.memory.evidence)
