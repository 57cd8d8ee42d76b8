"""Agents that see: saved, loaded, acting, and through the scripts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hjepa.agent import Agent
from hjepa.checkpoint import CheckpointError
from hjepa.vision.actor import VisionActor
from hjepa.vision.agent import VisionAgent
from hjepa.vision.planning import VisionPlanning
from hjepa.vision.reachability import EdgeClassifiers
from scripts._evaluate_seen import command_line as evaluate_seen
from scripts._evaluate_seen import look_and_act
from scripts._mazes_seen import held_out, lessons_layouts
from scripts._seen import SeenTasks
from scripts._train_seen import command_line as train_seen
from tests.seen_mazes import glancing
from worlds import DiverseMazeTasks, maze_raster

QUICK = VisionPlanning(samples=8, iterations=1, horizon=4, expansions=20)


def tasks(episodes: int = 3, time_limit: int = 12) -> SeenTasks:
    mazes = held_out("small", 2, 5, lessons_layouts(glancing().card))
    return SeenTasks(DiverseMazeTasks(mazes, episodes, (2, 4), seed=1, time_limit=time_limit), maze_raster(mazes))


def acted(agent: VisionAgent, levels: int, seed: int = 0) -> list[np.ndarray]:
    actor, world = VisionActor(agent, levels, QUICK, seed), tasks()
    frames, goals = world.reset()
    actor.begin(goals)
    done = []
    for _ in range(7):
        done.append(actor.act(frames))
        frames, _ = world.step(done[-1])
    return done


@pytest.mark.parametrize("levels", [1, 2])
def test_what_is_saved_acts_as_before(levels: int, tmp_path: Path) -> None:
    glancing().save(tmp_path / "agent")
    loaded = VisionAgent.load(tmp_path / "agent")
    assert loaded.card == glancing().card and loaded.experiment == glancing().experiment
    for first, second in zip(acted(glancing(), levels), acted(loaded, levels), strict=True):
        np.testing.assert_array_equal(first, second)


def test_other_random_numbers_are_other_plans() -> None:
    assert any((a != b).any() for a, b in zip(acted(glancing(), 2, 0), acted(glancing(), 2, 1), strict=True))


def test_actions_are_no_stronger_than_recorded_ones() -> None:
    for actions in acted(glancing(), 2):
        assert actions.shape == (3, 2) and np.isfinite(actions).all() and (np.abs(actions) <= 1).all()


def test_every_level_is_counted() -> None:
    outcome = look_and_act(VisionActor(glancing(), 2, QUICK), tasks())
    assert outcome.calls > 0 and outcome.expanded[2] > 0 and (outcome.steps <= 12).all()


def test_levels_that_there_are_not() -> None:
    with pytest.raises(ValueError, match="levels must be 1 to 2"):
        VisionActor(glancing(), 3, QUICK)


def test_the_two_kinds_of_agents_are_told_apart(tmp_path: Path) -> None:
    glancing().save(tmp_path / "agent")
    with pytest.raises(CheckpointError, match="'vision' checkpoint, not an agent"):
        Agent.load(tmp_path / "agent")


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    glancing().save(tmp_path / "agent")
    meta = json.loads((tmp_path / "agent" / "meta.json").read_text())
    assert meta["kind"] == "vision"
    other = VisionAgent.load(tmp_path / "agent")
    bad = VisionAgent(other.stack, EdgeClassifiers([]), other.experiment, other.card)
    bad.save(tmp_path / "bad")
    with pytest.raises(CheckpointError, match="do not fit the experiment"):
        VisionAgent.load(tmp_path / "bad")


def test_mazes_of_trials_are_none_of_those_learned_from() -> None:
    known = lessons_layouts(glancing().card)
    assert not known.versions & held_out("small", 10, 3, known).versions


def test_train_and_evaluate_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--size", "small", "--mazes", "2", "--rows", "600", "--out", str(tmp_path / "run")]
    quick = ["--train.steps", "2", "--train.batch", "2", "--train.upper-steps", "2", "--train.upper-batch", "2"]
    practice = ["--train.practice-steps", "1", "--train.pictures", "1"]
    train_seen(["diverse-maze", *small, *quick, *practice])
    result = tmp_path / "result.json"
    where = ["--agent", str(tmp_path / "run"), "--size", "small", "--mazes", "2", "--distances", "2", "4"]
    how = ["--episodes", "3", "--time-limit", "6", "--planning.expansions", "10", "--json", str(result)]
    evaluate_seen(["diverse-maze", *where, *how])
    row = json.loads(result.read_text())["rows"][0]
    assert row["episodes"] == 3 and row["distance"] == [2, 4] and 0 <= row["success_rate"] <= 1
    assert "3 [" in capsys.readouterr().out


def test_a_finished_run_is_not_lost(tmp_path: Path) -> None:
    glancing().save(tmp_path / "agent")
    with pytest.raises(ValueError, match="a finished run is here"):
        train_seen(["diverse-maze", "--size", "small", "--mazes", "2", "--rows", "600", "--out", str(tmp_path)])


def test_too_few_rows_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--rows must be at least 2500"):
        train_seen(["diverse-maze", "--rows", "10", "--out", str(tmp_path)])
