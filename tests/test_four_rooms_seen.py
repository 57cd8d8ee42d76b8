"""Four Rooms seen in pictures: its recordings, its trials, and what probes tell of doors and distractors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from hjepa.vision.latents import Latents
from scripts._evaluate_seen import command_line as evaluate_seen
from scripts._four_rooms_seen import FOUR_ROOMS, FourRoomsData, FourRoomsTrials
from scripts._probe_data import Sight
from scripts._probe_four_rooms import controls, doors, imprints
from scripts._probe_tables import distractors
from scripts._train_seen import command_line as train_seen
from worlds.draw import AGENT
from worlds.four_rooms_data import OTHERS

QUICK = ["--train.steps", "2", "--train.batch", "2", "--train.upper-steps", "2", "--train.upper-batch", "2"]


def shows(frames: torch.Tensor, colour: tuple[float, ...]) -> torch.Tensor:
    """[N] whether a pixel of [N, 3, H, W] frames has a colour."""
    apart = frames.float() - torch.tensor(colour, dtype=torch.float32).view(3, 1, 1)
    return (apart.abs().amax(1) < 2).flatten(1).any(1)


@pytest.mark.parametrize("pixels", [224, 56])
def test_recordings_are_drawn_at_the_size_that_was_asked_for(pixels: int) -> None:
    episodes = FourRoomsData(pixels=pixels, rows=420).episodes(seed=0, device=torch.device("cpu"))
    frames = episodes.camera(episodes.states[:, 0], episodes.layouts)
    assert episodes.actions.shape == (2, 210, 2) and frames.shape == (2, 3, pixels, pixels)
    assert FOUR_ROOMS.data == FourRoomsData(pixels=28 * FOUR_ROOMS.experiment.stack.patch)


def test_less_than_an_episode_is_refused() -> None:
    with pytest.raises(ValueError, match="--rows must be at least 210"):
        FourRoomsData(rows=100).episodes(seed=0, device=torch.device("cpu"))


def test_an_actor_sees_distractors_and_is_shown_its_goal_without() -> None:
    row = FourRoomsTrials().rows({"data": {"pixels": 224}}, seed=3)[0]
    frames, goals = (torch.from_numpy(part) for part in row.tasks(0, 20).reset())
    assert shows(frames, AGENT).all() and shows(goals, AGENT).all()
    assert 10 <= int(shows(frames, OTHERS).sum()) < 20  # one in six has none
    assert not shows(goals, OTHERS).any()


def test_episodes_are_the_same_however_many_are_run_together() -> None:
    row = FourRoomsTrials().rows({"data": {"pixels": 56}}, seed=3)[0]
    together, alone = row.tasks(0, 6).reset(), row.tasks(4, 2).reset()
    for part, other in zip(together, alone, strict=True):
        assert (part[4:] == other).all()


def sight(seed: int) -> Sight:
    """Features show doors and distractors, the layout doors alone."""
    generator = torch.Generator().manual_seed(seed)
    layouts = torch.randint(16, (240,), generator=generator)
    others = torch.rand(240, 5, 5, generator=generator) < 0.1
    closed = (layouts[:, None] >> torch.arange(4) & 1).float()[:, :, None, None].expand(-1, -1, 5, 5)
    features = torch.cat([closed, 2.0 * others.unsqueeze(1)], 1)
    state = torch.randn(240, 5, generator=generator)
    made = Latents(features, state[:, :2], state, None, {1: features, 2: closed.clone()})
    return Sight(features, made, state[:, :2], state[:, 2:4], others, others, layouts)


def test_doors_are_told_from_maps_that_show_them_and_not_from_others() -> None:
    table = doors(sight(0), sight(1))
    assert table["level 2 layout"]["linear"].value == 1
    assert table["state, all levels"]["linear"].value < 0.6


def test_imprints_are_of_maps_that_distractors_change() -> None:
    table = imprints(sight(0))
    assert table["level 2 layout"]["imprint"].value == table["level 2 layout"]["changed"].value == 0
    assert table["level 1 layout"]["changed"].value == 1
    found = table["level 1 layout"]["imprint"]
    spread = float(sight(0).latents.features.var((0, 2, 3)).sum())
    assert found.value == pytest.approx(4 / spread, rel=1e-5) and found.low <= found.value <= found.high


def test_chance_is_what_maps_tell_of_distractors_without_showing_them() -> None:
    table, chance = (told(sight(0), sight(1), 40) for told in (distractors, controls))
    assert table["level 1 layout"]["linear"].value == 1
    for name in ("level 1 layout", "level 2 layout"):
        assert chance[name]["linear"].value == pytest.approx(0.5, abs=0.06)


def test_chance_is_above_one_half_where_distractors_keep_off_walls() -> None:
    generator = torch.Generator().manual_seed(0)
    walls = torch.zeros(60, 5, 5).bool()
    walls[:, :, :2] = True
    others = ~walls & (torch.rand(60, 5, 5, generator=generator) < 0.2)
    maps = {2: walls.float().unsqueeze(1)}
    state = torch.zeros(60, 5)
    made = Sight(maps[2], Latents(maps[2], state[:, :2], state, None, maps), state, state, walls, others,
                 torch.arange(60) % 4)  # fmt: skip
    told = controls(made, made, 40)["level 2 layout"]["linear"].value
    hits, rejections = 1.0, float((walls & ~others).sum() / (~others).sum())
    assert told == pytest.approx((hits + rejections) / 2, abs=1e-5)


def test_train_and_evaluate_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, result = tmp_path / "run", tmp_path / "result.json"
    small = ["--pixels", "56", "--stack.patch", "2", "--rows", "630", "--out", str(run), "--train.traced", "2"]
    train_seen(["four-rooms", *small, *QUICK])
    how = ["--time-limit", "4", "--planning.expansions", "10", "--episodes", "3", "--json", str(result)]
    evaluate_seen(["four-rooms", "--agent", str(run), *how])
    found = json.loads(result.read_text())
    assert found["task"] == "four-rooms" and found["rows"][0]["episodes"] == 3
    assert "two rooms away" in capsys.readouterr().out
