"""One whole story in a real window, told by a real pointer and real keys: run by ``test_viewer_story.py``.

A thread moves the pointer and presses keys with xdotool, as a person would, and looks at what became of it; the window
runs in the main thread.

python tests/viewer_story.py FOLDER
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ImageGrab

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.view import Options, opened
from viz.viewer.app import Viewer, show
from viz.viewer.controls import controls
from viz.viewer.events import Close
from viz.viewer.layout import Projection, layout, projections
from viz.viewer.recording import Recording

PATIENCE = 60.0  # seconds until something that never happens counts as a failure


@dataclass
class Person:
    """Somebody at the window.

    Attributes:
        viewer: what they look at.
        folder: for screenshots.
        facts: what they saw.
    """

    viewer: Viewer
    folder: Path
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def recording(self) -> Recording:
        """What has happened."""
        recording = self.viewer.model.runs[0].recording
        assert recording is not None
        return recording

    @property
    def pane(self) -> Projection:
        """The map on the screen."""
        state = self.viewer.state
        return projections(state, layout(state))[0]

    def wait(self, what: str, condition: Callable[[], bool]) -> None:
        """Until something is so."""
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"never came true: {what}; {self.viewer.state.banner}")
            time.sleep(0.01)

    def key(self, *names: str) -> None:
        """Presses keys."""
        xdotool("key", *names)

    def click(self, name: str) -> None:
        """Clicks a control, by its id."""
        xdotool("mousemove", *self.middle(name), "click", "1")

    def middle(self, name: str) -> tuple[str, str]:
        """The middle of a control."""
        self.wait(f"control {name}", lambda: any(control.id == name for control in self._controls()))
        rect = next(control.rect for control in self._controls() if control.id == name)
        return str(rect.x + rect.width // 2), str(rect.y + rect.height // 2)

    def drag(self, *places: tuple[float, float], button: int = 1) -> None:
        """Drags over screen positions."""
        (x, y), *rest = [(round(x), round(y)) for x, y in places]
        xdotool("mousemove", x, y, "mousedown", button)
        for x, y in rest:
            time.sleep(0.05)
            xdotool("mousemove", x, y)
        time.sleep(0.05)
        xdotool("mouseup", button)

    def screenshot(self, name: str) -> None:
        """What is really on the screen."""
        time.sleep(0.15)
        ImageGrab.grab(xdisplay="").crop((0, 0, *self.viewer.state.size)).save(self.folder / f"{name}.png")

    def _controls(self) -> list[Any]:
        state = self.viewer.state
        return controls(state, self.viewer.model, layout(state))


def xdotool(*words: object) -> None:
    """One command of xdotool."""
    subprocess.run(["xdotool", *map(str, words)], check=True, timeout=20)


def tell(person: Person) -> None:
    """The story."""
    viewer = person.viewer
    person.wait("plays at once", lambda: viewer.model.last > 30)
    person.key("space")
    person.wait("paused", lambda: not viewer.state.playing)
    person.screenshot("playing")

    rect = layout(viewer.state).tracks
    person.drag((rect.right - 4, rect.y + rect.height / 2), (rect.x + 10, rect.y + rect.height / 2))
    person.wait("scrubbed back", lambda: viewer.state.step < 10)
    person.key("End")
    person.wait("back at the newest step", lambda: viewer.state.step == viewer.model.last)

    drag_the_subgoal(person)
    paint_a_wall(person)
    switch_the_top_level(person)

    person.key("space")
    person.key("ctrl+g")
    person.wait("a film is saved", lambda: viewer.state.banner is not None and "saved" in viewer.state.banner.text)
    person.facts["gif"] = (viewer.folder / "view.gif").stat().st_size
    person.facts["finished"] = True
    person.key("ctrl+q")


def drag_the_subgoal(person: Person) -> None:
    """Level 2's subgoal is pulled elsewhere; the agent goes there first."""
    viewer, step = person.viewer, person.viewer.state.step
    person.key("2")
    view = person.recording.view(2, step)
    assert view is not None
    here, there = np.array(view.subgoal), person.recording.observation(step) + [0.0, -3.0]
    person.drag(
        tuple(person.pane.pixels(here)), tuple(person.pane.pixels((here + there) / 2)), tuple(person.pane.pixels(there))
    )
    person.wait("pinned", lambda: viewer.state.document.pin(2) is not None)
    person.screenshot("pinned")
    person.key("space")
    person.wait("the pin is reached and let go", lambda: viewer.state.document.pin(2) is None)
    person.facts["pinned"] = [mark.step for mark in person.recording.marks if mark.kind == "pinned"]
    person.facts["let go"] = viewer.model.last
    person.key("space")


def paint_a_wall(person: Person) -> None:
    """Across the way ahead: the blind agent walks into it, wonders, rejects, and goes round."""
    viewer, recording = person.viewer, person.recording
    person.wait("paused", lambda: not viewer.state.playing)
    person.key("End")
    map, step = viewer.state.document.map, viewer.model.last
    ahead = recording.view(3, step)
    assert ahead is not None
    cell = next(
        cell for cell in map.cell_of(np.concatenate([recording.view(2, step).plan, ahead.plan[1:]]))  # type: ignore[union-attr]
        if np.linalg.norm(map.center(cell) - recording.observation(step)) > 6
    )  # fmt: skip
    person.key("w")
    place = person.pane.pixels(map.center(cell))
    person.drag(tuple(place), tuple(place + 3))
    person.wait("the wall is there", lambda: viewer.state.document.map.version != map.version)
    person.key("a")
    begun = viewer.model.last
    person.key("space")
    person.wait("a subgoal is rejected", lambda: _since(recording, "rejected", begun))
    person.wait("the agent is surprised", lambda: _since(recording, "surprise", begun))
    person.screenshot("wall")
    person.facts["widest gap"] = max(recording.gap(2, step) for step in range(begun, recording.last))
    person.facts["rejected"] = [mark.step for mark in recording.marks if mark.kind == "rejected"]
    person.facts["edited"] = begun


def switch_the_top_level(person: Person) -> None:
    """To MCTS, while it runs."""
    viewer = person.viewer
    person.click("planner.3")
    person.wait("the menu is open", lambda: viewer.state.menu == "planner.3")
    person.click("planner.3.mcts")
    person.wait("switched", lambda: viewer.state.document.setups[0].planners[2] == "mcts")
    person.wait("MCTS has planned", lambda: _planned_by(person, "mcts"))
    person.key("3")
    person.click("tab.tree")
    person.wait("the tree is shown", lambda: viewer.state.tab == "tree")
    person.screenshot("mcts")
    person.facts["mcts"] = True


def _since(recording: Recording, kind: str, step: int) -> bool:
    return any(mark.kind == kind and mark.step >= step for mark in recording.marks)


def _planned_by(person: Person, planner: str) -> bool:
    view = person.recording.view(3, person.viewer.model.last)
    return view is not None and view.planner == planner


def main(folder: Path) -> None:
    """Opens the window and lets the story happen."""
    begun = time.monotonic()
    viewer = opened(Options(), headless=False)
    viewer.folder = folder
    person = Person(viewer, folder)

    def safely() -> None:
        try:
            tell(person)
        except BaseException as error:
            person.facts["error"] = f"{type(error).__name__}: {error}"
            person.screenshot("error")
            viewer.take(Close())

    threading.Thread(target=safely, daemon=True).start()
    show(viewer, preferences=folder / "preferences.json")
    person.facts["seconds"] = time.monotonic() - begun
    (folder / "facts.json").write_text(json.dumps(person.facts))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
