"""Diverse Maze by HWM's protocol: its data and its tasks."""

import numpy as np
import pytest
import torch

from worlds.diverse_maze import START_NOISE, DiverseMaze, record_diverse_maze, wall_gaps
from worlds.diverse_tasks import DiverseMazeTasks
from worlds.force import D4RL, RADIUS
from worlds.layouts import Layouts, generate_layouts
from worlds.maps import Map

LAYOUTS = generate_layouts("large", 6, 2)


@pytest.fixture(scope="module")
def data():
    return record_diverse_maze(LAYOUTS, 100, seed=0)


def test_episodes_are_a_hundred_steps_in_each_layout(data):
    assert data.states.shape == (600, 101, 4) and data.actions.shape == (600, 100, 2)
    assert data.maps.tolist() == [m for m in range(6) for _ in range(100)]


def test_forces_and_first_velocities_have_uniform_norms_and_directions(data):
    for vectors, largest in ((data.actions[:, 0], 1.0), (data.states[:, 0, 2:], 5.0), (data.actions[:, -1], 1.0)):
        norms = np.linalg.norm(vectors, axis=1) / largest
        angles = np.arctan2(vectors[:, 1], vectors[:, 0]) / (2 * np.pi) + 0.5
        for values in (norms, angles):
            assert np.histogram(values, 4, (0, 1))[0] == pytest.approx(150, abs=45) and values.max() <= 1 + 1e-6


def test_episodes_begin_near_the_centres_of_all_cells(data):
    starts = data.states[:, 0, :2]
    assert np.abs(starts % 1 - 0.5).max() <= START_NOISE + 1e-5
    for m in range(6):
        cells = {tuple(cell) for cell in starts[data.maps == m].astype(int)[:, ::-1]}
        free = {tuple(cell) for cell in LAYOUTS.maps[m].free_cells()}
        assert cells <= free and len(cells) > 0.8 * len(free)


def test_a_layouts_episodes_do_not_depend_on_the_other_layouts(data):
    alone = record_diverse_maze(Layouts(LAYOUTS.maps[:2]), 100, seed=0)
    np.testing.assert_array_equal(alone.states, data.states[:200])


def test_the_world_moves_as_its_recording(data):
    world = DiverseMaze(LAYOUTS, 6)
    rows = np.arange(0, 600, 100)
    world.reset(data.states[rows, 0], data.maps[rows])
    for t in range(30):
        seen = world.step(data.actions[rows, t])
    np.testing.assert_allclose(seen.numpy(), data.states[rows, 30], atol=1e-4)  # the recording began in float64


def test_gaps_to_walls_are_distances():
    layouts = Layouts((Map.parse("#####\n#..##\n#...#\n#####"),))
    places = np.array([[1.5, 1.5], [2.8, 2.4], [2.95, 1.97], [2.9, 2.1], [0.5, 1.5], [-3.0, 2.0], [2.5, 9.0]])
    found = wall_gaps(layouts, np.zeros(7, dtype=np.int64), places)
    np.testing.assert_allclose(found, [0.5, np.hypot(0.2, 0.4), 0.05, np.hypot(0.1, 0.1), 0, 0, 0], atol=1e-9)


@pytest.mark.parametrize("distance", [(5, 8), (9, 12), (13, 16)])
def test_goals_are_so_many_cells_away_and_starts_at_rest(distance):
    tasks = DiverseMazeTasks(LAYOUTS, 60, distance, seed=3)
    assert tasks.time_limit == 500 and tasks.radius == 0.5
    states, goals = tasks.reset()
    assert (states[:, 2:] == 0).all()
    for m, state, goal, cells in zip(tasks.maps, states, goals, tasks.cell_distances, strict=True):
        steps = LAYOUTS.maps[m].distances_from(state[1::-1].astype(int))[tuple(goal[::-1].astype(int))]
        assert distance[0] <= steps == cells <= distance[1]
    assert (wall_gaps(LAYOUTS, tasks.maps.numpy(), goals) >= RADIUS - 1e-5).all()
    assert len(set(tasks.task_names)) >= 4


@pytest.mark.parametrize("size", ["wide", "vast"])
def test_the_oracle_solves_wider_mazes_too(size):
    longest = {"wide": 25, "vast": 50}[size]
    tasks = DiverseMazeTasks(generate_layouts(size, 2, 0), 8, (longest - 5, longest), seed=0, physics=D4RL)
    assert (tasks.oracle_steps() < 500).all()


def test_success_is_ever_within_half_a_cell():
    tasks = DiverseMazeTasks(LAYOUTS, 20, (5, 8), seed=1)
    tasks.reset()
    oracle, entered = tasks.oracle(), np.zeros(20, dtype=bool)
    for _ in range(80):
        _, success = tasks.step(oracle(tasks.states().numpy()))
        entered |= tasks.gaps() < 0.5
        np.testing.assert_array_equal(success, entered)


def test_distances_that_no_layout_has_get_one_clear_line():
    with pytest.raises(ValueError, match=r"large-2: no layout has two cells 30\.\.40 steps apart"):
        DiverseMazeTasks(LAYOUTS, 1, (30, 40))


def test_frames_can_be_drawn_of_tasks():
    from worlds.maze_view import LOW, maze_raster

    tasks = DiverseMazeTasks(LAYOUTS, 3)
    raster = maze_raster(LAYOUTS, LOW)
    assert raster(tasks.states(), tasks.maps).shape == raster(tasks.goals, tasks.maps).shape == (3, 3, 40, 40)
    assert not torch.equal(raster(tasks.states(), tasks.maps), raster(tasks.goals, tasks.maps))
