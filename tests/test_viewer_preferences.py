"""The layout that is remembered: it comes back, and nothing that a file may hold does any harm."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viz.viewer.document import Document, Setup, Zones
from viz.viewer.preferences import Preferences, preferences_file
from viz.viewer.state import LayerState, ViewState
from worlds.maps import named_map

MAP = named_map("medium")
DOCUMENT = Document(MAP, Zones.none(MAP.shape), (0.0, 0.0), (4.0, 0.0), (Setup("medium", 2, ("cem", "landmarks")),))
STATE = ViewState(DOCUMENT)


def test_a_layout_comes_back(tmp_path: Path) -> None:
    layers = MappingProxyType({**STATE.layers, "heat": LayerState(False, 0.25)})
    arranged = replace(STATE, size=(900, 700), theme="paper", text_scale=1.3, panels=False, tab="latent", layers=layers)
    Preferences.of(arranged).save(tmp_path / "deep" / "viewer.json")
    found = Preferences.load(tmp_path / "deep" / "viewer.json").put_on(STATE)
    assert Preferences.of(found) == Preferences.of(arranged)
    assert found.step == STATE.step and found.document is DOCUMENT


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"size": 3}', '{"colour": 1}', '{"size": [1, 1]}', '{"theme": "pink"}', '{"text_scale": 90}',
     '{"layers": {"heat": 3}}', '{"size": ["a", 2]}', "null", '{"text_scale": "x"}'],
)  # fmt: skip
def test_a_file_that_makes_no_sense_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "viewer.json").write_text(text)
    assert Preferences.load(tmp_path / "viewer.json") == Preferences()


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["size", "layers", "tab", "panels", "theme"]), inner)
        ),
        max_leaves=8,
    )
)
def test_no_file_stops_the_viewer(tmp_path_factory: pytest.TempPathFactory, content: object) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(content))
    assert Preferences.load(path).put_on(STATE).document is DOCUMENT


def test_where_nothing_can_be_written_nothing_is_lost(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    Preferences().save(tmp_path / "file" / "viewer.json")
    assert Preferences.load(tmp_path / "missing.json") == Preferences()


def test_it_is_kept_where_settings_belong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert preferences_file() == tmp_path / "hjepa" / "viewer.json"
