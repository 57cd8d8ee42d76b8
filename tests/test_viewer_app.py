"""The viewer as a program: its window on SDL's dummy display, what it saves, and what it writes without a display."""

from __future__ import annotations

import importlib.util
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from scripts import view
from scripts._cli import run
from tests.test_viewer_state import random_event
from tests.viewer_session import a_paused_table
from viz.viewer import app
from viz.viewer.actions import Export, Save
from viz.viewer.app import DisplayError, Replay, Viewer, show, translate, why_no_display
from viz.viewer.document import Document, Setup, Zones
from viz.viewer.events import Close, Event, Key, Leave, Move, Press, Release, Resize, Tick, Wheel
from viz.viewer.messages import Advance
from viz.viewer.share import picture
from viz.viewer.state import initial
from viz.viewer.storage import load_scene
from viz.viewer.worker import Inline
from worlds.maps import Map

pygame = pytest.importorskip("pygame")

YARD = Map.parse("#######\n#.....#\n#.###.#\n#.....#\n#######", "yard")


def document(*planners: str) -> Document:
    """A small maze for the agent that sees the map."""
    setup = Setup("map", 2, planners or ("random", "landmarks"))
    return Document(YARD, Zones.none(YARD.shape), (0.0, 0.0), (16.0, 8.0), (setup,))


def a_viewer(folder: Path) -> Viewer:
    """At the end of a short episode of a scripted session."""
    table = a_paused_table(41)
    return Viewer(table.state, Replay(), table.model, folder)


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Viewer]:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    yield a_viewer(tmp_path)
    assert not pygame.display.get_init()


def test_a_window_closes_after_its_time_and_remembers_its_layout(window: Viewer, tmp_path: Path) -> None:
    begun = time.monotonic()
    show(window, seconds=0.3, preferences=tmp_path / "viewer.json")
    assert 0.3 <= time.monotonic() - begun < 10
    assert (tmp_path / "viewer.json").exists()


@pytest.mark.parametrize("close", [{"type": pygame.QUIT}, {"type": pygame.KEYDOWN, "key": pygame.K_q}])
def test_a_window_closes_when_asked(window: Viewer, monkeypatch: pytest.MonkeyPatch, close: dict[str, int]) -> None:
    values = {"mod": pygame.KMOD_CTRL} | {key: value for key, value in close.items() if key != "type"}
    events = [[], [], [pygame.event.Event(close["type"], **values)]]
    monkeypatch.setattr(pygame.event, "get", lambda: events.pop(0))
    show(window, seconds=20)
    assert not window.state.open and not events


def test_a_window_that_is_touched_stays(window: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, pressed = time.monotonic(), [pygame.event.Event(pygame.KEYDOWN, key=pygame.K_2, mod=0)]
    quits = pygame.event.Event(pygame.QUIT)
    waited = lambda: [quits] if time.monotonic() - begun > 0.5 else [pressed.pop()] if pressed else []  # noqa: E731
    monkeypatch.setattr(pygame.event, "get", waited)
    show(window, seconds=0.1)
    assert time.monotonic() - begun >= 0.5


def test_what_is_on_the_screen_is_the_picture(window: Viewer) -> None:
    draw = app.open_window(window)
    draw()
    shown = pygame.surfarray.array3d(pygame.display.get_surface()).transpose(1, 0, 2)
    assert np.array_equal(shown, np.asarray(picture(window.state, window.model)))
    pygame.display.quit()


def test_a_display_that_breaks_is_one_line(window: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise pygame.error("display\nlost")

    monkeypatch.setattr(pygame.display, "flip", broken)
    with pytest.raises(DisplayError, match="^no display: display lost$"):
        show(window)


def test_without_a_display_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(app.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    assert why_no_display() == "no display: neither DISPLAY nor WAYLAND_DISPLAY is set"
    with pytest.raises(SystemExit) as caught:
        run(view.main, [])
    message = capsys.readouterr().err
    assert caught.value.code == 2 and message.count("\n") == 1 and "--save out/view.html" in message


def test_a_display_that_cannot_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "no-such-driver")
    pygame.display.quit()
    reason = why_no_display()
    assert reason is not None and reason.startswith("no display: ") and "\n" not in reason


SDL_EVENTS: list[tuple[dict[str, object], Event | None]] = [
    ({"type": pygame.QUIT}, Close()),
    ({"type": pygame.KEYDOWN, "key": pygame.K_LEFT, "mod": pygame.KMOD_LSHIFT}, Key("left", shift=True)),
    ({"type": pygame.KEYDOWN, "key": pygame.K_z, "mod": pygame.KMOD_LCTRL}, Key("z", ctrl=True)),
    ({"type": pygame.MOUSEBUTTONDOWN, "pos": (3, 4), "button": 3}, Press(3, 4, 3)),
    ({"type": pygame.MOUSEBUTTONDOWN, "pos": (3, 4), "button": 4}, None),
    ({"type": pygame.MOUSEBUTTONUP, "pos": (3, 4), "button": 1}, Release(3, 4, 1)),
    ({"type": pygame.MOUSEMOTION, "pos": (5, 6)}, Move(5, 6)),
    ({"type": pygame.MOUSEWHEEL, "y": -1}, Wheel(0, 0, -1)),
    ({"type": pygame.VIDEORESIZE, "w": 900, "h": 100}, Resize(900, 400)),
    ({"type": pygame.WINDOWLEAVE}, Leave()),
    ({"type": pygame.KEYUP, "key": pygame.K_LEFT}, None),
]


@pytest.mark.parametrize(("event", "expected"), SDL_EVENTS)
def test_events_are_translated(
    monkeypatch: pytest.MonkeyPatch, event: dict[str, object], expected: Event | None
) -> None:
    monkeypatch.setattr(pygame.mouse, "get_pos", lambda: (0, 0))
    monkeypatch.setattr(pygame.key, "get_mods", lambda: 0)
    values = {key: value for key, value in event.items() if key != "type"}
    assert list(translate(pygame, pygame.event.Event(event["type"], **values))) == ([expected] if expected else [])


def test_random_events_replayed_give_the_same_frame(tmp_path: Path) -> None:
    """With a real session: the same events make the same plans, and the same pixels."""

    def played() -> Image.Image:
        viewer, chance = Viewer(initial(document()), Inline(), folder=tmp_path), random.Random(3)
        viewer._export = lambda kind: iter(())  # type: ignore[method-assign]
        walked = 0
        for _ in range(1500):
            viewer.take(random_event(chance))
            viewer.state, walked = replace(viewer.state, open=True), max(walked, viewer.model.last)
        assert walked > 10 and viewer.state.past
        return picture(replace(viewer.state, size=(900, 600)), viewer.model)

    assert np.array_equal(np.asarray(played()), np.asarray(played()))


@pytest.mark.parametrize("kind", get_args(Export))
def test_everything_can_be_saved_while_it_runs(tmp_path: Path, kind: Export) -> None:
    if kind == "mp4" and importlib.util.find_spec("imageio_ffmpeg") is None:
        pytest.skip("imageio-ffmpeg is not installed")
    viewer = a_viewer(tmp_path)
    for expected in (f"view.{kind}", f"view-2.{kind}"):
        viewer.do(Save(kind))
        for _ in range(400):
            viewer.take(Tick(16))
            if not viewer._exports:
                break
        assert viewer.state.banner is not None and viewer.state.banner.text == f"saved {tmp_path / expected}"
        assert (tmp_path / expected).stat().st_size > 1000


def test_what_cannot_be_saved_is_a_banner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    viewer = a_viewer(tmp_path / "file")
    viewer.do(Save("png"))
    viewer.take(Tick(16))
    assert viewer.state.banner is not None and viewer.state.banner.urgent and "file" in viewer.state.banner.text
    monkeypatch.setitem(__import__("sys").modules, "imageio_ffmpeg", None)
    viewer.folder = tmp_path
    viewer.do(Save("mp4"))
    for _ in range(3):
        viewer.take(Tick(16))
    assert "pip install 'hjepa[video]'" in viewer.state.banner.text


def test_a_scene_reproduces_the_picture_without_a_display(tmp_path: Path) -> None:
    """Of a live session: planned, edited, looked at from close by, and saved."""
    viewer = Viewer(initial(document("cem", "landmarks")), Inline(), folder=tmp_path)
    viewer.take(Tick(0))
    viewer.source.send([Advance(30)])
    for event in (Key("space"), Tick(16), Key("end"), Key("2"), Key("z"), Key("up"), Tick(16), Tick(16)):
        viewer.take(event)
    viewer.do(Save("scene"))
    viewer.do(Save("png"))
    for _ in range(6):
        viewer.take(Tick(16))
    model, state = load_scene(tmp_path / "view.scene")
    assert state is not None and model.last == viewer.model.last >= 30
    run(view.main, f"--scene {tmp_path / 'view.scene'} --save {tmp_path / 'again.png'}".split())
    first, second = (np.asarray(Image.open(tmp_path / name)) for name in ("view.png", "again.png"))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("suffix", ["png", "html", "scene"])
def test_files_are_written_without_a_display(tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "yard.txt").write_text(YARD.to_text())
    path = tmp_path / f"view.{suffix}"
    run(view.main, f"--map {tmp_path / 'yard.txt'} --levels 2 --steps 12 --task 3 --save {path}".split())
    assert path.stat().st_size > 2000 and capsys.readouterr().out == f"saved {path}\n"


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        ("--save out/view.bmp", "expected a file ending in one of .png .gif .mp4 .html .scene"),
        ("--map nowhere.txt --save out/view.png", "nowhere.txt: No such file"),
        ("--scene nowhere.scene --save out/view.png", "nowhere.scene"),
        ("--task 9 --save out/view.png", "has no task 9"),
    ],
)
def test_mistakes_are_one_line(args: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(view.main, args.split())
    message = capsys.readouterr().err
    assert caught.value.code == 2 and message.count("\n") == 1 and hint in message
