"""Ablations: their rows, their cells, which are measured once, the table and the figure."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from hjepa.vision.layout_objective import LayoutRegularizer
from hjepa.vision.optimised_ways import TopPlanner
from hjepa.vision.planning import VisionPlanning
from scripts import _ablate_study, ablate
from scripts._ablate_rows import CALLS, Row, Small, Study, rows_of
from scripts._ablate_tables import measured
from scripts._cli import run
from tests.seen_mazes import glancing
from viz.ablations import FigureError, ablations_figure

TINY = "--small.mazes 2 --small.episodes 3 --small.steps 2 --small.upper-steps 2 --time-limit 4 --episodes 2"


def cell(successes: int, distance: tuple[int, int] = (9, 12), seed: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "row": "A*", "group": "planner", "distance": list(distance), "training_seed": seed, "successes": successes,
        "episodes": 25, "steps": 50.0 * successes, "world_steps": 1250.0, "top_calls": 6000, "top_plans": 50,
        "calls_above": 6000, "calls": 9000, "seconds": 2.5,
    } | more  # fmt: skip


@pytest.mark.parametrize("study", get_args(Study))
def test_rows_have_names_of_their_own(study: Study) -> None:
    rows = rows_of(study, Small())
    assert len({row.name for row in rows}) == len(rows) >= 2
    assert all((row.variant is None) == (study == "planners") for row in rows)


def test_every_planner_has_a_row_at_equal_calls() -> None:
    rows = rows_of("planners", Small())
    assert {row.planning.top.planner for row in rows} == set(get_args(TopPlanner))
    assert {row.planning.top.calls for row in rows} == {CALLS, 10 * CALLS}


def test_every_regulariser_has_a_row() -> None:
    variants = [row.variant for row in rows_of("losses", Small())]
    trained = [variant.train.get("regularizer") for variant in variants if variant is not None]
    assert set(trained) - {None} == set(get_args(LayoutRegularizer))


def test_one_to_four_levels_plan() -> None:
    rows = rows_of("levels", Small())
    assert [row.levels for row in rows][:4] == [1, 2, 3, 4]
    assert rows[3].variant is not None and len(rows[3].variant.stack.levels) == 4


def test_cells_become_a_row() -> None:
    row = measured([cell(25), cell(20, seed=1), cell(10, (13, 16)), cell(0, (13, 16), seed=1)])
    near, far = row["success"]
    assert (near["successes"], near["episodes"], near["by_seed"]) == (45, 50, [1.0, 0.8])
    assert far["rate"] == 0.2 and far["ci95"][0] < 0.2 < far["ci95"][1]
    assert row["mean_steps"] == 50 and row["calls_per_plan"] == 120 and row["plans_per_episode"] == 2
    assert row["ms_per_step"] == 2 and "rank" not in row
    assert measured([cell(1, rank=2.0, place_error=0.5), cell(1, rank=4.0, place_error=0.1)])["rank"] == 3


def test_a_row_without_success() -> None:
    row = measured([cell(0, top_plans=0, top_calls=0)])
    assert row["mean_steps"] is None and row["calls_per_plan"] is None


def test_the_figure_shows_every_row_and_group() -> None:
    rows = [measured([cell(25)]), measured([cell(5, group="other", row="MPPI")])]
    figure = ablations_figure(rows)
    success, beside = figure.axes
    assert [label.get_text() for label in success.get_yticklabels()] == ["A*", "MPPI"]
    assert {text.get_text() for text in success.texts} == {"planner", "other"}
    assert "predictions" in beside.get_title(loc="left")
    learned = ablations_figure([measured([cell(25, place_error=0.2, rank=3.0)])])
    assert "error" in learned.axes[1].get_title(loc="left")


def test_a_figure_of_nothing() -> None:
    with pytest.raises(FigureError, match="at least one"):
        ablations_figure([])
    with pytest.raises(FigureError, match=r"rows\[0\]: expected a value for success"):
        ablations_figure([{"name": "A*", "group": "planner", "success": []}])


@pytest.fixture(autouse=True)
def few_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_ablate_study, "BATCH", 2)


def test_what_was_measured_is_not_measured_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    glancing().save(tmp_path / "agent")
    where = f"--agent {tmp_path / 'agent'} --out {tmp_path / 'out'} --distances 9 12"
    words = f"{where} --time-limit 4 --episodes 2 --only caution".split()
    quick = VisionPlanning(samples=8, iterations=1, horizon=4, expansions=20)
    rows = [Row(f"caution {nats:.0f}", "A*", replace(quick, caution=nats)) for nats in (0.0, 3.0)]
    monkeypatch.setattr(ablate, "rows_of", lambda study, small: [Row("reference", "A*"), *rows])
    run(ablate.main, words)
    cells = [json.loads(line) for line in (tmp_path / "out" / "planners.jsonl").read_text().splitlines()]
    assert [one["row"] for one in cells] == ["caution 0", "caution 3"] and all(one["top_plans"] > 0 for one in cells)
    table = capsys.readouterr().out
    assert "caution 3" in table and "/2 [" in table and "at most 4 steps" in table
    assert (tmp_path / "out" / "planners.png").stat().st_size > 10_000
    monkeypatch.setattr(_ablate_study, "measure", None)
    run(ablate.main, words)


def test_small_agents_are_trained_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = f"--study losses --only none --out {tmp_path} --distances 5 8 {TINY}".split()
    run(ablate.main, words)
    table = capsys.readouterr().out
    assert "place error" in table and "small agents of seeds (0,)" in table
    kept = json.loads((tmp_path / "losses.jsonl").read_text())
    assert kept["place_error"] > 0 and kept["rank"] >= 1 and kept["made"]["train"] == {"regularizer": "none"}
    (tmp_path / "losses.jsonl").unlink()
    monkeypatch.setattr("scripts._ablate_training.train_vision", None)
    run(ablate.main, words)


def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in (
        ("--episodes 3", "--episodes must be a multiple of 2, not 3"),
        ("--episodes 2 --only dijkstra", "--only dijkstra: expected parts of these names: A* over codes"),
    ):
        with pytest.raises(SystemExit) as caught:
            run(ablate.main, [*words.split(), "--out", str(tmp_path)])
        assert caught.value.code == 2 and said in capsys.readouterr().err
