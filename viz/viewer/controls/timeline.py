"""Below the map: playing, tracks of world steps, and the planner's rounds."""

from __future__ import annotations

from viz.viewer.actions import Action, Follow, Seek, SeekMark, StepBy, ToggleMenu, TogglePlay
from viz.viewer.charts import x_to_time
from viz.viewer.controls.control import Control
from viz.viewer.controls.panels import rounds_area
from viz.viewer.layout import Layout, Rect
from viz.viewer.model import Model
from viz.viewer.selected import rounds
from viz.viewer.state import SPEEDS, ViewState

BUTTONS: tuple[tuple[str, str, Action], ...] = (
    ("mark.previous", "Back to the mark before", SeekMark(-1)),
    ("step.back", "One world step back", StepBy(-1)),
    ("play", "Play or pause", TogglePlay()),
    ("step.forward", "One world step on", StepBy(+1)),
    ("mark.next", "On to the next mark", SeekMark(+1)),
)


def timeline_controls(state: ViewState, model: Model, layout: Layout) -> list[Control]:
    """Buttons at the left; the planner's rounds right of them; tracks below."""
    last = model.last

    def seek(x: float, _: float) -> Action:
        return Seek(x_to_time(layout.tracks.x + x * layout.tracks.width, layout.tracks, last))

    return [
        *_buttons(state, layout),
        rounds_area("rounds", layout.rounds, rounds(state, model)),
        Control("tracks", "area", layout.tracks, tooltip="Go to this world step", at=seek, drag=True),
    ]


def _buttons(state: ViewState, layout: Layout) -> list[Control]:
    bar = layout.timeline
    height = max(1, layout.tracks.y - bar.y - 8)
    width = max(1, min(round(34 * state.text_scale), bar.width // 20))
    found = []
    for number, (name, tip, action) in enumerate(BUTTONS):
        rect = Rect(bar.x + 8 + number * (width + 3), bar.y + 4, width, height)
        icon = "pause" if name == "play" and state.playing else name.replace(".", "-")
        found.append(Control(name, "button", rect, "", icon, tip, action, on=name == "play" and state.playing))
    x = found[-1].rect.right + 12
    follow = Rect(x, bar.y + 4, 2 * width, height)
    speed = Rect(follow.right + 8, bar.y + 4, 3 * width, height)
    tip = "Go to the newest world step, and stay with it"
    return [
        *found,
        Control("follow", "toggle", follow, "Live", "follow", tip, Follow(), on=state.following),
        Control(
            "speed", "menu", speed, f"{SPEEDS[state.speed]} steps/s", "", "World steps per second", ToggleMenu("speed"),
            on=state.menu == "speed",
        ),
    ]  # fmt: skip
