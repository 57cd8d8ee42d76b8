"""scripts/evaluate.py probe, and pictures of what it found and of an episode."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hjepa.vision.actor import VisionActor
from hjepa.vision.planning import VisionPlanning
from scripts import evaluate
from scripts._probe_data import look
from scripts._probe_seen import command_line
from scripts._seen import SeenTasks
from scripts._seen_figure import draw_episode, record
from tests.seen_mazes import glancing, recorded
from tests.test_oracle_seen import seen
from viz.imagined import Curve, Strip, imagined_figure
from viz.seen import Picture
from worlds import TwoRoomsTasks, fixed_rooms, rooms_raster
from worlds.maps import Map

QUICK = VisionPlanning(samples=8, iterations=1, horizon=4, expansions=20)


def width_of(path: Path) -> int:
    with Image.open(path) as image:
        return image.size[0]


def test_the_truth_is_what_the_camera_shows() -> None:
    sight = look(glancing().stack, recorded(), 30, seed=0)
    assert sight.walls.shape == (30, 16, 16) and sight.others is None and set(sight.groups.tolist()) == {0, 1}
    assert sight.walls[:, 0].all() and not sight.walls[:, 4:12].all(2).all(1).any()
    cell = ((sight.places + 1) * 2).long()  # a ring of one cell is shown, and each cell is two cells of features
    assert not sight.walls[torch.arange(30), cell[:, 1], cell[:, 0]].any()
    assert (sight.velocities.norm(dim=1) < 0.21).all() and sight.velocities.any()


def test_probe_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    glancing().save(tmp_path / "agent")
    few = ["--frames", "24", "--walks", "3", "--episodes", "0", "--decoder", "2", "--steps", "2", "--seed", "3"]
    command_line(["probe", "--agent", str(tmp_path / "agent"), "--out", str(tmp_path), "--size", "small", *few])
    found = json.loads((tmp_path / "probe.json").read_text())
    assert set(found["place (R2)"]) == {"features", "state, all levels", "level 1 layout", "level 2 layout"}
    assert set(found["walls (balanced accuracy)"]) == {"features", "level 1 layout", "level 2 layout"}
    assert [one["steps"] for one in found["imagined against actual"]["2"]] == list(range(5, 41, 5))
    assert width_of(tmp_path / "imagined.png") == 1800
    assert "effective rank" in capsys.readouterr().out and "probe --agent" in (evaluate.__doc__ or "")


def test_an_episode_is_recorded_as_it_was() -> None:
    found = record(VisionActor(glancing(), 2, QUICK), seen(12), "title")
    episode = found.episode
    assert len(episode.observations) == 13 and not episode.success and episode.title == "title"
    np.testing.assert_allclose(episode.observations[-1], 4 * seen(12).tasks.states()[0, :2].numpy() - 6, atol=1e-5)
    assert [decision.step for decision in episode.decisions] == [0, 4, 8]
    assert [len(decision.levels) for decision in episode.decisions] == [2] * 3
    assert isinstance(found.ground, Map) and found.ground.cells.shape == (6, 6)
    assert found.first.shape == found.goal.shape == (3, 65, 65)


def test_worlds_that_are_no_mazes_are_drawn_as_they_are_seen(tmp_path: Path) -> None:
    rooms = fixed_rooms()
    tasks = SeenTasks(TwoRoomsTasks(rooms, 1, 0, "first hit", 5), rooms_raster(rooms, rgb=True))
    found = record(VisionActor(glancing(), 2, QUICK), tasks, "title")
    assert isinstance(found.ground, Picture) and found.ground.image.shape == (65, 65, 3)
    np.testing.assert_allclose(found.episode.goal, tasks.tasks.goals[0])
    extent = found.ground.extent
    assert (np.abs(found.episode.observations) < 65).all() and extent.width == extent.height == 65
    assert width_of(draw_episode(VisionActor(glancing(), 2, QUICK), tasks, "title", tmp_path / "rooms.png")) == 1800
    with pytest.raises(ValueError, match="expected a file ending in .png, .svg, .pdf$"):
        draw_episode(VisionActor(glancing(), 2, QUICK), tasks, "title", tmp_path / "rooms.gif")


@pytest.mark.parametrize("suffix", ["png", "gif"])
def test_an_episode_is_drawn(suffix: str, tmp_path: Path) -> None:
    path = draw_episode(VisionActor(glancing(), 2, QUICK), seen(12), "title", tmp_path / f"episode.{suffix}")
    assert width_of(path) == {"png": 1800, "gif": 640}[suffix]


def test_other_files_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a file ending in .png, .svg, .pdf, .gif"):
        draw_episode(VisionActor(glancing(), 2, QUICK), seen(12), "title", tmp_path / "episode.bmp")


def test_levels_have_rows_and_curves_of_their_own() -> None:
    frame, rings = np.zeros((8, 8, 3), np.uint8), {0: (1, 1), 10: (2, 2)}
    strips = [Strip("seen", 0, {0: frame, 10: frame}, rings), Strip("level 2", 2, {10: frame}, rings)]
    figure = imagined_figure(strips, [Curve(2, [10], [1.0], [0.5], [1.5])], "cells", "title")
    assert len(figure.axes) == 2 * 2 + 1
    assert sum(len(ax.images) for ax in figure.axes) == 3
    assert [line.get_xdata()[0] for line in figure.axes[3].lines] == [2]
