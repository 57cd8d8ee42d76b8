"""The Gymnasium face of the worlds that are seen in pictures."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

import worlds  # noqa: F401  (registers the environments)
from worlds.draw import AGENT, GOAL
from worlds.registration import PICTURE_ENVIRONMENTS

IDS = [f"hjepa/{name}-v0" for name in PICTURE_ENVIRONMENTS]


@pytest.fixture(params=IDS)
def env_id(request):
    return request.param


@pytest.mark.parametrize("obs", ["pixels", "state"])
def test_the_official_checker_is_content(env_id, obs):
    check_env(gymnasium.make(env_id, obs=obs, render_mode="rgb_array").unwrapped)


@pytest.mark.parametrize("obs", ["pixels", "state"])
def test_equal_seeds_give_equal_episodes_within_their_spaces(env_id, obs):
    traces = []
    for _ in range(2):
        env = gymnasium.make(env_id, obs=obs)
        env.action_space.seed(0)
        seen = [env.reset(seed=4)[0]] + [env.step(env.action_space.sample())[0] for _ in range(20)]
        assert all(env.observation_space.contains(observation) for observation in seen)
        traces.append([value.tobytes() for observation in seen for value in observation.values()])
    assert traces[0] == traces[1]


def test_episodes_follow_each_other_and_any_can_be_asked_for(env_id):
    env = gymnasium.make(env_id, obs="state")
    first, second = env.reset(seed=0)[0]["goal"], env.reset()[0]["goal"]
    assert not np.array_equal(first, second)
    asked = [env.reset(options={"episode": 7})[0]["goal"] for _ in range(2)]
    assert np.array_equal(*asked)


def test_pixels_are_those_of_the_state(env_id):
    pixels, state = (gymnasium.make(env_id, obs=obs).unwrapped for obs in ("pixels", "state"))
    pixels.reset(seed=5), state.reset(seed=5)
    for action in np.random.default_rng(0).uniform(-1, 1, (10, 2)):
        frame, seen = pixels.step(action)[0]["observation"], state.step(action)[0]["observation"]
        drawn = pixels._raster(torch.from_numpy(seen), state._tasks.maps[0]).numpy()
        np.testing.assert_array_equal(frame, drawn)


def test_the_oracle_ends_the_episode_with_reward_one(env_id):
    env = gymnasium.make(env_id, obs="state")
    observation, _ = env.reset(seed=1)
    oracle, reach = env.unwrapped._tasks.oracle(), env.unwrapped._reach
    ended = False
    while not ended:
        action = oracle(observation["observation"][None])[0] / reach
        observation, reward, terminated, truncated, info = env.step(action.astype(np.float32))
        ended = terminated or truncated
    assert terminated and not truncated and reward == 1 and info["success"]


def test_time_runs_out_by_the_protocol(env_id):
    env = gymnasium.make(env_id, obs="state")
    env.reset(seed=2)
    ends = [env.step(np.zeros(2, dtype=np.float32))[3] for _ in range(env.spec.max_episode_steps)]
    assert ends == [False] * (len(ends) - 1) + [True]


def test_pictures_are_large_enough_for_people(env_id):
    env = gymnasium.make(env_id, render_mode="rgb_array")
    env.reset(seed=0)
    picture = env.render()
    assert picture.dtype == np.uint8 and min(picture.shape[:2]) >= 200 and picture.shape[2] == 3
    for colour in (GOAL, AGENT):
        assert np.abs(picture.astype(int) - colour).max(-1).min() <= 40  # a soft dot may have no pixel of full colour
    assert gymnasium.make(env_id).unwrapped.render() is None


def test_resolutions_can_be_chosen():
    shapes = {
        "hjepa/DiverseMaze-v0": ({"low": True}, (3, 40, 40)),
        "hjepa/TwoRooms-v0": ({"rgb": True}, (3, 65, 65)),
        "hjepa/FourRooms-v0": ({"pixels": 112}, (3, 112, 112)),
    }
    for env_id, (settings, shape) in shapes.items():
        assert gymnasium.make(env_id, **settings).observation_space["observation"].shape == shape


def test_unknown_settings_get_one_clear_line():
    with pytest.raises(ValueError, match="obs must be pixels or state, and render_mode rgb_array, not 'sound'"):
        gymnasium.make("hjepa/TwoRooms-v0", obs="sound")
