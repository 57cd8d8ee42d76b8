"""The energy by term over world time, and over the planner's rounds within the present decision."""

from __future__ import annotations

import numpy as np
import pygame

from planners.trace import Expansion, LevelView, Round, Tree, Work
from viz.theme import rgb255
from viz.viewer.charts import energy_rects, time_span, time_to_x
from viz.viewer.layout import Rect
from viz.viewer.names import planner_label
from viz.viewer.paint import polyline
from viz.viewer.panels.glyphs import glyph, spots
from viz.viewer.panels.history import History
from viz.viewer.panels.plots import columns, grid, nice, play_head, stacked, swatch, tones
from viz.viewer.recording import Recording
from viz.viewer.selected import made, rounds, tree, work
from viz.viewer.stamps import DISC, stamp
from viz.viewer.widgets import Stage, fill, mix, number

TROUBLE = ("rejected", "guardrail", "surprise")


def draw_energy(stage: Stage, body: Rect) -> None:
    """The panel, for the selected level of the selected run."""
    upper, lower = energy_rects(body)
    recording = stage.recording
    if upper.width < 20:
        return
    if recording is None or not recording.decisions:
        stage.text("No plan yet.", body.x + 12, body.y + body.height // 2, stage.look.muted, room=body.width - 24)
        return
    if upper.height < stage.unit(36):  # no room for two charts
        upper, lower = upper._replace(height=max(1, body.bottom - upper.y - 2 * stage.small)), lower._replace(height=0)
    _over_time(stage, body, upper, recording)
    if lower.height:
        _over_rounds(stage, body, lower)


# --- over world time -----------------------------------------------------------------------------------------------


def _over_time(stage: Stage, body: Rect, plot: Rect, recording: Recording) -> None:
    level, last = stage.state.level, stage.model.last
    history = stage.store.history(recording, level)
    key = (recording, recording.last, len(recording.decisions), last, level, plot, stage.look, stage.layout.text)
    picture = stage.store.kept("energy", key, lambda: _time_picture(stage, body, plot, history, recording))
    stage.surface.blit(picture, (body.x, plot.y - 8))
    _legend(stage, body, plot, history, recording.view(level, stage.step))
    play_head(stage, float(time_to_x(stage.step, plot, last)), plot.y - 4, plot.bottom)


def _time_picture(stage: Stage, body: Rect, plot: Rect, history: History, recording: Recording) -> pygame.Surface:
    """The chart without its play head, from 8 pixels above the plot to the numbers below it."""
    surface = pygame.Surface((body.width, plot.height + 8 + 2 * stage.small))
    surface.fill(stage.look.panel)
    chart, inner = stage.on(surface), Rect(plot.x - body.x, 8, plot.width, plot.height)
    span, terms = time_span(stage.model.last), history.terms
    total = np.sum(list(terms.values()), axis=0) if terms else np.zeros(len(history.steps))
    top = nice(float(total.max(initial=0.0)))
    grid(chart, inner, top)
    if len(terms) and len(total):
        shown = columns(history.steps, total, inner.width, span, recording.last)
        heights = np.where(shown >= 0, np.stack(list(terms.values()))[:, shown], 0.0) / top * (inner.height - 1)
        edges = np.concatenate([np.zeros((1, len(shown))), np.cumsum(heights, 0)])
        hue = stage.look.level(history.level)
        surface.blit(stacked(edges, tones(stage.look, hue, len(terms)), inner.height, stage.look.panel), inner[:2])
        line = np.stack([inner.x + np.arange(len(shown)), inner.bottom - 1 - edges[-1]], 1)[shown >= 0].tolist()
        if len(line) > 1:
            pygame.draw.aalines(surface, rgb255(mix(hue, stage.look.ink, 0.2)), False, line)
    _trouble(chart, inner, recording)
    if energy_rects(body)[1].y - plot.bottom >= 2.4 * stage.small:
        _steps_axis(chart, inner, span)
    return surface


def _trouble(stage: Stage, plot: Rect, recording: Recording) -> None:
    """What went wrong at this level, as in the time line, along the top."""
    mine = (mark for mark in recording.marks if mark.level == stage.state.level and mark.kind in TROUBLE)
    for mark, x in spots(mine, plot.x, plot.width / time_span(stage.model.last), 9):
        glyph(stage.surface, mark.kind, x, plot.y + 4, stage.unit(4), stage.look)


def _steps_axis(stage: Stage, plot: Rect, span: int) -> None:
    for share, align in ((0.0, "left"), (0.5, "middle"), (1.0, "right")):
        label = f"{round(span * share)}" + (" steps" if share == 1.0 else "")
        x = plot.x + share * plot.width
        stage.text(label, x, plot.bottom + stage.unit(9), stage.look.muted, size=stage.small, align=align)  # type: ignore[arg-type]


def _legend(stage: Stage, body: Rect, plot: Rect, history: History, view: LevelView | None) -> None:
    """The terms of the present plan, and their sum."""
    y, x, names = max((body.y + plot.y - 8) // 2 + 1, body.y + 7), body.x + 12, list(history.terms)
    total = f"{number(view.cost)} steps" if view is not None else "–"
    right = body.right - 12 - stage.text(total, body.right - 12, y, stage.look.ink, bold=True, align="right") - 10
    size = stage.unit(9)
    for place, name in enumerate(names):
        if right - x < 3 * size:
            return
        sample = swatch(stage.look, stage.look.level(history.level), place, len(names), size)
        stage.surface.blit(sample, (x, y - size // 2))
        x += size + 4
        value = view.terms.get(name, 0.0) if view is not None else 0.0
        x += stage.text(f"{name} {number(value)}", x, y, stage.look.muted, size=stage.small, room=right - x) + 10


# --- over the planner's rounds -------------------------------------------------------------------------------------


def _over_rounds(stage: Stage, body: Rect, plot: Rect) -> None:
    items, count = work(stage.state, stage.model), rounds(stage.state, stage.model)
    shown = count - 1 if stage.state.round is None else min(stage.state.round, count - 1)
    y = plot.y - stage.unit(13)
    if count == 0:
        stage.text("How this plan was found was not recorded.", body.x + 12, y, stage.look.muted, room=body.width - 24)
        return
    decision = made(stage.state, stage.model)
    name = decision.levels[stage.state.level - 1].planner if decision is not None else ""
    title = _title(planner_label(name), items, count, shown)
    stage.text(title, body.x + 12, y, stage.look.muted, size=stage.small, room=body.width - 24)
    optimised = [item for item in items if isinstance(item, Round)]
    searched = [item for item in items if isinstance(item, Expansion)]
    if optimised:
        _costs(stage, plot, optimised)
    elif searched:
        _distances(stage, plot, np.concatenate([item.places for item in searched]))
    else:
        shown_tree = tree(stage.state, stage.model)
        assert shown_tree is not None
        _root(stage, plot, shown_tree)
        return
    x = plot.x + (shown + 0.5) / count * plot.width
    play_head(stage, x, plot.y - 4, plot.bottom)


def _title(planner: str, items: tuple[Work, ...], count: int, shown: int) -> str:
    last = items[-1]
    if isinstance(last, Tree):
        return f"{planner}: {int(last.visits[0])} simulations; N of the first moves, and Q"
    if isinstance(last, Expansion):
        return f"{planner}: place {shown + 1} of {count} looked at; how far from the goal"
    item = items[min(shown, len(items) - 1)]
    best = f", best {number(float(item.costs[0]))}" if isinstance(item, Round) and len(item.costs) else ""
    return f"{planner}: round {shown + 1} of {count}{best}; best, elite and worst costs"


def _costs(stage: Stage, plot: Rect, items: list[Round]) -> None:
    """The best candidate of every round as a line; from the best to the worst, and the elite, as bars."""
    costs = np.array([_range(item) for item in items])
    top = nice(float(costs.max(initial=0.0)))
    grid(stage, plot, top)
    x = plot.x + (np.arange(len(items)) + 0.5) / len(items) * plot.width
    y = [plot.bottom - 1 - np.clip(values / top, 0, 1) * (plot.height - 1) for values in costs.T]
    hue = stage.look.level(stage.state.level)
    wide = min(14.0, 0.5 * plot.width / len(items))
    for high, width, share in ((y[2], wide / 2, 0.35), (y[1], wide, 0.65)):
        for left, top_, bottom in zip(x - width / 2, high, y[0], strict=True):
            place = Rect(round(left), round(top_), max(1, round(width)), max(1, round(bottom - top_)))
            fill(stage.surface, place, mix(stage.look.panel, hue, share))
    polyline(stage.surface, np.stack([x, y[0]], 1), stage.look.ink, 1.5)
    stamp(stage.surface, np.stack([x, y[0]], 1), DISC, 2.6, stage.look.ink, stage.look.panel)


def _range(item: Round) -> tuple[float, float, float]:
    """The best, the elite's worst, and the worst cost of a round; those that are no numbers don't count."""
    costs = item.costs[np.isfinite(item.costs)]
    if len(costs) == 0:
        return 0.0, 0.0, 0.0
    return float(costs[0]), float(costs[max(0, min(item.elites, len(costs)) - 1)]), float(costs[-1])


def _distances(stage: Stage, plot: Rect, places: np.ndarray) -> None:
    """How far from the goal each place is that a search looked at, in the order in which it did."""
    away = np.linalg.norm(places - np.array(stage.state.document.goal), axis=1)
    top = nice(float(away.max(initial=0.0)))
    grid(stage, plot, top)
    x = plot.x + (np.arange(len(away)) + 0.5) / len(away) * plot.width
    line = np.stack([x, plot.bottom - 1 - away / top * (plot.height - 1)], 1)
    polyline(stage.surface, line, stage.look.level(stage.state.level), 1.5)


def _root(stage: Stage, plot: Rect, grown: Tree) -> None:
    """Visits and values of the moves that the search chose between, the most visited first."""
    moves = np.flatnonzero(grown.parents == 0)
    moves = moves[np.argsort(-grown.visits[moves], kind="stable")][:8]
    top = nice(float(grown.visits[moves].max(initial=1)))
    grid(stage, plot, top)
    room = plot.width / max(1, len(moves))
    for place, move in enumerate(moves.tolist()):
        height = round(float(grown.visits[move]) / top * (plot.height - 1))
        wide = max(1, min(stage.unit(22), round(0.6 * room)))
        left = round(plot.x + (place + 0.5) * room - wide / 2)
        fill(stage.surface, Rect(left, plot.bottom - height, wide, height), stage.look.level(stage.state.level))
        label = number(float(grown.values[move]))
        centre = plot.x + (place + 0.5) * room
        stage.text(
            label, centre, plot.bottom + stage.small, stage.look.muted, size=stage.small, align="middle", room=room
        )
