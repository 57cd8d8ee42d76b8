"""Packages name what they offer, and import it only when it is asked for."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAZY = ("planners", "worlds")


def promised(package: str) -> dict[str, str]:
    """The names that type checkers see, and the modules that they are from."""
    tree = ast.parse((ROOT / package / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    return {
        alias.name: str(node.module) for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }


@pytest.mark.parametrize("package", LAZY)
def test_what_is_offered_is_what_type_checkers_see(package: str) -> None:
    module, names = importlib.import_module(package), promised(package)
    assert sorted(names) == sorted(module.__all__) == dir(module)
    for name, home in names.items():
        assert getattr(module, name) is getattr(importlib.import_module(home), name)


@pytest.mark.parametrize("package", LAZY)
def test_no_name_is_also_that_of_a_module(package: str) -> None:
    modules = {path.stem for path in (ROOT / package).glob("*.py")}
    assert not modules & set(promised(package))


@pytest.mark.parametrize("package", LAZY)
def test_an_unknown_name_is_named(package: str) -> None:
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = importlib.import_module(package).nothing_of_the_kind


def test_maps_and_traces_come_without_torch() -> None:
    code = "import sys, worlds.maps, planners.trace; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
