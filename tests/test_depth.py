"""The depth study, end to end on a maze that is much too small for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hjepa.agent import Agent
from scripts import depth
from scripts._cli import run

SMALL = "--sizes 9 --steps 60 --episodes 2 --least-rows 120000 --rows-per-cell 100 --remembered-per-cell 10"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study's folder after its first run, of one level."""
    folder = tmp_path_factory.mktemp("depth")
    run(depth.main, f"{SMALL} --levels 1 2 --out {folder}".split())
    return folder


def rows(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "depth.jsonl").read_text().splitlines()]


def test_every_number_of_levels_gets_a_row(folder: Path) -> None:
    found = rows(folder)
    assert [(row["size"], row["levels"]) for row in found] == [(9, 1), (9, 2)]
    flat, two = found
    assert flat["nodes_by_level_per_goal"] == {} and flat["nodes_expanded_per_episode"] == 0
    assert list(two["nodes_by_level_per_goal"]) == ["2"]
    assert two["nodes_expanded_per_episode"] >= two["nodes_expanded_per_goal"] > 0
    assert list(two["landmarks"]) == ["2"] and two["landmarks"]["2"] > 5
    for row in found:
        assert row["episodes"] == 2 and 0 <= row["success_rate"] <= 1
        assert row["ms_per_goal"] > 0 and row["ms_per_decision"] > 0 and row["predictor_calls_per_decision"] > 0
        assert row["oracle_steps"] == flat["oracle_steps"], "the same tasks for all"


def test_it_leaves_a_figure_and_its_options(folder: Path) -> None:
    assert (folder / "depth.png").stat().st_size > 10_000
    assert json.loads((folder / "options.json").read_text())["steps"] == 60


def test_finished_rows_are_not_repeated(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(size: int, options: depth.Options) -> Agent:
        raise AssertionError(f"size {size} is finished")

    monkeypatch.setattr(depth, "train_agent", never)
    before = (folder / "depth.jsonl").read_bytes()
    run(depth.main, f"{SMALL} --levels 1 2 --out {folder}".split())
    assert (folder / "depth.jsonl").read_bytes() == before
    with pytest.raises(AssertionError, match="size 9 is finished"):
        run(depth.main, f"{SMALL} --levels 1 2 3 --out {folder}".split())
