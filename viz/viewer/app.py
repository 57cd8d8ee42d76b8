"""The window: SDL's events in, frames out; everything between is in the other files."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from viz.viewer.actions import Action, Export, Save
from viz.viewer.events import Close, Event, Key, Leave, Move, Press, Release, Resize, Tick, Wheel
from viz.viewer.messages import Notice, Report, Request
from viz.viewer.model import Model
from viz.viewer.preferences import Preferences
from viz.viewer.state import ViewState
from viz.viewer.update import Outgoing, apply, reported, update

FRAMES_PER_SECOND = 60
SMALLEST = (640, 400)


class DisplayError(ValueError):
    """No window can be opened, or it was lost; the message is one line."""


class Source(Protocol):
    """Where reports come from: a session in a process of its own, one in this process, or none at all."""

    def send(self, requests: Iterable[Request]) -> None:
        """Passes requests on."""
        ...

    def poll(self) -> list[Report]:
        """What has been reported since the last call; never waits."""
        ...

    def close(self) -> None:
        """Ends it."""
        ...


class Replay:
    """No session: what was recorded is all there is to see."""

    def send(self, requests: Iterable[Request]) -> None:
        """Nobody listens."""

    def poll(self) -> list[Report]:
        """Nothing ever happens."""
        return []

    def close(self) -> None:
        """There is nothing to end."""


@dataclass
class Viewer:
    """The viewer without its window: takes events, talks with the session, and says what is to be drawn.

    Attributes:
        state: where the person looks.
        source: answers requests.
        model: what has been reported.
        folder: for what is saved.
    """

    state: ViewState
    source: Source
    model: Model = field(default_factory=Model)
    folder: Path = Path("out")

    def __post_init__(self) -> None:
        self._exports: list[Iterator[str]] = []

    def take(self, event: Event) -> None:
        """One thing that hands did, or one frame's time."""
        self.state, outgoing = update(self.state, event, self.model)
        self._pass_on(outgoing)
        if isinstance(event, Tick):
            self._listen(self.source.poll())
            self._export_on()

    def do(self, action: Action) -> None:
        """What an action asks for, without the hand."""
        self.state, outgoing = apply(self.state, action, self.model)
        self._pass_on(outgoing)

    def _listen(self, reports: list[Report]) -> None:
        if reports:
            self.model.absorb(reports)
            self.model.forget(len(self.state.document.setups))
            self.state, outgoing = reported(self.state, reports, self.model)
            self._pass_on(outgoing)

    def _pass_on(self, outgoing: Iterable[Outgoing]) -> None:
        requests = [item for item in outgoing if not isinstance(item, Save)]
        if requests:
            self.source.send(requests)
        self._exports += [self._export(item.kind) for item in outgoing if isinstance(item, Save)]

    def _export(self, kind: Export) -> Iterator[str]:
        from viz.viewer.share import export  # what films and pages need, a window can open without

        return export(kind, self.state, self.model, self.folder)

    def _export_on(self) -> None:
        """A little of what is being saved: the window stays alive meanwhile."""
        if not self._exports:
            return
        try:
            self._listen([Notice(next(self._exports[0]))])
        except StopIteration:
            self._exports.pop(0)
        except (ValueError, OSError) as error:
            self._exports.pop(0)
            self._listen([Notice(_one_line(error), urgent=True)])


def why_no_display() -> str | None:
    """One line that says why no window can be opened here, or None if one can."""
    displays = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in displays):
        return "no display: neither DISPLAY nor WAYLAND_DISPLAY is set"
    try:
        pygame = _pygame()
        if not pygame.display.get_init():
            pygame.display.init()
            pygame.display.quit()
    except ImportError:
        return "no display: pygame is not installed (pip install pygame-ce)"
    except Exception as error:  # SDL's own error, whatever it is, means that there is nothing to draw on
        return f"no display: {_one_line(error)}"
    return None


def show(viewer: Viewer, title: str = "H-JEPA", seconds: float | None = None, preferences: Path | None = None) -> None:
    """Opens the window and runs until it is closed; the source is closed with it.

    Args:
        viewer: what to show.
        title: of the window.
        seconds: closes the window by itself after this time, unless a key or a button is pressed before; None waits.
        preferences: file in which the layout is remembered; None remembers nothing.

    Raises:
        DisplayError: where there is no display, or it goes away.
    """
    pygame = _pygame()
    try:
        _run(pygame, open_window(viewer, title), viewer, seconds)
    except pygame.error as error:
        raise DisplayError(f"no display: {_one_line(error)}") from error
    finally:
        viewer.source.close()
        pygame.display.quit()
        if preferences is not None:
            Preferences.of(viewer.state).save(preferences)


def open_window(viewer: Viewer, title: str = "H-JEPA") -> Callable[[], None]:
    """Opens the window; what is returned draws it anew."""
    pygame = _pygame()
    pygame.display.init()
    pygame.font.init()
    size = _fitting(viewer.state.size, pygame.display.get_desktop_sizes()[0])
    pygame.display.set_mode(size, pygame.RESIZABLE)
    pygame.display.set_caption(title)
    pygame.key.set_repeat(300, 40)
    viewer.take(Resize(*size))
    from viz.viewer.frame import Painter  # the window is there before what draws it

    painter = Painter()

    def draw() -> None:
        painter.draw(pygame.display.get_surface(), viewer.state, viewer.model)
        pygame.display.flip()

    return draw


def _run(pygame: Any, draw: Callable[[], None], viewer: Viewer, seconds: float | None) -> None:
    clock, shown = pygame.time.Clock(), None
    left = float("inf") if seconds is None else 1000 * seconds
    while viewer.state.open and left > 0:
        for event in pygame.event.get():
            for translated in translate(pygame, event):
                viewer.take(translated)
                left = float("inf") if isinstance(translated, Key | Press) else left  # somebody is there
        current = (viewer.state, viewer.model.revision)
        if current != shown:
            draw()
            shown = current
        elapsed = clock.tick(FRAMES_PER_SECOND)
        left -= elapsed
        viewer.take(Tick(elapsed))


def translate(pygame: Any, event: Any) -> Iterator[Event]:
    """SDL's event as ours; what does not concern the viewer is dropped."""
    match event.type:
        case pygame.QUIT:
            yield Close()
        case pygame.KEYDOWN:
            shift, ctrl = bool(event.mod & pygame.KMOD_SHIFT), bool(event.mod & (pygame.KMOD_CTRL | pygame.KMOD_META))
            yield Key(pygame.key.name(event.key), shift, ctrl)
        case pygame.MOUSEBUTTONDOWN if event.button <= 3:
            x, y = event.pos
            yield Press(x, y, event.button, bool(pygame.key.get_mods() & pygame.KMOD_SHIFT))
        case pygame.MOUSEBUTTONUP if event.button <= 3:
            x, y = event.pos
            yield Release(x, y, event.button)
        case pygame.MOUSEMOTION:
            yield Move(*event.pos)
        case pygame.MOUSEWHEEL:
            x, y = pygame.mouse.get_pos()
            yield Wheel(x, y, event.y)
        case pygame.VIDEORESIZE:
            yield Resize(max(event.w, SMALLEST[0]), max(event.h, SMALLEST[1]))
        case pygame.WINDOWLEAVE:
            yield Leave()


def _fitting(size: tuple[int, int], desktop: tuple[int, int]) -> tuple[int, int]:
    """A window that leaves room for the desktop's bars."""
    return min(size[0], int(0.98 * desktop[0])), min(size[1], int(0.92 * desktop[1]))


def _pygame() -> Any:
    import pygame

    return pygame


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
