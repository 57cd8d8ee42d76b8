"""Where the person looks, and what they have in hand: a value, and a pure function from one to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from viz.viewer.actions import Layer, Tab, Tool
from viz.viewer.document import Document
from viz.viewer.layout import Camera
from viz.viewer.messages import Notice

SPEEDS = (5, 10, 20, 40, 80, 160, 320)
"""World steps per second while playing."""


@dataclass(frozen=True)
class LayerState:
    """Whether a layer is shown, and how strongly."""

    shown: bool = True
    alpha: float = 1.0


@dataclass(frozen=True)
class ViewState:
    """All that decides what is on the screen, apart from what the session has reported.

    Attributes:
        document: as edited so far.
        past: documents to go back to, the latest last.
        future: documents to go forward to, the next one last.
        size: of the window; pixels.
        step: the world step shown.
        playing: whether time goes on.
        following: whether the newest world step is shown, whichever it is.
        speed: index into :data:`SPEEDS`.
        round: the planner's round shown within the present decision; None is the last one.
        level: the selected level.
        run: the selected configuration.
        layers: of the map.
        tab: the panel shown.
        node: the selected node of the MCTS tree.
        camera: of the map.
        tool: what the left button does on the map.
        pointer: pixels; None outside the window.
        menu: id of the open drop-down.
        help: whether the table of keys is shown.
        banner: what a person should read.
        theme: name of the look.
        text_scale: of all text; 1 is ordinary.
        panels: whether the panels are shown.
        open: false once the viewer is to be closed.
    """

    document: Document
    past: tuple[Document, ...] = ()
    future: tuple[Document, ...] = ()
    size: tuple[int, int] = (1280, 800)
    step: int = 0
    playing: bool = True
    following: bool = True
    speed: int = 3
    round: int | None = None
    level: int = 2
    run: int = 0
    layers: Mapping[Layer, LayerState] = field(default_factory=lambda: MappingProxyType({}))
    tab: Tab = "energy"
    node: int | None = None
    camera: Camera = Camera()
    tool: Tool = "inspect"
    pointer: tuple[int, int] | None = None
    menu: str | None = None
    help: bool = False
    banner: Notice | None = None
    theme: str = "dark"
    text_scale: float = 1.0
    panels: bool = True
    open: bool = True
