"""The layers of the map: golden frames, that each layer shows what it says, and that nothing makes them fail."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pygame
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planners.trace import Expansion, Round, Tree
from tests.viewer_scene import MAZE, PROBED, STEPS, document, model, tree, view, way
from viz.theme import get_theme, rgb255
from viz.viewer.actions import LAYERS, Layer
from viz.viewer.document import Zones
from viz.viewer.layers import draw_map
from viz.viewer.layout import Camera, Projection, Rect, projection
from viz.viewer.messages import Began, Edited
from viz.viewer.model import Model
from viz.viewer.pane import Pane
from viz.viewer.search_layers import lineage
from viz.viewer.state import LayerState, ViewState, initial
from worlds.maps import WALL, Map

DATA = Path(__file__).parent / "data"
PANE = Rect(0, 0, 360, 230)
MODEL = model()
ALL = Camera()


def drawn(state: ViewState, told: Model = MODEL, camera: Camera = ALL, pane: Rect = PANE, run: int = 0) -> np.ndarray:
    """[h, w, 3] the pixels of a pane."""
    surface = pygame.Surface((pane.right, pane.bottom), 0, 32)
    draw_map(surface, state, told, run, projection(camera, state.document.map.shape, pane))
    return pixels(surface.subsurface(pane))


def pixels(surface: pygame.Surface) -> np.ndarray:
    return pygame.surfarray.array3d(surface).transpose(1, 0, 2).astype(int)


def at(place: tuple[float, float], camera: Camera = ALL) -> tuple[int, int]:
    """Row and column of a place."""
    x, y = projection(camera, MAZE.shape, PANE).pixels(place).round().astype(int).tolist()
    return y, x


def without(state: ViewState, *hidden: Layer) -> ViewState:
    return replace(state, layers={**state.layers, **{layer: LayerState(False) for layer in hidden}})


def only(state: ViewState, *shown: Layer) -> ViewState:
    return without(state, *(layer for layer in LAYERS if layer not in shown))


@pytest.mark.parametrize(
    ("name", "level", "theme"), [("dark-1", 1, "dark"), ("dark-3", 3, "dark"), ("paper-2", 2, "paper")]
)
def test_golden_frames(name: str, level: int, theme: str) -> None:
    """Set WRITE_GOLDEN=1 to make them anew, and look at them."""
    frame, path = drawn(view(level, theme=theme)), DATA / f"viewer-map-{name}.png"
    if os.environ.get("WRITE_GOLDEN"):
        pygame.image.save(pygame.surfarray.make_surface(frame.transpose(1, 0, 2)), path)
    golden = pixels(pygame.image.load(path))
    assert np.abs(frame - golden).mean() < 0.1 and np.mean(np.abs(frame - golden).max(-1) > 24) < 2e-3


def test_a_frame_depends_on_nothing_but_its_arguments() -> None:
    first = drawn(view(2))
    for level, step in ((1, 10), (3, 100), (2, 30)):
        drawn(view(level, step, "paper"), camera=Camera(2.0, (8.0, 8.0)))
    assert np.array_equal(drawn(view(2)), first)


@pytest.mark.parametrize("layer", LAYERS)
def test_every_layer_shows_something_and_can_be_hidden_and_faded(layer: Layer) -> None:
    state = view({"candidates": 1, "frontier": 2}.get(layer, 3))
    full, hidden = drawn(state), drawn(without(state, layer))
    faint = drawn(replace(state, layers={**state.layers, layer: LayerState(True, 0.3)}))
    assert np.abs(full - hidden).sum() > 0
    assert 0 < np.abs(faint - hidden).sum() < np.abs(full - hidden).sum()


def test_a_layer_that_is_not_named_is_shown() -> None:
    assert np.array_equal(drawn(replace(view(), layers={})), drawn(replace(view(), layers=initial(document()).layers)))


@pytest.mark.parametrize("theme", ["dark", "paper"])
def test_walls_floor_agent_and_goal_have_their_colours(theme: str) -> None:
    look, frame = get_theme(theme), drawn(only(view(theme=theme), "walls"))
    assert tuple(frame[at((8.0, 8.0))]) == rgb255(look.floor)
    assert tuple(frame[at((4.0, 8.0))]) == rgb255(look.wall)
    assert tuple(frame[at((28.0, 0.0))]) == rgb255(look.goal)
    assert tuple(frame[at(tuple(way()[55].tolist()))]) == rgb255(look.ink)


def test_nothing_told_yet_shows_the_walls_and_where_to_go() -> None:
    frame = drawn(view(), Model())
    assert tuple(frame[at((4.0, 8.0))]) == rgb255(get_theme("dark").wall)
    assert tuple(frame[at((28.0, 0.0))]) == rgb255(get_theme("dark").goal)
    began = Model()
    began.absorb([Began(0, document(), (8.0, 4.0))])
    assert tuple(drawn(only(view(), "walls"), began)[at((8.0, 4.0))]) == rgb255(get_theme("dark").ink)


def test_a_painted_wall_shows_at_once_and_the_heat_map_goes() -> None:
    cells = np.array(MAZE.cells)
    cells[2, 4] = WALL
    edited = replace(document(), map=Map(cells, "edited"))
    state = only(replace(view(step=STEPS), document=edited), "walls", "heat")
    frame = drawn(state)
    assert tuple(frame[at((12.0, 4.0))]) == rgb255(get_theme("dark").wall)
    assert tuple(frame[at((16.0, 4.0))]) == rgb255(get_theme("dark").floor)  # no heat that belongs to another map


def test_the_past_shows_the_map_that_was_in_force() -> None:
    told, cells = model(), np.array(MAZE.cells)
    cells[2, 4] = WALL
    edited = replace(document(), map=Map(cells, "edited"))
    told.absorb([Edited(0, 80, edited)])
    for step, color in ((60, "floor"), (80, "wall")):
        frame = drawn(only(replace(view(step=step), document=edited), "walls"), told)
        assert tuple(frame[at((12.0, 4.0))]) == rgb255(getattr(get_theme("dark"), color))


def test_panes_look_the_same_wherever_they_are() -> None:
    there = drawn(view(2, runs=2), model(2), pane=Rect(137, 44, 360, 230))
    assert np.array_equal(there, drawn(view(2, runs=2), model(2)))


def test_a_pane_draws_inside_its_rectangle_only() -> None:
    surface = pygame.Surface((600, 500), 0, 32)
    surface.fill((1, 2, 3))
    draw_map(surface, view(3), MODEL, 0, projection(Camera(3.0), MAZE.shape, Rect(150, 100, 300, 200)))
    frame = pixels(surface)
    frame[100:300, 150:450] = (1, 2, 3)
    assert np.all(frame == (1, 2, 3))


def test_the_round_shown_is_the_one_that_is_drawn() -> None:
    surface, where = pygame.Surface((360, 230), 0, 32), projection(Camera(), MAZE.shape, PANE)
    works = [Pane.of(surface, view(level), MODEL, 0, where).work for level in (1, 2, 3)]
    assert [type(work) for work in works] == [Round, Expansion, Tree]
    early = Pane.of(surface, replace(view(2), round=4), MODEL, 0, where).work
    assert isinstance(early, Expansion) and len(early.places) == 5
    other = Pane.of(surface, replace(view(2), round=4, run=1), MODEL, 0, where).work
    assert isinstance(other, Expansion) and len(other.places) > 5
    assert not np.array_equal(drawn(replace(view(2), round=4)), drawn(view(2)))


def test_the_way_to_a_node_begins_at_the_root() -> None:
    assert lineage(tree(), 0) == [0]
    assert lineage(tree(), 17) == [0, 1, 5, 17]


def test_a_ghost_is_where_the_level_imagined_the_agent() -> None:
    state = replace(only(view(3, step=55), "walls", "imagined"), node=None, hovered=None, landmark=None)
    imagined = MODEL.runs[0].recording.imagined(3, 55)  # type: ignore[union-attr]
    changed = np.abs(drawn(state) - drawn(without(state, "imagined"))).max(-1) > 40
    row, column = at(tuple(imagined.tolist()))  # type: ignore[union-attr]
    assert changed[row, column] and changed.any(1).sum() < 60


def test_a_probe_of_another_place_or_map_is_not_shown() -> None:
    bare = {"node": None, "hovered": None, "landmark": None}
    asked = replace(only(view(1, step=STEPS), "walls", "probe"), **bare)  # type: ignore[arg-type]
    answered = np.abs(drawn(asked) - drawn(without(asked, "probe"))).max(-1) > 0
    waiting = replace(asked, document=replace(asked.document, zones=Zones.none(MAZE.shape)))
    open_ = np.abs(drawn(waiting) - drawn(without(waiting, "probe"))).max(-1) > 0
    assert answered.sum() > 3 * open_.sum() > 0 and open_[at(PROBED)]


@settings(max_examples=40)
@given(
    step=st.integers(0, 400),
    level=st.integers(1, 7),
    number=st.none() | st.integers(0, 60),
    node=st.none() | st.integers(0, 80),
    zoom=st.floats(1, 16),
    centre=st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)),
    size=st.tuples(st.integers(0, 300), st.integers(0, 300)),
    theme=st.sampled_from(["dark", "paper"]),
)
def test_nothing_makes_it_fail(
    step: int, level: int, number: int | None, node: int | None, zoom: float, centre: tuple[float, float],
    size: tuple[int, int], theme: str,
) -> None:  # fmt: skip
    state = replace(view(level, step, theme), round=number, node=node, hovered=step, landmark=level)
    surface = pygame.Surface((200, 160), 0, 32)
    for camera in (Camera(zoom, centre), Camera()):
        draw_map(surface, state, MODEL, 0, projection(camera, MAZE.shape, Rect(20, 10, *size)))
    draw_map(surface, state, MODEL, 5, Projection(Rect(0, 0, *size), centre, zoom))


def test_drawing_needs_neither_torch_nor_matplotlib() -> None:
    """They take longer to import than a window may take to open."""
    code = "import sys, viz.viewer.layers; sys.exit(bool({'torch', 'matplotlib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=DATA.parents[1], timeout=60).returncode == 0


def test_a_busy_frame_is_fast() -> None:
    state, surface = view(1), pygame.Surface((908, 628), 0, 32)
    where = projection(Camera(), MAZE.shape, Rect(0, 0, 908, 628))
    times = []
    for step in range(40, 70):
        began = time.perf_counter()
        draw_map(surface, replace(state, step=step), MODEL, 0, where)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.025
