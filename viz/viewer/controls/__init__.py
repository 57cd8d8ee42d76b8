"""Everything that can be clicked or dragged outside the maps.

| file | holds |
|---|---|
| ``control`` | what a control is |
| ``top`` | the bar above: tools, menus, undo, sharing |
| ``panels`` | beside the map: the table of levels, tabs, charts |
| ``timeline`` | below: playing, tracks, the planner's rounds |
| ``menus`` | what the open drop-down holds, on top of everything |
"""

from __future__ import annotations

from collections.abc import Iterable

from viz.viewer.actions import Dismiss, ToggleHelp
from viz.viewer.controls.control import Control, Kind
from viz.viewer.controls.menus import menu_controls
from viz.viewer.controls.panels import panel_controls
from viz.viewer.controls.timeline import timeline_controls
from viz.viewer.controls.top import top_controls
from viz.viewer.layout import Layout, banner_rect
from viz.viewer.model import Model
from viz.viewer.state import ViewState

__all__ = ["Control", "Kind", "controls", "hit"]


def controls(state: ViewState, model: Model, layout: Layout) -> list[Control]:
    """All of them in the order in which they are drawn: what the open menu holds is last, on top."""
    found = [*top_controls(state, model, layout), *timeline_controls(state, model, layout)]
    if state.panels:
        found += panel_controls(state, model, layout)
    if state.banner is not None:
        found.append(Control("banner", "area", banner_rect(layout), tooltip="Close this message", action=Dismiss()))
    if state.menu is not None:
        found += menu_controls(state, model, layout, found)
    if state.help:
        found.append(
            Control("help.page", "area", layout.screen, tooltip="Close the table of keys", action=ToggleHelp())
        )
    return found


def hit(controls: Iterable[Control], x: float, y: float) -> Control | None:
    """The topmost control at a pixel that can be used now."""
    for control in reversed(list(controls)):
        if control.enabled and control.rect.contains(x, y):
            return control
    return None
