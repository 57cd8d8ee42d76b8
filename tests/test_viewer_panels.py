from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import product

import numpy as np
import pygame
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planners.trace import Decision, LevelView, Round
from tests.viewer_models import Story, a_document, a_model
from viz.theme import DARK, PAPER, rgb255
from viz.viewer.charts import energy_rects, time_to_x
from viz.viewer.document import COST, GUARDRAIL
from viz.viewer.icons import ICONS, icon
from viz.viewer.keys import KEYS, groups
from viz.viewer.layout import Rect, layout, tab_body
from viz.viewer.lettering import text_width
from viz.viewer.messages import Began, Stepped
from viz.viewer.model import Model
from viz.viewer.panels.compare import LINES, draw_compare, path_length, steps_in
from viz.viewer.panels.energy import draw_energy
from viz.viewer.panels.glyphs import KINDS, glyph, spots
from viz.viewer.panels.history import History
from viz.viewer.panels.inspector import draw_inspector, place_under_pointer, sample
from viz.viewer.panels.latent import draw_latent
from viz.viewer.panels.levels import _ahead, draw_levels
from viz.viewer.panels.overlay import _columns
from viz.viewer.panels.plots import columns, nice, peaks, stacked, tones
from viz.viewer.panels.timeline import draw_timeline, tracks
from viz.viewer.panels.tree import draw_tree
from viz.viewer.recording import Mark, Recording
from viz.viewer.state import ViewState, initial
from viz.viewer.widgets import Stage, clipped, look_of, mix, wrapped

EMPTY = (255, 0, 255)
SIZES = ((1280, 800), (1000, 640), (1920, 1080), (640, 400))
SCALES = (0.8, 1.0, 1.6)


@lru_cache(maxsize=1)
def two_runs() -> Model:
    return a_model(120, 2)


@lru_cache(maxsize=1)
def one_run() -> Model:
    return a_model(400)


def stage_of(model: Model, state: ViewState) -> Stage:
    surface = pygame.Surface(state.size, 0, 32)
    surface.fill(EMPTY)
    return Stage(surface, state, model, layout(state), look_of(DARK))


def painted(stage: Stage) -> Rect:
    """The smallest rectangle around everything that was drawn."""
    drawn = pygame.surfarray.pixels2d(stage.surface) != stage.surface.map_rgb(EMPTY)
    x, y = np.flatnonzero(drawn.any(1)), np.flatnonzero(drawn.any(0))
    return Rect(int(x[0]), int(y[0]), int(x[-1] - x[0]) + 1, int(y[-1] - y[0]) + 1) if len(x) else Rect(0, 0, 0, 0)


def pixels_of(surface: pygame.Surface) -> np.ndarray:
    return pygame.surfarray.array3d(surface)


# --- nothing leaves its panel --------------------------------------------------------------------------------------


DRAWERS = {
    "levels": lambda stage: (draw_levels(stage), stage.layout.levels)[1],
    "timeline": lambda stage: (draw_timeline(stage), stage.layout.timeline)[1],
    "inspector": lambda stage: (draw_inspector(stage, None), stage.layout.inspector)[1],
    **{
        draw.__name__: lambda stage, draw=draw: (draw(stage, tab_body(stage.layout)), tab_body(stage.layout))[1]
        for draw in (draw_energy, draw_tree, draw_latent, draw_compare)
    },
}
"""By name, a function that draws a panel and returns the rectangle that it should have stayed in."""


@pytest.mark.parametrize("name", DRAWERS)
@pytest.mark.parametrize("size", SIZES)
def test_panels_stay_in_their_rectangles(name: str, size: tuple[int, int]) -> None:
    """Text is cut short rather than written beyond; lines are left out where there is room for text at all."""
    model = two_runs()
    for scale, (level, node) in product(SCALES, ((1, None), (3, 4))):
        document = a_document(2)
        state = replace(initial(document, size), text_scale=scale, level=level, node=node, step=70, pointer=(200, 150))
        stage = stage_of(model, state)
        rect = DRAWERS[name](stage)
        inner = painted(stage)
        if inner.width == 0:
            continue  # no room at all
        assert rect.x <= inner.x + 4 and inner.right <= rect.right + 4, (name, scale)  # a play head's tip
        if size[1] / scale >= 640:
            assert rect.y <= inner.y and inner.bottom <= rect.bottom, (name, scale)


def test_clipped_panels_leave_the_rest_alone() -> None:
    stage = stage_of(a_model(60), initial(a_document(), (640, 400)))
    with clipped(stage.surface, Rect(100, 50, 30, 20)):
        stage.text("a long line of text", 90, 60, "#ffffff")
    assert painted(stage).x >= 100 and painted(stage).right <= 130
    stage.text("outside", 300, 300, "#ffffff")
    assert painted(stage).right > 300


@pytest.mark.parametrize("tab", [draw_energy, draw_tree, draw_latent, draw_compare])
def test_panels_say_something_before_anything_is_known(tab: object) -> None:
    state = initial(a_document())
    stage = stage_of(Model(), state)
    tab(stage, tab_body(stage.layout))  # type: ignore[operator]
    assert painted(stage).width > 50
    draw_levels(stage)
    draw_timeline(stage)
    draw_inspector(stage, None)


def test_figures_that_are_no_numbers_are_drawn_all_the_same() -> None:
    model, document = Model(), a_document()
    plan = np.zeros((2, 2), np.float32)
    costs = np.array([1.0, np.inf], np.float32)
    work = (Round(np.zeros((2, 2, 2), np.float32), costs, 1), Round(np.zeros((2, 2, 2), np.float32), costs * np.nan, 1))
    terms = {"a": float("inf"), "b": float("nan"), "c": -3.0}
    view = LevelView(plan, plan[1], terms=terms, work=work, planner="cem")
    model.absorb([Began(0, document, (0.0, 0.0))])
    model.absorb([Stepped(0, 0, np.zeros((3, 2), np.float32), (Decision(0, (view, view, view)),), 0.0, 0, "running")])
    stage = stage_of(model, replace(initial(document), step=2, level=1))
    draw_energy(stage, tab_body(stage.layout))
    draw_levels(stage)
    draw_timeline(stage)
    history = History(model.runs[0].recording, 1).update()  # type: ignore[arg-type]
    assert all(np.array_equal(values, [0.0]) for values in history.terms.values())


# --- histories -----------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_a_history_that_grows_tells_the_same_as_the_recording(chunks: list[int], level: int) -> None:
    story, document = Story(sum(chunks)), a_document()
    observations, decisions = story.observations(), story.decisions()
    recording = Recording(document, (0.0, 0.0))
    history, done = History(recording, level), 0
    for chunk in chunks:
        end = done + chunk
        news = [decision for decision in decisions if done <= decision.step < end]
        recording.extend(observations[done:end], news)
        history.update()
        done = end
    whole = History(recording, level).update()
    steps = np.arange(recording.last + 1)
    np.testing.assert_allclose(history.gap, [recording.gap(level, int(step)) for step in steps], atol=1e-4)
    np.testing.assert_array_equal(history.steps, whole.steps)
    np.testing.assert_array_equal(history.starts, whole.starts)
    total = sum(history.terms.values())
    np.testing.assert_allclose(total, [recording.view(level, int(step)).cost for step in history.steps], rtol=1e-6)  # type: ignore[union-attr]


def test_a_term_that_comes_up_late_was_nothing_before() -> None:
    recording = Recording(a_document(), (0.0, 0.0))
    plan = np.zeros((1, 2), np.float32)
    views = [LevelView(plan, plan[0], terms={"goal": 5.0}), LevelView(plan, plan[0], terms={"goal": 4.0, "zones": 2.0})]
    recording.extend(np.zeros((2, 2), np.float32), [Decision(step, (view,)) for step, view in enumerate(views)])
    terms = History(recording, 1).update().terms
    assert list(terms) == ["goal", "zones"]
    assert terms["zones"].tolist() == [0.0, 2.0]


# --- charts --------------------------------------------------------------------------------------------------------


@given(st.data(), st.integers(1, 60), st.integers(1, 500))
@settings(max_examples=60, deadline=None)
def test_columns_lose_no_peak(data: st.DataObject, width: int, last: int) -> None:
    steps = np.array(sorted(data.draw(st.sets(st.integers(0, last), min_size=1, max_size=80))), np.float64)
    values = np.array(data.draw(st.lists(st.floats(0, 9), min_size=len(steps), max_size=len(steps))))
    shown = columns(steps, values, width, float(last), last)
    assert len(shown) <= width
    assert shown.max() < len(steps)
    assert values[shown[shown >= 0]].max() == values.max()
    earliest = np.arange(len(shown)) * last / width
    assert all(
        steps[number] <= begin + last / width for number, begin in zip(shown, earliest, strict=True) if number >= 0
    )


@given(st.lists(st.floats(0, 9), min_size=1, max_size=300), st.integers(1, 50), st.integers(300, 500))
def test_peaks_are_the_highest(values: list[float], width: int, span: int) -> None:
    found = peaks(np.array(values), width, float(span))
    assert len(found) <= width
    assert found.max() == max(values)


@given(st.floats(1e-6, 1e9))
def test_the_top_of_an_axis_is_near_above(value: float) -> None:
    assert value * (1 - 1e-6) <= nice(value) <= 2.01 * value


def test_stacked_areas_have_their_own_colours_and_patterns() -> None:
    look = look_of(DARK)
    colors = tones(look, look.level(1), 3)
    edges = np.repeat(np.array([[0.0], [10.0], [20.0], [30.0]]), 24, axis=1)
    picture = pixels_of(stacked(edges, colors, 40, look.panel))
    for area, color in enumerate(colors):
        assert (picture[:, 40 - 10 * (area + 1) + 5] == rgb255(color)).all(-1).any(), area
    plain, diagonal = picture[:, 30:40], picture[:, 20:30]
    assert len(np.unique(plain.reshape(-1, 3), axis=0)) == 1
    assert len(np.unique(diagonal.reshape(-1, 3), axis=0)) == 2


@pytest.mark.parametrize("theme", [DARK, PAPER])
def test_neighbours_in_a_stack_differ_in_lightness(theme: object) -> None:
    look = look_of(theme)  # type: ignore[arg-type]
    for level in (1, 2, 3):
        light = [np.dot(rgb255(color), (0.2126, 0.7152, 0.0722)) for color in tones(look, look.level(level), 4)]
        assert all(abs(a - b) > 18 for a, b in zip(light, light[1:], strict=False)), (level, light)


# --- time line -----------------------------------------------------------------------------------------------------


def test_what_happened_is_on_the_track_of_its_level() -> None:
    model = one_run()
    state = replace(initial(a_document()), step=10)
    stage = stage_of(model, state)
    draw_timeline(stage)
    rows = {row.level: row.rect for row in tracks(stage)}
    x = round(float(time_to_x(64, rows[3], model.last)))
    alarm = (pixels_of(stage.surface) == rgb255(stage.look.alarm)).all(-1)
    middle = rows[3].y + rows[3].height // 2
    assert alarm[x - 4 : x + 5, middle - 4 : middle + 5].any()
    below = rows[2].y + rows[2].height // 2
    assert not alarm[x - 4 : x + 5, below - 2 : below + 3].any()


def test_the_play_head_is_at_the_step_shown() -> None:
    model, found = one_run(), {}
    for step in (40, 333):
        stage = stage_of(model, replace(initial(a_document()), step=step))
        draw_timeline(stage)
        row = tracks(stage)[0].rect
        ink = (pixels_of(stage.surface)[:, row.y + 1] == rgb255(stage.look.ink)).all(-1)
        found[step] = round(float(time_to_x(step, row, model.last)))
        assert ink[found[step]]
        assert not ink[found[step] + 3 : found[step] + 40].any()
    assert found[40] < found[333]


def test_a_plan_fades_as_it_ages() -> None:
    model = one_run()
    stage = stage_of(model, replace(initial(a_document()), step=399))
    draw_timeline(stage)
    row = next(row.rect for row in tracks(stage) if row.level == 3)
    pixels, middle = pixels_of(stage.surface).astype(int), row.y + row.height // 2
    at = [round(float(time_to_x(step, row, model.last))) for step in (130, 150, 190, 194)]
    away = [np.abs(pixels[x, middle] - rgb255(stage.look.panel)).sum() for x in at]
    assert away[0] > away[1] > away[2]  # made at step 128, older and older ...
    assert away[3] > away[0] - 30  # ... and made anew at step 192


def test_marks_that_lie_close_together_are_drawn_once() -> None:
    marks = [Mark(step, kind, 1) for step, kind in product(range(100), ("replan", "rejected"))]
    drawn = list(spots(marks, 10.0, 0.5, 9.0))
    assert {mark.kind for mark, _ in drawn} == {"rejected"}
    assert 4 <= len(drawn) <= 8
    assert all(10.0 <= x <= 60.0 for _, x in drawn)


def test_every_kind_of_mark_has_a_shape_of_its_own() -> None:
    look, shapes = look_of(DARK), set()
    for kind in (*KINDS, "replan"):
        surface = pygame.Surface((24, 24), 0, 32)
        glyph(surface, kind, 12, 12, 6, look)
        shapes.add((pixels_of(surface) > 60).any(-1).tobytes())
    assert len(shapes) == len(KINDS) + 1


# --- other panels --------------------------------------------------------------------------------------------------


def test_the_energy_panel_marks_the_round_shown() -> None:
    model = one_run()
    pictures = []
    for number in (0, 5):
        stage = stage_of(model, replace(initial(a_document()), step=200, level=1, round=number))
        body = tab_body(stage.layout)
        draw_energy(stage, body)
        plot = energy_rects(body)[1]
        x = round(plot.x + (number + 0.5) / 6 * plot.width)
        assert (pixels_of(stage.surface)[x, plot.y + 2] == rgb255(stage.look.ink)).all()
        pictures.append(pixels_of(stage.surface))
    assert (pictures[0] != pictures[1]).any()


def test_a_selected_node_is_told_and_ringed() -> None:
    model = one_run()
    pictures = []
    for node in (None, 7):
        stage = stage_of(model, replace(initial(a_document()), step=200, level=3, node=node))
        draw_tree(stage, tab_body(stage.layout))
        pictures.append(pixels_of(stage.surface))
    assert (pictures[0] != pictures[1]).any(-1).sum() > 100


def test_the_latent_map_shows_the_landmark_under_the_pointer() -> None:
    model, pictures = one_run(), []
    for pointer in (None, (420, 300)):
        stage = stage_of(model, replace(initial(a_document()), step=200, level=2, pointer=pointer))
        draw_latent(stage, tab_body(stage.layout))
        pictures.append((pixels_of(stage.surface) == rgb255(stage.look.accent)).all(-1).sum())
    assert pictures[1] > pictures[0] + 10


def test_comparison_measures() -> None:
    recording = a_model(120).runs[0].recording
    assert recording is not None
    trail = recording.trail(50)
    assert path_length(recording, 50) == pytest.approx(np.linalg.norm(np.diff(trail, axis=0), axis=1).sum())
    cells = recording.document(50).map.cell_of(trail)
    dear = sum(recording.document(50).zones.cells[row, column] == COST for row, column in cells)
    assert steps_in(COST)(recording, 50) == dear > 0
    assert steps_in(GUARDRAIL)(recording, 50) == 0
    assert LINES[0].measure(recording, 50) == 50


def test_who_is_ahead_in_steps_is_said_only_once_both_have_arrived() -> None:
    good = rgb255(look_of(DARK).good)
    for status, decided in (("running", False), ("arrived", True)):
        model = a_model(120, 2)
        for run in model.runs:
            assert run.recording is not None
            run.recording.status = status
        stage = stage_of(model, replace(initial(a_document(2)), tab="compare", step=120))
        body = tab_body(stage.layout)
        draw_compare(stage, body)
        row = pixels_of(stage.surface)[:, body.y + 100 : body.y + 116]
        assert (row == good).all(-1).any() == decided, status


def test_a_plan_is_as_fresh_as_what_is_left_of_it() -> None:
    stage = stage_of(one_run(), replace(initial(a_document()), step=130))
    recording = stage.recording
    assert recording is not None
    shares = []
    for step in (128, 150, 190):
        view = recording.view(3, step)
        assert view is not None
        shares.append(_ahead(replace(stage, state=replace(stage.state, step=step)), view))
    assert shares[0] == 1.0
    assert shares[0] > shares[1] > shares[2] > 0.0


def test_the_inspector_samples_the_field_under_the_pointer() -> None:
    model, state = a_model(60), replace(initial(a_document()), step=10, pointer=(300, 130))
    stage = stage_of(model, state)
    pointed = place_under_pointer(stage)
    assert pointed is not None
    run, place = pointed
    field = model.runs[0].field("heat", 2, state.document)
    assert run == 0
    assert field is not None
    exact = np.hypot(place[0] - state.document.goal[0], place[1] - state.document.goal[1]) / 0.2
    assert sample(field, place) == pytest.approx(exact, abs=1.0 / 0.2)
    assert place_under_pointer(stage_of(model, replace(state, pointer=(1200, 700)))) is None


# --- text, icons, keys ---------------------------------------------------------------------------------------------


@given(st.text("abc xyz", max_size=120), st.integers(40, 300))
@settings(max_examples=40, deadline=None)
def test_wrapped_text_keeps_its_words_and_its_width(words: str, room: int) -> None:
    lines = wrapped(words, 12, room)
    assert " ".join(lines).split() == words.split()
    assert all(text_width(line, 12) <= room or " " not in line for line in lines)


@pytest.mark.parametrize("name", ICONS)
def test_every_icon_shows(name: str) -> None:
    surface = pygame.Surface((20, 20), 0, 32)
    icon(surface, name, 10, 10, 16, "#ffffff")
    lit = (pixels_of(surface) > 128).any(-1)
    assert 10 < lit.sum() < 250
    assert not lit[:1].any() and not lit[-1:].any()


def test_the_table_of_keys_is_whole_whatever_its_columns() -> None:
    names = [words for _, rows in groups() for _, words in rows]
    assert len(names) <= len(KEYS)
    for count in (1, 2, 3):
        columns_ = _columns(groups(), count)
        assert len(columns_) <= count
        assert [words for column in columns_ for _, words in column if words] == names


def test_colours_are_mixed_in_proportion() -> None:
    assert mix("#000000", "#ff8040", 1.0) == "#ff8040"
    assert mix("#102030", "#ffffff", 0.0) == "#102030"
