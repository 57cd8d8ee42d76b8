"""Ablations: their rows, their cells, which are measured once, the table and the figure."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from hjepa.vision.agent import VisionAgent
from hjepa.vision.layout_objective import LayoutRegularizer
from hjepa.vision.optimised_ways import TopPlanner
from hjepa.vision.planning import VisionPlanning
from scripts import _ablate_study, ablate
from scripts._ablate_rows import CALLS, TITLES, Row, Small, Study, rows_of
from scripts._ablate_tables import measured, panel
from scripts._ablate_training import trained
from scripts._cli import run
from tests.seen_mazes import glancing
from viz.ablations import FigureError, Panel, ablations_figure
from worlds.maze_view import LOW

TINY = (
    "--small.mazes 2 --small.episodes 3 --small.masked-steps 1 --small.steps 2 --small.upper-steps 2 "
    "--time-limit 4 --episodes 2 --distances 5 8 --seeds 0"
)
STAR = Row("A*", "planner")


def cell(successes: int, distance: tuple[int, int] = (9, 12), seed: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "distance": list(distance), "training_seed": seed, "successes": successes,
        "episodes": 25, "steps": 50.0 * successes, "world_steps": 1250.0, "top_calls": 6000, "top_plans": 50,
        "calls_above": 6000, "calls": 9000, "seconds": 2.5,
    } | more  # fmt: skip


@pytest.mark.parametrize("study", get_args(Study))
def test_rows_have_names_of_their_own(study: Study) -> None:
    rows = rows_of(study, Small())
    assert len({row.name for row in rows}) == len(rows) >= 2


def test_every_planner_has_a_row_at_equal_calls() -> None:
    rows = rows_of("planners", Small())
    assert {row.planning.top.planner for row in rows} == set(get_args(TopPlanner))
    assert {row.planning.top.calls for row in rows} == {CALLS, 10 * CALLS}
    assert all(row.levels == 2 for row in rows if row.planning.top.planner != "astar")  # a third one has its own


def test_every_regulariser_has_a_row() -> None:
    variants = [row.variant for row in rows_of("losses", Small())]
    trained = [variant.train.get("regularizer") for variant in variants if variant is not None]
    assert set(trained) - {None} == set(get_args(LayoutRegularizer)) - {"vicreg"}


def test_one_to_four_levels_plan() -> None:
    rows = {row.name: row for row in rows_of("levels", Small())}
    levels = [rows[name] for name in ("level 1 alone", "two levels", "three levels", "four levels")]
    assert [row.levels or len(row.variant.stack.levels) for row in levels if row.variant] == [1, 2, 3, 4]


def test_what_has_one_name_is_one_agent() -> None:
    variants = [row.variant for study in get_args(Study) for row in rows_of(study, Small()) if row.variant is not None]
    assert all(one == other for one in variants for other in variants if one.name == other.name)


def test_cells_become_a_row() -> None:
    row = measured(STAR, [cell(25), cell(20, seed=1), cell(10, (13, 16)), cell(0, (13, 16), seed=1)])
    near, far = row["success"]
    assert (near["successes"], near["episodes"], near["by_seed"]) == (45, 50, [1.0, 0.8])
    assert far["rate"] == 0.2 and far["ci95"][0] < 0.2 < far["ci95"][1]
    assert row["mean_steps"] == 50 and row["calls_per_plan"] == 120 and row["plans_per_episode"] == 2
    assert row["ms_per_step"] == 2 and "rank" not in row
    assert measured(STAR, [cell(1, rank=2.0), cell(1, rank=4.0)])["rank"] == 3


def test_a_row_without_success() -> None:
    row = measured(STAR, [cell(0, top_plans=0, top_calls=0)])
    assert row["mean_steps"] is None and row["calls_per_plan"] is None


def test_the_figure_shows_every_row_and_group() -> None:
    rows = [measured(STAR, [cell(25)]), measured(Row("MPPI", "other"), [cell(5, calls_above=0)])]
    learned = [measured(Row("none", ""), [cell(25, place_error=0.2, deviation=1.0, rank=3.0, walls=0.1)])]
    figure = ablations_figure([panel("planners", rows), panel("losses", learned)])
    planners, planners_beside, losses, losses_beside = figure.axes
    written = [text.get_text() for text in planners.texts]
    assert {"A*", "planner", "MPPI", "other", TITLES["planners"]} <= set(written)
    assert [text.get_text() for text in planners_beside.texts] == ["5", "-", "predictions a step"]
    assert [text.get_text() for text in losses_beside.texts] == ["3.0", "effective rank"]
    assert losses.get_position().x0 > planners.get_position().x1


def test_a_figure_of_nothing() -> None:
    with pytest.raises(FigureError, match="at least one"):
        ablations_figure([])
    with pytest.raises(FigureError, match="Levels: expected at least one row"):
        Panel("Levels", [], "rank", "rank")
    with pytest.raises(FigureError, match=r"rows\[0\]: expected a value for success, rank"):
        Panel("Levels", [{"name": "A*", "success": []}], "rank", "rank")


@pytest.fixture(autouse=True)
def few_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_ablate_study, "BATCH", 2)


def test_what_was_measured_is_not_measured_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    glancing().save(tmp_path / "agent")
    where = f"--agent {tmp_path / 'agent'} --out {tmp_path / 'out'} --distances 9 12"
    words = f"--study planners {where} --time-limit 4 --episodes 3 --only caution".split()
    quick = VisionPlanning(samples=8, iterations=1, horizon=4, expansions=20)
    rows = [Row(f"caution {nats:.0f}", "A*", replace(quick, caution=nats)) for nats in (0.0, 3.0)]
    monkeypatch.setattr(ablate, "rows_of", lambda study, small: [Row("reference", "A*"), *rows])
    run(ablate.main, words)
    cells = [json.loads(line) for line in (tmp_path / "out" / "cells.jsonl").read_text().splitlines()]
    assert [one["episodes"] for one in cells] == [2, 1, 2, 1] and all(one["top_plans"] > 0 for one in cells)
    table = capsys.readouterr().out
    assert "caution 3" in table and "/3 [" in table and "at most 4 steps" in table
    assert (tmp_path / "out" / "planners.png").stat().st_size > 10_000
    monkeypatch.setattr(_ablate_study, "measure", None)
    run(ablate.main, words)


def test_small_agents_are_trained_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = f"--study losses --only EMA --out {tmp_path} {TINY}".split()
    run(ablate.main, words)
    table = capsys.readouterr().out
    assert "place error" in table and "training seeds 0;" in table
    kept = json.loads((tmp_path / "cells.jsonl").read_text())
    assert kept["place_error"] > 0 and kept["rank"] >= 1 and kept["variant"] == "ema"
    (tmp_path / "cells.jsonl").unlink()
    monkeypatch.setattr("scripts._ablate_training.train_vision", None)
    run(ablate.main, words)
    with pytest.raises(SystemExit):
        run(ablate.main, [*words, "--small.upper-steps", "3"])
    assert "ema-seed0: this agent was trained in another way" in capsys.readouterr().err


def test_what_is_the_same_is_learned_once(tmp_path: Path) -> None:
    small = replace(Small(mazes=2, episodes=3, steps=2, upper_steps=2), practice_steps=1)
    variants = {row.variant.name: row.variant for row in rows_of("levels", small) if row.variant is not None}
    deep, shared = (trained(variants[name], small, LOW, 3, tmp_path) for name in ("four-levels", "shared"))
    alone = trained(replace(variants["shared"], name="alone", after=None), small, LOW, 3, tmp_path)
    reference = VisionAgent.load(tmp_path / "reference-seed3" / "agent")
    for agent in (deep, shared):
        first, known = agent.stack.first.state_dict(), reference.stack.first.state_dict()
        assert all(torch.equal(first[name], known[name]) for name in known)
    weights = alone.stack.state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in shared.stack.state_dict().items())


def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in (
        ("--episodes 0", "--episodes must be at least 1, not 0"),
        ("--episodes 2 --only dijkstra", "--only dijkstra: expected parts of these names: A* over codes"),
    ):
        with pytest.raises(SystemExit) as caught:
            run(ablate.main, [*words.split(), "--out", str(tmp_path)])
        assert caught.value.code == 2 and said in capsys.readouterr().err
