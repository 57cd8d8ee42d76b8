"""The physics of the Diverse Mazes, against what can be worked out by hand."""

import numpy as np
import pytest

from worlds.force import D4RL, MAX_SPEED, RADIUS, REPEAT, STEADY, TIMESTEP, Physics, roll_out


def roll(start, force, steps, walls=None, physics=STEADY):
    """[T + 1, 4] states of one disc in a hall of 40 cells, or among walls."""
    if walls is None:
        walls = np.ones((42, 42), dtype=bool)
        walls[1:-1, 1:-1] = False
    states = np.empty((1, steps + 1, 4))
    states[0, 0] = start
    forces = np.tile(np.float32(force), (1, steps, 1))
    roll_out(walls[None], np.zeros(1, dtype=np.int64), forces, states, physics)
    return states[0]


@pytest.mark.parametrize("physics", [STEADY, D4RL])
def test_free_motion_is_the_closed_form(physics):
    """v_n = (a / c) f (1 - (1 - c dt)^n), as long as it is below the speed limit."""
    states = roll((20, 20, 0, 0), (0.3, -0.2), 12, physics=physics)
    n = REPEAT * np.arange(13)
    speed = physics.acceleration / physics.damping * (1 - (1 - physics.damping * TIMESTEP) ** n)
    np.testing.assert_allclose(states[:, 2:], speed[:, None] * [0.3, -0.2], atol=1e-6)
    finer = np.arange(n[-1] + 1)
    path = np.cumsum(physics.acceleration / physics.damping * (1 - (1 - physics.damping * TIMESTEP) ** finer))
    np.testing.assert_allclose(states[:, :2] - 20, TIMESTEP * path[n, None] * [0.3, -0.2], atol=1e-6)


def test_forces_are_shortened_to_one_and_speeds_to_five():
    np.testing.assert_allclose(roll((5, 5, 0, 0), (3, 4), 20), roll((5, 5, 0, 0), (0.6, 0.8), 20), atol=1e-6)
    speed = np.linalg.norm(roll((5, 5, 0, 0), (1, 0), 40)[:, 2:], axis=1)
    assert speed.max() == pytest.approx(MAX_SPEED)


def test_about_ten_steps_a_cell():
    """From rest under full force."""
    assert 0.7 < roll((5, 5, 0, 0), (1, 0), 10)[-1, 0] - 5 < 1.1


def test_a_wall_stops_the_disc_and_leaves_its_motion_along_it():
    states = roll((3, 1.5, 0, 0), (0.6, -0.8), 30)
    touching = states[:, 1] <= 1 + RADIUS + 1e-9
    assert touching[-1] and states[:, 1].min() == pytest.approx(1 + RADIUS)
    assert (states[touching, 3] == 0).all() and states[-1, 2] > 4


def test_a_corner_deflects_the_disc():
    walls = np.ones((5, 5), dtype=bool)
    walls[1:-1, 1:-1] = False
    walls[2, 2] = True
    states = roll((1.5, 1.93, 0, 0), (1, 0), 30, walls)
    gaps = np.hypot(np.maximum(np.abs(states[:, 0] - 2.5) - 0.5, 0), np.maximum(np.abs(states[:, 1] - 2.5) - 0.5, 0))
    assert gaps.min() == pytest.approx(RADIUS)
    assert states[-1, 1] < 1.93 - 0.02 and states[-1, 0] > 3


def test_the_fastest_disc_jumps_no_wall():
    walls = np.ones((3, 5), dtype=bool)
    walls[1, 1] = walls[1, 3] = False
    states = roll((1.5, 1.5, 5, 0), (1, 0), 50, walls, Physics(1000.0, 0.0))
    assert states[:, 0].max() <= 2 - RADIUS + 1e-12
