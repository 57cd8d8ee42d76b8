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


def test_visits_count_every_step(ground: Ground) -> None:
    visits = ground.visits(along((0.1, 0.1), (0.2, 0.2), (4, 4)))
    assert visits.sum() == 3 and visits.max() == 2 and visits.shape == ground.reachable.shape


@pytest.mark.parametrize("explorer", RANDOM)
def test_random_explorers_begin_alike_and_are_never_reset(explorer: RandomExplorer) -> None:
    seen = explorer.walk(Map.parse(ROOM), 60, 3, seed=1)
    assert seen.shape == (3, 61, 2) and (seen[:, 0] == 0).all()
    assert np.abs(np.diff(seen, axis=1)).max() < 0.35
    assert np.array_equal(seen, explorer.walk(Map.parse(ROOM), 60, 3, seed=1))


def test_held_directions_go_further_than_uniform_actions() -> None:
    hall = Map.parse("#" * 12 + "\n" + "\n".join(["#" + "." * 10 + "#"] * 10) + "\n" + "#" * 12)
    far = [np.abs(RandomExplorer(hold).walk(hall, 200, 20, seed=0)[:, -1]).mean() for hold in (1, 40)]
    assert far[1] > 2 * far[0]


def test_a_run_that_never_got_there_counts_as_its_limit() -> None:
    score = Score("one", 100, [50, -1, 80], [-1, -1, -1])
    assert score.median == 80
    assert "1 not in 100" in score.line() and "3 not in 100" in score.line()


def test_the_ratio_lies_in_its_interval() -> None:
    ratio, low, high = ratio_interval(Score("a", 99, [10, 12, 14], []), Score("b", 99, [40, 48, 60], []), seed=0)
    assert ratio == 0.25 and low < ratio < high and low >= 10 / 60 and high <= 14 / 40


def test_the_picture_has_a_panel_for_every_explorer() -> None:
    visits = np.zeros((32, 32), int)
    visits[8, 8] = 3
    one = Exploration("curiosity", np.linspace(0, 1, 20).reshape(2, 10), visits, "run 0")
    figure = exploration_figure(Map.parse(ROOM), [one, one])
    assert len(figure.axes) == 3 and figure.axes[1].get_title(loc="left") == "run 0"
    assert figure.axes[0].lines[0].get_ydata()[-1] == pytest.approx(100 * np.median([9 / 19, 1]))


def test_the_picture_names_what_it_cannot_draw() -> None:
    with pytest.raises(FigureError, match="at least one"):
        exploration_figure(Map.parse(ROOM), [])
    with pytest.raises(FigureError, match="lost: shares: expected"):
        exploration_figure(Map.parse(ROOM), [Exploration("lost", np.full((1, 3), 1.5), np.ones((4, 4)), "")])


def test_the_script_explores_compares_trains_and_evaluates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "room.txt").write_text(ROOM)
    options = explore.Options(
        str(tmp_path / "room.txt"),
        420,
        1,
        random_runs=2,
        random_factor=2,
        training=20,
        levels=2,
        episodes=5,
        out=tmp_path / "out",
    )
    explore.main(options)
    printed = capsys.readouterr().out
    assert "3 free cells" in printed and "of the steps of the fastest random explorer" in printed
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["curiosity"]["limit"] == 420 and results["random"]["limit"] == 840
    assert results["agent"]["episodes"] == 5 and (tmp_path / "out" / "exploration.png").stat().st_size > 10_000
    assert Agent.load(tmp_path / "out" / "agent").card["rows"] == 421


def test_nothing_to_do_is_one_clear_line() -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        explore.main(explore.Options(steps=0))
