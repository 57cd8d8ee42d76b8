"""The comparison of planners, end to end on a tiny agent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest

from hjepa.optimizers import Optimizer
from hjepa.planning import Search
from hjepa.pretrained import pretrained
from scripts import compare
from scripts._cli import run


@pytest.fixture
def command(tmp_path: Path) -> str:
    """A short comparison in a small maze, for which an agent is shipped."""
    agent = pretrained("ogbench/pointmaze-medium-navigate")
    return f"point-maze --map medium --episodes 2 --agent {agent} --out {tmp_path / 'out'} --combinations"


def rows(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "out" / "compare.jsonl").read_text().splitlines()]


def test_every_combination_gets_a_row_once(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(compare.main, f"{command} mppi-landmarks-landmarks".split())
    run(compare.main, f"{command} mppi-landmarks-landmarks cem-supported-landmarks".split())
    found = rows(tmp_path)
    assert [(row["planners"], row["swapped"]) for row in found] == [
        ("mppi-landmarks-landmarks", 1),
        ("cem-supported-landmarks", 2),
    ]
    for row in found:
        low, high = row["ci95"]
        assert low <= row["success_rate"] <= high and row["success_rate"] == 1 and row["trials"] == 2
        assert row["ms_per_decision"] > 0 and row["predictor_states_per_step"] > 0
    table = capsys.readouterr().out
    assert "cem, supported, landmarks" in table and "2 episodes" in table
    assert (tmp_path / "out" / "compare.png").stat().st_size > 10_000
    monkeypatch.setattr(compare, "evaluate", None)  # nothing is left to evaluate
    run(compare.main, f"{command} cem-supported-landmarks".split())


def test_the_default_gives_every_planner_a_turn() -> None:
    three = compare.default_combinations(3)
    assert {names[0] for names in three} == set(get_args(Optimizer))
    assert {names[1] for names in three} == {*get_args(Optimizer), *get_args(Search)}
    assert {names[2] for names in three} == set(get_args(Search))
    assert len(set(three)) == len(three) and all(len(names) == 3 for names in three)
    assert all(len(names) == 2 for names in compare.default_combinations(2))


def test_an_unknown_planner_is_named(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(compare.main, f"{command} cem-dijkstra".split())
    assert caught.value.code == 2
    assert "unknown planner 'dijkstra', expected" in capsys.readouterr().err
