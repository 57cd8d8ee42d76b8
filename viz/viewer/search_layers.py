"""How the selected level's plan was found: candidates, the frontier of a search, or a Monte-Carlo tree."""

from __future__ import annotations

import numpy as np

from planners.trace import Expansion, Round, Tree
from viz.viewer.paint import Floats, gradient, polyline, ring, segments_of, strokes
from viz.viewer.pane import Pane
from viz.viewer.stamps import DISC, stamp

MOST_CANDIDATES = 72
"""Candidates that are drawn of a round: the best, and some of the others."""
MOST_PLACES = 1500
"""Places that are drawn of a search."""
SHADES = 8


def draw_work(pane: Pane) -> None:
    """What the selected level tried, up to the round shown; of several rounds or trees the last."""
    for item in pane.work[-1:]:
        match item:
            case Round() if alpha := pane.alpha("candidates"):
                _draw_candidates(pane, item, alpha)
            case Expansion() if alpha := pane.alpha("frontier"):
                _draw_expansion(pane, item, alpha)
            case Tree() if alpha := pane.alpha("frontier"):
                _draw_tree(pane, item, alpha)


def _draw_candidates(pane: Pane, tried: Round, alpha: float) -> None:
    """Predicted trajectories: the dear ones faint, the elite bright, the best one lit."""
    color, lines = pane.style(pane.level).color, pane.pixels(tried.candidates)
    elites = min(tried.elites, MOST_CANDIDATES // 2)
    others = np.unique(np.linspace(tried.elites, len(lines) - 1, MOST_CANDIDATES - elites).astype(int))
    others = others[others >= tried.elites]
    strokes(pane.surface, segments_of(lines[others]), color, 1.0, 0.28 * alpha)
    strokes(pane.surface, segments_of(lines[:elites]), color, 1.3 * pane.unit, 0.85 * alpha)
    polyline(pane.surface, lines[0], pane.theme.ink, 1.3 * pane.unit, 0.8 * alpha)


def _draw_expansion(pane: Pane, search: Expansion, alpha: float) -> None:
    """Places in the order in which they were looked at, the later the brighter and larger."""
    count = len(search.places)
    if count == 0:
        return
    at, color = pane.pixels(search.places), pane.style(pane.level).color
    linked = np.flatnonzero(search.parents >= 0)
    strokes(pane.surface, np.stack([at[search.parents[linked]], at[linked]], 1), color, 1.0, 0.3 * alpha)
    shown = np.unique(np.linspace(0, count - 1, min(count, MOST_PLACES)).astype(int))
    shades = gradient_hex(pane.theme.muted, color)
    order = np.minimum(shown * SHADES // count, SHADES - 1)
    for shade in range(SHADES):
        radius = (1.4 + 1.6 * shade / (SHADES - 1)) * pane.unit
        stamp(pane.surface, at[shown[order == shade]], DISC, radius, shades[shade], pane.theme.halo, alpha=0.9 * alpha)
    ring(pane.surface, at[-1], 6.5 * pane.unit, pane.theme.ink, 1.4 * pane.unit, 0.8 * alpha)


def _draw_tree(pane: Pane, tree: Tree, alpha: float) -> None:
    """Nodes, the larger the more often visited; where the world moves, a hollow one."""
    at, style = pane.pixels(tree.places), pane.style(pane.level)
    share = np.sqrt(tree.visits / max(1, int(tree.visits.max(initial=1))))
    children = np.flatnonzero(tree.parents >= 0)
    ways = np.stack([at[tree.parents[children]], at[children]], 1)
    strokes(pane.surface, ways, style.color, 1.2 * pane.unit, alpha * (0.25 + 0.6 * share[children]))
    sizes = np.minimum(share * SHADES, SHADES - 1).astype(int)
    for size, moved in np.unique(np.stack([sizes, tree.chance.astype(int)], 1), axis=0).tolist():
        of = (sizes == size) & (tree.chance == bool(moved))
        _draw_nodes(pane, at[of], (1.6 + 0.6 * size) * pane.unit, bool(moved), alpha)


def _draw_nodes(pane: Pane, at: Floats, radius: float, chance: bool, alpha: float) -> None:
    color, line = pane.style(pane.level).color, 1.4 * pane.unit if chance else 0.0
    stamp(pane.surface, at, DISC, radius, color, pane.theme.halo, alpha=alpha, line=line)


def draw_node(pane: Pane) -> None:
    """The selected node of the tree: its state, and the way there."""
    node, trees = pane.state.node, [item for item in pane.work if isinstance(item, Tree)]
    if node is None or not pane.selected or not trees or not 0 <= node < len(trees[-1].parents):
        return
    at = pane.pixels(trees[-1].places)
    way = at[lineage(trees[-1], node)]
    polyline(pane.surface, way, pane.theme.halo, 4.5 * pane.unit, 0.8)
    polyline(pane.surface, way, pane.theme.ink, 2.0 * pane.unit)
    stamp(pane.surface, at[node], DISC, 3.4 * pane.unit, pane.style(pane.level).color, pane.theme.ink, rim=1.2)
    ring(pane.surface, at[node], 9.5 * pane.unit, pane.theme.ink, 2.0 * pane.unit)


def lineage(tree: Tree, node: int) -> list[int]:
    """The nodes from the root to one of them."""
    way = [node]
    while tree.parents[way[-1]] >= 0:
        way.append(int(tree.parents[way[-1]]))
    return way[::-1]


def gradient_hex(first: str, last: str) -> list[str]:
    """``SHADES`` hex colours from one to another."""
    return ["#{:02x}{:02x}{:02x}".format(*shade) for shade in gradient((first, last), SHADES).round().astype(int)]
