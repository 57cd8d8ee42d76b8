"""The picture of guardrails: where an agent waited, and what is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.text import Text

from viz.hazards import Walk, hazards_figure, waits
from worlds import named_map
from worlds.hazards import Hazards


def trail(*stays: tuple[float, int]) -> np.ndarray:
    """From one x to the next at 0.2 a step, with a stay of some steps at each."""
    places, here = list[float](), 0.0
    for x, steps in stays:
        places += [*np.arange(here, x, 0.2), *[x] * steps]
        here = x
    return np.array([[x, 1.0] for x in places], np.float32)


def test_waits_are_where_and_as_long_as_it_stood_still() -> None:
    ((first, steps), (second, more)) = waits(trail((4, 40), (10, 60), (15, 10)), within=0.1)
    assert first.tolist() == pytest.approx([4, 1], abs=0.1) and steps == pytest.approx(40, abs=3)
    assert second.tolist() == pytest.approx([10, 1], abs=0.1) and more == pytest.approx(60, abs=3)
    assert waits(trail((4, 5), (9, 5))) == []


def test_waits_side_by_side_are_one() -> None:
    ((_, steps),) = waits(trail((4, 40), (4.8, 40)))
    assert steps == pytest.approx(80, abs=6)


def test_captions_and_waits_are_written() -> None:
    hazards, path = Hazards.draw(named_map("medium"), 0), trail((4, 40), (8, 1))
    flags = np.zeros(len(path), bool)
    fig = hazards_figure(
        hazards, path[-1], [Walk(path, flags, flags, "first"), Walk(path, ~flags, flags, "second")], "T"
    )
    told = {text.get_text() for text in fig.findobj(Text)}
    assert {"first", "second", "T", "keep out", "waited (steps)"} <= told
    assert sum(text.isdigit() for text in told) == 1
