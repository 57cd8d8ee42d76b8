"""The keys: one table, from which come what a key does, the page of keys, the tooltips, and the README's table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from viz.viewer.actions import (
    TABS,
    Action,
    Dismiss,
    Follow,
    Layer,
    MovePin,
    NewMap,
    Quit,
    Redo,
    ReplanLevel,
    Restart,
    RoundBy,
    Save,
    Seek,
    SeekMark,
    SeekRound,
    SelectLevel,
    SelectRun,
    SelectTab,
    SelectTool,
    SetLevels,
    SetPlanner,
    SetRisk,
    ShowAll,
    Speed,
    StepBy,
    TextScale,
    Theme,
    ToggleCompare,
    ToggleHelp,
    ToggleLayer,
    TogglePanels,
    TogglePlay,
    Tool,
    Undo,
    Zoom,
)
from viz.viewer.document import ATTITUDES
from viz.viewer.events import Key
from viz.viewer.layout import layout, projections
from viz.viewer.model import Model
from viz.viewer.selected import choices, setup
from viz.viewer.state import ViewState

Group = Literal["Time", "Planning", "Looking", "Layers", "Tools", "Files and edits"]
Depends = Callable[[ViewState, Model], Action | None]
"""An action that depends on where the person looks; None where there is nothing to do."""


@dataclass(frozen=True)
class Binding:
    """What keys do.

    Attributes:
        keys: each does it: SDL's name in lower case, after ``ctrl+`` and ``shift+`` where these are held.
        action: what they do.
        help: the same in words; empty where another binding's words say it.
        group: what it is about.
    """

    keys: tuple[str, ...]
    action: Action | Depends
    help: str
    group: Group

    @property
    def label(self) -> str:
        """The keys as people read them: ``Ctrl+Shift+Z, Ctrl+Y``."""
        return ", ".join(_spelled(key) for key in self.keys)


def _next_tab(state: ViewState, _: Model) -> Action:
    return SelectTab(TABS[(TABS.index(state.tab) + 1) % len(TABS)])


def _other_run(state: ViewState, _: Model) -> Action:
    return SelectRun((state.run + 1) % len(state.document.setups))


def _newest(_: ViewState, model: Model) -> Action:
    return Seek(model.last)


def _replan(state: ViewState, _: Model) -> Action:
    return ReplanLevel(state.level)


def _unpin(state: ViewState, _: Model) -> Action:
    return MovePin(state.level, None)


def _next_planner(state: ViewState, model: Model) -> Action | None:
    names, planners = choices(state, model, state.level), setup(state).planners
    present = planners[state.level - 1] if state.level <= len(planners) else ""
    number = names.index(present) + 1 if present in names else 0
    return SetPlanner(state.level, names[number % len(names)]) if names else None


def _more_levels(state: ViewState, _: Model) -> Action:
    return SetLevels(setup(state).levels + 1)


def _fewer_levels(state: ViewState, _: Model) -> Action:
    return SetLevels(setup(state).levels - 1)


def _next_risk(state: ViewState, _: Model) -> Action:
    return SetRisk(ATTITUDES[(ATTITUDES.index(setup(state).risk) + 1) % len(ATTITUDES)])


def _zoom(factor: float) -> Depends:
    """Zooms around the middle of the map."""

    def zoom(state: ViewState, _: Model) -> Action:
        pane = projections(state, layout(state))[0]
        return Zoom(factor, pane.world(pane.rect.x + pane.rect.width / 2, pane.rect.y + pane.rect.height / 2))

    return zoom


TOOL_KEYS: tuple[tuple[str, Tool, str], ...] = (
    ("a", "inspect", "Look and drag"),
    ("w", "wall", "Paint walls"),
    ("c", "cost", "Paint costs"),
    ("g", "guardrail", "Paint guardrails"),
    ("e", "erase", "Erase"),
    ("s", "start", "Put the start"),
    ("t", "goal", "Put the goal"),
    ("b", "subgoal", "Pin the selected level's subgoal"),
    ("q", "probe", "What would the plan be from here?"),
)
LAYER_KEYS: tuple[tuple[str, Layer, str], ...] = (
    ("h", "heat", "Cost-to-go"),
    ("shift+h", "isolines", "Lines of equal cost-to-go"),
    ("shift+w", "walls", "Walls"),
    ("shift+z", "zones", "Costs and guardrails"),
    ("shift+u", "unfamiliar", "Unfamiliar places"),
    ("shift+l", "landmarks", "Landmarks"),
    ("shift+f", "frontier", "Search, in its order"),
    ("shift+c", "candidates", "Candidates"),
    ("shift+p", "plans", "Plans and subgoals"),
    ("shift+i", "imagined", "Imagined against actual"),
    ("shift+t", "trail", "Trail"),
    ("shift+o", "forks", "Portals: where they may lead"),
    ("shift+q", "probe", "The probed plan"),
)

KEYS: tuple[Binding, ...] = (
    Binding(("space",), TogglePlay(), "Play or pause", "Time"),
    Binding(("left",), StepBy(-1), "One world step back", "Time"),
    Binding(("right",), StepBy(+1), "One world step on", "Time"),
    Binding(("shift+left",), StepBy(-10), "Ten world steps back", "Time"),
    Binding(("shift+right",), StepBy(+10), "Ten world steps on", "Time"),
    Binding(("home",), Seek(0), "To the beginning", "Time"),
    Binding(("end",), _newest, "To the newest world step", "Time"),
    Binding(("n",), SeekMark(+1), "On to the next mark", "Time"),
    Binding(("p",), SeekMark(-1), "Back to the mark before", "Time"),
    Binding(("f",), Follow(), "Stay with the newest world step", "Time"),
    Binding(("=", "+", "[+]", "shift+="), Speed(+1), "Faster", "Time"),
    Binding(("-", "[-]"), Speed(-1), "Slower", "Time"),
    Binding(("up", "]"), RoundBy(+1), "The planner's next round", "Time"),
    Binding(("down", "["), RoundBy(-1), "The planner's round before", "Time"),
    Binding(("shift+up",), SeekRound(None), "The planner's last round", "Time"),
    Binding(("shift+down",), SeekRound(0), "The planner's first round", "Time"),
    Binding(("1",), SelectLevel(1), "Select level 1; and so on", "Planning"),
    *(Binding((str(k),), SelectLevel(k), "", "Planning") for k in range(2, 10)),
    Binding(("l",), _replan, "Plan anew at the selected level", "Planning"),
    Binding(("j",), _next_planner, "Another planner at the selected level", "Planning"),
    Binding(("k",), _next_risk, "Another attitude to risk", "Planning"),
    Binding(("u", "delete", "backspace"), _unpin, "Let the selected level's pin go", "Planning"),
    Binding(("page up", "pageup"), _more_levels, "One level more", "Planning"),
    Binding(("page down", "pagedown"), _fewer_levels, "One level less", "Planning"),
    Binding(("v",), ToggleCompare(), "Compare two configurations", "Planning"),
    Binding(("x",), _other_run, "Panels: the other configuration", "Planning"),
    Binding(("tab",), _next_tab, "Next panel", "Looking"),
    Binding(("z",), _zoom(1.5), "Closer to the map", "Looking"),
    Binding(("y",), _zoom(1 / 1.5), "Further from the map", "Looking"),
    Binding(("0",), ShowAll(), "The whole map", "Looking"),
    Binding(("f1", "shift+/", "?"), ToggleHelp(), "This table", "Looking"),
    Binding(("f2",), Theme(), "Light or dark", "Looking"),
    Binding(("f3",), TogglePanels(), "Show or hide the panels", "Looking"),
    Binding(("ctrl+=", "ctrl++", "ctrl+shift+="), TextScale(+1), "Larger text", "Looking"),
    Binding(("ctrl+-",), TextScale(-1), "Smaller text", "Looking"),
    *(Binding((key,), ToggleLayer(layer), text, "Layers") for key, layer, text in LAYER_KEYS),
    *(Binding((key,), SelectTool(tool), text, "Tools") for key, tool, text in TOOL_KEYS),
    Binding(("ctrl+z",), Undo(), "Undo", "Files and edits"),
    Binding(("ctrl+y", "ctrl+shift+z"), Redo(), "Redo", "Files and edits"),
    Binding(("r",), Restart(), "Begin the episode again", "Files and edits"),
    Binding(("m",), NewMap(), "A new random maze", "Files and edits"),
    Binding(("ctrl+p",), Save("png"), "Save a picture", "Files and edits"),
    Binding(("ctrl+g",), Save("gif"), "Save a film (GIF)", "Files and edits"),
    Binding(("ctrl+m",), Save("mp4"), "Save a film (MP4)", "Files and edits"),
    Binding(("ctrl+e",), Save("html"), "Save a page that replays", "Files and edits"),
    Binding(("ctrl+s",), Save("scene"), "Save the scene", "Files and edits"),
    Binding(("escape",), Dismiss(), "Close what lies on top; else deselect", "Files and edits"),
    Binding(("ctrl+q",), Quit(), "Quit", "Files and edits"),
)
"""Everything that keys do, in the order in which people read it."""

_BY_KEY = {key: binding for binding in KEYS for key in binding.keys}
_SPELLINGS = {"left": "←", "right": "→", "up": "↑", "down": "↓", "page up": "Page Up", "page down": "Page Down"}
_SYNONYMS = {
    "+",
    "[+]",
    "[-]",
    "ctrl++",
    "shift+=",
    "ctrl+shift+=",
    "pageup",
    "pagedown",
    "shift+/",
    "backspace",
    "ctrl+shift+z",
}
"""Another way to say the same: not worth telling."""


def chord(key: Key) -> str:
    """A key as the table has it: ``ctrl+shift+z``."""
    return ("ctrl+" if key.ctrl else "") + ("shift+" if key.shift else "") + key.name.lower()


def action_of(key: Key, state: ViewState, model: Model) -> Action | None:
    """What a key does now, if anything."""
    binding = _BY_KEY.get(chord(key))
    if binding is None:
        return None
    return binding.action(state, model) if callable(binding.action) else binding.action


def shortcut(action: Action | None) -> str:
    """The first key that does just this, as people read it; empty where none does."""
    binding = next((binding for binding in KEYS if binding.action == action), None)
    return _spelled(binding.keys[0]) if binding is not None else ""


def groups() -> list[tuple[Group, tuple[tuple[str, str], ...]]]:
    """The table for the page of keys: groups of (keys, what they do)."""
    return [
        (group, tuple((_told(binding), binding.help) for binding in bindings if binding.help))
        for group, bindings in groupby(KEYS, key=lambda binding: binding.group)
    ]


def markdown() -> str:
    """The table for the README: a row per group."""
    rows = (
        " · ".join(f"**{keys}** {text[0].lower()}{text[1:]}" for keys, text in bindings) for _, bindings in groups()
    )
    lines = [f"| {group} | {row} |" for (group, _), row in zip(groups(), rows, strict=True)]
    return "\n".join(["| | keys |", "|---|---|", *lines]) + "\n"


def _told(binding: Binding) -> str:
    return ", ".join(_spelled(key) for key in binding.keys if key not in _SYNONYMS)


def _spelled(key: str) -> str:
    """A key as people read it: ``Ctrl+Shift+Z``."""
    *held, name = key.replace("++", "+plus").split("+") if key not in ("+", "=") else [key]
    name = {"plus": "+", "=": "+"}.get(name, name)
    return "+".join((*(part.title() for part in held), _SPELLINGS.get(name, name.title())))
