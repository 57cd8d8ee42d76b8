"""The batched point maze against the official MuJoCo environment, and against itself."""

import numpy as np
import pytest
import torch

from worlds.collection import collect
from worlds.maps import Map, generate_maze, named_map
from worlds.point_maze import PointMaze


@pytest.fixture(scope="module")
def official():
    pytest.importorskip("ogbench")
    import gymnasium

    env = gymnasium.make("pointmaze-giant-v0").unwrapped
    env.reset(seed=0, options={"task_id": 1})
    yield env
    env.close()


def pushing_actions(steps, rng):
    """Full force in one direction for 20 steps, then in another: hard into walls and corners."""
    angles = rng.uniform(0, 2 * np.pi, steps // 20 + 1).repeat(20)[:steps]
    return np.clip(1.5 * np.stack([np.cos(angles), np.sin(angles)], -1), -1, 1)


def per_step_errors(official, actions, starts):
    """[T] largest component of the difference after each step, both worlds starting each step from the same place."""
    before, after = np.empty_like(actions), np.empty_like(actions)
    every = len(actions) // len(starts)
    for t, action in enumerate(actions):
        if t % every == 0:
            official.set_xy(starts[t // every])
        before[t] = official.get_xy()
        after[t] = official.step(action)[0]
    world = PointMaze("giant", len(actions))
    world.reset(starts=torch.from_numpy(before))
    world.step(torch.from_numpy(actions))
    return np.abs(world.position.numpy() - after).max(1)


@pytest.mark.parametrize("kind", ["random", "pushing", "noisy"])
def test_each_step_agrees_with_mujoco(official, kind):
    rng = np.random.default_rng(7)
    steps = 4000
    actions = {
        "random": rng.uniform(-1, 1, (steps, 2)),
        "pushing": pushing_actions(steps, rng),
        "noisy": np.clip(pushing_actions(steps, rng) + rng.normal(0, 0.5, (steps, 2)), -1, 1),
    }[kind]
    map = named_map("giant")
    cells = map.free_cells()[rng.integers(len(map.free_cells()), size=40)]
    errors = per_step_errors(official, actions, map.center(cells) + rng.uniform(-1, 1, (40, 2)))
    assert errors.max() < 1e-6


def test_free_motion_is_exact_to_rounding(official):
    official.set_xy(np.zeros(2))
    world = PointMaze("giant", 1)
    world.reset(starts=torch.zeros(1, 2))
    for action in ([1.0, 0.0], [-0.3, 0.7], [-0.2, -0.9]):
        expected = official.step(np.array(action))[0]
        world.step(torch.tensor([action], dtype=torch.float64))
        np.testing.assert_allclose(world.position[0].numpy(), expected, rtol=0, atol=1e-14)


def test_pushing_straight_into_a_wall_gives_the_official_numbers():
    world = PointMaze("giant", 1)
    world.reset(starts=torch.tensor([[-1.0, 0.0]]))
    places = []
    for _ in range(4):
        world.step(torch.tensor([[-1.0, 0.0]]))
        places.append(world.position[0, 0].item())
    np.testing.assert_allclose(places, [-1.2, -1.31772152, -1.33858356, -1.34228064], atol=1e-7)


def test_a_whole_recorded_walk_replays_in_mujoco(official):
    """Goal-directed actions, no correction between steps: the two worlds stay together for a thousand steps."""
    data = collect(named_map("giant"), rows=1000, episode_rows=1000, seed=11)
    official.set_xy(data.qpos[0].astype(np.float64))
    world = PointMaze("giant", 1)
    world.reset(starts=torch.from_numpy(data.qpos[:1]))
    for action in data.actions:
        place = official.step(action.astype(np.float64))[0]
        world.step(torch.from_numpy(action[None]))
        assert np.abs(world.position[0].numpy() - place).max() < 1e-3


def test_portals_agree_with_the_official_environment():
    pytest.importorskip("ogbench")
    import gymnasium

    env = gymnasium.make("pointmaze-teleport-v0").unwrapped
    env.reset(seed=0, options={"task_id": 1})
    rng = np.random.default_rng(0)
    entrances = env._teleport_info["teleport_in_xys"]
    map = named_map("teleport")
    landed = set()
    for trial in range(60):
        start = np.array(entrances[trial % 2]) + rng.uniform(-1.9, 1.9, 2) * ([0, 1] if trial % 2 else [1, 0])
        if map.walls[tuple(map.cell_of(start))]:
            continue
        world = PointMaze("teleport", 1, seed=trial)
        world.reset(starts=torch.from_numpy(start[None]))
        env.set_xy(start)
        action = rng.uniform(-1, 1, 2)
        expected = env.step(action)[0]
        seen, _ = world.step(torch.from_numpy(action[None]))
        np.testing.assert_allclose(seen[0].numpy(), expected, atol=1e-5)
        jumped = np.abs(env.get_xy() - expected).max() > 1e-9
        assert jumped == (np.abs(world.position[0].numpy() - seen[0].numpy()).max() > 1e-4)
        if jumped:
            landed.add(tuple(map.cell_of(world.position[0].numpy())))
    assert landed == {tuple(cell) for cell in map.exits()}


def test_success_is_judged_before_a_portal_takes_the_ball():
    map = Map.parse("########\n#..I..O#\n########")
    entrance = torch.from_numpy(map.center(map.entrances()))
    world = PointMaze(map, 1)
    world.reset(starts=entrance - torch.tensor([[1.6, 0.0]]), goals=entrance - torch.tensor([[0.6, 0.0]]))
    seen, success = world.step(torch.tensor([[1.0, 0.0]]))
    assert success.item()
    torch.testing.assert_close(seen.double(), entrance - torch.tensor([[1.4, 0.0]], dtype=torch.float64))
    torch.testing.assert_close(world.position, torch.from_numpy(map.center(map.exits())))


def test_portal_exits_are_drawn_uniformly():
    map = named_map("teleport")
    world = PointMaze(map, 30_000)
    world.reset(starts=torch.from_numpy(map.center(map.entrances()[:1])).expand(30_000, 2))
    world.step(torch.zeros(30_000, 2))
    _, counts = world.position.unique(dim=0, return_counts=True)
    assert len(counts) == 3 and (counts - 10_000).abs().max() < 400


def test_both_backends_agree():
    rng = np.random.default_rng(1)
    walls = np.pad(rng.random((14, 14)) < 0.4, 1, constant_values=True)
    compiled, plain = (PointMaze(Map(walls), 2000, backend=backend) for backend in ("compiled", "torch"))
    plain.reset(starts=compiled.position, goals=compiled.goal.double())
    for actions in np.split(pushing_actions(4000, rng).reshape(2, 2000, 2).repeat(12, 0), 24):
        seen, success = compiled.step(torch.from_numpy(actions[0]))
        seen_plain, success_plain = plain.step(torch.from_numpy(actions[0]))
        assert (compiled.position - plain.position).abs().max() < 1e-9
        assert torch.equal(success, success_plain)
        torch.testing.assert_close(seen, seen_plain)


def test_no_force_takes_a_ball_into_a_wall():
    rng = np.random.default_rng(2)
    map = generate_maze(21, 21, 5)
    world = PointMaze(map, 4000)
    for _ in range(200):
        world.step(torch.from_numpy(rng.choice([-1.0, 1.0], (4000, 2))))
        cells = map.cell_of(world.position.numpy())
        assert not map.walls[cells[:, 0], cells[:, 1]].any()


def test_balls_in_a_batch_do_not_leak_into_each_other():
    batch = PointMaze("giant", 64, seed=3)
    alone = PointMaze("giant", 1)
    alone.reset(starts=batch.position[17:18], goals=batch.goal[17:18].double())
    for actions in torch.rand(50, 64, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1:
        batch.step(actions)
        alone.step(actions[17:18])
        assert torch.equal(batch.position[17], alone.position[0])


def test_equal_seeds_give_equal_worlds():
    worlds = [PointMaze("teleport", 500, seed=seed) for seed in (5, 5, 6)]
    for actions in torch.rand(100, 500, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1:
        for world in worlds:
            world.step(actions)
    assert torch.equal(worlds[0].position, worlds[1].position) and torch.equal(worlds[0].goal, worlds[1].goal)
    assert not torch.equal(worlds[0].position, worlds[2].position)


def test_reset_keeps_the_unmasked_balls():
    world = PointMaze("medium", 6)
    position, goal = world.position.clone(), world.goal.clone()
    mask = torch.tensor([True, False, True, False, False, True])
    world.reset(mask=mask)
    assert torch.equal(world.position[~mask], position[~mask]) and torch.equal(world.goal[~mask], goal[~mask])
    assert (world.position[mask] != position[mask]).all()


def test_actions_are_clipped():
    world = PointMaze("arena", 2)
    world.reset(starts=torch.tensor([[8.0, 8.0], [8.0, 8.0]]))
    world.step(torch.tensor([[9.0, -9.0], [1.0, -1.0]]))
    assert torch.equal(world.position[0], world.position[1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda world: world.step(torch.zeros(3, 2)), r"actions must be of shape \(2, 2\), not \(3, 2\)"),
        (lambda world: world.step(torch.full((2, 2), torch.nan)), "actions must be finite"),
        (lambda world: world.reset(starts=torch.tensor([[0.0, 0], [-4, 0]])), r"starts\[1\] = .* not on free floor"),
        (lambda world: world.reset(goals=torch.tensor([[1e9, 0.0], [0, 0]])), r"goals\[0\] = .* not on free floor"),
        (lambda world: PointMaze("medium", 0), "num_envs >= 1, not 0"),
        (lambda world: PointMaze("medium", 1, backend="fast"), "unknown backend 'fast'"),
        (lambda world: PointMaze("medium", 1, device="meta", backend="compiled"), "needs device cpu"),
    ],
)
def test_bad_input_gets_one_clear_line(call, message):
    with pytest.raises(ValueError, match=message):
        call(PointMaze("medium", 2))
