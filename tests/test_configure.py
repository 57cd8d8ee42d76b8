"""The scripts of configurator and memory: every kind of task is configured as it should be, and reported truly."""

from __future__ import annotations

import numpy as np
import pytest

from scripts import configure as script
from scripts import recall
from scripts._cli import run
from scripts._configure import Bench
from scripts._configure_row import Judged, Row
from worlds import MazeTasks

BENCH = Bench("medium", episodes=2, seed=3)


def reasons(row: Row) -> str:
    return "\n".join(row.why[0])


@pytest.mark.parametrize(
    ("kind", "setting"),
    [
        ("the goal is near", "level 1: Mode-2: cem, 5 steps ahead, because no time limit was given"),
        ("guardrails", "shield: on, for keep-out, speed limit"),
        ("dear places", "the preference, up to 20.0 world steps per step"),
        ("done before", "memory: on"),
        ("the world may have changed", "watch: on"),
    ],
)
def test_every_kind_of_task_is_done_by_an_agent_configured_for_it(kind: str, setting: str) -> None:
    row = BENCH.run(BENCH.kinds[kind]())
    assert setting in reasons(row) and row.success.all() and row.why[1] in (1, 2)
    assert (row.violations is not None) == (kind == "guardrails") and not row.violations
    assert row.nodes == 0 if kind == "done before" else row.milliseconds > 0
    assert row.told().startswith("2 of 2 arrived [34%, 100%]")


def test_other_places_in_the_same_cells_are_other_tasks() -> None:
    episodes = zip(BENCH.plain(), BENCH.repeated(moved=True), strict=True)
    for plain, moved in episodes:
        apart = np.abs(plain.task.here - moved.task.here).max(), np.abs(plain.task.goal - moved.task.goal).max()
        assert min(apart) > 0 and max(apart) <= 2
        assert plain.agent.ways is None and moved.agent.ways is not None and len(moved.agent.ways) == 2


def test_what_breaks_a_guardrail_is_counted() -> None:
    hazards = BENCH.hazards
    row, column = np.argwhere(hazards.keep_out)[0]
    world = MazeTasks(BENCH.map, 1, 0)
    world.starts[0] = BENCH.map.center([row, column])
    judged = Judged(world, hazards)
    judged.reset()
    judged.step(np.zeros((1, 2)))
    assert judged.violations == 1


def test_tasks_that_contradict_themselves_are_refused() -> None:
    told = dict(BENCH.refused())
    assert "no mode meets 0.001 ms per step" in told["0.001 ms per step"]
    assert "is within the guardrail 'keep-out'" in told["a goal within a guardrail"]


def test_the_script_reports_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    row = Row((["levels: 2 of 3, because"], 1), np.array([True, False]), np.array([10, 30]), 0.5, 4.0, 3)
    script.report("a kind", row)
    printed = capsys.readouterr().out
    assert "1 of 2 arrived" in printed and "20 steps, 0.50 ms per step, 4 nodes searched" in printed
    assert "3 steps within guardrails" in printed and "levels: 2 of 3" in printed


def test_remembering_saves_the_search(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall, "SEARCHES", {"landmarks": "A* over landmarks"})
    recall.main(recall.Options(tasks=3))
    rows = [line for line in capsys.readouterr().out.splitlines() if "%, " in line]
    before, _, again, moved = (float(row.split()[-3]) for row in rows)
    assert before > 0 and again == 0 and moved <= before


@pytest.mark.parametrize(
    ("program", "args", "message"),
    [
        (script.main, "--episodes 0", "--episodes must be at least 1, not 0"),
        (recall.main, "--tasks 0", "--tasks must be at least 1 and --levels 2, not 0 and 2"),
        (recall.main, "--levels 1", "--levels 2, not 40 and 1"),
    ],
)
def test_a_mistake_gets_one_line(capsys: pytest.CaptureFixture[str], program: object, args: str, message: str) -> None:
    with pytest.raises(SystemExit):
        run(program, args.split())  # type: ignore[arg-type]
    assert message in capsys.readouterr().err
