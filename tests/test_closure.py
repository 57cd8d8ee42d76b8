"""The picture of a closed corridor: what it shows, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from planners.trace import Episode
from viz.backdrop import FigureError
from viz.closure import Panel, closure_figure
from viz.theme import PAPER
from worlds.maps import Map, named_map

MEDIUM = named_map("medium")
WAY = np.float32([[0, 0], [4, 0], [4, 4], [8, 4]])
ARRIVED = Panel(MEDIUM, Episode(WAY, np.float32([8, 5]), True, title="before"))
STOPPED = Panel(
    MEDIUM,
    Episode(WAY[:2], np.float32([8, 5]), False, title="after"),
    surprises=np.float32([[4, 0], [4, 1]]),
    shut=np.float32([[[4, 0], [6, 0]], [[4, 1], [6, 0]], [[4, 1], [6, 1]]]),
    closed=(1, 2),
)


def legend_of(fig: Figure) -> list[str]:
    return [text.get_text() for text in fig.legends[0].get_texts()]


@pytest.mark.parametrize("theme", ["paper", "dark"])
def test_every_episode_has_a_panel_that_says_how_it_ended(theme: str) -> None:
    fig = closure_figure([ARRIVED, STOPPED, ARRIVED], theme)
    titles = [(ax.get_title(loc="left"), ax.get_title(loc="right")) for ax in fig.axes]
    assert titles == [("before", "3 steps"), ("after", "goal not reached in 1 steps"), ("before", "3 steps")]
    fig.draw_without_rendering()


def test_surprises_and_ways_given_up_are_where_they_were() -> None:
    before, after = closure_figure([ARRIVED, STOPPED]).axes
    crosses = [line for line in after.lines if line.get_marker() == "X"]
    assert [line.get_color() for line in crosses] and np.array_equal(crosses[0].get_xydata(), STOPPED.surprises)
    assert crosses[0].get_markerfacecolor() == PAPER.guardrail
    (ways,) = (made for made in after.collections if isinstance(made, LineCollection))
    assert np.array_equal(ways.get_segments(), STOPPED.shut)
    hatched = [patch.get_bbox().bounds for patch in after.patches if patch.get_hatch()]
    assert hatched == [(2.0, -2.0, 4.0, 4.0)]  # row 1, column 2
    assert not [patch for patch in before.patches if patch.get_hatch()]


def test_the_legend_names_what_is_there() -> None:
    assert legend_of(closure_figure([ARRIVED])) == ["start", "goal", "path taken"]
    assert legend_of(closure_figure([STOPPED]))[3:] == ["closed since", "believed shut", "ways given up"]


def test_panels_must_fit_together() -> None:
    other = replace(ARRIVED, map=Map.parse("#####\n#...#\n#####"))
    with pytest.raises(FigureError, match="maps of one size, got 2"):
        closure_figure([ARRIVED, other])
    with pytest.raises(FigureError, match="maps of one size, got 0"):
        closure_figure([])
