"""The table of keys: complete, without doubles, and every key does something."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from tests.viewer_session import Table, a_document, a_paused_table
from viz.viewer.actions import (
    EXPORTS,
    LAYERS,
    TOOLS,
    Action,
    EndStroke,
    FadeLayer,
    MovePin,
    Pan,
    Save,
    SelectLevel,
    SetRisk,
    ToggleHelp,
    ToggleLayer,
    TogglePlay,
    Undo,
    Zoom,
)
from viz.viewer.events import Key
from viz.viewer.keys import KEYS, Binding, action_of, chord, groups, markdown, shortcut
from viz.viewer.messages import Notice
from viz.viewer.model import Model
from viz.viewer.state import initial
from viz.viewer.update import apply, update

EVERY_KEY = [(key, binding) for binding in KEYS for key in binding.keys]


def pressed(key: str) -> Key:
    """The event of a key as the table names it."""
    name, ctrl, shift = key, False, False
    if name.startswith("ctrl+"):
        name, ctrl = name.removeprefix("ctrl+"), True
    if name.startswith("shift+"):
        name, shift = name.removeprefix("shift+"), True
    return Key(name, shift, ctrl)


def after(table: Table, *actions: Action) -> Table:
    for action in actions:
        table.state, _ = apply(table.state, action, table.model)
    return table


def situations() -> list[Table]:
    """Moments in which there is something to do for every key."""
    edited = after(a_paused_table(), SetRisk("worst"), SetRisk("average"), Undo())
    pinned = after(a_paused_table(), MovePin(2, (4.0, 0.0)), EndStroke())
    looking = after(a_paused_table(), SelectLevel(1), Zoom(3.0, (8.0, 4.0)))
    four = a_paused_table(runs=2)
    levels = replace(four.state.document.setups[0], levels=4, planners=("cem", "landmarks", "mcts", "landmarks"))
    four.state = replace(
        four.state, document=four.state.document.with_setup(0, levels), banner=Notice("!"), tool="wall"
    )
    rounds = after(a_paused_table(), SelectLevel(1))
    rounds.state = replace(rounds.state, round=1)
    return [a_paused_table(), edited, pinned, looking, four, rounds]


@pytest.mark.parametrize(("key", "binding"), EVERY_KEY, ids=[key for key, _ in EVERY_KEY])
def test_every_key_does_something(key: str, binding: Binding) -> None:
    effects = []
    for table in situations():
        state, sent = update(table.state, pressed(key), table.model)
        effects.append(state != table.state or bool(sent))
    assert any(effects) or key in "6789"  # there are no more than five levels in any of these moments


def test_all_keys_of_a_binding_do_the_same() -> None:
    for binding in KEYS:
        for table in situations():
            outcomes = [update(table.state, pressed(key), table.model) for key in binding.keys]
            assert all(outcome == outcomes[0] for outcome in outcomes)


def test_no_key_means_two_things() -> None:
    assert [key for key, count in Counter(key for key, _ in EVERY_KEY).items() if count > 1] == []
    assert all(chord(pressed(key)) == key for key, _ in EVERY_KEY)


def test_every_layer_tool_and_export_has_a_key() -> None:
    actions = [binding.action for binding in KEYS]
    assert all(ToggleLayer(layer) in actions for layer in LAYERS)
    assert {action.tool for action in actions if hasattr(action, "tool")} == set(TOOLS)
    assert all(Save(export) in actions for export in EXPORTS)
    by_hand = {"Pan", "FadeLayer", "SelectNode", "SelectLandmark", "ToggleMenu", "Paint", "EndStroke", "MoveGoal"}
    by_hand |= {"MoveStart", "Probe", "SetAgent"}
    reached = {type(action).__name__ for action in actions if not callable(action)}
    for table in situations():
        reached |= {type(action_of(pressed(key), table.state, table.model)).__name__ for key, _ in EVERY_KEY}
    assert {action.__name__ for action in get_args(Action)} - reached == by_hand


def test_what_no_key_is_for_does_nothing() -> None:
    table = a_paused_table()
    for key in (Key("f12"), Key("space", ctrl=True), Key(""), Key("left", ctrl=True, shift=True)):
        assert update(table.state, key, table.model) == (table.state, ())


def test_keys_are_told_as_people_read_them() -> None:
    assert shortcut(TogglePlay()) == "Space"
    assert shortcut(Save("scene")) == "Ctrl+S"
    assert shortcut(ToggleHelp()) == "F1"
    assert shortcut(ToggleLayer("isolines")) == "Shift+H"
    assert shortcut(FadeLayer("heat", 0.5)) == shortcut(Pan((0, 0))) == shortcut(None) == ""
    labels = {binding.help: binding.label for binding in KEYS}
    assert labels["Redo"] == "Ctrl+Y, Ctrl+Shift+Z"
    assert labels["Larger text"].startswith("Ctrl++")
    assert labels["One world step back"] == "←"


def test_the_pages_table_holds_every_binding_with_words() -> None:
    told = [line for _, lines in groups() for line in lines]
    assert [text for _, text in told] == [binding.help for binding in KEYS if binding.help]
    assert len({text for _, text in told}) == len(told) and all(keys for keys, _ in told)
    assert len({group for group, _ in groups()}) == len(groups())


def test_the_readme_has_the_table_that_f1_shows() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    assert markdown() in readme
    assert all(f"**{keys}** " in markdown() for _, bindings in groups() for keys, _ in bindings)


def test_keys_that_depend_on_the_moment_do_nothing_before_there_is_one() -> None:
    state, model = initial(a_document()), Model()
    for key, _ in EVERY_KEY:
        update(state, pressed(key), model)
