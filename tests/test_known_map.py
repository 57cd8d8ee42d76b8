"""An agent that is given the map: it plans over walls that it sees, with every planner, on any map."""

from __future__ import annotations

import time
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hjepa.actor import Actor
from hjepa.agent import Agent
from hjepa.checkpoint import CheckpointError
from hjepa.cost_to_go import cost_to_go
from hjepa.evaluate import Outcome, run_episodes
from hjepa.floor import FloorError
from hjepa.known_map import map_agent, portal_forks
from hjepa.optimizers import Optimizer
from hjepa.planning import LevelPlanner, Search
from planners.graph import strongly_connected_components
from worlds.compiled import ACTION_SCALE, RADIUS
from worlds.maps import CELL_SIZE, Map, generate_maze, named_map
from worlds.tasks import MazeTasks

CORNER = (-1.5 * CELL_SIZE, -1.5 * CELL_SIZE)


def agent_of(map: Map, levels: int = 3) -> Agent:
    entrances, exits = map.center(map.entrances()), map.center(map.exits())
    return map_agent(
        map.walls, CORNER, CELL_SIZE, levels, speed=ACTION_SCALE, radius=RADIUS, entrances=entrances, exits=exits
    )


def outcome(map: Map, levels: int, episodes: int, planners: tuple[LevelPlanner, ...] | None = None) -> Outcome:
    tasks = MazeTasks(map, episodes, seed=5)
    return run_episodes(Actor(agent_of(map, levels), levels, planners), tasks)[0]


@pytest.mark.parametrize(
    ("map", "levels"),
    [
        (named_map("giant"), 2),
        (named_map("giant"), 3),
        (generate_maze(15, 21, 8), 4),
        (named_map("teleport"), 3),
    ],
    ids=["giant-2", "giant-3", "maze-4", "teleport-3"],
)
def test_it_arrives_everywhere_on_short_ways(map: Map, levels: int) -> None:
    tasks = MazeTasks(map, 16, seed=1)
    result, _ = run_episodes(Actor(agent_of(map, levels)), tasks)
    assert result.success.all()
    assert result.steps.sum() <= 1.1 * tasks.oracle_steps().sum()


ABOVE = list(dict.fromkeys((*get_args(Search), *get_args(Optimizer))))
COMBINATIONS = (
    [(name, "landmarks", "landmarks") for name in get_args(Optimizer)]
    + [("cem", name, "landmarks") for name in ABOVE]
    + [("cem", "landmarks", name) for name in ABOVE]
)


@pytest.mark.parametrize("planners", COMBINATIONS, ids="-".join)
def test_every_planner_at_every_level_gets_nearer(planners: tuple[LevelPlanner, ...]) -> None:
    map = Map.parse("#######\n#.....#\n#.###.#\n#.....#\n#######")
    actor = Actor(agent_of(map), planners=planners)
    actor.begin(np.array([[16.0, 4.0]], np.float32))
    place = np.array([[0.5, 4.0]], np.float32)
    goal_distance = cost_to_go(actor.agent, [16.0, 4.0])
    before = goal_distance(place)
    for _ in range(24):
        place = (place + ACTION_SCALE * actor.act(place).clip(-1, 1)).astype(np.float32)
    assert goal_distance(place) < before - 10


@pytest.mark.parametrize("planners", [("cem", "supported", "landmarks"), ("cem", "landmarks", "values")], ids="-".join)
def test_planners_of_predictions_arrive(planners: tuple[LevelPlanner, ...]) -> None:
    assert outcome(named_map("medium"), 3, 8, planners).success.all()


def test_levels_step_as_far_as_a_trained_agents() -> None:
    stack = agent_of(named_map("giant"), 4).stack
    assert [stack.level(k).config.stride for k in range(1, 5)] == [1, 10, 60, 300]


def test_distances_are_world_steps() -> None:
    stack = agent_of(named_map("arena")).stack
    here, there = torch.tensor([0.0, 0.0]), torch.tensor([6.0, 8.0])
    for k in (1, 2, 3):
        points = stack.level(k).critic.embed(stack.encode(torch.stack([here, there]), k))
        assert torch.linalg.vector_norm(points[0] - points[1]).item() == pytest.approx(50, rel=1e-5)


def test_a_push_of_a_level_is_its_steps_of_level_1() -> None:
    """A macro-action is an action of the world, held for a stride."""
    stack = agent_of(generate_maze(9, 9, 2)).stack
    starts = torch.from_numpy(named_map("arena").center([[1, 1], [1, 3], [3, 1]])).float()
    actions = torch.tensor([[0.7, 0.4], [-0.3, 1.0], [0.2, -0.9]])
    held = starts
    for _ in range(60):
        held = stack.level(1).predictor(held, actions)
    assert torch.allclose(stack.level(3).predictor(starts, actions), held, atol=0.1)


def test_a_gradient_leads_through_the_predictor() -> None:
    stack = agent_of(named_map("arena")).stack
    action = torch.tensor([0.5, 0.25], requires_grad=True)
    stack.level(2).predictor(torch.tensor([8.0, 8.0]), action).sum().backward()
    assert action.grad is not None
    assert torch.allclose(action.grad, torch.full((2,), 10 * ACTION_SCALE), atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.floats(0.1, 0.9))
def test_no_map_is_too_odd(seed: int, share: float) -> None:
    """Walls thrown at random: every pocket has landmarks at every level, and a decision is made whatever the goal."""
    generator = np.random.default_rng(seed)
    walls = generator.random((8, 9)) < share
    walls[3, 3] = False
    agent = map_agent(walls, (0.0, 0.0), 4.0, levels=4)
    pockets = {k: strongly_connected_components(graph.graph).max() + 1 for k, graph in agent.graphs.items()}
    assert pockets[2] == pockets[3] <= pockets[4]
    cells = np.floor(agent.graphs[2].observations[:, ::-1] / 4 - 1e-4).astype(int)
    assert {(i, j) for i, j in np.argwhere(~walls)} <= {(i, j) for i, j in cells}
    actor = Actor(agent, seed=seed)
    actor.begin(generator.uniform(-4, 44, (3, 2)).astype(np.float32))
    for _ in range(5):
        assert np.isfinite(actor.act(generator.uniform(-4, 44, (3, 2)).astype(np.float32))).all()


@pytest.mark.parametrize("planners", [("cem", name) for name in ABOVE], ids="-".join)
def test_one_free_cell(planners: tuple[LevelPlanner, ...]) -> None:
    walls = np.ones((3, 3), bool)
    walls[1, 1] = False
    actor = Actor(map_agent(walls, (0.0, 0.0), 4.0, levels=3), planners=planners)
    actor.begin(np.array([[7.0, 7.0]], np.float32))
    assert np.isfinite(actor.act(np.array([[5.0, 5.0]], np.float32))).all()


def test_a_goal_beyond_the_walls_is_not_found() -> None:
    map = Map.parse("#######\n#..#..#\n#######")
    actor = Actor(agent_of(map), planners=("cem", "landmarks"))
    actor.begin(np.array([[16.0, 0.0]], np.float32))
    place = np.array([[0.0, 0.0]], np.float32)
    for _ in range(40):
        actor.act(place)
    assert actor.session is not None
    assert not actor.session.track(3, 0).path.found
    assert np.isinf(cost_to_go(actor.agent, [16.0, 0.0])([[0.0, 0.0]])).all()


def test_edges_are_verified_by_the_level_below() -> None:
    agent = agent_of(named_map("giant"))
    for k, verification in agent.verified.items():
        assert 0 < verification.accepted < verification.proposed
        assert verification.accepted == agent.graphs[k].graph.num_edges
    fine, coarse = agent.graphs[2], agent.graphs[3]
    assert np.array_equal(fine.observations[coarse.below], coarse.observations)
    ends = fine.observations[fine.graph.targets] - fine.observations[fine.graph.sources]
    assert np.allclose(fine.graph.costs, np.linalg.norm(ends, axis=1) / ACTION_SCALE, rtol=1e-5)


def test_a_wall_painted_across_the_way_makes_it_longer() -> None:
    map = Map.parse("#######\n#.....#\n#.###.#\n#.....#\n#######")
    cells = map.cells.copy()
    cells[1, 3] = 1
    before, after = (cost_to_go(agent_of(m), [16.0, 0.0])([[0.0, 0.0]]) for m in (map, Map(cells)))
    assert before == pytest.approx(80, rel=0.15)
    assert after == pytest.approx(160, rel=0.15)


def test_it_is_made_anew_fast_enough_for_every_stroke() -> None:
    for map, seconds in ((named_map("giant"), 0.15), (generate_maze(33, 33, 0), 1.0)):
        agent_of(map, 4)
        started = time.perf_counter()
        agent_of(map, 4)
        assert time.perf_counter() - started < seconds


def test_portals_are_walked_around_and_told() -> None:
    map = named_map("teleport")
    agent = agent_of(map)
    gaps = np.linalg.norm(agent.graphs[2].observations[:, None] - map.center(map.entrances()), axis=-1)
    assert gaps.min() > CELL_SIZE / 2
    forks = portal_forks(map.center(map.entrances()), map.center(map.exits()))
    assert [fork.place.tolist() for fork in forks] == map.center(map.entrances()).tolist()
    assert forks[0].outcomes.tolist() == map.center(map.exits()).tolist()
    assert forks[0].probabilities.sum() == pytest.approx(1)
    assert portal_forks([], []) == []


def test_it_is_saved_as_a_map_instead(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="save its map"):
        agent_of(named_map("medium")).save(tmp_path / "agent")


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"levels": 0}, "levels must be 1 to 4, not 0"),
        ({"levels": 5}, "levels must be 1 to 4, not 5"),
        ({"speed": 0.0}, r"speed must be above 0 and at most a quarter of a cell \(1\), not 0.0"),
        ({"radius": 2.5}, "radius must be above 0 and below half a cell"),
        ({"walls": np.ones((3, 3))}, "walls leave no room for the ball"),
        ({"walls": np.zeros(3)}, r"walls must be \[rows, columns\]"),
        ({"entrances": [[100.0, 0.0]]}, r"entrances\[0\] = \(100, 0\) is not on the map"),
    ],
)
def test_what_makes_no_map(given_: dict, message: str) -> None:
    with pytest.raises(FloorError, match=message) as caught:
        map_agent(**{"walls": np.zeros((3, 3), bool), "corner": (0.0, 0.0), "size": 4.0} | given_)
    assert "\n" not in str(caught.value)
