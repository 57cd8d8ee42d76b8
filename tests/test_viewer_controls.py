"""Every control has its place and its effect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.viewer_session import Table, a_document, a_paused_table
from viz.viewer.actions import (
    LAYERS,
    TABS,
    Action,
    EndStroke,
    Layer,
    MovePin,
    SetLevels,
    SetPlanner,
    SetRisk,
    TogglePanels,
    Undo,
)
from viz.viewer.controls import Control, controls, hit
from viz.viewer.events import Move, Press, Release
from viz.viewer.keys import shortcut
from viz.viewer.layout import Rect, layout
from viz.viewer.messages import Notice
from viz.viewer.model import Model
from viz.viewer.state import SPEEDS, TEXT_SCALES, ViewState, initial
from viz.viewer.update import Outgoing, apply, update

MENUS = ("layer", "agent", "levels", "risk", "share", "speed", "planner.1", "planner.2", "planner.3")


def after(table: Table, *actions: Action) -> Table:
    for action in actions:
        table.state, _ = apply(table.state, action, table.model)
    return table


@lru_cache
def situations() -> dict[str, Table]:
    """Moments in which all controls there are can be used."""
    found = {
        "paused": a_paused_table(),
        "edited": after(a_paused_table(), SetRisk("worst"), SetRisk("cautious"), SetRisk("worst"), Undo()),
        "pinned": after(a_paused_table(), MovePin(2, (4.0, 0.0)), EndStroke(), MovePin(3, (8.0, 0.0)), EndStroke()),
        "compared": a_paused_table(runs=2),
    }
    for tab in TABS:
        for level in (1, 2, 3):
            table = a_paused_table()
            table.state = replace(table.state, tab=tab, level=level, tool="wall", node=1, landmark=1, round=0)
            found[f"{tab} {level}"] = table
    for menu in MENUS:
        table = after(a_paused_table(), SetRisk("cautious"), SetLevels(3))
        table.state = replace(table.state, menu=menu, speed=0)
        found[f"menu {menu}"] = table
    two = after(a_paused_table(runs=2), SetLevels(2), SetRisk("worst"))
    for menu in ("agent", "levels", "risk", "planner.1", "planner.2"):
        found[f"other {menu}"] = Table(replace(two.state, run=1, menu=menu), two.session, two.model)
        found[f"third {menu}"] = Table(replace(two.state, run=0, menu=menu), two.session, two.model)
    found["second"] = Table(replace(two.state, run=1), two.session, two.model)
    slow = after(a_paused_table(), SetPlanner(3, "landmarks"))
    for menu in ("speed", "planner.3"):
        found[f"slow {menu}"] = Table(replace(slow.state, menu=menu), slow.session, slow.model)
    table = a_paused_table()
    table.state = replace(table.state, help=True, banner=Notice("!", urgent=True))
    found["help"] = table
    table = a_paused_table()
    table.state = replace(table.state, banner=Notice("!"), following=True)
    found["banner"] = table
    return found


def shown(table: Table) -> list[Control]:
    return controls(table.state, table.model, layout(table.state))


_RADIO = ("tool.", "tab.", "run.", "agent.", "levels.", "risk.", "speed.", "planner.", "follow")


def usable(control: Control, others: list[Control], menu: str | None) -> bool:
    """Whether a click reaches it, and it isn't the one of several that is chosen already."""
    chosen = control.on and control.kind in ("item", "tab", "toggle") and control.id.startswith(_RADIO)
    reached = menu is None or control.kind == "menu" or control.id.startswith(f"{menu}.")
    return control.kind != "popup" and reached and not chosen and spot(control, others) is not None


def middle(control: Control) -> tuple[int, int]:
    return control.rect.x + control.rect.width // 2, control.rect.y + control.rect.height // 2


def spot(control: Control, others: list[Control]) -> tuple[int, int] | None:
    """A pixel at which it is on top: its middle, or else its left edge."""
    x, y = middle(control)
    return next((there for there in ((x, y), (control.rect.x + 2, y)) if hit(others, *there) == control), None)


def everything() -> dict[str, str]:
    """Ids of all controls, each with a moment in which it can be used."""
    found: dict[str, str] = {}
    for name, table in situations().items():
        there = shown(table)
        for control in there:
            if control.id not in found and usable(control, there, table.state.menu):
                found[control.id] = name
    return found


def click(table: Table, control: Control) -> tuple[ViewState, tuple[Outgoing, ...]]:
    x, y = spot(control, shown(table)) or middle(control)
    state, sent = update(table.state, Press(x, y), table.model)
    state, more = update(state, Release(x, y), table.model)
    return state, (*sent, *more)


Effect = Callable[[ViewState, ViewState, tuple[Outgoing, ...], str], bool]

EFFECTS: dict[str, Effect] = {
    "tool.": lambda _, after, __, name: after.tool == name,
    "layer.": lambda before, after, _, name: after.layer(_layer(name)) != before.layer(_layer(name)),
    "agent.": lambda _, after, __, name: after.document.setups[after.run].agent == name and after.menu is None,
    "levels.": lambda _, after, __, name: after.document.setups[after.run].levels == int(name) and after.menu is None,
    "risk.": lambda _, after, __, name: after.document.setups[after.run].risk == name and after.menu is None,
    "share.": lambda _, after, sent, name: [item.kind for item in sent] == [name] and after.menu is None,  # type: ignore[union-attr]
    "speed.": lambda _, after, __, name: SPEEDS[after.speed] == int(name) and after.menu is None,
    "planner.": lambda before, after, _, name: (
        after.menu == f"planner.{name}" != before.menu
        or name == before.menu
        or after.document.setups != before.document.setups
    ),
    "level.": lambda _, after, __, name: after.level == int(name),
    "replan.": lambda _, __, sent, name: [item.level for item in sent] == [int(name)],  # type: ignore[union-attr]
    "unpin.": lambda _, after, __, name: after.document.pin(int(name)) is None,
    "tab.": lambda _, after, __, name: after.tab == name,
    "run.": lambda _, after, __, name: after.run == int(name),
    "undo": lambda before, after, _, __: after.document == before.past[-1],
    "redo": lambda before, after, _, __: after.document == before.future[0],
    "restart": lambda before, after, _, __: after.document.episode == before.document.episode + 1,
    "new": lambda before, after, _, __: after.document.map != before.document.map,
    "compare": lambda before, after, _, __: len(after.document.setups) == 3 - len(before.document.setups),
    "theme": lambda before, after, _, __: after.theme != before.theme,
    "text.smaller": lambda before, after, _, __: after.text_scale < before.text_scale,
    "text.larger": lambda before, after, _, __: after.text_scale > before.text_scale,
    "help": lambda before, after, _, __: after.help is not before.help,
    "help.page": lambda _, after, __, ___: not after.help,
    "banner": lambda _, after, __, ___: after.banner is None,
    "play": lambda before, after, _, __: after.playing is not before.playing,
    "step.back": lambda before, after, _, __: after.step == before.step - 1,
    "step.forward": lambda before, after, _, __: after.step == before.step + 1,
    "mark.previous": lambda before, after, _, __: after.step == 40 < before.step,
    "mark.next": lambda before, after, _, __: after.step == 60 > before.step,
    "follow": lambda _, after, __, ___: after.following and after.step == 61,
    "tracks": lambda before, after, _, __: after.step == 50 != before.step,
    "chart.time": lambda before, after, _, __: after.step == 50 != before.step,
    "rounds": lambda before, after, _, __: after.round not in (before.round, None),
    "chart.rounds": lambda before, after, _, __: after.round not in (before.round, None),
    "chart.tree": lambda before, after, _, __: after.node != before.node,
    "chart.latent": lambda before, after, _, __: after.landmark != before.landmark,
    **{menu: (lambda _, after, __, ___, menu=menu: after.menu == menu) for menu in ("layer", "agent", "levels")},  # type: ignore[misc]
    **{menu: (lambda _, after, __, ___, menu=menu: after.menu == menu) for menu in ("risk", "share", "speed")},  # type: ignore[misc]
}


def _layer(name: str) -> Layer:
    return next(layer for layer in LAYERS if layer == name.removesuffix(".fade"))


@pytest.mark.parametrize(("name", "situation"), everything().items(), ids=everything())
def test_every_control_has_its_effect(name: str, situation: str) -> None:
    table = situations()[situation]
    control = next(control for control in shown(table) if control.id == name)
    state, sent = click(table, control)
    prefix, dot, rest = name.partition(".")
    effect = EFFECTS.get(name) or EFFECTS[prefix + dot]
    assert effect(table.state, state, sent, rest)


def test_all_controls_that_there_are_were_used() -> None:
    there = {control.id for table in situations().values() for control in shown(table) if control.kind != "popup"}
    assert there == set(everything())


def test_names_are_unique() -> None:
    for table in situations().values():
        names = [control.id for control in shown(table)]
        assert len(names) == len(set(names))


def test_every_control_says_what_it_does() -> None:
    for table in situations().values():
        for control in shown(table):
            assert control.tooltip or control.kind in ("item", "popup")
            assert control.label or control.icon or control.kind in ("area", "popup", "slider", "menu")


@given(
    size=st.tuples(st.integers(640, 3000), st.integers(400, 2000)),
    scale=st.sampled_from(TEXT_SCALES),
    menu=st.sampled_from((None, *MENUS)),
    name=st.sampled_from(("paused", "compared", "pinned")),
)
def test_controls_are_on_the_screen_and_buttons_not_on_each_other(
    size: tuple[int, int], scale: float, menu: str | None, name: str
) -> None:
    table = situations()[name]
    state = replace(table.state, size=size, text_scale=scale, menu=menu)
    found = controls(state, table.model, layout(state))
    screen = Rect(0, 0, *size)
    for control in found:
        x, y, width, height = control.rect
        assert width > 0 and height > 0 and screen.contains(x, y) and screen.contains(x + width - 1, y + height - 1)
    items = [control for control in found if menu is not None and control.id.startswith(f"{menu}.")]
    buttons = [control for control in found if control not in items and control.kind != "area"]
    for group in (buttons, [control for control in items if control.kind != "popup"]):
        assert not any(overlap(one.rect, other.rect) for one, other in combinations(group, 2))


def overlap(one: Rect, other: Rect) -> bool:
    across = min(one.right, other.right) - max(one.x, other.x)
    return across > 0 and min(one.bottom, other.bottom) - max(one.y, other.y) > 0


def test_what_is_on_top_is_hit_first_and_what_is_of_no_use_never() -> None:
    below, above = (Control(name, "button", Rect(0, 0, 10, 10)) for name in ("below", "above"))
    assert hit([below, above], 5, 5) == above
    assert hit([below, replace(above, enabled=False)], 5, 5) == below
    assert hit([below, above], 10, 5) is None


def test_an_empty_model_has_controls_too() -> None:
    state = initial(a_document())
    found = {control.id: control for control in controls(state, Model(), layout(state))}
    assert not found["undo"].enabled and not found["rounds"].enabled and found["play"].enabled
    assert found["planner.2"].label == "A*, landmarks"


def test_without_panels_there_is_nothing_to_click_where_they_were() -> None:
    table = after(a_paused_table(), TogglePanels())
    assert not any(control.id.startswith(("level.", "tab.", "chart.")) for control in shown(table))


def test_the_play_button_shows_what_it_would_do() -> None:
    table = a_paused_table()
    icons = []
    for playing in (True, False):
        table.state = replace(table.state, playing=playing)
        icons += [control.icon for control in shown(table) if control.id == "play"]
    assert icons == ["pause", "play"]


def test_planners_are_those_that_can_plan_at_the_level() -> None:
    table = situations()["menu planner.2"]
    items = [control.label for control in shown(table) if control.id.startswith("planner.2.") and control.label]
    assert items == ["A*, landmarks", "MCTS", "CEM"]


def test_a_slider_follows_the_pointer_also_beyond_its_ends() -> None:
    table = a_paused_table()
    table.state = replace(table.state, menu="layer")
    slider = next(control for control in shown(table) if control.id == "layer.heat.fade")
    x, y = middle(slider)
    seen = []
    table.take(Press(x, y))
    for to in (slider.rect.x, slider.rect.x - 300, slider.rect.right + 300):
        table.take(Move(to, y + 200))
        seen.append(table.state.layer("heat").alpha)
    table.take(Release(0, 0), Move(x, y))
    assert seen == [0.0, 0.0, 1.0] and table.state.layer("heat").alpha == 1.0
    assert table.state.menu == "layer"  # several layers are set in one go


def test_the_layer_menu_holds_every_layer() -> None:
    ids = [control.id for control in shown(situations()["menu layer"])]
    assert all(f"layer.{layer}" in ids and f"layer.{layer}.fade" in ids for layer in LAYERS)


def test_buttons_that_have_a_key_tell_it() -> None:
    keys = {control.id: shortcut(control.action) for control in shown(a_paused_table())}
    assert (keys["play"], keys["undo"], keys["tool.wall"], keys["step.forward"]) == ("Space", "Ctrl+Z", "W", "→")
