"""Is the viewer smooth? Frames, answers to input, leaps in a long recording, and how soon its window is there.

Everything is drawn by SDL in software, at the window's full size, with every layer shown.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from scripts._timing import machine, print_columns, write_json
from viz.viewer.actions import LAYERS, Layer
from viz.viewer.app import Viewer, open_window
from viz.viewer.events import Key, Move, Press, Release, Tick, Wheel
from viz.viewer.layout import layout
from viz.viewer.model import Model
from viz.viewer.recording import Recording
from viz.viewer.state import LayerState

FRAME = 1000 / 60
"""Milliseconds of a frame at 60 a second."""
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Options:
    """What to measure."""

    width: int = 1280
    """Of the window; pixels."""
    height: int = 800
    """Of the window; pixels."""
    steps: int = 400
    """World steps of the episode that is played."""
    long: int = 10_000
    """World steps of the recording in which is leapt."""
    planners: tuple[str, ...] = ("cem", "mcts", "landmarks")
    """What plans at each level, the finest first: of each kind one, so that every layer has something to show."""
    starts: int = 3
    """How often the window is opened."""
    json: Path | None = None
    """File for the results."""


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        what: was measured.
        times: milliseconds.
        target: milliseconds that ``figure`` must not exceed.
        share: the quantile that counts, 0..1.
    """

    what: str
    times: list[float]
    target: float
    share: float

    @property
    def figure(self) -> float:
        """The quantile that counts; milliseconds."""
        return float(np.quantile(self.times, self.share))


def benchmark(options: Options) -> None:
    """Measures, prints a table, and writes what was asked for."""
    os.environ["SDL_VIDEODRIVER"] = "dummy"
    live = list(_live(options))
    viewer, draw = _watched(options)
    rows = [
        Row("a frame while a session plans", live, FRAME, 0.99),
        Row("a frame while it plays", list(_played(viewer, draw)), FRAME, 0.99),
        Row("a frame while it plays, every layer anew", list(_zooming(viewer, draw)), 2 * FRAME, 0.99),
        Row("input to redraw", list(_answers(viewer, draw)), 33.0, 1.0),
        Row(f"a leap in {options.long:,} steps", list(_leaps(viewer, draw, options.long)), 50.0, 1.0),
        Row("process start to first frame", list(_starts(options.starts)), 3000.0, 1.0),
    ]
    print(
        f"{options.width} x {options.height}, {len(LAYERS)} layers, planners {' '.join(options.planners)}; milliseconds"
    )
    heads = ("", "median", "99 %", "most", "target", "met")
    print_columns(heads, [_cells(row) for row in rows])
    figures = [{**vars(row), "figure": row.figure, "met": row.figure <= row.target} for row in rows]
    write_json(options.json, {"machine": machine(), "viewer": figures})


def _cells(row: Row) -> tuple[str, ...]:
    which = "most" if row.share == 1.0 else f"{100 * row.share:.0f} %"
    numbers = (np.median(row.times), np.quantile(row.times, 0.99), max(row.times))
    met = "yes" if row.figure <= row.target else "no"
    return (row.what, *(f"{number:.1f}" for number in numbers), f"{which} <= {row.target:.0f}", met)


def _watched(options: Options) -> tuple[Viewer, Callable[[], None]]:
    """A viewer of an episode that was run beforehand, every layer shown, and what draws it on a screen."""
    from scripts.view import Options as Watched
    from scripts.view import opened, run_for

    viewer = opened(Watched(planners=options.planners), headless=True)
    run_for(viewer, options.steps)
    viewer.state = replace(viewer.state, layers=_everything(), size=(options.width, options.height), following=False)
    for _ in range(3):
        viewer.take(Tick(0))
    return viewer, open_window(viewer)


def _live(options: Options) -> Iterator[float]:
    """Five seconds at 60 frames a second, while a session in a process of its own plans every step."""
    from scripts.view import Options as Watched
    from scripts.view import opened

    viewer = opened(Watched(planners=options.planners), headless=False)
    viewer.state = replace(viewer.state, layers=_everything(), size=(options.width, options.height))
    draw = open_window(viewer)
    try:
        while viewer.model.last < 20:  # the session is loading, and compiles what plans
            viewer.take(Tick(16))
            time.sleep(0.01)
        end = time.perf_counter() + 5
        while (begun := time.perf_counter()) < end:
            yield _timed(viewer, draw, Tick(17))
            time.sleep(max(0.0, FRAME / 1000 - (time.perf_counter() - begun)))
    finally:
        viewer.source.close()


def _everything() -> dict[Layer, LayerState]:
    return {name: LayerState(True, 0.8) for name in LAYERS}


def _timed(viewer: Viewer, draw: Callable[[], None], *events: Any) -> float:
    """Milliseconds from events to the frame that shows what became of them."""
    begun = time.perf_counter()
    for event in events:
        viewer.take(event)
    draw()
    return 1000 * (time.perf_counter() - begun)


def _played(viewer: Viewer, draw: Callable[[], None]) -> Iterator[float]:
    """Every world step, one after the other, at the selected level and the two others."""
    for level in (1, 2, 3):
        viewer.state = replace(viewer.state, step=0, playing=False, level=level)
        draw()
        for step in range(viewer.model.last):
            viewer.state = replace(viewer.state, step=step)
            yield _timed(viewer, draw, Tick(16))


def _zooming(viewer: Viewer, draw: Callable[[], None]) -> Iterator[float]:
    """The wheel turns: nothing that was drawn before can be used again."""
    pane = layout(viewer.state).maps[0]
    middle = pane.x + pane.width // 2, pane.y + pane.height // 2
    for clicks in [1] * 8 + [-1] * 8:
        yield _timed(viewer, draw, Wheel(*middle, clicks), Tick(16))


def _answers(viewer: Viewer, draw: Callable[[], None]) -> Iterator[float]:
    """What hands do: keys of every kind, the pointer over everything, a drag on the time line."""
    tracks = layout(viewer.state).tracks
    keys = ["left", "right", "1", "2", "3", "h", "h", "shift+l", "shift+l", "up", "down", "n", "p", "tab", "tab", "tab",
            "tab", "f1", "f1", "home", "end"]  # fmt: skip
    for name in keys:
        yield _timed(viewer, draw, Key(name.rpartition("+")[2], "shift" in name), Tick(16))
    viewer.take(Press(tracks.x + 5, tracks.y + 5))
    for x in range(tracks.x, tracks.right, max(1, tracks.width // 40)):
        yield _timed(viewer, draw, Move(x, tracks.y + 5), Tick(16))
    viewer.take(Release(tracks.right - 1, tracks.y + 5))
    for x in range(0, viewer.state.size[0], 40):
        yield _timed(viewer, draw, Move(x, (37 * x) % viewer.state.size[1]), Tick(16))


def _leaps(viewer: Viewer, draw: Callable[[], None], steps: int) -> Iterator[float]:
    """To random world steps of a long recording: the episode, again and again."""
    recording = viewer.model.runs[0].recording
    assert recording is not None
    viewer.model = _repeated(viewer.model, recording, steps)
    generator = np.random.default_rng(0)
    draw()
    for step in generator.integers(steps, size=200).tolist():
        viewer.state = replace(viewer.state, step=step, level=int(generator.integers(1, 4)))
        yield _timed(viewer, draw, Tick(0))


def _repeated(model: Model, recording: Recording, steps: int) -> Model:
    """The same run, so many steps long."""
    trail = recording.trail(recording.last)[1:]
    longer = Recording(recording.document(0), recording.observation(0))
    while longer.last < steps:
        moved = [replace(decision, step=decision.step + longer.last) for decision in recording.decisions]
        room = steps - longer.last
        longer.extend(trail[:room], [decision for decision in moved if decision.step <= steps])
    model.runs[0].recording = longer
    model.revision += 1
    return model


def _starts(count: int) -> Iterator[float]:
    """A process from its first instruction until its window has its first frame (and is closed again)."""
    command = [sys.executable, "scripts/view.py", "--seconds", "0.001"]
    for _ in range(count):
        begun = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        yield 1000 * (time.perf_counter() - begun)
