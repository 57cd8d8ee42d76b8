"""Where the person looks, and what they have in hand: one immutable value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from viz.viewer.actions import LAYERS, Brush, Layer, Tab, Tool
from viz.viewer.document import Document, Point
from viz.viewer.layout import Camera
from viz.viewer.messages import FieldName, Notice

SPEEDS = (5, 10, 20, 40, 80, 160, 320)
"""World steps per second while playing."""
THEMES = ("dark", "paper")
"""The looks, in the order in which they follow one another."""
TEXT_SCALES = (0.75, 0.85, 1.0, 1.15, 1.3, 1.5, 1.75, 2.0)
"""Sizes of text; 1 is ordinary."""
MAX_ZOOM = 16.0
HIDDEN: frozenset[Layer] = frozenset({"unfamiliar"})
"""Layers that are hidden at first."""
FADED: Mapping[Layer, float] = MappingProxyType({"heat": 0.9, "isolines": 0.7, "landmarks": 0.35, "candidates": 0.8})
"""How strongly layers are shown at first, where that isn't fully."""

GestureKind = Literal["paint", "goal", "start", "subgoal", "probe", "pan", "control"]
FieldKey = tuple[int, FieldName, int, str, Point]
"""Run, name, level, version of the document, and goal of a field that was asked for."""


@dataclass(frozen=True)
class LayerState:
    """Whether a layer is shown, and how strongly."""

    shown: bool = True
    alpha: float = 1.0


@dataclass(frozen=True)
class Gesture:
    """What a hand is doing while it holds a button down.

    Attributes:
        kind: what it drags or does.
        button: that is held down.
        x: where the pointer was last; pixels.
        y: where the pointer was last; pixels.
        pane: the map pane that it began on.
        level: whose subgoal is dragged.
        brush: what is painted.
        control: id of the slider or area that is dragged.
    """

    kind: GestureKind
    button: int
    x: int
    y: int
    pane: int = 0
    level: int = 0
    brush: Brush = "wall"
    control: str = ""


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
        following: whether playing goes on past the newest world step: the session is asked for more.
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
        agents: that can be chosen; see :attr:`viz.viewer.document.Setup.agent`.
        gesture: what the hand is doing; None while no button is down.
        probe: where it is asked what the plan would be; None shows no probe.
        landmark: of the selected level, chosen on the latent map; its number.
        hovered: the landmark under the pointer, on the latent map or on the map.
        stroke: the document before the edit in progress.
        unsent: whether the session hasn't been told of the document yet.
        awaited: the world step that the session was last asked to go on to; None once it has answered.
        target: a world step to show as soon as it is there.
        rested: whether playing ended by itself, because every run had; it goes on once one of them does.
        fraction: of a world step that has been played already.
        age: of the banner; milliseconds.
        asked: fields that were asked for and haven't come yet.
        probed: the place that a probe was last asked for.
        maze: seed of the newest map.
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
    agents: tuple[str, ...] = ("map",)
    gesture: Gesture | None = None
    probe: Point | None = None
    landmark: int | None = None
    hovered: int | None = None
    stroke: Document | None = None
    unsent: bool = False
    awaited: int | None = None
    target: int | None = None
    rested: bool = False
    fraction: float = 0.0
    age: int = 0
    asked: frozenset[FieldKey] = frozenset()
    probed: Point | None = None
    maze: int = 0

    def layer(self, name: Layer) -> LayerState:
        """How a layer is shown."""
        return self.layers.get(name) or DEFAULT_LAYERS[name]


DEFAULT_LAYERS: Mapping[Layer, LayerState] = MappingProxyType(
    {name: LayerState(name not in HIDDEN, FADED.get(name, 1.0)) for name in LAYERS}
)


def initial(document: Document, size: tuple[int, int] = (1280, 800), agents: tuple[str, ...] = ("map",)) -> ViewState:
    """The state in which a viewer opens: it plays at once; the document is sent to the session with the first tick."""
    names = dict.fromkeys((*agents, *(setup.agent for setup in document.setups)))
    level = min(2, document.setups[0].levels)
    return ViewState(document, size=size, level=level, layers=DEFAULT_LAYERS, agents=tuple(names), unsent=True)
