"""What is looked at in training, and runs that resume."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hjepa.checkpoint import CheckpointError
from hjepa.vision.recordings import Episodes, glimpses
from hjepa.vision.stack import VisionStack
from hjepa.vision.traces import chunk, trace
from hjepa.vision.train import VisionTrainer, fit_codes, train_vision
from tests.seen_mazes import STACK, TRAINING, recorded


def clock(episodes: int = 5, steps: int = 12) -> Episodes:
    """Pictures that show which episode it is, and when."""
    states = torch.stack(torch.meshgrid(torch.arange(episodes), torch.arange(steps + 1), indexing="ij"), -1).float()
    actions = states[:, :-1].clone()

    def camera(seen: torch.Tensor, layouts: torch.Tensor) -> torch.Tensor:
        assert (seen[:, 0] == layouts).all()
        return seen[:, :, None, None].expand(-1, -1, 2, 2)

    return Episodes(states, actions, torch.arange(episodes), camera)


@pytest.mark.parametrize(("stride", "count"), [(1, 4), (3, 2), (5, 2)])
def test_glimpses_are_of_the_times_that_they_say(stride: int, count: int) -> None:
    seen = glimpses(clock(), seed=0, step=7, batch=6, stride=stride, count=count)
    shown = seen.frames[..., 0, 0]
    now, before = shown[:, seen.now], shown[:, seen.before]
    assert (shown[..., 0] == shown[:, :1, 0]).all()
    assert (now[..., 1] - before[..., 1] == 1).all()
    assert (now[:, 1:, 1] - now[:, :-1, 1] == stride).all()
    assert seen.actions.shape == (6, stride * count, 2)
    assert (seen.actions[:, 0] == now[:, 0]).all()


def test_what_is_looked_at_is_a_function_of_seed_and_step() -> None:
    first, again, other = (glimpses(clock(), 0, step, 6, 1, 4) for step in (3, 3, 4))
    assert (first.frames == again.frames).all() and not (first.frames == other.frames).all()


def test_episodes_that_are_too_short_are_refused_in_one_line() -> None:
    with pytest.raises(ValueError, match="too short for windows of 12"):
        glimpses(clock(steps=12), 0, 0, 2, 6, 2)


def test_arrays_that_do_not_fit_are_refused() -> None:
    good = clock()
    with pytest.raises(ValueError, match="do not fit"):
        Episodes(good.states[:, 1:], good.actions, good.layouts, good.camera)


def test_traces_are_what_perception_sees() -> None:
    torch.manual_seed(0)
    stack, episodes = VisionStack(STACK), recorded()
    traces = trace(stack, episodes, 4)
    assert traces.places.shape == (4, episodes.steps + 1, 2)
    seen = chunk(stack, traces, seed=0, step=1, batch=3, stride=5, count=2)
    assert seen.states.shape == (3, 3, 5) and seen.actions.shape == (3, 10, 2)
    assert seen.states[..., 4].tolist() == [[0.0] * 3, [1.0] * 3, [2.0] * 3]
    with torch.no_grad():
        seen_there = traces.episodes.camera(traces.episodes.states[2, 9:10], traces.episodes.layouts[2:3])
        place = stack.places(stack.backbone(seen_there))
    torch.testing.assert_close(traces.places[2, 9], place[0], atol=1e-4, rtol=1e-4)


def test_levels_above_learn_from_every_layout() -> None:
    """Episodes are recorded layout by layout: the first ones would all be of one."""
    episodes = recorded()
    few = trace(VisionStack(STACK), episodes, len(episodes.layouts.unique())).episodes
    assert few.layouts.sort().values.tolist() == episodes.layouts.unique().tolist()


def test_every_parameter_learns() -> None:
    trainer = VisionTrainer(STACK, recorded(), TRAINING)
    before = {name: weight.clone() for name, weight in trainer.network.named_parameters()}
    for _ in range(TRAINING.total):
        trainer.update()
    same = [name for name, weight in trainer.network.named_parameters() if torch.equal(weight, before[name])]
    assert not same


def test_edges_can_be_learned_from_more_of_each_window() -> None:
    found = []
    for ways in (1, 2):
        trainer = VisionTrainer(STACK, recorded(), replace(TRAINING, ways=ways))
        trainer.step = TRAINING.steps
        found.append(trainer.update())
    assert found[0]["edges/2"] != found[1]["edges/2"]
    assert found[0]["predict/2"] == found[1]["predict/2"]


@pytest.mark.parametrize("stop", [2, 6])
def test_a_resumed_run_is_bit_identical(stop: int, tmp_path: Path) -> None:
    whole = train_vision(STACK, recorded(), TRAINING, tmp_path / "whole", {"run": 1})

    def interrupt(step: int, metrics: dict[str, float]) -> None:
        if step == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_vision(STACK, recorded(), TRAINING, tmp_path / "part", {"run": 1}, progress=interrupt)
    resumed = train_vision(STACK, recorded(), TRAINING, tmp_path / "part", {"run": 1}, resume=True)
    for name, weight in whole.network.state_dict().items():
        assert torch.equal(weight, resumed.network.state_dict()[name]), name


def test_another_experiment_is_not_resumed(tmp_path: Path) -> None:
    train_vision(STACK, recorded(), TRAINING, tmp_path, {"run": 1})
    with pytest.raises(CheckpointError, match="run differs"):
        train_vision(STACK, recorded(), TRAINING, tmp_path, {"run": 2}, resume=True)


def test_codes_are_within_what_was_recorded() -> None:
    torch.manual_seed(0)
    stack, actions = VisionStack(STACK), recorded().actions
    with torch.no_grad():
        fit_codes(stack, actions, seed=0)
        found = stack.macro_actions(actions, 2).flatten(0, 1)
    level = stack.level(2)
    low, high = level.support
    assert ((level.codebook >= low) & (level.codebook <= high)).all() and (low > found.amin(0)).all()
    assert len(level.codebook.unique(dim=0)) == len(level.codebook)
