"""The table of levels: a row for each, the coarsest on top."""

from __future__ import annotations

from planners.trace import LevelView
from viz.viewer.icons import icon
from viz.viewer.layout import Rect, level_rows
from viz.viewer.selected import facts, setup
from viz.viewer.stamps import shape_of, stamp
from viz.viewer.widgets import Stage, bar, fill, mix, number

WIDE_GAP = 4.0
"""World units between imagined and actual that fill the bar: a cell of the maze."""


def draw_levels(stage: Stage) -> None:
    """The table, for the selected run."""
    table, count = stage.layout.levels, setup(stage.state).levels
    rows = level_rows(stage.layout, count)
    if table.width < 40:
        return
    _heading(stage, Rect(table.x, table.y, table.width, rows[-1].y - table.y))
    views = [stage.recording.view(level, stage.step) if stage.recording else None for level in range(1, count + 1)]
    most = max((view.cost for view in views if view is not None), default=0.0)
    for level, (row, view) in enumerate(zip(rows, views, strict=True), 1):
        _row(stage, level, row, view, most)


def _heading(stage: Stage, rect: Rect) -> None:
    middle, look = rect.y + rect.height / 2, stage.look
    width = stage.text("Levels", rect.x + 12, middle, look.ink, bold=True, room=rect.width - 24)
    agent = setup(stage.state).agent
    told = "sees the map" if agent == "map" else "never sees the map"
    runs = 0 if len(stage.state.document.setups) == 1 else rect.width // 3
    room = rect.width - width - 36 - runs
    stage.text(told, rect.x + width + 22, middle, look.muted, size=stage.small, room=room)


def _row(stage: Stage, level: int, row: Rect, view: LevelView | None, most: float) -> None:
    look, hue = stage.look, stage.look.level(level)
    if level == stage.state.level:
        fill(stage.surface, row, mix(look.panel, hue, 0.13))
        fill(stage.surface, Rect(row.x, row.y, 3, row.height), hue)
    fill(stage.surface, Rect(row.x + 12, row.bottom - 1, row.width - 24, 1), look.line)
    upper, lower = row.y + 3 + min(row.height // 2 - 2, stage.unit(24)) / 2, row.bottom - row.height * 0.24
    style = look.theme.level(level)
    stamp(stage.surface, (row.x + 20, upper), shape_of(style), stage.unit(5), hue, look.panel)
    left, right = row.x + 33, row.right - row.width * 38 // 100 - stage.unit(60) - 14
    size = min(stage.layout.text, int(0.4 * row.height))
    width = stage.text(f"Level {level}", left, upper, look.ink, size=size, bold=True, room=right - left)
    if view is not None and view.pinned:
        icon(stage.surface, "subgoal", left + width + stage.unit(14), upper, stage.unit(13), look.ink)
    if view is None:
        stage.text("no plan yet", left, lower, look.faint, size=_small(stage, row), room=row.right - left - 12)
    else:
        _figures(stage, level, Rect(left, round(lower), row.right - 12 - left, row.height), view, most)


def _small(stage: Stage, row: Rect) -> int:
    """Size of secondary text in a row, which may be low in a small window."""
    return max(6, min(stage.small, int(0.28 * row.height)))


def _reach(stage: Stage, level: int, view: LevelView) -> str:
    """How many predictions the plan has ahead, and how far each of them goes."""
    known, ahead = facts(stage.state, stage.model, level), max(0, len(view.plan) - 1)
    if known is None:
        return f"{ahead} ahead"
    return f"{ahead} × {known.stride} step{'' if known.stride == 1 else 's'}"


def _ahead(stage: Stage, view: LevelView) -> float:
    """How much of the plan is still to come, as a share of its time; 1 when it is new."""
    decision = stage.recording.decision(stage.step) if stage.recording is not None else None
    if decision is None or len(view.arrival) == 0:
        return 0.0 if view.age else 1.0
    left = max(0.0, float(view.arrival[-1]) - (stage.step - decision.step))
    return left / (left + view.age) if left + view.age > 0 else 1.0


def _figures(stage: Stage, level: int, line: Rect, view: LevelView, most: float) -> None:
    """Reach, energy, age of the plan, and gap, in columns; the last three with a bar below."""
    look = stage.look
    assert stage.recording is not None
    size = _small(stage, line)
    gap, hue = stage.recording.gap(level, stage.step), look.level(level)
    fresh = _ahead(stage, view)
    cells = (
        ("energy", number(view.cost), view.cost / most if most > 0 else 0.0, hue),
        ("age", f"{view.age}", fresh, mix(look.line, hue, 0.35 + 0.65 * fresh)),
        ("gap", f"{gap:.1f}", gap / WIDE_GAP, look.alarm if gap > WIDE_GAP / 2 else look.muted),
    )
    wide = line.width / (len(cells) + 1.15)
    stage.text(_reach(stage, level, view), line.x, line.y - 2, look.muted, size=size, room=1.15 * wide - 8)
    for place, (name, figure, share, color) in enumerate(cells):
        x, room = round(line.x + (place + 1.15) * wide), round(wide) - 10
        width = stage.text(figure, x + room, line.y - 2, look.ink, size=size, align="right", room=room)
        stage.text(name, x, line.y - 2, look.muted, size=size, room=room - width - 4)
        bar(stage.surface, Rect(x, line.y + size // 2, room, 3), share, color, look.line)
