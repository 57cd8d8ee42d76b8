"""The rooms stay apart: which imports are allowed, and what no package may do."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = {
    "worlds": set(),
    "planners": set(),
    "hjepa": {"planners"},
    "viz": {"worlds", "planners", "hjepa"},
    "scripts": {"worlds", "planners", "hjepa", "viz"},
}
LIBRARIES = ("worlds", "planners", "hjepa", "viz")
MAX_LINES = 500
FORBIDDEN_CALLS = {"torch.save", "torch.load"}
FORBIDDEN_MODULES = {"pickle", "cloudpickle", "dill", "joblib"}


class Import(NamedTuple):
    package: str
    line: int
    lazy: bool


def sources(*packages: str) -> list[Path]:
    return sorted(path for package in packages for path in (ROOT / package).rglob("*.py"))


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports_of(tree: ast.AST, lazy: bool = False) -> Iterator[Import]:
    """Every import, with whether it waits inside a function."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name.partition(".")[0], node.lineno, lazy) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield Import(node.module.partition(".")[0], node.lineno, lazy)
        yield from imports_of(node, lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))


def faults_of_imports(room: str, text: str) -> list[str]:
    """What the imports of one source text, standing in one room, do wrong."""
    faults = []
    for item in imports_of(ast.parse(text)):
        if item.package in ALLOWED and item.package not in ALLOWED[room] | {room}:
            faults.append(f"line {item.line}: {room} must not import {item.package}")
        if item.package == "pygame" and room != "viz" and not (room == "worlds" and item.lazy):
            faults.append(f"line {item.line}: pygame belongs in viz, or inside a function of a world")
        if item.package in FORBIDDEN_MODULES:
            faults.append(f"line {item.line}: {item.package} can run code that a file brings along")
    return faults


def faults_of_calls(text: str) -> list[str]:
    """Calls that write or read pickles, or that name a device."""
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    faults = [(node.lineno, ast.unparse(node.func)) for node in calls]
    return [
        f"line {line}: {name}"
        for line, name in faults
        if name in FORBIDDEN_CALLS or name.endswith(".cuda") or name.endswith("manual_seed_all")
    ]


@pytest.mark.parametrize("path", sources(*ALLOWED), ids=named)
def test_imports_follow_the_allowed_arrows(path: Path) -> None:
    assert faults_of_imports(path.relative_to(ROOT).parts[0], path.read_text()) == []


@pytest.mark.parametrize("path", sources(*LIBRARIES), ids=named)
def test_no_pickle_and_no_hard_wired_device(path: Path) -> None:
    assert faults_of_calls(path.read_text()) == []


@pytest.mark.parametrize("path", sources(*ALLOWED, "tests"), ids=named)
def test_no_file_is_too_long_to_read(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES


def test_every_room_is_a_package() -> None:
    assert all((ROOT / room / "__init__.py").exists() for room in ALLOWED)


@pytest.mark.parametrize(
    ("room", "text", "fault"),
    [
        ("worlds", "import planners.base", "worlds must not import planners"),
        ("planners", "def f():\n    from hjepa.stack import Stack", "line 2: planners must not import hjepa"),
        ("hjepa", "from worlds import maps", "hjepa must not import worlds"),
        ("viz", "import scripts", "viz must not import scripts"),
        ("worlds", "import pygame", "pygame belongs in viz"),
        ("scripts", "def f():\n    import pygame.draw", "pygame belongs in viz"),
        ("hjepa", "import torch, pickle", "pickle can run code"),
    ],
)
def test_a_forbidden_import_would_be_seen(room: str, text: str, fault: str) -> None:
    assert any(fault in found for found in faults_of_imports(room, text))


def test_a_forbidden_call_would_be_seen_and_others_pass() -> None:
    text = "torch.save(x, p)\ntorch.load(p)\nnet.cuda()\ntorch.cuda.is_available()\nsave(x)"
    assert faults_of_calls(text) == ["line 1: torch.save", "line 2: torch.load", "line 3: net.cuda"]
    assert faults_of_imports("worlds", "def draw():\n    import pygame\nfrom worlds.maps import Map") == []
    assert faults_of_imports("scripts", "import worlds, planners, hjepa, viz\nfrom scripts._cli import run") == []
