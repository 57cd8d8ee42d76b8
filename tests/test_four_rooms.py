"""Four Rooms: doors, walls, distractors, and the way through."""

import numpy as np
import pytest
import torch

from worlds.draw import AGENT
from worlds.four_rooms import DISTRACTORS, DOORS, JOINED, RADIUS, SPEED, FourRooms, room_of, wall_gap
from worlds.four_rooms_data import OTHERS, four_rooms_raster, record_four_rooms
from worlds.four_rooms_tasks import FourRoomsTasks
from worlds.four_rooms_way import DOORS_BETWEEN

ALONE = np.full((1, 10), -1.0)


def alone(place):
    return np.concatenate([np.array([place]), ALONE], 1)


@pytest.mark.parametrize("door", range(4))
@pytest.mark.parametrize("is_open", [True, False])
def test_a_door_lets_through_if_and_only_if_it_is_open(door, is_open):
    world = FourRooms(1)
    axis = 0 if DOORS[door][0] == 112 else 1
    start = np.array(DOORS[door])
    start[axis] -= 30
    world.reset(alone(start), np.array([1 << door if is_open else 15 - (1 << door)]))
    assert int(room_of(world.state[0, :2])) == JOINED[door][0]
    for _ in range(40):
        world.step(np.eye(2)[axis][None])
    assert (int(room_of(world.state[0, :2])) == JOINED[door][1]) == is_open
    if not is_open:
        assert world.state[0, axis] == pytest.approx(107 - RADIUS)


def test_an_agent_slides_along_walls_at_most_2_5_pixels_a_step():
    world = FourRooms(1)
    world.reset(alone((50.0, 107 - RADIUS)), np.array([0]))
    world.step(np.array([[0.6, 0.8]]))
    np.testing.assert_allclose(world.state[0, :2], (50 + 0.6 * SPEED, 107 - RADIUS))
    world.reset(alone((50.0, 50.0)))
    world.step(np.array([[30.0, 40.0]]))
    np.testing.assert_allclose(world.state[0, :2], (50 + 0.6 * SPEED, 50 + 0.8 * SPEED))


def test_doors_between_rooms_are_counted():
    assert DOORS_BETWEEN[15].tolist() == [[0, 1, 1, 2], [1, 0, 2, 1], [1, 2, 0, 1], [2, 1, 1, 0]]
    assert DOORS_BETWEEN[0b1101][2, 3] == 3  # all but the bottom door: the long way round
    assert (DOORS_BETWEEN[0][~np.eye(4, dtype=bool)] == 9).all()


def test_distractors_jump_every_35_steps_and_there_are_none_to_five():
    data = record_four_rooms(200, 0, 70)
    others = data.states[..., 2:].reshape(200, 71, DISTRACTORS, 2)
    there = others[:, 0, :, 0] >= 0
    assert np.bincount(there.sum(1), minlength=6) == pytest.approx(200 / 6, abs=20)
    moved = (np.diff(others, axis=1) != 0).any(-1)
    assert moved.any(1)[there].mean() > 0.8 and not moved.transpose(0, 2, 1)[~there].any()
    assert moved.transpose(0, 2, 1)[there].mean() == pytest.approx(1 / 35, rel=0.06)
    places = others[others[..., 0] >= 0].astype(np.float64)
    assert wall_gap(np.zeros(len(places), dtype=np.int64), places).min() >= RADIUS - 1e-4


@pytest.mark.parametrize(("behaviour", "least", "most"), [("navigate", 0.5, 0.8), ("wander", 0.15, 0.45)])
def test_behaviours_visit_other_rooms_as_often_as_they_should(behaviour, least, most):
    data = record_four_rooms(150, 0, behaviour=behaviour)
    assert data.states.shape == (150, 211, 12)
    rooms = room_of(data.states[..., :2])
    assert least < (rooms.min(1) != rooms.max(1)).mean() < most
    assert np.linalg.norm(data.actions, axis=-1).max() <= 1 + 1e-5
    assert np.bincount(data.maps, minlength=16).min() > 1


def test_half_of_a_mixture_navigates_and_the_others_wander():
    data = record_four_rooms(9, 4, 30, "mixed")
    lengths = np.linalg.norm(data.actions, axis=-1)
    noisy = np.abs(np.diff(np.arctan2(data.actions[..., 1], data.actions[..., 0]), axis=1))
    turns = np.minimum(noisy, 2 * np.pi - noisy).mean(1)
    assert turns[:4].min() > turns[4:].max()  # those that navigate have noise on every action, the others' turns drift
    assert lengths[4:].min() >= 0.5 - 1e-6 and lengths.max() <= 1 + 1e-5
    assert record_four_rooms(1, behaviour="mixed").states.shape == (1, 211, 12)


def test_the_walls_between_rooms_are_touched_in_more_places_where_half_wander():
    def touched(behaviour):
        """Layouts and cells of 8 pixels in which the agent touches an inner wall."""
        data = record_four_rooms(200, 0, behaviour=behaviour)
        places, maps = data.states[..., :2].reshape(-1, 2).astype(np.float64), data.maps.repeat(211)
        near = (wall_gap(maps, places) < RADIUS + 1e-3) & (abs(places - 112).min(1) < 12)
        return len(np.unique(np.concatenate([maps[near, None], places[near].astype(np.int64) // 8], 1), axis=0))

    assert touched("mixed") > 2 * touched("navigate")


def test_unknown_behaviours_get_one_clear_line():
    with pytest.raises(ValueError, match="behaviour navigate, wander or mixed, not 1, 210 and 'dance'"):
        record_four_rooms(1, behaviour="dance")


def test_goals_are_in_the_opposite_room_and_at_most_75_steps_away():
    tasks = FourRoomsTasks(60, seed=2)
    states, goals = tasks.reset()
    assert tasks.time_limit == 210
    assert (room_of(states[:, :2]) + room_of(goals) == 3).all()
    assert tasks.path_steps.max() <= 75
    steps = tasks.oracle_steps()
    straight = (np.linalg.norm(states[:, :2] - goals, axis=1) - tasks.radius) / SPEED
    assert (steps >= np.floor(straight)).all() and (steps <= tasks.path_steps + 15).all()
    assert len(set(tasks.maps.tolist())) >= 5


@pytest.mark.parametrize("pixels", [224, 112, 56])
def test_frames_show_doors_agent_and_distractors(pixels):
    raster = four_rooms_raster(pixels)
    assert raster.backgrounds.shape == (16, 3, pixels, pixels)
    for door, (x, y) in enumerate(DOORS):
        at = raster.backgrounds[:, 0, int(y * pixels / 224), int(x * pixels / 224)]
        assert (at == 246).tolist() == [bool(m >> door & 1) for m in range(16)]
    state = torch.full((12,), -1.0)
    state[:2], state[4:6] = torch.tensor([52.0, 52.0]), torch.tensor([164.0, 52.0])
    frame = raster(state, torch.tensor(0)).float()
    for (x, y), colour in (((52, 52), AGENT), ((164, 52), OTHERS)):
        patch = frame[:, y * pixels // 224 - 1 : y * pixels // 224 + 1, x * pixels // 224 - 1 : x * pixels // 224 + 1]
        assert (patch.mean((1, 2)) - torch.tensor(colour)).abs().max() < 80  # far from the floor's colour
    without = raster(state[:2], torch.tensor(0)).float()
    assert 0 < (frame - without).abs().sum(0).count_nonzero() <= 60


def test_sizes_that_do_not_fit_get_one_clear_line():
    with pytest.raises(ValueError, match="pixels must divide 224, not 100"):
        four_rooms_raster(100)
