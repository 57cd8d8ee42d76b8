"""Learned preferences: where the cost is, where it is exactly zero, and that plans go by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from hjepa.actor import Actor
from hjepa.checkpoint import CheckpointError, save_checkpoint
from hjepa.inverse import MOTIONS, PLACES, PreferenceConfig, learn_preference, surprises
from hjepa.known_map import map_agent
from hjepa.preference import Bumps, Preference, PreferenceError, costs_of, in_motion
from scripts._tastes import TASTES, demonstrations, share_disliked, tasks_of
from scripts._told import told
from worlds import named_map

if TYPE_CHECKING:
    from hjepa.agent import Agent

WALLS = np.array([[cell == "#" for cell in row] for row in ("#######", "#.....#", "#.###.#", "#.....#", "#######")])
"""A ring: two ways from any place to any other."""
QUICK = replace(PLACES, rounds=5)
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
    return learn_preference(ring, round_below(), [QUICK])


def at(*cells: tuple[float, float]) -> np.ndarray:
    return (4.0 * np.array(cells)).astype(np.float32)


EAST = np.array([[0.4, 0.0]], np.float32)


def toll(cost: Preference, *cells: tuple[float, float]) -> np.ndarray:
    """What is paid at (column, row) cells on the way east."""
    return costs_of(cost, at(*cells), EAST)[:, 0]


def test_what_was_avoided_costs_and_what_was_walked_does_not(learned: Preference) -> None:
    avoided = toll(learned, *[(x, 0.0) for x in np.linspace(0.3, 3.7, 15)])
    assert avoided.sum() > 5 * toll(learned, *[(x, 2.0) for x in np.linspace(0.3, 3.7, 15)]).sum()
    assert avoided.max() > 1
    assert learned.dearest == pytest.approx(float(avoided.max()), abs=learned.dearest)


def test_where_nothing_was_seen_it_is_exactly_zero(learned: Preference) -> None:
    assert toll(learned, (-20, -20), (30, 1), (1e4, 0)).tolist() == [0, 0, 0]


def test_observed_trajectories_have_the_lower_energy(learned: Preference) -> None:
    observed, straight = walked((0, 0), (0, 2), (4, 2), (4, 0), seed=9), walked((0, 0), (4, 0), seed=9)
    nothing = replace(learned, places=replace(learned.places, weights=torch.zeros(len(learned.places))))
    assert nothing.energy(observed) > nothing.energy(straight)
    assert learned.energy(observed) < learned.energy(straight)


def test_energy_is_of_the_way_and_not_of_the_pace(learned: Preference) -> None:
    way = walked((0, 0), (0, 2), (4, 2))
    slow = np.repeat(way, 3, axis=0)
    assert learned.energy(slow) == pytest.approx(learned.energy(way), rel=0.05)


def test_whoever_goes_as_the_agent_would_teaches_next_to_nothing(ring: Agent, learned: Preference) -> None:
    straight = [walked((0, 0), (4, 0), seed=1), walked((4, 2), (0, 2), seed=2), walked((0, 0), (0, 2), seed=3)]
    taught = learn_preference(ring, straight, [QUICK])
    assert taught.empty or taught.dearest < 0.1 * learned.dearest


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
    points = torch.tensor([[0.0, 0, 0], [3.5, 0, 0], [7, 0, 0], [70, 0, 0]], requires_grad=True)
    heights = Bumps(torch.zeros(1, 3), torch.ones(1), 7.0)(points)
    assert heights.tolist() == pytest.approx([1, 0.1875, 0, 0], abs=1e-4)
    heights.sum().backward()
    assert points.grad is not None and points.grad[1, 0] < 0 and points.grad.isfinite().all()


def test_a_motion_is_a_place_and_a_heading() -> None:
    there = torch.tensor([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
    motions, back = in_motion(there, 10.0), in_motion(there.flip(0), 10.0)
    assert motions[1].tolist() == [1, 0, 5, 0] and back[1].tolist() == [1, 0, -5, 0]
    assert in_motion(torch.zeros(3, 2), 10.0).tolist() == [[0] * 4] * 3, "who stands still heads nowhere"
    bump = Bumps(motions[1:2], torch.ones(1), 10.0)
    assert bump(motions)[1] == 1 and bump(back)[1] == 0, "the opposite heading is out of reach"


def one_way(ring: Agent) -> Preference:
    """Who goes east pays in the upper corridor."""
    stack, way = ring.stack, torch.from_numpy(at((1.5, 0), (2, 0), (2.5, 0)))
    centre = in_motion(stack.level(1).critic.embed(stack.encode(way, 1)), 10.0)[1:2]
    none = Bumps(torch.zeros(0, centre.shape[1] // 2), torch.zeros(0), 10.0)
    return Preference(stack, none, Bumps(centre, torch.tensor([600.0]), 10.0), size=2.0)


def test_a_cost_of_motions_is_paid_in_one_direction(ring: Agent) -> None:
    cost = one_way(ring)
    east, west = costs_of(cost, at(ABOVE), np.concatenate([EAST, -EAST]))[0]
    assert east == pytest.approx(30) and west == 0
    assert float(cost.toll(torch.from_numpy(at(ABOVE)))) == 0, "a place alone has no direction"
    assert cost.dearest == pytest.approx(30)
    assert go(ring, cost)[:, 1].max() > 6, "and so the way east leads below"


CORNERS = ((0, 0), (4, 0), (4, 2), (0, 2))


def clockwise(visited: int, number: int) -> list[np.ndarray]:
    """Everybody goes round the ring in one direction, by so many corners."""
    return [walked(*[CORNERS[(k + n) % 4] for n in range(visited)], seed=k) for k in range(number)]


def test_to_keep_left_is_learned_where_places_cannot_tell(ring: Agent) -> None:
    learned = learn_preference(ring, clockwise(4, 4), [replace(MOTIONS, rounds=3)])
    round_once = walked(*CORNERS, seed=7)
    assert learned.energy(round_once[::-1].copy()) > learned.energy(round_once) + 20


def test_what_was_learned_is_saved(learned: Preference, ring: Agent, tmp_path: Path) -> None:
    learned.save(tmp_path / "taste")
    back = Preference.load(tmp_path / "taste", ring.stack)
    places = at(*[(x, 0.0) for x in np.linspace(0, 4, 9)])
    assert np.array_equal(costs_of(back, places, EAST), costs_of(learned, places, EAST))
    assert (back.size, back.most, len(back.motions)) == (learned.size, learned.most, len(learned.motions))
    one_way(ring).save(tmp_path / "taste")
    assert len(Preference.load(tmp_path / "taste", ring.stack).motions) == 1


def test_checkpoints_that_hold_no_preference(ring: Agent, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "other", {}, {"kind": "agent"})
    with pytest.raises(CheckpointError, match="this is a 'agent' checkpoint, not a preference"):
        Preference.load(tmp_path / "other", ring.stack)
    other = Bumps(torch.zeros(1, 5), torch.ones(1), 10.0)
    Preference(ring.stack, other, Bumps(torch.zeros(0, 10), torch.zeros(0), 10.0), 2.0).save(tmp_path / "five")
    with pytest.raises(PreferenceError, match="learned in a critic space of 5, but this agent's has 2"):
        Preference.load(tmp_path / "five", ring.stack)


def test_surprise_is_the_negative_log_likelihood() -> None:
    energy, owner = torch.tensor([1.0, 5.0, 2.0, 1.0]), torch.tensor([0, 1, 0, 0])
    expected = 1.0 + float(torch.logsumexp(-torch.tensor([1.0, 2.0, 1.0]), 0))
    assert surprises(energy, owner, 2).tolist() == pytest.approx([expected, 0.0])


@pytest.mark.parametrize(("shown", "motions"), [(2 * round_below(), False), (clockwise(3, 8), True)])
def test_held_out_demonstrations_tell_whether_places_explain_them(
    ring: Agent, shown: list[np.ndarray], motions: bool
) -> None:
    settings = [PLACES, replace(MOTIONS, rounds=4)]
    assert bool(len(learn_preference(ring, shown, settings).motions)) == motions


@pytest.mark.parametrize("name", TASTES)
def test_demonstrators_have_their_taste(name: str) -> None:
    taste = TASTES[name](named_map("medium"))
    shares = [share_disliked(taste, trail, trail[-1]) for trail in demonstrations(taste, 8, seed=3)]
    assert np.mean(shares) < 0.03
    assert not taste.disliked(taste.map.center(tasks_of(taste, 2, 0).map.free_cells()[:1]), EAST).any()


def test_who_keeps_left_dislikes_the_other_side() -> None:
    taste = TASTES["left"](named_map("medium"))
    sides = taste.map.center(np.array([3, 3])) + [[0, -0.8], [0, 0.8]]  # above and below in a horizontal corridor
    east = np.array([1.0, 0.0])
    assert taste.disliked(sides, east).tolist() == [False, True]
    assert taste.disliked(sides, -east).tolist() == [True, False]
    assert TASTES["wall"](named_map("medium")).disliked(sides, -east).tolist() == [False, True], "whichever way"
    costs = costs_of(told(taste), sides.astype(np.float32), np.concatenate([EAST, -EAST]))
    assert costs.argmax(0).tolist() == [1, 0] and costs.min(0).tolist() == [0, 0]


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
        ({"margin": -1.0}, "margin must be 0 or more, not -1.0"),
    ],
)
def test_settings_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(PreferenceError) as caught:
        PreferenceConfig(**options)
    assert str(caught.value) == message
