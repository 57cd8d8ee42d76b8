"""What the pointer means: on the map by the tool in hand, elsewhere by the control under it."""

from __future__ import annotations

import math
from dataclasses import replace

from planners.trace import Points
from viz.viewer.actions import (
    Action,
    Brush,
    EndStroke,
    MoveGoal,
    MovePin,
    MoveStart,
    Paint,
    Pan,
    Probe,
    SelectRun,
    ToggleMenu,
    Zoom,
)
from viz.viewer.charts import latent_pixels, nearest, plot_rect
from viz.viewer.controls import Control, controls, hit
from viz.viewer.document import Cell, Point
from viz.viewer.events import Move, Press, Release, Wheel
from viz.viewer.layout import Layout, Projection, layout, projections, tab_body
from viz.viewer.marks import MapMark, map_marks
from viz.viewer.model import Model
from viz.viewer.selected import facts
from viz.viewer.state import Gesture, ViewState
from worlds.maps import CELL_SIZE, Map

GRIP = 12
"""How near to its centre a mark is taken hold of; pixels."""
TIE = 3
"""Marks whose distances differ by less are as near; pixels."""
CLICK_ZOOM = 1.2
"""Factor of a click of the wheel."""
BRUSHES: tuple[Brush, ...] = ("wall", "cost", "guardrail", "erase")
LEFT, MIDDLE, RIGHT = 1, 2, 3

Meant = tuple[ViewState, list[Action]]


def gesture(state: ViewState, event: Press | Release | Move | Wheel, model: Model) -> Meant:
    """The state with the pointer and the gesture in progress, and the actions that are meant."""
    state = replace(state, pointer=(event.x, event.y))
    match event:
        case Press():
            state, ended = _released(state)  # of a button whose release was never told
            state, actions = _pressed(state, event, model)
            return state, ended + actions
        case Release(button=button):
            return _released(state) if state.gesture is not None and state.gesture.button == button else (state, [])
        case Move():
            return _moved(state, event, model)
        case Wheel():
            return state, _wheel(state, event)


# --- press ---------------------------------------------------------------------------------------------------------


def _pressed(state: ViewState, event: Press, model: Model) -> Meant:
    screen = layout(state)
    found = controls(state, model, screen)
    control = hit(found, event.x, event.y)
    other_menu = control is not None and control.kind == "menu" and event.button == LEFT
    if state.menu is not None and not other_menu and not _of_menu(control, state.menu):
        return replace(state, menu=None), []  # clicked elsewhere: it closes, and nothing else happens
    if control is not None:
        return _on_control(state, control, event) if event.button == LEFT else (state, [])
    if any(one.rect.contains(event.x, event.y) for one in found):
        return state, []  # something that can't be used now
    pane = next((number for number, rect in enumerate(screen.maps) if rect.contains(event.x, event.y)), None)
    return (state, []) if pane is None else _on_map(state, event, model, screen, pane)


def _of_menu(control: Control | None, menu: str) -> bool:
    return control is not None and (control.id == menu or control.id.startswith(f"{menu}."))


def _on_control(state: ViewState, control: Control, event: Press) -> Meant:
    if control.at is not None:
        held = Gesture("control", event.button, event.x, event.y, control=control.id)
        return (replace(state, gesture=held) if control.drag else state), _asked(control, event.x, event.y)
    closing = [ToggleMenu(state.menu)] if control.kind == "item" and state.menu is not None else []
    return state, [*closing, *([] if control.action is None else [control.action])]


def _asked(control: Control, x: int, y: int) -> list[Action]:
    """What a slider or an area makes of a place, or of the nearest one within it."""
    rect = control.rect
    across = min(max((x - rect.x) / max(1, rect.width), 0.0), 1.0)
    down = min(max((y - rect.y) / max(1, rect.height), 0.0), 1.0)
    action = control.at(across, down) if control.at is not None else None
    return [] if action is None else [action]


def _on_map(state: ViewState, event: Press, model: Model, screen: Layout, pane: int) -> Meant:
    projection = projections(state, screen)[pane]
    selecting: list[Action] = [SelectRun(pane)] if pane != state.run else []
    meant = _begun(state, event, model, projection, pane)
    held = Gesture("pan", event.button, event.x, event.y, pane) if meant is None else meant
    if isinstance(held, MovePin):
        return state, [*selecting, held]
    if held.kind == "pan" and event.button == RIGHT:
        return state, selecting
    state = replace(state, gesture=held)
    grabbed = event.button == LEFT and state.tool == "inspect"  # a mark doesn't jump to the pointer before it is moved
    return state, [*selecting, *([] if grabbed else _dragged(held, event.x, event.y, projection, state.document.map))]


def _begun(state: ViewState, event: Press, model: Model, projection: Projection, pane: int) -> Gesture | MovePin | None:
    """What a press on a map begins (or does at once: a right click lets a pin go); None moves the map."""
    held = Gesture("paint", event.button, event.x, event.y, pane)
    if event.button == MIDDLE:
        return None
    if event.button == RIGHT:
        mark = _grabbed(state, event, model, projection, pane)
        if mark is not None and mark.kind == "subgoal" and state.document.pin(mark.level) is not None:
            return MovePin(mark.level, None)
        return replace(held, brush="erase") if state.tool in BRUSHES else None
    match state.tool:
        case "wall" | "cost" | "guardrail" | "erase":
            return replace(held, brush=state.tool)
        case "goal" | "start" | "probe":
            return replace(held, kind=state.tool)
        case "subgoal":
            return replace(held, kind="subgoal", level=state.level)
        case _:
            return _holding(held, _grabbed(state, event, model, projection, pane))


def _holding(held: Gesture, mark: MapMark | None) -> Gesture | None:
    if mark is None:
        return None
    match mark.kind:
        case "goal" | "start":
            return replace(held, kind=mark.kind)
        case "subgoal":
            return replace(held, kind="subgoal", level=mark.level)
        case _:
            return None


def _grabbed(state: ViewState, event: Press, model: Model, projection: Projection, pane: int) -> MapMark | None:
    """The mark that is taken hold of: the nearest; of several as near, the selected level's, or else that on top."""
    marks = [mark for mark in map_marks(state, model, pane, projection) if mark.kind != "agent"]
    away = [math.hypot(mark.x - event.x, mark.y - event.y) for mark in marks]
    near = min(away, default=math.inf)
    if not near <= GRIP:
        return None
    candidates = [mark for mark, distance in zip(marks, away, strict=True) if distance <= near + TIE]
    return next((mark for mark in candidates if mark.level == state.level), candidates[0])


# --- drag and release ----------------------------------------------------------------------------------------------


def _moved(state: ViewState, event: Move, model: Model) -> Meant:
    held = state.gesture
    if held is None:
        return _hovering(state, event, model), []
    state = replace(state, gesture=replace(held, x=event.x, y=event.y))
    if held.kind == "control":
        found = controls(state, model, layout(state))
        control = next((one for one in found if one.id == held.control and one.enabled), None)
        return state, [] if control is None else _asked(control, event.x, event.y)
    panes = projections(state, layout(state))
    return state, _dragged(held, event.x, event.y, panes[min(held.pane, len(panes) - 1)], state.document.map)


def _dragged(held: Gesture, x: int, y: int, projection: Projection, map: Map) -> list[Action]:
    """What it means that the pointer is somewhere else now."""
    place = projection.world(x, y)
    match held.kind:
        case "paint":
            return [Paint(held.brush, cells_between(projection.world(held.x, held.y), place, map))]
        case "goal":
            return [MoveGoal(place)]
        case "start":
            return [MoveStart(place)]
        case "subgoal":
            return [MovePin(held.level, place)]
        case "probe":
            return [Probe(place)]
        case "pan" if (x, y) != (held.x, held.y):
            return [Pan(((held.x - x) / projection.scale, (held.y - y) / projection.scale))]
        case _:
            return []


def cells_between(origin: Point, end: Point, map: Map) -> tuple[Cell, ...]:
    """The cells on the line between two places, so that a fast stroke has no holes; those off the map are left out."""
    pieces = 1 + math.ceil(4 * math.dist(origin, end) / CELL_SIZE)
    line = [
        (origin[0] + (end[0] - origin[0]) * part / pieces, origin[1] + (end[1] - origin[1]) * part / pieces)
        for part in range(pieces + 1)
    ]
    cells = dict.fromkeys((int(i), int(j)) for i, j in map.cell_of(line))
    rows, columns = map.shape
    return tuple((i, j) for i, j in cells if 0 <= i < rows and 0 <= j < columns)


def _released(state: ViewState) -> Meant:
    held = state.gesture
    if held is None:
        return state, []
    editing = held.kind in ("paint", "goal", "start", "subgoal")
    return replace(state, gesture=None), [EndStroke()] if editing else []


# --- hover and wheel -----------------------------------------------------------------------------------------------


def _hovering(state: ViewState, event: Move, model: Model) -> ViewState:
    """With the landmark under the pointer, on the latent map or on the map: both show it."""
    known = facts(state, model)
    number = None
    if known is not None and len(known.places):
        number = _landmark(state, event, known.places, known.latent)
    return state if number == state.hovered else replace(state, hovered=number)


def _landmark(state: ViewState, event: Move, places: Points, latent: Points) -> int | None:
    screen = layout(state)
    body = plot_rect(tab_body(screen))
    if state.tab == "latent" and body.contains(event.x, event.y):
        return nearest(latent_pixels(latent, body), event.x, event.y, GRIP)
    if (
        state.tool != "inspect"
        or not state.layer("landmarks").shown
        or not screen.maps[state.run].contains(event.x, event.y)
    ):
        return None
    return nearest(projections(state, screen)[state.run].pixels(places), event.x, event.y, GRIP)


def _wheel(state: ViewState, event: Wheel) -> list[Action]:
    """Zooms the map around the pointer."""
    for projection in projections(state, layout(state)):
        if projection.rect.contains(event.x, event.y):
            return [Zoom(CLICK_ZOOM ** max(-20, min(event.clicks, 20)), projection.world(event.x, event.y))]
    return []
