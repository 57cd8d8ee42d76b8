"""Other planners than A* at the top of a hierarchy that sees."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
import torch
from torch import Tensor

from hjepa.vision.actor import VisionActor
from hjepa.vision.optimised_ways import SHUT, Shooting, TopConfig, TopPlanner, TrajectoryCost, other_ways
from hjepa.vision.planning import VisionPlanning
from hjepa.vision.reachability import Reachability
from hjepa.vision.ways import Edges
from planners.astar import SearchGoal
from planners.base import Box
from planners.candidates import PlannerError
from planners.sampling import CEM
from scripts._evaluate_seen import look_and_act
from tests.seen_mazes import glancing
from tests.test_vision_agent import tasks

QUICK = VisionPlanning(samples=8, iterations=1, horizon=4, expansions=20)
OTHERS = [name for name in get_args(TopPlanner) if name != "astar"]
STRIDE = 10


class Plane:
    """Macro-actions move a place by so much."""

    actions = Box(-torch.ones(2), torch.ones(2))

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        return torch.cat([state[..., :2] + action, action, state[..., 4:]], -1)


def goal(x: float, y: float, tolerance: float = 3.0) -> SearchGoal:
    return SearchGoal(
        torch.tensor([[x, y]]), lambda states, goals: 10 * (states[:, :2] - goals).norm(dim=-1), tolerance
    )


def free(before: Tensor, after: Tensor) -> Tensor:
    return torch.full_like(before[:, 0], float(STRIDE))


def walled(before: Tensor, after: Tensor) -> Tensor:
    """A wall at x = 1, open above y = 1."""
    crosses = (before[:, 0] - 1) * (after[:, 0] - 1) < 0
    blocked = crosses & ((before[:, 1] + after[:, 1]) / 2 < 1)
    return free(before, after) + SHUT * STRIDE * blocked


def shooting(edge_cost=free, follow: int = 2, aim="last") -> Shooting:
    return Shooting(CEM(horizon=6, samples=128, iterations=8, init_std=1.0), edge_cost, STRIDE, follow, aim)


def shoot(planner: Shooting, target: SearchGoal):
    return planner.plan(Plane(), target, torch.zeros(1, 5), generator=torch.Generator().manual_seed(0))


def test_a_trajectory_that_arrives_is_followed_up_to_its_arrival() -> None:
    plan = shoot(shooting(), goal(1.5, 0.5))
    length = int(plan.extras["path_lengths"][0])
    assert plan.extras["found"].item() and 2 <= length <= 6
    assert (plan.states[0, length, :2] - torch.tensor([1.5, 0.5])).norm() <= 0.3


def test_one_that_does_not_is_followed_a_few_steps() -> None:
    plan = shoot(shooting(follow=2), goal(9.0, 0.0))
    assert not plan.extras["found"].item() and int(plan.extras["path_lengths"][0]) == 2
    assert plan.states[0, 2, 0] > 1.5


def test_ways_that_are_none_are_avoided() -> None:
    open_way, wall_way = (shoot(shooting(edges), goal(2.0, 0.0)).states[0] for edges in (free, walled))
    assert open_way[:, 1].max() < 1
    assert wall_way[:, 1].max() > 1 and wall_way[:, 0].max() > 1.5
    assert (walled(wall_way[:-1], wall_way[1:]) == STRIDE).all()


def test_what_a_trajectory_costs() -> None:
    states = torch.zeros(1, 1, 3, 5)
    states[0, 0, :, 0] = torch.tensor([0.0, 0.5, 2.0])
    last = TrajectoryCost(goal(3.0, 0.0), walled, STRIDE, "last")(states, states)
    torch.testing.assert_close(last[0, 0], torch.tensor([0.0, 0.0, 10.0 + SHUT * STRIDE]))
    all_of_them = TrajectoryCost(goal(3.0, 0.0), free, STRIDE, "sum")(states, states)
    torch.testing.assert_close(all_of_them[0, 0], torch.tensor([30.0, 25.0, 10.0]))


def test_a_cost_that_is_no_goal_is_refused() -> None:
    with pytest.raises(PlannerError, match="needs a SearchGoal"):
        shooting().plan(Plane(), lambda states, actions: states.sum(-1), torch.zeros(1, 5))


@pytest.mark.parametrize("name", OTHERS)
def test_every_planner_acts_within_its_calls(name: TopPlanner) -> None:
    planning = replace(QUICK, top=TopConfig(name, calls=120, horizon=4, rounds=2, restarts=2))
    actor = VisionActor(glancing(), 2, planning)
    outcome = look_and_act(actor, tasks(time_limit=8))
    assert actor.session is not None and len(outcome.success) == 3
    spent = actor.session.spent
    assert 60 <= spent.calls[2] / spent.plans[2] <= 125


def test_a_failed_way_is_not_taken_again() -> None:
    """What did not lead where the model said costs an optimiser more than any way round."""
    agent, layouts = glancing(), torch.zeros(1, 4, 16, 16)
    edges = Edges(agent.edges.level(2), layouts, STRIDE, doubt=-2.0, caution=0.0, near=1.0)
    refused = {0: torch.tensor([[[1.0, 1.0], [4.0, 1.0]]])}
    asked: list[Tensor] = []

    class Listening:
        def plan(self, dynamics, cost, start, **rest):  # type: ignore[no-untyped-def]
            states = torch.zeros(1, 1, 2, 5)
            states[0, 0, :, :2] = torch.tensor([[1.0, 1.0], [4.0, 1.0]])
            asked.append(cost(states, states[..., :2]))
            raise StopIteration

    ways = other_ways(
        TopConfig("mppi"), agent.stack.level(2), lambda space: Plane(), edges, torch.ones(()), 3.0, torch.Generator()
    )
    made = ways.search(lambda before, after: ways.edges(before, after, refused))
    with pytest.raises(StopIteration):
        replace(made, planner=Listening()).plan(Plane(), goal(4.0, 1.0), torch.zeros(1, 5))
    assert asked[0][0, 0, 1] == SHUT * STRIDE - STRIDE


def test_edges_that_are_all_believed_ask_no_classifier() -> None:
    class Refusing(Reachability):
        def forward(self, layouts: Tensor, before: Tensor, after: Tensor) -> Tensor:
            raise AssertionError("asked")

    edges = Edges(Refusing(4), torch.zeros(1, 4, 8, 8), STRIDE, -torch.inf, 0.0, near=1.0)
    assert (edges(torch.zeros(3, 5), torch.zeros(3, 5), {}) == STRIDE).all()
    with pytest.raises(AssertionError, match="asked"):
        replace(edges, caution=1.0)(torch.zeros(3, 5), torch.zeros(3, 5), {})


def test_macro_actions_come_from_the_recorded_box() -> None:
    agent = glancing()
    level, spaces = agent.stack.level(2), []
    edges = Edges(agent.edges.level(2), torch.zeros(1, 4, 16, 16), STRIDE, -2.0, 1.0, 1.0)

    def dynamics(space):  # type: ignore[no-untyped-def]
        spaces.append(space)
        return Plane()

    other_ways(TopConfig("mppi"), level, dynamics, edges, torch.ones(()), 3.0, torch.Generator())
    other_ways(TopConfig("mcts"), level, dynamics, edges, torch.ones(()), 3.0, torch.Generator())
    box, codes = spaces
    assert torch.equal(box.low, level.support[0]) and torch.equal(box.high, level.support[1])
    assert (box.low < box.high).all() and codes.n == len(level.codebook)


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(PlannerError, match="TopConfig.calls must be positive"):
        TopConfig("mppi", calls=0)
    with pytest.raises(PlannerError, match="'astar' is no optimiser"):
        other_ways(
            TopConfig(), glancing().stack.level(2), lambda space: Plane(),
            Edges(glancing().edges.level(2), torch.zeros(1, 4, 8, 8), 5, -2.0, 1.0, 1.0),
            torch.ones(()), 1.0, torch.Generator(),
        )  # fmt: skip
