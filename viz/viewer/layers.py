"""One map pane, everything on it at one moment: a pure function of the view's state and of what is known.

From bottom to top: the ground, memory, where portals may lead, the trail and the agent, how the selected level
searched, what every level has in mind, what it imagined, the goal, a probe, and what is selected or pointed at.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pygame

from viz.theme import Theme
from viz.viewer.ground import KEPT, Ground, ground
from viz.viewer.layout import Projection
from viz.viewer.lettering import text_width, write
from viz.viewer.messages import Fork, LevelFacts
from viz.viewer.model import Model
from viz.viewer.paint import Floats, arrow, dashed, panel, segments_of, strokes
from viz.viewer.pane import Pane
from viz.viewer.plan_layers import draw_imagined, draw_plans, draw_probe
from viz.viewer.search_layers import draw_node, draw_work
from viz.viewer.sheet import Sheet
from viz.viewer.stamps import DISC, STAR, stamp
from viz.viewer.state import ViewState

TRAIL = 2000
"""World steps that a trail goes back."""
FADING = 250
"""World steps over which it becomes faint, and over which its end vanishes."""


def draw_map(surface: pygame.Surface, state: ViewState, model: Model, run: int, projection: Projection) -> None:
    """Draws the map pane of one run at ``state.step``, in ``projection.rect`` of a surface of 32 bits a pixel."""
    if surface.get_rect().colliderect(projection.rect):
        draw_pane(Pane.of(surface, state, model, run, projection))


def draw_pane(pane: Pane) -> None:
    """Draws all layers."""
    _draw_ground(pane)
    _draw_landmarks(pane)
    _draw_forks(pane)
    _draw_start(pane)
    _draw_trail(pane)
    _draw_agent(pane)
    draw_work(pane)
    draw_plans(pane)
    draw_imagined(pane)
    _draw_goal(pane)
    draw_probe(pane)
    draw_node(pane)
    _draw_chosen_landmarks(pane)


def _draw_ground(pane: Pane) -> None:
    look, sheet = pane.state.layer, pane.sheet
    heated = look("heat").shown or look("isolines").shown
    of = Ground(
        pane.document.map,
        pane.document.zones,
        pane.run.field("heat", pane.level, pane.document) if heated else None,
        pane.run.field("unfamiliar", pane.level, pane.document) if look("unfamiliar").shown else None,
        sheet.theme,
        sheet.projection,
        (look("walls"), look("zones"), look("heat"), look("isolines"), look("unfamiliar")),
    )
    sheet.surface.blit(ground(of), (0, 0))


# --- memory ---------------------------------------------------------------------------------------------------------


def _draw_landmarks(pane: Pane) -> None:
    alpha, facts, sheet = pane.alpha("landmarks"), pane.facts, pane.sheet
    if alpha and facts is not None and len(facts.places):
        sheet.lay(_landmarks(facts, pane.level, sheet.theme, sheet.projection), alpha)


@lru_cache(maxsize=KEPT)
def _landmarks(facts: LevelFacts, level: int, theme: Theme, projection: Projection) -> pygame.Surface:
    """What a level remembers: dots, joined where the way between them is known."""
    color = theme.level(level).color
    sheet = Sheet.clear(projection, theme, color)
    at = sheet.pixels(facts.places)
    strokes(sheet.surface, at[facts.edges], color, 1.0, 0.4)
    stamp(sheet.surface, at, DISC, 2.2, color, theme.halo)
    return sheet.drawn()


def _draw_chosen_landmarks(pane: Pane) -> None:
    """The landmark chosen on the latent map, and the one under the pointer."""
    sheet, facts = pane.sheet, pane.facts if pane.selected else None
    for number, line in ((pane.state.landmark, 2.2), (pane.state.hovered, 1.5)):
        if facts is not None and number is not None and number < len(facts.places):
            at = sheet.pixels(facts.places[number])
            stamp(sheet.surface, at, DISC, 3.2, sheet.theme.level(pane.level).color, sheet.theme.ink, rim=1.2)
            stamp(sheet.surface, at, DISC, 9.0, sheet.theme.ink, sheet.theme.halo, line=line)


# --- portals --------------------------------------------------------------------------------------------------------


def _draw_forks(pane: Pane) -> None:
    alpha, sheet = pane.alpha("forks"), pane.sheet
    if alpha and pane.run.forks:
        sheet.lay(_forks(pane.run.forks, sheet.theme, sheet.projection), alpha)


@lru_cache(maxsize=KEPT)
def _forks(forks: tuple[Fork, ...], theme: Theme, projection: Projection) -> pygame.Surface:
    sheet = Sheet.clear(projection, theme, theme.entrance)
    ways = [_arc(sheet.pixels(fork.place), sheet.pixels(outcome)) for fork in forks for outcome in fork.outcomes]
    likely = [float(probability) for fork in forks for probability in fork.probabilities]
    for draw in (_draw_way, _draw_probability):
        for way, probability in zip(ways, likely, strict=True):
            draw(sheet, way, probability)
    return sheet.drawn()


def _draw_way(sheet: Sheet, way: Floats, probability: float) -> None:
    """An arc from a portal's entrance to where it may lead, the wider the likelier."""
    color, width = sheet.theme.entrance, (1.0 + 2.0 * probability) * sheet.unit
    dashed(sheet.surface, way, color, width, 5.0 * sheet.unit, 0.75)
    arrow(sheet.surface, way[-2:], color, width, 0.9, 8 * sheet.unit)


def _draw_probability(sheet: Sheet, way: Floats, probability: float) -> None:
    text, size = f"{100 * probability:.0f} %", max(10, round(11 * sheet.unit))
    (x, y), width = way[len(way) // 2].tolist(), text_width(text, size) + 8
    box = (round(x - width / 2), round(y - 0.75 * size), width, round(1.5 * size))
    panel(sheet.surface, box, sheet.theme.page, 4, alpha=0.8)
    write(sheet.surface, (x, y), text, sheet.theme.entrance, size, "mm")


def _arc(start: Floats, end: Floats) -> Floats:
    """[n, 2] points of a curve that bulges to the left of the straight line."""
    along = end - start
    middle = (start + end) / 2 + 0.18 * np.array([along[1], -along[0]], np.float32)
    t = np.linspace(0, 1, 25, dtype=np.float32)[:, None]
    return (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end


# --- the episode ----------------------------------------------------------------------------------------------------


def _draw_trail(pane: Pane) -> None:
    alpha, recording, sheet = pane.alpha("trail"), pane.run.recording, pane.sheet
    if not alpha or recording is None or pane.step == 0:
        return
    kept = _spaced(sheet.pixels(recording.trail(pane.step)[-TRAIL:]))
    age = kept[-1, 2] - kept[1:, 2]
    opacity = np.interp(age, (0, FADING, TRAIL - FADING, TRAIL), (0.95, 0.35, 0.35, 0))
    strokes(sheet.surface, segments_of(kept[:, :2]), sheet.theme.ink, 1.6 * sheet.unit, alpha * opacity)


def _spaced(points: Floats, spacing: float = 3.0) -> Floats:
    """[m, 3] those of [n, 2] points that lie a little apart along the way, and the last, with their numbers."""
    along = np.cumsum(np.hypot(*np.diff(points, axis=0, prepend=points[:1]).T))
    ticks = np.floor_divide(along, spacing)
    kept = np.flatnonzero(np.append(np.diff(ticks, prepend=-1)[:-1] > 0, True))
    return np.concatenate([points[kept], kept[:, None].astype(np.float32)], 1)


def _draw_start(pane: Pane) -> None:
    sheet, theme, at = pane.sheet, pane.sheet.theme, pane.sheet.pixels(pane.document.start)
    stamp(sheet.surface, at, DISC, 4.6 * sheet.unit, theme.muted, theme.halo, line=1.5)
    stamp(sheet.surface, at, DISC, 1.6 * sheet.unit, theme.muted)


def _draw_agent(pane: Pane) -> None:
    sheet, theme = pane.sheet, pane.sheet.theme
    if pane.agent is not None:
        stamp(sheet.surface, pane.agent, DISC, sheet.agent_radius, theme.ink, theme.halo, rim=1.2 * sheet.unit)


def _draw_goal(pane: Pane) -> None:
    sheet, theme, size = pane.sheet, pane.sheet.theme, 8.6 * pane.sheet.unit
    stamp(sheet.surface, sheet.pixels(pane.document.goal), STAR, size, theme.goal, theme.ink, rim=0.14 * size)
