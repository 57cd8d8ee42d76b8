"""Curiosity: what counts as new, what is refuted, and an agent that explores a small world from nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from hjepa.agent import Agent
from hjepa.curiosity import LIGHT, CuriosityConfig, Diary, Explorer, View, learn
from hjepa.interest import Interest, headings
from planners.landmarks import LandmarkGraph

Points = np.ndarray
SPEED = 0.2


def corridor(length: float = 12.0, width: float = 1.0) -> Callable[[Points], Points]:
    """An L: a corridor along x, and at its end another one along y."""
    here = np.zeros(2, np.float32)

    def free(place: Points) -> bool:
        along = 0 <= place[0] <= length and abs(place[1]) <= width
        across = length - 2 * width <= place[0] <= length and -width <= place[1] <= length
        return bool(along or across)

    def step(action: Points) -> Points:
        assert action.shape == (2,) and (np.abs(action) <= 1).all()
        for axis in (0, 1):
            tried = here.copy()
            tried[axis] += SPEED * action[axis]
            if free(tried):
                here[:] = tried
        return here.copy()

    return step


QUICK = replace(LIGHT, train=replace(LIGHT.train, steps=60, batch=64, pairs=128))
BRIEF = replace(LIGHT, train=replace(LIGHT.train, steps=20, batch=32, pairs=64))
FEW = CuriosityConfig(babble=200, round=300, growth=0.5, headings=8)


@pytest.fixture(scope="module")
def explorer() -> Explorer:
    torch.set_num_threads(1)
    found = Explorer(corridor(), np.zeros(2, np.float32), 2, FEW, QUICK, seed=1)
    found.run(800)
    return found


@pytest.fixture(scope="module")
def interest(explorer: Explorer) -> Interest:
    assert explorer.agent is not None
    found = Interest(explorer.agent.stack, explorer._headings, 20, 0.3)
    found.recall(explorer.diary.since(0), torch.from_numpy(np.stack(explorer.diary.actions)))
    return found


def test_headings_are_as_fast_as_can_be_and_differ() -> None:
    drawn = headings(3, 10, torch.Generator().manual_seed(0))
    assert torch.allclose(drawn.abs().amax(-1), torch.ones(10))
    assert len(torch.unique(drawn, dim=0)) == 10


def test_what_was_seen_is_not_new(interest: Interest, explorer: Explorer) -> None:
    seen = interest.place(explorer.diary.since(0))
    assert interest.gains(seen, interest.SPACING + 0.01).max() == 0
    beyond = seen[-1] + 50 * torch.nn.functional.normalize(torch.ones(seen.shape[-1]), dim=0)
    assert interest.gains(beyond[None], 5.0)[0] > 0


def test_a_wider_net_expects_less(interest: Interest, explorer: Explorer) -> None:
    landings = interest.imagine(explorer.diary.since(0)[::50])
    assert (interest.gains(landings, 10.0) <= interest.gains(landings, 2.0)).all()


def test_a_refuted_place_is_discounted_and_its_neighbours_with_it(interest: Interest) -> None:
    interest.doubt([])
    landing = interest.seen[0] + 40.0
    before = interest.gains(landing[None], 5.0)[0]
    interest.refute(landing)
    assert interest.gains(landing[None], 5.0)[0] == pytest.approx(float(0.3 * before), rel=1e-5)
    near, far = landing.clone(), landing.clone()
    near[0] += 4.0
    far[0] += 6.0
    first = interest.gains(torch.stack([near, far]), 5.0)
    interest.doubt([])
    ratio = first / interest.gains(torch.stack([near, far]), 5.0)
    assert ratio.tolist() == pytest.approx([0.3, 1.0], rel=1e-5)


def test_an_action_is_imagined_to_do_what_it_does(interest: Interest) -> None:
    """From the middle of the first corridor, going on leads on; against its wall, the free view goes through."""
    start, along, aside = torch.tensor([[5.0, 0.0]]), torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, -1.0]])
    there = interest.place(torch.tensor([9.0, 0.0]))
    assert torch.linalg.vector_norm(interest.imagine(start, along)[0, 0] - there) < 8
    interest.free = True
    through = interest.imagine(start, aside)[0, 0]
    interest.free = False
    assert interest.gains(through[None], 2.0)[0] > 2


def test_it_goes_round_the_corner(explorer: Explorer) -> None:
    """The end of the second corridor is 110 straight steps away; it is never reset, and nobody told it."""
    seen = np.stack(explorer.diary.observations)
    assert seen[:, 1].max() > 11
    assert (np.abs(np.diff(seen, axis=0)) <= SPEED + 1e-5).all()


def test_the_diary_tells_what_was_done(explorer: Explorer) -> None:
    diary = explorer.diary
    assert len(diary) == 800 == len(diary.doing) == len(diary.observations) - 1
    assert diary.doing[:200] == ["babble"] * 200 and "probe" in diary.doing and "travel" in diary.doing
    assert diary.rounds[:2] == [200, *[step for step in diary.rounds[1:2] if step >= 500]]
    rows = diary.trajectories()
    assert len(rows) == 801 and rows.lengths.tolist() == [801]


def test_equal_seeds_explore_alike() -> None:
    first, second = (Explorer(corridor(), np.zeros(2, np.float32), 2, FEW, BRIEF, seed=2) for _ in range(2))
    for one in (first, second):
        one.run(260)
    assert np.array_equal(np.stack(first.diary.observations), np.stack(second.diary.observations))
    assert isinstance(first.agent, Agent) and isinstance(first.agent.graphs[2], LandmarkGraph)


def test_run_goes_on_where_it_stopped() -> None:
    one = Explorer(corridor(), np.zeros(2, np.float32), 2, FEW, BRIEF, seed=3)
    one.run(120)
    assert one.agent is None and set(one.diary.doing) == {"babble"}
    one.run(90)
    assert one.agent is not None and one.diary.doing.index("probe") == 200 and len(one.diary) == 210


def test_where_nothing_is_new_it_practises() -> None:
    config = replace(FEW, worthwhile=100.0)  # nothing is
    one = Explorer(corridor(3.0), np.zeros(2, np.float32), 2, config, BRIEF, seed=0)
    one.run(400)
    assert "practise" in one.diary.doing and not {"probe", "travel"} & set(one.diary.doing)


def test_a_view_wider_than_what_is_imagined_is_one_clear_line() -> None:
    with pytest.raises(ValueError, match="views: a radius of 20 must be less than hold, 20"):
        CuriosityConfig(views=(View(10.0), View(20.0)))


def test_learning_from_too_little_is_one_clear_line() -> None:
    diary = Diary([np.zeros(2, np.float32)] * 6, [np.zeros(2, np.float32)] * 5)
    with pytest.raises(ValueError, match="windows of 30 actions need an episode of 31 rows; the longest has 6"):
        learn(diary.trajectories(), QUICK)
