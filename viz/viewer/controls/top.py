"""The bar above the map: tools, menus, editing, sharing, looks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from viz.viewer.actions import (
    TOOLS,
    NewMap,
    Redo,
    Restart,
    SelectTool,
    TextScale,
    Theme,
    ToggleCompare,
    ToggleHelp,
    ToggleMenu,
    Tool,
    Undo,
)
from viz.viewer.controls.control import Control
from viz.viewer.layout import Layout, Rect
from viz.viewer.model import Model
from viz.viewer.selected import setup
from viz.viewer.state import ViewState

ICON, GAP, GROUP_GAP, PADDING = 32, 3, 13, 8
"""Width of an icon, and distances between icons, between groups of them, and from the edges; pixels at scale 1."""

TOOL_TIPS: dict[Tool, str] = {
    "inspect": "Look, and drag goal, start and subgoals",
    "wall": "Paint walls (right button: erase)",
    "cost": "Paint dear places (right button: erase)",
    "guardrail": "Paint guardrails: no plan may enter (right button: erase)",
    "erase": "Erase walls, costs and guardrails",
    "goal": "Put the goal",
    "start": "Put the start: begins again from there",
    "subgoal": "Pin the selected level's subgoal",
    "probe": "What would the plan be from here?",
}
RISK_TIP = "Attitude to risk: the mean, the worst tenth, or the worst case"


def top_controls(state: ViewState, model: Model, layout: Layout) -> list[Control]:
    """From left to right; narrower where the window is."""
    groups = [_tools(state), _menus(state), _editing(state), _looks(state)]
    return _placed(groups, layout.top, state.text_scale)


def _tools(state: ViewState) -> list[Control]:
    nowhere = Rect(0, 0, ICON, 0)
    return [
        Control(
            f"tool.{tool}", "toggle", nowhere, icon=tool, tooltip=TOOL_TIPS[tool], action=SelectTool(tool),
            on=state.tool == tool,
        )
        for tool in TOOLS
    ]  # fmt: skip


def _menus(state: ViewState) -> list[Control]:
    chosen = setup(state)
    levels = "1 level" if chosen.levels == 1 else f"{chosen.levels} levels"
    agent = "sees the map" if chosen.agent == "map" else chosen.agent.rstrip("/").rpartition("/")[2]
    return [
        _menu(state, "layer", 84, "Layers", "layers", "Show, hide and fade what is on the map"),
        _menu(state, "agent", 150, agent, "agent", "Who plans: one that sees the map, or a trained one, which doesn't"),
        _menu(state, "levels", 92, levels, "levels", "How many levels plan"),
        _menu(state, "risk", 92, chosen.risk, "risk", RISK_TIP),
        _menu(state, "share", 84, "Share", "share", "Save a picture, a film, a page that replays, or a scene"),
    ]


def _menu(state: ViewState, name: str, width: int, label: str, icon: str, tooltip: str) -> Control:
    rect = Rect(0, 0, width, 0)
    return Control(name, "menu", rect, label, icon, tooltip, ToggleMenu(name), on=state.menu == name)


def _editing(state: ViewState) -> list[Control]:
    icon, comparing = Rect(0, 0, ICON, 0), len(state.document.setups) > 1
    compare = "Compare with a second configuration, side by side" if not comparing else "End the comparison"
    return [
        Control("undo", "button", icon, "", "undo", "Undo the last edit", Undo(), enabled=bool(state.past)),
        Control("redo", "button", icon, "", "redo", "Do it again", Redo(), enabled=bool(state.future)),
        Control("restart", "button", icon, "", "restart", "Begin the episode again", Restart()),
        Control("new", "button", icon, "", "new", "A new random maze", NewMap()),
        Control("compare", "toggle", icon, "", "compare", compare, ToggleCompare(), on=comparing),
    ]


def _looks(state: ViewState) -> list[Control]:
    icon = Rect(0, 0, ICON, 0)
    return [
        Control("theme", "button", icon, "", "theme", "Light or dark", Theme()),
        Control("text.smaller", "button", icon, "", "smaller", "Smaller text", TextScale(-1)),
        Control("text.larger", "button", icon, "", "larger", "Larger text", TextScale(+1)),
        Control("help", "toggle", icon, "", "help", "Every key", ToggleHelp(), on=state.help),
    ]


def _placed(groups: Iterable[list[Control]], bar: Rect, scale: float) -> list[Control]:
    """Gives the groups their places in a row: full width if there is room for it, or else all the narrower."""
    groups = list(groups)
    wanted = 2.0 * PADDING + sum(control.rect.width + GAP for group in groups for control in group)
    scale = min(scale, bar.width / (wanted + GROUP_GAP * (len(groups) - 1)))
    height = round(0.74 * bar.height)
    x, placed = PADDING * scale, []
    for group in groups:
        for control in group:
            width = control.rect.width * scale
            rect = Rect(round(x), bar.y + (bar.height - height) // 2, max(1, round(width)), height)
            placed.append(replace(control, rect=rect))
            x += width + GAP * scale
        x += GROUP_GAP * scale
    return placed
