"""A user's mistake is one line and exit code 2; a traceback comes only when it is asked for."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts._cli import Flat, run

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Options:
    """What the toy script takes."""

    learning_rate: float = 1e-3
    fail: str = ""


FAILURES = {
    "value": ValueError("map.txt: row 3\n  has 4 cells; expected 5"),
    "unicode": UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    "file": FileNotFoundError(2, "No such file or directory", "maze.txt"),
    "interrupt": KeyboardInterrupt(),
    "bug": RuntimeError("a bug"),
}


def toy(options: Flat[Options]) -> None:
    """Fails as it is told to."""
    if options.fail:
        raise FAILURES[options.fail]
    print(f"rate {options.learning_rate}")


def outcome(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[object, str]:
    with pytest.raises(SystemExit) as caught:
        run(toy, args)
    return caught.value.code, capsys.readouterr().err


def test_it_runs(capsys: pytest.CaptureFixture[str]) -> None:
    run(toy, ["--learning-rate", "0.5"])
    run({"toy": toy, "other": toy}, ["toy", "--debug"])
    assert capsys.readouterr().out == "rate 0.5\nrate 0.001\n"


def test_wrong_input_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(capsys, "--fail", "value") == (2, "error: map.txt: row 3 has 4 cells; expected 5\n")
    assert outcome(capsys, "--fail", "file") == (2, "error: maze.txt: No such file or directory\n")
    code, message = outcome(capsys, "--fail", "unicode")
    assert code == 2 and message.startswith("error: 'utf-8' codec") and message.count("\n") == 1


def test_debug_shows_the_traceback() -> None:
    with pytest.raises(ValueError, match=r"map\.txt"):
        run(toy, ["--debug", "--fail", "value"])


def test_an_interrupt_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(capsys, "--fail", "interrupt") == (130, "interrupted\n")


def test_a_bug_is_not_hidden() -> None:
    with pytest.raises(RuntimeError, match="a bug"):
        run(toy, ["--fail", "bug"])


@pytest.mark.parametrize(
    ("args", "hint"), [(["--leraning-rate", "1"], "--learning-rate"), (["--learning-rate", "fast"], "float")]
)
def test_a_misspelt_flag_or_value_is_explained(capsys: pytest.CaptureFixture[str], args: list[str], hint: str) -> None:
    code, message = outcome(capsys, *args)
    assert code == 2 and hint in message and "Traceback" not in message


def test_an_unknown_subcommand_lists_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run({"collect": toy, "train": toy}, ["tran"])
    message = capsys.readouterr().err
    assert caught.value.code == 2 and "collect" in message and "train" in message


def test_a_script_outside_of_the_package_finds_everything(tmp_path: Path) -> None:
    script = tmp_path / "toy.py"
    script.write_text(
        "from scripts._cli import Flat, run\n\n\ndef main(n: int) -> None:\n    print(n)\n\n\nrun(main)\n"
    )
    command = [sys.executable, str(script), "--n", "3"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout == "3\n"
