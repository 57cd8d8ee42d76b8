"""The Gymnasium face of the point maze: every registered environment, single and vectorised."""

import pickle
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import worlds  # noqa: F401  (registers the environments)
from worlds.envs import PointMazeEnv
from worlds.maps import Map, MapError, generate_maze, named_map
from worlds.places import OFFICIAL_TASKS
from worlds.vector_env import PointMazeVectorEnv

IDS = sorted(env_id for env_id in gymnasium.registry if env_id.startswith("hjepa/PointMaze"))


def rollout(env, steps=60, seed=3):
    """Everything that an environment returns while random actions act on it."""
    env.action_space.seed(seed)
    trace = [env.reset(seed=seed)]
    for _ in range(steps):
        trace.append(env.step(env.action_space.sample()))
    return trace


def test_five_environments_are_registered():
    assert [f"hjepa/PointMaze{name}-v0" for name in ("", "Giant", "Large", "Medium", "Teleport")] == IDS


@pytest.mark.parametrize("env_id", IDS)
def test_the_official_checker_is_content(env_id):
    check_env(gymnasium.make(env_id, render_mode="rgb_array").unwrapped)


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("mode", ["sync", "vector_entry_point"])
def test_equal_seeds_give_equal_episodes(env_id, mode):
    traces = []
    for _ in range(2):
        env = gymnasium.make_vec(env_id, num_envs=3, vectorization_mode=mode)
        traces.append(pickle.dumps([step[0] for step in rollout(env)]))
        env.close()
    assert traces[0] == traces[1]


@pytest.mark.parametrize("env_id", IDS)
def test_single_environments_are_deterministic_and_stay_in_their_spaces(env_id):
    traces = []
    for _ in range(2):
        env = gymnasium.make(env_id)
        trace = rollout(env)
        assert all(env.observation_space.contains(step[0]) for step in trace)
        traces.append(pickle.dumps([step[0] for step in trace]))
    assert traces[0] == traces[1]


@pytest.mark.parametrize("name", ["medium", "large", "giant", "teleport"])
def test_tasks_are_the_official_ones(name):
    pytest.importorskip("ogbench")
    official = gymnasium.make(f"pointmaze-{name}-v0").unwrapped
    tasks = tuple((info["init_ij"], info["goal_ij"]) for info in official.task_infos)
    assert OFFICIAL_TASKS[name] == tasks
    env = gymnasium.make(f"hjepa/PointMaze{name.capitalize()}-v0")
    for task_id, (start, goal) in enumerate(tasks, 1):
        observation, _ = env.reset(seed=task_id, options={"task_id": task_id})
        assert np.abs(observation["observation"] - official.ij_to_xy(start)).max() <= 1
        assert np.abs(observation["desired_goal"] - official.ij_to_xy(goal)).max() <= 1


def test_unknown_tasks_get_one_clear_line():
    with pytest.raises(ValueError, match=r"map medium has no task 6, expected 1\.\.5"):
        gymnasium.make("hjepa/PointMazeMedium-v0").reset(options={"task_id": 6})
    with pytest.raises(ValueError, match="has no task 1, expected none: tasks are for the maps arena, medium"):
        gymnasium.make("hjepa/PointMaze-v0").reset(options={"task_id": 1})


def test_reaching_the_goal_ends_the_episode_with_reward_one():
    env = PointMazeEnv("#####\n#...#\n#####")
    observation, _ = env.reset(seed=0)
    for _ in range(200):
        gap = observation["desired_goal"] - observation["observation"]
        assert env.compute_reward(observation["achieved_goal"], observation["desired_goal"], {}) == 0
        action = (gap / np.linalg.norm(gap)).astype(np.float32)
        observation, reward, terminated, truncated, info = env.step(action)
        if terminated:
            break
    assert terminated and not truncated and reward == 1 and info["success"]
    assert env.compute_reward(observation["achieved_goal"], observation["desired_goal"], {}) == 1


def test_rewards_are_computed_for_whole_batches():
    achieved = np.array([[[0.0, 0], [1, 0]], [[0.8, 0.8], [0, 0.99]]])
    assert PointMazeEnv("medium").compute_reward(achieved, np.zeros(2)).tolist() == [[1, 1], [0, 1]]


def test_episodes_end_after_a_thousand_steps():
    env = gymnasium.make("hjepa/PointMazeGiant-v0")
    env.reset(seed=0, options={"task_id": 1})
    ends = [env.step(np.zeros(2, dtype=np.float32))[3] for _ in range(1000)]
    assert ends == [False] * 999 + [True]


def test_any_map_can_be_played(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("######\n#....#\n######\n")
    text = path.read_text()
    for map in (path, str(path), text, Map.parse(text), "medium"):
        assert gymnasium.make("hjepa/PointMaze-v0", map=map).reset(seed=0)
    env = gymnasium.make("hjepa/PointMaze-v0", rows=9, columns=21, maze_seed=4).unwrapped
    assert env.map == generate_maze(9, 21, 4)


def test_a_map_without_room_for_a_goal_gets_one_clear_line():
    with pytest.raises(MapError, match="at least two free cells"):
        PointMazeEnv("###\n#.#\n###")


def test_portals_work_and_goals_can_be_walked_to():
    env = gymnasium.make("hjepa/PointMazeTeleport-v0").unwrapped
    map = named_map("teleport")
    for seed in range(100):
        observation, _ = env.reset(seed=seed)
        start, goal = (map.cell_of(observation[key]) for key in ("observation", "desired_goal"))
        assert map.distances_from(start, around_portals=True)[tuple(goal)] > 0


def test_pictures_show_walls_goal_and_agent():
    env = gymnasium.make("hjepa/PointMazeMedium-v0", render_mode="rgb_array")
    env.reset(seed=0, options={"task_id": 1})
    picture = env.render()
    assert picture.shape == (128, 128, 3) and picture.dtype == np.uint8
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) == 4
    wall, agent_cell, goal_cell = picture[:16, :16], picture[16:32, 16:32], picture[96:112, 96:112]
    assert (wall == wall[0, 0]).all()
    assert (agent_cell == [38, 98, 217]).all(-1).any() and (goal_cell == [226, 78, 68]).all(-1).any()


def test_text_shows_agent_and_goal():
    env = gymnasium.make("hjepa/PointMazeMedium-v0", render_mode="ansi")
    env.reset(seed=0, options={"task_id": 1})
    lines = env.render().splitlines()
    assert lines[1] == "#A.##..#" and lines[6] == "#...#.G#"


def test_the_window_opens_follows_and_closes():
    pygame = pytest.importorskip("pygame")
    env = gymnasium.make("hjepa/PointMazeMedium-v0", render_mode="human").unwrapped
    env.reset(seed=0)
    env.step(np.ones(2, dtype=np.float32))
    assert env.render() is None
    assert pygame.display.get_surface().get_size() == (128, 128)
    env.close()
    env.close()
    assert not pygame.display.get_init()


def test_a_missing_pygame_is_named_with_its_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygame", None)
    env = PointMazeEnv("medium", render_mode="human")
    with pytest.raises(gymnasium.error.DependencyNotInstalled, match="pip install pygame-ce"):
        env.reset(seed=0)


@pytest.mark.parametrize("make", [PointMazeEnv, PointMazeVectorEnv])
def test_unknown_render_modes_get_one_clear_line(make):
    with pytest.raises(ValueError, match="unknown render_mode 'video', expected one of"):
        make(map="medium", render_mode="video")


def test_the_vector_resets_one_step_late():
    env = PointMazeVectorEnv(num_envs=4, max_episode_steps=3, map="giant")
    env.reset(seed=0)
    still = np.zeros((4, 2), dtype=np.float32)
    goals = []
    for _ in range(8):
        observation, reward, terminated, truncated, _ = env.step(still)
        goals.append(observation["desired_goal"])
        assert not terminated.any() and not reward.any()
        assert truncated.all() == (len(goals) in (3, 7)) and truncated.any() == truncated.all()
    assert np.array_equal(goals[0], goals[2]) and not np.array_equal(goals[2], goals[3])
    assert np.array_equal(goals[3], goals[6]) and not np.array_equal(goals[6], goals[7])


def test_the_vector_moves_as_the_single_environment_does():
    single, vector = PointMazeEnv("giant"), PointMazeVectorEnv(num_envs=1, map="giant")
    options = {"task_id": 2}
    first, same = single.reset(seed=8, options=options)[0], vector.reset(seed=8, options=options)[0]
    for _ in range(100):
        for key, value in first.items():
            assert np.array_equal(value, same[key][0])
        action = single.action_space.sample()
        first, same = single.step(action)[0], vector.step(action[None])[0]


def test_the_vector_draws_itself():
    pictures = PointMazeVectorEnv(num_envs=2, map="medium", render_mode="rgb_array")
    pictures.reset(seed=0)
    assert [picture.shape for picture in pictures.render()] == [(128, 128, 3)] * 2
    text = PointMazeVectorEnv(num_envs=2, map="medium", render_mode="ansi")
    text.reset(seed=0)
    assert all("G" in lines for lines in text.render())
    assert PointMazeVectorEnv(num_envs=2, map="medium").render() is None
