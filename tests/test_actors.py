"""What acting costs in each mode: figures that agree with each other, and a script that explains itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hjepa.agent import Agent
from hjepa.evaluate import Outcome
from scripts import actors as script
from scripts._actors import MODE_2, MODES, Mode, Study, Turn, cells, compared, row
from scripts._cli import run
from worlds.maps import Map


def outcome(success: list[bool], steps: list[int], seconds: float, calls: int) -> Outcome:
    return Outcome(np.array(success), np.array(steps), [seconds / 2, seconds / 2], calls=calls)


def turn(together: Outcome, seconds_alone: float) -> Turn:
    return Turn(together, (outcome([True], [10], seconds_alone, 0), outcome([True], [30], seconds_alone, 0)))


def test_a_row_sums_turns_and_times_world_steps() -> None:
    turns = [
        turn(outcome([True, False], [10, 30], 0.4, 80), seconds_alone=0.02),
        turn(outcome([True, True], [20, 20], 0.8, 120), seconds_alone=0.06),
        turn(outcome([True, True], [20, 20], 1.6, 200), seconds_alone=0.10),
    ]
    found = row("some mode", turns)
    assert found["success_rate"] == pytest.approx(5 / 6) and found["episodes"] == 6 and found["steps"] == 20
    assert found["ci95"][0] < 5 / 6 < found["ci95"][1]
    assert found["states_per_step"] == pytest.approx(400 / 120)
    assert (found["ms_batched_best"], found["ms_batched"]) == pytest.approx((10, 20))
    assert (found["ms_alone_best"], found["ms_alone"]) == pytest.approx((1, 3))


def test_shares_are_the_less_favourable_of_best_and_median() -> None:
    slow = row("slow", [turn(outcome([True], [10], seconds, 100), seconds) for seconds in (0.1, 0.2, 0.4)])
    fast = row("fast", [turn(outcome([False], [20], seconds, 50), seconds) for seconds in (0.02, 0.02, 0.02)])
    found = compared(fast, slow)
    assert found["share_of_success"] == 0 and found["share_of_states"] == pytest.approx(0.25)
    assert found["share_of_time_batched"] == pytest.approx(0.1), "per step: 1 ms against 10 at best, 20 in the median"
    assert found["share_of_time_alone"] == pytest.approx(0.2)
    assert cells(found)[1:5] == ("0.0% [0.0, 56.1]", "20", "2.5", "1.0000 / 1.0000")
    assert cells(found)[5] == "1/5.0" and cells(compared(slow, fast))[5] == "10.0"
    assert compared(slow, fast)["share_of_success"] is None


def test_mode_1_needs_a_fraction_of_mode_2s_time_and_states(distilled_agent: Agent, small_map: Map) -> None:
    modes = {name: mode for name, mode in MODES.items() if name != "Mode-2 by gradients"}
    found = Study(batch=16, single=1, repeats=2, seed=40).rows(distilled_agent, small_map, modes)
    rows = {each["mode"]: each for each in found}
    assert list(rows) == list(modes)
    reference, reflex, started = rows[MODE_2], rows["Mode-1"], rows["Mode-2 from Mode-1's answer"]
    assert reference["share_of_time_alone"] == reference["share_of_states"] == 1
    assert reference["success_rate"] > 0.9 <= min(reflex["share_of_success"], started["share_of_success"])
    assert reflex["states_per_step"] == 0 < started["share_of_states"] < 1 / 3
    assert reflex["ms_batched_best"] < reference["ms_batched_best"] / 5, "a quarter of what is promised: tests are busy"
    slow = rows["Mode-1 through the hierarchy"]
    assert slow["success_rate"] == reflex["success_rate"] and slow["steps"] == pytest.approx(reflex["steps"], rel=0.02)


def test_a_mode_without_its_reflex_has_none(distilled_agent: Agent) -> None:
    assert Mode(("mode1",)).actor(distilled_agent, 0).reflex is not None
    assert Mode(("mode1",), reflex=False).actor(distilled_agent, 0).reflex is None
    planners = Mode().actor(distilled_agent, 0).config.planners
    assert planners == distilled_agent.experiment.planning.planners, "Mode-2 is what the agent does by default"


@pytest.mark.parametrize("name", ["batch", "single", "repeats"])
def test_settings_that_make_no_sense(name: str) -> None:
    with pytest.raises(ValueError, match=f"--{name} must be at least 1, not 0"):
        replace(Study(1, 1, 1, 0), **{name: 0})


def test_the_script_prints_a_table_per_maze(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = f"--mazes medium --batch 2 --single 1 --repeats 1 --steps 6 --json {tmp_path / 'actors.json'}"
    run(script.main, [*options.split(), "--figure", str(tmp_path / "actors.png")])
    printed = capsys.readouterr().out
    assert "seed 0: 1 turns of 2 tasks in a batch" in printed and "medium (random actions: " in printed
    assert all(f"\n{name}  " in printed for name in MODES)
    found = json.loads((tmp_path / "actors.json").read_text())
    assert [each["mode"] for each in found["mazes"]["medium"]] == list(MODES) and found["study"]["steps"] == 6
    assert (tmp_path / "actors.png").stat().st_size > 10_000


def test_the_script_refuses_what_it_cannot_do(capsys: pytest.CaptureFixture[str]) -> None:
    for options, complaint in (
        (["--repeats", "0"], "--repeats must be at least 1, not 0"),
        (["--figure", "out/actors.gif"], "out/actors.gif: expected a file ending in .png, .svg, .pdf"),
    ):
        with pytest.raises(SystemExit):
            run(script.main, options)
        assert complaint in capsys.readouterr().err
