"""Curiosity: landmarks and ways, and an agent that explores small worlds from nothing, seen in any way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from hjepa.curiosity import CuriosityConfig, Explorer, Landmarks

Points = np.ndarray
SPEED = 0.2
START = np.zeros(2, np.float32)
PLAIN = np.eye(2)


def ell(place: Points, length: float = 12.0, width: float = 1.3) -> bool:
    """An L: a corridor along x, and at its end another one along y."""
    x, y = place
    along = -width <= x <= length and abs(y) <= width
    return bool(along or (length - 2 * width <= x <= length and -width <= y <= length))


def box(place: Points) -> bool:
    """A cell without a door."""
    return bool((np.abs(place) <= 1.3).all())


def world(free: Callable[[Points], bool], view: Points = PLAIN) -> Callable[[Points], Points]:
    """A point among walls that slides along them, seen through a [2, O] linear view."""
    here = np.zeros(2)

    def step(action: Points) -> Points:
        assert action.shape == (2,) and (np.abs(action) <= 1).all()
        for axis in (0, 1):
            tried = here.copy()
            tried[axis] += SPEED * action[axis]
            if free(tried):
                here[:] = tried
        return (here @ view).astype(np.float32)

    return step


def explore(free: Callable[[Points], bool], steps: int, seed: int = 0, view: Points = PLAIN) -> Explorer:
    explorer = Explorer(world(free, view), np.zeros(view.shape[1], np.float32), 2, seed=seed)
    explorer.run(steps)
    return explorer


@pytest.fixture(scope="module")
def explorer() -> Explorer:
    return explore(ell, 2500)


def test_it_goes_round_the_corner(explorer: Explorer) -> None:
    """The end of the second corridor is 110 straight steps away; it is never reset, and nobody told it."""
    seen = np.stack(explorer.diary.observations)
    reached = int(np.flatnonzero(seen[:, 1] > 11)[0])
    assert reached < 500
    assert (np.abs(np.diff(seen, axis=0)) <= SPEED + 1e-5).all()


@pytest.mark.parametrize("view", [np.array([[0.6, -8.0], [8.0, 0.6]]), np.array([[1.0, 0.3, 2.0], [0.2, -1.0, 1.0]])])
def test_what_the_numbers_mean_does_not_matter(explorer: Explorer, view: Points) -> None:
    """Turned, magnified or told by three numbers, the world is explored in the very same steps."""
    other = explore(ell, 300, view=view)
    plain = np.stack(explorer.diary.observations)[:301] @ view
    assert np.stack(other.diary.observations) == pytest.approx(plain, abs=1e-2)


def test_the_diary_tells_what_was_done(explorer: Explorer) -> None:
    diary = explorer.diary
    assert len(diary) == 2500 == len(diary.doing) == len(diary.observations) - 1
    assert diary.doing[:100] == ["babble"] * 100 and {"probe", "travel", "practise"} <= set(diary.doing)
    rows = diary.trajectories()
    assert len(rows) == 2501 and rows.lengths.tolist() == [2501]
    assert np.array_equal(rows.observations[7], diary.observations[7])


def test_once_nothing_is_unknown_it_looks_closer_and_then_practises(explorer: Explorer) -> None:
    config = explorer.config
    assert explorer.radius == pytest.approx(config.radius * config.closer ** (config.looks - 1))
    assert explorer.diary.doing[-1] == "practise"


def test_practice_goes_to_both_ends(explorer: Explorer) -> None:
    practised = np.array([what == "practise" for what in explorer.diary.doing])
    seen = np.stack(explorer.diary.observations)[1:][practised]
    assert seen[:, 1].max() > 8 and seen[:, 0].min() < 4


def test_a_cell_without_a_door_is_no_trap() -> None:
    explorer = explore(box, 900)
    assert len(explorer.diary) == 900 and not len(explorer.frontier.places)


def test_equal_seeds_explore_alike() -> None:
    first, second, third = (explore(ell, 260, seed) for seed in (2, 2, 3))
    assert np.array_equal(np.stack(first.diary.observations), np.stack(second.diary.observations))
    assert not np.array_equal(np.stack(first.diary.observations), np.stack(third.diary.observations))


def test_run_goes_on_where_it_stopped() -> None:
    one = Explorer(world(ell), START, 2, seed=3)
    one.run(60)
    assert one.latent is None and set(one.diary.doing) == {"babble"}
    one.run(60)
    assert one.latent is not None and "probe" in one.diary.doing[100:] and len(one.diary) == 120


def line(*places: float) -> Landmarks:
    landmarks = Landmarks(2, spacing=2.0)
    for place in places:
        landmarks.visit(np.array([place, 0.0]))
    return landmarks


def test_landmarks_are_well_spread_and_joined_where_it_walked() -> None:
    landmarks = line(0, 1, 2, 3, 4, 5)
    assert landmarks.places[:, 0].tolist() == [0, 2, 4] and sum(landmarks.visits) == 6
    assert landmarks.path(0) == [2, 1, 0] and landmarks.times().tolist() == [4, 2, 0]


def test_a_way_that_leads_nowhere_is_forgotten_until_it_is_walked_again() -> None:
    landmarks = line(0, 1, 2, 3, 4)
    landmarks.forget(1, 0)
    assert landmarks.times().tolist() == [np.inf, 2, 0]
    for place in (2.0, 0.0):
        landmarks.visit(np.array([place, 0.0]))
    assert landmarks.path(2) == [0, 1, 2]


@pytest.mark.parametrize(("review", "found"), [(200, True), (10_000, False)])
def test_a_way_that_has_closed_is_given_up_until_the_next_review(review: int, found: bool) -> None:
    """A door falls shut behind the agent for 600 steps: it does not push for ever, and comes back to it later."""
    steps, shut = [0], [10**9]

    def cell(place: Points) -> bool:
        steps[0] += 1  # twice a step
        if place[0] > 9:
            shut[0] = min(shut[0], steps[0])
        return ell(place) and not (shut[0] <= steps[0] < shut[0] + 1200 and abs(place[0] - 6.0) < 0.2)

    explorer = Explorer(world(cell), START, 2, CuriosityConfig(looks=1, review=review), seed=0)
    explorer.run(2500)
    assert np.stack(explorer.diary.observations)[:, 1].max() > 9  # it has seen the rest meanwhile
    assert np.isfinite(explorer.landmarks.times()).all() == found


@pytest.mark.parametrize(
    ("change", "what"),
    [({"looks": 0}, "at least 1"), ({"spacing": 1.5}, r"spacing in \(0, 1\)"), ({"radius": -1.0}, "radius positive")],
)
def test_settings_that_make_no_sense_are_one_clear_line(change: dict[str, float], what: str) -> None:
    with pytest.raises(ValueError, match=what) as error:
        replace(CuriosityConfig(), **change)
    assert "\n" not in str(error.value)
