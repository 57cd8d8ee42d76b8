"""What the open drop-down holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from viz.viewer.actions import (
    EXPORTS,
    LAYERS,
    Action,
    Export,
    FadeLayer,
    Layer,
    Save,
    SetAgent,
    SetLevels,
    SetPlanner,
    SetRisk,
    Speed,
    ToggleLayer,
)
from viz.viewer.controls.control import Control
from viz.viewer.document import ATTITUDES, Attitude
from viz.viewer.layout import Layout, Rect
from viz.viewer.model import Model
from viz.viewer.names import planner_label
from viz.viewer.selected import choices, most_levels, setup
from viz.viewer.state import SPEEDS, ViewState

LAYER_LABELS: dict[Layer, str] = {
    "walls": "Walls",
    "zones": "Costs and guardrails",
    "heat": "Cost-to-go",
    "isolines": "Iso-lines",
    "unfamiliar": "Unfamiliar places",
    "landmarks": "Landmarks",
    "frontier": "Search, in its order",
    "candidates": "Candidates",
    "plans": "Plans and subgoals",
    "imagined": "Imagined, actual",
    "trail": "Trail",
    "forks": "Portals: where to?",
    "probe": "Probe",
}
LAYER_TIPS: dict[Layer, str] = {
    "walls": "Walls and portals",
    "zones": "What was painted: dear places and guardrails",
    "heat": "World steps to the goal, as the selected level estimates them",
    "isolines": "Lines of equal cost-to-go",
    "unfamiliar": "How far from everything that the agent remembers",
    "landmarks": "Places that the selected level remembers",
    "frontier": "Where the selected level's search looked, in its order",
    "candidates": "What the selected level's optimiser tried; elites are bright",
    "plans": "Every level's plan and subgoal",
    "imagined": "Where a level thought that the agent would be by now",
    "trail": "Where the agent has been",
    "forks": "Where a latent variable may lead",
    "probe": "The plan from the place that was probed",
}
ATTITUDE_LABELS: dict[Attitude, str] = {
    "average": "Average: the mean",
    "cautious": "Cautious: the worst tenth",
    "worst": "Worst case",
}
EXPORT_LABELS: dict[Export, str] = {
    "png": "Picture (PNG)",
    "gif": "Film (GIF)",
    "mp4": "Film (MP4)",
    "html": "Page that replays (HTML)",
    "scene": "Scene: opens just so again",
}


class Entry(NamedTuple):
    """One line of a drop-down.

    Attributes:
        name: last part of its id.
        label: its text.
        action: of a click.
        on: whether it is the chosen one.
    """

    name: str
    label: str
    action: Action
    on: bool = False


def menu_controls(state: ViewState, model: Model, layout: Layout, others: Iterable[Control]) -> list[Control]:
    """What the open menu holds, on a sheet of its own; nothing, where the menu itself is gone."""
    menu = next((control for control in others if control.id == state.menu and control.kind == "menu"), None)
    if menu is None:
        return []
    if menu.id == "layer":
        sheet, row = _sheet(menu.rect, len(LAYERS), 280, layout)
        return [Control("layer.", "popup", sheet), *_layers(state, sheet, row)]
    entries = list(_entries(menu.id, state, model))
    sheet, row = _sheet(menu.rect, len(entries), 216, layout)
    rects = [_row(sheet, row, number) for number in range(len(entries))]
    items = [
        Control(f"{menu.id}.{entry.name}", "item", rect, entry.label, action=entry.action, on=entry.on)
        for entry, rect in zip(entries, rects, strict=True)
    ]
    return [Control(f"{menu.id}.", "popup", sheet), *items]


def _entries(menu: str, state: ViewState, model: Model) -> Iterable[Entry]:
    chosen = setup(state)
    kind, _, level = menu.partition(".")
    match kind:
        case "agent":
            for name in state.agents:
                yield Entry(name, "Sees the map" if name == "map" else name, SetAgent(name), name == chosen.agent)
        case "levels":
            for count in range(1, most_levels(state, model) + 1):
                label = "1 level" if count == 1 else f"{count} levels"
                yield Entry(str(count), label, SetLevels(count), count == chosen.levels)
        case "risk":
            for attitude in ATTITUDES:
                yield Entry(attitude, ATTITUDE_LABELS[attitude], SetRisk(attitude), attitude == chosen.risk)
        case "share":
            for export in EXPORTS:
                yield Entry(export, EXPORT_LABELS[export], Save(export))
        case "speed":
            for number, speed in enumerate(SPEEDS):
                yield Entry(str(speed), f"{speed} steps/s", Speed(speed), number == state.speed)
        case "planner":
            present = chosen.planners[int(level) - 1 : int(level)]
            for name in choices(state, model, int(level)):
                yield Entry(name, planner_label(name), SetPlanner(int(level), name), (name,) == present)


def _layers(state: ViewState, sheet: Rect, height: float) -> Iterable[Control]:
    """A switch and a fader for every layer."""
    for number, name in enumerate(LAYERS):
        row, shown = _row(sheet, height, number), state.layer(name)
        switch = Rect(row.x, row.y, row.width * 66 // 100, row.height)
        fader = Rect(switch.right + 6, row.y, max(1, row.right - switch.right - 14), row.height)
        yield Control(
            f"layer.{name}", "toggle", switch, LAYER_LABELS[name], tooltip=LAYER_TIPS[name], action=ToggleLayer(name),
            on=shown.shown,
        )  # fmt: skip
        yield Control(
            f"layer.{name}.fade", "slider", fader, tooltip="How strongly it shows", value=shown.alpha,
            at=_fading(name), drag=True,
        )  # fmt: skip


def _fading(layer: Layer) -> Callable[[float, float], Action]:
    return lambda x, _: FadeLayer(layer, x)


def _sheet(menu: Rect, lines: int, width: int, layout: Layout) -> tuple[Rect, float]:
    """A sheet below (or else above) its menu, all of it on the screen, and the height of its lines."""
    screen, scale = layout.screen, layout.text / 13
    line = min(28 * scale, (screen.height - 16) / max(1, lines))
    height, width = round(lines * line) + 8, min(round(width * scale), screen.width)
    below = menu.bottom + 2
    y = below if below + height <= screen.height else max(0, min(menu.y - 2, screen.height) - height)
    return Rect(max(0, min(menu.x, screen.width - width)), y, width, height), line


def _row(sheet: Rect, height: float, number: int) -> Rect:
    top, bottom = round(number * height), round((number + 1) * height)
    return Rect(sheet.x + 4, sheet.y + 4 + top, max(1, sheet.width - 8), max(1, bottom - top))
