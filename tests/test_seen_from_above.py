"""Point mazes by pixels."""

import gymnasium
import numpy as np
import pytest

import worlds  # noqa: F401  (registers the environments)
from worlds.draw import AGENT
from worlds.seen_from_above import SeenFromAbove


@pytest.mark.parametrize("name", ["Giant", "Teleport"])
def test_frames_show_the_ball_and_where_it_should_be(name):
    env = SeenFromAbove(gymnasium.make(f"hjepa/PointMaze{name}-v0"), cell=16)
    observation, _ = env.reset(seed=0)
    for _ in range(20):
        assert env.observation_space.contains(observation)
        world = env.unwrapped._world
        for key, place in (("observation", world.position), ("goal", world.goal)):
            column, row = ((place[0].numpy() + 6) * 4).astype(int)
            assert tuple(observation[key][:, row, column]) == AGENT
            away = (observation[key] == np.array(AGENT)[:, None, None]).all(0).nonzero()
            assert np.abs(np.array(away).T - (row, column)).max() <= 4
        observation = env.step(env.action_space.sample())[0]


def test_what_has_no_map_gets_one_clear_line():
    with pytest.raises(ValueError, match="SeenFromAbove needs a point maze"):
        SeenFromAbove(gymnasium.make("CartPole-v1"))
