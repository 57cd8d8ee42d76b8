"""Planners have names on the screen."""

from __future__ import annotations

from typing import get_args

import pytest

from hjepa.optimizers import Optimizer
from hjepa.planning import Distilled, Search
from viz.viewer.names import PLANNERS, planner_label

NAMES = [name for names in (Optimizer, Search, Distilled) for name in get_args(names)]


@pytest.mark.parametrize("name", NAMES)
def test_every_planner_has_a_name(name: str) -> None:
    assert planner_label(name) != name


def test_names_are_told_apart_and_name_what_there_is() -> None:
    assert len(set(PLANNERS.values())) == len(PLANNERS) and set(PLANNERS) == set(NAMES)
    assert planner_label("dijkstra") == "dijkstra"
