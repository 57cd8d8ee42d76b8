"""The cost-to-go that pictures show against walks on the real map."""

from __future__ import annotations

import numpy as np
import pytest

from hjepa.agent import Agent, Experiment
from hjepa.cost_to_go import _nearest, _shortest, _table, cost_to_go, locate
from hjepa.level import LevelConfig
from hjepa.stack import Stack, StackConfig
from worlds.maps import Map

STEPS_PER_CELL = 20


def test_it_grows_with_the_length_of_the_way(small_agent: Agent, small_map: Map) -> None:
    cells = small_map.free_cells()
    for goal in cells[[0, 7, -1]]:
        steps = STEPS_PER_CELL * small_map.distances_from(goal)[tuple(cells.T)]
        cost = cost_to_go(small_agent, small_map.center(goal))(small_map.center(cells))
        assert np.corrcoef(steps, cost)[0, 1] > 0.95
        far = steps > STEPS_PER_CELL
        assert 0.5 < np.median(cost[far] / steps[far]) < 1.5


def test_it_vanishes_at_the_goal(small_agent: Agent, small_map: Map) -> None:
    goal = small_map.center(small_map.free_cells()[3])
    assert cost_to_go(small_agent, goal)(goal[None]) == pytest.approx(0, abs=1e-3)


def test_a_landmark_across_a_wall_is_not_believed() -> None:
    entry, remaining = np.array([[5.0, 8.0, 9.0]]), np.array([[100.0, 96.0, 20.0]])
    assert _shortest(entry, remaining) == pytest.approx(104)  # 8 + 96; 20 is 80 nearer, but only 14 away
    assert _shortest(entry, np.array([[np.inf, 96.0, 90.0]])) == pytest.approx(99)
    assert _shortest(entry, np.full((1, 3), np.inf)) == np.inf


def test_any_number_of_places_at_once(small_agent: Agent, small_map: Map) -> None:
    places = np.random.default_rng(0).uniform(0, 20, (5000, 2))
    estimate = cost_to_go(small_agent, places[0])
    assert np.allclose(estimate(places)[::500], [estimate(place[None])[0] for place in places[::500]], atol=1e-3)
    assert estimate(places[:0]).shape == (0,)


def test_an_agent_of_one_level_has_its_critic() -> None:
    stack = Stack(StackConfig(levels=(LevelConfig(),))).requires_grad_(False)
    agent = Agent(stack, Experiment(stack=stack.config), {}, {}, {})
    places = np.array([[0.0, 0.0], [3.0, 4.0]])
    cost = cost_to_go(agent, places[1])(places)
    assert cost[1] == pytest.approx(0, abs=1e-3) and cost[0] > 0.1


def test_every_level_has_an_estimate_of_its_own(small_agent: Agent, small_map: Map) -> None:
    cells = small_map.free_cells()
    steps = STEPS_PER_CELL * small_map.distances_from(cells[0])[tuple(cells.T)]
    straight, fine, coarse, beyond = (
        cost_to_go(small_agent, small_map.center(cells[0]), level)(small_map.center(cells)) for level in (1, 2, 3, 9)
    )
    assert np.array_equal(coarse, beyond) and not np.array_equal(fine, coarse)
    assert np.corrcoef(steps, coarse)[0, 1] > 0.9
    assert np.array_equal(fine, cost_to_go(small_agent, small_map.center(cells[0]))(small_map.center(cells)))
    assert straight.max() < fine.max()  # level 1 knows no way around


def test_what_is_far_from_all_landmarks_is_unfamiliar(small_agent: Agent) -> None:
    remembered = small_agent.graphs[2].observations
    assert locate(small_agent, remembered).unfamiliar == pytest.approx(0, abs=1e-3)
    assert (locate(small_agent, remembered + 500).unfamiliar > 20).all()
    assert np.isinf(locate(small_agent, remembered, 1).unfamiliar).all()


@pytest.mark.parametrize("dims", [1, 2, 8])
def test_an_index_finds_the_same_landmarks_as_a_table(dims: int) -> None:
    generator = np.random.default_rng(dims)
    places = np.concatenate([generator.normal(size=(2000, dims)), generator.uniform(-50, 50, (50, dims))])
    landmarks = generator.normal(size=(900, dims)).astype(np.float32)
    numbers, distances = _nearest(places, landmarks)
    expected = np.sort(_table(places, landmarks, 6)[1], axis=1)
    assert np.allclose(np.sort(distances, axis=1), expected)
    assert np.allclose(np.linalg.norm(places[:, None] - landmarks[numbers], axis=-1), distances)
