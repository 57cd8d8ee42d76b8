"""Looking: levels, layers, panels, camera, tools, and what lies on top."""

from __future__ import annotations

import math
from dataclasses import replace

from viz.viewer.actions import (
    LAYERS,
    TABS,
    TOOLS,
    Action,
    Dismiss,
    FadeLayer,
    Layer,
    Pan,
    Quit,
    Save,
    SelectLandmark,
    SelectLevel,
    SelectNode,
    SelectRun,
    SelectTab,
    SelectTool,
    ShowAll,
    TextScale,
    Theme,
    ToggleHelp,
    ToggleLayer,
    ToggleMenu,
    TogglePanels,
    Zoom,
)
from viz.viewer.document import Point
from viz.viewer.editing import valid
from viz.viewer.layout import Camera, Projection, layout, projections
from viz.viewer.model import Model
from viz.viewer.playback import Result
from viz.viewer.selected import facts, tree
from viz.viewer.state import MAX_ZOOM, TEXT_SCALES, THEMES, LayerState, ViewState


def look(state: ViewState, action: Action, model: Model) -> Result | None:
    """What an action about looking does; None for the others."""
    match action:
        case Save():
            return replace(state, menu=None), (action,)
        case Quit():
            return replace(state, open=False), ()
        case Dismiss():
            return _dismissed(state), ()
    changed = _chosen(state, action, model) or _shown(state, action)
    return None if changed is None else (changed, ())


def _chosen(state: ViewState, action: Action, model: Model) -> ViewState | None:
    """What is selected."""
    match action:
        case SelectLevel(level):
            cleared = (
                replace(state, round=None, node=None, landmark=None, hovered=None) if level != state.level else state
            )
            return valid(replace(cleared, level=level))
        case SelectRun(run):
            return valid(replace(state, run=run, round=None, node=None)) if run != state.run else state
        case SelectTab(tab):
            return replace(state, tab=tab) if tab in TABS else state
        case SelectNode(node):
            return _at_node(state, node, model)
        case SelectLandmark(number):
            known = facts(state, model)
            known_there = known is not None and number is not None and 0 <= number < len(known.places)
            return replace(state, landmark=number if known_there else None)
        case SelectTool(tool):
            return replace(state, tool=tool) if tool in TOOLS else state
    return None


def _shown(state: ViewState, action: Action) -> ViewState | None:
    """How it looks."""
    match action:
        case ToggleLayer(layer) if layer in LAYERS:
            before = state.layer(layer)
            return _with_layer(state, layer, LayerState(not before.shown, before.alpha))
        case FadeLayer(layer, alpha) if layer in LAYERS and math.isfinite(alpha):
            return _with_layer(state, layer, LayerState(True, min(max(alpha, 0.0), 1.0)))
        case ToggleLayer() | FadeLayer():
            return state
        case Zoom(factor, around):
            return _zoomed(state, factor, around)
        case Pan(by):
            return _panned(state, by)
        case ShowAll():
            return replace(state, camera=Camera())
        case ToggleHelp():
            return replace(state, help=not state.help, menu=None)
        case ToggleMenu(name):
            return replace(state, menu=None if state.menu == name else name)
        case Theme():
            number = THEMES.index(state.theme) if state.theme in THEMES else -1
            return replace(state, theme=THEMES[(number + 1) % len(THEMES)])
        case TextScale(change):
            return replace(state, text_scale=_text_scale(state.text_scale, change))
        case TogglePanels():
            return replace(state, panels=not state.panels)
    return None


def _at_node(state: ViewState, node: int | None, model: Model) -> ViewState:
    """A node belongs to one decision: time stands still while it is looked at."""
    shown = tree(state, model)
    if node is None or shown is None or not 0 <= node < len(shown.parents):
        return replace(state, node=None)
    return replace(state, node=node, playing=False, rested=False)


def _with_layer(state: ViewState, name: Layer, layer: LayerState) -> ViewState:
    return replace(state, layers={**state.layers, name: layer})


def _dismissed(state: ViewState) -> ViewState:
    """Without what lies on top; one thing at a time."""
    if state.menu is not None:
        return replace(state, menu=None)
    if state.help:
        return replace(state, help=False)
    if state.banner is not None:
        return replace(state, banner=None)
    if state.probe is not None:
        return replace(state, probe=None, probed=None)
    return replace(state, node=None, landmark=None, tool="inspect")


def _text_scale(present: float, change: int) -> float:
    number = min(range(len(TEXT_SCALES)), key=lambda index: abs(TEXT_SCALES[index] - present))
    return TEXT_SCALES[min(max(number + change, 0), len(TEXT_SCALES) - 1)]


# --- the camera ----------------------------------------------------------------------------------------------------


def _zoomed(state: ViewState, factor: float, around: Point) -> ViewState:
    """Closer or further away; the place that it is around stays where it is, as long as the map's edges allow."""
    if not (math.isfinite(factor) and factor > 0 and all(map(math.isfinite, around))):
        return state
    zoom = min(max(state.camera.zoom * factor, 1.0), MAX_ZOOM)
    shrunk, (x, y) = state.camera.zoom / zoom, _centre(_pane(state))
    centre = around[0] + (x - around[0]) * shrunk, around[1] + (y - around[1]) * shrunk
    return _framed(state, Camera(zoom, centre))


def _panned(state: ViewState, by: Point) -> ViewState:
    if not all(map(math.isfinite, by)):
        return state
    x, y = _centre(_pane(state))
    return _framed(state, Camera(state.camera.zoom, (x + by[0], y + by[1])))


def _framed(state: ViewState, camera: Camera) -> ViewState:
    """With a camera that is held back at the map's edges, so that panning back takes effect at once."""
    if camera.zoom <= 1.0:
        return replace(state, camera=Camera())
    if camera.centre is not None and not all(map(math.isfinite, camera.centre)):
        return state
    moved = replace(state, camera=camera)
    return replace(state, camera=Camera(camera.zoom, _centre(_pane(moved))))


def _pane(state: ViewState) -> Projection:
    return projections(state, layout(state))[0]


def _centre(pane: Projection) -> Point:
    return pane.world(pane.rect.x + pane.rect.width / 2, pane.rect.y + pane.rect.height / 2)
