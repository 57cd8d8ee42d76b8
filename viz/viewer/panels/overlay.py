"""What lies on top: banner, tooltip, the first hint, and the table of keys."""

from __future__ import annotations

from collections.abc import Iterable

from viz.viewer.controls.control import Control
from viz.viewer.icons import icon
from viz.viewer.keys import groups, shortcut
from viz.viewer.layout import Rect, banner_rect
from viz.viewer.lettering import text_width
from viz.viewer.paint import panel
from viz.viewer.panels.buttons import draw_sheet
from viz.viewer.widgets import Stage, mix

Entry = tuple[str, str]
"""Keys, and what they do."""
HINT_STEPS = 40
"""World steps of the first episode during which the hint is shown."""
HINT = "Space pauses · drag the goal or a subgoal · W paints walls · F1 shows every key"


def draw_banner(stage: Stage) -> None:
    """The line that a person should read, on top of the maps; or else the first hint."""
    banner = stage.state.banner
    if banner is not None:
        _line(
            stage,
            banner.text,
            "risk" if banner.urgent else "",
            stage.look.alarm if banner.urgent else stage.look.accent,
        )
    elif _is_new(stage):
        _line(stage, HINT, "help", stage.look.accent)


def _is_new(stage: Stage) -> bool:
    state = stage.state
    return state.playing and not state.past and state.document.episode == 0 and stage.model.last < HINT_STEPS


def _line(stage: Stage, words: str, mark: str, color: str) -> None:
    rect, look, size = banner_rect(stage.layout), stage.look, stage.unit(16)
    wanted = text_width(words, stage.layout.text) + 2 * stage.unit(14) + size + stage.unit(22)
    width = min(rect.width, wanted)
    rect = Rect(rect.x + (rect.width - width) // 2, rect.y, width, rect.height)
    panel(stage.surface, rect, mix(look.panel, color, 0.2), 7, mix(look.panel, color, 0.7), 0.96)
    x, middle = rect.x + stage.unit(12), rect.y + rect.height / 2
    if mark:
        icon(stage.surface, mark, x + size / 2, middle, size, color)
        x += size + stage.unit(8)
    closing = stage.unit(20) if stage.state.banner is not None else 0
    stage.text(words, x, middle, look.ink, room=rect.right - x - stage.unit(10) - closing)
    if closing:
        icon(stage.surface, "close", rect.right - stage.unit(16), middle, stage.unit(11), look.muted)


def draw_tooltip(stage: Stage, control: Control | None) -> None:
    """What the control under the pointer does, and which key does the same."""
    pointer = stage.state.pointer
    if control is None or not control.tooltip or pointer is None or control.kind == "area":
        return
    if stage.state.menu == control.id:  # it would lie on the menu that has just been opened
        return
    look, size, key = stage.look, stage.small, shortcut(control.action)
    width = text_width(control.tooltip, size) + stage.unit(18)
    badge = text_width(key, size, bold=True) + stage.unit(12) if key else 0
    width, height = min(width + badge, stage.layout.screen.width - 8), stage.unit(25)
    rect = _beside(control.rect, width, height, stage.layout.screen)
    draw_sheet(stage, rect)
    middle, left = rect.y + rect.height / 2, rect.x + stage.unit(9)
    room = rect.width - badge - stage.unit(14)
    left += stage.text(control.tooltip, left, middle, look.ink, size=size, room=room) + stage.unit(6)
    if key:
        _key(stage, key, Rect(left, rect.y + 4, badge - stage.unit(3), rect.height - 8))


def _key(stage: Stage, words: str, rect: Rect) -> None:
    """Keys, as on a keyboard."""
    panel(stage.surface, rect, stage.look.panel, 4, stage.look.faint)
    x, y = rect.x + rect.width / 2, rect.y + rect.height / 2
    stage.text(words, x, y, stage.look.ink, size=stage.small, bold=True, align="middle", room=rect.width - 4)


def _beside(rect: Rect, width: int, height: int, screen: Rect) -> Rect:
    """Below a control, or above it where there is no room; on the screen anyway."""
    x = min(max(4, rect.x + rect.width // 2 - width // 2), screen.right - width - 4)
    below = rect.bottom + 6
    return Rect(x, below if below + height < screen.bottom else max(0, rect.y - height - 6), width, height)


def draw_help(stage: Stage) -> None:
    """The table of keys, in as many columns as fit."""
    if not stage.state.help:
        return
    screen, look = stage.layout.screen, stage.look
    panel(stage.surface, screen, "#000000", 0, alpha=0.55)
    columns = _columns(groups(), min(3, max(1, screen.width // stage.unit(310))))
    tall = max(map(len, columns))
    height = min(screen.height - 24, stage.unit(22) * tall + stage.unit(64))
    width = min(screen.width - 24, len(columns) * stage.unit(370))
    sheet = Rect((screen.width - width) // 2, (screen.height - height) // 2, width, height)
    draw_sheet(stage, sheet)
    heading, edge = sheet.y + stage.unit(24), stage.unit(22)
    stage.text("Keys", sheet.x + edge, heading, look.ink, size=stage.unit(17), bold=True)
    words = "press F1 or Esc, or click, to go on"
    stage.text(words, sheet.right - edge, heading, look.muted, align="right", room=sheet.width - stage.unit(110))
    top, wide = sheet.y + stage.unit(48), (sheet.width - edge) // len(columns)
    line = (sheet.bottom - stage.unit(14) - top) / tall
    for place, column in enumerate(columns):
        _table(stage, column, sheet.x + edge + place * wide, top, wide - edge, line)


def _columns(table: Iterable[tuple[str, Iterable[Entry]]], count: int) -> list[list[Entry]]:
    """Lines of (keys, what they do) in columns as short as they get without breaking a group."""
    blocks = [[(name, ""), *rows] for name, rows in table]
    tall = max(map(len, blocks))
    while len(columns := _packed(blocks, tall)) > count:
        tall += 1
    return columns


def _packed(blocks: list[list[Entry]], tall: int) -> list[list[Entry]]:
    """One block below the other, an empty line between them, as many to a column as fit."""
    columns: list[list[Entry]] = [[]]
    for block in blocks:
        if columns[-1] and len(columns[-1]) + 1 + len(block) > tall:
            columns.append([])
        columns[-1] += [("", ""), *block] if columns[-1] else block
    return columns


def _table(stage: Stage, lines: list[tuple[str, str]], left: int, top: int, width: int, line: float) -> None:
    look, size = stage.look, max(6, min(stage.small, int(0.72 * line)))
    keys = round(0.37 * width)
    for place, (key, words) in enumerate(lines):
        middle = top + (place + 0.5) * line
        if key and not words:
            stage.text(key, left, middle, look.accent, size=size + 1, bold=True, room=width)
        elif key:
            stage.text(key, left, middle, look.ink, size=size, bold=True, room=keys - 6)
            stage.text(words, left + keys, middle, look.muted, size=size, room=width - keys)
