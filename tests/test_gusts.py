"""Wind: what gusts do to balls, and recordings in it."""

import numpy as np
import pytest
import torch

from worlds import PointMaze, named_map
from worlds.gusts import GustyMaze, repeat_in_wind

ARENA = named_map("arena")


def in_the_middle(world: GustyMaze | PointMaze) -> torch.Tensor:
    rows, columns = world.map.shape
    centre = torch.from_numpy(world.map.center(np.array([rows // 2, columns // 2])))
    return world.reset(centre.expand(world.num_envs, 2))


def test_calm_air_is_the_maze_without_wind() -> None:
    windy, calm = GustyMaze(ARENA, 50, strength=0.0, seed=1), PointMaze(ARENA, 50, seed=1)
    starts = windy.position.clone()
    assert torch.equal(calm.reset(starts), windy.reset(starts))
    actions = torch.rand(50, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    torch.testing.assert_close(windy.step(actions)[0], calm.step(actions)[0])


def test_gusts_push_as_far_as_they_are_strong() -> None:
    world = GustyMaze(ARENA, 4000, strength=0.3, seed=2)
    before = in_the_middle(world)
    pushed = world.step(torch.zeros(4000, 2))[0] - before
    np.testing.assert_allclose(pushed.std(0), 0.2 * 0.3, rtol=0.05)
    np.testing.assert_allclose(pushed.mean(0), 0, atol=0.004)


def test_the_strength_is_that_of_the_place() -> None:
    strength = np.zeros(ARENA.shape)
    strength[:, ARENA.shape[1] // 2 :] = 0.5
    world = GustyMaze(ARENA, 500, strength, seed=0)
    before = world.position.clone()
    moved = (world.step(torch.zeros(500, 2))[0] - before).norm(dim=-1)
    windy = before[:, 0] > 4 * (ARENA.shape[1] // 2 - 1) - 2
    assert (moved[windy] > 0).all() and (moved[~windy] < 1e-6).all()


def test_walls_stop_gusts() -> None:
    world = GustyMaze(ARENA, 200, strength=2.0, seed=0)
    for _ in range(50):
        world.step(torch.ones(200, 2))
    cells = np.floor(world.position.numpy() / 4 + 1.5).astype(int)
    assert not ARENA.walls[cells[:, 1], cells[:, 0]].any()


def test_equal_seeds_blow_alike() -> None:
    first, second, other = (GustyMaze(ARENA, 8, 0.5, seed) for seed in (3, 3, 4))
    for world in (first, second, other):
        in_the_middle(world)
        for _ in range(5):
            world.step(torch.zeros(8, 2))
    assert torch.equal(first.position, second.position)
    assert not torch.equal(first.position, other.position)


def test_a_walk_is_repeated_in_the_wind() -> None:
    calm, windy = (repeat_in_wind(ARENA, 400, strength, episode_rows=41, seed=5) for strength in (0.0, 0.5))
    assert len(calm) == len(windy) == 410 and calm.num_episodes == 10
    np.testing.assert_array_equal(calm.actions, windy.actions)
    np.testing.assert_array_equal(calm.observations[::41], windy.observations[::41])
    apart = np.linalg.norm(calm.observations - windy.observations, axis=1).reshape(10, 41).mean(0)
    assert apart[0] == 0 and apart[-1] > apart[5] > 0


@pytest.mark.parametrize(("strength", "message"), [(-1.0, "negative"), (np.nan, "NaN"), (np.ones((2, 3)), "shape")])
def test_impossible_winds_are_named(strength: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GustyMaze(ARENA, 1, strength)  # type: ignore[arg-type]
