"""One thing to click or drag outside the maps: where it is, what it says, and what it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from viz.viewer.actions import Action
from viz.viewer.layout import Rect

Kind = Literal["button", "toggle", "menu", "item", "slider", "tab", "area", "popup"]


@dataclass(frozen=True)
class Control:
    """One thing to click.

    Attributes:
        id: unique name, such as ``layer.heat`` or ``planner.2``.
        kind: how it is drawn and used: a ``menu`` opens the controls whose ids begin with its own and a full stop,
            which lie on a ``popup``; an ``item`` closes its menu when it is clicked; an ``area`` (a chart, the time
            line) draws itself, and is only hit here.
        rect: where.
        label: its text; may be empty for an icon.
        icon: its icon, if any: ``play``, ``pause``, ``wall`` ...
        tooltip: what it does, in a line; the key that does the same is added when it is drawn.
        action: of a click.
        on: whether a toggle, tab or item is the chosen one.
        value: of a slider, 0..1.
        at: of a slider or area: from the pointer's place in the rect, 0..1 each way, to the action; may answer None.
        drag: whether ``at`` is asked again while the pointer moves with the button down.
        enabled: whether it can be used now.
    """

    id: str
    kind: Kind
    rect: Rect
    label: str = ""
    icon: str = ""
    tooltip: str = ""
    action: Action | None = None
    on: bool = False
    value: float = 0.0
    at: Callable[[float, float], Action | None] | None = None
    drag: bool = False
    enabled: bool = True
