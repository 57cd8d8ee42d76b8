"""What every world that is seen in pictures promises: its batch, its data, its tasks and its frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from worlds import (
    DiverseMaze,
    DiverseMazeTasks,
    Episodes,
    FourRooms,
    FourRoomsTasks,
    GoalTasks,
    Raster,
    TwoRooms,
    TwoRoomsTasks,
    fixed_rooms,
    four_rooms_raster,
    generate_layouts,
    maze_raster,
    random_rooms,
    record_diverse_maze,
    record_four_rooms,
    record_rooms,
    rooms_raster,
)
from worlds.diverse_maze import wall_gaps
from worlds.force import D4RL, RADIUS
from worlds.four_rooms import RADIUS as AGENT_RADIUS
from worlds.four_rooms import wall_gap
from worlds.maze_view import LOW
from worlds.picture_world import PictureWorld

SMALL = generate_layouts("small", 3, 0)
LARGE = generate_layouts("large", 4, 0)
ROOMS = random_rooms(5, 0)


@dataclass(frozen=True)
class Case:
    """One world and all that belongs to it; ``free`` says for [B] layouts and [B, 2] places which are in no wall."""

    world: Callable[[int, int], PictureWorld]
    record: Callable[[int, int], Episodes]
    tasks: Callable[[int, int], GoalTasks]
    raster: Raster
    free: Callable[[np.ndarray, np.ndarray], np.ndarray]
    reach: float = 1.0


def clear(layouts):
    return lambda maps, places: wall_gaps(layouts, maps, places) >= RADIUS - 1e-5


CASES = {
    "diverse small": Case(
        lambda number, seed: DiverseMaze(SMALL, number, seed),
        lambda episodes, seed: record_diverse_maze(SMALL, episodes, seed, 40),
        lambda episodes, seed: DiverseMazeTasks(SMALL, episodes, (2, 7), seed, 150),
        maze_raster(SMALL, LOW),
        clear(SMALL),
    ),
    "diverse large, D4RL": Case(
        lambda number, seed: DiverseMaze(LARGE, number, seed, D4RL),
        lambda episodes, seed: record_diverse_maze(LARGE, episodes, seed, 40, D4RL),
        lambda episodes, seed: DiverseMazeTasks(LARGE, episodes, (9, 12), seed, 200, D4RL),
        maze_raster(LARGE),
        clear(LARGE),
    ),
    "two rooms": Case(
        lambda number, seed: TwoRooms(fixed_rooms(), number, seed),
        lambda episodes, seed: record_rooms(fixed_rooms(), 3 * episodes, seed, 40),
        lambda episodes, seed: TwoRoomsTasks(fixed_rooms(), episodes, seed),
        rooms_raster(fixed_rooms()),
        fixed_rooms().is_free,
        2.45,
    ),
    "two random rooms": Case(
        lambda number, seed: TwoRooms(ROOMS, number, seed),
        lambda episodes, seed: record_rooms(ROOMS, 3 * episodes, seed, 40),
        lambda episodes, seed: TwoRoomsTasks(ROOMS, episodes, seed, "final", 120),
        rooms_raster(ROOMS, rgb=True),
        ROOMS.is_free,
        2.45,
    ),
    "four rooms": Case(
        lambda number, seed: FourRooms(number, seed),
        lambda episodes, seed: record_four_rooms(3 * episodes, seed, 40),
        lambda episodes, seed: FourRoomsTasks(episodes, seed),
        four_rooms_raster(56),
        lambda maps, places: wall_gap(maps, places) >= AGENT_RADIUS - 1e-4,
    ),
}


@pytest.fixture(params=CASES)
def case(request) -> Case:
    return CASES[request.param]


def test_the_same_seed_gives_the_same_data_and_another_seed_another(case):
    first, same, other = (case.record(4, seed) for seed in (1, 1, 2))
    for name in ("states", "actions", "maps"):
        np.testing.assert_array_equal(getattr(first, name), getattr(same, name))
    assert not np.array_equal(first.states, other.states)
    assert first.states.dtype == first.actions.dtype == np.float32


def test_recorded_places_are_in_no_wall(case):
    data = case.record(40, 3)
    for t in range(data.states.shape[1]):
        assert case.free(data.maps, data.states[:, t, :2].astype(np.float64)).all()


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=20)
@given(seed=st.integers(0, 2**31), turn=st.floats(0, 6.3), force=st.floats(0, 3))
def test_whoever_pushes_however_long_gets_through_no_wall(name, seed, turn, force):
    """One direction for a while finds every corner that lies there."""
    case = CASES[name]
    world = case.world(8, seed)
    directions = turn + np.arange(8) * np.pi / 4 + np.random.default_rng(seed).uniform(0, 0.1, 8)
    push = case.reach * force * np.stack([np.cos(directions), np.sin(directions)], 1)
    for _ in range(40):
        world.step(push)
        assert case.free(world.maps, world.state[:, :2]).all()


def test_a_batch_is_as_many_worlds_of_one(case):
    """Places don't depend on who else is in the batch (where chance has no part)."""
    data = case.record(4, 5)
    together = case.world(len(data), 0)
    together.reset(data.states[:, 0].astype(np.float64), data.maps)
    alone = [case.world(1, 0) for _ in range(len(data))]
    for k, world in enumerate(alone):
        world.reset(data.states[k : k + 1, 0].astype(np.float64), data.maps[k : k + 1])
    quiet = {"noise": np.zeros((len(data), 2))} if isinstance(together, TwoRooms) else {}
    for t in range(20):
        seen = together.step(data.actions[:, t], **quiet)
        for k, world in enumerate(alone):
            single = world.step(data.actions[k : k + 1, t], **{key: value[:1] for key, value in quiet.items()})
            assert torch.equal(single[0, :2], seen[k, :2])


def test_only_the_masked_begin_anew(case):
    world = case.world(6, 0)
    before, mask = world.state.copy(), np.arange(6) % 2 == 0
    world.reset(None, None, mask)
    np.testing.assert_array_equal(world.state[~mask], before[~mask])
    assert (world.state[mask, :2] != before[mask, :2]).any(1).all()


def test_bad_input_gets_one_clear_line(case):
    world = case.world(2, 0)
    for actions in (np.zeros((3, 2)), np.full((2, 2), np.nan)):
        with pytest.raises(ValueError, match=r"actions must be \(2, 2\) finite numbers"):
            world.step(actions)
    with pytest.raises(ValueError, match="maps must be"):
        world.reset(None, np.array([0, 99]))
    with pytest.raises(ValueError, match="is not on free floor"):
        world.reset(np.full((2, 2), 0.0), None)
    with pytest.raises(ValueError, match="num_envs >= 1, not 0"):
        case.world(0, 0)
    with pytest.raises(ValueError, match="episodes and time_limit >= 1"):
        case.tasks(0, 0)


def test_tasks_can_be_solved_and_begin_again_the_same(case):
    tasks = case.tasks(12, 7)
    states, goals = tasks.reset()
    steps = tasks.oracle_steps()
    assert (steps <= tasks.time_limit).all() and (steps > 0).all()
    again = tasks.reset()
    np.testing.assert_array_equal(states, again[0])
    np.testing.assert_array_equal(goals, again[1])
    oracle = tasks.oracle()
    while tasks.active().any():
        states, succeeded = tasks.step(oracle(states))
    assert succeeded.all()
    assert (np.linalg.norm(states[:, :2] - goals, axis=1) < tasks.radius + 1e-4).all()


def test_success_stays_and_freezes_the_episode(case):
    tasks = case.tasks(6, 1)
    states, _ = tasks.reset()
    oracle, before = tasks.oracle(), np.zeros(6, dtype=bool)
    while tasks.active().any():
        was = states
        states, success = tasks.step(oracle(states))
        assert (success >= before).all()
        np.testing.assert_array_equal(states[before], was[before])
        before = success


def test_who_does_nothing_fails_when_the_time_is_up(case):
    tasks = case.tasks(4, 2)
    tasks.reset()
    for _ in range(tasks.time_limit):
        assert tasks.active().all()
        _, success = tasks.step(np.zeros((4, 2)))
    assert not tasks.active().any() and not success.any()


def test_an_episode_does_not_depend_on_how_many_there_are(case):
    few, many = case.tasks(3, 9), case.tasks(6, 9)
    np.testing.assert_array_equal(few.starts, many.starts[:3])
    assert torch.equal(few.goals, many.goals[:3]) and torch.equal(few.maps, many.maps[:3])


def test_frames_show_where_the_agent_is(case):
    """The pixels that differ from the background surround the agent's place; every frame has its own background."""
    data = case.record(4, 0)
    states, maps = torch.from_numpy(data.states[:, 0]), torch.from_numpy(data.maps)
    frames = case.raster(states[:, :2], maps)
    assert frames.shape == (len(data), *case.raster.shape) and frames.dtype == torch.uint8
    changed = (frames.float() - case.raster.backgrounds[maps].float()).abs().sum(1)
    assert (changed.sum((1, 2)) > 0).all()
    height, width = changed.shape[1:]
    rows, columns = torch.arange(height) + 0.5, torch.arange(width) + 0.5
    total = changed.sum((1, 2))
    center = torch.stack([(changed.sum(1) * columns).sum(1) / total, (changed.sum(2) * rows).sum(1) / total], 1)
    assert (center - case.raster.pixels(states[:, :2])).abs().max() < 1.5
