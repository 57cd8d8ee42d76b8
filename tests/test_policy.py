"""Mode-1: what a policy answers, alone and as the start of a plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hjepa.policy import Policy, PolicyConfig, PolicyPlanner
from planners.base import Box, Budget, Categorical, Discrete, Plan, rollout
from planners.candidates import PlannerError
from planners.hierarchy import SubgoalCost
from planners.sampling import CEM

LOW, HIGH = torch.tensor([-1.0, -3.0]), torch.tensor([1.0, 5.0])
REACH = 3.0


class Drift:
    """Moves by half the action, in a box that is not centred on zero."""

    actions = Box(LOW, HIGH)

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        return state + 0.5 * action


@dataclass
class Listens:
    """A planner that remembers what it was given, and a recorder that remembers what it was told."""

    given: dict[str, Any] = field(default_factory=dict)
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def plan(self, dynamics: Drift, cost: SubgoalCost, start: Tensor, **given: Any) -> Plan:
        self.given = given
        actions = given["warm_start"]
        states = rollout(dynamics, start, actions)
        done = torch.ones(len(start), dtype=torch.bool)
        return Plan(actions, states, cost(states, actions).sum(-1), done, model_calls=7)

    def record(self, kind: str, **data: Any) -> None:
        self.told.append((kind, data))


@pytest.fixture
def policy() -> Policy:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        made = Policy(state=2, target=2, action=2, hidden=(16,), reach=REACH)
        for weights in made.parameters():
            weights.data.mul_(3.0)  # answers that differ from place to place
    return made.requires_grad_(False)


STARTS = torch.tensor([[0.0, 0.0], [4.0, -1.0], [-2.0, 2.5]])
TARGETS = torch.tensor([[1.0, 1.0], [-6.0, 2.0], [-2.0, 2.0]])
COST = SubgoalCost(lambda states: states, TARGETS)


def test_mode_1_answers_once_and_shows_where_that_leads(policy: Policy) -> None:
    plan = PolicyPlanner(policy, horizon=5, hold=5).plan(Drift(), COST, STARTS)
    share = policy(STARTS, STARTS, TARGETS)
    torch.testing.assert_close(plan.actions[:, 0], (LOW + HIGH) / 2 + share * (HIGH - LOW) / 2)
    assert (plan.actions == plan.actions[:, :1]).all() and plan.actions.shape == (3, 5, 2)
    torch.testing.assert_close(plan.states, rollout(Drift(), STARTS, plan.actions))
    torch.testing.assert_close(plan.cost, COST(plan.states, plan.actions).sum(-1))
    assert plan.complete.all() and plan.model_calls == 3 * 5


@pytest.mark.parametrize(("horizon", "hold", "asked_about"), [(5, 2, 4), (4, 2, 2), (3, 1, 2), (2, 5, 0)])
def test_it_is_asked_anew_where_its_last_answer_is_predicted_to_lead(
    policy: Policy, horizon: int, hold: int, asked_about: int
) -> None:
    plan = PolicyPlanner(policy, horizon, hold).plan(Drift(), COST, STARTS)
    for step in range(horizon):
        asked = plan.states[:, step - step % hold]
        expected = torch.lerp(LOW, HIGH, (policy(asked, asked, TARGETS) + 1) / 2)
        torch.testing.assert_close(plan.actions[:, step], expected)
    assert plan.model_calls == 3 * (horizon + asked_about)


@given(angle=st.floats(0, 6.28), near=st.floats(REACH, 9), far=st.floats(10, 1e4))
def test_a_far_target_is_approached_as_a_nearer_one_in_the_same_direction(
    angle: float, near: float, far: float
) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        policy = Policy(2, 2, 2, (16,), REACH)
    way = torch.tensor([angle]).cos(), torch.tensor([angle]).sin()
    here = torch.tensor([0.3, -0.2])
    left, right = (policy(here, here, here + length * torch.cat(way)) for length in (near, far))
    torch.testing.assert_close(left, right, atol=1e-4, rtol=0)
    closer = policy(here, here, here + 0.1 * REACH * torch.cat(way))
    assert (closer - left).abs().max() > 1e-4


def test_problems_of_one_batch_do_not_touch(policy: Policy) -> None:
    planner = PolicyPlanner(policy, 5, 2)
    together = planner.plan(Drift(), COST, STARTS)
    for b in range(3):
        alone = planner.plan(Drift(), SubgoalCost(COST.measure, TARGETS[b : b + 1]), STARTS[b : b + 1])
        torch.testing.assert_close(alone.actions[0], together.actions[b])


def test_mode_2_starts_from_the_answer(policy: Policy) -> None:
    refine, alone = Listens(), PolicyPlanner(policy, 5, 2).plan(Drift(), COST, STARTS)
    planner = PolicyPlanner(policy, 5, 2, refine)
    generator, budget = torch.Generator(), Budget(iterations=4)
    plan = planner.plan(Drift(), COST, STARTS, budget=budget, generator=generator, recorder=refine)
    torch.testing.assert_close(refine.given["warm_start"], alone.actions)
    assert refine.given["generator"] is generator and refine.given["recorder"] is refine
    assert refine.given["budget"] is budget
    assert plan.model_calls == 7 + 3 * 4, "asking anew on the way is counted, too"


def test_a_warm_start_takes_the_place_of_the_answer_where_it_is_refined(policy: Policy) -> None:
    refine, warm = Listens(), torch.full((3, 5, 2), 0.25)
    PolicyPlanner(policy, 5, 5, refine).plan(Drift(), COST, STARTS, warm_start=warm)
    assert refine.given["warm_start"] is warm
    left, right = (PolicyPlanner(policy, 5, 5).plan(Drift(), COST, STARTS, warm_start=w) for w in (None, warm))
    assert torch.equal(left.actions, right.actions)


def test_mode_1_knows_no_surcharge_and_what_refines_it_does(policy: Policy) -> None:
    dear = SubgoalCost(COST.measure, TARGETS, lambda states: 100 * (states[..., 0] > 0))
    mode1 = PolicyPlanner(policy, 5, 5)
    guided = PolicyPlanner(policy, 5, 5, CEM(horizon=5, hold=5, samples=64, iterations=3))
    plain, charged = (mode1.plan(Drift(), cost, STARTS) for cost in (COST, dear))
    assert torch.equal(plain.actions, charged.actions)
    torch.testing.assert_close(charged.cost, dear(charged.states, charged.actions).sum(-1))
    better = guided.plan(Drift(), dear, STARTS, generator=torch.Generator().manual_seed(0))
    assert (better.cost <= charged.cost).all() and better.cost.sum() < charged.cost.sum() - 10


def test_mode_1_tells_its_one_candidate(policy: Policy) -> None:
    listens = Listens()
    plan = PolicyPlanner(policy, 5, 5).plan(Drift(), COST, STARTS, recorder=listens)
    ((kind, data),) = listens.told
    assert kind == "candidates"
    torch.testing.assert_close(data["states"][:, 0], plan.states)


class Finite:
    actions = Discrete(4)

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        return state


class Fickle:
    actions = Drift.actions
    latents = Categorical(2)

    def step(self, state: Tensor, action: Tensor, latent: Tensor) -> Tensor:
        return state

    def log_prior(self, state: Tensor, action: Tensor) -> Tensor:
        return state


def test_what_a_policy_cannot_plan_for(policy: Policy) -> None:
    planner = PolicyPlanner(policy, 5, 5)
    with pytest.raises(PlannerError, match="a cost with a target, which function has not"):
        planner.plan(Drift(), lambda states, actions: states[..., 0], STARTS)
    with pytest.raises(PlannerError, match="without a latent variable"):
        planner.plan(Fickle(), COST, STARTS)
    with pytest.raises(PlannerError, match="needs a Box"):
        planner.plan(Finite(), COST, STARTS)
    with pytest.raises(PlannerError, match=r"PolicyPlanner.hold must be positive, not 0"):
        PolicyPlanner(policy, 5, 0)


@pytest.mark.parametrize(("name", "value"), [("steps", -1), ("batch", 0), ("learning_rate", 0.0), ("reach", -2.0)])
def test_settings_that_make_no_sense(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"policy.{name} must (be|not be) (positive|negative), not {value}"):
        PolicyConfig(**{name: value})  # type: ignore[arg-type]
