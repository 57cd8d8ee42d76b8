"""What every planner keeps to, whatever it does inside: the table below is planners x toy dynamics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from planners.astar import LatentAStar, SearchGoal
from planners.base import Box, Budget, Cost, Discrete, Dynamics, Plan, Planner
from planners.dynamic_programming import DynamicProgramming
from planners.finite_model import Discretisation
from planners.gradient import GradientPlanner
from planners.lifted import LiftedPlanner
from planners.mcts.planner import MCTSPlanner
from planners.sampling import CEM, ICEM, MPPI, RandomShooting

GOALS = torch.tensor([[1.5, -0.5], [0.3, 0.9], [-1.0, -1.0]])
STARTS = torch.tensor([[0.0, 0.0], [1.0, -1.0], [0.5, 0.25]])
LATTICE = torch.cartesian_prod(torch.arange(-1.5, 1.9, 0.08), torch.arange(-1.5, 1.5, 0.08))


class Integrator:
    """A point that moves by its action; the box is not symmetric."""

    actions = Box(torch.tensor([-0.2, -0.3]), torch.tensor([0.4, 0.1]))

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        return state + action


class Network:
    """A residual network with parameters, as a learned model has."""

    def __init__(self) -> None:
        self.actions = Box(-torch.ones(3), torch.ones(3))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.net = torch.nn.Sequential(torch.nn.Linear(5, 16), torch.nn.Tanh(), torch.nn.Linear(16, 2))

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        return state + self.net(torch.cat([state, action], -1))


class Compass:
    """A point that moves by one of eight macro-actions."""

    actions = Discrete(8)

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        angle = action.to(state.dtype) * (torch.pi / 4)
        return state + 0.2 * torch.stack([angle.cos(), angle.sin()], -1)


@dataclass(frozen=True)
class Distance:
    """Distance to each problem's own goal, and the size of the actions."""

    goal: Tensor

    def __call__(self, states: Tensor, actions: Tensor) -> Tensor:
        goal = self.goal.view(len(self.goal), *[1] * (states.dim() - 2), -1)
        gap = (states - goal).norm(dim=-1)
        return gap + 0.01 * torch.nn.functional.pad(actions.square().sum(-1), (0, 1))


@dataclass(frozen=True)
class Gap:
    """Distance to each problem's own goal, whatever the actions are."""

    goal: Tensor

    def __call__(self, states: Tensor, actions: Tensor) -> Tensor:
        return (states - self.goal.view(len(self.goal), *[1] * (states.dim() - 2), -1)).norm(dim=-1)


def aim(goal: Tensor) -> SearchGoal:
    return SearchGoal(goal, lambda states, goals: (states - goals).norm(dim=-1) / 0.2, tolerance=0.6)


def summed_cost(cost: Cost, plan: Plan) -> Tensor:
    return cost(plan.states, plan.actions).sum(-1)


def path_cost(cost: Cost, plan: Plan) -> Tensor:
    to_go = cost(plan.states, plan.actions)[:, -1]
    return plan.extras["path_lengths"] + torch.where(plan.extras["found"], 0.0, to_go)


@dataclass(frozen=True)
class Case:
    """A planner, and what it plans with.

    Attributes:
        planner: at least two rounds long.
        dynamics: makes its world model.
        cost: [B, D] goals to the cost.
        price: the cost that a plan must state.
        random: whether the generator matters.
    """

    planner: Planner
    dynamics: Callable[[], Dynamics]
    cost: Callable[[Tensor], Cost] = Distance
    price: Callable[[Cost, Plan], Tensor] = summed_cost
    random: bool = True

    def plan(self, rows: slice = slice(None), seed: int = 0, **more: Any) -> Plan:
        generator = torch.Generator().manual_seed(seed)
        cost = more.pop("cost", self.cost(GOALS[rows]))
        start = more.pop("start", STARTS[rows])
        dynamics = more.pop("dynamics", None) or self.dynamics()
        return self.planner.plan(dynamics, cost, start, generator=generator, **more)


CONTINUOUS: dict[str, Planner] = {
    "random shooting": RandomShooting(horizon=6, samples=64, iterations=3),
    "random shooting, held": RandomShooting(horizon=7, samples=64, iterations=2, hold=3),
    "cem": CEM(horizon=6, samples=64, iterations=3, elites=8),
    "cem, chunks": CEM(horizon=6, samples=64, iterations=2, elites=8, chunk=50),
    "icem": ICEM(horizon=6, samples=64, iterations=3, elites=8),
    "mppi": MPPI(horizon=6, samples=64, iterations=3),
    "mppi, held": MPPI(horizon=7, samples=64, iterations=2, hold=2),
    "gradient, adam": GradientPlanner(horizon=6, restarts=4, iterations=8),
    "gradient, sgd": GradientPlanner(horizon=6, restarts=4, iterations=8, optimizer="sgd", noise=0.1),
    "gradient, lbfgs": GradientPlanner(horizon=6, restarts=4, iterations=4, optimizer="lbfgs", noise=0.1, chunk=6),
    "mcts": MCTSPlanner(horizon=6, num_simulations=8),
    "mcts, held": MCTSPlanner(horizon=7, num_simulations=4, hold=3),
    "gradient, held": GradientPlanner(horizon=7, restarts=4, iterations=8, hold=3),
    "lifted": LiftedPlanner(horizon=6, restarts=4, iterations=9, sync_every=4, sync_steps=2),
    "lifted, held": LiftedPlanner(horizon=7, restarts=3, iterations=6, sync_every=3, hold=2, detached=False, chunk=40),
}
CASES = {
    f"{name}: {world.__name__}": Case(planner, world)
    for name, planner in CONTINUOUS.items()
    for world in (Integrator, Network)
} | {
    "a*: Compass": Case(LatentAStar(resolution=0.05, batch=4), Compass, aim, path_cost, random=False),
    "weighted a*: Compass": Case(LatentAStar(resolution=0.05, weight=2), Compass, aim, path_cost, random=False),
    "anytime a*: Compass": Case(
        LatentAStar(resolution=0.05, weight=3, anytime=True, chunk=40), Compass, aim, path_cost, random=False
    ),
    "mcts: Compass": Case(MCTSPlanner(horizon=6, num_simulations=8), Compass, Gap, random=False),
    "mcts to a goal: Compass": Case(MCTSPlanner(horizon=20, num_simulations=8), Compass, aim, path_cost, random=False),
    "mcts to a goal: Integrator": Case(MCTSPlanner(horizon=20, num_simulations=8), Integrator, aim, path_cost),
    "dynamic programming: Compass": Case(
        DynamicProgramming(world=Discretisation(states=LATTICE, tolerance=0.06)), Compass, aim, path_cost, random=False
    ),
}


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


def assert_same(left: Plan, right: Plan) -> None:
    for name in ("actions", "states", "cost", "complete"):
        assert torch.equal(getattr(left, name), getattr(right, name)), name
    assert left.model_calls == right.model_calls


def test_shapes_and_types(case: Case) -> None:
    plan = case.plan()
    horizon = plan.actions.shape[1]
    assert plan.states.shape == (3, horizon + 1, 2)
    assert plan.cost.shape == plan.complete.shape == (3,)
    assert plan.complete.dtype == torch.bool
    assert plan.complete.all()
    assert plan.model_calls > 0


def test_start_is_first_and_states_follow_the_dynamics(case: Case) -> None:
    plan, dynamics = case.plan(), case.dynamics()
    assert torch.equal(plan.states[:, 0], STARTS)
    lengths = plan.extras.get("path_lengths", torch.full((3,), plan.actions.shape[1]))
    for time in range(plan.actions.shape[1]):
        rows = time < lengths
        with torch.no_grad():
            expected = dynamics.step(plan.states[rows, time], plan.actions[rows, time])
        torch.testing.assert_close(plan.states[rows, time + 1], expected)


def test_cost_is_the_plans_own(case: Case) -> None:
    plan = case.plan()
    torch.testing.assert_close(plan.cost, case.price(case.cost(GOALS), plan))


def test_actions_are_allowed(case: Case) -> None:
    plan, space = case.plan(), case.dynamics().actions
    if isinstance(space, Discrete):
        taken = torch.arange(plan.actions.shape[1]) < plan.extras["path_lengths"][:, None]
        assert ((plan.actions >= 0) == taken).all()
        assert (plan.actions < space.n).all()
    else:
        assert torch.equal(plan.actions, space.clip(plan.actions))


def test_same_generator_same_plan(case: Case) -> None:
    assert_same(case.plan(seed=3), case.plan(seed=3))


def test_global_random_state_is_neither_used_nor_touched(case: Case) -> None:
    before = torch.random.get_rng_state()
    first = case.plan(seed=3)
    assert torch.equal(before, torch.random.get_rng_state())
    torch.rand(1)
    assert_same(first, case.plan(seed=3))


def test_another_generator_makes_a_difference(case: Case) -> None:
    same = torch.equal(case.plan(seed=3).actions, case.plan(seed=4).actions)
    assert same != case.random


def test_problems_do_not_leak_into_each_other(case: Case) -> None:
    plan = case.plan()
    others, goals = STARTS.clone(), GOALS.clone()
    others[1:], goals[1:] = others[1:] + 0.07, goals[1:] * 0.8
    changed = case.plan(start=others, cost=case.cost(goals))
    length = int(plan.extras["path_lengths"][0]) if "path_lengths" in plan.extras else plan.actions.shape[1]
    assert torch.equal(plan.actions[0, :length], changed.actions[0, :length])
    assert torch.equal(plan.states[0, : length + 1], changed.states[0, : length + 1])
    assert plan.cost[0] == changed.cost[0]
    assert not torch.equal(plan.states[1:, 0], changed.states[1:, 0])


def test_a_single_problem_is_a_batch_of_one(case: Case) -> None:
    plan = case.plan(slice(1))
    assert plan.cost.shape == (1,)
    assert plan.complete.all()


def test_iterations_are_bounded(case: Case) -> None:
    whole, cut = case.plan(), case.plan(budget=Budget(iterations=1))
    assert not cut.complete.any()
    assert 0 < cut.model_calls < whole.model_calls
    assert cut.cost.isfinite().all()
    torch.testing.assert_close(cut.cost, case.price(case.cost(GOALS), cut))


@pytest.mark.parametrize("budget", [Budget(seconds=1e-9), Budget(model_calls=1)], ids=["seconds", "model calls"])
def test_the_least_budget_still_gives_a_plan(case: Case, budget: Budget) -> None:
    cut = case.plan(budget=budget)
    assert not cut.complete.any()
    assert cut.cost.isfinite().all()
    assert cut.model_calls < case.plan().model_calls


def test_an_ample_budget_changes_nothing(case: Case) -> None:
    assert_same(case.plan(), case.plan(budget=Budget(seconds=1e6, model_calls=10**9, iterations=10**6)))


def test_warm_start_is_never_made_worse(case: Case) -> None:
    first = case.plan(seed=1)
    again = case.plan(seed=2, warm_start=first.actions, budget=Budget(iterations=1))
    assert (again.cost <= first.cost + 1e-4).all()


def test_warm_start_of_a_wrong_shape_gets_one_clear_line(case: Case) -> None:
    with pytest.raises(ValueError, match="warm_start must be") as caught:
        case.plan(warm_start=torch.zeros(2, 5, 2))
    assert "\n" not in str(caught.value)


def test_no_gradient_leaks(case: Case) -> None:
    dynamics = case.dynamics()
    goals = GOALS.clone().requires_grad_()
    plan = case.planner.plan(dynamics, case.cost(goals), STARTS, generator=torch.Generator().manual_seed(0))
    for tensor in (plan.actions, plan.states, plan.cost, *filter(torch.is_tensor, plan.extras.values())):
        assert not tensor.requires_grad
    assert goals.grad is None
    assert all(weight.grad is None for weight in getattr(dynamics, "net", torch.nn.Identity()).parameters())


def test_planning_works_where_gradients_are_off(case: Case) -> None:
    expected, dynamics = case.plan(), case.dynamics()
    with torch.no_grad():
        assert_same(expected, case.plan(dynamics=dynamics))
    with torch.inference_mode():
        assert_same(expected, case.plan(dynamics=dynamics))


def test_inputs_are_not_written_to(case: Case) -> None:
    start, warm = STARTS.clone(), case.plan().actions
    kept = warm.clone()
    case.plan(start=start, warm_start=warm)
    assert torch.equal(start, STARTS)
    assert torch.equal(warm, kept)


class Tape:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.records: list[tuple[str, dict[str, Any]]] = []

    def record(self, kind: str, **data: Any) -> None:
        self.records.append((kind, data))


def test_recorder_listens_and_changes_nothing(case: Case) -> None:
    tape = Tape()
    assert_same(case.plan(), case.plan(recorder=tape))
    assert {kind for kind, _ in tape.records} <= {"candidates", "iterate", "expansion", "tree"}
    assert len(tape.records) >= 2
    for _, data in tape.records:
        assert not data["states"].requires_grad
        assert data["states"].shape[-1] == 2
