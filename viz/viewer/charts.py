"""Where the points of charts are: pure geometry, the same for drawing them and for finding them under the pointer."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planners.trace import Tree
from viz.viewer.layout import Rect

Pixels = NDArray[np.float64]
SHORTEST = 100
"""World steps that a time axis shows at least."""


def time_span(last: int) -> int:
    """World steps that a time axis shows: 1, 2 or 5 times a power of ten, so that it seldom changes while it grows."""
    span = SHORTEST
    while span < last:
        span = span * 5 // 2 if str(span)[0] == "2" else span * 2
    return span


def time_to_x(step: ArrayLike, rect: Rect, last: int) -> Any:
    """World steps (any shape) to pixels on a time axis; ``last`` is the newest step."""
    return rect.x + np.asarray(step, dtype=np.float64) / time_span(last) * rect.width


def x_to_time(x: float, rect: Rect, last: int) -> int:
    """The nearest world step that there is to a pixel on a time axis."""
    step = round((x - rect.x) / max(1, rect.width) * time_span(last))
    return min(max(step, 0), last)


def energy_rects(body: Rect) -> tuple[Rect, Rect]:
    """The plots of the energy panel: over world time, and below it over the planner's rounds; axes and titles around.

    Room is left for numbers at the left, and for a title above and numbers below each of them.
    """
    left, gap = min(44, body.width // 6), min(40, body.height // 8)
    height = max(0, (body.height - 2 * gap - min(20, body.height // 12)) // 2)
    width = max(0, body.width - left - 12)
    upper = Rect(body.x + left, body.y + gap // 2 + 6, width, height)
    return upper, Rect(upper.x, upper.bottom + gap, width, height)


def plot_rect(body: Rect) -> Rect:
    """The tree's or the latent map's part of its panel, below a line of text."""
    line = min(26, body.height // 6)
    return Rect(body.x + 10, body.y + line, max(0, body.width - 20), max(0, body.height - line - 10))


def tree_layout(tree: Tree, rect: Rect) -> Pixels:
    """[M, 2] pixels of a tree's nodes: depth from top to bottom, and from left to right as much room as visits."""
    return _unit(tree) * (rect.width, rect.height) + (rect.x, rect.y)


@lru_cache(maxsize=8)
def _unit(tree: Tree) -> Pixels:
    """[M, 2] nodes in the unit square: each has a part of its parent's interval, in proportion to its visits."""
    count, parents = len(tree.parents), np.asarray(tree.parents, dtype=np.int64)
    weights = np.maximum(np.asarray(tree.visits, dtype=np.float64), 0.5)
    of_children = np.bincount(parents[1:], weights[1:], count) if count > 1 else np.zeros(count)
    left, width, depth = [0.0] * count, [1.0] * count, [0] * count
    used = [0.0] * count
    for node in range(1, count):  # parents come before their children
        parent = int(parents[node])
        width[node] = width[parent] * weights[node] / of_children[parent]
        left[node] = left[parent] + used[parent]
        used[parent] += width[node]
        depth[node] = depth[parent] + 1
    down = np.array(depth) / max(1, max(depth, default=0))
    return np.stack([np.array(left) + np.array(width) / 2, down], axis=-1)


def latent_pixels(points: ArrayLike, rect: Rect, within: ArrayLike | None = None) -> Pixels:
    """[n, 2] points of a latent plane to pixels: as large as fits, the same scale both ways.

    Args:
        points: to be shown.
        rect: where.
        within: [m, 2] points that are all to fit in (None: ``points`` themselves), such as all landmarks.
    """
    points = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    frame = points if within is None else np.asarray(within, dtype=np.float64).reshape(-1, 2)
    if len(frame) == 0:
        frame = points if len(points) else np.zeros((1, 2))
    low, high = frame.min(0), frame.max(0)
    scale = float(np.min(np.array([rect.width, rect.height]) * 0.92 / np.maximum(high - low, 1e-9)))
    middle = np.array([rect.x + rect.width / 2, rect.y + rect.height / 2])
    return (points - (low + high) / 2) * min(scale, 1e6) + middle


def nearest(pixels: ArrayLike, x: float, y: float, within: float) -> int | None:
    """The number of the nearest of [n, 2] pixels, if it is within so many pixels."""
    places = np.asarray(pixels, dtype=np.float64).reshape(-1, 2)
    if len(places) == 0:
        return None
    away = np.hypot(places[:, 0] - x, places[:, 1] - y)
    number = int(np.argmin(away))
    return number if away[number] <= within else None
