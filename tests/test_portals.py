"""The picture of portals as an agent believes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from hjepa.known_map import Fork
from planners.trace import Episode
from viz.backdrop import FigureError
from viz.figures import save
from viz.portals import Route, portals_figure
from worlds.maps import named_map

FORK = Fork(np.array([20.0, 12.0]), np.array([[24.0, 0.0], [0.0, 20.0]]), np.array([0.7, 0.3], np.float32))
GOAL = np.array([0.0, 24.0], np.float32)


def route(label: str, success: bool = True) -> Route:
    """Three steps on foot, a jump, and three more."""
    path = np.array([[20, 16], [20, 15], [20, 14], [0, 20], [0, 21], [0, 22]], np.float32)
    return Route(label, Episode(path, GOAL, success, []))


def words(fig: Figure) -> set[str]:
    legend = {text.get_text() for text in fig.legends[0].get_texts()}
    return legend | {text.get_text() for ax in fig.axes for text in ax.texts}


def test_probabilities_and_attitudes_are_written(tmp_path: Path) -> None:
    fig = portals_figure(named_map("teleport"), [FORK], [route("average"), route("worst", success=False)], "portals")
    assert {"70 %", "30 %", "average", "worst"} <= words(fig)
    assert save(fig, tmp_path / "portals.png").stat().st_size > 10_000


def test_a_jump_is_no_way_on_foot() -> None:
    fig = portals_figure(named_map("teleport"), [], [route("average")], "portals")
    drawn = max((np.asarray(line.get_xydata()) for line in fig.axes[0].lines), key=len)
    steps = np.linalg.norm(np.diff(drawn, axis=0), axis=1)
    assert np.isnan(steps).any()
    assert np.nanmax(steps) <= 1.0


@pytest.mark.parametrize("count", [0, 5])
def test_routes_must_be_few(count: int) -> None:
    with pytest.raises(FigureError, match="routes: expected 1 to 4"):
        portals_figure(named_map("teleport"), [FORK], [route("average")] * count, "portals")
