"""What README says is so: its examples run, its commands, flags, keys, files and links exist."""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest

from hjepa.agent import Experiment
from hjepa.config import from_toml
from hjepa.evaluate import Report
from hjepa.pretrained import shipped
from scripts._cli import run
from scripts._probe_seen import PROBE
from scripts._seen_worlds import SEEN

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {"README.md": TEXT, "CHANGELOG.md": (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")}
PLACEHOLDER = "@" * 2
SCRIPTS = sorted(path.stem for path in (ROOT / "scripts").glob("*.py") if not path.stem.startswith("_"))


def blocks(language: str) -> list[str]:
    """The code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def spans() -> list[str]:
    """Code within a line."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", TEXT, flags=re.MULTILINE | re.DOTALL))


def commands() -> Iterator[list[str]]:
    """The words of every shell command."""
    for line in "".join(blocks("bash")).replace("\\\n", " ").splitlines():
        if words := shlex.split(line):
            yield words


def script_commands() -> list[list[str]]:
    """Commands that run a Python file, from its name on."""
    return [words[1:] for words in commands() if words[0] == "python"]


@cache
def help_of(script: str) -> str:
    """What a script prints for --help, and each of its subcommands."""
    module = importlib.import_module(f"scripts.{script}")
    start = module.start if hasattr(module, "start") else lambda args: run(module.main, args)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        words = [*getattr(module, "BENCHMARKS", {}), *(SEEN if hasattr(module, "seen_world") else ())]
        for subcommand in ([], *([word] for word in words), *([[PROBE]] if hasattr(module, "PROBE") else [])):
            with pytest.raises(SystemExit):
                start([*subcommand, "--help"])
    return printed.getvalue()


def has_flag(script: str, flag: str) -> bool:
    return re.search(rf"{re.escape(flag)}(?![\w.-])", help_of(script)) is not None


def anchor(heading: str) -> str:
    """A heading's name in a link, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("code", blocks("python"))
def test_python_examples_run(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    if "pretrained(" in code and "ogbench/pointmaze-giant-navigate" not in shipped():
        pytest.skip("the agent of the example is not shipped yet")
    exec(compile(code, "README.md", "exec"), {})
    assert ("print(" in code) == bool(capsys.readouterr().out)


@pytest.mark.parametrize("text", blocks("toml"))
def test_toml_examples_load(text: str, tmp_path: Path) -> None:
    (tmp_path / "readme.toml").write_text(text, encoding="utf-8")
    assert from_toml(Experiment, tmp_path / "readme.toml") != Experiment()


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z]+)", "\n".join([*blocks("bash"), *spans()])))
    assert {"demo", "test", "install"} <= named <= targets


@pytest.mark.parametrize("words", script_commands(), ids=" ".join)
def test_commands_name_scripts_and_flags_that_exist(words: list[str]) -> None:
    path = ROOT / words[0]
    assert path.is_file() and path.stem in SCRIPTS
    flags = [word.partition("=")[0] for word in words if word.startswith("--")]
    assert [flag for flag in flags if not has_flag(path.stem, flag)] == []


def test_every_script_has_an_example() -> None:
    assert {Path(words[0]).stem for words in script_commands()} | {"demo"} == set(SCRIPTS)


@pytest.mark.parametrize("flag", sorted(set(re.findall(r"(?<![\w-])--[a-z][\w.-]*", " ".join(spans())))))
def test_flags_in_the_text_exist(flag: str) -> None:
    assert flag == "--help" or any(has_flag(script, flag) for script in SCRIPTS)


@pytest.mark.parametrize("page", PAGES)
def test_links_and_pictures_lead_somewhere(page: str) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", PAGES[page])
    anchors = {f"#{anchor(heading)}" for heading in re.findall(r"^#+ (.+)$", PAGES[page], re.MULTILINE)}
    inside = [target for target in targets if target.startswith("#")]
    files = [target for target in targets if not target.startswith(("#", "https://"))]
    assert [target for target in inside if target not in anchors] == []
    assert [target for target in files if not (ROOT / target.partition("#")[0]).is_file()] == []


def test_paths_in_the_text_exist() -> None:
    rooms = "hjepa|worlds|planners|viz|scripts|tests|docs"
    paths = [span for span in spans() if re.fullmatch(rf"(?:{rooms})/[\w/.-]*", span)]
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_keys_of_the_json_are_those_in_the_table() -> None:
    table = TEXT.partition("| key of the JSON | holds |")[2].partition("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines()[2:]]
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == {field.name for field in fields(Report)}


@pytest.mark.parametrize("page", PAGES)
def test_no_number_is_missing(page: str) -> None:
    missing = [number for number, line in enumerate(PAGES[page].splitlines(), 1) if PLACEHOLDER in line]
    assert missing == [], f"lines of {page} with a number to be filled in"
