"""The official environments and our own tasks as batches of episodes for evaluation."""

import sys

import numpy as np
import pytest

from worlds.external import MissingPackageError, OGBenchTasks, episode_seed
from worlds.maps import Map, generate_maze, named_map
from worlds.oracle import walk
from worlds.places import random_task
from worlds.point_maze import PointMaze
from worlds.tasks import MazeTasks

pytest.importorskip("ogbench")


def run_alone(maze, task, seed, actions):
    """One official episode by the benchmark's own recipe."""
    import gymnasium

    env = gymnasium.make(f"pointmaze-{maze}-v0")
    np.random.seed(seed)
    observation, info = env.reset(seed=seed, options={"task_id": task})
    seen = [observation]
    for action in actions:
        seen.append(env.step(action)[0])
    return info["goal"], np.array(seen)


@pytest.mark.parametrize("maze", ["medium", "teleport"])
def test_every_episode_is_what_it_would_be_alone(maze):
    tasks = OGBenchTasks(maze, tasks=(2, 5), episodes=2, seed=9)
    rng = np.random.default_rng(0)
    actions = (rng.uniform(-1, 1, (150, 1, 2)) + rng.normal(0, 0.2, (150, 4, 2))).clip(-1, 1).astype(np.float32)
    observations, goals = tasks.reset()
    seen = [observations]
    for step in actions:
        seen.append(tasks.step(step)[0])
    for index, (task, episode) in enumerate([(2, 0), (2, 1), (5, 0), (5, 1)]):
        goal, alone = run_alone(maze, task, episode_seed(9, task, episode), actions[:, index])
        np.testing.assert_array_equal(goals[index], goal.astype(np.float32))
        np.testing.assert_array_equal(np.array(seen)[:, index], alone.astype(np.float32))
    assert tasks.task_names == ["task2", "task2", "task5", "task5"]
    tasks.close()


def test_portals_of_one_episode_do_not_depend_on_the_others():
    """Episodes that walk into the same portal at the same step leave it as they would alone."""
    landings = []
    for chosen in ((5,), (4, 5)):
        tasks = OGBenchTasks("teleport", tasks=chosen, episodes=8, seed=1)
        tasks.reset()
        for env in tasks._envs:
            env.unwrapped.set_xy(np.array([20.0, 9.0]))
        for _ in range(8):
            tasks.step(np.tile([0.0, 1.0], (tasks.num_envs, 1)))
        landings.append(np.array([env.unwrapped.get_xy() for env in tasks._envs[-8:]]))
        tasks.close()
    np.testing.assert_array_equal(*landings)
    assert len(np.unique(landings[0].round(), axis=0)) > 1


def test_the_global_generator_is_left_as_it_was():
    np.random.seed(3)
    np.random.standard_normal()
    expected_state = np.random.get_state()
    tasks = OGBenchTasks("teleport", tasks=(1,), episodes=2)
    tasks.step(np.zeros((2, 2)))
    for before, after in zip(expected_state, np.random.get_state(), strict=True):
        assert np.array_equal(before, after)
    tasks.close()


def test_the_oracle_takes_as_many_steps_on_giant_as_published():
    tasks = OGBenchTasks("giant", episodes=2)
    starts, goals = [], []
    for task in range(5):
        starts += [tasks.starts[2 * task]] * 100
        goals += [tasks.goals[2 * task]] * 100
    noise = np.random.default_rng(0)
    centred_starts, centred_goals = (tasks.map.center(tasks.map.cell_of(place)) for place in (starts, goals))
    starts, goals = (place + noise.uniform(-1, 1, place.shape) for place in (centred_starts, centred_goals))
    steps = walk(tasks.map, starts, goals, np.full(500, 1000)).reshape(5, 100).mean(1)
    np.testing.assert_allclose(steps, [502, 450, 481, 435, 282], atol=6)
    assert (tasks.oracle_steps() < 1000).all()
    tasks.close()


def test_the_oracle_walks_the_official_environment_in_as_many_steps():
    tasks = OGBenchTasks("medium", tasks=(1, 3), episodes=1)
    observations, goals = tasks.reset()
    steps = np.zeros(2, dtype=int)
    while tasks.active().any():
        steps += tasks.active()
        observations, _ = tasks.step(oracle_actions(tasks.map, observations, goals))
    assert np.abs(steps - tasks.oracle_steps()).max() <= 1
    tasks.close()


def oracle_actions(map, places, goals):
    """Plain Python's breadth-first oracle: unit actions to the next cell's centre, at last to the goal."""
    actions = []
    for place, goal in zip(places, goals, strict=True):
        distances = map.distances_from(map.cell_of(goal))
        i, j = map.cell_of(place)
        near = [(i - 1, j), (i, j - 1), (i + 1, j), (i, j + 1)]
        ahead = [cell for cell in near if 0 <= distances[cell] < distances[i, j]]
        gap = (map.center(ahead[0]) if ahead else goal) - place
        actions.append(gap / (np.linalg.norm(gap) + 1e-6))
    return np.array(actions)


def test_the_oracle_avoids_portals_where_it_can():
    map = named_map("teleport")
    assert (MazeTasks(map, 200).oracle_steps() < 1000).all()
    through = Map.parse("#######\n#.I.O.#\n#######")
    places = through.center([(1, 1), (1, 5)])
    assert walk(through, places[:1], places[1:], np.array([1000]))[0] < 1000


def test_an_oracle_in_a_trap_gives_up_at_its_limit():
    map = Map.parse("#######\n#.#...#\n#######")
    places = map.center([(1, 1), (1, 5)])
    assert walk(map, places[:1], places[1:], np.array([77]))[0] == 77


def test_random_tasks_are_as_far_apart_as_asked():
    map = generate_maze(31, 31, 2)
    tasks = MazeTasks(map, 60, min_distance=12)
    assert tasks.cell_distances.min() >= 12
    starts, goals = (map.cell_of(place) for place in (tasks.starts, tasks.goals))
    for start, goal, distance in zip(starts, goals, tasks.cell_distances, strict=True):
        assert map.distances_from(start)[tuple(goal)] == distance
    with pytest.raises(ValueError, match="no two free cells 500 steps apart"):
        MazeTasks(map, 1, min_distance=500)


def test_random_tasks_depend_on_their_own_number_only():
    few, many = MazeTasks(named_map("giant"), 3, seed=4), MazeTasks(named_map("giant"), 9, seed=4)
    np.testing.assert_array_equal(few.starts, many.starts[:3])
    np.testing.assert_array_equal(few.goals, many.goals[:3])


def test_time_limits_grow_with_the_shortest_path():
    tasks = MazeTasks(generate_maze(64, 64, 0), 100)
    np.testing.assert_array_equal(tasks.limits, np.maximum(1000, 40 * tasks.cell_distances))
    assert tasks.time_limit == tasks.limits.max() > 1000
    assert (MazeTasks(named_map("medium"), 5, time_limit=7).limits == 7).all()


def test_starts_of_random_tasks_are_spread_over_the_map():
    map = named_map("medium")
    starts = [tuple(random_task(map, np.random.default_rng(seed))[0]) for seed in range(1000)]
    _, counts = np.unique(starts, axis=0, return_counts=True)
    assert len(counts) == 26 and counts.max() < 80


def test_own_tasks_follow_the_batched_world():
    tasks = MazeTasks(named_map("giant"), 5, seed=1)
    world = PointMaze("giant", 5)
    import torch

    world.reset(torch.from_numpy(tasks.starts), torch.from_numpy(tasks.goals))
    for action in np.random.default_rng(0).uniform(-1, 1, (50, 5, 2)):
        seen, _ = tasks.step(action)
        np.testing.assert_array_equal(seen, world.step(torch.from_numpy(action))[0].numpy())


def test_a_missing_ogbench_is_named_with_its_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "ogbench", None)
    with pytest.raises(MissingPackageError, match="pip install ogbench") as caught:
        OGBenchTasks("medium", episodes=1)
    assert isinstance(caught.value, ValueError) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"maze": "huge"}, "unknown map 'huge'"),
        ({"maze": "medium", "tasks": (6,)}, "map medium has no task 6"),
        ({"maze": "medium", "tasks": ()}, "at least one task"),
    ],
)
def test_unknown_mazes_and_tasks_get_one_clear_line(arguments, message):
    with pytest.raises(ValueError, match=message):
        OGBenchTasks(**arguments)
