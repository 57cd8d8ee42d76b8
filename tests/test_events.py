"""Events: found where they are and nowhere else, cut out of the recordings, and without effect where there are none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hjepa.events import EventConfig, cut, find_events
from hjepa.train import TrainConfig, train
from tests.ring_world import QUICK, ROWS, stack_of, walks

TINY = TrainConfig(steps=3, batch=16, pairs=16, memory=500, events=QUICK)


def test_events_are_those_that_happened() -> None:
    data = walks(portal=True)
    x = data.observations[:, 0].reshape(-1, ROWS)
    happened = np.flatnonzero(np.pad((x[:, :-1] > 4).numpy(), ((0, 0), (0, 1))))
    assert len(happened) > 100
    assert find_events(data, QUICK).tolist() == happened.tolist()


def test_a_world_without_surprises_has_no_events() -> None:
    assert not len(find_events(walks(portal=False), QUICK))


def test_few_surprises_are_noise() -> None:
    data = walks(portal=True)
    many = find_events(data, QUICK)
    assert not len(find_events(data, replace(QUICK, least=len(many) + 1)))
    assert not len(find_events(data, replace(QUICK, detect=False)))


def test_no_window_crosses_a_cut() -> None:
    data = walks(portal=True)
    parts = cut(data, find_events(data, QUICK))
    assert int(parts.lengths.sum()) == len(data)
    inside = torch.cat([torch.arange(s, s + n - 1) for s, n in zip(parts.starts, parts.lengths, strict=True)])
    steps = (data.observations[inside + 1] - data.observations[inside]).norm(dim=-1)
    assert float(steps.max()) <= 0.2 * 2**0.5 + 1e-5


def test_where_there_are_no_events_training_is_the_same_bit_for_bit(tmp_path: Path) -> None:
    data, stacks = walks(portal=False), []
    for detect in (True, False):
        stack = stack_of()
        train(stack, data, replace(TINY, events=replace(QUICK, detect=detect)), tmp_path / str(detect), {})
        stacks.append(stack.state_dict())
    assert stacks[0].keys() == stacks[1].keys()
    assert all(torch.equal(stacks[0][name], stacks[1][name]) for name in stacks[0])


def test_where_there_are_events_a_model_of_them_is_trained(tmp_path: Path) -> None:
    stack = stack_of()
    train(stack, walks(portal=True), TINY, tmp_path, {})
    assert stack.jumps is not None
    assert not any(weight.requires_grad for weight in stack.jumps.parameters())


@pytest.mark.parametrize(
    ("name", "value"), [("surprise", 2.0), ("trim", 1.0), ("modes", 0), ("least", 0), ("fit_steps", 0)]
)
def test_settings_that_make_no_sense_are_named(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"events.{name}"):
        replace(EventConfig(), **{name: value})
