"""The time line: every level's plans as they age, what happened, the gap to what was imagined, and the rounds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pygame

from viz.theme import rgb255
from viz.viewer.charts import time_span, time_to_x, x_to_time
from viz.viewer.layout import Rect
from viz.viewer.lettering import text_width
from viz.viewer.paint import image, panel
from viz.viewer.panels.glyphs import glyph, spots
from viz.viewer.panels.plots import Array, nice, peaks, play_head
from viz.viewer.recording import Recording
from viz.viewer.selected import rounds, setup
from viz.viewer.widgets import Stage, bar, fill, mix, number

OLD = 0.22
"""How much of a level's hue is left of a plan that is old."""
APART = 9
"""Pixels within which marks of one kind are drawn as one."""


class Track(NamedTuple):
    """One row of the time line.

    Attributes:
        name: at its left.
        level: whose; 0 where it is nobody's.
        rect: where; pixels of the screen.
    """

    name: str
    level: int
    rect: Rect


def tracks(stage: Stage) -> list[Track]:
    """A row for every level, the coarsest on top; below them the gap, and the axis."""
    area, levels = stage.layout.tracks, setup(stage.state).levels
    axis = min(stage.unit(13), area.height // 4)
    shares = [1.0] * levels + [1.5]
    heights = np.cumsum([0.0, *shares]) / sum(shares) * (area.height - axis)
    names = [*(f"Level {level}" for level in range(levels, 0, -1)), "Gap"]
    owners = [*range(levels, 0, -1), 0]
    return [
        Track(name, level, Rect(area.x, area.y + round(top), area.width, max(1, round(bottom) - round(top) - 2)))
        for name, level, top, bottom in zip(names, owners, heights, heights[1:], strict=False)
    ]


def draw_timeline(stage: Stage) -> None:
    """Tracks, play head, status and rounds, for the selected run."""
    bar_, area, look = stage.layout.timeline, stage.layout.tracks, stage.look
    fill(stage.surface, bar_, look.panel)
    fill(stage.surface, Rect(bar_.x, bar_.y, bar_.width, 1), look.line)
    if area.width < 20 or area.height < 20:
        return
    rows = tracks(stage)
    for row in rows:
        _name(stage, row)
    key = (*_revision(stage), stage.state.level, stage.layout.timeline, stage.layout.text, look, len(rows))
    picture = stage.store.kept("timeline", key, lambda: _picture(stage, rows))
    stage.surface.blit(picture, (area.x - 8, area.y))
    _rounds(stage)
    _status(stage)
    _hover(stage, rows)
    play_head(stage, float(time_to_x(stage.state.step, area, stage.model.last)), area.y - 3, rows[-1].rect.bottom)


def _revision(stage: Stage) -> tuple[object, ...]:
    recording = stage.recording
    if recording is None:
        return (None, stage.model.last)
    return recording, recording.last, len(recording.decisions), len(recording.marks), stage.model.last


def _name(stage: Stage, row: Track) -> None:
    chosen = row.level == stage.state.level
    color = stage.look.level(row.level) if row.level else stage.look.muted
    middle, room = row.rect.y + row.rect.height / 2, row.rect.x - 20
    size = min(stage.small, row.rect.height + 3)
    stage.text(row.name, row.rect.x - 10, middle, color, size=size, bold=chosen, align="right", room=room)


def _picture(stage: Stage, rows: list[Track]) -> pygame.Surface:
    """Everything but the play head, from 8 pixels left of the tracks to 8 pixels right of them."""
    area = stage.layout.tracks
    surface = pygame.Surface((area.width + 16, area.height))
    surface.fill(rgb255(stage.look.panel))
    local = [row._replace(rect=row.rect._replace(x=8, y=row.rect.y - area.y)) for row in rows]
    drawn = stage.on(surface)
    span = time_span(stage.model.last)
    for row in local:
        panel(surface, row.rect, mix(stage.look.panel, stage.look.ink, 0.035), 3)
    if stage.recording is not None:
        for row in local[:-1]:
            _plans(drawn, row, stage.recording, span)
        _gap(drawn, local[-1].rect, stage.recording, span)
        _marks(drawn, local, stage.recording)
    _axis(drawn, Rect(8, 0, area.width, area.height), span)
    return surface


def _plans(stage: Stage, row: Track, recording: Recording, span: int) -> None:
    """Plans in the level's hue: bright where they are new, fading as they age."""
    starts = stage.store.history(recording, row.level).starts
    if len(starts) == 0 or row.rect.width < 1:
        return
    freshness = _freshness(starts, row.rect.width, span, recording.last)
    hue, ground = (np.array(rgb255(color), np.float32) for color in (stage.look.level(row.level), stage.look.panel))
    share = np.where(freshness >= 0, OLD + (1 - OLD) * freshness, 0.04)[:, None]
    colors = ground + (hue - ground) * share
    inset = 1 + row.rect.height // 6
    height = max(1, row.rect.height - 2 * inset)
    strip = image(np.broadcast_to(colors, (height, *colors.shape)), np.ones((height, len(colors)), np.float32))
    stage.surface.blit(strip, (row.rect.x, row.rect.y + inset))


def _freshness(starts: Array, width: int, span: int, last: int) -> Array:
    """[w] how new a level's plan is in each pixel column: 1 just made, 0 as old as they get; -1 before the first."""
    count = min(width, int(last / span * width) + 1)
    ends = (np.arange(count) + 1) * span / width
    newest = np.searchsorted(starts, ends, side="left") - 1
    lasting = max(1.0, float(np.diff(starts, append=max(last, starts[-1])).max()))
    age = np.arange(count) * span / width - starts[np.maximum(newest, 0)]
    return np.where(newest >= 0, 1 - np.clip(age / lasting, 0, 1), -1.0)


def _gap(stage: Stage, rect: Rect, recording: Recording, span: int) -> None:
    """How far each level's imagination was from where the agent was: the selected level's as an area."""
    curves = [
        peaks(stage.store.history(recording, level).gap, rect.width, span) for level in range(1, recording.levels + 1)
    ]
    top = nice(max((float(curve.max(initial=0.0)) for curve in curves), default=0.0))
    chosen = min(stage.state.level, len(curves))
    for level in sorted(range(1, len(curves) + 1), key=lambda level: level == chosen):  # the selected one on top
        hue, curve = stage.look.level(level), curves[level - 1]
        y = rect.bottom - 1 - curve / top * (rect.height - 3)
        line = list(zip((rect.x + np.arange(len(curve))).tolist(), y.tolist(), strict=True))
        if level == chosen:
            corners = [(rect.x, rect.bottom), *line, (rect.x + len(line), rect.bottom)]
            pygame.draw.polygon(stage.surface, rgb255(mix(stage.look.panel, hue, 0.3)), corners)
        if len(line) > 1:
            color = hue if level == chosen else mix(stage.look.panel, hue, 0.55)
            pygame.draw.aalines(stage.surface, rgb255(color), False, line)
    label = f"{number(top)} units"
    stage.text(label, rect.right - 4, rect.y + stage.small * 0.6, stage.look.muted, size=stage.small, align="right")


def _marks(stage: Stage, rows: list[Track], recording: Recording) -> None:
    """What happened, on the track of its level; what is nobody's, on the gap's."""
    places = {row.level: row.rect for row in rows}
    left, scale = rows[0].rect.x, rows[0].rect.width / time_span(stage.model.last)
    for mark, x in spots(recording.marks, left, scale, APART):
        rect = places.get(mark.level)
        if rect is not None:
            size = min(stage.unit(4.5), rect.height / 2)
            glyph(stage.surface, mark.kind, x, rect.y + rect.height / 2, size, stage.look)


def _axis(stage: Stage, rect: Rect, span: int) -> None:
    for part in range(6):
        x = rect.x + part / 5 * rect.width
        align = "left" if part == 0 else "right" if part == 5 else "middle"
        label = f"{span * part // 5}" + (" steps" if part == 5 else "")
        stage.text(label, x, rect.bottom - stage.small * 0.55, stage.look.muted, size=stage.small, align=align)  # type: ignore[arg-type]


def _rounds(stage: Stage) -> None:
    """The planner's rounds within the present decision: a cell for each, filled up to the one shown."""
    rect, count, look = stage.layout.rounds, rounds(stage.state, stage.model), stage.look
    if rect.width < 80 or rect.height < 6:
        return
    shown = count - 1 if stage.state.round is None else min(stage.state.round, count - 1)
    words = f"round {shown + 1} of {count}" if count else "no rounds recorded"
    middle, hue = rect.y + rect.height / 2, look.level(stage.state.level)
    if count > 1 and rect.width / count >= 5:
        for number_ in range(count):
            left, right = (rect.x + round(rect.width * (number_ + side) / count) for side in (0, 1))
            color = hue if number_ == shown else mix(look.line, hue, 0.45 if number_ < shown else 0.0)
            panel(stage.surface, Rect(left, rect.bottom - 7, right - left - 2, 7), color, 2)
    else:
        share = (shown + 1) / count if count else 0.0
        bar(stage.surface, Rect(rect.x, rect.bottom - 7, rect.width, 7), share, hue, look.line)
    stage.text(words, rect.right, middle - 6, look.muted, size=stage.small, align="right", room=rect.width - 8)


def _status(stage: Stage) -> None:
    """World step, and what the run is doing, between the buttons and the rounds."""
    state, look = stage.state, stage.look
    left = stage.layout.timeline.x + 8 + 5 * (min(stage.unit(34), stage.layout.timeline.width // 20) + 3) * 2 + 30
    room = stage.layout.rounds.x - 12 - left
    middle = (stage.layout.timeline.y + stage.layout.tracks.y) / 2
    if room < 40:
        return
    width = stage.text(f"{state.step}", left, middle, look.ink, size=stage.unit(15), bold=True, room=room)
    stage.text(f" / {stage.model.last}   {_doing(stage)}", left + width, middle, look.muted, room=room - width)


def _doing(stage: Stage) -> str:
    recording = stage.recording
    if recording is None:
        return "waiting for the agent"
    where = "live" if stage.state.following and stage.state.step >= stage.model.last else "replay"
    spent = 1000 * recording.seconds / max(1, len(recording.decisions))
    status = where if recording.status == "running" else recording.status
    return f"{status} · {number(spent)} ms per decision"


def _hover(stage: Stage, rows: list[Track]) -> None:
    """The world step under the pointer."""
    area, pointer = stage.layout.tracks, stage.state.pointer
    if pointer is None or not area.contains(*pointer):
        return
    step = x_to_time(pointer[0], area, stage.model.last)
    x = round(float(time_to_x(step, area, stage.model.last)))
    fill(stage.surface, Rect(x, area.y, 1, rows[-1].rect.bottom - area.y), stage.look.muted)
    width, height = text_width(f"{step}", stage.small) + 10, stage.small + 6
    left = min(max(area.x, x - width // 2), area.right - width)
    panel(stage.surface, Rect(left, area.y - height - 1, width, height), stage.look.lit, 4)
    stage.text(f"{step}", left + 5, area.y - height / 2 - 1, stage.look.ink, size=stage.small)
