"""What the viewer remembers from one start to the next: its layout, never what was looked at."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from viz.viewer.actions import LAYERS, TABS
from viz.viewer.state import LayerState, ViewState


@dataclass(frozen=True)
class Preferences:
    """The layout.

    Attributes:
        size: of the window; pixels.
        theme: name of the look.
        text_scale: of all text.
        panels: whether they are shown.
        tab: the panel shown.
        layers: by name, whether it is shown, and how strongly.
    """

    size: tuple[int, int] = (1280, 800)
    theme: str = "dark"
    text_scale: float = 1.0
    panels: bool = True
    tab: str = "energy"
    layers: dict[str, tuple[bool, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, state: ViewState) -> Preferences:
        """The layout of a state."""
        layers = {str(name): (layer.shown, layer.alpha) for name, layer in state.layers.items()}
        return cls(state.size, state.theme, state.text_scale, state.panels, state.tab, layers)

    def put_on(self, state: ViewState) -> ViewState:
        """A state in this layout."""
        layers = dict(state.layers) | {name: LayerState(*self.layers[name]) for name in LAYERS if name in self.layers}
        tab = next((tab for tab in TABS if tab == self.tab), state.tab)
        return replace(
            state, size=self.size, theme=self.theme, text_scale=self.text_scale, panels=self.panels, tab=tab,
            layers=layers,
        )  # fmt: skip

    def save(self, path: Path) -> None:
        """Writes the layout; where that can't be done, nothing is remembered, and that is no harm."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(asdict(self), indent=2), encoding="utf-8")
        except OSError:
            return

    @classmethod
    def load(cls, path: Path) -> Preferences:
        """Reads the layout; the default one where there is none, or none that can be understood."""
        try:
            return _checked(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, AttributeError):
            return cls()


def _checked(values: dict[str, object]) -> Preferences:
    """Preferences from JSON.

    Raises:
        ValueError, TypeError, AttributeError: where they make no sense.
    """
    found = Preferences(**values)  # type: ignore[arg-type]
    width, height = (int(side) for side in found.size)
    layers = {
        str(name): (bool(shown), min(max(float(alpha), 0.0), 1.0)) for name, (shown, alpha) in found.layers.items()
    }
    if not (320 <= width <= 16384 and 240 <= height <= 16384 and 0.5 <= found.text_scale <= 3.0):
        raise ValueError("out of range")
    if found.theme not in ("dark", "paper"):
        raise ValueError("no such theme")
    return replace(found, size=(width, height), panels=bool(found.panels), layers=layers)


def preferences_file() -> Path:
    """Where the layout is kept."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.environ.get("APPDATA") or str(Path.home() / ".config")
    return Path(base) / "hjepa" / "viewer.json"
