"""Learned preferences: where the cost is, where it is exactly zero, and that plans go by it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from hjepa.actor import Actor
from hjepa.known_map import map_agent
from hjepa.preference import (
    Preference,
    PreferenceConfig,
    PreferenceError,
    bumps,
    costs_of,
    learn_preference,
)

if TYPE_CHECKING:
    from hjepa.agent import Agent

WALLS = np.array([[cell == "#" for cell in row] for row in ("#######", "#.....#", "#.###.#", "#.....#", "#######")])
"""A ring: two ways from any place to any other."""
QUICK = PreferenceConfig(spacing=4.0, steps=60, rounds=3)
ABOVE, BELOW = (2.0, 0.0), (2.0, 2.0)
"""(column, row) in cells of the middle of the upper and of the lower corridor."""


@pytest.fixture(scope="module")
def ring() -> Agent:
    """An agent that sees the ring."""
    return map_agent(WALLS, (-6.0, -6.0), 4.0)


def walked(*corners: tuple[float, float], seed: int = 0) -> np.ndarray:
    """A noisy walk through (column, row) corners, at 0.15 world units a step."""
    places = 4.0 * np.array(corners)
    rng = np.random.default_rng(seed)
    legs = []
    for begin, end in zip(places[:-1], places[1:], strict=True):
        steps = int(np.linalg.norm(end - begin) / 0.15)
        legs.append(begin + np.linspace(0, 1, steps, endpoint=False)[:, None] * (end - begin))
    trail = np.concatenate([*legs, places[-1:]])
    return (trail + rng.normal(0, 0.03, trail.shape)).astype(np.float32)


def round_below() -> list[np.ndarray]:
    """Demonstrators who go round the lower way, although the upper one is shorter; they are seen at all corners."""
    ways = [((0, 0), (0, 2), (4, 2), (4, 0)), ((0, 0.5), (0, 2), (4, 2), (4, 0.5)), ((0, 0), (0, 2)), ((4, 2), (4, 0))]
    return [walked(*(way if flip else way[::-1]), seed=seed) for seed, way in enumerate(ways) for flip in (0, 1)]


@pytest.fixture(scope="module")
def learned(ring: Agent) -> Preference:
    """What is learned from them."""
    return learn_preference(ring, round_below(), QUICK)


def at(*cells: tuple[float, float]) -> np.ndarray:
    return (4.0 * np.array(cells)).astype(np.float32)


def test_what_was_avoided_costs_and_what_was_walked_does_not(learned: Preference) -> None:
    avoided = costs_of(learned, at(*[(x, 0.0) for x in np.linspace(1, 3, 9)]))
    assert avoided.sum() > 5 * costs_of(learned, at(*[(x, 2.0) for x in np.linspace(1, 3, 9)])).sum()
    assert avoided.max() > 1
    assert learned.dearest == pytest.approx(float(avoided.max()), abs=learned.dearest)


def test_where_nothing_was_seen_it_is_exactly_zero(learned: Preference) -> None:
    assert costs_of(learned, at((-20, -20), (30, 1), (1e4, 0))).tolist() == [0, 0, 0]


def test_observed_trajectories_have_the_lower_energy(learned: Preference) -> None:
    observed, straight = walked((0, 0), (0, 2), (4, 2), (4, 0), seed=9), walked((0, 0), (4, 0), seed=9)
    nothing = replace(learned, weights=torch.zeros_like(learned.weights))
    assert nothing.energy(observed) > nothing.energy(straight)
    assert learned.energy(observed) < learned.energy(straight)


def test_energy_is_of_the_way_and_not_of_the_pace(learned: Preference) -> None:
    way = walked((0, 0), (0, 2), (4, 2))
    slow = np.repeat(way, 3, axis=0)
    assert learned.energy(slow) == pytest.approx(learned.energy(way), rel=0.05)


def test_whoever_goes_as_the_agent_would_teaches_nothing(ring: Agent) -> None:
    straight = [walked((0, 0), (4, 0), seed=1), walked((4, 2), (0, 2), seed=2), walked((0, 0), (0, 2), seed=3)]
    taught = learn_preference(ring, straight, QUICK)
    assert taught.empty or taught.dearest < 0.5


def go(agent: Agent, zones: Preference | None) -> np.ndarray:
    """From the upper left to the upper right corner, in the agent's own world: the [T, 2] places visited."""
    actor, place, goal = Actor(agent, zones=zones), at((0.0, 0.3)), at((4.0, 0.3))
    actor.begin(goal)
    trail = [place]
    for _ in range(300):
        action = torch.from_numpy(actor.act(trail[-1]))
        trail.append(agent.stack.level(1).predictor(torch.from_numpy(trail[-1]), action).detach().numpy())
        if np.linalg.norm(trail[-1] - goal) < 1:
            break
    assert np.linalg.norm(trail[-1] - goal) < 1
    return np.concatenate(trail)


def test_every_level_plans_by_it(ring: Agent, learned: Preference) -> None:
    assert go(ring, None)[:, 1].max() < 4, "the short way is above"
    assert go(ring, learned)[:, 1].max() > 6, "and the preferred one below"


def test_it_is_a_cost_of_places(learned: Preference) -> None:
    places = torch.from_numpy(at(ABOVE, BELOW, (50, 50)))
    assert learned.clean(places).tolist() == [True] * 3
    assert not learned.guarded and not learned.empty
    assert float(learned.capped(0.5).toll(places).max()) <= 0.5
    assert learned.capped(0.5).capped(2.0).most == 0.5
    assert 0 < learned.size < 4


def test_tolls_are_differentiable_and_bumps_end() -> None:
    centres = torch.zeros(1, 3)
    points = torch.tensor([[0.0, 0, 0], [3.5, 0, 0], [7, 0, 0], [70, 0, 0]], requires_grad=True)
    heights = bumps(points, centres, 7.0)
    assert heights[:, 0].tolist() == pytest.approx([1, 0.1875, 0, 0], abs=1e-4)
    heights.sum().backward()
    assert points.grad is not None and points.grad[1, 0] < 0 and points.grad.isfinite().all()


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        ([], "no demonstrations"),
        ([np.zeros((5, 3), np.float32)], "demonstrations[0] must be [T >= 2, 2], not [5, 3]"),
        ([np.zeros((1, 2), np.float32)], "demonstrations[0] must be [T >= 2, 2], not [1, 2]"),
        ([np.full((3, 2), np.nan, np.float32)], "demonstrations[0] must be finite, found NaN or infinity"),
    ],
)
def test_demonstrations_that_are_none(ring: Agent, shown: list[Any], message: str) -> None:
    with pytest.raises(PreferenceError) as caught:
        learn_preference(ring, shown)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reach": 0.0}, "reach must be positive, not 0.0"),
        ({"sparsity": -1.0}, "sparsity must be 0 or more, not -1.0"),
    ],
)
def test_settings_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(PreferenceError) as caught:
        PreferenceConfig(**options)
    assert str(caught.value) == message
