"""Frames, pixel by pixel."""

import numpy as np
import pytest
import torch

from worlds.draw import AGENT, COLOURS, GOAL
from worlds.layouts import generate_layouts
from worlds.maps import CELL_SIZE, FREE, WALL, named_map
from worlds.maze_view import LOW, PROTOCOL, PROTOCOL_SMALL, MazeView, map_pictures, maze_raster, point_maze_raster
from worlds.raster import Raster, Stamp, picture, stamp_dots


def plain(number=1, channels=3, height=20, width=30, value=100):
    return torch.full((number, channels, height, width), value, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("size", "view", "pixels"),
    [("large", PROTOCOL, 98), ("small", PROTOCOL_SMALL, 64), ("large", LOW, 40), ("wide", LOW, 72), ("vast", LOW, 136)],
)
def test_frames_have_the_protocols_size(size, view, pixels):
    assert maze_raster(generate_layouts(size, 1, 0), view).shape == (3, pixels, pixels)


def test_whole_cells_are_painted_in_their_colour():
    layouts = generate_layouts("large", 3, 0)
    frames = maze_raster(layouts, MazeView(5.0)).backgrounds
    expected = torch.tensor(np.array([COLOURS[FREE], COLOURS[WALL]]), dtype=torch.uint8)[
        torch.tensor(layouts.walls).long()
    ]
    assert torch.equal(frames, expected.permute(0, 3, 1, 2).repeat_interleave(5, 2).repeat_interleave(5, 3))


def test_pixels_on_an_edge_take_of_both_sides():
    cells = torch.tensor([[[WALL, FREE]]])
    row = map_pictures(cells, 1, 3)[0, 0, 0].tolist()
    wall, floor = COLOURS[WALL][0], COLOURS[FREE][0]
    assert row == [wall, (wall + floor) // 2, floor]


def test_a_gaussian_dot_is_the_papers_formula_to_a_byte():
    centers = torch.rand(40, 2, generator=torch.Generator().manual_seed(0)) * 12 + 6
    frames = plain(40, 2, 24, 24, 0)
    stamp_dots(frames, centers + 0.5, Stamp(1.3, (255, 0), "gaussian", (True, False)))
    rows, columns = torch.meshgrid(torch.arange(24), torch.arange(24), indexing="ij")
    gap = (columns - centers[:, 0, None, None]) ** 2 + (rows - centers[:, 1, None, None]) ** 2
    expected = (torch.exp(-gap / (2 * 1.3**2)) * 255).to(torch.uint8)
    assert (frames[:, 0].int() - expected.int()).abs().max() <= 1
    assert (frames[:, 1] == 0).all()


@pytest.mark.parametrize("radius", [0.9, 1.6, 3.5])
def test_a_disc_covers_its_area_wherever_it_is(radius):
    centers = torch.rand(50, 2, generator=torch.Generator().manual_seed(1)) * 10 + 5
    frames = plain(50, 1, value=0)
    stamp_dots(frames, centers, Stamp(radius, (200.0,)))
    area = frames.sum((1, 2, 3)) / 200
    assert ((area - np.pi * radius**2).abs() < 0.12 * np.pi * radius**2 + 0.25).all()


def test_dots_over_the_edge_are_cut_off_and_change_nothing_else():
    for x, y in ((0.2, 0.3), (29.9, 10.0), (15.0, -1.0), (30.5, 20.4), (-40.0, 300.0)):
        framed = plain(height=40, width=50)
        stamp_dots(framed, torch.tensor([[x + 10, y + 10]]).clamp(-5, 60), Stamp(3.0, AGENT))
        frame = plain()
        stamp_dots(frame, torch.tensor([[x, y]]), Stamp(3.0, AGENT))
        if abs(y) < 100:
            assert torch.equal(frame, framed[:, :, 10:30, 10:40])
        else:
            assert (frame == 100).all()


def test_invisible_dots_are_not_painted():
    frames = plain(2)
    stamp_dots(frames, torch.full((2, 2), 10.0), Stamp(2.0, AGENT), visible=torch.tensor([True, False]))
    assert (frames[0] != 100).any() and (frames[1] == 100).all()


@pytest.mark.parametrize("size", [(1, 1, 7), (3, 5, 6), (2, 6, 7), (3, 8, 8)])
def test_every_frame_has_its_own_background_whatever_its_bytes(size):
    backgrounds = torch.randint(256, (4, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    maps = torch.tensor([[3, 0, 1], [2, 2, 0]])
    frames = Raster(backgrounds, Stamp(1.0, (0.0,) * size[0]))(torch.full((2, 3, 2), -50.0), maps)
    assert torch.equal(frames, backgrounds[maps])


def test_maps_may_lack_the_time_and_states_may_hold_more_than_the_place():
    raster = maze_raster(generate_layouts("small", 3, 0), LOW)
    states = torch.rand(3, 5, 4, generator=torch.Generator().manual_seed(0)) * 4 + 1
    maps = torch.tensor([0, 1, 2])
    assert torch.equal(raster(states, maps), raster(states[..., :2], maps[:, None].expand(3, 5)))
    assert torch.equal(raster(states[0]), raster(states[0], torch.zeros(5, dtype=torch.int64)))
    assert torch.equal(raster.floats(states, maps), raster(states, maps).float() / 255)


def test_point_mazes_are_seen_from_above():
    map = named_map("teleport")
    raster = point_maze_raster([map], MazeView(8.0, dot=0.175))
    assert raster.shape == (3, 8 * map.shape[0], 8 * map.shape[1])
    for row, column in map.free_cells():
        pixels = raster.pixels(torch.from_numpy(map.center((row, column))))
        assert pixels.tolist() == [8 * column + 4, 8 * row + 4]
        colour = raster.backgrounds[0, :, 8 * row + 4, 8 * column + 4].tolist()
        assert tuple(colour) == COLOURS[int(map.cells[row, column])]
    assert raster.stamp.size == pytest.approx(0.7 / CELL_SIZE * 8)


def test_pictures_show_the_agent_over_its_goal():
    layouts = generate_layouts("large", 1, 0)
    raster = maze_raster(layouts, MazeView(20.0))
    (row, column), (other_row, other_column) = layouts.maps[0].free_cells()[[0, -1]]
    state = torch.tensor([column + 0.5, row + 0.5, 0.0, 0.0])
    seen = picture(raster, state, torch.tensor(0), torch.tensor([other_column + 0.5, other_row + 0.5]), enlarge=2)
    assert seen.shape == (400, 400, 3)
    assert tuple(seen[40 * row + 20, 40 * column + 20]) == AGENT
    assert tuple(seen[40 * other_row + 20, 40 * other_column + 20]) == GOAL
    same = picture(raster, state, torch.tensor(0), state[:2])
    assert tuple(same[20 * row + 10, 20 * column + 10]) == AGENT
