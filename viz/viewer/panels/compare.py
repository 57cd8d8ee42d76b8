"""Two configurations side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from viz.viewer.actions import ToggleCompare
from viz.viewer.document import COST, GUARDRAIL
from viz.viewer.keys import shortcut
from viz.viewer.layout import Rect
from viz.viewer.recording import Recording
from viz.viewer.widgets import Stage, bar, fill, number

Measure = Callable[[Recording, int], float]


class Line(NamedTuple):
    """One line of the table.

    Attributes:
        name: what it says.
        measure: of a recording at a world step; the less, the better.
    """

    name: str
    measure: Measure


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
    Line("steps", lambda recording, step: float(step)),
    Line("way, units", path_length),
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
    top, values = body.y + stage.unit(66), _values(stage)
    line = min(stage.unit(30), max(stage.small + 3, (body.bottom - top - 4) / len(LINES)))
    for place, ((name, _), pair) in enumerate(zip(LINES, values, strict=True)):
        if top + (place + 1) * line > body.bottom:
            break
        y = top + (place + 0.5) * line
        stage.text(name, body.x + 12, y, stage.look.muted, size=stage.small, room=names - 16)
        for column, value, other in zip(columns, pair, pair[::-1], strict=True):
            _cell(stage, column, y, line, value, other)


def _invite(stage: Stage, body: Rect) -> None:
    x, y = body.x + body.width / 2, body.y + body.height / 2
    key = shortcut(ToggleCompare())
    lines = ("One configuration is running.", f"Press {key} to run a second one beside it, on the same map.")
    for place, words in enumerate(lines):
        middle = y + (place - 0.5) * stage.unit(22)
        stage.text(words, x, middle, stage.look.muted, align="middle", room=body.width - 24)


def _heading(stage: Stage, run: int, column: Rect) -> None:
    """Which run, what plans in it, and how it fares."""
    look, setup, known = stage.look, stage.state.document.setups[run], stage.model.run(run)
    y, step = column.y + stage.unit(14), stage.unit(18)
    if run == stage.state.run:
        fill(stage.surface, Rect(column.x, column.y + 3, column.width, 2), look.accent)
    status = known.recording.status if known.recording is not None else "waiting for the agent"
    color = {"arrived": look.good, "running": look.ink}.get(status, look.alarm)
    width = stage.text("AB"[run], column.x, y, look.ink, bold=True)
    agent = "sees the map" if setup.agent == "map" else setup.agent
    stage.text(agent, column.x + width + 6, y, look.ink, room=column.width - width - 6)
    planners = " / ".join(reversed(setup.planners[: setup.levels]))
    stage.text(planners, column.x, y + step, look.muted, size=stage.small, room=column.width)
    stage.text(status, column.x, y + 2 * step, color, size=stage.small, bold=True, room=column.width)


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


def _cell(stage: Stage, column: Rect, y: float, line: float, value: float, other: float) -> None:
    if not np.isfinite(value):
        stage.text("–", column.x, y, stage.look.faint)
        return
    best = np.isfinite(other) and value < other
    color, weak = (stage.look.good, stage.look.good) if best else (stage.look.ink, stage.look.muted)
    stage.text(number(value), column.x, y - 2, color, size=stage.small, bold=best, room=column.width)
    if line >= stage.unit(20):
        most = max(value, other if np.isfinite(other) else 0.0)
        track = Rect(column.x, round(y + stage.small * 0.62), column.width, 3)
        bar(stage.surface, track, value / most if most > 0 else 0.0, weak, stage.look.line)
