"""Controls as they are seen: buttons, switches, menus and what they hold, sliders and tabs."""

from __future__ import annotations

from viz.viewer.controls.control import Control
from viz.viewer.icons import ICONS, icon
from viz.viewer.layout import Rect
from viz.viewer.lettering import text_width
from viz.viewer.paint import panel
from viz.viewer.stamps import DISC, stamp
from viz.viewer.widgets import Stage, bar, fill, mix

PADDING = 7
"""Between a button's edge and what is on it; pixels at ordinary text size."""


def draw_control(stage: Stage, control: Control, lit: bool) -> None:
    """Draws one control; ``lit`` if the pointer is on it. Areas draw themselves elsewhere."""
    match control.kind:
        case "button" | "toggle" | "menu" if control.id.startswith("layer."):
            _switch(stage, control, lit)
        case "button" | "toggle" | "menu":
            _button(stage, control, lit)
        case "item":
            _item(stage, control, lit)
        case "slider":
            _slider(stage, control, lit)
        case "tab":
            _tab(stage, control, lit)
        case "popup":
            draw_sheet(stage, control.rect)


def draw_sheet(stage: Stage, rect: Rect) -> None:
    """A sheet that lies on top of everything, with a soft shadow."""
    for grown in (4, 2):
        shadow = Rect(rect.x - grown, rect.y - grown + 3, rect.width + 2 * grown, rect.height + 2 * grown)
        panel(stage.surface, shadow, "#000000", 10, alpha=0.16)
    panel(stage.surface, rect, stage.look.sheet, 7, stage.look.lit)


def _ink(stage: Stage, control: Control) -> str:
    return stage.look.ink if control.enabled else stage.look.faint


def _button(stage: Stage, control: Control, lit: bool) -> None:
    look, rect = stage.look, control.rect
    chosen = control.on and control.kind != "menu"
    color = mix(look.panel, look.accent, 0.26) if chosen else look.raised
    if lit and control.enabled:
        color = mix(color, look.ink, 0.1)
    panel(stage.surface, rect, color, 5, mix(color, look.accent, 0.65) if control.on else "")
    gap, size = stage.unit(PADDING), min(stage.unit(16), rect.height - 2, rect.width - 2)
    middle = rect.y + rect.height / 2
    if not control.label:
        _mark(stage, control, rect.x + rect.width / 2, middle, size)
        return
    x, right = rect.x + gap, rect.right - gap
    if control.kind == "menu":
        small = min(stage.unit(11), size)
        icon(stage.surface, "chevron", right - small / 2, middle, small, look.muted)
        right -= small + 3
    text = next((text for text in (stage.layout.text, stage.small) if text_width(control.label, text) <= right - x), 0)
    drawn = control.icon in ICONS
    if drawn and (text == 0 or text_width(control.label, text) + size + 5 <= right - x):  # words before pictures
        _mark(stage, control, x + size / 2, middle, size)
        x += size + 5
    if text or not drawn or right - x > stage.unit(48):  # a few letters and an ellipsis say more than nothing
        stage.text(control.label, x, middle, _ink(stage, control), size=text or stage.small, room=right - x)


def _mark(stage: Stage, control: Control, x: float, y: float, size: int) -> None:
    if control.icon in ICONS:
        icon(stage.surface, control.icon, x, y, size, _ink(stage, control))
    else:
        stage.text(control.icon[:1].upper(), x, y, _ink(stage, control), align="middle")


def _switch(stage: Stage, control: Control, lit: bool) -> None:
    """A layer: a box that is ticked while it is shown."""
    look, rect, side = stage.look, control.rect, min(stage.unit(15), control.rect.height)
    if lit:
        panel(stage.surface, rect, look.lit, 4)
    box = Rect(rect.x + 6, rect.y + (rect.height - side) // 2, side, side)
    panel(stage.surface, box, look.accent if control.on else look.panel, 3, "" if control.on else look.faint)
    if control.on:
        icon(stage.surface, "tick", box.x + side / 2, box.y + side / 2, side - 2, look.page)
    color = look.ink if control.on else look.muted
    left = box.right + 8
    stage.text(control.label, left, rect.y + rect.height / 2, color, room=rect.right - left)


def _item(stage: Stage, control: Control, lit: bool) -> None:
    look, rect = stage.look, control.rect
    if lit:
        panel(stage.surface, rect, look.lit, 4)
    middle, size = rect.y + rect.height / 2, min(stage.unit(13), rect.height)
    if control.on:
        icon(stage.surface, "tick", rect.x + 6 + size / 2, middle, size, look.accent)
    left = rect.x + size + 13
    stage.text(control.label, left, middle, _ink(stage, control), bold=control.on, room=rect.right - left - 6)


def _slider(stage: Stage, control: Control, lit: bool) -> None:
    look, rect = stage.look, control.rect
    track = Rect(rect.x, rect.y + rect.height // 2 - 2, rect.width, 4)
    bar(stage.surface, track, control.value, look.accent, look.line)
    at = rect.x + min(max(control.value, 0.0), 1.0) * rect.width
    stamp(stage.surface, (at, rect.y + rect.height / 2), DISC, 6.0 if lit else 5.0, look.ink, look.panel)


def _tab(stage: Stage, control: Control, lit: bool) -> None:
    look, rect = stage.look, control.rect
    color = look.ink if control.on or lit else look.muted
    centre, middle = rect.x + rect.width / 2, rect.y + rect.height / 2
    stage.text(control.label, centre, middle, color, bold=control.on, align="middle", room=rect.width - 4)
    if control.on:
        fill(stage.surface, Rect(rect.x + 6, rect.bottom - 2, max(0, rect.width - 12), 2), look.accent)
