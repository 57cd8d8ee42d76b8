"""Recorded data: the protocols of OGBench's generator, its file format, reproducibility."""

import subprocess
import sys
import time
from pathlib import Path

import numba
import numpy as np
import pytest
import torch

from worlds.collection import collect, default_episode_rows
from worlds.compiled import normal_pair, random_stream, uniform
from worlds.maps import Map, generate_maze, named_map
from worlds.point_maze import PointMaze

ROOT = Path(__file__).parents[1]


def episodes(data, array):
    return array.reshape(data.num_episodes, -1, *array.shape[1:])


@pytest.mark.parametrize(
    ("name", "protocol", "length"),
    [("medium", "navigate", 1001), ("giant", "navigate", 2001), ("large", "stitch", 201), ("giant", "stitch", 201)],
)
def test_episodes_have_the_official_length(name, protocol, length):
    data = collect(named_map(name), protocol, rows=length + 1)
    assert default_episode_rows(named_map(name), protocol) == length
    assert len(data) == 2 * length
    assert np.flatnonzero(data.terminals).tolist() == [length - 1, 2 * length - 1]
    for array in vars(data).values():
        assert array.dtype == np.float32 and np.isfinite(array).all()


@pytest.mark.parametrize("name", ["giant", "teleport"])
@pytest.mark.parametrize("protocol", ["navigate", "stitch"])
def test_every_transition_replays_in_the_batched_world(name, protocol):
    """The observation is the place before a portal's jump, ``qpos`` the place after it: where the step starts."""
    data = collect(named_map(name), protocol, rows=5000)
    inside = data.terminals == 0
    world = PointMaze(named_map(name), int(inside.sum()))
    world.reset(starts=torch.from_numpy(data.qpos[inside]))
    seen, _ = world.step(torch.from_numpy(data.actions[inside]))
    following = data.observations[1:][inside[:-1]]
    assert np.abs(seen.numpy() - following).max() < 1e-4
    jumped = np.abs(data.qpos - data.observations).max(1) > 1e-6
    assert jumped.any() == (name == "teleport")
    cells = named_map(name).cell_of(data.qpos[jumped])
    assert {tuple(cell) for cell in cells} <= {tuple(cell) for cell in named_map(name).exits()}


def test_the_velocity_is_the_official_one():
    pytest.importorskip("ogbench")
    import gymnasium

    env = gymnasium.make("pointmaze-giant-v0").unwrapped
    env.reset(seed=0, options={"task_id": 1})
    data = collect(named_map("giant"), rows=20_000, episode_rows=20_000)
    pushed = np.flatnonzero(np.abs(data.qvel[1:]).max(1) > 0)[:50]
    for t in pushed:
        env.set_xy(data.qpos[t].astype(np.float64))
        env.step(data.actions[t].astype(np.float64))
        np.testing.assert_allclose(env.data.qvel, data.qvel[t + 1], atol=1e-3)
    assert len(pushed) == 50


def test_starts_cover_all_free_cells_evenly():
    data = collect(named_map("medium"), "stitch", rows=26 * 400 * 2, episode_rows=2)
    first = episodes(data, data.observations)[:, 0]
    cells, counts = np.unique(named_map("medium").cell_of(first), axis=0, return_counts=True)
    assert np.array_equal(cells, named_map("medium").free_cells())
    assert np.abs(counts - 400).max() < 100
    offsets = first - named_map("medium").center(named_map("medium").cell_of(first))
    assert np.abs(offsets).max() <= 1 and np.abs(offsets.mean(0)).max() < 0.03
    assert np.abs(offsets.std(0) - 1 / np.sqrt(3)).max() < 0.02


def test_actions_are_the_unit_direction_plus_noise_clipped():
    """In a corridor the oracle walks along x: along y the action is the noise and a slight pull to the middle."""
    data = collect(Map.parse("#" * 42 + "\n#" + "." * 40 + "#\n" + "#" * 42), rows=100_000)
    clipped = np.clip(np.random.default_rng(0).normal([[1], [0]], 0.5, (2, 100_000)), -1, 1)
    middle = np.abs(data.qpos[:, 1]) < 0.05
    along, across = np.abs(data.actions[middle, 0]), data.actions[middle, 1]
    assert len(across) > 2000
    assert abs(across.mean()) < 0.03 and abs(across.std() - clipped[1].std()) < 0.02
    assert abs((along == 1).mean() - 0.5) < 0.05 and abs(along.mean() - np.abs(clipped[0]).mean()) < 0.02


def test_navigate_goes_on_to_new_goals_and_stitch_stays_near():
    map = generate_maze(31, 31, 0)
    reach = {}
    for protocol in ("navigate", "stitch"):
        data = collect(map, protocol, rows=60_000, episode_rows=1000)
        places = episodes(data, data.observations)
        first, last = (map.cell_of(places[:, t]) for t in (0, -1))
        distances = [map.distances_from(a)[tuple(b)] for a, b in zip(first, last, strict=True)]
        reach[protocol] = np.array(distances)
    assert reach["stitch"].max() <= 5
    assert (reach["stitch"] >= 3).mean() > 0.9
    assert reach["navigate"].mean() > 12


def test_data_depend_on_the_seed_and_on_nothing_else():
    map = named_map("teleport")
    data = collect(map, rows=20_000, seed=4)
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        alone = collect(map, rows=20_000, seed=4, progress=False)
    finally:
        numba.set_num_threads(threads)
    for name, array in vars(data).items():
        assert np.array_equal(array, getattr(alone, name)), name
    assert not np.array_equal(data.actions, collect(map, rows=20_000, seed=5).actions)
    longer = collect(map, rows=40_000, seed=4)
    assert np.array_equal(longer.observations[: len(data)], data.observations)


def test_the_progress_bar_changes_no_data(capsys):
    map = named_map("medium")
    silent, loud = collect(map, rows=30_000), collect(map, rows=30_000, progress=True)
    assert np.array_equal(silent.actions, loud.actions)
    assert "collecting" in capsys.readouterr().err


def test_files_are_read_by_the_official_loader(tmp_path):
    data = collect(named_map("giant"), rows=4000)
    path = data.save(tmp_path / "new" / "giant.npz")
    assert [file.name for file in path.parent.iterdir()] == ["giant.npz"]
    pytest.importorskip("ogbench")
    from ogbench.utils import load_dataset

    loaded = load_dataset(str(path), add_info=True)
    assert len(loaded["observations"]) == 4000
    assert np.array_equal(loaded["observations"][:2000], data.observations[:2000])
    assert np.array_equal(loaded["next_observations"][:2000], data.observations[1:2001])
    assert loaded["terminals"].sum() == 2 and loaded["qpos"].shape == loaded["qvel"].shape == (4000, 2)


def test_streams_are_uniform_normal_and_independent():
    streams = [random_stream(seed, index) for seed in range(20) for index in range(200)]
    numbers = np.array([[uniform(stream) for _ in range(10)] for stream in streams])
    assert abs(numbers.mean() - 0.5) < 0.006 and abs(numbers.std() - 12**-0.5) < 0.004
    assert np.abs(np.corrcoef(numbers.T) - np.eye(10)).max() < 0.06
    assert len(np.unique(numbers)) == numbers.size
    normals = np.array([normal_pair(stream) for stream in streams]).ravel()
    assert abs(normals.mean()) < 0.04 and abs(normals.std() - 1) < 0.03


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"protocol": "explore"}, "unknown protocol 'explore', expected one of navigate, stitch"),
        ({"rows": 0}, "rows >= 1"),
        ({"episode_rows": 1}, "episode_rows >= 2"),
    ],
)
def test_bad_arguments_get_one_clear_line(arguments, message):
    with pytest.raises(ValueError, match=message):
        collect(named_map("medium"), **arguments)


def test_a_million_rows_take_seconds():
    collect(named_map("giant"), rows=10)  # compiles
    begun = time.perf_counter()
    collect(named_map("giant"), rows=1_100_000)
    assert time.perf_counter() - begun < 3


def run_script(*arguments, cwd):
    script = str(ROOT / "scripts" / "collect.py")
    return subprocess.run([sys.executable, script, *arguments], cwd=cwd, capture_output=True, text=True)


def test_the_script_writes_a_file_and_says_how_fast(tmp_path):
    done = run_script("--map", "large", "--protocol", "stitch", "--rows", "1000", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1,005 rows in 5 episodes" in done.stdout and "rows/s" in done.stdout
    assert len(np.load(tmp_path / "out" / "large-stitch.npz")["actions"]) == 1005


def test_the_script_ends_with_one_line_for_a_broken_map(tmp_path):
    (tmp_path / "two.txt").write_text("#####\n#.#.#\n#####\n")
    done = run_script("--map", "two.txt", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "two: disconnected" in done.stderr
