"""The window: its player's state, its keys, and that it never fails for want of a display."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planners.trace import Episode
from viz import window
from viz.window import Playback, show_episode, why_no_display
from worlds.maps import Map

pygame = pytest.importorskip("pygame")

CORRIDOR = Map.parse("########\n#......#\n########")
PATH = np.stack([np.linspace(0, 20, 31), np.zeros(31)], 1).astype(np.float32)
EPISODE = Episode(PATH, PATH[-1], True, title="straight on")
KEYS = ["space", "left", "right", "home", "end", "x", "q", "escape"]


@pytest.fixture
def dummy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


@given(st.integers(1, 3000), st.lists(st.sampled_from([*KEYS[:6], "tick"]), max_size=60))
def test_the_step_never_leaves_the_episode(last: int, inputs: list[str]) -> None:
    state = Playback(last)
    for name in inputs:
        state = state.tick() if name == "tick" else state.press(name)
        assert 0 <= state.step <= last and state.open


def test_playing_ends_at_the_end_and_space_starts_again() -> None:
    state = Playback(5)
    for _ in range(10):
        state = state.tick()
    assert state.step == 5 and not state.playing
    assert state.press("space") == Playback(5)


def test_space_pauses_and_arrows_step() -> None:
    paused = Playback(100).tick().tick().press("space")
    assert paused.tick() == paused and paused.step == 2
    assert paused.press("right").step == 3 and paused.press("left").step == 1
    assert paused.press("end").step == 100 and paused.press("home").step == 0
    assert Playback(100, step=9).press("left").tick().step == 8


@pytest.mark.parametrize("key", ["q", "escape"])
def test_closing_keys(key: str) -> None:
    assert not Playback(5).press(key).open


def test_a_long_episode_plays_in_time() -> None:
    state, frames = Playback(2000), 0
    while state.playing:
        state, frames = state.tick(), frames + 1
    assert frames <= 1.2 * window.RATE * window.LONGEST


def test_a_window_closes_after_its_time(dummy: None) -> None:
    started = time.monotonic()
    assert show_episode(CORRIDOR, EPISODE, seconds=0.4, width=320)
    assert 0.4 <= time.monotonic() - started < 10
    assert not pygame.display.get_init()


@pytest.mark.parametrize("close", ["quit", "q"])
def test_a_window_closes_when_asked(dummy: None, monkeypatch: pytest.MonkeyPatch, close: str) -> None:
    event = {
        "quit": pygame.event.Event(pygame.QUIT),
        "q": pygame.event.Event(pygame.KEYDOWN, key=pygame.K_q),
    }[close]
    drawn: list[int] = []
    original = window._blit

    def blit(*args: object) -> None:
        original(*args)  # type: ignore[arg-type]
        drawn.append(args[-1])  # type: ignore[arg-type]
        if len(drawn) == 3:
            pygame.event.post(event)

    monkeypatch.setattr(window, "_blit", blit)
    assert show_episode(CORRIDOR, EPISODE, width=320)
    assert drawn == [0, 1, 2]


def test_what_is_on_screen_is_the_renderers_frame(dummy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[np.ndarray, np.ndarray]] = []
    original = window._blit

    def blit(module: object, screen: pygame.Surface, renderer: window.FrameRenderer, episode: Episode, at: int) -> None:
        original(module, screen, renderer, episode, at)
        shown = pygame.surfarray.array3d(screen).transpose(1, 0, 2)
        seen.append((shown, np.asarray(renderer.frame(episode, at))))

    monkeypatch.setattr(window, "_blit", blit)
    assert show_episode(CORRIDOR, EPISODE, seconds=0.05, width=320)
    assert np.array_equal(*seen[0])


def test_without_a_display_it_says_so_and_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window.sys, "platform", "linux")
    for name in window._DISPLAYS:
        monkeypatch.delenv(name, raising=False)
    assert why_no_display() == "no display: neither DISPLAY nor WAYLAND_DISPLAY is set"
    assert not show_episode(CORRIDOR, EPISODE)


def test_a_display_that_cannot_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "no-such-driver")
    pygame.display.quit()
    reason = why_no_display()
    assert reason is not None and reason.startswith("no display: ") and "\n" not in reason
    assert not show_episode(CORRIDOR, EPISODE)


def test_a_display_that_breaks_while_it_plays(dummy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise pygame.error("display lost")

    monkeypatch.setattr(window, "_blit", broken)
    assert not show_episode(CORRIDOR, EPISODE, width=320)
    assert not pygame.display.get_init()
