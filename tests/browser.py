"""A headless Chromium driven as a person would, over the W3C WebDriver protocol."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
FLAGS = (
    "headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
    "disable-component-update", "disable-sync", "window-size=1280,800", "force-device-scale-factor=1",
)  # fmt: skip


def has_browser() -> bool:
    """Whether Chromium and its driver are installed."""
    return shutil.which("chromium") is not None and shutil.which("chromedriver") is not None


class Browser:
    """One session of a browser.

    Args:
        port: where its driver listens.
        profile: an empty folder.
    """

    def __init__(self, port: int, profile: Path) -> None:
        self._base = f"http://127.0.0.1:{port}"
        options = {"binary": shutil.which("chromium"), "args": [*FLAGS, f"user-data-dir={profile}"]}
        answer = self._call("POST", "/session", {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}})
        self._base += f"/session/{answer['sessionId']}"

    def open(self, page: Path) -> None:
        """Loads a file."""
        self._call("POST", "/url", {"url": page.resolve().as_uri()})

    def run(self, script: str) -> Any:
        """What a script returns."""
        return self._call("POST", "/execute/sync", {"script": script, "args": []})

    def until(self, condition: str, seconds: float = 10.0) -> None:
        """Waits until an expression is true."""
        end = time.monotonic() + seconds
        while not self.run(f"return Boolean({condition})"):
            assert time.monotonic() < end, f"never came true: {condition}"
            time.sleep(0.02)

    def click(self, selector: str) -> None:
        """A real click into the middle of an element."""
        element = self._call("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]
        self._call("POST", f"/element/{element}/click", {})

    def key(self, key: str) -> None:
        """A real key."""
        actions = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self._act({"type": "key", "id": "keyboard", "actions": actions})

    def drag(self, *places: tuple[float, float]) -> None:
        """Presses the pointer at the first place, drags it over the others, and lets go; pixels."""
        (x, y), *rest = places
        moves = [{"type": "pointerMove", "duration": 30, "x": round(x), "y": round(y)} for x, y in rest]
        begin = [
            {"type": "pointerMove", "duration": 0, "x": round(x), "y": round(y)},
            {"type": "pointerDown", "button": 0},
        ]
        self._act({"type": "pointer", "id": "mouse", "actions": [*begin, *moves, {"type": "pointerUp", "button": 0}]})

    def box(self, selector: str) -> tuple[float, float, float, float]:
        """Left, top, width and height of an element; pixels."""
        box = f"const box = document.querySelector({selector!r}).getBoundingClientRect();"
        left, top, width, height = self.run(f"{box} return [box.x, box.y, box.width, box.height]")
        return left, top, width, height

    def screenshot(self, path: Path) -> None:
        """Saves what is shown."""
        path.write_bytes(base64.b64decode(self._call("GET", "/screenshot")))

    def close(self) -> None:
        """Ends the session."""
        self._call("DELETE", "")

    def _act(self, source: dict[str, Any]) -> None:
        self._call("POST", "/actions", {"actions": [source]})

    def _call(self, method: str, path: str, content: dict[str, Any] | None = None) -> Any:
        data = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(self._base + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]


@contextlib.contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser, and its driver, for as long as it takes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    driver = subprocess.Popen(
        ["chromedriver", f"--port={port}", "--log-level=OFF"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(port)
        session = Browser(port, folder / "profile")
        try:
            yield session
        finally:
            session.close()
    finally:
        driver.terminate()
        driver.wait(10)


def _wait_for(port: int) -> None:
    for _ in range(500):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError("chromedriver does not answer")
