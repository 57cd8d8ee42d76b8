"""Rehearsal and calibration: what an agent finds out about itself before it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from hjepa import rehearsal
from hjepa.actor import Actor
from hjepa.calibration import HORIZON, Calibration
from hjepa.known_map import map_agent
from hjepa.rehearsal import Rehearsal, rehearse
from hjepa.trajectories import Trajectories

if TYPE_CHECKING:
    from hjepa.agent import Agent


@pytest.fixture(scope="module")
def corridor() -> Agent:
    return map_agent(np.pad(np.zeros((1, 24), bool), 1, constant_values=True), (-6.0, -6.0), 4.0)


def test_a_long_episode_pays_for_its_first_decision_once() -> None:
    rehearsed = Rehearsal(first=9.0, next=1.0, commit=4)
    assert rehearsed.per_step(40) == pytest.approx((9 + 9 * 1) / 40)
    assert rehearsed.per_step(2) == pytest.approx(9 / 4), "at least one decision is made"


def test_an_episode_is_imagined_and_timed(corridor: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock ticks once whenever it is looked at."""
    ticks = iter(range(1000))
    monkeypatch.setattr(rehearsal.time, "process_time", lambda: float(next(ticks)))
    actor, here = Actor(corridor), np.zeros(2, np.float32)
    timed = rehearse(actor, corridor.stack, here, here + np.array([80, 0], np.float32), commit=4, decisions=5)
    assert timed == Rehearsal(first=4000.0, next=4000.0, commit=4)
    seen = actor.recent.last()["observation"][:, 0]
    assert len(seen) == 20 and 3 < seen[-1, 0] <= 20 * 0.2 + 1e-4


def wander(noise: float, episodes: int = 4, rows: int = 1500) -> Trajectories:
    """Random walks on open ground at 0.2 world units a step, seen with noise."""
    generator = np.random.default_rng(0)
    actions = generator.uniform(-1, 1, (episodes, rows, 2)).astype(np.float32)
    places = np.concatenate([np.zeros((episodes, 1, 2)), 0.2 * actions[:, :-1].cumsum(1)], 1)
    seen = places + generator.normal(0, noise, places.shape)
    terminals = np.zeros((episodes, rows), bool)
    terminals[:, -1] = True
    return Trajectories.from_arrays(seen.reshape(-1, 2), actions.reshape(-1, 2), terminals.reshape(-1))


def test_calibration_finds_how_wrong_predictions_are() -> None:
    plain = map_agent(np.pad(np.zeros((40, 40), bool), 1, constant_values=True), (-84.0, -84.0), 4.0, levels=1)
    little, much = (Calibration.of(plain.stack, wander(noise)) for noise in (0.01, 0.1))
    assert len(little.margins.place) == HORIZON + 1 and len(little.surprises) == 0
    assert 0.03 < little.margins.place[1] < 0.09, "three to six standard deviations of two coordinates, twice"
    assert much.margins.place[1] == pytest.approx(10 * little.margins.place[1], rel=0.1)
    assert float(much.surprises.threshold) == pytest.approx(10 * float(little.surprises.threshold), rel=0.1)


def test_steps_between_episodes_are_no_errors() -> None:
    """Every episode begins at the origin: a step from the end of one to the next would be a leap."""
    plain = map_agent(np.pad(np.zeros((40, 40), bool), 1, constant_values=True), (-84.0, -84.0), 4.0, levels=1)
    assert float(Calibration.of(plain.stack, wander(0.01, episodes=40, rows=150)).surprises.threshold) < 1


def test_too_few_steps_are_refused() -> None:
    plain = map_agent(np.zeros((3, 3), bool), (-6.0, -6.0), 4.0, levels=1)
    with pytest.raises(ValueError, match="need 1000 windows, not 0"):
        Calibration.of(plain.stack, wander(0.01, episodes=2, rows=5))
