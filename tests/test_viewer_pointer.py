"""Gestures on the map, by tool; and menus that close when something else is clicked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.viewer_session import MAZE, Table, a_document, a_paused_table, centre
from viz.viewer.actions import EndStroke, MovePin, SelectLevel, SelectTab, SelectTool, Tool, Zoom
from viz.viewer.charts import latent_pixels, plot_rect
from viz.viewer.controls import controls
from viz.viewer.document import CLEAR, COST, Pin
from viz.viewer.events import Key, Move, Press, Release, Tick, Wheel
from viz.viewer.layout import Projection, layout, projections, tab_body
from viz.viewer.messages import AskProbe
from viz.viewer.pointer import cells_between
from viz.viewer.selected import facts
from viz.viewer.update import apply
from worlds.maps import WALL, generate_maze

Cell = tuple[int, int]


def pane(table: Table, number: int = 0) -> Projection:
    return projections(table.state, layout(table.state))[number]


def pixel(table: Table, place: tuple[float, float], number: int = 0) -> tuple[int, int]:
    x, y = pane(table, number).pixels(place)
    return round(float(x)), round(float(y))


def with_tool(tool: Tool, runs: int = 1) -> Table:
    table = a_paused_table(runs=runs)
    table.state, _ = apply(table.state, SelectTool(tool), table.model)
    return table


def drag(table: Table, *places: tuple[float, float], button: int = 1) -> None:
    """Press, moves, release: all within one frame."""
    first, *rest = (pixel(table, place) for place in places)
    table.take(Press(*first, button), *(Move(*there) for there in rest), Release(*(rest or [first])[-1], button))


# --- painting ------------------------------------------------------------------------------------------------------


def test_a_fast_stroke_has_no_holes_and_leaves_the_border() -> None:
    table = with_tool("cost")
    drag(table, centre((1, 1)), centre((1, 7)), centre((1, 12)))
    assert (table.state.document.zones.cells[1, 1:8] == COST).all()
    assert (table.state.document.zones.cells[:, 8] == CLEAR).all() and len(table.state.past) == 1


@given(st.tuples(st.floats(-9, 40), st.floats(-9, 40)), st.tuples(st.floats(-9, 40), st.floats(-9, 40)))
def test_cells_of_a_line_touch_one_another(origin: tuple[float, float], end: tuple[float, float]) -> None:
    cells = np.array(cells_between(origin, end, LARGE), dtype=np.int64).reshape(-1, 2)
    assert len(cells) == len({tuple(cell) for cell in cells.tolist()})
    if len(cells) > 1:
        assert np.abs(np.diff(cells, axis=0)).max() == 1
    inside = [tuple(LARGE.cell_of(place).tolist()) for place in (origin, end)]
    assert all(cell in map(tuple, cells.tolist()) for cell in inside if min(cell) >= 0 and max(cell) < 30)


LARGE = generate_maze(31, 31, 0)


@pytest.mark.parametrize("tool", ["wall", "cost", "guardrail"])
def test_the_right_button_erases(tool: Tool) -> None:
    table = with_tool(tool)
    drag(table, centre((1, 2)), centre((1, 4)))
    assert table.state.document != a_document()
    drag(table, centre((1, 2)), centre((1, 4)), button=3)
    assert table.state.document == a_document()
    table.take(Key("z", ctrl=True), Key("z", ctrl=True))
    assert table.state.past == ()


def test_walls_are_painted_where_the_pointer_is() -> None:
    table = with_tool("wall")
    drag(table, centre((3, 1)))
    changed = np.argwhere(table.state.document.map.cells != MAZE.cells)
    assert changed.tolist() == [[3, 1]] and table.state.document.map.cells[3, 1] == WALL


def test_a_zoomed_map_is_painted_where_it_shows() -> None:
    table = with_tool("cost")
    table.state, _ = apply(table.state, Zoom(3.0, centre((5, 5))), table.model)
    drag(table, centre((5, 5)))
    assert np.argwhere(table.state.document.zones.cells).tolist() == [[5, 5]]


def test_a_stroke_whose_end_was_never_told_ends_with_the_next_press() -> None:
    table = with_tool("cost")
    table.take(Press(*pixel(table, centre((1, 1)))), Press(*pixel(table, centre((1, 5)))))
    assert len(table.state.past) == 1 and table.state.stroke is not None
    table.take(Release(0, 0, button=3))
    assert table.state.gesture is not None  # another button
    table.take(Release(0, 0))
    assert len(table.state.past) == 2 and table.state.gesture is None


# --- dragging ------------------------------------------------------------------------------------------------------


def test_the_goal_is_dragged_with_the_tool_that_looks() -> None:
    table = with_tool("inspect")
    goal = pixel(table, table.state.document.goal)
    table.take(Press(goal[0] + 8, goal[1] - 8))
    assert table.state.gesture is not None and table.state.gesture.kind == "goal"
    assert table.state.document.goal == (24.0, 16.0)  # it doesn't jump to the pointer
    table.take(Move(*pixel(table, (8.0, 0.0))), Release(0, 0))
    assert table.state.document.goal == pytest.approx((8.0, 0.0), abs=0.1)
    assert len(table.state.past) == 1


def test_a_press_beside_a_mark_takes_no_hold_of_it() -> None:
    table = with_tool("inspect")
    x, y = pixel(table, table.state.document.goal)
    table.take(Press(x + 14, y), Move(x - 100, y), Release(x - 100, y))
    assert table.state.document == a_document()


def test_any_levels_subgoal_is_dragged_and_pinned() -> None:
    for level, place in ((2, (8.0, 4.0)), (3, (12.0, 8.0))):
        table = with_tool("inspect")
        drag(table, place, (20.0, 0.0))
        (pin,) = table.state.document.pins
        assert pin.level == level and pin.place == pytest.approx((20.0, 0.0), abs=0.1)


def test_of_two_marks_at_one_place_the_selected_levels_is_taken() -> None:
    for level in (2, 3):
        table = a_paused_table()
        pins = (Pin(2, (20.0, 4.0)), Pin(3, (20.0, 4.0)))
        table.state = replace(table.state, document=replace(table.state.document, pins=pins), level=level)
        table.take(Press(*pixel(table, (20.0, 4.0))))
        assert table.state.gesture is not None and table.state.gesture.level == level


def test_a_right_click_lets_a_pin_go() -> None:
    table = a_paused_table()
    for action in (MovePin(2, (8.0, 0.0)), EndStroke()):
        table.state, _ = apply(table.state, action, table.model)
    place = pixel(table, (8.0, 0.0))
    table.take(Press(place[0] + 100, place[1] + 60, 3), Release(0, 0, 3))
    assert table.state.document.pins
    table.take(Press(*place, 3), Release(*place, 3))
    assert table.state.document.pins == ()


@pytest.mark.parametrize("tool", ["goal", "start", "subgoal"])
def test_tools_put_what_they_are_called(tool: Tool) -> None:
    table = with_tool(tool)
    place = centre((5, 5))
    drag(table, place)
    document = table.state.document
    found = {"goal": document.goal, "start": document.start, "subgoal": document.pin(2) and document.pin(2).place}  # type: ignore[union-attr]
    assert found[tool] == pytest.approx(place, abs=0.1)
    assert len(table.state.past) == 1


def test_a_probe_follows_the_pointer_and_is_asked_for_once_a_frame() -> None:
    table = with_tool("probe")
    table.take(
        Press(*pixel(table, centre((5, 1)))), Move(*pixel(table, centre((5, 2)))), Move(*pixel(table, centre((5, 3))))
    )
    sent = [item for item in table.take(Tick(16)) if isinstance(item, AskProbe)]
    assert [item.place for item in sent] == [pytest.approx(centre((5, 3)), abs=0.1)]
    assert table.model.run(0).probe is not None


# --- camera --------------------------------------------------------------------------------------------------------


def test_the_wheel_zooms_around_the_pointer() -> None:
    table = a_paused_table()
    x, y = pixel(table, (16.0, 4.0))
    table.take(Wheel(x, y, 8))
    assert table.state.camera.zoom == pytest.approx(1.2**8)
    assert pane(table).world(x, y) == pytest.approx((16.0, 4.0), abs=0.1)
    table.take(Wheel(x, y, -30))
    assert table.state.camera.zoom == 1.0
    table.take(Wheel(x, table.state.size[1] - 5, 3))
    assert table.state.camera.zoom == 1.0  # not over the map


@pytest.mark.parametrize(("tool", "button"), [("inspect", 1), ("inspect", 2), ("wall", 2)])
def test_empty_map_is_dragged_along(tool: Tool, button: int) -> None:
    table = with_tool(tool)
    table.state, _ = apply(table.state, Zoom(6.0, (16.0, 8.0)), table.model)
    x, y = pixel(table, (16.0, 8.0))
    before = pane(table).world(x, y)
    table.take(Press(x, y, button), Move(x + 40, y - 30), Release(x + 40, y - 30, button))
    assert pane(table).world(x + 40, y - 30) == pytest.approx(before, abs=1e-6)
    assert table.state.document == a_document()


def test_a_press_on_the_other_map_selects_its_run() -> None:
    table = a_paused_table(runs=2)
    table.take(Press(*pixel(table, (16.0, 4.0), 1)), Release(0, 0))
    assert table.state.run == 1


# --- menus and areas -----------------------------------------------------------------------------------------------


def press(table: Table, name: str) -> None:
    found = controls(table.state, table.model, layout(table.state))
    rect = next(control.rect for control in found if control.id == name)
    x, y = rect.x + rect.width // 2, rect.y + rect.height // 2
    table.take(Press(x, y), Release(x, y))


def test_a_click_elsewhere_closes_the_menu_and_does_nothing_else() -> None:
    table = with_tool("wall")
    press(table, "risk")
    assert table.state.menu == "risk"
    drag(table, centre((5, 1)))
    assert table.state.menu is None and table.state.document == a_document()
    press(table, "risk")
    press(table, "tool.cost")
    assert table.state.menu is None and table.state.tool == "wall"


def test_another_menu_opens_at_once_and_the_same_one_closes() -> None:
    table = a_paused_table()
    press(table, "risk")
    press(table, "share")
    assert table.state.menu == "share"
    press(table, "share")
    assert table.state.menu is None


def test_a_button_that_is_of_no_use_is_no_hole_to_what_lies_below() -> None:
    table = a_paused_table()
    press(table, "undo")
    assert table.state.gesture is None and table.state.document == a_document()


def test_scrubbing_goes_on_outside_the_tracks() -> None:
    table = a_paused_table()
    tracks = layout(table.state).tracks
    table.take(Press(tracks.x + 5, tracks.y + 5), Move(tracks.x + tracks.width // 2, 10))
    assert table.state.step == 50
    table.take(Move(-50, 10))
    assert table.state.step == 0
    table.take(Release(0, 0), Move(tracks.right, 10))
    assert table.state.step == 0


def test_a_landmark_under_the_pointer_is_known_on_both_maps() -> None:
    table = a_paused_table()
    table.state, _ = apply(table.state, SelectTab("latent"), table.model)
    table.take(Move(*pixel(table, (16.0, 8.0))))
    assert table.state.hovered == 2
    known = facts(table.state, table.model)
    assert known is not None
    body = plot_rect(tab_body(layout(table.state)))
    x, y = latent_pixels(known.latent, body)[1]
    table.take(Move(round(x), round(y)))
    assert table.state.hovered == 1
    table.take(Press(round(x), round(y)), Release(round(x), round(y)), Move(5, 5))
    assert (table.state.landmark, table.state.hovered) == (1, None)
    table.state, _ = apply(table.state, SelectLevel(1), table.model)
    assert table.state.landmark is None
