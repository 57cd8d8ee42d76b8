"""What every level has in mind, what it imagined when it planned, and what it would do elsewhere."""

from __future__ import annotations

import numpy as np

from planners.trace import LevelView
from viz.viewer.marks import subgoal
from viz.viewer.paint import Floats, dashed, polyline, ring
from viz.viewer.pane import Pane
from viz.viewer.stamps import DISC, shape_of, stamp
from worlds.compiled import RADIUS

GHOST = 0.6
"""Pixels, in radii of the agent, at which the gap between imagined and actual begins to show."""


def draw_plans(pane: Pane) -> None:
    """Every level's plan and subgoal, from coarse (thick) to fine (thin), each linked to its parent's subgoal."""
    alpha = pane.alpha("plans")
    if not alpha or pane.agent is None:
        return
    for level in range(len(pane.views), 0, -1):
        _draw_plan(pane, level, alpha)


def _draw_plan(pane: Pane, level: int, alpha: float) -> None:
    assert pane.agent is not None
    style, theme = pane.style(level), pane.theme
    route = _route(pane.pixels(pane.views[level - 1].plan), level, pane.agent)
    if len(route):
        target = _target(pane, level)
        polyline(pane.surface, np.stack([route[-1], target]), style.color, 0.5 * style.width, 0.35 * alpha)
        polyline(pane.surface, route, style.color, style.width, 0.6 * alpha)
        stamp(pane.surface, route[1:], shape_of(style), style.size / 2, style.color, theme.halo, alpha=alpha)
    asked = subgoal(pane.document, pane.views, level)
    if level > 1 and asked is not None:  # level 1 asks the world, not a level
        _draw_subgoal(pane, level, pane.pixels(asked), alpha)


def _draw_subgoal(pane: Pane, level: int, place: Floats, alpha: float) -> None:
    style, theme, unit = pane.style(level), pane.theme, pane.unit
    radius = style.size / 2 + 3.6 * unit
    stamp(pane.surface, place, shape_of(style), radius, style.color, theme.halo, alpha=alpha, line=2.1 * unit)
    if pane.document.pin(level) is not None:
        _draw_pin(pane, place, style.color, alpha)


def _draw_pin(pane: Pane, place: Floats, color: str, alpha: float) -> None:
    """A pin, stuck into the map at a place."""
    unit = pane.unit
    head = place + np.array([4.0, -17.0], np.float32) * unit
    polyline(pane.surface, np.stack([place, head]), pane.theme.halo, 4.0 * unit, alpha)
    polyline(pane.surface, np.stack([place, head]), pane.theme.ink, 1.8 * unit, alpha)
    stamp(pane.surface, head, DISC, 5.2 * unit, color, pane.theme.halo, rim=1.4 * unit, alpha=alpha)
    stamp(pane.surface, head + np.array([-1.4, -1.4], np.float32) * unit, DISC, 1.4 * unit, pane.theme.ink, alpha=alpha)


def _route(plan: Floats, level: int, agent: Floats) -> Floats:
    """[n, 2] the way that a level has in mind, from where the agent is.

    The first state of an upper level's plan is the one that it passed last, up to a stride behind the agent.
    """
    return plan if level == 1 else np.concatenate([agent[None], plan[1:]])


def _target(pane: Pane, level: int) -> Floats:
    """[2] pixels what a level plans towards: the subgoal of the level above; the goal, for the top level."""
    above = subgoal(pane.document, pane.views, level + 1) if level < len(pane.views) else None
    return pane.pixels(pane.document.goal if above is None else above)


def draw_imagined(pane: Pane) -> None:
    """A hollow ghost where each level imagined the agent to be by now, as soon as there is a gap to see."""
    alpha, recording, agent = pane.alpha("imagined"), pane.run.recording, pane.agent
    if not alpha or recording is None or agent is None:
        return
    radius = max(RADIUS * pane.projection.scale, 2.5)
    for level in range(len(pane.views), 0, -1):
        imagined = recording.imagined(level, pane.step)
        if imagined is not None:
            _draw_ghost(pane, level, agent, pane.pixels(imagined), radius, alpha)


def _draw_ghost(pane: Pane, level: int, agent: Floats, ghost: Floats, radius: float, alpha: float) -> None:
    style, along = pane.style(level), ghost - agent
    gap = float(np.hypot(*along)) / radius
    strength = alpha * float(np.clip(gap / GHOST - 1, 0, 1))
    if strength:
        ring(pane.surface, ghost, radius, style.color, 1.6 * pane.unit, 0.9 * strength)
        stamp(pane.surface, ghost, shape_of(style), 0.28 * radius, style.color, alpha=strength)
    if gap > 2:  # beyond the two rims
        ends = np.stack([agent + along / gap, ghost - along / gap])
        dashed(pane.surface, ends, style.color, 1.6 * pane.unit, 4 * pane.unit, 0.9 * strength)


def draw_probe(pane: Pane) -> None:
    """The place that is asked about and, once it is known, what the plan would be from there, in dashes."""
    alpha, place = pane.alpha("probe"), pane.state.probe
    if not alpha or place is None:
        return
    at, probed = pane.pixels(place), pane.run.probe
    if probed is not None and probed.place == place and probed.version == pane.document.version:
        for level in range(len(probed.decision.levels), 0, -1):
            _draw_ghost_plan(pane, level, probed.decision.levels[level - 1], at, alpha)
    radius = max(RADIUS * pane.projection.scale, 2.5)
    ring(pane.surface, at, radius, pane.theme.ink, 1.6 * pane.unit, alpha)
    stamp(pane.surface, at, DISC, 1.8 * pane.unit, pane.theme.ink, pane.theme.halo, alpha=alpha)


def _draw_ghost_plan(pane: Pane, level: int, view: LevelView, place: Floats, alpha: float) -> None:
    route, style = _route(pane.pixels(view.plan), level, place), pane.style(level)
    dashed(pane.surface, route, style.color, 0.7 * style.width, 5 * pane.unit, 0.85 * alpha)
    size = 0.4 * style.size
    stamp(pane.surface, route[1:], shape_of(style), size, style.color, pane.theme.halo, alpha=alpha, line=1.2)
