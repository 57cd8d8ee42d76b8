"""The scripts as people run them: from a map to results, mistakes included."""

from __future__ import annotations

import importlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from hjepa.checkpoint import has_checkpoint, load_checkpoint
from scripts import demo, evaluate, train
from scripts._cli import run
from viz.viewer.storage import load_scene

ROOT = Path(__file__).parents[1]
NAMES = sorted(path.stem for path in (ROOT / "scripts").glob("*.py") if not path.stem.startswith("_"))
MAP = "#########\n#...#...#\n#.#...#.#\n#.#.#.#.#\n#...#...#\n#.#.....#\n#########\n"  # 5 x 7 inside
KEYS = {
    *("suite", "protocol", "agent", "levels", "seed", "episodes", "success_rate", "ci95", "per_task", "mean_steps"),
    *("oracle_steps", "ms_per_step", "ms_per_step_p99", "predictor_calls_per_step", "random_success_rate"),
}
SMALL = "--rows 60000 --levels 2 --train.steps 250 --train.save-every 50 --policy.steps 50 --policy.ways.steps 50"

Capture = pytest.CaptureFixture[str]
Script = Callable[[Sequence[str]], None]


def run_evaluate(args: Sequence[str]) -> None:
    run(evaluate.main, args)


def run_demo(args: Sequence[str]) -> None:
    run(demo.main, args)


def complaint(capsys: Capture, script: Script, args: str) -> str:
    """The one line with which a script ends with exit code 2."""
    with pytest.raises(SystemExit) as caught:
        script(args.split())
    message = capsys.readouterr().err
    assert caught.value.code == 2 and "Traceback" not in message
    return message


def one_line(capsys: Capture, script: Script, args: str) -> str:
    message = complaint(capsys, script, args)
    assert message.startswith("error: ") and message.count("\n") == 1
    return message


@pytest.fixture(scope="module")
def maze(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("maps") / "mine.txt"
    path.write_text(MAP)
    return path


@pytest.fixture(scope="module")
def trained(maze: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run on the map."""
    folder = tmp_path_factory.mktemp("runs") / "mine"
    train.start(f"point-maze --map {maze} --out {folder} {SMALL}".split())
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_help(name: str, capsys: Capture) -> None:
    module = importlib.import_module(f"scripts.{name}")
    script = module.start if hasattr(module, "start") else lambda args: run(module.main, args)
    with pytest.raises(SystemExit) as caught:
        script(["--help"])
    assert caught.value.code == 0 and "--help" in capsys.readouterr().out


def test_a_run_holds_what_one_wants_to_know(trained: Path) -> None:
    names = {path.name for path in trained.iterdir()}
    assert names == {"experiment.toml", "metrics.csv", "metrics.jsonl", "checkpoint", "agent", "training.png"}
    card = load_checkpoint(trained / "agent")[1]["card"]
    assert card["command"].startswith("python scripts/train.py point-maze --map")
    assert card["data"] == {"protocol": "navigate", "seed": 0, "rows": 60_060, "episodes": 60}
    assert set(card["seconds"]) == {"data", "training", "landmarks", "policy", "total"}
    assert {"rank/1", "rank/2", "prediction/2"} <= set(card["diagnostics"])


def test_a_trained_agent_reaches_random_goals(trained: Path, maze: Path, tmp_path: Path, capsys: Capture) -> None:
    files = f"--json {tmp_path / 'out.json'} --figure {tmp_path / 'out.png'} --gif {tmp_path / 'out.gif'}"
    files += f" --scene {tmp_path / 'out.scene'}"
    run_evaluate(f"point-maze --map {maze} --agent {trained} --episodes 10 {files}".split())
    result = json.loads((tmp_path / "out.json").read_text())
    assert set(result) >= KEYS
    assert result["episodes"] == 10 and result["levels"] == 2 and result["suite"] == "point-maze"
    assert result["success_rate"] >= 0.9
    assert result["mean_steps"]["random"] < 1.3 * result["oracle_steps"]["random"]
    assert "95 % interval" in capsys.readouterr().out
    assert load_scene(tmp_path / "out.scene")[0].last > 10
    assert (tmp_path / "out.png").stat().st_size > 10_000 and (tmp_path / "out.gif").stat().st_size > 10_000


def test_several_agents_are_averaged(trained: Path, maze: Path, tmp_path: Path) -> None:
    agents = f"{trained} {trained / 'agent'}"
    args = f"point-maze --map {maze} --agent {agents} --episodes 3 --levels 1 --json {tmp_path / 'a.json'}"
    run_evaluate(args.split())
    result = json.loads((tmp_path / "a.json").read_text())
    assert result["episodes"] == 6 and len(result["agents"]) == 2
    assert result["success_rate"] == pytest.approx(sum(one["success_rate"] for one in result["agents"]) / 2)


def test_a_killed_run_resumes_to_the_same_agent(trained: Path, maze: Path, tmp_path: Path, capsys: Capture) -> None:
    flags = f"point-maze --map {maze} --out {tmp_path} {SMALL}"
    command = [sys.executable, str(ROOT / "scripts" / "train.py"), *flags.split()]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not has_checkpoint(tmp_path / "checkpoint") and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert "--resume continues it" in one_line(capsys, train.start, flags)
    train.start(f"{flags} --resume".split())
    for name in ("stack", "memory", "policy", "signpost.2"):
        file = f"{name}.safetensors"
        assert (tmp_path / "agent" / file).read_bytes() == (trained / "agent" / file).read_bytes()
    assert (tmp_path / "metrics.csv").read_bytes() == (trained / "metrics.csv").read_bytes()


def test_flags_go_over_the_file_and_the_file_over_presets(tmp_path: Path) -> None:
    from scripts._experiment import base_experiment, preset

    (tmp_path / "a.toml").write_text("[train]\nsteps = 7\nbatch = 3\n")
    base = base_experiment(["--config", str(tmp_path / "a.toml"), "--seed=5", "--levels", "2", "--train.steps", "9"])
    assert (base.train.steps, base.train.batch, base.train.seed, len(base.stack.levels)) == (7, 3, 5, 2)
    assert [level.stride for level in preset(4).stack.levels] == [1, 10, 60, 300]


def test_a_finished_run_is_not_overwritten(trained: Path, maze: Path, capsys: Capture) -> None:
    flags = f"point-maze --map {maze} --out {trained} {SMALL}"
    assert "--overwrite replaces it" in one_line(capsys, train.start, flags)
    assert "expected one of them" in one_line(capsys, train.start, f"{flags} --resume --overwrite")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("#####\n#.#.#\n#####\n", "reached"),
        ("####\n#.?#\n####\n", "unknown character '?'"),
        ("####\n#..#\n###\n", "row 3 has 3 cells"),
        ("", "empty"),
    ],
)
def test_a_map_that_is_none(text: str, hint: str, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "bad.txt").write_text(text)
    for script in (train.start, run_evaluate):
        assert hint in one_line(capsys, script, f"point-maze --map {tmp_path / 'bad.txt'}")


def test_mistakes_in_training(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "typo.toml").write_text("[train]\nstep = 3\n")
    (tmp_path / "data.npz").write_bytes(b"PK nonsense")
    medium = f"ogbench/pointmaze-medium-stitch --out {tmp_path / 'run'}"
    for args, hint in (
        (f"--config {tmp_path / 'typo.toml'}", "unknown key 'step' in [train]; did you mean 'steps'?"),
        ("--config none.toml", "no such configuration file"),
        ("--levels 7", "presets have 2 to 4 levels"),
        ("--levels x", "--levels"),
        (f"{medium} --levels 4", "windows of 300 actions need an episode of 301 rows; the longest has 201"),
        (f"{medium} --rows 0", "rows >= 1"),
        (f"{medium} --data {tmp_path / 'data.npz'}", "not a readable .npz file"),
        (f"{medium} --data {tmp_path / 'data.npz'} --rows 5", "--rows is for data that are recorded anew"),
        (f"--resume --out {tmp_path / 'nothing'}", "--resume finds no run here"),
        ("ogbench/antmaze-giant-navigate", "unknown task 'ogbench/antmaze-giant-navigate', expected"),
        ("ogbench/pointmaze-giant-navigate --size 9", "--map and --size are for point-maze"),
        ("point-maze", "either --map FILE or --size CELLS"),
        ("point-maze --map none.txt", "none.txt"),
        ("point-maze --size 2", "rows, columns >= 3"),
    ):
        assert hint in one_line(capsys, train.start, args)
    assert "--train.stepz" in complaint(capsys, train.start, "--train.stepz 3")


def test_mistakes_in_evaluation(trained: Path, maze: Path, tmp_path: Path, capsys: Capture) -> None:
    mine = f"point-maze --map {maze} --agent {trained}"
    for args, hint in (
        (f"{mine} --levels 3", "levels must be 1 to 2"),
        (f"{mine} --episodes 0", "--episodes must be at least 1"),
        (f"{mine} --figure {tmp_path / 'a.bmp'}", "expected a file ending in .png"),
        (f"{mine} --gif {tmp_path / 'a.png'}", "expected a file ending in .gif"),
        (f"point-maze --map {maze}", "no agent is shipped for 'point-maze'"),
        (f"point-maze --map {maze} --agent {tmp_path}", "no checkpoint here"),
        (f"point-maze --map {maze} --agent {trained / 'checkpoint'}", "not an agent"),
    ):
        assert hint in one_line(capsys, run_evaluate, args)
    assert "supported" in complaint(capsys, run_evaluate, f"{mine} --planners cem dijkstra")


def test_the_demo_draws_an_episode(
    trained: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "why_no_display", lambda: "no display: none here")
    # The agent knows another maze, so it needn't arrive; what is shown must still be there.
    run_demo(f"--maze medium --agent {trained} --out {tmp_path} --levels 2".split())
    lines = capsys.readouterr().out.splitlines()
    assert [line.strip()[:7] for line in lines[1:3]] == ["level 2", "level 1"]
    assert "no window opened" in lines[-1]
    assert {path.name for path in tmp_path.iterdir()} == {"demo.gif", "demo.png"}
    assert "has no task 9" in one_line(capsys, run_demo, f"--task 9 --agent {trained}")
