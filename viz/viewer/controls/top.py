"""The bar above the map: tools, menus, editing, sharing, looks."""

from __future__ import annotations

from functools import lru_cache

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
MENUS = (
    ("layer", "layers", "Show, hide and fade what is on the map", 110),
    ("agent", "agent", "Who plans: one that sees the map, or a trained one, which doesn't", 150),
    ("levels", "levels", "How many levels plan", 110),
    ("risk", "risk", "Attitude to risk: the mean, the worst tenth, or the worst case", 112),
    ("share", "share", "Save a picture, a film, a page that replays, or a scene", 100),
)
"""Id, icon, tooltip and width of every menu."""


WIDTHS = ((ICON,) * len(TOOLS), tuple(width for *_, width in MENUS), (ICON,) * 5, (ICON,) * 4)
"""Widths of the bar's groups of controls: tools, menus, editing, looks."""


def top_controls(state: ViewState, model: Model, layout: Layout) -> list[Control]:
    """From left to right; narrower where the window is."""
    tools, menus, editing, looks = _slots(layout.top, state.text_scale)
    return [*_tools(state, tools), *_menus(state, menus), *_editing(state, editing), *_looks(state, looks)]


@lru_cache(maxsize=8)
def _slots(bar: Rect, scale: float) -> tuple[tuple[Rect, ...], ...]:
    """Places in a row for the groups: full width if there is room for it, or else all the narrower."""
    wanted = 2 * PADDING + sum(width + GAP for group in WIDTHS for width in group) + GROUP_GAP * (len(WIDTHS) - 1)
    scale = min(scale, bar.width / wanted)
    height = round(0.74 * bar.height)
    x, y = PADDING * scale, bar.y + (bar.height - height) // 2
    slots = []
    for group in WIDTHS:
        lefts = [x + scale * (sum(group[:number]) + GAP * number) for number in range(len(group) + 1)]
        x = lefts.pop() + GROUP_GAP * scale
        rights = [left + width * scale for left, width in zip(lefts, group, strict=True)]
        slots.append(
            tuple(
                Rect(round(left), y, max(1, round(right) - round(left)), height)
                for left, right in zip(lefts, rights, strict=True)
            )
        )
    return tuple(slots)


def _tools(state: ViewState, slots: tuple[Rect, ...]) -> list[Control]:
    return [
        Control(
            f"tool.{tool}", "toggle", slot, icon=tool, tooltip=TOOL_TIPS[tool], action=SelectTool(tool),
            on=state.tool == tool,
        )
        for tool, slot in zip(TOOLS, slots, strict=True)
    ]  # fmt: skip


def _menus(state: ViewState, slots: tuple[Rect, ...]) -> list[Control]:
    chosen = setup(state)
    labels = {
        "layer": "Layers",
        "agent": "sees the map" if chosen.agent == "map" else chosen.agent.rstrip("/").rpartition("/")[2],
        "levels": "1 level" if chosen.levels == 1 else f"{chosen.levels} levels",
        "risk": chosen.risk,
        "share": "Share",
    }
    return [
        Control(name, "menu", slot, labels[name], icon, tip, ToggleMenu(name), on=state.menu == name)
        for (name, icon, tip, _), slot in zip(MENUS, slots, strict=True)
    ]


def _editing(state: ViewState, slots: tuple[Rect, ...]) -> list[Control]:
    undo, redo, restart, new, compare = slots
    comparing = len(state.document.setups) > 1
    tip = "End the comparison" if comparing else "Compare with a second configuration, side by side"
    return [
        Control("undo", "button", undo, "", "undo", "Undo the last edit", Undo(), enabled=bool(state.past)),
        Control("redo", "button", redo, "", "redo", "Do it again", Redo(), enabled=bool(state.future)),
        Control("restart", "button", restart, "", "restart", "Begin the episode again", Restart()),
        Control("new", "button", new, "", "new", "A new random maze", NewMap()),
        Control("compare", "toggle", compare, "", "compare", tip, ToggleCompare(), on=comparing),
    ]


def _looks(state: ViewState, slots: tuple[Rect, ...]) -> list[Control]:
    theme, smaller, larger, help = slots
    return [
        Control("theme", "button", theme, "", "theme", "Light or dark", Theme()),
        Control("text.smaller", "button", smaller, "", "smaller", "Smaller text", TextScale(-1)),
        Control("text.larger", "button", larger, "", "larger", "Larger text", TextScale(+1)),
        Control("help", "toggle", help, "", "help", "Every key", ToggleHelp(), on=state.help),
    ]
