"""The whole window: a function of the view's state and of what is known, onto a surface; no display is needed."""

from __future__ import annotations

import pygame

from viz.theme import get_theme
from viz.viewer.controls import controls, hit
from viz.viewer.controls.control import Control
from viz.viewer.layers import draw_map
from viz.viewer.layout import Rect, layout, projections, tab_body, tab_row
from viz.viewer.model import Model
from viz.viewer.names import planner_label
from viz.viewer.panels.buttons import draw_control
from viz.viewer.panels.compare import draw_compare
from viz.viewer.panels.energy import draw_energy
from viz.viewer.panels.inspector import draw_inspector
from viz.viewer.panels.latent import draw_latent
from viz.viewer.panels.levels import draw_levels
from viz.viewer.panels.overlay import draw_banner, draw_help, draw_tooltip
from viz.viewer.panels.timeline import draw_timeline
from viz.viewer.panels.tree import draw_tree
from viz.viewer.state import ViewState
from viz.viewer.widgets import Stage, Store, clipped, fill, look_of

PANELS = {"energy": draw_energy, "tree": draw_tree, "latent": draw_latent, "compare": draw_compare}


class Painter:
    """Draws windows, and keeps what is costly from one to the next; what it draws depends on its arguments alone."""

    def __init__(self) -> None:
        self._store = Store()

    def draw(self, surface: pygame.Surface, state: ViewState, model: Model) -> None:
        """Draws the window of a state on a surface of its size, 32 bits a pixel."""
        self._store.forget({run.recording for run in model.runs if run.recording is not None})
        stage = Stage(surface, state, model, layout(state), look_of(get_theme(state.theme)), self._store)
        found = controls(state, model, stage.layout)
        pointed = hit(found, *state.pointer) if state.pointer is not None else None
        surface.fill(stage.look.page)
        _draw_maps(stage)
        if state.panels:
            _draw_panels(stage, pointed)
        draw_timeline(stage)
        _draw_top(stage)
        _draw_controls(stage, found, pointed)


def draw(surface: pygame.Surface, state: ViewState, model: Model) -> None:
    """Draws one window; a :class:`Painter` draws many of them faster."""
    Painter().draw(surface, state, model)


def _draw_maps(stage: Stage) -> None:
    for run, pane in enumerate(projections(stage.state, stage.layout)):
        draw_map(stage.surface, stage.state, stage.model, run, pane)
        if len(stage.layout.maps) > 1:
            _draw_name(stage, run, pane.rect)


def _draw_name(stage: Stage, run: int, pane: Rect) -> None:
    """Which configuration a pane shows, and which of them the panels are about."""
    setup_, chosen = stage.state.document.setups[run], run == stage.state.run
    planners = " / ".join(planner_label(name) for name in reversed(setup_.planners[: setup_.levels]))
    words = f"{'AB'[run % 2]}   {setup_.agent} · {planners}"
    color = stage.look.ink if chosen else stage.look.muted
    stage.text(words, pane.x + 12, pane.bottom - stage.unit(14), color, bold=chosen, room=pane.width - 24)


def _draw_panels(stage: Stage, pointed: Control | None) -> None:
    beside, look = stage.layout, stage.look
    column = Rect(beside.levels.x, beside.levels.y, beside.levels.width, beside.inspector.bottom - beside.levels.y)
    fill(stage.surface, column, look.panel)
    with clipped(stage.surface, beside.levels):
        draw_levels(stage)
    row = tab_row(beside)
    fill(stage.surface, Rect(row.x, row.bottom - 1, row.width, 1), look.line)
    with clipped(stage.surface, tab_body(beside)):
        PANELS[stage.state.tab](stage, tab_body(beside))
    with clipped(stage.surface, beside.inspector):
        draw_inspector(stage, pointed)
    fill(stage.surface, Rect(column.x, column.y, 1, column.height), look.line)


def _draw_top(stage: Stage) -> None:
    bar = stage.layout.top
    fill(stage.surface, bar, stage.look.panel)
    fill(stage.surface, Rect(bar.x, bar.bottom - 1, bar.width, 1), stage.look.line)


def _draw_controls(stage: Stage, found: list[Control], pointed: Control | None) -> None:
    """The open menu lies on top of the banner, the table of keys on top of that, a tooltip on top of everything."""
    menu = f"{stage.state.menu}." if stage.state.menu is not None else None
    on_top = [control for control in found if menu is not None and control.id.startswith(menu)]
    for control in found:
        if control not in on_top:
            draw_control(stage, control, control is pointed)
    draw_banner(stage)
    for control in on_top:
        draw_control(stage, control, control is pointed)
    draw_help(stage)
    draw_tooltip(stage, pointed)
