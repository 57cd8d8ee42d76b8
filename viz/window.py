"""A window that plays an episode: space pauses, the arrows step, q or escape closes it."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, replace
from typing import Any

from planners.trace import Episode
from viz.backdrop import MazeMap
from viz.frames import FrameRenderer
from viz.heat import CostToGo
from viz.theme import Theme

RATE = 30  # frames per second
LONGEST = 15.0  # seconds that a whole episode takes to play: long ones skip world steps


@dataclass(frozen=True)
class Playback:
    """Where a player stands; pure, so that it can be tested without a display.

    Attributes:
        last: the episode's last world step.
        step: the world step shown.
        playing: false while paused, and once the end is reached.
        open: false once the user wants to leave.
    """

    last: int
    step: int = 0
    playing: bool = True
    open: bool = True

    @property
    def pace(self) -> int:
        """World steps per frame while playing."""
        return max(1, round(self.last / (RATE * LONGEST)))

    def tick(self) -> Playback:
        """The state one frame later."""
        if not self.playing:
            return self
        step = min(self.step + self.pace, self.last)
        return replace(self, step=step, playing=step < self.last)

    def press(self, key: str) -> Playback:
        """The state after a key, named as SDL does; other keys change nothing."""
        if key in ("q", "escape"):
            return replace(self, open=False)
        if key == "space":
            ended = self.step == self.last
            return replace(self, playing=ended or not self.playing, step=0 if ended else self.step)
        if key in ("left", "right", "home", "end"):
            target = {"left": self.step - 1, "right": self.step + 1, "home": 0, "end": self.last}[key]
            return replace(self, step=min(max(target, 0), self.last), playing=False)
        return self


def why_no_display() -> str | None:
    """One line that says why no window can be opened here, or None if one can."""
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in _DISPLAYS):
        return "no display: neither DISPLAY nor WAYLAND_DISPLAY is set"
    try:
        pygame = _pygame()
        if not pygame.display.get_init():
            pygame.display.init()
            pygame.display.quit()
    except ImportError:
        return "no display: pygame is not installed (pip install pygame-ce)"
    except Exception as error:  # SDL's own error, whatever it is, means that there is nothing to draw on
        return f"no display: {' '.join(str(error).split()) or type(error).__name__}"
    return None


def show_episode(
    map: MazeMap,
    episode: Episode,
    cost_to_go: CostToGo | None = None,
    seconds: float | None = None,
    width: int = 960,
    theme: str | Theme = "dark",
) -> bool:
    """Plays an episode in a window until the user closes it.

    Keys: space pauses (and starts again from the end), left and right go one world step, home and end jump,
    q and escape close.

    Args:
        map: the maze; ``cells`` is [rows, cols].
        episode: what was recorded.
        cost_to_go: [M, 2] world positions to [M] world steps to the goal; None draws no heat map.
        seconds: closes the window by itself after this time; None waits for the user.
        width: pixels across; less where the screen is smaller.
        theme: ``paper``, ``dark`` or a :class:`Theme`.

    Returns:
        Whether a window was shown; if not, :func:`why_no_display` says why.
    """
    if why_no_display() is not None:
        return False
    pygame = _pygame()
    try:
        pygame.display.init()
        renderer = _fitted(map, width, theme, cost_to_go, pygame.display.get_desktop_sizes()[0])
        screen = pygame.display.set_mode(renderer.size)
        pygame.display.set_caption(episode.title or "episode")
        _play(pygame, screen, renderer, episode, seconds)
    except pygame.error:  # the display went away, or can't show a window of this kind
        return False
    finally:
        pygame.display.quit()
    return True


_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")


def _pygame() -> Any:
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    import pygame

    return pygame


def _fitted(
    map: MazeMap, width: int, theme: str | Theme, cost_to_go: CostToGo | None, desktop: tuple[int, int]
) -> FrameRenderer:
    """A renderer whose frames leave room for the desktop's bars."""
    rows, cols = map.cells.shape
    room = min(0.95 * desktop[0], 0.82 * desktop[1] * cols / rows)
    return FrameRenderer(map, max(320, min(width, int(room))), theme, cost_to_go)


def _play(pygame: Any, screen: Any, renderer: FrameRenderer, episode: Episode, seconds: float | None) -> None:
    state, shown, clock = Playback(len(episode.observations) - 1), -1, pygame.time.Clock()
    deadline = time.monotonic() + seconds if seconds is not None else float("inf")
    while state.open and time.monotonic() < deadline:
        if state.step != shown:
            _blit(pygame, screen, renderer, episode, state.step)
            shown = state.step
        clock.tick(RATE)
        state = _after_events(pygame, state.tick())


def _blit(pygame: Any, screen: Any, renderer: FrameRenderer, episode: Episode, step: int) -> None:
    frame = renderer.frame(episode, step)
    screen.blit(pygame.image.frombytes(frame.tobytes(), frame.size, "RGB"), (0, 0))
    pygame.display.flip()


def _after_events(pygame: Any, state: Playback) -> Playback:
    for event in pygame.event.get():
        if event.type == pygame.QUIT:
            state = replace(state, open=False)
        elif event.type == pygame.KEYDOWN:
            state = state.press(pygame.key.name(event.key))
    return state
