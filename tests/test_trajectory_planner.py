"""Paths from search and optimisation over a level's predictor, with no landmarks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from planners.astar import LatentAStar
from planners.base import Box, Discrete, Planner, rollout
from planners.gradient import GradientPlanner
from planners.landmarks import NONE, Query, Target
from planners.mcts import MCTSPlanner
from planners.sampling import CEM
from planners.support import Support
from planners.trajectories import TrajectoryPlanner

STRIDE = 10


class Glide:
    """A macro-action of [-1, 1]^2 moves that far, in ten world steps."""

    actions = Box(-torch.ones(2), torch.ones(2))

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        return state + action


class Compass:
    """Eight codes, one unit each."""

    actions = Discrete(8)

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        angle = action.to(state.dtype) * (torch.pi / 4)
        return state + torch.stack([angle.cos(), angle.sin()], -1)


def own_space(states: Tensor) -> Tensor:
    """The level's critic: ten world steps a unit."""
    return STRIDE * states


def space_above(states: Tensor) -> Tensor:
    """The critic of the level above: the same distances in three dimensions, turned by a right angle and shifted."""
    return STRIDE * torch.stack([-states[..., 1], states[..., 0], 0 * states[..., 0]], -1) + 7


def make(planner: Planner, dynamics: Any, seed: int = 0) -> TrajectoryPlanner:
    generator = torch.Generator().manual_seed(seed)
    return TrajectoryPlanner(planner, dynamics, own_space, space_above, 2, STRIDE, 0.6 * STRIDE, generator)


def query(start: list[float], place: list[float], goal: bool) -> Query:
    state, there = torch.tensor(start), torch.tensor(place)
    points = (state.numpy(), own_space(state).numpy(), space_above(state).numpy())
    goals = (there.numpy(), own_space(there).numpy(), space_above(there).numpy()) if goal else None
    return Query(state.numpy(), points, Target(space_above(there).numpy(), goal=goals))


PLANNERS = {
    "a*": (LatentAStar(resolution=0.2, stride=STRIDE, batch=8), Compass()),
    "cem": (CEM(horizon=6, samples=128, iterations=6), Glide()),
    "gradient": (GradientPlanner(horizon=6, restarts=4, iterations=60), Glide()),
}
STARTS, PLACES = ([0.0, 0.0], [1.0, 1.0], [-2.0, 0.5]), ([3.0, 0.2], [1.0, -2.0], [-2.0, 3.0])


@pytest.fixture(params=PLANNERS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("goal", [True, False])
def test_paths_lead_from_the_state_to_the_target(name: str, goal: bool) -> None:
    planner = make(*PLANNERS[name])
    paths = planner.paths([query(start, place, goal) for start, place in zip(STARTS, PLACES, strict=True)])
    assert len(paths) == 3
    for path, start, place in zip(paths, STARTS, PLACES, strict=True):
        assert path.states[0].tolist() == start
        assert np.linalg.norm(path.states[-1] - place) <= 0.61, "within the tolerance, in the space above"
        assert path.found
        assert path.final == goal
        steps = np.linalg.norm(np.diff(path.states, axis=0), axis=1)
        assert (steps <= np.sqrt(2) + 1e-5).all()
        assert path.arrival.tolist() == [STRIDE * n for n in range(len(path.states))]
        assert path.landmarks.tolist() == [NONE] * len(path.states)
        assert path.edges.tolist() == [NONE] * len(steps)
        assert path.expanded > 0
        assert path.calls > 0


def test_a_path_ends_in_the_final_goal_itself(name: str) -> None:
    (path,) = make(*PLANNERS[name]).paths([query(STARTS[0], PLACES[0], True)])
    np.testing.assert_allclose(path.embedding[-1], own_space(torch.tensor(PLACES[0])).numpy())
    np.testing.assert_allclose(path.embedding[:-1], own_space(torch.from_numpy(path.states[:-1])).numpy(), rtol=1e-5)


def test_a_path_that_stops_short_is_not_final() -> None:
    planner = make(CEM(horizon=3, samples=128, iterations=6), Glide())
    (path,) = planner.paths([query([0.0, 0.0], [30.0, 0.0], True)])
    assert not path.final
    assert len(path.states) == 4, "all of the way that brings it nearer"
    np.testing.assert_allclose(path.embedding[-1], own_space(torch.from_numpy(path.states[-1])).numpy(), rtol=1e-5)


def test_an_optimised_path_is_cut_where_it_is_nearest() -> None:
    """Six macro-actions, but one and a half suffice: what comes after is no way to anywhere."""
    path = make(CEM(horizon=6, samples=256, iterations=8), Glide()).paths([query([0.0, 0.0], [1.0, 0.0], True)])[0]
    assert len(path.states) <= 7
    apart = np.linalg.norm(path.states[1:] - [1.0, 0.0], axis=1)
    assert apart.argmin() == len(apart) - 1


@pytest.mark.parametrize("name", ["cem", "gradient"])
def test_states_are_those_of_the_dynamics(name: str) -> None:
    planner, dynamics = PLANNERS[name]
    plans = []

    class Kept:
        def plan(self, *args: Any, **options: Any) -> Any:
            plans.append(planner.plan(*args, **options))
            return plans[-1]

    (path,) = make(Kept(), dynamics).paths([query(STARTS[0], PLACES[0], True)])
    length = len(path.states) - 1
    expected = rollout(dynamics, torch.tensor([STARTS[0]]), plans[0].actions[:, :length])
    np.testing.assert_allclose(path.states, expected[0].numpy(), atol=1e-5)


def test_its_randomness_is_its_generators() -> None:
    first, second, third = (
        make(*PLANNERS["cem"], seed=seed).paths([query(STARTS[0], PLACES[0], True)])[0] for seed in (1, 1, 2)
    )
    assert np.array_equal(first.states, second.states)
    assert not np.array_equal(first.states, third.states)


def test_there_are_no_landmarks_below() -> None:
    assert make(*PLANNERS["cem"]).below(3) == NONE


def remembered(rows: list[list[float]]) -> Support:
    return Support(own_space(torch.tensor(rows)), radius=4.0)


# A wall between (0, 0) and (4, 0): nothing was seen there, but on a way around it.
AROUND = [[x / 2, y] for x in range(9) for y in (1.0, 1.4)] + [
    [x, y / 2] for x in (0.0, 0.4, 3.6, 4.0) for y in range(3)
]


@pytest.mark.parametrize("name", ["cem", "gradient"])
def test_paths_go_where_something_was_seen(name: str) -> None:
    planner, dynamics = PLANNERS[name]
    planner = replace(planner, horizon=8, **({"restarts": 16} if name == "gradient" else {"samples": 512}))
    support = remembered(AROUND)
    straight = make(planner, dynamics).paths([query([0.0, 0.0], [4.0, 0.0], False)])[0]
    around = replace(make(planner, dynamics), support=support, weight=10.0)
    path = around.paths([query([0.0, 0.0], [4.0, 0.0], False)])[0]
    middle = torch.tensor([2.0, 0.0])
    assert np.linalg.norm(straight.states - middle.numpy(), axis=1).min() < 0.6
    assert np.linalg.norm(path.states - middle.numpy(), axis=1).min() > 0.6
    numbers = torch.from_numpy(path.edges)
    assert np.array_equal(path.embedding[1:], support.places[numbers].numpy()), "remembered places are handed down"


def test_a_rejected_way_is_not_taken_again() -> None:
    ways = remembered([[x / 2, y] for x in range(9) for y in (-0.8, -0.4, 0.0, 0.4, 0.8)])
    planner = replace(make(CEM(horizon=6, samples=256, iterations=6), Glide()), support=ways, weight=10.0)
    ask = query([0.0, 0.0], [4.0, 0.0], False)
    first = planner.paths([ask])[0]
    again = planner.paths([replace(ask, rejected=frozenset(first.edges[:1].tolist())), ask])
    banned = ways.places[int(first.edges[0])].numpy()
    assert np.linalg.norm(own_space(torch.from_numpy(first.states[1:])).numpy() - banned, axis=1).min() < 4.0
    assert np.linalg.norm(own_space(torch.from_numpy(again[0].states[1:])).numpy() - banned, axis=1).min() > 3.5
    other = own_space(torch.from_numpy(again[1].states[1:])).numpy()
    assert np.linalg.norm(other - banned, axis=1).min() < 4.0, "another problem has not rejected it"


def test_without_a_memory_ways_have_no_numbers() -> None:
    path = make(CEM(horizon=6, samples=64, iterations=2), Glide()).paths([query([0.0, 0.0], [3.0, 0.0], False)])[0]
    assert (path.edges == NONE).all()


def in_the_way(states: Tensor) -> Tensor:
    """A dear place between (0, 0) and (4, 0)."""
    return (states - torch.tensor([2.0, 0.0])).norm(dim=-1) < 0.8


@pytest.mark.parametrize(
    ("planner", "dynamics"),
    [
        (CEM(horizon=8, samples=512, iterations=8), Glide()),
        (
            LatentAStar(resolution=0.2, stride=STRIDE, edge_cost=lambda a, b: STRIDE * (1 + 30.0 * in_the_way(b))),
            Compass(),
        ),
        (
            MCTSPlanner(
                horizon=7,
                num_simulations=600,
                stride=STRIDE,
                edge_cost=lambda a, b: STRIDE * (1 + 30.0 * in_the_way(b)),
            ),
            Compass(),
        ),
    ],
    ids=["cem", "a*", "mcts"],
)
def test_paths_keep_out_of_a_dear_place(planner: Planner, dynamics: Any) -> None:
    """An optimiser pays the surcharge of its states, a search that of its edges."""
    ask = query([0.0, 0.0], [4.0, 0.0], False)
    path = replace(make(planner, dynamics), surcharge=lambda states: 30.0 * in_the_way(states)).paths([ask])[0]
    assert not in_the_way(torch.from_numpy(path.states)).any()
    assert np.linalg.norm(path.states[-1] - [4.0, 0.0]) <= 0.61
    assert not path.surcharges["zones"].any()


def test_what_a_path_pays_by_name() -> None:
    support = remembered([[0.0, 0.0], [4.0, 0.0]])
    planner = replace(
        make(CEM(horizon=4, samples=128, iterations=4), Glide()), support=support, weight=10.0,
        surcharge=lambda states: states[..., 0].clamp(min=0),
    )  # fmt: skip
    (path,) = planner.paths([replace(query([0.0, 0.0], [4.0, 0.0], False), rejected=frozenset([1]))])
    states = torch.from_numpy(path.states[1:])
    points = own_space(states)
    near = (4.0 - (points - own_space(torch.tensor([4.0, 0.0]))).norm(dim=-1)).clamp(min=0)
    assert list(path.surcharges) == ["zones", "rejected", "unfamiliar"]
    np.testing.assert_allclose(path.surcharges["zones"], STRIDE * states[:, 0].clamp(min=0), rtol=1e-5)
    np.testing.assert_allclose(path.surcharges["rejected"], 10 * near, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(path.surcharges["unfamiliar"], 10 * support.excess(points), rtol=1e-4)


@pytest.mark.parametrize(("start", "found"), [([0.0, 0.0], False), ([2.0, 0.0], True)])
def test_a_path_into_a_forbidden_place_is_not_found_and_one_out_of_it_is(start: list[float], found: bool) -> None:
    planner = make(CEM(horizon=8, samples=128, iterations=4, init_std=0.3), Glide())
    ask = query(start, [4.0, 0.0], False)
    assert planner.paths([ask])[0].found
    wide = replace(planner, forbidden=lambda states: (states[..., 0] - 2).abs() < 1)
    assert wide.paths([ask])[0].found == found


def test_a_recorder_hears_the_planner() -> None:
    kinds: list[str] = []

    class Heard:
        def record(self, kind: str, **data: Any) -> None:
            kinds.append(kind)

    make(*PLANNERS["cem"]).paths([query(STARTS[0], PLACES[0], True)], Heard())
    assert len(kinds) >= 6 and set(kinds) == {"candidates"}
