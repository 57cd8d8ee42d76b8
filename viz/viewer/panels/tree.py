"""The tree of a Monte-Carlo search: as large as its visits, as bright as its values."""

from __future__ import annotations

import numpy as np
import pygame

from planners.trace import Tree
from viz.viewer.charts import plot_rect, tree_layout
from viz.viewer.layout import Rect
from viz.viewer.names import planner_label
from viz.viewer.paint import strokes
from viz.viewer.panels.plots import Array
from viz.viewer.selected import setup, tree
from viz.viewer.stamps import DISC, Shape, stamp
from viz.viewer.widgets import Stage, mix, number

SMALLEST, LARGEST = 2.0, 7.5
"""Radii of a node that was visited once, and of the root; pixels at ordinary text size."""
MARGIN = 9
"""Around the tree; pixels."""
SHADES = 8
"""Values are told apart in so many shades."""
_SQUARE = Shape(4, 45.0)


def draw_tree(stage: Stage, body: Rect) -> None:
    """The panel, for the selected level of the selected run."""
    shown, plot = tree(stage.state, stage.model), plot_rect(body)
    if shown is None:
        _say_why(stage, body)
        return
    if plot.width < 10 or plot.height < 10:
        return
    around = plot.inset(-MARGIN)  # the root lies on the edge
    key = (shown, plot, stage.look, stage.state.level, stage.layout.text)
    picture = stage.store.kept("tree", key, lambda: _picture(stage, shown, around))
    stage.surface.blit(picture, around[:2])
    _title(stage, body, shown)
    node = stage.state.node
    if node is not None and node < len(shown.parents):
        place = tree_layout(shown, plot)[node] - around[:2]
        radius = float(_radii(stage, shown)[node]) + 2.5
        stamp(stage.within(around), place, DISC, radius, stage.look.ink, line=1.8)


def _say_why(stage: Stage, body: Rect) -> None:
    """No tree here: who has one."""
    level, planners = stage.state.level, setup(stage.state).planners[: setup(stage.state).levels]
    mine = planners[level - 1] if level <= len(planners) else "nothing"
    searching = [str(k) for k, name in enumerate(planners, 1) if name == "mcts" and k != level]
    lines = [f"Level {level} plans with {planner_label(mine)}, which grows no tree."]
    if mine == "mcts":
        lines = [f"Level {level} plans with MCTS; its tree was not recorded here."]
    elif searching:
        lines.append(f"Level {' and level '.join(searching)} plans with MCTS: press {searching[0]} to see its tree.")
    else:
        lines.append("Choose MCTS in the table of levels to grow one.")
    for place, line in enumerate(lines):
        y = body.y + body.height / 2 + (place - 0.5) * stage.unit(22)
        stage.text(line, body.x + body.width / 2, y, stage.look.muted, align="middle", room=body.width - 24)


def _title(stage: Stage, body: Rect, shown: Tree) -> None:
    y, node = body.y + stage.unit(10), stage.state.node
    if node is None or node >= len(shown.parents):
        words = f"{len(shown.parents)} nodes, {int(shown.visits[0])} simulations; size N, colour Q; click a node"
        stage.text(words, body.x + 12, y, stage.look.muted, size=stage.small, room=body.width - 24)
        return
    x, place = body.x + 12, shown.places[node]
    kind = "chance" if shown.chance[node] else "root" if node == 0 else "node"
    width = stage.text(f"{kind} {node}", x, y, stage.look.ink, bold=True, room=body.width - 24)
    words = f"N {int(shown.visits[node])}   Q {number(float(shown.values[node]))}   at {place[0]:.1f}, {place[1]:.1f}"
    stage.text(words, x + width + 12, y, stage.look.ink, size=stage.small, room=body.width - 36 - width)


def _picture(stage: Stage, shown: Tree, around: Rect) -> pygame.Surface:
    """The tree in its plot, and a margin around it."""
    surface = pygame.Surface(around[2:])
    surface.fill(stage.look.panel)
    places = tree_layout(shown, Rect(0, 0, around.width, around.height).inset(MARGIN))
    below = np.arange(1, len(places))
    if len(below):
        edges = np.stack([places[shown.parents[below]], places[below]], 1)
        share = shown.visits[below] / max(1, int(shown.visits[0]))
        for often, width in ((share < 0.05, 0.8), ((share >= 0.05) & (share < 0.3), 1.4), (share >= 0.3, 2.4)):
            strokes(surface, edges[often], stage.look.faint, width)
    radii, shades = _radii(stage, shown), _shades(shown)
    for node in np.argsort(shown.visits, kind="stable").tolist():  # the most visited on top
        color = _color(stage, int(shades[node]))
        stamp(surface, places[node], _SQUARE if shown.chance[node] else DISC, radii[node], color, stage.look.panel)
    return surface


def _radii(stage: Stage, shown: Tree) -> Array:
    """[M] as areas, visits are what they look like."""
    share = np.sqrt(shown.visits / max(1, int(shown.visits.max())))
    return np.maximum(SMALLEST, LARGEST * share) * stage.layout.text / 13


def _shades(shown: Tree) -> Array:
    """[M] values in few steps, the highest last."""
    values = np.nan_to_num(shown.values.astype(np.float64), neginf=np.nan)
    low, high = np.nanmin(values), np.nanmax(values)
    share = (np.nan_to_num(values, nan=low) - low) / (high - low) if high > low else np.ones(len(values))
    return np.minimum(share * SHADES, SHADES - 1).astype(int)


def _color(stage: Stage, shade: int) -> str:
    """From the panel's lightness (the worst) over the level's hue to the ink's (the best)."""
    hue, share = stage.look.level(stage.state.level), shade / (SHADES - 1)
    if share < 0.6:
        return mix(mix(stage.look.panel, hue, 0.25), hue, share / 0.6)
    return mix(hue, stage.look.ink, 0.75 * (share - 0.6) / 0.4)
