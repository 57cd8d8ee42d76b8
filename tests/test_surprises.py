"""The memory of surprises: what counts as one, when a front is believed, and what takes it back."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from hjepa.known_map import KnownMap, map_agent
from hjepa.surprises import BELIEF, MOST, REACH, Prediction, SurpriseError, Surprises

SPEED = 0.2  # world units per world step: places times five are in world steps


@pytest.fixture(scope="module")
def stack() -> KnownMap:
    """A model that knows of no wall within a large hall."""
    walls = torch.nn.functional.pad(torch.zeros(10, 10), (1, 1, 1, 1), value=1.0).bool().numpy()
    model = map_agent(walls, (-4.0, -4.0), 4.0, levels=1, speed=SPEED).stack
    assert isinstance(model, KnownMap)
    return model


def places(*steps: tuple[float, float]) -> Tensor:
    """Places in world steps from the middle of the hall, as observations."""
    return 20.0 + SPEED * torch.tensor(steps)


def points(*steps: tuple[float, float]) -> Tensor:
    """The same in level 1's critic space."""
    return places(*steps) / SPEED


def step(
    stack: KnownMap, begin: tuple[float, float], action: tuple[float, float], end: tuple[float, float]
) -> Prediction:
    return Prediction.of(stack, places(begin), torch.tensor([action]), places(end))


def bumps(stack: KnownMap, count: int, y: float = 0.0, action: tuple[float, float] = (1.0, 0.0)) -> Surprises:
    """A wall at x = 0, met by so many steps to the right."""
    memory = Surprises.empty(stack, 0.5)
    for _ in range(count):
        prediction = step(stack, (0.0, y), action, (0.0, y))
        memory = memory.bumped(prediction.fronts(memory.threshold, memory.stopped(prediction)))
    return memory


@pytest.mark.parametrize(
    ("end", "stopped"),
    [
        pytest.param((0.0, 0.0), True, id="not a step"),
        pytest.param((0.4, 0.0), True, id="less than half a step"),
        pytest.param((0.6, 0.0), False, id="more than half a step"),
        pytest.param((1.0, 0.0), False, id="as predicted"),
        pytest.param((1.8, 0.0), False, id="further than predicted"),
        pytest.param((40.0, 9.0), False, id="a jump"),
        pytest.param((-30.0, 0.0), False, id="a jump back"),
    ],
)
def test_a_surprise_is_a_step_that_falls_short(stack: KnownMap, end: tuple[float, float], stopped: bool) -> None:
    memory = Surprises.empty(stack, 0.5)
    assert memory.stopped(step(stack, (0.0, 0.0), (1.0, 0.0), end)).tolist() == [stopped]


def test_the_threshold_is_a_quantile_of_recorded_errors(stack: KnownMap) -> None:
    begin, actions = places(*[(0.0, 0.0)] * 101), torch.tensor([[1.0, 0.0]] * 101)
    ends = places(*[(1.0 + 0.01 * k, 0.0) for k in range(101)])  # wrong by 0, 0.01, ..., 1 steps
    memory = Surprises.calibrated(stack, begin, actions, ends, quantile=0.9)
    assert float(memory.threshold) == pytest.approx(0.9, abs=1e-4)
    assert len(memory) == 0


def test_a_front_is_believed_after_a_few_bumps_and_they_are_not_counted_for_ever(stack: KnownMap) -> None:
    assert len(bumps(stack, int(BELIEF) - 1).believed) == 0
    memory = bumps(stack, 50)
    assert len(memory) == len(memory.believed) == 1
    assert memory.evidence.tolist() == [MOST]
    assert torch.allclose(memory.places, points((1.0, 0.0)))  # where it should have been
    assert torch.allclose(memory.headings, torch.tensor([[1.0, 0.0]]))


def test_bumps_elsewhere_or_another_way_are_other_fronts(stack: KnownMap) -> None:
    memory = bumps(stack, 1).bumped(bumps(stack, 1, y=3.0))
    assert memory.evidence.tolist() == [2.0]
    memory = memory.bumped(bumps(stack, 1, y=9.0)).bumped(bumps(stack, 1, action=(0.0, 1.0)))
    assert memory.evidence.tolist() == [2.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("begin", "end", "aside"),
    [
        ((-3.0, 0.0), (5.0, 0.0), 0.0),
        ((5.0, 2.0), (-3.0, 2.0), 2.0),  # from behind
        ((-3.0, 0.0), (5.0, 8.0), 4.0),  # across
        ((-3.0, REACH + 1), (5.0, REACH + 1), torch.inf),  # beside it
        ((-3.0, 0.0), (0.5, 0.0), torch.inf),  # not as far
        ((0.5, -5.0), (0.5, 5.0), torch.inf),  # along it
    ],
)
def test_ways_cross_a_front_within_its_reach(
    stack: KnownMap, begin: tuple[float, float], end: tuple[float, float], aside: float
) -> None:
    found = bumps(stack, 3).crossings(points(begin), points(end))
    assert float(found) == pytest.approx(aside, abs=1e-4)


def test_a_bump_makes_an_old_front_new_again(stack: KnownMap) -> None:
    memory = bumps(stack, 3).bumped(bumps(stack, 3, y=20.0)).older().older()
    assert memory.age.tolist() == [2.0, 2.0]
    assert memory.bumped(bumps(stack, 1)).age.tolist() == [0.0, 2.0]


def test_a_passage_casts_doubt_and_a_second_one_is_the_end(stack: KnownMap) -> None:
    memory = bumps(stack, 50).passed(points((0.5, 1.0)), points((1.5, 1.0)))
    assert len(memory) == 1 and len(memory.believed) == 0
    assert len(memory.passed(points((1.5, 1.0)), points((0.5, 1.0)))) == 0
    assert memory.bumped(bumps(stack, 1)).believed.evidence.tolist() == [3.0]  # a single bump is enough by then


def test_a_passage_beside_the_middle_shrinks_a_front(stack: KnownMap) -> None:
    memory = bumps(stack, 5).passed(points((0.5, 6.0)), points((1.5, 6.0)))
    assert len(memory.believed) == 1
    assert 4.0 < float(memory.reach) < 6.0
    assert not torch.isfinite(memory.crossings(points((0.5, 6.0)), points((1.5, 6.0)))).any()


def test_walks_elsewhere_change_nothing(stack: KnownMap) -> None:
    memory = bumps(stack, 5)
    assert memory.passed(points((-9.0, 0.0), (3.0, 0.0)), points((-8.0, 0.0), (4.0, 0.0))) is memory


def test_what_is_just_behind_a_front(stack: KnownMap) -> None:
    asked = points((0.5, 0.0), (2.0, 0.0), (2.0, REACH + 1), (15.0, 0.0))
    assert bumps(stack, 3).behind(asked, depth=10.0).tolist() == [False, True, False, False]


def test_it_comes_back_as_it_was_saved(stack: KnownMap) -> None:
    memory = bumps(stack, 2).bumped(bumps(stack, 4, y=20.0))
    again = Surprises.from_state(memory.state(), stack)
    for name, value in vars(memory).items():
        assert torch.equal(getattr(again, name), value), name


def test_what_makes_no_sense_is_refused(stack: KnownMap) -> None:
    with pytest.raises(SurpriseError, match="threshold must be a positive"):
        Surprises.empty(stack, float("nan"))
    with pytest.raises(SurpriseError, match="quantile in 0..1"):
        Surprises.calibrated(stack, places((0.0, 0.0)), torch.ones(1, 2), places((1.0, 0.0)), quantile=1.0)
    state = bumps(stack, 1).state()
    with pytest.raises(SurpriseError, match="places of shape"):
        Surprises.from_state({**state, "places": torch.zeros(1, 7)}, stack)
    with pytest.raises(SurpriseError, match="surprises hold"):
        Surprises.from_state({name: value for name, value in state.items() if name != "reach"}, stack)


def test_several_steps_at_once_are_the_same_as_one_after_the_other(stack: KnownMap) -> None:
    memory = Surprises.empty(stack, 0.5)
    begin = places((0.0, 0.0), (0.0, 20.0), (9.0, 9.0))
    prediction = Prediction.of(stack, begin, torch.tensor([[1.0, 0.0]] * 3), begin)
    together = memory.bumped(prediction.fronts(memory.threshold, torch.ones(3, dtype=torch.bool)))
    single = memory
    for number in range(3):
        chosen = torch.arange(3) == number
        single = single.bumped(prediction.fronts(memory.threshold, chosen))
    assert len(together) == 3
    assert all(torch.equal(value, getattr(single, name)) for name, value in vars(together).items())
    assert len(replace(memory).believed) == 0
