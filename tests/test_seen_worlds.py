"""What the scripts promise of every world that is seen in pictures, and the two rooms among them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hjepa.vision.agent import VisionAgent
from hjepa.vision.reachability import reachability_loss
from hjepa.vision.stack import VisionConfig, VisionStack
from scripts._evaluate_seen import command_line as evaluate_seen
from scripts._rooms_seen import RoomsData, RoomsTrials, training_rooms, trial_rooms
from scripts._seen import SeenTasks, SeenWorld
from scripts._seen_flags import parse
from scripts._seen_worlds import SEEN, seen_world
from scripts._train_seen import command_line as train_seen
from tests.seen_mazes import glancing
from worlds import TwoRoomsTasks, fixed_rooms, rooms_raster

QUICK = ["--train.steps", "2", "--train.batch", "2", "--train.upper-steps", "2", "--train.upper-batch", "2"]


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A very short run in many rooms."""
    folder = tmp_path_factory.mktemp("rooms") / "run"
    train_seen(
        ["two-rooms", "--rooms", "random", "--layouts", "3", "--rows", "900", "--crossing", "0.5", "--out", str(folder)]
        + QUICK
    )
    return folder


@pytest.mark.parametrize("world", SEEN.values(), ids=list(SEEN))
def test_a_world_is_found_and_its_flags_are_read(world: SeenWorld) -> None:
    assert seen_world(["--out", "x", world.name]) is world
    words = ["--train.seed", "7", world.name]
    found = parse(world.name, "", {"data": world.data}, {"experiment": world.experiment}, words)
    assert found.data == world.data
    assert found.experiment == replace(world.experiment, train=replace(world.experiment.train, seed=7))
    words = ["--time-limit", "9", world.name, "--planning.commit", "2"]
    found = parse(world.name, "", {"trials": world.trials}, {"planning": world.planning}, words)
    assert found.trials == replace(world.trials, time_limit=9)  # type: ignore[type-var]
    assert found.planning == replace(world.planning, commit=2)


def test_other_tasks_are_none_of_these() -> None:
    assert seen_world(["ogbench/pointmaze-giant-navigate", "--out", "runs/two"]) is None


@pytest.mark.parametrize("crossing", [0.0, 0.5])
def test_rooms_are_recorded_with_as_many_crossings_as_asked_for(crossing: float) -> None:
    episodes = RoomsData(rows=1800, crossing=crossing).episodes(seed=0, device=torch.device("cpu"))
    side = episodes.states[..., 0] - 32
    passed = (side.amin(1) < -1) & (side.amax(1) > 1)
    assert episodes.actions.shape == (20, 90, 2)
    assert int(passed.sum()) == crossing * 20


def test_what_is_recorded_is_seen_in_colour() -> None:
    episodes = RoomsData("random", 4, 900).episodes(seed=1, device=torch.device("cpu"))
    frames = episodes.camera(episodes.states[:, 0], episodes.layouts)
    rooms = training_rooms("random", 4, 1)
    expected = rooms_raster(rooms, rgb=True)(episodes.states[:, 0], episodes.layouts)
    assert frames.shape == (10, 3, 65, 65) and torch.equal(frames, expected)


def test_the_rooms_of_trials_are_none_of_those_learned_from() -> None:
    card = {"data": {"rooms": "random", "layouts": 500}, "seed": 2}
    known, held_out = training_rooms("random", 500, 2), trial_rooms(card, 600, 2)
    assert not set(zip(known.walls, known.doors, strict=True)) & set(zip(held_out.walls, held_out.doors, strict=True))


def test_each_kind_of_rooms_has_its_rule() -> None:
    assert RoomsTrials().judged == RoomsTrials("apart").judged == "first hit"
    assert RoomsTrials("random").judged == "final" and RoomsTrials("random", rule="first hit").judged == "first hit"
    assert "4.5 pixels after 200" in RoomsTrials("random").protocol and "1.41" in RoomsTrials().protocol


@pytest.mark.parametrize("kind", ["fixed", "random", "apart"])
def test_an_episode_depends_on_its_number_alone(kind: str) -> None:
    card = {"data": {"rooms": "random", "layouts": 5}, "seed": 0}
    (row,) = RoomsTrials(kind, layouts=3).rows(card, seed=4)  # type: ignore[arg-type]
    whole, part = row.tasks(0, 6), row.tasks(4, 2)
    for all_of_them, last_two in zip(whole.reset(), part.reset(), strict=True):
        np.testing.assert_array_equal(all_of_them[4:], last_two)


def test_success_is_the_business_of_the_tasks() -> None:
    rooms = fixed_rooms()
    seen = SeenTasks(TwoRoomsTasks(rooms, 2, seed=0, rule="final", time_limit=2), rooms_raster(rooms, rgb=True))
    seen.reset()
    seen.tasks.world.state[0] = seen.tasks.goals[0].numpy()  # one is there already, which does not count before the end
    _, success = seen.step(np.zeros((2, 2)))
    assert not success.any() and seen.active().all()
    _, success = seen.step(np.zeros((2, 2)))
    assert success.tolist() == [True, False] and not seen.active().any()


def test_rooms_from_the_command_line(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card = VisionAgent.load(run / "agent").card
    assert card["data"] == {"rooms": "random", "layouts": 3, "rows": 900, "crossing": 0.5}
    result = tmp_path / "result.json"
    how = ["--episodes", "3", "--layouts", "2", "--time-limit", "5", "--planning.expansions", "10"]
    evaluate_seen(["two-rooms", "--agent", str(run), "--rooms", "random", *how, "--json", str(result)])
    found = json.loads(result.read_text())
    assert found["rows"][0]["episodes"] == 3 and found["rows"][0]["rule"] == "final" and found["time_limit"] == 5
    assert "2 layouts not learned from" in capsys.readouterr().out


def test_an_agent_is_tried_in_its_own_world(tmp_path: Path) -> None:
    agent = glancing()
    VisionAgent(agent.stack, agent.edges, agent.experiment, agent.card | {"task": "diverse-maze"}).save(tmp_path / "a")
    with pytest.raises(ValueError, match="this agent is for 'diverse-maze', expected one for 'two-rooms'"):
        evaluate_seen(["two-rooms", "--agent", str(tmp_path / "a")])


def test_too_few_rows_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--rows must be at least 90"):
        train_seen(["two-rooms", "--rows", "80", "--out", str(tmp_path)])


def test_places_are_read_around_the_peak_alone() -> None:
    """A faint light all over one side draws the place towards it, unless only what is around the peak has a say."""
    features = torch.zeros(1, 16, 12, 16)
    features[0, 0, 3, 4] = 1.0
    features[0, 0, :, 9:] = 0.75
    read = {}
    for window in (0, 5):
        stack = VisionStack(VisionConfig(window=window))
        with torch.no_grad():
            stack.attention.heads.weight.zero_()
            stack.attention.heads.weight[0, 0] = 1
            stack.attention.heads.bias.zero_()
            read[window] = stack.places(features)[0]
    assert read[0][0] > 8
    torch.testing.assert_close(read[5], torch.tensor([4.0, 3.0]), atol=0.2, rtol=0)


@pytest.mark.parametrize("window", [4, -1])
def test_a_window_without_a_middle_is_refused(window: int) -> None:
    with pytest.raises(ValueError, match=f"window must be an odd number of cells, or 0, not {window}"):
        VisionConfig(window=window)


@pytest.mark.parametrize("shortest", [0.3, 1.0])
def test_false_ways_are_no_shorter_than_asked_for(shortest: float) -> None:
    before, after = torch.zeros(500, 5), torch.zeros(500, 5)
    after[:, 0] = 2.0
    lengths: list[torch.Tensor] = []

    def judge(layouts: torch.Tensor, before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
        lengths.append(after[500:, 0] / 2)
        return after[:, 0]

    generator = torch.Generator().manual_seed(0)
    reachability_loss(judge, torch.zeros(1, 1, 4, 4), before, after, generator, shortest)  # type: ignore[arg-type]
    assert shortest <= lengths[0].min() < shortest + 0.02 and 2.45 < lengths[0].max() <= 2.5
