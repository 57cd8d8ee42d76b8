"""An agent within guardrails: level 1 plans around them, level 2 knows them, and the shield has the last word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from hjepa.cost import IntrinsicCost
from hjepa.guarded import GuardedActor, GuardedPlanner, planning_zones
from hjepa.guardrails import GuardrailError, KeepOut, Margins, MovingObstacles, Percept, Region, Scene, SpeedLimit
from hjepa.known_map import map_agent
from planners.candidates import PlannerError

if TYPE_CHECKING:
    from hjepa.agent import Agent

WALLS = np.array([[cell == "#" for cell in row] for row in ("######", "#....#", "#.##.#", "#....#", "######")])
CORNER, SIZE, BODY = (-6.0, -6.0), 4.0, 0.7
MARGINS = Margins((0.0, *[0.02] * 5), 0.01)
START, GOAL = np.array([[0.0, 4.0]], np.float32), np.array([[12.0, 4.0]], np.float32)


@pytest.fixture(scope="module")
def ring() -> Agent:
    """An agent that sees a ring: two ways from any place to any other."""
    return map_agent(WALLS, CORNER, SIZE)


def region(*cells: tuple[int, int]) -> Region:
    marked = np.zeros(WALLS.shape, bool)
    for cell in cells:
        marked[cell] = True
    return Region(marked, CORNER, SIZE)


def rails(*slow: tuple[int, int]) -> IntrinsicCost:
    """Keep out of the upper way; slow cells as given; mind what moves."""
    return IntrinsicCost((KeepOut(region((1, 2)), BODY), SpeedLimit(region(*slow), 0.12), MovingObstacles(BODY)))


def patrol(step: int) -> Percept:
    """Up and down the lower way, on one side of it."""
    gone = (0.1 * step) % 16
    x, heading = (4 + gone, 0.1) if gone < 8 else (20 - gone, -0.1)
    position, velocity = torch.tensor([[[x - 2, 7.1]]]), torch.tensor([[[heading, 0.0]]])
    return Percept(position, velocity, torch.tensor([0.5]))


def test_it_reaches_its_goal_and_breaks_nothing(ring: Agent) -> None:
    actor, cost, place = GuardedActor(ring, rails((3, 1)), MARGINS), rails((3, 1)), START
    actor.begin(GOAL)
    for step in range(300):
        action = torch.from_numpy(actor.act(place, percept=patrol(step)))
        after = ring.stack.level(1).predictor(torch.from_numpy(place), action)
        done = Scene(torch.stack([torch.from_numpy(place), after], 1))
        for rail in cost.guardrails[:2]:
            assert (rail.clearance(done)[:, 1] >= 0).all(), (step, rail.name)
        assert (cost.guardrails[2].clearance(Scene(after[:, None], percept=patrol(step + 1))) >= 0).all()
        place = after.numpy()
        if np.linalg.norm(place - GOAL) < 1:
            return
    pytest.fail(f"the goal was not reached; the agent is at {place}")


def test_all_levels_know_what_stands_still() -> None:
    zones = planning_zones(rails((3, 1)), cruise=0.18)
    assert zones is not None
    places = torch.tensor([[4.0, 0.0], [1.5, 0.0], [0.9, 0.0], [0.0, 8.0], [12.0, 4.0]])
    assert zones.clean(places).tolist() == [False, False, True, True, True]
    assert zones.toll(places)[3:].tolist() == pytest.approx([0.5, 0])
    assert planning_zones(IntrinsicCost((MovingObstacles(BODY),)), 0.2) is None


def test_level_1_plans_are_clean_where_its_own_candidates_are_not(ring: Agent) -> None:
    """A way that is blocked by an obstacle: to stand still is a plan, too."""
    actor = GuardedActor(ring, rails(), MARGINS, shielded=False)
    assert isinstance(actor.actor.planner.controller.planner, GuardedPlanner)
    actor.begin(GOAL)
    near = Percept(torch.tensor([[[1.5, 8.0]]]), torch.zeros(1, 1, 2), torch.tensor([0.5]))
    here = np.array([[0.1, 8.0]], np.float32)
    actor.act(here, percept=near)
    session = actor.actor.session
    assert session is not None and session.pursuit is not None and actor.verdict is None
    clear = rails().clearance(Scene(session.pursuit.states, percept=near))
    assert (clear >= 0).all()


def test_episodes_that_are_over_are_left_out(ring: Agent) -> None:
    actor = GuardedActor(ring, rails(), MARGINS)
    actor.begin(GOAL.repeat(3, 0))
    percept = Percept(*(part.repeat(3, 1, 1) for part in (patrol(0).position, patrol(0).velocity)), patrol(0).radius)
    actions = actor.act(START.repeat(3, 0), np.array([True, False, True]), percept)
    assert not actions[1].any() and actions[[0, 2]].any(1).all()


def test_what_makes_no_sense_is_refused(ring: Agent) -> None:
    actor = GuardedActor(ring, rails(), MARGINS)
    planner = actor.actor.planner.controller
    with pytest.raises(PlannerError, match="sees 1 problems, not 2"):
        planner.planner.plan(planner.dynamics, lambda states, actions: states[..., 0], torch.zeros(2, 2))
    finer = Region(np.zeros((3, 3), bool), CORNER, 1.0)
    with pytest.raises(GuardrailError, match="one grid"):
        planning_zones(IntrinsicCost((KeepOut(region(), BODY), SpeedLimit(finer, 0.1))), 0.2)
