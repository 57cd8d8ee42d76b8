"""What a person can ask for: keys, buttons, menus and gestures all end in one of these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from viz.viewer.document import Attitude, Cell, Point

Layer = Literal[
    "walls", "zones", "heat", "isolines", "unfamiliar", "landmarks", "frontier", "candidates", "plans", "imagined",
    "trail", "forks", "probe",
]  # fmt: skip
LAYERS: tuple[Layer, ...] = (
    "walls", "zones", "heat", "isolines", "unfamiliar", "landmarks", "frontier", "candidates", "plans", "imagined",
    "trail", "forks", "probe",
)  # fmt: skip
Tool = Literal["inspect", "wall", "cost", "guardrail", "erase", "goal", "start", "subgoal", "probe"]
TOOLS: tuple[Tool, ...] = ("inspect", "wall", "cost", "guardrail", "erase", "goal", "start", "subgoal", "probe")
Tab = Literal["energy", "tree", "latent", "compare"]
TABS: tuple[Tab, ...] = ("energy", "tree", "latent", "compare")
Export = Literal["png", "gif", "mp4", "html", "scene"]
EXPORTS: tuple[Export, ...] = ("png", "gif", "mp4", "html", "scene")
Brush = Literal["wall", "cost", "guardrail", "erase"]


# --- time ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TogglePlay:
    """Plays or pauses."""


@dataclass(frozen=True)
class StepBy:
    """Goes some world steps on or back, and pauses; past the newest one, the session goes on."""

    steps: int


@dataclass(frozen=True)
class Seek:
    """Goes to a world step."""

    step: int


@dataclass(frozen=True)
class SeekMark:
    """Goes to the next (+1) or previous (-1) mark on the time line."""

    direction: int


@dataclass(frozen=True)
class Follow:
    """Goes to the newest world step, and stays with it."""


@dataclass(frozen=True)
class Speed:
    """Sets world steps per second, one of :data:`viz.viewer.state.SPEEDS`; or one faster (+1), slower (-1)."""

    change: int


@dataclass(frozen=True)
class SeekRound:
    """Shows a planner's round within the present decision: by number, or None for the last one."""

    number: int | None


@dataclass(frozen=True)
class RoundBy:
    """Goes some rounds on or back within the present decision."""

    rounds: int


# --- looking -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SelectLevel:
    """The level that heat map, charts, tree and latent map are about."""

    level: int


@dataclass(frozen=True)
class SelectRun:
    """The configuration that the panels are about."""

    run: int


@dataclass(frozen=True)
class ToggleLayer:
    """Shows or hides a map layer."""

    layer: Layer


@dataclass(frozen=True)
class FadeLayer:
    """Sets a map layer's opacity, 0..1."""

    layer: Layer
    alpha: float


@dataclass(frozen=True)
class SelectTab:
    """Shows one of the panels that share a place."""

    tab: Tab


@dataclass(frozen=True)
class SelectNode:
    """Selects a node of the MCTS tree (None: no node): its state shows on the map."""

    node: int | None


@dataclass(frozen=True)
class SelectLandmark:
    """Selects a landmark of the selected level (None: none): it stands out on the latent map and on the map."""

    number: int | None


@dataclass(frozen=True)
class Zoom:
    """Zooms the map by a factor around a place of the world that stays where it is on the screen."""

    factor: float
    around: Point


@dataclass(frozen=True)
class Pan:
    """Moves the map; world units."""

    by: Point


@dataclass(frozen=True)
class ShowAll:
    """Shows the whole map again."""


@dataclass(frozen=True)
class ToggleHelp:
    """Shows or hides the table of keys."""


@dataclass(frozen=True)
class ToggleMenu:
    """Opens or closes a drop-down, by the id of its control."""

    id: str


@dataclass(frozen=True)
class Theme:
    """Another look: the next theme."""


@dataclass(frozen=True)
class TextScale:
    """Larger (+1) or smaller (-1) text."""

    change: int


@dataclass(frozen=True)
class TogglePanels:
    """Shows or hides the panels beside the map."""


@dataclass(frozen=True)
class Dismiss:
    """Closes what lies on top: menu, help, banner, probe; else deselects."""


@dataclass(frozen=True)
class Quit:
    """Closes the viewer."""


# --- taking hold ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SelectTool:
    """What the left button does on the map."""

    tool: Tool


@dataclass(frozen=True)
class Paint:
    """Paints cells; all of one stroke (from press to release) are undone together."""

    brush: Brush
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class EndStroke:
    """The stroke, or the drag of a marker, is over."""


@dataclass(frozen=True)
class MoveGoal:
    """Puts the goal somewhere else."""

    place: Point


@dataclass(frozen=True)
class MoveStart:
    """Puts the start somewhere else; a new episode begins there when the drag is over."""

    place: Point


@dataclass(frozen=True)
class MovePin:
    """Pins a level's subgoal to a place; None lets it go."""

    level: int
    place: Point | None


@dataclass(frozen=True)
class Probe:
    """Asks what the plan would be from a place."""

    place: Point


@dataclass(frozen=True)
class Undo:
    """Takes the last edit back."""


@dataclass(frozen=True)
class Redo:
    """Does again what was taken back."""


@dataclass(frozen=True)
class Restart:
    """Begins the episode again."""


@dataclass(frozen=True)
class NewMap:
    """A new random maze, by seed (None: the next one)."""

    seed: int | None = None


@dataclass(frozen=True)
class SetPlanner:
    """Another planner at a level of the selected run."""

    level: int
    planner: str


@dataclass(frozen=True)
class SetLevels:
    """Another number of levels for the selected run."""

    levels: int


@dataclass(frozen=True)
class SetRisk:
    """Another attitude to risk for the selected run."""

    risk: Attitude


@dataclass(frozen=True)
class SetAgent:
    """Another agent for the selected run."""

    agent: str


@dataclass(frozen=True)
class ReplanLevel:
    """Makes a level plan anew."""

    level: int


@dataclass(frozen=True)
class ToggleCompare:
    """Adds a second configuration beside the first one, or drops it."""


@dataclass(frozen=True)
class Save:
    """Writes a picture, a recording or a scene."""

    kind: Export


Action = (
    TogglePlay | StepBy | Seek | SeekMark | Follow | Speed | SeekRound | RoundBy | SelectLevel | SelectRun
    | ToggleLayer | FadeLayer | SelectTab | SelectNode | SelectLandmark | Zoom | Pan | ShowAll | ToggleHelp | ToggleMenu
    | Theme | TextScale | TogglePanels | Dismiss | Quit | SelectTool | Paint | EndStroke | MoveGoal | MoveStart
    | MovePin | Probe | Undo | Redo | Restart | NewMap | SetPlanner | SetLevels | SetRisk | SetAgent | ReplanLevel
    | ToggleCompare | Save
)  # fmt: skip
