"""Two Rooms by the figures of PLDM's simulator, and its walls."""

import numpy as np
import pytest
import torch

from worlds.bounce import HALF_WALL, MAX_STEP
from worlds.rooms_data import record_rooms, rooms_raster
from worlds.rooms_tasks import TwoRoomsTasks
from worlds.two_rooms import Rooms, TwoRooms, fixed_rooms, random_rooms


def step(place, action, noise=(0.0, 0.0), rooms=None):
    """Where one displacement leads, in PLDM's rooms."""
    world = TwoRooms(rooms or fixed_rooms(), 1)
    world.reset(np.array([place]))
    world.step(np.array([action]), np.array([noise]))
    return world.state[0]


def test_free_motion_is_the_displacement_at_most_2_45():
    np.testing.assert_allclose(step((20, 40), (1.2, -0.7)), (21.2, 39.3))
    np.testing.assert_allclose(step((20, 40), (3, 4)), (20 + 0.6 * MAX_STEP, 40 + 0.8 * MAX_STEP))


@pytest.mark.parametrize(
    ("place", "action", "met"),
    [
        ((30, 40), (2, 1), (31, 40.5)),  # the wall from the left
        ((34, 40), (-2, 1), (33, 40.5)),  # and from the right
        ((5, 40), (-2, 0), (4, 40)),
        ((59, 40), (2, 1), (60, 40.5)),
        ((20, 5), (1, -2), (20.5, 4)),
        ((20, 59), (1, 2), (20.5, 60)),
        ((32, 13), (0.5, 2), (32.25, 14)),  # the doorway's sides
        ((32, 7), (0, -2), (32, 6)),
    ],
)
def test_a_wall_throws_the_dot_back_from_where_it_was_met(place, action, met):
    into = np.array([0.4, 0.4]) * (np.array(met) - np.array(place) > -9)  # noise with the sign of its own
    thrown = step(place, action, into)
    assert fixed_rooms().is_free(np.zeros(1, dtype=np.int64), thrown[None]).all()
    assert np.abs(thrown - met).max() <= 0.3 + 1e-9  # 0.5 of the noise, or PLDM's margin
    assert not np.allclose(thrown, met)


def test_the_door_lets_the_dot_through():
    np.testing.assert_allclose(step((30.5, 10), (2.4, 0)), (32.9, 10))
    np.testing.assert_allclose(step((33.5, 12), (-2.3, 0.5)), (31.2, 12.5))
    place = (30.5, 14.2)
    assert step(place, (2.4, 0.0))[0] < 31  # a little beside the door


def test_noise_however_large_throws_nothing_into_a_wall():
    generator = np.random.default_rng(0)
    rooms = random_rooms(50, 1)
    world = TwoRooms(rooms, 1000, seed=3)
    for _ in range(30):
        world.step(generator.normal(0, 3, (1000, 2)), generator.normal(0, 6, (1000, 2)))
        assert rooms.is_free(world.maps, world.state).all()


def test_random_layouts_are_eb_jepas_and_held_out_ones_others():
    everything = random_rooms(1125, 0)
    assert set(everything.walls) == set(range(20, 45)) and set(everything.doors) == set(range(10, 55))
    train = random_rooms(1000, 1)
    rest = random_rooms(125, 2, exclude=train)
    pairs = set(zip(train.walls, train.doors, strict=True)) & set(zip(rest.walls, rest.doors, strict=True))
    assert not pairs
    with pytest.raises(ValueError, match=r"can make 1\.\.125 layouts, not 126"):
        random_rooms(126, 2, exclude=train)
    with pytest.raises(ValueError, match="walls within 8..56"):
        Rooms(np.array([5.0]), np.array([10.0]))


def crossings(data, rooms):
    side = data.states[..., 0] - rooms.walls[data.maps, None]
    return (side.min(1) < -HALF_WALL) & (side.max(1) > HALF_WALL)


@pytest.mark.parametrize("share", [0.0, 0.35, 1.0])
def test_as_many_episodes_cross_as_asked(share):
    data = record_rooms(fixed_rooms(), 200, 0, crossing=share)
    found = crossings(data, fixed_rooms())
    assert found.sum() == round(200 * share)
    if share == 0.35:
        assert 0 < found[:100].sum() < 70  # mixed


def test_steps_and_turns_are_the_papers():
    data = record_rooms(fixed_rooms(), 500, 0)
    assert data.actions.shape == (500, 90, 2)
    lengths = np.linalg.norm(data.actions, axis=-1)
    assert lengths.min() >= 0.2 - 1e-5 and lengths.max() <= 1.8 + 1e-5 and lengths.mean() == pytest.approx(1, abs=0.02)
    angles = np.arctan2(data.actions[..., 1], data.actions[..., 0])
    turns = np.cos(np.diff(angles, axis=1))
    assert turns.mean() == pytest.approx(0.8934, abs=0.01)  # I1(5) / I0(5), of a von Mises of concentration 5
    with pytest.raises(ValueError, match=r"crossing in 0\.\.1, not 5, 90, 1\.5"):
        record_rooms(fixed_rooms(), 5, crossing=1.5)


def test_frames_are_the_papers_two_channels():
    raster = rooms_raster(fixed_rooms())
    frame = raster(torch.tensor([20.0, 40.0]))
    assert frame.shape == (2, 65, 65)
    assert frame[0, 40, 20] == 255 and frame[0, 40, 21] == round(255 * np.exp(-1 / (2 * 1.69)))
    walls = frame[1] == 255
    assert walls[:, 4].all() and walls[:, 60].all() and walls[4].all() and walls[60].all()
    assert (
        walls[20:60, 31:34].all() and not walls[6:15, 31:34].any() and walls[5, 31:34].all() and walls[15, 31:34].all()
    )
    assert not walls[20:60, 5:31].any() and not walls[20:60, 34:60].any()


@pytest.mark.parametrize(("rule", "limit"), [("first hit", np.sqrt(2)), ("final", 4.5)])
def test_success_is_judged_by_the_rule(rule, limit):
    tasks = TwoRoomsTasks(random_rooms(9, 0), 40, seed=5, rule=rule)
    assert tasks.time_limit == 200 and tasks.radius == pytest.approx(limit)
    states, goals = tasks.reset()
    walls = tasks.rooms.walls[tasks.maps]
    assert ((states[:, 0] < walls) != (goals[:, 0] < walls)).all()
    for places in (states, goals):
        assert places.min() >= 6.6 - 1e-5 and places.max() <= 57.4 + 1e-5
        assert np.abs(places[:, 0] - walls).min() >= 3.6 - 1e-5
    oracle, seen = tasks.oracle(), np.zeros(40, dtype=bool)
    for t in range(200):
        if rule == "final":
            assert not tasks.step(oracle(tasks.states().numpy()))[1].any() or t == 199
        else:
            _, success = tasks.step(oracle(tasks.states().numpy()))
            seen |= tasks.gaps() < limit
            np.testing.assert_array_equal(success, seen)
    assert not tasks.active().any()


def test_unknown_rules_get_one_clear_line():
    with pytest.raises(ValueError, match="unknown rule 'best', expected 'first hit' or 'final'"):
        TwoRoomsTasks(fixed_rooms(), 1, rule="best")
