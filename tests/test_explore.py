"""Exploration as a script: how ground is scored, the random rivals, the picture, and one small run of it all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hjepa.agent import Agent
from scripts import explore
from scripts._coverage import RANDOM, Ground, RandomExplorer, Score, ratio_interval, steps_until
from viz.exploration import Exploration, exploration_figure
from viz.figures import FigureError
from worlds import Map

ROOM = "####\n#..#\n##.#\n####"
"""Three free cells, centred at (0, 0), (4, 0) and (4, 4)."""


@pytest.fixture
def ground() -> Ground:
    return Ground(Map.parse(ROOM))


def along(*places: tuple[float, float]) -> np.ndarray:
    return np.array(places, np.float32)


def test_cells_are_covered_once_each(ground: Ground) -> None:
    seen = along((0, 0), (1, 1), (3, 0), (0, 0), (4, 4))
    assert ground.cell_shares(seen).tolist() == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3, 1])
    assert [steps_until(ground.cell_shares(seen), share) for share in (0.3, 2 / 3, 1.0)] == [0, 2, 4]
    assert steps_until(ground.cell_shares(seen[:3]), 1.0) == -1


def test_bins_are_those_that_the_ball_can_be_in(ground: Ground) -> None:
    """A ball of radius 0.7 leaves 1.3 on either side of a centre line: two bins and a bit more, by their middles."""
    assert ground.bins == ground.reachable.sum()
    assert ground.reachable[tuple(ground.bin_of(along((0.0, 1.2)))[0])]
    assert not ground.reachable[tuple(ground.bin_of(along((0.0, 1.6)))[0])]
    everywhere = np.stack(np.meshgrid(np.arange(-2, 6, 0.25), np.arange(-2, 6, 0.25)), -1).reshape(-1, 2)
    shares = ground.bin_shares(everywhere.astype(np.float32))
    assert shares[-1] == 1 and (np.diff(shares) >= 0).all()


def test_what_lies_outside_adds_no_ground(ground: Ground) -> None:
    inside = ground.bin_shares(along((0, 0), (0, 0.6)))
    assert ground.bin_shares(along((0, 0), (0, 1.9), (0, 0.6))).tolist() == pytest.approx([inside[0], *inside])
    assert ground.bin_shares(along((0, 1.9), (0, 0)))[0] == 0


def test_every_bin_remembers_when_it_was_entered_first(ground: Ground) -> None:
    first = ground.first_seen(along((0.1, 0.1), (4, 4), (0.2, 0.2)))
    assert first.shape == ground.reachable.shape
    assert sorted(first[first >= 0].tolist()) == [0, 1]


@pytest.mark.parametrize("explorer", RANDOM)
def test_random_explorers_begin_alike_and_are_never_reset(explorer: RandomExplorer) -> None:
    walk = explorer.walk(Map.parse(ROOM), 60, 3, seed=1)
    assert walk.seen.shape == (3, 61, 2) and (walk.seen[:, 0] == 0).all()
    assert np.abs(np.diff(walk.seen, axis=1)).max() < 0.35
    assert np.array_equal(walk.seen, explorer.walk(Map.parse(ROOM), 60, 3, seed=1).seen)
    rows = walk.trajectories(1, 40)
    assert len(rows) == 41 and np.array_equal(rows.actions[39], walk.taken[1, 39])
    assert np.array_equal(rows.observations[40], walk.seen[1, 40])


def test_held_directions_go_further_than_uniform_actions() -> None:
    hall = Map.parse("#" * 12 + "\n" + "\n".join(["#" + "." * 10 + "#"] * 10) + "\n" + "#" * 12)
    far = [np.abs(RandomExplorer(hold).walk(hall, 200, 20, seed=0).seen[:, -1]).mean() for hold in (1, 40)]
    assert far[1] > 2 * far[0]


def test_a_run_that_never_got_there_counts_as_its_limit() -> None:
    score = Score("one", 100, [50, -1, 80], [-1, -1, -1])
    assert score.median == 80
    assert "1 not in 100" in score.line(0) and "over 100" in score.line(0)
    low, high = score.interval(seed=0)
    assert 50 <= low <= 80 <= high <= 100


def test_the_ratio_lies_in_its_interval() -> None:
    ratio, low, high = ratio_interval(Score("a", 99, [10, 12, 14], []), Score("b", 99, [40, 48, 60], []), seed=0)
    assert ratio == 0.25 and low < ratio < high and low >= 10 / 60 and high <= 14 / 40


def test_the_picture_has_a_panel_for_every_explorer() -> None:
    first = np.full((32, 32), -1)
    first[8, 8] = 3
    one = Exploration("curiosity", np.linspace(0, 1, 20).reshape(2, 10), first)
    figure = exploration_figure(Map.parse(ROOM), [one, one])
    assert figure.axes[1].get_title(loc="left") == figure.axes[2].get_title(loc="left") == "curiosity"
    assert figure.axes[0].lines[0].get_ydata()[-1] == pytest.approx(100 * np.median([9 / 19, 1]))
    assert "first visit" in figure.axes[3].get_ylabel()


def test_the_picture_names_what_it_cannot_draw() -> None:
    with pytest.raises(FigureError, match="at least one"):
        exploration_figure(Map.parse(ROOM), [])
    with pytest.raises(FigureError, match="lost: shares: expected"):
        exploration_figure(Map.parse(ROOM), [Exploration("lost", np.full((1, 3), 1.5), np.ones((4, 4)))])


def test_the_script_explores_compares_trains_and_evaluates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "room.txt").write_text(ROOM)
    out = tmp_path / "out"
    options = explore.Options(
        str(tmp_path / "room.txt"), 420, 2, 900, 2, practice=600, training=60, levels=2, episodes=2, out=out
    )
    explore.main(options)
    printed = capsys.readouterr().out
    assert "3 free cells" in printed and "of the steps of the fastest random explorer" in printed
    results = json.loads((out / "results.json").read_text())
    assert results["curiosity"]["limit"] == 420 and results["random"]["limit"] == 900
    assert results["ratio_ci95"][0] <= results["ratio"] <= results["ratio_ci95"][1]
    assert [agent["data"] for agent in results["agents"]] == ["curiosity", "random"]
    assert results["agents"][0]["episodes"] == 2 and (out / "exploration.png").stat().st_size > 10_000
    assert Agent.load(out / "agent-curiosity-100").card["rows"] == 601


@pytest.mark.parametrize(
    ("given", "what"),
    [({"steps": 0}, "at least 1"), ({"agents": 11}, "--agents"), ({"practice": 50_000}, "--practice")],
)
def test_what_cannot_be_done_is_one_clear_line(given: dict[str, int], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        explore.Options(**given)
