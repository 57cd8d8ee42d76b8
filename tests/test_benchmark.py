"""Benchmarks: every rival is measured in turn, and the numbers mean what they say."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
import torch

from hjepa.agent import Agent
from scripts import _benchmark_grid, _benchmark_planners, _benchmark_worlds, _machine, _rivals, benchmark
from scripts._timing import Timing, print_columns, seconds_per_call, take_turns
from worlds import Map, PointMaze

ROOT = Path(__file__).parents[1]
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def small_folder(small_agent: Agent, small_map: Map, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("benchmarked")
    small_agent.save(folder / "agent")
    (folder / "small.txt").write_text(small_map.to_text())
    return folder


def test_rivals_take_turns() -> None:
    order: list[str] = []
    found = take_turns({name: lambda name=name: order.append(name) or len(order) for name in "abc"}, 3)
    assert "".join(order) == "abcabcabc"
    assert found == {"a": [1, 4, 7], "b": [2, 5, 8], "c": [3, 6, 9]}


def test_seconds_per_call_leaves_the_first_call_out(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def call() -> None:
        nonlocal now
        now += 0.1 if now else 50.0  # the first call compiles

    monkeypatch.setattr("time.perf_counter", lambda: now)
    assert seconds_per_call(call, 0.95) == pytest.approx(0.1)
    assert now == pytest.approx(51.0)


def test_a_timing_says_when_the_machine_was_busy() -> None:
    calm, busy = Timing((1.0, 1.2, 9.0)), Timing((1.0, 3.0, 2.5))
    assert (calm.best, calm.median, calm.noisy) == (1.0, 1.2, False)
    assert (busy.best, busy.median, busy.noisy) == (1.0, 2.5, True)


def test_columns_line_up(capsys: Capture) -> None:
    print_columns(("name", "n", ""), [("a", "1,000", ""), ("longer", "2", "noisy")])
    assert capsys.readouterr().out == "name        n\na       1,000\nlonger      2  noisy\n"


def test_worlds(tmp_path: Path, capsys: Capture) -> None:
    pytest.importorskip("ogbench")
    out = tmp_path / "new" / "worlds.json"
    benchmark.start(f"worlds --agents 1 256 --seconds 0.02 --repeats 2 --steps 1200 --json {out}".split())
    result = json.loads(out.read_text())
    speed = {(row["world"], row["agents"]): row for row in result["speed"]}
    ours = {(f"ours, {backend}", agents) for backend in ("compiled", "torch") for agents in (1, 256)}
    assert set(speed) == {("official, one process", 1), ("official, two processes", 2)} | ours
    assert speed["official, one process", 1]["ratio_to_one_process"] == 1
    assert speed["official, two processes", 2]["ratio_to_two_processes"] == 1
    for row in speed.values():
        assert row["best"] >= row["median"] > 0
        official = speed["official, two processes", 2]["median"]
        assert row["ratio_to_two_processes"] == pytest.approx(row["median"] / official)
    assert speed["ours, compiled", 256]["ratio_to_one_process"] > 10
    assert [row["rollout"] for row in result["deviation"]] == ["random", "navigate", "pushing"]
    for row in result["deviation"]:
        assert row["steps"] == 1200 and max(row["compiled"], row["torch"]) < 1e-6
    assert result["deviation"][2]["contacts"] > 0.3
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("random actions") and len(lines) == 7 + 1 + 4


def test_a_deviation_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ogbench")

    class Drifting(PointMaze):  # type: ignore[misc]
        def step(self, actions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            result = super().step(actions)
            self.position[7, 1] += 1e-3
            return result

    monkeypatch.setattr(_benchmark_worlds, "PointMaze", Drifting)
    for row in _benchmark_worlds.deviation(_benchmark_worlds.Options(steps=50)):
        assert row["compiled"] == pytest.approx(1e-3, abs=1e-6) and row["torch"] == pytest.approx(1e-3, abs=1e-6)


def test_rollouts_are_as_long_as_asked_and_begin_on_free_floor() -> None:
    for steps in (1, 999, 2001):
        for actions, starts in _benchmark_worlds.rollouts(_benchmark_worlds.Options(steps=steps)).values():
            assert actions.shape == (steps, 2) and np.abs(actions).max() <= 1
            assert starts.shape == (-(-steps // 1000), 2)
            PointMaze("giant", len(starts)).reset(starts=torch.from_numpy(starts))  # complains otherwise


def test_agents(small_folder: Path, capsys: Capture) -> None:
    out = small_folder / "agents.json"
    sizes = "--levels 1 3 --batch 4 --episodes 2 --steps 40 --repeats 2"
    benchmark.start(f"agents --agent {small_folder} --map {small_folder / 'small.txt'} {sizes} --json {out}".split())
    result = json.loads(out.read_text())
    assert result["batch"] == 4 and [row["levels"] for row in result["agents"]] == [1, 3]
    for row in result["agents"]:
        assert 0 < row["ms_alone"] <= row["ms_alone_p99"] <= row["ms_alone_largest"]
        assert 0 < row["ms_batched_best"] <= row["ms_batched"]
    assert len(capsys.readouterr().out.splitlines()) == 2 + 2


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        ("worlds --repeats 0", "--repeats must be at least 1, not 0"),
        ("worlds --steps 0", "--steps must be at least 1, not 0"),
        ("worlds --agents 4 0", "--agents must be at least 1, not 0"),
        ("worlds --seconds 0", "--seconds must be positive, not 0"),
        ("agents --agent nowhere", "nowhere: no checkpoint here"),
        ("agents --levels 4 --agent FOLDER", "levels must be 1 to 3"),
        ("agents --map none.txt --agent FOLDER", "none.txt"),
        ("agents --batch 0 --agent FOLDER", "--batch must be at least 1"),
        ("agents --repeats 0 --agent FOLDER", "--repeats must be at least 1, not 0"),
        ("planners --repeats 0", "--repeats must be at least 1, not 0"),
        ("planners --seconds 0", "--seconds must be positive, not 0"),
        ("planners --threads 0", "--threads must be 1 .. "),
    ],
)
def test_mistakes_get_one_line(args: str, hint: str, small_folder: Path, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        benchmark.start(args.replace("FOLDER", str(small_folder)).split())
    message = capsys.readouterr().err
    assert caught.value.code == 2 and hint in message and message.count("\n") == 1


ROW = {
    *("family", "case", "sizes", "rival", "unit", "ms_best", "ms_median", "per_second_best", "per_second_median"),
    *("ratio_best", "ratio_median", "answer", "noisy", "target", "met"),
}


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No peer is installed."""
    monkeypatch.setattr(_rivals, "installed", lambda peer: False)
    monkeypatch.setattr(_benchmark_planners, "installed", lambda peer: False)


QUICK = "planners --sizes quick --seconds 0.001 --repeats 2 --threads 1"


def test_planners_without_peers(alone: None, tmp_path: Path, capsys: Capture) -> None:
    torch.set_num_threads(1)
    cores = os.sched_getaffinity(0)
    benchmark.start(f"{QUICK} --json {tmp_path / 'planners.json'}".split())
    result = json.loads((tmp_path / "planners.json").read_text())
    assert set(result) == {"options", "device", "machine", "skipped", "failures", "rows"}
    assert result["options"]["sizes"] == "quick" and result["device"] == "cpu" and result["failures"] == []
    assert result["skipped"] == list(_rivals.PEERS)
    assert {row["family"] for row in result["rows"]} == set(_benchmark_planners.FAMILIES)
    cases = {row["case"]: row for row in result["rows"] if row["rival"] == "ours"}
    for row in result["rows"]:
        ours = cases[row["case"]]
        assert set(row) == ROW and 0 < row["ms_best"] <= row["ms_median"]
        assert row["ratio_best"] == pytest.approx(row["ms_best"] / ours["ms_best"])
        assert row["ratio_median"] == pytest.approx(row["ms_median"] / ours["ms_median"])
        assert row["per_second_best"] / ours["per_second_best"] == pytest.approx(1 / row["ratio_best"])
    captured = capsys.readouterr()
    assert "skipped: mctx is not installed (make bench installs it)" in captured.err.splitlines()
    assert all(name in captured.out and name in captured.err for name in cases)
    assert torch.get_num_threads() == 1 and os.sched_getaffinity(0) == cores


def test_only_some_planners(alone: None, capsys: Capture) -> None:
    benchmark.start(f"{QUICK} --only gradient".split())
    out = capsys.readouterr().out
    assert "Adam" in out and "A*" not in out and "MCTS" not in out


def test_a_failure_of_ours_is_told_at_the_end(
    alone: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture
) -> None:
    monkeypatch.setattr(_benchmark_grid, "GridPlanner", None)
    monkeypatch.setattr(_benchmark_grid, "make_queries", lambda blocked, count: [((0, 0), (1, 1))])
    with pytest.raises(SystemExit) as caught:
        benchmark.start(f"{QUICK} --only grid gradient --json {tmp_path / 'p.json'}".split())
    captured = capsys.readouterr()
    assert caught.value.code == 2 and "error: ours failed at: A* on 96 x 96 cells" in captured.err
    assert "ours failed: TypeError" in captured.out and "Adam" in captured.out
    assert {failure["rival"] for failure in json.loads((tmp_path / "p.json").read_text())["failures"]} == {"ours"}


@pytest.mark.parametrize("kind", ["random", "rooms"])
def test_every_grid_library_finds_the_same_costs(kind: _benchmark_grid.Kind) -> None:
    case = _benchmark_grid.case(kind, 64)
    builds = {rival.name: rival.build for rival in case.rivals if rival.name in ("networkx A*", "scipy Dijkstra")}
    builds |= {"C": case.rivals[0].build} if shutil.which("cc") else {}
    ours = case.ours()
    expected = ours.answer(ours.call())
    for build in builds.values():
        rival = build()
        assert rival.answer(rival.call()) == pytest.approx(expected, rel=1e-5)


def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    found = _rivals.compare(_benchmark_grid.case("rooms", 32), 1, 0.001)
    assert found.failures["C, binary heap"].endswith("no C compiler: the reference needs a `cc` on the PATH")
    assert len(found.rows) >= 2


def test_a_missing_ogbench_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setitem(sys.modules, "ogbench", None)
    with pytest.raises(SystemExit) as caught:
        benchmark.start(["worlds"])
    message = capsys.readouterr().err
    assert caught.value.code == 2 and "pip install ogbench" in message and message.count("\n") == 1


@pytest.mark.parametrize("name", ["benchmark", "collect", "demo", "depth", "evaluate", "train"])
def test_scripts_that_step_or_plan_keep_their_threads_apart(name: str) -> None:
    """Numba's OpenMP layer would give PyTorch all cores at its first use."""
    source = (ROOT / "scripts" / f"{name}.py").read_text()
    assert "    use_one_thread()\n" in source or "use_device(" in source


def test_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "THREADING_LAYER", "default")
    torch.set_num_threads(2)
    _machine.use_one_thread()
    assert torch.get_num_threads() == 1 and numba.config.THREADING_LAYER == "workqueue"
    PointMaze("medium", 4096).step(torch.zeros(4096, 2))
    assert torch.get_num_threads() == 1
