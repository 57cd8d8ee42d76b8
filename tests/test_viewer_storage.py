"""Scene files: what is read is what was written, or one line that says why not."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planners.trace import Decision, Episode, Expansion, LevelView, Round, Tree
from viz.viewer.document import Document, Pin, Setup, Zones
from viz.viewer.layout import Camera
from viz.viewer.messages import (
    Began,
    Edited,
    Field,
    Fork,
    LevelFacts,
    Loaded,
    Notice,
    PinReached,
    Probed,
    Report,
    Stepped,
)
from viz.viewer.model import Model, Run
from viz.viewer.packing import Packer, PackingError, Unpacker, dataclasses_in
from viz.viewer.recording import Recording
from viz.viewer.state import LayerState, ViewState, initial
from viz.viewer.storage import SceneError, from_episode, load_scene, save_scene
from worlds.maps import Map

MAP = Map.parse("######\n#.I.O#\n#....#\n######", "little")
DOCUMENT = Document(MAP, Zones.none(MAP.shape), (0.0, 0.1), (4.0, 8.0), (Setup("map", 2, ("cem", "mcts"), "worst"),))


def some(random: np.random.Generator, *shape: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return random.normal(size=shape).astype(np.float32)


def a_view(random: np.random.Generator, age: int) -> LevelView:
    n = int(random.integers(1, 9))
    parents = np.arange(-1, n - 1, dtype=np.int32)
    work = (
        Round(some(random, 4, n, 2), some(random, 4), 2),
        Expansion(some(random, n, 2), parents),
        Tree(parents, parents + 2, some(random, n), some(random, n, 2), random.random(n) < 0.5),
    )
    terms = {"way": float(random.normal()), "zones": float("inf"), "none": 0.0}
    return LevelView(
        some(random, n, 2), some(random, 2), age, 17, some(random, n), "mcts", 99, terms, age == 3,
        work if age == 0 else (), some(random, n, 2),
    )  # fmt: skip


def a_story(steps: int, seed: int = 0) -> list[Report]:
    random = np.random.default_rng(seed)
    decisions = tuple(
        Decision(step, tuple(a_view(random, step // 4 % (2 * level)) for level in (1, 2)), ("replan 2",))
        for step in range(0, steps, 4)
    )
    facts = tuple(
        LevelFacts(10, ("cem",), some(random, level, 2), np.zeros((level, 2), np.int32), some(random, level, 2))
        for level in (0, 5)
    )
    fork = Fork((0.25, -1.0), some(random, 2, 2), np.array([0.5, 0.5], np.float32))
    heat = some(random, 5, 4)
    heat[0, 0] = np.nan
    pinned = DOCUMENT.with_pin(2, (1 / 3, 1e-9))
    return [
        Loaded(0, True, facts, (fork,)),
        Began(0, DOCUMENT, (0.0, 0.1)),
        Stepped(0, 0, some(random, steps, 2), decisions, 1.234567890123, 4567, "running"),
        Edited(0, steps, pinned),
        Stepped(0, steps, some(random, 1, 2), (), 0.1, 7, "arrived"),
        PinReached(0, 2),
        Field(0, "heat", 2, DOCUMENT.version, DOCUMENT.goal, some(random, 4), some(random, 5), heat),
        Probed(0, (1.0, 2.0), DOCUMENT.version, Decision(0, (a_view(random, 0),))),
        Began(1, pinned, (3.0, 4.0)),
        Notice("something", urgent=True),
    ]


def a_model(steps: int = 20, seed: int = 0) -> Model:
    model = Model()
    model.absorb(a_story(steps, seed))
    return model


def same(one: object, other: object) -> bool:
    """Whether two trees are equal to the last bit, and of the same kinds."""
    if isinstance(one, np.ndarray):
        assert isinstance(other, np.ndarray)
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, tuple | list):
        assert isinstance(other, tuple | list)
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, Mapping):
        assert isinstance(other, Mapping)
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if is_dataclass(one):
        names = [item.name for item in fields(one)]
        return type(one) is type(other) and all(same(getattr(one, name), getattr(other, name)) for name in names)
    return one == other and type(one) is type(other)


def contents(run: Run) -> list[object]:
    recording = run.recording
    told: list[object] = [run.loaded, run.sees_map, run.levels, run.forks, run.probe, run.fields()]
    if recording is None:
        return told
    told += [recording.documents, recording.trail(recording.last), recording.decisions, recording.marks]
    return told + [recording.status, recording.seconds, recording.calls]


def assert_same(one: Model, other: Model) -> None:
    assert len(one.runs) == len(other.runs) and one.notices == other.notices
    for run, loaded in zip(one.runs, other.runs, strict=True):
        assert same(contents(run), contents(loaded))


# --- there and back ------------------------------------------------------------------------------------------------


def test_a_model_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    model = a_model()
    loaded, state = load_scene(save_scene(tmp_path / "a.scene", model))
    assert state is None and len(model.runs) == 2
    assert_same(model, loaded)
    first, again = model.runs[0].recording, loaded.runs[0].recording
    assert first is not None and again is not None
    for step in range(first.last + 1):
        assert first.gap(2, step) == again.gap(2, step)
        assert first.document(step) == again.document(step)
        assert same(first.view(2, step), again.view(2, step))
    loaded.absorb([Stepped(0, again.last, np.ones((3, 2), np.float32), (), 0.0, 0, "running")])  # it can go on
    assert again.last == first.last + 3


def test_an_empty_model_comes_back(tmp_path: Path) -> None:
    assert_same(Model(), load_scene(save_scene(tmp_path / "a.scene", Model()))[0])


FLOATS = st.floats(allow_nan=False)
PLACES = st.tuples(FLOATS, FLOATS)
SETUPS = st.builds(
    Setup, st.text(max_size=9), st.integers(1, 4), st.tuples(st.text(max_size=5)), st.sampled_from(["average", "worst"])
)
DOCUMENTS = st.builds(
    replace, st.just(DOCUMENT), start=PLACES, goal=PLACES, seed=st.integers(0, 2**63), episode=st.integers(0, 9),
    pins=st.lists(st.builds(Pin, st.integers(2, 4), PLACES), max_size=2).map(tuple),
    setups=st.lists(SETUPS, min_size=1, max_size=2).map(tuple),
)  # fmt: skip
STATES = st.builds(
    replace, DOCUMENTS.map(initial), past=st.lists(DOCUMENTS, max_size=3).map(tuple), step=st.integers(0, 10**9),
    pointer=st.none() | st.tuples(st.integers(), st.integers()), camera=st.builds(Camera, FLOATS, st.none() | PLACES),
    layers=st.dictionaries(st.sampled_from(["walls", "heat"]), st.builds(LayerState, st.booleans(), FLOATS)).map(
        MappingProxyType
    ),
    banner=st.none() | st.builds(Notice, st.text(), st.booleans()), probe=st.none() | PLACES,
    asked=st.frozensets(st.tuples(st.just(0), st.just("heat"), st.integers(1, 3), st.text(), PLACES), max_size=3),
)  # fmt: skip


@given(STATES)
def test_any_state_comes_back(tmp_path_factory: pytest.TempPathFactory, state: ViewState) -> None:
    path = tmp_path_factory.getbasetemp() / "state.scene"
    _, loaded = load_scene(save_scene(path, Model(), state))
    assert loaded == state and loaded is not None
    assert loaded.document.version == state.document.version and same(loaded, state)


def test_what_is_shared_is_stored_once(tmp_path: Path) -> None:
    past = tuple(replace(DOCUMENT, episode=number) for number in range(500))
    packer = Packer()
    packer.pack(replace(initial(DOCUMENT), past=past))
    assert packer.arrays()["uint8"].size == 2 * MAP.cells.size


# --- files ---------------------------------------------------------------------------------------------------------


def test_a_file_holds_text_and_plain_arrays(tmp_path: Path) -> None:
    path = save_scene(tmp_path / "a.scene", a_model(), initial(DOCUMENT))
    with zipfile.ZipFile(path) as archive:
        assert {Path(name).suffix for name in archive.namelist()} == {".json", ".npy"}
        assert len(archive.namelist()) < 8  # not one array a view
        assert json.loads(archive.read("scene.json"))["version"] == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_breaks_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_scene(tmp_path / "a.scene", a_model())
    before = path.read_bytes()

    def full(*args: object, **options: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", full)
    with pytest.raises(OSError, match="no space left"):
        save_scene(path, a_model(40, seed=1))
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def rewritten(path: Path, **changes: object) -> Path:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(members["scene.json"]) | changes
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, json.dumps(header) if name == "scene.json" else content)
    return path


def emptied(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "nothing")
    return path


def shortened(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-100])
    return path


def without_arrays(path: Path) -> Path:
    with zipfile.ZipFile(path) as archive:
        header = archive.read("scene.json")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("scene.json", header)
    return path


SPOILT = {
    "No such file": lambda path: path.with_name("missing.scene"),
    "not a scene, or a damaged one (File is not a zip file)": lambda path: path.write_text("a,b\n1,2") and path,
    "not a scene: there is no scene.json in it": emptied,
    "not a scene: scene.json doesn't say that it is one": lambda path: rewritten(path, format="other"),
    "a scene of version 7, expected 1": lambda path: rewritten(path, version=7),
    "not a scene, or a damaged one": shortened,
    "holds a Popen, which is not known here": lambda path: rewritten(path, schema={"Popen": ["args"]}),
    "Setup has no colour here": lambda path: rewritten(path, schema={"Setup": ["colour"]}),
    "its arrays of uint8 are missing": without_arrays,
    "expected one": lambda path: rewritten(path, content={"map": [], "set": []}),
    "it holds something else": lambda path: rewritten(path, content=None),
}


@pytest.mark.parametrize("text", SPOILT)
def test_what_is_no_scene_is_told_in_a_line(text: str, tmp_path: Path) -> None:
    path = SPOILT[text](save_scene(tmp_path / "a.scene", a_model()))
    with pytest.raises(SceneError) as caught:
        load_scene(path)
    assert text in str(caught.value) and str(path) in str(caught.value) and "\n" not in str(caught.value)


@given(st.integers(0, 10**9), st.integers(1, 255))
def test_a_flipped_byte_is_found_or_does_no_harm(tmp_path_factory: pytest.TempPathFactory, at: int, by: int) -> None:
    path, model = tmp_path_factory.getbasetemp() / "flipped.scene", a_model(8)
    content = bytearray(save_scene(path, model).read_bytes())
    content[at % len(content)] ^= by
    path.write_bytes(content)
    try:
        loaded, _ = load_scene(path)
    except SceneError as error:
        assert "\n" not in str(error)
    else:
        assert_same(model, loaded)


def test_only_what_a_scene_may_hold_can_be_packed() -> None:
    for value in (object(), np.array(["text"]), {1, 2}, b"bytes"):
        with pytest.raises(TypeError, match="can't be packed"):
            Packer().pack(value)
    assert {Map, Zones, Setup} <= dataclasses_in(Document)
    with pytest.raises(PackingError, match="holds a Episode"):
        Unpacker(Document, {"Episode": []}, {})


# --- what was recorded elsewhere -----------------------------------------------------------------------------------


def test_a_recorded_episode_can_be_watched(tmp_path: Path) -> None:
    story = a_story(20)
    stepped = next(report for report in story if isinstance(report, Stepped))
    observations = np.concatenate([np.zeros((1, 2), np.float32), stepped.observations])
    episode = Episode(observations, np.array(DOCUMENT.goal, np.float32), True, list(stepped.decisions))
    model = from_episode(episode, DOCUMENT)
    recording = model.runs[0].recording
    assert isinstance(recording, Recording) and recording.status == "arrived" and recording.last == 20
    assert np.array_equal(recording.trail(20), observations) and recording.decisions == episode.decisions
    assert (recording.marks[-1].kind, recording.marks[-1].step) == ("arrived", 20) and recording.calls > 0
    assert_same(model, load_scene(save_scene(tmp_path / "a.scene", model))[0])
    late = from_episode(replace(episode, success=False), DOCUMENT).runs[0].recording
    assert late is not None and late.status == "out of time"
