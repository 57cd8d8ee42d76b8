"""The figure of predicted uncertainty."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from hjepa.reliability import Reliability
from viz.reliability import reliability_figure
from worlds import named_map


@dataclass
class Stroll:
    attitude: str
    offsets: np.ndarray


def test_every_level_horizon_and_attitude_is_drawn(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    counted = Reliability.of(torch.rand(500, generator=torch.Generator().manual_seed(0)))
    levels = {k: {f"{k} steps": counted, f"{2 * k} steps": counted} for k in (1, 2, 3)}
    places = rng.normal(0, 0.2, (12, 40, 21, 2)).cumsum(2) * 0.3 + rng.uniform(0, 20, (12, 1, 1, 2))
    strolls = [Stroll(name, rng.normal(-away, 0.3, (30, 20))) for name, away in (("average", 0.2), ("worst", 0.5))]
    fig = reliability_figure(levels, named_map("medium"), [(each, each[0]) for each in places], strolls)
    *diagrams, _, walks = fig.axes
    assert [ax.get_title() for ax in diagrams] == ["level 1", "level 2", "level 3"]
    labels = [text.get_text() for text in diagrams[1].get_legend().get_texts()]
    assert labels == ["2 steps", "4 steps"]
    assert sorted(label.get_text() for label in walks.get_yticklabels()) == ["average", "worst"]
    fig.savefig(tmp_path / "figure.png")
