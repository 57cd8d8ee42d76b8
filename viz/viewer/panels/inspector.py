"""What is under the pointer: a place on the map, or a control."""

from __future__ import annotations

import numpy as np

from viz.viewer.charts import time_span, x_to_time
from viz.viewer.controls.control import Control
from viz.viewer.document import COST, GUARDRAIL, Document, Point
from viz.viewer.keys import shortcut
from viz.viewer.layout import Rect, projections
from viz.viewer.marks import shown_document, shown_views
from viz.viewer.messages import Field, FieldName
from viz.viewer.paint import panel
from viz.viewer.panels.glyphs import KINDS, glyph
from viz.viewer.selected import facts
from viz.viewer.stamps import shape_of, stamp
from viz.viewer.widgets import Stage, fill, number, wrapped
from worlds.maps import ENTRANCE, EXIT, WALL

CELLS = {WALL: "wall", ENTRANCE: "portal entrance", EXIT: "portal exit"}
ZONES = {COST: "dear place", GUARDRAIL: "guardrail"}
NEAR = 1.5
"""World units within which a level's predicted state counts as under the pointer."""


def draw_inspector(stage: Stage, control: Control | None) -> None:
    """The panel; ``control`` is the one under the pointer, if any."""
    rect, look = stage.layout.inspector, stage.look
    if rect.width < 40:
        return
    panel(stage.surface, rect, look.panel, 0)
    fill(stage.surface, Rect(rect.x, rect.y, rect.width, 1), look.line)
    place = place_under_pointer(stage)
    if place is not None:
        _facts(stage, rect, *place)
    elif control is not None and control.id == "tracks":
        _legend(stage, rect)
    elif control is not None and control.tooltip:
        key = shortcut(control.action)
        _lines(stage, rect, control.label or "Control", [("", control.tooltip), *([("key", key)] if key else [])])
    else:
        _legend(stage, rect)


def _legend(stage: Stage, rect: Rect) -> None:
    """What the shapes on the time line mean; where the pointer is on it, what happened there."""
    look, size = stage.look, stage.unit(4.5)
    title = _moment(stage) or "Point at the map to look closer"
    stage.text(title, rect.x + 12, rect.y + stage.unit(16), look.ink, bold=True, room=rect.width - 24)
    wide, step = (rect.width - 24) / 2, stage.unit(20)
    for place, (kind, words) in enumerate(KINDS.items()):
        x, y = rect.x + 12 + place % 2 * wide, rect.y + stage.unit(40) + place // 2 * step
        if y + stage.small > rect.bottom:
            return
        glyph(stage.surface, kind, x + size, y, size, look)
        stage.text(words, x + 2 * size + 8, y, look.muted, size=stage.small, room=wide - 2 * size - 12)


def _moment(stage: Stage) -> str:
    """The world step under the pointer on the time line, and what happened around it."""
    area, pointer, last = stage.layout.tracks, stage.state.pointer, stage.model.last
    if pointer is None or not area.contains(*pointer):
        return ""
    step = x_to_time(pointer[0], area, last)
    nearby = 6 * time_span(last) / max(1, area.width)
    marks = stage.recording.marks if stage.recording is not None else []
    close = [mark for mark in marks if abs(mark.step - step) <= nearby and mark.kind in KINDS]
    happened = [KINDS[mark.kind] + (f", level {mark.level}" if mark.level else "") for mark in close]
    return f"Step {step}" + "".join(f" · {words}" for words in dict.fromkeys(happened))


def place_under_pointer(stage: Stage) -> tuple[int, Point] | None:
    """The map pane under the pointer, and the world position there; None if there is none."""
    if stage.state.pointer is None or stage.state.help:
        return None
    for run, pane in enumerate(projections(stage.state, stage.layout)):
        if pane.rect.contains(*stage.state.pointer):
            return run, pane.world(*stage.state.pointer)
    return None


def _facts(stage: Stage, rect: Rect, run: int, place: Point) -> None:
    document = shown_document(stage.state, stage.model, run)
    row, column = document.map.cell_of(place).tolist()
    rows, columns = document.map.shape
    if not (0 <= row < rows and 0 <= column < columns):
        _lines(stage, rect, "Beyond the map", [])
        return
    level = stage.state.level
    what = CELLS.get(int(document.map.cells[row, column]), "floor")
    zone = ZONES.get(int(document.zones.cells[row, column]), "")
    lines = [
        ("place", f"x {place[0]:.1f}  y {place[1]:.1f}   cell {row}, {column}"),
        ("to the goal", _sampled(stage, run, "heat", document, place, f"steps, as level {level} sees it")),
        ("unfamiliar", _sampled(stage, run, "unfamiliar", document, place, "steps from what it remembers")),
        ("landmark", _landmark(stage, place)),
    ]
    title = f"{what}, {zone}" if zone else what
    _lines(stage, rect, title.capitalize(), [line for line in lines if line[1]])
    _planned(stage, rect, run, place)


def _lines(stage: Stage, rect: Rect, title: str, lines: list[tuple[str, str]]) -> None:
    """A title and lines of (name, value), as many as fit; a value without a name is a text of several lines."""
    look, step = stage.look, stage.unit(20)
    stage.text(title, rect.x + 12, rect.y + stage.unit(16), look.ink, bold=True, room=rect.width - 24)
    names, y = stage.unit(88), rect.y + stage.unit(38)
    for name, value in lines:
        left = rect.x + 12 + (names if name else 0)
        stage.text(name, rect.x + 12, y, look.muted, size=stage.small, room=names - 6)
        room = rect.right - 12 - left
        for part in [value] if name else wrapped(value, stage.small, room):
            if y + stage.small / 2 < rect.bottom:
                stage.text(part, left, y, look.ink, size=stage.small, room=room)
            y += step


def _sampled(stage: Stage, run: int, name: FieldName, document: Document, place: Point, unit: str) -> str:
    field = stage.model.run(run).field(name, stage.state.level, document)
    value = sample(field, place) if field is not None else float("nan")
    return f"{number(value)} {unit}" if np.isfinite(value) else ""


def sample(field: Field, place: Point) -> float:
    """A field's value at the nearest sample; world steps."""
    row, column = (int(np.argmin(np.abs(axis - at))) for axis, at in ((field.y, place[1]), (field.x, place[0])))
    return float(field.steps[row, column])


def _landmark(stage: Stage, place: Point) -> str:
    known = facts(stage.state, stage.model)
    if known is None or len(known.places) == 0:
        return ""
    away = np.linalg.norm(known.places - np.array(place, np.float32), axis=1)
    nearest = int(np.argmin(away))
    return f"number {nearest} of {len(away)}, {away[nearest]:.1f} units away"


def _planned(stage: Stage, rect: Rect, run: int, place: Point) -> None:
    """The levels that plan to come by, and when, at the right of the title."""
    x = rect.right - 14
    for level, view in enumerate(shown_views(stage.state, stage.model, run), 1):
        away = np.linalg.norm(view.plan - np.array(place, np.float32), axis=1)
        if len(away) == 0 or away.min() > NEAR:
            continue
        state = int(np.argmin(away))
        when = f"in {float(view.arrival[state]):.0f}" if state < len(view.arrival) else f"state {state}"
        y, style = rect.y + stage.unit(16), stage.look.theme.level(level)
        x -= stage.text(when, x, y, stage.look.ink, size=stage.small, align="right") + stage.unit(9)
        stamp(stage.surface, (x, y), shape_of(style), stage.unit(4), style.color, stage.look.panel)
        x -= stage.unit(14)
        if x < rect.x + rect.width // 2:
            return
