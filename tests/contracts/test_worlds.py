"""What every batch of tasks promises an evaluation (``worlds.base.TaskBatch``)."""

from collections.abc import Callable

import numpy as np
import pytest

from worlds.base import TaskBatch
from worlds.external import OGBenchTasks
from worlds.maps import generate_maze, named_map
from worlds.tasks import MazeTasks

BATCHES: dict[str, Callable[[], TaskBatch]] = {
    "ogbench medium": lambda: OGBenchTasks("medium", tasks=(1, 3), episodes=2, seed=3),
    "ogbench teleport": lambda: OGBenchTasks("teleport", tasks=(2,), episodes=3, seed=3),
    "own teleport": lambda: MazeTasks(named_map("teleport"), 4, seed=3),
    "own generated": lambda: MazeTasks(generate_maze(12, 17, 0), 4, seed=3, time_limit=80),
}


@pytest.fixture(params=BATCHES)
def batch(request):
    if request.param.startswith("ogbench"):
        pytest.importorskip("ogbench")
    batch = BATCHES[request.param]()
    yield batch
    batch.close()


def random_actions(batch, steps=40):
    return np.random.default_rng(0).uniform(-1, 1, (steps, batch.num_envs, 2)).astype(np.float32)


def play(batch, steps=40):
    trace = list(batch.reset())
    for actions in random_actions(batch, steps):
        trace += batch.step(actions)
    return trace


def test_shapes_and_types(batch):
    assert isinstance(batch, TaskBatch)
    observations, goals = batch.reset()
    seen, success = batch.step(random_actions(batch)[0])
    for places in (observations, goals, seen):
        assert places.shape == (batch.num_envs, 2) and places.dtype == np.float32
    assert success.shape == (batch.num_envs,) and success.dtype == bool
    assert len(batch.task_names) == batch.num_envs and batch.time_limit > 0
    assert np.abs(seen - observations).max() <= 0.2 + 1e-5


def test_a_reset_begins_the_same_episodes_again(batch):
    for first, second in zip(play(batch), play(batch), strict=True):
        np.testing.assert_array_equal(first, second)


def test_results_are_the_callers_to_keep(batch):
    observations, goals = batch.reset()
    kept = observations.copy()
    batch.step(random_actions(batch)[0])
    np.testing.assert_array_equal(observations, kept)
    goals[:] = 0
    assert np.abs(batch.reset()[1]).max() > 0


def test_success_stays_and_freezes_the_episode(batch):
    """Actions straight at the goal succeed for whoever has a free line; then nothing moves him any more."""
    observations, goals = batch.reset()
    before = np.zeros(batch.num_envs, dtype=bool)
    for _ in range(batch.time_limit + 5):
        gap = goals - observations
        was = observations
        observations, success = batch.step(gap / (np.linalg.norm(gap, axis=1, keepdims=True) + 1e-6))
        assert (success >= before).all()
        np.testing.assert_array_equal(observations[before], was[before])
        close = np.linalg.norm(observations - goals, axis=1) <= 1 - 1e-5
        assert success[close].all()
        before = success
    assert not batch.active().any()


def test_time_runs_out(batch):
    batch.reset()
    still = np.zeros((batch.num_envs, 2), dtype=np.float32)
    for _ in range(batch.time_limit):
        assert batch.active().any()
        batch.step(still)
    assert not batch.active().any()
    frozen, success = batch.step(still + 1)
    assert not success.any()
    np.testing.assert_array_equal(batch.step(still - 1)[0], frozen)


def test_the_oracle_needs_a_sensible_number_of_steps(batch):
    observations, goals = batch.reset()
    steps = batch.oracle_steps()
    straight = (np.linalg.norm(goals - observations, axis=1) - 1) / 0.2
    assert steps.shape == (batch.num_envs,)
    assert (steps >= np.floor(np.minimum(straight, batch.time_limit))).all() and (steps <= batch.time_limit).all()


@pytest.mark.parametrize("actions", [np.zeros((1, 2)), np.full((4, 2), np.nan), np.zeros((4, 3))])
def test_bad_actions_get_one_clear_line(batch, actions):
    batch.reset()
    with pytest.raises(ValueError, match=r"actions must be"):
        batch.step(actions)
