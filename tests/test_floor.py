"""The floor as a ball sees it: contacts, sliding, gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hjepa.floor import Floor, FloorError
from worlds.compiled import RADIUS
from worlds.maps import CELL_SIZE, Map, generate_maze
from worlds.point_maze import PointMaze

CORNER = (-1.5 * CELL_SIZE, -1.5 * CELL_SIZE)
ROOM = "#####\n#...#\n#.#.#\n#...#\n#####"


def floor_of(map: Map) -> Floor:
    return Floor(map.walls, CORNER, CELL_SIZE, RADIUS)


def points(*values: tuple[float, float]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)


def test_free_ground_moves_by_the_whole_push() -> None:
    ends = floor_of(Map.parse(ROOM)).walk(points((0, 0), (8, 0)), points((3, 0), (0.5, 6)))
    assert torch.allclose(ends, points((3, 0), (8.5, 6)), atol=1e-5)


def test_a_wall_stops_what_points_into_it_and_lets_the_rest_slide() -> None:
    ends = floor_of(Map.parse(ROOM)).walk(points((0, 0)), points((6, -5)))
    assert torch.allclose(ends, points((6, -1.3)), atol=1e-5)


def test_a_ball_is_pushed_round_a_corner() -> None:
    """The inner wall's corner is at (2, 2); a ball that grazes it leaves at the radius from it."""
    (end,) = floor_of(Map.parse(ROOM)).walk(points((0.0, 1.5)), points((2.0, 0.0)))
    assert torch.linalg.vector_norm(end - torch.tensor([2.0, 2.0])) == pytest.approx(RADIUS, abs=1e-4)
    assert end[1] < 1.5


@pytest.mark.parametrize(
    ("place", "fits"),
    [
        ((0.0, 0.0), True),
        ((1.3, 1.3), True),
        ((-1.35, 0.0), False),  # nearer to the border than the radius
        ((2.0, 2.0), False),  # on the inner wall's corner
        ((4.0, 4.0), False),  # in a wall
        ((1.6, 1.6), False),  # at the corner, though beside no wall
        ((400.0, 0.0), False),
    ],
)
def test_where_a_ball_fits(place: tuple[float, float], fits: bool) -> None:
    assert floor_of(Map.parse(ROOM)).fits(np.array([place], np.float32)).tolist() == [fits]


def test_which_ways_are_straight() -> None:
    starts = np.array([(0, 0), (0, 0), (0, 0)], np.float32)
    ends = np.array([(8, 0), (0, 8), (8, 8)], np.float32)
    assert floor_of(Map.parse(ROOM)).straight(starts, ends).tolist() == [True, True, False]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), length=st.floats(0, 40))
def test_a_ball_never_enters_a_wall(seed: int, length: float) -> None:
    map, generator = generate_maze(9, 11, seed), np.random.default_rng(seed)
    starts = map.center(map.free_cells()) + generator.uniform(-1, 1, (len(map.free_cells()), 2))
    ends = floor_of(map).walk(
        torch.tensor(starts).float(), torch.tensor(length * generator.uniform(-1, 1, starts.shape)).float()
    )
    assert floor_of(map).fits(ends.numpy()).all()


def test_one_step_is_the_simulators_to_a_fraction_of_it() -> None:
    """Balls everywhere on a maze, pushed at random: off by a tenth of the step on average, by a step at most."""
    map, generator = generate_maze(15, 15, 3), torch.Generator().manual_seed(0)
    world = PointMaze(map, 4000, seed=0)
    actions = 2 * torch.rand(4000, 2, generator=generator, dtype=torch.float64) - 1
    for _ in range(30):
        world.step(actions)  # until many lean against walls
    before = world.observe().clone()
    seen, _ = world.step(actions)
    error = (floor_of(map).walk(before, 0.2 * actions.float()) - seen).norm(dim=-1)
    assert error.mean() < 0.02
    assert error.max() < 0.2


@settings(max_examples=20, deadline=None)
@given(
    start=arrays.arrays(np.float32, 2, elements=st.floats(-1.25, 1.25, width=32)),
    angle=st.floats(0, 6.28),
    length=st.floats(0.5, 3.0),
)
def test_gradients_agree_with_differences(start: np.ndarray, angle: float, length: float) -> None:
    """Except at the instant of contact, where the walk has a kink."""
    floor = floor_of(Map.parse(ROOM))
    move = torch.tensor([length * np.cos(angle), length * np.sin(angle)], dtype=torch.float32)
    given_ = torch.cat([torch.from_numpy(start), move]).requires_grad_()
    wanted = torch.autograd.functional.jacobian(lambda v: floor.walk(v[:2], v[2:]), given_)
    nudge = 2e-3 * torch.eye(4)
    ahead, behind = (floor.walk(given_[:2] + s * nudge[:, :2], given_[2:] + s * nudge[:, 2:]) for s in (1, -1))
    assert torch.allclose(((ahead - behind) / 4e-3).T, wanted, atol=0.15) or _at_a_kink(floor, given_.detach())


def _at_a_kink(floor: Floor, values: torch.Tensor) -> bool:
    """Whether what is touched on the way differs between neighbours of a walk."""
    near = values + 4e-3 * torch.cat([torch.eye(4), -torch.eye(4), torch.zeros(1, 4)])
    _, gradients = floor._walk(near[:, :2].numpy(), near[:, 2:].numpy())
    return bool(np.abs(gradients - gradients[-1]).max() > 0.02)


def test_a_ball_inside_a_new_wall_may_leave_it() -> None:
    floor = floor_of(Map.parse(ROOM))
    inside, out = floor.walk(points((4, 4), (4, 4)), points((0, -1), (0, -4)))
    assert torch.allclose(inside, points((4, 3)), atol=1e-5), "held by nothing"
    assert floor.fits(out[None].numpy()).all()


def test_beyond_the_map_nothing_happens() -> None:
    ends = floor_of(Map.parse(ROOM)).walk(points((1e6, -1e6), (float("nan"), 0)), points((1, 1), (1, 1)))
    assert torch.isnan(ends[1, 0])
    assert ends[0, 0] == pytest.approx(1e6, rel=1e-3)


@pytest.mark.parametrize(
    ("walls", "radius", "message"),
    [
        (np.zeros(4), 0.7, r"walls must be \[rows, columns\], not \[4\]"),
        (np.zeros((0, 3)), 0.7, r"walls must be \[rows, columns\], not \[0, 3\]"),
        (np.zeros((3, 3)), 2.0, r"radius must be above 0 and below half a cell \(2\), not 2.0"),
        (np.zeros((3, 3)), 0.0, "radius must be above 0"),
    ],
)
def test_what_is_no_floor(walls: np.ndarray, radius: float, message: str) -> None:
    with pytest.raises(FloorError, match=message) as caught:
        Floor(walls, (0.0, 0.0), 4.0, radius)
    assert "\n" not in str(caught.value)
