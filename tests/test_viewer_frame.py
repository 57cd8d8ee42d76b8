from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pygame
import pytest
from PIL import Image

from tests.viewer_models import a_document, a_model
from viz.theme import DARK, rgb255
from viz.viewer.actions import TABS
from viz.viewer.controls import controls
from viz.viewer.frame import Painter, draw
from viz.viewer.icons import ICONS
from viz.viewer.layout import Rect, banner_rect, layout
from viz.viewer.messages import Notice
from viz.viewer.model import Model
from viz.viewer.state import ViewState, initial
from viz.viewer.widgets import look_of


def picture(state: ViewState, model: Model, painter: Painter | None = None) -> np.ndarray:
    surface = pygame.Surface(state.size, 0, 32)
    (painter or Painter()).draw(surface, state, model)
    return pygame.surfarray.array3d(surface)


def colors(pixels: np.ndarray) -> int:
    """How many colours there are."""
    return len(np.unique(pixels.astype(np.int32) @ (1, 256, 65536)))


def part(pixels: np.ndarray, rect: Rect) -> np.ndarray:
    return pixels[rect.x : rect.right, rect.y : rect.bottom]


def at(step: int, **changes: object) -> ViewState:
    return replace(initial(a_document()), step=step, **changes)  # type: ignore[arg-type]


GOLDEN = {
    "dark-energy": {"level": 1, "tab": "energy"},
    "paper-tree": {"level": 3, "tab": "tree", "node": 3, "theme": "paper"},
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_frames(name: str) -> None:
    """The whole window; set WRITE_GOLDEN=1 to make them anew, and look at them."""
    frame = picture(at(70, size=(1000, 640), **GOLDEN[name]), a_model(120))
    path = Path(__file__).parent / "data" / f"viewer-window-{name}.png"
    if os.environ.get("WRITE_GOLDEN"):
        Image.fromarray(frame.transpose(1, 0, 2)).save(path, optimize=True)
    away = np.abs(frame.astype(int) - np.asarray(Image.open(path)).transpose(1, 0, 2)).max(-1)
    assert away.mean() < 0.1 and np.mean(away > 24) < 2e-3


def test_what_is_kept_never_shows_in_the_picture() -> None:
    """A painter that has drawn other windows draws the same as one that has not."""
    model, other, painter = a_model(120), a_model(90), Painter()
    states = [
        (at(40, level=1), model),
        (at(41, level=1, theme="paper"), model),
        (at(70, level=3, tab="tree", node=3), model),
        (at(70, level=3, tab="tree", node=5, round=0), model),
        (at(30, level=2, tab="latent", size=(1000, 640)), other),
        (at(31, level=2, tab="latent", text_scale=1.3), model),
        (at(40, level=1, text_scale=1.3), other),
        (at(40, level=1), model),
    ]
    for state, known in states:
        assert np.array_equal(picture(state, known, painter), picture(state, known)), state


def test_a_recording_that_grows_is_drawn_as_it_is() -> None:
    painter, whole = Painter(), a_model(200)
    recording = whole.runs[0].recording
    assert recording is not None
    observations, decisions = recording.trail(200)[1:], list(recording.decisions)
    model = a_model(120)
    picture(at(120), model, painter)
    grown = model.runs[0].recording
    assert grown is not None
    grown.extend(observations[120:], [decision for decision in decisions if decision.step >= 120])
    assert np.array_equal(picture(at(190), model, painter), picture(at(190), model))


@pytest.mark.parametrize("size", [(1280, 800), (1000, 640), (640, 400), (320, 240)])
@pytest.mark.parametrize("runs", [1, 2])
def test_windows_of_every_size_are_drawn(size: tuple[int, int], runs: int) -> None:
    model, painter = a_model(60, runs), Painter()
    for tab, scale in zip(TABS, (0.75, 1.0, 1.5, 2.0), strict=True):
        state = replace(initial(a_document(runs), size), step=33, tab=tab, text_scale=scale, pointer=(150, 20))
        assert colors(picture(state, model, painter)) > 30
    picture(replace(state, menu="layer", help=True, run=runs - 1, level=5), model, painter)


@pytest.mark.parametrize("size", [(1, 1), (50, 40), (200, 150), (2000, 60)])
def test_windows_too_small_for_anything_are_drawn_all_the_same(size: tuple[int, int]) -> None:
    model, painter = a_model(60), Painter()
    for tab in TABS:
        for level in (1, 2, 3):
            picture(replace(initial(a_document(), size), step=33, tab=tab, level=level, node=2), model, painter)


def test_a_window_is_drawn_before_anything_is_known() -> None:
    for tab in TABS:
        picture(at(0, tab=tab), Model())
    picture(replace(initial(a_document(2)), tab="compare", run=1), Model())


def test_every_control_can_be_seen() -> None:
    """A control under the pointer, or switched on, looks different from what is behind it."""
    model, state = a_model(60), at(30, menu="layer")
    where = layout(state)
    pixels = picture(state, model)
    for control in controls(state, model, where):
        if control.kind not in ("area", "popup"):
            assert colors(part(pixels, control.rect)) > 4, control.id
        assert not control.icon or control.icon in ICONS, control.id


def test_a_control_under_the_pointer_is_lit_and_told() -> None:
    model, state = a_model(60), at(30)
    control = next(control for control in controls(state, model, layout(state)) if control.id == "restart")
    x, y = control.rect.x + 4, control.rect.y + 4
    still, pointed = picture(state, model), picture(replace(state, pointer=(x, y)), model)
    assert (part(still, control.rect) != part(pointed, control.rect)).any()
    below = Rect(control.rect.x, control.rect.bottom + 8, control.rect.width, 12)
    assert (part(still, below) != part(pointed, below)).any()


def test_the_hint_is_there_at_first_and_then_gives_way() -> None:
    early, late = a_model(20), a_model(60)
    state = at(10)
    where = banner_rect(layout(state))
    hinted = part(picture(state, early), where)
    quiet = part(picture(replace(state, playing=False), early), where)
    assert (hinted != quiet).any(-1).sum() > 500
    assert np.array_equal(part(picture(state, late), where), part(picture(replace(state, playing=False), late), where))


def test_a_banner_is_urgent_in_the_colour_of_alarm() -> None:
    model, state = a_model(60), at(30)
    where, alarm = banner_rect(layout(state)), rgb255(look_of(DARK).alarm)
    for urgent in (False, True):
        banner = Notice("The goal is in a wall: nothing moves until it is free again", urgent)
        seen = part(picture(replace(state, banner=banner), model), where)
        assert (seen == alarm).all(-1).any() == urgent


def test_help_lies_over_everything_and_panels_can_be_hidden() -> None:
    model, state = a_model(60), at(30)
    plain, helped = picture(state, model), picture(replace(state, help=True), model)
    assert (plain != helped).any(-1).mean() > 0.8
    hidden = picture(replace(state, panels=False), model)
    assert (part(plain, layout(state).inspector) != part(hidden, layout(state).inspector)).any(-1).mean() > 0.3


def test_drawing_once_is_drawing() -> None:
    model, state = a_model(30), at(10)
    surface = pygame.Surface(state.size, 0, 32)
    draw(surface, state, model)
    assert np.array_equal(pygame.surfarray.array3d(surface), picture(state, model))


def test_drawing_needs_neither_torch_nor_matplotlib() -> None:
    code = "import sys, viz.viewer.frame; print(sorted({'torch', 'matplotlib'} & set(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.splitlines()[-1] == "[]"
