"""What every level has in mind, what it imagined when it planned, and what it would do elsewhere."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pygame

from planners.trace import LevelView
from viz.theme import Theme
from viz.viewer.layout import Projection
from viz.viewer.marks import subgoal
from viz.viewer.messages import Probed
from viz.viewer.paint import Floats, dashed, polyline, segments_of, strokes
from viz.viewer.pane import Pane
from viz.viewer.sheet import Sheet
from viz.viewer.stamps import DISC, shape_of, stamp

GAP = 0.4
"""Between imagined and actual, at which it begins to show; world units."""


# --- plans and subgoals ---------------------------------------------------------------------------------------------


def draw_plans(pane: Pane) -> None:
    """Every level's plan and subgoal, from coarse (thick) to fine (thin), each linked to its parent's subgoal."""
    alpha = pane.alpha("plans")
    if alpha and pane.agent is not None:
        for level in range(len(pane.views), 0, -1):
            _draw_plan(pane, level, pane.agent, alpha)
            _draw_subgoal(pane, level, alpha)


def _draw_plan(pane: Pane, level: int, agent: Floats, alpha: float) -> None:
    sheet, style = pane.sheet, pane.sheet.style(level)
    route = _route(sheet.pixels(pane.views[level - 1].plan), level, agent)
    if len(route):
        share = np.r_[np.ones(len(route) - 1), 0.5]  # the link to what it leads to is thinner and fainter
        way = segments_of(np.concatenate([route, _target(pane, level)[None]]))
        strokes(sheet.surface, way, style.color, share * style.width, 0.6 * share * alpha)
        stamp(sheet.surface, route[1:], shape_of(style), style.size / 2, style.color, sheet.theme.halo, alpha=alpha)


def _route(plan: Floats, level: int, start: Floats) -> Floats:
    """[n, 2] the way that a level has in mind, from where the agent is.

    The first state of an upper level's plan is the one that it passed last, up to a stride behind the agent.
    """
    return plan if level == 1 else np.concatenate([start[None], plan[1:]])


def _target(pane: Pane, level: int) -> Floats:
    """[2] pixels what a level plans towards: the subgoal of the level above; the goal, for the top level."""
    above = subgoal(pane.document, pane.views, level + 1) if level < len(pane.views) else None
    return pane.sheet.pixels(pane.document.goal if above is None else above)


def _draw_subgoal(pane: Pane, level: int, alpha: float) -> None:
    sheet, style, asked = pane.sheet, pane.sheet.style(level), subgoal(pane.document, pane.views, level)
    if level == 1 or asked is None:  # level 1 asks the world, not a level
        return
    at, radius, line = sheet.pixels(asked), style.size / 2 + 3.6 * sheet.unit, 2.1 * sheet.unit
    stamp(sheet.surface, at, shape_of(style), radius, style.color, sheet.theme.halo, alpha=alpha, line=line)
    if pane.document.pin(level) is not None:
        _draw_pin(sheet, at, style.color, alpha)


def _draw_pin(sheet: Sheet, at: Floats, color: str, alpha: float) -> None:
    """A pin, stuck into the map at a place."""
    unit, theme = sheet.unit, sheet.theme
    head = at + np.array([4.0, -17.0], np.float32) * unit
    for edge, width in ((theme.halo, 4.0), (theme.ink, 1.8)):
        polyline(sheet.surface, np.stack([at, head]), edge, width * unit, alpha)
    stamp(sheet.surface, head, DISC, 5.2 * unit, color, theme.halo, 1.4 * unit, alpha)
    stamp(sheet.surface, head - 1.4 * unit, DISC, 1.4 * unit, theme.ink, alpha=alpha)


# --- imagined against actual ----------------------------------------------------------------------------------------


def draw_imagined(pane: Pane) -> None:
    """A hollow ghost where each level imagined the agent to be by now, as soon as there is a gap to see."""
    alpha, recording, agent = pane.alpha("imagined"), pane.run.recording, pane.agent
    if not alpha or recording is None or agent is None:
        return
    for level in range(len(pane.views), 0, -1):
        imagined, gap = recording.imagined(level, pane.step), recording.gap(level, pane.step)
        if imagined is not None and gap > GAP:
            _draw_ghost(pane.sheet, level, agent, pane.sheet.pixels(imagined), alpha * min(1.0, gap / GAP - 1))


def _draw_ghost(sheet: Sheet, level: int, agent: Floats, ghost: Floats, alpha: float) -> None:
    style, radius, along = sheet.style(level), sheet.agent_radius, ghost - agent
    apart, width = float(np.hypot(*along)) / radius, 1.6 * sheet.unit
    stamp(sheet.surface, ghost, DISC, radius, style.color, alpha=0.9 * alpha, line=width)
    stamp(sheet.surface, ghost, shape_of(style), 0.28 * radius, style.color, alpha=alpha)
    if apart > 2:  # the two don't touch
        between = np.stack([agent + along / apart, ghost - along / apart])
        dashed(sheet.surface, between, style.color, width, 4 * sheet.unit, 0.9 * alpha)


# --- probe ----------------------------------------------------------------------------------------------------------


def draw_probe(pane: Pane) -> None:
    """The place that is asked about and, once it is known, what the plan would be from there, in dashes."""
    alpha, place, probed, sheet = pane.alpha("probe"), pane.state.probe, pane.run.probe, pane.sheet
    if not alpha or place is None:
        return
    if probed is not None and probed.place == place and probed.version == pane.document.version:
        sheet.lay(_answer(probed, sheet.theme, sheet.projection), alpha)
    at, theme = sheet.pixels(place), sheet.theme
    stamp(sheet.surface, at, DISC, sheet.agent_radius, theme.ink, theme.halo, alpha=alpha, line=1.8 * sheet.unit)
    stamp(sheet.surface, at, DISC, 1.8 * sheet.unit, theme.ink, theme.halo, alpha=alpha)


@lru_cache(maxsize=4)
def _answer(probed: Probed, theme: Theme, projection: Projection) -> pygame.Surface:
    sheet, levels = Sheet.clear(projection, theme, theme.ink), probed.decision.levels
    for level in range(len(levels), 0, -1):
        _draw_answer(sheet, level, levels[level - 1], sheet.pixels(probed.place))
    return sheet.drawn()


def _draw_answer(sheet: Sheet, level: int, view: LevelView, start: Floats) -> None:
    route, style = _route(sheet.pixels(view.plan), level, start), sheet.style(level)
    dashed(sheet.surface, route, style.color, 0.7 * style.width, 5 * sheet.unit, 0.85)
    stamp(sheet.surface, route[1:], shape_of(style), 0.4 * style.size, style.color, sheet.theme.halo, line=1.2)
