"""The picture of one grid search: what was expanded when, and the path."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from planners.grid import GridPath


class Expansions:
    """Keeps what a grid planner says of its latest search.

    Attributes:
        cells: [n, 2] rows and columns in the order of their expansion.
        frontier: [m, 2] cells that were reached and not expanded.
    """

    def __init__(self) -> None:
        self.cells = self.frontier = np.empty((0, 2), np.int64)

    def record(self, kind: str, **data: Any) -> None:
        """See :class:`planners.base.Recorder`."""
        self.cells, self.frontier = data["cells"], data["frontier"]


def search_figure(free: NDArray[np.bool_], path: GridPath, expansions: Expansions) -> Figure:
    """The grid, [rows, columns] where one may walk: expanded cells from dark to light in their order, and one path."""
    tall = min(max(8 * free.shape[0] / free.shape[1], 2.0), 16.0)
    figure = Figure(figsize=(8, tall + 0.4), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(free, cmap="gray", vmin=-1, vmax=1, interpolation="nearest")
    order = np.full(free.shape, np.nan)
    order[tuple(expansions.cells.T)] = np.arange(len(expansions.cells))
    axes.imshow(order, cmap="viridis", alpha=0.7, interpolation="nearest")
    waiting = np.full(free.shape, np.nan)
    waiting[tuple(expansions.frontier.T)] = 1.0
    axes.imshow(waiting, cmap="autumn", vmin=0, vmax=2, alpha=0.7, interpolation="nearest")
    axes.set_axis_off()
    if path.found:
        rows, columns = path.cells.T
        axes.plot(columns, rows, color="tab:red", linewidth=1.5)
        axes.plot(columns[0], rows[0], "o", color="tab:green")
        axes.plot(columns[-1], rows[-1], "*", color="tab:blue", markersize=10)
    axes.set_title(f"length {path.cost:.2f}, {path.expanded} cells expanded" if path.found else "no path")
    return figure
