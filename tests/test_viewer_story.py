"""A whole story in a real window under Xvfb, with real mouse and key events."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

TOOLS = ("Xvfb", "xdotool")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"{', '.join(MISSING)} not installed")


@pytest.fixture
def display(tmp_path: Path) -> Iterator[str]:
    """A screen that nobody sees."""
    read, write = os.pipe()
    screen = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1366x900x24", "-nolisten", "tcp"],
        pass_fds=[write], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(write)
    with os.fdopen(read) as number:
        yield f":{number.readline().strip()}"
    screen.terminate()
    screen.wait(10)


def test_the_story(display: str, tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "SDL_VIDEODRIVER"}
    environment |= {"DISPLAY": display, "SDL_VIDEO_WINDOW_POS": "0,0", "XDG_CONFIG_HOME": str(tmp_path)}
    story = Path(__file__).with_name("viewer_story.py")
    begun = time.monotonic()
    finished = subprocess.run(
        [sys.executable, str(story), str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    facts = json.loads((tmp_path / "facts.json").read_text())
    assert "error" not in facts, facts
    assert facts["finished"] and facts["mcts"] and facts["gif"] > 10_000
    assert facts["pinned"] and facts["let go"] > facts["pinned"][0]
    assert facts["widest gap"] > 2.0 and facts["rejected"][-1] > facts["edited"]
    assert time.monotonic() - begun < 300
    for name in ("playing", "pinned", "wall", "mcts"):
        assert (tmp_path / f"{name}.png").stat().st_size > 20_000
    assert json.loads((tmp_path / "preferences.json").read_text())["tab"] == "tree"
