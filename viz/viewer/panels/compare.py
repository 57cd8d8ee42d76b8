"""Two configurations side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from viz.viewer.actions import ToggleCompare
from viz.viewer.document import COST, GUARDRAIL
from viz.viewer.keys import shortcut
from viz.viewer.layout import Rect
from viz.viewer.names import planner_label
from viz.viewer.recording import Recording
from viz.viewer.widgets import Stage, bar, fill, number

Measure = Callable[[Recording, int], float]


class Line(NamedTuple):
    """One line of the table.

    Attributes:
        name: what it says.
        measure: of a recording at a world step; the less, the better.
        final: whether that can be said only once both have arrived.
    """

    name: str
    measure: Measure
    final: bool = False


def path_length(recording: Recording, step: int) -> float:
    """World units travelled by a world step."""
    return float(np.linalg.norm(np.diff(recording.trail(step), axis=0), axis=1).sum())


def steps_in(zone: int) -> Measure:
    """World steps spent in zones of a kind, as painted at that world step."""

    def measure(recording: Recording, step: int) -> float:
        document = recording.document(step)
        cells = document.map.cell_of(recording.trail(step))
        rows, columns = document.map.shape
        row, column = np.clip(cells[:, 0], 0, rows - 1), np.clip(cells[:, 1], 0, columns - 1)
        return float(np.sum(document.zones.cells[row, column] == zone))

    return measure


def energy_left(recording: Recording, step: int) -> float:
    """Energy of the coarsest level's plan; world steps."""
    decision = recording.decision(step)
    return decision.levels[-1].cost if decision is not None and decision.levels else 0.0


LINES = (
    Line("steps", lambda recording, step: float(step), final=True),
    Line("way, units", path_length, final=True),
    Line("energy left", energy_left),
    Line("in dear places", steps_in(COST)),
    Line("in guardrails", steps_in(GUARDRAIL)),
    Line("predictor calls", lambda recording, step: float(recording.calls)),
    Line("ms per decision", lambda recording, step: 1000 * recording.seconds / max(1, len(recording.decisions))),
)


def draw_compare(stage: Stage, body: Rect) -> None:
    """The panel: a column for each run, with bars; the better figure is bold."""
    if len(stage.state.document.setups) < 2:
        _invite(stage, body)
        return
    names, wide = round(0.3 * body.width), round(0.35 * body.width) - 8
    columns = [Rect(body.x + names + run * (wide + 6), body.y, wide, body.height) for run in range(2)]
    for run, column in enumerate(columns):
        _heading(stage, run, column)
    top = _planners(stage, body.x + 12, columns) + 2
    decided = all(_status(stage, run) == "arrived" for run in range(2))
    line = min(stage.unit(30), max(stage.small + 3, (body.bottom - top - 4) / len(LINES)))
    for place, (row, pair) in enumerate(zip(LINES, _values(stage), strict=True)):
        if top + (place + 1) * line > body.bottom:
            break
        y = top + (place + 0.5) * line
        stage.text(row.name, body.x + 12, y, stage.look.muted, size=stage.small, room=names - 16)
        for column, value, other in zip(columns, pair, pair[::-1], strict=True):
            _cell(stage, Rect(column.x, round(y), column.width, round(line)), value, other, decided or not row.final)


def _invite(stage: Stage, body: Rect) -> None:
    x, y = body.x + body.width / 2, body.y + body.height / 2
    key = shortcut(ToggleCompare())
    lines = ("One configuration is running.", f"Press {key} to run a second one beside it, on the same map.")
    for place, words in enumerate(lines):
        middle = y + (place - 0.5) * stage.unit(22)
        stage.text(words, x, middle, stage.look.muted, align="middle", room=body.width - 24)


def _heading(stage: Stage, run: int, column: Rect) -> None:
    """Which run, what plans in it, and how it fares."""
    look, setup, status = stage.look, stage.state.document.setups[run], _status(stage, run)
    y, step = column.y + stage.unit(14), stage.unit(18)
    if run == stage.state.run:
        fill(stage.surface, Rect(column.x, column.y + 3, column.width, 2), look.accent)
    color = {"arrived": look.good, "running": look.ink}.get(status, look.alarm)
    width = stage.text("AB"[run], column.x, y, look.ink, bold=True)
    agent = "sees the map" if setup.agent == "map" else setup.agent
    stage.text(agent, column.x + width + 6, y, look.ink, room=column.width - width - 6)
    stage.text(status, column.x, y + step, color, size=stage.small, bold=True, room=column.width)


def _status(stage: Stage, run: int) -> str:
    """How a run fares at the world step shown."""
    recording = stage.model.run(run).recording
    if recording is None:
        return "waiting for the agent"
    return recording.status if stage.state.step >= recording.last else "running"


def _planners(stage: Stage, left: int, columns: list[Rect]) -> int:
    """What plans at every level, the coarsest on top; returns where that ends."""
    setups, line = stage.state.document.setups, stage.unit(16)
    levels, y = max(setup.levels for setup in setups), columns[0].y + stage.unit(50)
    for level in range(levels, 0, -1):
        hue, room = stage.look.level(level), columns[0].x - left - 4
        stage.text(f"level {level}", left, y, hue, size=stage.small, room=room)
        for setup, column in zip(setups, columns, strict=True):
            name = setup.planners[level - 1] if level <= min(setup.levels, len(setup.planners)) else "–"
            stage.text(planner_label(name), column.x, y, stage.look.ink, size=stage.small, room=column.width)
        y += line
    return y - line // 2


def _values(stage: Stage) -> list[tuple[float, float]]:
    """Each line's figures of both runs at the world step shown; NaN where a run hasn't begun."""
    recordings = [stage.model.run(run).recording for run in (0, 1)]
    key = tuple(
        (r, min(stage.state.step, r.last), r.calls, r.seconds, len(r.marks)) if r is not None else None
        for r in recordings
    )

    def measured() -> list[tuple[float, float]]:
        steps = [min(stage.state.step, r.last) if r is not None else 0 for r in recordings]
        pairs = list(zip(recordings, steps, strict=True))
        return [
            tuple(line.measure(r, step) if r is not None else float("nan") for r, step in pairs)  # type: ignore[misc]
            for line in LINES
        ]

    values: list[tuple[float, float]] = stage.store.kept("compare", key, measured)
    return values


def _cell(stage: Stage, place: Rect, value: float, other: float, comparable: bool) -> None:
    """One figure and its bar, around ``place.y``."""
    if not np.isfinite(value):
        stage.text("–", place.x, place.y, stage.look.faint)
        return
    best = comparable and np.isfinite(other) and value < other
    color, weak = (stage.look.good, stage.look.good) if best else (stage.look.ink, stage.look.muted)
    stage.text(number(value), place.x, place.y - 2, color, size=stage.small, bold=best, room=place.width)
    if place.height >= stage.unit(20):
        most = max(value, other if np.isfinite(other) else 0.0)
        track = Rect(place.x, round(place.y + stage.small * 0.62), place.width, 3)
        bar(stage.surface, track, value / most if most > 0 else 0.0, weak, stage.look.line)
