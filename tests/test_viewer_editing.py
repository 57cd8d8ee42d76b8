"""Taking hold: every edit can be undone, is sent once, and leaves a document that is valid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.viewer_session import MAZE, PLANNERS, Table, a_document, a_paused_table, a_table, centre
from viz.viewer.actions import (
    Action,
    EndStroke,
    MoveGoal,
    MovePin,
    MoveStart,
    NewMap,
    Paint,
    Probe,
    Redo,
    ReplanLevel,
    Restart,
    SelectLevel,
    SelectRun,
    SetAgent,
    SetLevels,
    SetPlanner,
    SetRisk,
    ToggleCompare,
    Undo,
)
from viz.viewer.document import COST, GUARDRAIL, Document, Pin, Zones
from viz.viewer.events import Tick
from viz.viewer.messages import Apply, AskField, Replan
from viz.viewer.model import Model
from viz.viewer.state import initial
from viz.viewer.update import Outgoing, apply, update
from worlds.maps import FREE, WALL, Map

places = st.tuples(st.floats(-50, 50), st.floats(-50, 50))
cells = st.lists(st.tuples(st.integers(-1, 8), st.integers(-1, 10)), max_size=4).map(tuple)
edits = st.one_of(
    st.builds(Paint, st.sampled_from(("wall", "cost", "guardrail", "erase")), cells),
    st.builds(MoveGoal, places),
    st.builds(MoveStart, places),
    st.builds(MovePin, st.integers(0, 4), st.one_of(st.none(), places)),
    st.builds(SetPlanner, st.integers(0, 4), st.sampled_from(PLANNERS[1])),
    st.builds(SetLevels, st.integers(-1, 6)),
    st.builds(SetRisk, st.sampled_from(("average", "cautious", "worst"))),
    st.builds(SetAgent, st.sampled_from(("map", "demo"))),
    st.builds(NewMap, st.integers(0, 3)),
    st.just(ToggleCompare()),
    st.just(EndStroke()),
)


def do(table: Table, *actions: Action) -> list[Outgoing]:
    """Does what is asked for; the session doesn't answer."""
    sent: list[Outgoing] = []
    for action in actions:
        table.state, outgoing = apply(table.state, action, table.model)
        sent += outgoing
    return sent


def same_but_episode(one: Document, other: Document) -> bool:
    return replace(one, episode=0) == replace(other, episode=0)


# --- undo ----------------------------------------------------------------------------------------------------------


@given(actions=st.lists(edits, min_size=1, max_size=6))
def test_undo_goes_all_the_way_back_and_redo_all_the_way_on(actions: list[Action]) -> None:
    table = a_paused_table()
    begun = table.state.document
    do(table, *actions, EndStroke())
    done, count = table.state.document, len(table.state.past)
    do(table, *[Undo()] * count)
    assert same_but_episode(table.state.document, begun) and table.state.past == ()
    do(table, *[Redo()] * count)
    assert same_but_episode(table.state.document, done) and table.state.future == ()


@given(actions=st.lists(edits, max_size=8))
def test_every_edit_leaves_a_valid_document(actions: list[Action]) -> None:
    table = a_paused_table()
    for action in actions:
        do(table, action)
        document = table.state.document
        assert document.zones.cells.shape == document.map.shape
        assert all(len(setup.planners) == setup.levels >= 1 for setup in document.setups)
        assert all(2 <= pin.level <= max(setup.levels for setup in document.setups) for pin in document.pins)
        for place in (document.start, document.goal, *(pin.place for pin in document.pins)):
            row, column = document.map.cell_of(place)
            assert 0 < row < document.map.shape[0] - 1 and 0 < column < document.map.shape[1] - 1


@given(actions=st.lists(edits, max_size=8))
def test_the_session_always_ends_up_with_the_present_document(actions: list[Action]) -> None:
    table = a_paused_table()
    sent = [item for item in do(table, *actions, EndStroke()) if isinstance(item, Apply)]
    table.state, last = update(table.state, Tick(16), table.model)
    sent += [item for item in last if isinstance(item, Apply)]
    assert (sent[-1].document if sent else table.session.document) == table.state.document


def test_an_edit_that_changes_nothing_is_none() -> None:
    table = a_paused_table()
    document = table.state.document
    quiet = (
        MoveGoal(document.goal), EndStroke(), Paint("erase", ((1, 1),)), EndStroke(), SetRisk("average"), SetLevels(3),
        SetAgent("map"), SetPlanner(1, "cem"), MovePin(2, None), Paint("wall", ((0, 0), (6, 8))), Undo(), Redo(),
    )  # fmt: skip
    assert do(table, *quiet) == []
    assert table.state.document == document and table.state.past == () == table.state.future


def test_a_new_edit_ends_what_could_be_done_again() -> None:
    table = a_paused_table()
    do(table, SetRisk("worst"), Undo())
    assert table.state.future
    do(table, SetRisk("cautious"))
    assert table.state.future == ()


def test_a_stroke_is_one_edit_and_is_sent_once_a_frame() -> None:
    table = a_paused_table()
    sent = do(table, *(Paint("wall", ((1, column),)) for column in range(2, 7)))
    assert sent == [] and table.state.past == ()
    table.state, sent_by_tick = update(table.state, Tick(16), table.model)
    assert [type(item) for item in sent_by_tick] == [Apply, AskField]
    do(table, Paint("wall", ((1, 7),)))
    (last,) = do(table, EndStroke())
    assert isinstance(last, Apply) and last.document == table.state.document
    assert len(table.state.past) == 1
    do(table, Undo())
    assert table.state.document.map == MAZE


def test_an_edit_is_made_at_the_newest_step() -> None:
    table = a_paused_table(step=10)
    do(table, SetRisk("worst"))
    assert table.state.step == table.model.last and table.state.following


def test_undoing_something_else_begins_no_new_episode() -> None:
    table = a_paused_table()
    table.state, sent = apply(table.state, Restart(), table.model)
    table.hear(table.session.handle(sent))
    do(table, SetRisk("worst"))
    episode = table.state.document.episode
    do(table, Undo())
    assert table.state.document.episode == episode == 1


# --- the map -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("brush", "zone"), [("cost", COST), ("guardrail", GUARDRAIL)])
def test_zones_are_painted_on_the_floor_and_erased(brush: str, zone: int) -> None:
    table = a_paused_table()
    do(table, Paint(brush, ((1, 1), (1, 2), (2, 2), (0, 0))), EndStroke())  # type: ignore[arg-type]
    painted = np.zeros(MAZE.shape, np.uint8)
    painted[1, 1:3] = zone  # (2, 2) is wall
    assert table.state.document.zones == Zones(painted) and table.state.document.map == MAZE
    do(table, Paint("erase", ((1, 1), (1, 2))))
    assert not table.state.document.zones.cells.any()


def test_walls_are_painted_and_erased_but_never_the_border() -> None:
    table = a_paused_table()
    do(table, Paint("wall", ((1, 1), (0, 3))), EndStroke())
    assert table.state.document.map.cells[1, 1] == WALL
    do(table, Paint("erase", ((1, 1), (2, 2), (0, 3), (6, 8))), EndStroke())
    map = table.state.document.map
    assert map.cells[1, 1] == map.cells[2, 2] == FREE and map.cells[0, 3] == map.cells[6, 8] == WALL
    assert map.name == MAZE.name and map.version != MAZE.version


def test_what_no_map_can_be_is_a_banner() -> None:
    table = a_paused_table()
    everywhere = tuple((i, j) for i in range(7) for j in range(9))
    assert do(table, Paint("wall", everywhere), EndStroke()) == []
    assert table.state.banner is not None and "no free cell" in table.state.banner.text
    assert table.state.document.map == MAZE


def test_portals_are_not_erased_and_the_last_one_not_walled_up() -> None:
    map = Map.parse("######\n#I..O#\n######")
    document = replace(a_document(), map=map, zones=Zones.none(map.shape), goal=(8.0, 0.0))
    table = Table(initial(document))
    do(table, Paint("erase", ((1, 1),)), EndStroke())
    assert table.state.document.map == map
    do(table, Paint("wall", ((1, 1),)), EndStroke())
    assert table.state.document.map == map
    assert table.state.banner is not None and "portals need" in table.state.banner.text


def test_goal_and_start_stay_within_the_border() -> None:
    table = a_paused_table()
    do(table, MoveGoal((1e9, -1e9)), EndStroke(), MoveStart((-3.0, 500.0)), EndStroke())
    assert table.state.document.goal == pytest.approx((25.3, -1.3))
    assert table.state.document.start == pytest.approx((-1.3, 17.3))
    before = table.state.document
    do(table, MoveGoal((float("nan"), 0.0)), EndStroke())
    assert table.state.document == before


def test_a_start_that_is_dragged_begins_a_new_episode_when_it_is_let_go() -> None:
    table = a_paused_table()
    do(table, MoveStart((4.0, 0.0)))
    table.state, sent = update(table.state, Tick(16), table.model)
    assert sent == () and table.state.document.episode == 0
    (item,) = do(table, EndStroke())
    assert isinstance(item, Apply) and item.document.episode == 1 and item.document.start == (4.0, 0.0)
    (item,) = do(table, Undo())
    assert isinstance(item, Apply) and item.document.episode == 2 and item.document.start == (0.0, 0.0)


def test_a_new_map_is_a_maze_of_this_size_whose_ends_are_far_apart() -> None:
    table = a_paused_table()
    (item,) = do(table, NewMap(5))
    assert isinstance(item, Apply)
    document = item.document
    assert document.map.shape == MAZE.shape and document.map != MAZE and document.episode == 1
    distances = document.map.distances_from(document.map.cell_of(document.start))
    assert distances[tuple(document.map.cell_of(document.goal))] == distances.max() > 5
    assert document.pins == () and not document.zones.cells.any() and document.setups[0].agent == "map"
    do(table, NewMap())
    assert table.state.maze == 6
    do(table, Undo(), Undo())
    assert table.state.document.map == MAZE


# --- pins and probes -----------------------------------------------------------------------------------------------


def test_pins_are_set_moved_and_let_go() -> None:
    table = a_paused_table()
    do(table, MovePin(2, (4.0, 0.0)), MovePin(2, (8.0, 0.0)), EndStroke(), MovePin(3, (0.0, 8.0)), EndStroke())
    assert table.state.document.pins == (Pin(2, (8.0, 0.0)), Pin(3, (0.0, 8.0)))
    (item,) = do(table, MovePin(2, None))
    assert isinstance(item, Apply) and table.state.document.pins == (Pin(3, (0.0, 8.0)),)
    do(table, Undo())
    assert len(table.state.document.pins) == 2


def test_level_1_asks_the_world_itself_and_cannot_be_pinned() -> None:
    table = a_paused_table()
    assert do(table, MovePin(1, (4.0, 0.0)), EndStroke()) == []
    assert table.state.banner is not None and "level 2" in table.state.banner.text


def test_a_probe_changes_no_document() -> None:
    table = a_paused_table()
    do(table, Probe(centre((5, 1))))
    assert table.state.probe == centre((5, 1)) and table.state.past == ()


# --- who plans -----------------------------------------------------------------------------------------------------


def test_fewer_levels_have_fewer_planners_and_pins_and_another_one_selected() -> None:
    table = a_paused_table()
    do(table, SelectLevel(3), MovePin(3, (4.0, 0.0)), EndStroke(), SetLevels(2))
    setup = table.state.document.setups[0]
    assert setup.levels == 2 and setup.planners == ("cem", "landmarks")
    assert table.state.level == 2 and table.state.document.pins == ()
    do(table, SetLevels(99))
    assert table.state.document.setups[0].planners == ("cem", "landmarks", "mcts", "landmarks")


def test_planner_risk_and_agent_are_of_the_selected_run() -> None:
    table = a_paused_table(runs=2)
    do(table, SelectRun(1), SetPlanner(2, "landmarks"), SetRisk("worst"), SetAgent("map"))
    first, second = table.state.document.setups
    assert first == a_document().setups[0]
    assert (second.planners, second.risk, second.agent) == (("mppi", "landmarks"), "worst", "map")
    assert do(table, ReplanLevel(2)) == [Replan(1, 2)] and do(table, ReplanLevel(3)) == []


def test_a_comparison_differs_in_the_selected_levels_planner() -> None:
    table = a_paused_table()
    do(table, SelectLevel(2), ToggleCompare())
    first, second = table.state.document.setups
    assert second.planners == ("cem", "mcts", "mcts") and replace(second, planners=first.planners) == first
    do(table, SelectRun(1), ToggleCompare())
    assert table.state.document.setups == (first,) and table.state.run == 0


def test_without_an_agent_there_is_still_something_to_compare_with() -> None:
    table = Table(initial(a_document()), model=Model())
    do(table, ToggleCompare(), SetLevels(9), SetLevels(1), SetLevels(3))
    assert len(table.state.document.setups) == 2


def test_a_restart_cannot_be_undone_and_plays() -> None:
    table = a_table(200)
    (item,) = do(table, Restart())
    assert isinstance(item, Apply) and item.document.episode == 1
    assert table.state.playing and table.state.past == ()
