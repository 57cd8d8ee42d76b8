"""Beside the map: the table of levels, the tabs, and what can be clicked in the panel that is shown."""

from __future__ import annotations

from viz.viewer.actions import (
    TABS,
    Action,
    MovePin,
    ReplanLevel,
    Seek,
    SeekRound,
    SelectLandmark,
    SelectLevel,
    SelectNode,
    SelectRun,
    SelectTab,
    Tab,
    ToggleMenu,
)
from viz.viewer.charts import energy_rects, latent_pixels, nearest, plot_rect, tree_layout, x_to_time
from viz.viewer.controls.control import Control
from viz.viewer.layout import Layout, Rect, level_rows, tab_body, tab_row
from viz.viewer.model import Model
from viz.viewer.names import planner_label
from viz.viewer.selected import choices, facts, rounds, setup, tree
from viz.viewer.state import ViewState

TAB_LABELS: dict[Tab, str] = {"energy": "Energy", "tree": "Tree", "latent": "Latent map", "compare": "Compare"}
REACH = 10
"""How near to a node or a landmark a click must be; pixels."""


def panel_controls(state: ViewState, model: Model, layout: Layout) -> list[Control]:
    """The table of levels, the row of tabs, and the charts of the panel shown."""
    return [
        *_runs(state, layout),
        *_levels(state, model, layout),
        *_tabs(state, layout),
        *_charts(state, model, layout),
    ]


def _runs(state: ViewState, layout: Layout) -> list[Control]:
    """Which configuration the panels are about, at the right of the table's heading."""
    count, table = len(state.document.setups), layout.levels
    if count == 1:
        return []
    height, width = level_rows(layout, setup(state).levels)[-1].y - table.y, max(1, table.width // 6)
    left = table.right - 8 - count * width
    return [
        Control(
            f"run.{run}", "tab", Rect(left + run * width, table.y + 2, width - 2, max(1, height - 4)), "AB"[run % 2],
            tooltip="Show this configuration in the panels", action=SelectRun(run), on=run == state.run,
        )
        for run in range(count)
    ]  # fmt: skip


def _levels(state: ViewState, model: Model, layout: Layout) -> list[Control]:
    """A row per level, the coarsest on top; click on it to select the level."""
    levels = setup(state).levels
    found = []
    for level, row in enumerate(level_rows(layout, levels), 1):
        tip, chosen = f"Show level {level} in heat map and charts", level == state.level
        found.append(Control(f"level.{level}", "area", row, tooltip=tip, action=SelectLevel(level), on=chosen))
        found += _level_controls(state, model, level, row)
    return found


def _level_controls(state: ViewState, model: Model, level: int, row: Rect) -> list[Control]:
    """At the right of a level's row: its planner, plan anew, let its pin go."""
    side = max(1, min(row.height // 2 - 2, round(24 * state.text_scale), row.width // 8))
    y, wide = row.y + 3, max(1, row.width * 38 // 100)
    replan = Rect(row.right - 8 - side, y, side, side)
    unpin = Rect(replan.x - 4 - side, y, side, side)
    planner = Rect(unpin.x - 6 - wide, y, wide, side)
    menu, planners = f"planner.{level}", setup(state).planners
    name = planners[level - 1] if level <= len(planners) else ""
    found = [
        Control(
            menu, "menu", planner, planner_label(name), tooltip=f"What plans at level {level}", action=ToggleMenu(menu),
            on=state.menu == menu, enabled=bool(choices(state, model, level)),
        ),
        Control(f"replan.{level}", "button", replan, "", "replan", f"Plan anew at level {level}", ReplanLevel(level)),
    ]  # fmt: skip
    if state.document.pin(level) is not None:
        tip = f"Let level {level}'s pinned subgoal go"
        found.append(Control(f"unpin.{level}", "button", unpin, "", "unpin", tip, MovePin(level, None)))
    return found


def _tabs(state: ViewState, layout: Layout) -> list[Control]:
    row = tab_row(layout)
    width = row.width // len(TABS)
    return [
        Control(
            f"tab.{tab}", "tab", Rect(row.x + number * width, row.y, width, row.height), TAB_LABELS[tab],
            tooltip=f"Show the panel: {TAB_LABELS[tab].lower()}", action=SelectTab(tab), on=tab == state.tab,
        )
        for number, tab in enumerate(TABS)
    ]  # fmt: skip


def _charts(state: ViewState, model: Model, layout: Layout) -> list[Control]:
    body = tab_body(layout)
    match state.tab:
        case "energy":
            return _energy(state, model, body)
        case "tree":
            return _tree(state, model, plot_rect(body))
        case "latent":
            return _latent(state, model, plot_rect(body))
        case _:
            return []


def _energy(state: ViewState, model: Model, body: Rect) -> list[Control]:
    over_time, over_rounds = energy_rects(body)
    last, count = model.last, rounds(state, model)

    def seek(x: float, _: float) -> Action:
        return Seek(x_to_time(over_time.x + x * over_time.width, over_time, last))

    return [
        Control("chart.time", "area", over_time, tooltip="Go to this world step", at=seek, drag=True),
        rounds_area("chart.rounds", over_rounds, count),
    ]


def rounds_area(name: str, rect: Rect, count: int) -> Control:
    """An area whose width is the planner's rounds; the last of them stays the last, however many there will be."""

    def seek(x: float, _: float) -> Action:
        number = int(x * count)
        return SeekRound(number if number < count - 1 else None)

    tip = "Go to this round of the planner"
    return Control(name, "area", rect, tooltip=tip, at=seek, drag=True, enabled=count > 1)


def _tree(state: ViewState, model: Model, rect: Rect) -> list[Control]:
    shown = tree(state, model)

    def select(x: float, y: float) -> Action:
        places = tree_layout(shown, rect) if shown is not None else ()
        return SelectNode(nearest(places, rect.x + x * rect.width, rect.y + y * rect.height, REACH))

    tip = "Click a node to see its state on the map"
    return [Control("chart.tree", "area", rect, tooltip=tip, at=select, enabled=shown is not None)]


def _latent(state: ViewState, model: Model, rect: Rect) -> list[Control]:
    known = facts(state, model)

    def select(x: float, y: float) -> Action:
        points = latent_pixels(known.latent, rect) if known is not None else ()
        return SelectLandmark(nearest(points, rect.x + x * rect.width, rect.y + y * rect.height, REACH))

    tip = "Click a landmark to see it on the map"
    return [Control("chart.latent", "area", rect, tooltip=tip, at=select, enabled=known is not None)]
