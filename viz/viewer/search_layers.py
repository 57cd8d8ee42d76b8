"""How the selected level's plan was found: candidates, the frontier of a search, or a Monte-Carlo tree."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pygame

from planners.trace import Expansion, Round, Tree, Work
from viz.theme import Theme
from viz.viewer.layout import Projection
from viz.viewer.paint import gradient, hexadecimal, polyline, segments_of, strokes
from viz.viewer.pane import Pane
from viz.viewer.sheet import Sheet
from viz.viewer.stamps import DISC, SQUARE, stamp

MOST_CANDIDATES = 72
"""Candidates that are drawn of a round: the best, and some of the others."""
MOST_PLACES = 1500
"""Places that are drawn of a search."""
SHADES = 8
"""Of places by their order, and sizes of nodes by their visits."""


def draw_work(pane: Pane) -> None:
    """What the selected level tried, up to the round shown."""
    sheet, work = pane.sheet, pane.work
    alpha = pane.alpha("candidates" if isinstance(work, Round) else "frontier")
    if work is not None and alpha:
        sheet.lay(_drawn(work, pane.level, sheet.theme, sheet.projection), alpha)


@lru_cache(maxsize=8)
def _drawn(work: Work, level: int, theme: Theme, projection: Projection) -> pygame.Surface:
    sheet = Sheet.clear(projection, theme, theme.level(level).color)
    match work:
        case Round():
            _draw_candidates(sheet, work, level)
        case Expansion():
            _draw_expansion(sheet, work, level)
        case Tree():
            _draw_tree(sheet, work, level)
    return sheet.drawn()


def _draw_candidates(sheet: Sheet, tried: Round, level: int) -> None:
    """Predicted trajectories: the dear ones faint, the elite bright, the best one lit."""
    count, color = len(tried.candidates), sheet.theme.level(level).color
    elites = min(tried.elites, count, MOST_CANDIDATES // 2)
    others = np.unique(np.linspace(elites, count - 1, min(MOST_CANDIDATES, count) - elites).astype(int))
    lines = sheet.pixels(tried.candidates)
    strokes(sheet.surface, segments_of(lines[others]), color, 1.0, 0.3)
    strokes(sheet.surface, segments_of(lines[:elites]), color, 1.3 * sheet.unit, 0.85)
    strokes(sheet.surface, segments_of(lines[:1]), sheet.theme.ink, 1.3 * sheet.unit, 0.8)


def _draw_expansion(sheet: Sheet, search: Expansion, level: int) -> None:
    """Places in the order in which they were looked at, the later the brighter and larger; the last one is ringed."""
    count, theme = len(search.places), sheet.theme
    at, color = sheet.pixels(search.places), theme.level(level).color
    linked = np.flatnonzero(search.parents >= 0)
    strokes(sheet.surface, np.stack([at[search.parents[linked]], at[linked]], 1), color, 1.0, 0.3)
    shown = np.unique(np.linspace(0, count - 1, min(count, MOST_PLACES)).astype(int))
    order = np.minimum(shown * SHADES // max(count, 1), SHADES - 1)
    for shade, rgb in enumerate(gradient((theme.muted, color), SHADES)):
        radius = (1.4 + 1.6 * shade / (SHADES - 1)) * sheet.unit
        stamp(sheet.surface, at[shown[order == shade]], DISC, radius, hexadecimal(rgb), theme.halo)
    stamp(sheet.surface, at[-1:], DISC, 6.5 * sheet.unit, theme.ink, line=1.4 * sheet.unit)


def _draw_tree(sheet: Sheet, tree: Tree, level: int) -> None:
    """Nodes, the larger the more often visited; squares where the world moves."""
    at, color = sheet.pixels(tree.places), sheet.theme.level(level).color
    share = np.sqrt(tree.visits / max(1, int(tree.visits.max(initial=1))))
    children = np.flatnonzero(tree.parents >= 0)
    ways = np.stack([at[tree.parents[children]], at[children]], 1)
    strokes(sheet.surface, ways, color, 1.2 * sheet.unit, 0.2 + 0.7 * share[children])
    sizes = np.minimum(share * SHADES, SHADES - 1).astype(int)
    for size, chance in np.unique(np.stack([sizes, tree.chance.astype(int)], 1), axis=0).tolist():
        of = at[(sizes == size) & (tree.chance == bool(chance))]
        shape, opacity = SQUARE if chance else DISC, min(1.0, 0.5 + 0.25 * size)
        stamp(sheet.surface, of, shape, (1.3 + 0.55 * size) * sheet.unit, color, sheet.theme.halo, alpha=opacity)


def draw_node(pane: Pane) -> None:
    """The selected node of the tree: its state, and the way there."""
    node, tree, sheet = pane.state.node, pane.work, pane.sheet
    if node is None or not pane.selected or not isinstance(tree, Tree) or not 0 <= node < len(tree.parents):
        return
    at, theme, unit = sheet.pixels(tree.places), sheet.theme, sheet.unit
    way = at[lineage(tree, node)]
    polyline(sheet.surface, way, theme.halo, 4.5 * unit, 0.8)
    polyline(sheet.surface, way, theme.ink, 2.0 * unit)
    stamp(sheet.surface, at[node], DISC, 3.4 * unit, theme.level(pane.level).color, theme.ink, rim=1.2)
    stamp(sheet.surface, at[node], DISC, 9.5 * unit, theme.ink, theme.halo, line=2.0 * unit)


def lineage(tree: Tree, node: int) -> list[int]:
    """The nodes from the root to one of them."""
    way = [node]
    while tree.parents[way[-1]] >= 0:
        way.append(int(tree.parents[way[-1]]))
    return way[::-1]
