"""The reducer as a whole: it never fails, says the same to the same, and asks no more than it must."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.viewer_session import Scripted, Table, a_document, a_paused_table, a_table, centre
from viz.viewer import actions
from viz.viewer.actions import Action
from viz.viewer.document import Pin
from viz.viewer.events import Close, Event, Key, Leave, Move, Press, Release, Resize, Tick, Wheel
from viz.viewer.keys import KEYS
from viz.viewer.messages import Advance, Apply, AskField, AskProbe, Loaded, Notice
from viz.viewer.model import Model
from viz.viewer.share import picture
from viz.viewer.state import DEFAULT_LAYERS, HIDDEN, SPEEDS, ViewState, initial
from viz.viewer.update import BANNER, Outgoing, apply, reported, update

ALL_KEYS = [key for binding in KEYS for key in binding.keys if key != "ctrl+q"]
JUNK = ["", "ö", "f12", "ctrl", "print screen", "+", "é", "0", "9", "return"]


def random_event(chance: random.Random) -> Event:
    """Anything that a hand, a cat or a window manager may do."""
    x, y = chance.randrange(-20, 1400), chance.randrange(-20, 900)
    roll = chance.random()
    if roll < 0.35:
        return Move(x, y)
    if roll < 0.6:
        return Tick(chance.choice((0, 1, 16, 16, 33, 400)))
    if roll < 0.72:
        return Press(x, y, chance.choice((1, 1, 1, 2, 3, 5)), chance.random() < 0.2)
    if roll < 0.82:
        return Release(x, y, chance.choice((1, 1, 1, 2, 3)))
    if roll < 0.94:
        return random_key(chance)
    if roll < 0.98:
        return Wheel(x, y, chance.randrange(-40, 40))
    return chance.choice((Leave(), Resize(chance.randrange(-5, 3000), chance.randrange(0, 2000)), Resize(1280, 800)))


def random_key(chance: random.Random) -> Key:
    """A key of the table, or one that means nothing."""
    *held, name = (chance.choice(ALL_KEYS) if chance.random() < 0.8 else chance.choice(JUNK)).rsplit("+", 1)
    return Key(name, "shift" in "".join(held), "ctrl" in "".join(held))


def play(seed: int, events: int) -> Table:
    """A viewer after so many random events; what must always hold is checked after each of them."""
    chance = random.Random(seed)
    table = a_table()
    table.state = replace(table.state, size=(1280, 800))
    for _ in range(events):
        table.take(random_event(chance))
        state = table.state
        assert 0 <= state.step <= table.model.last
        assert 1 <= state.level <= state.document.setups[state.run].levels
        if state.document.map.shape != (7, 9) or not state.open:
            table.state = replace(state, open=True)
    return table


def test_100_000_random_events_do_no_harm_and_the_same_events_give_the_same_frame() -> None:
    first, second = play(7, 50_000), play(7, 50_000)
    assert first.state == second.state
    assert first.session.requests == second.session.requests
    assert first.model.revision == second.model.revision
    assert np.array_equal(
        *(np.asarray(picture(replace(one.state, size=(900, 600)), one.model)) for one in (first, second))
    )
    assert first.session.asked > 1000  # it was not paused all the time
    assert len(first.state.past) > 50


@pytest.mark.parametrize("seed", range(4))
def test_no_event_fails_whatever_has_been_reported(seed: int) -> None:
    chance = random.Random(seed)
    complete = a_paused_table(41, runs=2)
    models = [Model(), a_table(1).model, complete.model]
    state = replace(complete.state, level=9, run=7, step=10**6, round=99, node=99, landmark=99)
    for _ in range(1500):
        state, _ = update(replace(state, open=True), random_event(chance), chance.choice(models))


def test_no_action_is_forgotten() -> None:
    named = {
        name
        for name, thing in vars(actions).items()
        if isinstance(thing, type) and thing.__module__ == actions.__name__
    }
    assert {action.__name__ for action in get_args(Action)} == named


@given(action=st.one_of(*map(st.from_type, get_args(Action))), known=st.booleans())
@settings(max_examples=400)
def test_no_action_fails_whatever_its_values(action: Action, known: bool) -> None:
    """Also with values that no control ever gives it."""
    table = a_paused_table()
    model = table.model if known else Model()
    state, _ = apply(table.state, action, model)
    for event in (Tick(16), Press(400, 300), Move(500, 200), Release(500, 200), Tick(16)):
        state, _ = update(state, event, model)
    assert 0 <= state.step <= model.last


def test_a_viewer_opens_with_something_to_see() -> None:
    state = initial(a_document(), (1024, 700), ("map", "demo"))
    assert state.playing and state.following and state.open and state.size == (1024, 700)
    assert {name for name, layer in state.layers.items() if not layer.shown} == HIDDEN
    assert state.agents == ("map", "demo") and state.level == 2
    assert initial(a_document(levels=1)).level == 1
    assert ViewState(a_document()).layer("heat") == DEFAULT_LAYERS["heat"]


def test_the_document_is_sent_once() -> None:
    table = a_table()
    assert [type(item) for item in table.take(Tick(16))][:1] == [Apply]
    assert not any(isinstance(item, Apply) for item in table.take(*[Tick(16)] * 5))


def test_a_frame_in_which_nothing_happens_makes_no_new_state() -> None:
    table = a_paused_table()
    table.take(*[Tick(16)] * 3)
    before = table.state
    table.take(Tick(16))
    assert table.state is before


def test_neither_window_nor_torch_nor_plots_are_needed() -> None:
    program = (
        "import sys, viz.viewer.update, viz.viewer.keys\n"
        "print([name for name in ('torch', 'pygame', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_close_resize_and_leave() -> None:
    table = a_paused_table()
    table.take(Move(300, 300), Resize(900, 500))
    assert table.state.size == (900, 500) and table.state.pointer == (300, 300)
    table.take(Leave())
    assert table.state.pointer is None
    table.take(Close())
    assert not table.state.open


# --- what is asked for ---------------------------------------------------------------------------------------------


def asked(sent: Sequence[Outgoing]) -> list[AskField]:
    return [item for item in sent if isinstance(item, AskField)]


def test_fields_are_asked_for_once_and_again_when_something_else_is_to_be_seen() -> None:
    table = a_table(1)
    assert asked(table.take(Tick(16))) == [AskField(0, "heat", 2)]
    assert asked(table.take(*[Tick(16)] * 20)) == []
    assert asked(table.take(Key("3"), Tick(16))) == [AskField(0, "heat", 3)]
    assert asked(table.take(Key("u", shift=True), Tick(16))) == [AskField(0, "unfamiliar", 3)]


def test_the_heat_map_keeps_up_with_a_goal_that_is_dragged_as_far_as_answers_come() -> None:
    table = a_table(2)
    for column in range(1, 6):
        table.state, _ = apply(table.state, actions.MoveGoal(centre((1, column))), table.model)
        assert asked(table.take(Tick(16))) == [AskField(0, "heat", 2)]
    late: list[Outgoing] = []
    for column in range(1, 6):
        table.state, _ = apply(table.state, actions.MoveGoal(centre((5, column))), table.model)
        table.state, outgoing = update(table.state, Tick(16), table.model)  # the session is busy
        late += outgoing
    assert len(asked(late)) == 1
    table.hear(table.session.handle(late))
    table.take(Tick(16))
    assert table.model.run(0).field("heat", 2, table.state.document) is not None


def test_fields_that_are_hidden_or_of_nobody_are_not_asked_for() -> None:
    table = a_table()
    table.take(Key("h"), Key("h", shift=True))  # heat and iso-lines away
    assert asked(table.take(*[Tick(16)] * 5)) == []
    state, sent = update(replace(initial(a_document()), unsent=False), Tick(16), Model())
    assert sent == () and state.asked == frozenset()


def test_a_field_that_never_comes_is_not_asked_for_again_until_its_agent_is_loaded_anew() -> None:
    table = a_table(1)
    state, model = table.state, table.model
    state, first = update(state, Tick(16), model)  # the session doesn't hear of it
    state, second = update(state, Tick(16), model)
    assert asked(tuple(first)) and not asked(tuple(second))
    state, _ = reported(state, [Loaded(0, True, model.run(0).levels)], model)
    assert asked(tuple(update(state, Tick(16), model)[1]))


def test_both_runs_fields_are_asked_for() -> None:
    table = a_table(1, a_document(2))
    assert asked(table.take(Tick(16))) == [AskField(0, "heat", 2), AskField(1, "heat", 2)]


def test_a_probe_is_asked_for_once_for_every_run_and_again_after_an_edit() -> None:
    table = a_paused_table(runs=2)
    table.take(Tick(16))
    table.state, _ = apply(table.state, actions.Probe((4.0, 0.0)), table.model)
    questions = [AskProbe(0, (4.0, 0.0)), AskProbe(1, (4.0, 0.0))]
    assert table.take(Tick(16), Tick(16)) == questions
    table.state, _ = apply(table.state, actions.MovePin(2, (8.0, 0.0)), table.model)
    table.state, sent = apply(table.state, actions.EndStroke(), table.model)
    assert [item for item in (*sent, *table.take(Tick(16))) if isinstance(item, AskProbe)] == questions
    table.take(Key("escape"))
    assert table.state.probe is None and table.take(Tick(16)) == []


# --- what reports change -------------------------------------------------------------------------------------------


def test_a_new_episode_begins_at_its_beginning() -> None:
    table = a_paused_table()
    table.take(Key("r"))
    assert table.state.step == 0 and table.model.last == 0 and table.state.playing


def test_a_notice_is_read_for_a_while_an_urgent_one_until_it_is_dismissed() -> None:
    table = a_paused_table()
    table.hear([Notice("saved")])
    table.take(*[Tick(100)] * (BANNER // 100 - 1))
    assert table.state.banner == Notice("saved")
    table.take(Tick(100))
    assert table.state.banner is None
    table.hear([Notice("the goal is in a wall", urgent=True)])
    table.hear([Notice("saved")])
    table.take(*[Tick(100)] * 100)
    assert table.state.banner == Notice("the goal is in a wall", urgent=True)
    table.take(Key("escape"))
    assert table.state.banner is None


def test_a_pin_that_is_reached_is_gone_also_when_something_else_is_undone() -> None:
    table = a_table(3, replace(a_document(), pins=(Pin(2, (8.0, 0.0)),)))
    table.state, _ = apply(table.state, actions.Paint("cost", ((1, 3),)), table.model)
    table.take(Release(0, 0))
    table.state, _ = apply(table.state, actions.EndStroke(), table.model)
    assert table.state.document.pin(2) is not None
    table.hear(table.session.handle([Advance(50)]))
    assert table.state.document.pin(2) is None
    table.take(Key("z", ctrl=True))
    assert table.state.document.pin(2) is None and not table.state.document.zones.cells.any()


def test_a_dropped_comparison_does_not_hold_up_the_other_run() -> None:
    table = a_table(3, a_document(2), length=10_000)
    table.take(Key("v"))
    table.model.absorb([Notice("late")])
    before = table.model.last
    table.take(*[Tick(16)] * 60)
    assert len(table.model.runs) == 1 and table.model.last > before + 20


def test_one_second_of_playing_asks_for_no_more_than_it_shows() -> None:
    table = a_table(1, length=10_000)
    table.take(*[Tick(16)] * 625)  # ten seconds
    shown = SPEEDS[table.state.speed] * 10
    assert shown * 0.9 <= table.state.step <= shown
    assert table.state.step <= table.session.asked <= table.state.step + 0.5 * SPEEDS[table.state.speed]


def test_a_session_that_says_nothing_is_asked_once() -> None:
    table = a_table(1)
    state, sent = table.state, []
    for _ in range(500):
        state, outgoing = update(state, Tick(16), table.model)
        sent += [item for item in outgoing if isinstance(item, Advance)]
    assert len(sent) <= 1 and np.isfinite(state.fraction)


def test_the_scripted_session_is_fit_for_this() -> None:
    session = Scripted()
    assert session.handle([Advance(3)]) == []
    assert len(session.handle([Apply(a_document(2))])) == 4
