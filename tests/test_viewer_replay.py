"""The page that replays: it holds what was recorded, and answers to real keys and a real pointer in a browser."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from planners.trace import Decision, Expansion, LevelView, Round, Tree
from tests.browser import Browser, browser, has_browser
from viz.viewer.document import GUARDRAIL, Document, Setup, Zones
from viz.viewer.messages import Began, Edited, Field, Fork, LevelFacts, Loaded, Stepped
from viz.viewer.model import Model
from viz.viewer.replay import write_replay
from viz.viewer.state import LayerState, ViewState
from worlds.maps import Map

MAP = Map.parse("##########\n#........#\n#.####.#.#\n#.#..I.#O#\n#........#\n##########", "yard")
STEPS, STRIDES = 60, (1, 10)


def way(steps: int) -> np.ndarray:
    """[steps, 2] along the upper corridor."""
    return np.stack([0.4 * np.arange(steps), np.zeros(steps)], 1).astype(np.float32)


def decision(step: int) -> Decision:
    """What two levels may have in mind: level 2 plans at every 20th step."""
    here, fresh = way(STEPS + 40)[step], step % 20 == 0
    candidates = np.linspace(here, here + [[1, 1], [2, 0], [1, -1]], 6, axis=1).astype(np.float32)
    rounds = tuple(Round(candidates - spread, np.arange(3, dtype=np.float32), 1) for spread in (0.2, 0.0))
    search = Expansion(way(8) * 4, np.array([-1, 0, 1, 2, 3, 4, 5, 6], np.int32))
    level1 = LevelView(
        candidates[1],
        candidates[1, -1],
        0,
        6,
        np.arange(6, dtype=np.float32),
        "cem",
        18,
        {"distance": 9.0},
        work=rounds,
    )
    first = step - step % 20
    plan = way(STEPS + 40)[first + 5 : STEPS + 5 : 5]
    level2 = LevelView(
        np.concatenate([way(STEPS)[first : first + 1], plan]), plan[0], step - first, 8,
        10.0 * np.arange(len(plan) + 1, dtype=np.float32), "landmarks", 4, {"to next": 4.0, "rest": 30.0 - step / 2},
        work=(search,) if fresh else (),
    )  # fmt: skip
    return Decision(step, (level1, level2), ("replan 2",) if fresh else ("rejected 2",) if step == 32 else ())


@pytest.fixture(scope="module")
def model() -> Model:
    zones = np.zeros(MAP.shape, np.uint8)
    zones[4, 4] = GUARDRAIL
    first = Document(MAP, Zones.none(MAP.shape), (0.0, 0.0), (28.0, 12.0), (Setup("yard", 2, ("cem", "landmarks")),))
    edited = replace(first, zones=Zones(zones))
    facts = [
        LevelFacts(stride, ("cem",), way(12) * 5, np.array([[0, 1], [1, 2]], np.int32), way(12)) for stride in STRIDES
    ]
    axes = np.arange(-2, 34, 1.0, np.float32), np.arange(-2, 18, 1.0, np.float32)
    heat = np.hypot(*np.meshgrid(axes[0] - 28, axes[1] - 12)).astype(np.float32) * 5
    found = Model()
    fork = Fork((16.0, 8.0), np.array([[28.0, 8.0]], np.float32), np.ones(1, np.float32))
    found.absorb(
        [
            Loaded(0, False, tuple(facts), (fork,)),
            Began(0, first, (0.0, 0.0)),
            Stepped(0, 0, way(STEPS + 1)[1:30], tuple(decision(step) for step in range(0, 29, 4)), 0.1, 99, "running"),
            Edited(0, 29, edited),
            Stepped(
                0, 29, way(STEPS + 1)[30:], tuple(decision(step) for step in range(32, STEPS, 4)), 0.1, 99, "arrived"
            ),
            *(Field(0, "heat", 2, document.version, document.goal, *axes, heat) for document in (first, edited)),
        ]
    )
    return found


@pytest.fixture
def state(model: Model) -> ViewState:
    recording = model.runs[0].recording
    assert recording is not None
    return ViewState(recording.document(0), step=10, level=2, layers={"heat": LayerState(True, 0.5)})


def unpacked(page: Path) -> tuple[dict, np.ndarray]:
    """What a page holds, and its points."""
    data = re.search(r'<script id="data"[^>]*>([^<]*)</script>', page.read_text(encoding="utf-8"))
    assert data is not None
    packed = json.loads(gzip.decompress(base64.b64decode(data[1])))
    points = np.frombuffer(base64.b64decode(packed["points"]), "<i2").reshape(-1, 2)
    return packed["content"], points * packed["content"]["scale"]


def test_the_page_holds_what_was_recorded(model: Model, state: ViewState, tmp_path: Path) -> None:
    content, points = unpacked(write_replay(tmp_path / "replay.html", model, state))
    run, recording = content["runs"][0], model.runs[0].recording
    assert recording is not None
    first, count = run["trail"]
    assert np.abs(points[first : first + count] - recording.trail(STEPS)).max() < 0.01
    assert [entry["s"] for entry in run["decisions"]] == [found.step for found in recording.decisions]
    for entry, found in zip(run["decisions"], recording.decisions, strict=True):
        for packed, view in zip(entry["l"], found.levels, strict=True):
            first, count = packed["p"]
            assert np.abs(points[first : first + count] - view.plan).max() < 0.01
            assert (packed["a"], packed["n"], packed["t"]) == (view.age, view.planner, dict(view.terms))
    assert [step for step, _ in run["documents"]] == [0, 29]
    assert run["documents"][0][1]["zones"] != run["documents"][1][1]["zones"]
    assert [mark for mark in run["marks"] if mark[1] == "rejected"] == [[32, "rejected", 2]]
    assert content["view"]["step"] == 10 and content["view"]["layers"]["heat"] == [1, 0.5]


def test_plans_that_are_repeated_are_kept_once(model: Model, state: ViewState, tmp_path: Path) -> None:
    content, _ = unpacked(write_replay(tmp_path / "replay.html", model, state))
    plans = [tuple(entry["l"][1]["p"]) for entry in content["runs"][0]["decisions"]]
    assert len(set(plans)) == 3 < len(plans)


def test_the_same_recording_gives_the_same_page(model: Model, state: ViewState, tmp_path: Path) -> None:
    first, second = (write_replay(tmp_path / name, model, state).read_bytes() for name in ("a.html", "b.html"))
    assert first == second


def test_titles_can_say_anything(model: Model, state: ViewState, tmp_path: Path) -> None:
    page = write_replay(tmp_path / "replay.html", model, state, title="</script><b>")
    assert "<title>&lt;/script&gt;&lt;b&gt;</title>" in page.read_text(encoding="utf-8")
    assert unpacked(page)[0]["title"] == "</script><b>"


def test_a_tree_and_an_empty_model_can_be_shown(model: Model, state: ViewState, tmp_path: Path) -> None:
    tree = Tree(
        np.array([-1, 0], np.int32), np.array([5, 4], np.int32), np.zeros(2, np.float32), way(2), np.zeros(2, bool)
    )
    grown, views = Model(), decision(0).levels
    recording = model.runs[0].recording
    assert recording is not None
    taken = Decision(0, (replace(views[0], work=(tree,)), views[1]))
    grown.absorb([Began(0, recording.document(0), (0.0, 0.0)), Stepped(0, 0, way(5)[1:], (taken,), 0.0, 0, "running")])
    content, _ = unpacked(write_replay(tmp_path / "tree.html", grown, state))
    assert content["runs"][0]["decisions"][0]["l"][0]["w"][0][0] == "tree"
    assert unpacked(write_replay(tmp_path / "empty.html", Model(), state))[0]["runs"] == []


@pytest.fixture(scope="module")
def page(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if not has_browser():
        pytest.skip("Chromium and its driver are not installed")
    folder, recording = tmp_path_factory.mktemp("browser"), model.runs[0].recording
    assert recording is not None
    with browser(folder) as session:
        session.open(write_replay(folder / "replay.html", model, ViewState(recording.document(0), step=10, level=2)))
        session.until("document.body.dataset.ready === 'yes'")
        yield session


def colors(session: Browser) -> str:
    """A fingerprint of what is drawn on the map."""
    return str(session.run("return document.querySelector('.pane canvas').toDataURL()"))


def test_a_story_in_a_browser(page: Browser) -> None:
    assert page.run("return view.step") == 10
    drawn = colors(page)
    page.key("\ue014")  # right
    assert page.run("return view.step") == 11 and colors(page) != drawn
    page.key("\ue012")  # left
    assert page.run("return view.step") == 10 and colors(page) == drawn
    page.click("#layer-heat")
    assert colors(page) != drawn
    page.click("#layer-heat")
    assert colors(page) == drawn
    page.key(" ")
    page.until("view.step > 14 && view.playing")
    page.click("#play")
    assert not page.run("return view.playing")
    left, top, width, height = page.box("#tracks")
    page.drag((left + 0.2 * width, top + height / 2), (left + 0.75 * width, top + height / 2))
    assert abs(page.run("return view.step") - 0.75 * STEPS) <= 1
    page.key("p")
    assert page.run("return view.step") == 32  # the rejected subgoal
    page.key("1")
    page.key("[")
    assert page.run("return [view.level, view.round]") == [1, 0]
    assert "1 / 2" in page.run("return document.getElementById('rounds').textContent")
    page.key("\ue010")  # end
    assert page.run("return view.step") == STEPS
    assert "arrived" in page.run("return document.getElementById('status').textContent")


def test_the_wheel_zooms_and_a_drag_moves(page: Browser) -> None:
    left, top, width, height = page.box(".pane canvas")
    whole = colors(page)
    turn = "new WheelEvent('wheel', {deltaY: -100, clientX: 300, clientY: 300})"
    page.run(f"document.querySelector('.pane canvas').dispatchEvent({turn})")
    assert page.run("return view.zoom") > 1 and colors(page) != whole
    centre = page.run("return view.centre[0]")
    page.drag((left + width / 2, top + height / 2), (left + width / 2 + 60, top + height / 2))
    assert page.run("return view.centre[0]") < centre
    page.run("document.querySelector('.pane canvas').dispatchEvent(new MouseEvent('dblclick'))")
    assert colors(page) == whole
