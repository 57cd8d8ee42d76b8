"""Time: playing, scrubbing, following live, and the planner's rounds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.viewer_session import Table, a_document, a_paused_table, a_table
from viz.viewer.actions import (
    Action,
    Follow,
    RoundBy,
    Seek,
    SeekMark,
    SeekRound,
    SelectLevel,
    SelectNode,
    Speed,
    StepBy,
    TogglePlay,
)
from viz.viewer.events import Key, Tick
from viz.viewer.messages import Advance, Began
from viz.viewer.selected import rounds, shown_work, tree, work
from viz.viewer.state import SPEEDS, Gesture
from viz.viewer.update import Outgoing, apply, update


def do(table: Table, *actions: Action) -> list[Outgoing]:
    """Does what is asked for, and lets the session answer."""
    sent: list[Outgoing] = []
    for action in actions:
        table.state, outgoing = apply(table.state, action, table.model)
        sent += outgoing
        table.hear(table.session.handle(outgoing))
    return sent


# --- playing -------------------------------------------------------------------------------------------------------


def test_playing_goes_at_the_chosen_speed_whatever_the_frame_rate() -> None:
    for milliseconds in (4, 16, 33):
        table = a_paused_table(step=0)
        do(table, Seek(0), Speed(20), TogglePlay())
        for _ in range(1000 // milliseconds):
            table.state, _ = update(table.state, Tick(milliseconds), table.model)
        assert table.state.step == pytest.approx(20, abs=1)


def test_playing_to_the_end_stops_there_and_plays_again_from_the_beginning() -> None:
    table = a_table(200, length=60)
    assert table.model.last == table.state.step == 60
    assert not table.state.playing and table.state.rested
    do(table, TogglePlay())
    assert table.state.playing and table.state.step == 0
    table.take(*[Tick(16)] * 10)
    assert 0 < table.state.step < 60
    table.take(*[Tick(16)] * 200)
    assert table.state.step == 60 and not table.state.playing


def test_what_rests_goes_on_by_itself_when_an_edit_lets_it() -> None:
    table = a_table(200, length=60)
    table.session.length = 90
    table.state = replace(table.state, document=replace(table.state.document, goal=(8.0, 0.0)), unsent=True)
    table.take(*[Tick(16)] * 200)
    assert table.model.last == 90


def test_playing_behind_the_newest_step_plays_what_is_recorded_then_goes_on_live() -> None:
    table = a_paused_table(step=41)
    asked = table.session.asked
    do(table, TogglePlay())
    table.take(*[Tick(16)] * 10)
    assert 41 < table.state.step < 61 and table.session.asked == asked
    table.take(*[Tick(16)] * 60)
    assert table.state.following and table.session.asked > asked


def test_a_paused_viewer_asks_for_nothing() -> None:
    table = a_paused_table()
    assert not any(isinstance(item, Advance) for item in table.take(*[Tick(16)] * 50))


def test_the_session_is_asked_again_only_after_it_has_answered() -> None:
    table = a_table(1)
    sent = []
    for _ in range(200):
        table.state, outgoing = update(table.state, Tick(16), table.model)
        sent += [item for item in outgoing if isinstance(item, Advance)]
    assert len(sent) == 1
    table.hear(table.session.handle(sent))
    _, outgoing = update(table.state, Tick(100), table.model)
    assert [type(item) for item in outgoing] == [Advance]


def test_a_slow_session_is_followed_step_by_step() -> None:
    table = a_table(1, length=10_000)
    waiting: list[Outgoing] = []
    for frame in range(300):
        table.state, outgoing = update(table.state, Tick(16), table.model)
        waiting += outgoing
        assert sum(isinstance(item, Advance) for item in waiting) <= 1
        if frame % 50 == 49:
            table.hear(table.session.handle(waiting))
            waiting.clear()
    for _ in range(20):
        table.state, _ = update(table.state, Tick(16), table.model)
    assert 6 <= table.state.step == table.model.last


def test_a_run_that_waits_for_a_hand_keeps_playing() -> None:
    table = a_table(5)
    recording = table.model.runs[0].recording
    assert recording is not None
    recording.status = "waiting: the goal is in a wall"
    before = table.session.asked
    table.take(*[Tick(16)] * 50)
    assert table.state.playing and table.session.asked == before
    assert table.state.awaited is None


def test_time_stands_still_while_it_is_scrubbed() -> None:
    table = a_paused_table(step=0)
    do(table, TogglePlay())
    table.state = replace(table.state, gesture=Gesture("control", 1, 0, 0, control="tracks"))
    table.take(*[Tick(16)] * 20)
    assert table.state.step == 0


# --- seeking -------------------------------------------------------------------------------------------------------


@given(steps=st.lists(st.integers(-500, 500), max_size=6), seek=st.integers(-(10**12), 10**12))
def test_no_seeking_leaves_what_is_recorded(steps: list[int], seek: int) -> None:
    table = a_paused_table()
    actions: list[Action] = [Seek(seek), *map(StepBy, steps)]
    for action in actions:
        table.state, _ = apply(table.state, action, table.model)
        assert 0 <= table.state.step <= 61


def test_steps_go_both_ways_and_pause() -> None:
    table = a_paused_table(step=41)
    do(table, TogglePlay(), StepBy(-10))
    assert table.state.step == 31 and not table.state.playing
    do(table, StepBy(+3))
    assert table.state.step == 34


def test_a_step_past_the_newest_one_asks_the_session_and_shows_it_when_it_is_there() -> None:
    table = a_paused_table(step=60)
    table.state, sent = apply(table.state, StepBy(+4), table.model)
    assert sent == (Advance(3),) and table.state.step == 61
    table.state, again = apply(table.state, StepBy(+1), table.model)
    assert again == () and table.state.target == 65  # the session owes an answer
    table.hear(table.session.handle(sent))
    assert table.state.step == table.model.last == 65 and table.state.target is None


def test_a_step_that_never_comes_is_not_waited_for() -> None:
    table = a_table(200, length=60)
    assert do(table, StepBy(+5)) == []
    assert table.state.step == 60 and table.state.target is None


def test_follow_goes_to_the_newest_step() -> None:
    table = a_paused_table(step=10)
    do(table, Follow())
    assert table.state.step == 61 and table.state.following
    do(table, Seek(5))
    assert not table.state.following


def test_marks_are_stepped_through() -> None:
    table = a_paused_table(step=0)  # plans are made at 0, 20, 40 and 60
    seen = []
    for _ in range(5):
        do(table, SeekMark(+1))
        seen.append(table.state.step)
    assert seen == [20, 40, 60, 61, 61]
    do(table, SeekMark(-1))
    assert table.state.step == 60
    do(table, Seek(0), SeekMark(-1))
    assert table.state.step == 0


def test_speeds_are_set_and_stepped_through() -> None:
    table = a_paused_table()
    for speed in SPEEDS:
        do(table, Speed(speed))
        assert SPEEDS[table.state.speed] == speed
    do(table, Speed(+1))
    assert SPEEDS[table.state.speed] == SPEEDS[-1]
    do(table, Speed(-1))
    assert SPEEDS[table.state.speed] == SPEEDS[-2]


def test_a_new_episode_forgets_what_the_last_one_was_asked_for() -> None:
    table = a_paused_table(step=61)
    table.state, _ = apply(table.state, StepBy(+10), table.model)
    document = table.state.document
    table.hear([Began(0, document, document.start)])
    assert (table.state.step, table.state.awaited, table.state.target) == (0, None, None)


# --- rounds --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("level", "count"), [(1, 3), (2, 5), (3, 1)])
def test_a_round_is_one_of_an_optimiser_a_tree_or_a_place_looked_at(level: int, count: int) -> None:
    table = a_paused_table()
    do(table, SelectLevel(level))
    assert rounds(table.state, table.model) == count
    for number in range(count - 1):
        do(table, SeekRound(number))
        assert sum(len(getattr(item, "places", [0])) for item in shown_work(table.state, table.model)) == number + 1
    do(table, SeekRound(None))
    assert [type(item) for item in shown_work(table.state, table.model)] == [
        type(item) for item in work(table.state, table.model)
    ]


def test_the_last_round_stays_the_last() -> None:
    table = a_paused_table()
    do(table, SelectLevel(1), RoundBy(-1))
    assert table.state.round == 1
    do(table, RoundBy(-5))
    assert table.state.round == 0
    do(table, RoundBy(+1), RoundBy(+1), RoundBy(+1))
    assert table.state.round is None
    do(table, SeekRound(10**6))
    assert table.state.round is None


def test_a_round_or_a_node_belongs_to_one_decision() -> None:
    table = a_paused_table(step=41)
    do(table, SelectLevel(3), SelectNode(4))
    assert table.state.node == 4 and tree(table.state, table.model) is not None
    do(table, Seek(43))
    assert table.state.node == 4  # the same plan is still in force
    do(table, Seek(45))
    assert table.state.node is None
    do(table, SelectLevel(1), SeekRound(0), Seek(30))
    assert table.state.round is None


def test_looking_at_rounds_and_nodes_stops_time() -> None:
    for action in (SeekRound(0), RoundBy(-1)):
        table = a_paused_table()
        do(table, SelectLevel(1), TogglePlay(), action)
        assert not table.state.playing and table.state.round is not None
    table = a_paused_table()
    do(table, SelectLevel(3), TogglePlay(), SelectNode(2))
    assert not table.state.playing


def test_where_nothing_is_recorded_there_are_no_rounds() -> None:
    table = a_table(document=a_document(levels=1))
    do(table, SeekRound(3), RoundBy(-1))
    assert table.state.round is None and rounds(table.state, table.model) == 0
    assert table.take(Key("up")) == []
