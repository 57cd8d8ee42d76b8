"""Value iteration against Dijkstra, all policies of tiny worlds and linear algebra."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import networkx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from planners.base import Budget
from planners.bellman import value_iteration
from planners.candidates import PlannerError
from planners.finite_model import FiniteModel
from planners.graph import SearchGraph
from planners.risk import MEAN, WORST, Risk

GOAL = 0


def random_model(seed: int, states: int = 4, actions: int = 3, outcomes: int = 2, quarters: bool = True) -> FiniteModel:
    """Some steps cost nothing, some actions are not possible, some outcomes lead nowhere or never happen."""
    g = np.random.default_rng(seed)
    after = g.integers(-1 if seed % 3 == 0 else 0, states, (states, actions, outcomes))
    costs = g.integers(0, 4, after.shape).astype(float)
    chances = g.multinomial(4, np.full(outcomes, 1 / outcomes), (states, actions)) / 4.0
    if not quarters:
        chances = g.dirichlet(np.ones(outcomes), (states, actions))
    chances[g.random((states, actions)) < 0.15] = 0.0
    return FiniteModel.of(after, costs, chances)


@given(st.integers(0, 10_000))
def test_equals_dijkstra_where_nothing_is_left_to_chance(seed: int) -> None:
    g = np.random.default_rng(seed)
    nodes, edges = int(g.integers(2, 30)), int(g.integers(1, 90))
    ends = g.integers(0, nodes, (2, edges))
    graph = SearchGraph.from_edges(nodes, *ends, g.integers(0, 4, edges))
    goals = g.integers(0, nodes, 3)
    policy = value_iteration(FiniteModel.from_graph(graph), goals, workers=1)
    for goal, values in zip(goals.tolist(), policy.values, strict=True):
        lengths = networkx.single_source_dijkstra_path_length(graph.to_networkx().reverse(), goal)
        assert values.tolist() == [lengths.get(node, math.inf) for node in range(nodes)]
    walk = policy.walk(FiniteModel.from_graph(graph), np.tile(np.arange(nodes), (3, 1)), nodes)
    there = np.isfinite(policy.values)
    assert (walk.states[..., -1] == goals[:, None])[there].all()
    np.testing.assert_allclose(walk.costs.sum(-1)[there], policy.values[there])
    assert policy.converged.all() and (policy.actions[~there] == -1).all()


def bad_share(worse: np.ndarray, better: np.ndarray, chance: np.ndarray, tail: float) -> np.ndarray:
    """CVaR of two outcomes, by hand: the worse one fills as much of the tail as it can."""
    share = (chance > 0).astype(float) if tail == 0 else np.minimum(chance / max(tail, 1e-9), 1)
    with np.errstate(invalid="ignore"):
        mixed = share * worse + (1 - share) * better
    return np.where(share == 0, better, np.where(share == 1, worse, mixed))


def every_policy(models: list[FiniteModel], tail: float, give_up: float = math.inf) -> np.ndarray:
    """[M, S] the least cost to go to state 0 over all policies of M models, each followed for a very long time.

    Giving up is one more action, which ends at the goal. A policy that may go on forever costs infinitely much.
    """
    tables = [np.stack([getattr(model, name) for model in models]) for name in ("next_states", "chances", "costs")]
    leave = np.broadcast_to([1.0, 0.0], (*tables[0].shape[:2], 1, 2))
    if give_up < math.inf:
        more = (GOAL * leave.astype(int), leave, give_up * leave)
        tables = [np.concatenate(pair, 2) for pair in zip(tables, more, strict=True)]
    count, states, actions, _ = tables[0].shape
    policies = np.array([(0, *rest) for rest in itertools.product(range(actions), repeat=states - 1)])
    after, chance, price = (table[:, np.arange(states), policies].reshape(-1, states, 2) for table in tables)
    possible, rows = chance.sum(-1) > 0, np.arange(len(after))[:, None, None]

    def follow(price: np.ndarray, nowhere: float) -> tuple[np.ndarray, np.ndarray]:
        values = before = np.zeros(after.shape[:2])
        for _ in range(800):
            before = values
            totals = np.where(chance > 0, price + np.where(after >= 0, values[rows, after], nowhere), -math.inf)
            of_worse = np.where(totals[..., 0] >= totals[..., 1], chance[..., 0], chance[..., 1])
            values = np.where(possible, bad_share(totals.max(-1), totals.min(-1), of_worse, tail), math.inf)
            values[:, GOAL] = 0
        return values, before

    steps, fewer = follow(np.ones_like(price), 0.0)
    with np.errstate(invalid="ignore"):
        ends = steps - fewer < 1e-3
    values = np.where(ends, follow(price, give_up)[0], math.inf)
    return values.reshape(count, -1, states).min(1)


@pytest.mark.parametrize("give_up", [math.inf, 7.5])
@pytest.mark.parametrize("tail", [1.0, 0.6, 0.3, 0.0])
def test_equals_the_best_of_all_policies(tail: float, give_up: float) -> None:
    models = [random_model(seed, actions=2) for seed in range(40)]
    expected = every_policy(models, tail, give_up)
    for seed, model in enumerate(models):
        policy = value_iteration(model, [GOAL], risk=Risk(tail), give_up=give_up, tolerance=1e-10)
        np.testing.assert_allclose(policy.values[0], expected[seed], atol=1e-6, err_msg=f"seed {seed}")
        assert policy.converged.all()
    assert 10 < np.isinf(expected).sum() < 110 or give_up < math.inf


def action_values(model: FiniteModel, values: np.ndarray, risk: Risk, discount: float, give_up: float) -> np.ndarray:
    """[S, A] by the definition, in tensors."""
    follows = np.where(model.next_states >= 0, values[model.next_states], give_up)
    totals = torch.from_numpy(model.costs + discount * follows)
    known = risk(torch.where(torch.from_numpy(model.chances) > 0, totals, 0.0), torch.from_numpy(model.chances)).numpy()
    lost = ((model.chances > 0) & np.isinf(follows)).any(-1) | (model.chances.sum(-1) == 0)
    return np.where(lost, math.inf, known)


@given(
    st.integers(0, 10_000), st.sampled_from([1.0, 0.5, 0.2, 0.0]), st.sampled_from([1.0, 0.9]),
    st.sampled_from([math.inf, 20.0]),
)  # fmt: skip
def test_no_single_step_improves_the_values_and_the_policy_attains_them(
    seed: int, tail: float, discount: float, give_up: float
) -> None:
    model, risk = random_model(seed, 25, 3, 3), Risk(tail)
    options: dict[str, Any] = {"risk": risk, "discount": discount, "give_up": give_up}
    policy = value_iteration(model, [3, 11], tolerance=1e-9, workers=1, **options)
    assert policy.converged.all()
    for goal, values, actions in zip([3, 11], policy.values, policy.actions, strict=True):
        options_values = action_values(model, values, risk, discount, give_up)
        least = np.minimum(options_values.min(1), give_up)
        least[goal] = 0
        np.testing.assert_allclose(values, least, atol=1e-6)
        moving = actions >= 0
        taken = options_values[np.arange(25), actions]
        np.testing.assert_allclose(values[moving], taken[moving], atol=1e-6)
        assert (values[~moving] == np.where(np.arange(25) == goal, 0.0, give_up)[~moving]).all()


def test_equals_linear_algebra_for_the_mean() -> None:
    model = random_model(2, 40, 3, 3, quarters=False)
    policy = value_iteration(model, [GOAL], tolerance=1e-12)
    rows = np.flatnonzero(policy.actions[0] >= 0)
    chances, after = (part[rows, policy.actions[0, rows]] for part in (model.chances, model.next_states))
    prices = (chances * model.costs[rows, policy.actions[0, rows]]).sum(1)
    moves = np.zeros((len(rows), 40))
    np.add.at(moves, (np.arange(len(rows))[:, None], after), chances)
    exact = np.linalg.solve(np.eye(len(rows)) - moves[:, rows], prices)
    assert len(rows) > 20
    np.testing.assert_allclose(policy.values[0, rows], exact, rtol=1e-9)


def test_walks_cost_what_the_values_say() -> None:
    model = random_model(2, 20, 3, 2, quarters=False)
    policy = value_iteration(model, [GOAL])
    walk = policy.walk(model, np.full((1, 4000), 7), 300, np.random.default_rng(0))
    assert (walk.states[..., -1] == GOAL).all() and (walk.states[..., 0] == 7).all()
    costs = walk.costs.sum(-1)
    assert policy.values[0, 7] == pytest.approx(costs.mean(), abs=4 * costs.std() / 4000**0.5)
    likeliest = policy.walk(model, [[7]], 3).states[0, 0]
    assert likeliest[1] == model.next_states[7, policy.actions[0, 7], model.chances[7, policy.actions[0, 7]].argmax()]


def slippery_maze(size: int) -> FiniteModel:
    """Four moves, each of which goes off to either side one time in ten; a fifth of the cells are walls."""
    free = np.random.default_rng(0).random((size, size)) > 0.2
    cells = np.stack(np.meshgrid(np.arange(size), np.arange(size), indexing="ij"), -1).reshape(-1, 2)

    def after(move: int) -> np.ndarray:
        there = np.clip(cells + [[0, 1], [1, 0], [0, -1], [-1, 0]][move % 4], 0, size - 1)
        return np.where(free[tuple(there.T)][:, None], there, cells) @ [size, 1]

    next_states = np.stack([np.stack([after(move), after(move + 1), after(move + 3)], -1) for move in range(4)], 1)
    return FiniteModel.of(next_states, np.ones(next_states.shape[:2]), np.tile([0.8, 0.1, 0.1], (size**2, 4, 1)))


@pytest.mark.parametrize(("risk", "sweeps"), [(MEAN, 80), (Risk(0.5), 150), (WORST, 3)])
def test_a_slippery_maze_takes_few_sweeps(risk: Risk, sweeps: int) -> None:
    model = slippery_maze(24)
    goal = int(model.next_states[0, 0, 0])
    policy = value_iteration(model, [goal], risk=risk, max_sweeps=sweeps)
    assert policy.converged.all()
    known = np.isfinite(policy.values[0])
    assert known.sum() > 300 or risk.tail == 0
    plain = np.where(known, 0.0, math.inf)
    for _ in range(700):
        plain = action_values(model, plain, risk, 1.0, math.inf).min(1)
        plain[goal] = 0
    np.testing.assert_allclose(policy.values[0], plain, atol=1e-4)


def trap() -> FiniteModel:
    """From state 1 a shortcut of 1 step ends in a sealed cell, 3, one time in ten; the way round, by 2, takes 4."""
    after = [[[0, 0], [0, 0]], [[0, 3], [2, 2]], [[0, 0], [0, 0]], [[3, 3], [3, 3]]]
    chances = [[[1, 0], [1, 0]], [[0.9, 0.1], [1, 0]], [[1, 0], [1, 0]], [[1, 0], [1, 0]]]
    return FiniteModel.of(after, [[1, 1], [1, 2], [2, 2], [1, 1]], chances)


@pytest.mark.parametrize(
    ("risk", "give_up", "value", "action"),
    [
        (MEAN, math.inf, 4.0, 1),
        (MEAN, 15.0, 2.5, 0),
        (MEAN, 100.0, 4.0, 1),
        (Risk(0.3), 15.0, 4.0, 1),
        (WORST, 15.0, 4.0, 1),
        (WORST, 3.0, 3.0, -1),
    ],
)
def test_a_trap_is_avoided_unless_it_has_a_price(risk: Risk, give_up: float, value: float, action: int) -> None:
    policy = value_iteration(trap(), [0], risk=risk, give_up=give_up)
    assert policy.values[0, 1] == pytest.approx(value)
    assert policy.actions[0, 1] == action
    assert policy.values[0, 3] == give_up and policy.actions[0, 3] == -1


def test_a_trap_that_cannot_be_avoided_costs_infinitely_much() -> None:
    only_the_shortcut = replace(trap(), chances=trap().chances * np.array([1.0, 0.0])[:, None])
    policy = value_iteration(only_the_shortcut, [0])
    assert policy.values[0].tolist() == [0, math.inf, 2, math.inf] and policy.converged.all()


def test_steps_that_cost_nothing_do_not_lead_round_in_circles() -> None:
    # 1 and 2 are joined by free steps, and each may, for 3, try the goal, which works one time in two.
    after = [[[0, 0], [0, 0]], [[2, 2], [0, 1]], [[1, 1], [0, 2]]]
    model = FiniteModel.of(after, [[0, 0], [0, 3], [0, 3]], np.full((3, 2, 2), 0.5))
    policy = value_iteration(model, [0])
    assert policy.values[0] == pytest.approx([0, 6, 6], abs=1e-5)
    assert 1 in policy.actions[0, 1:]


class Tape:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def record(self, kind: str, **data: Any) -> None:
        assert kind == "iterate"
        self.records.append(data)


def test_values_fall_while_they_are_improved_and_say_when_they_are_not_done() -> None:
    model, tape = random_model(4, 60, 4, 3, quarters=False), Tape()
    whole = value_iteration(model, [GOAL, 5], recorder=tape)
    assert len(tape.records) == whole.sweeps + 1
    assert [record["iteration"] for record in tape.records] == list(range(whole.sweeps + 1))
    exact = value_iteration(model, [GOAL, 5], tolerance=1e-13).values
    cuts = [value_iteration(model, [GOAL, 5], max_sweeps=sweeps) for sweeps in (1, 2, 4, 8, 16, 32)]
    assert not cuts[0].converged.any() and whole.converged.all()
    for cut, record in zip(cuts, [tape.records[min(cut.sweeps, whole.sweeps)] for cut in cuts], strict=True):
        np.testing.assert_array_equal(cut.values, record["values"])
    tail = [record["values"] for record in tape.records[-6:]]
    assert all((later <= earlier + 1e-12).all() for earlier, later in itertools.pairwise(tail))
    assert (tail[0] >= exact - 1e-4).all()


def test_a_meter_ends_the_sweeps() -> None:
    meter = Budget(iterations=2).meter()
    policy = value_iteration(random_model(4, 60, 4, 3, quarters=False), [GOAL], meter=meter)
    assert (policy.sweeps, meter.iterations, policy.converged.tolist()) == (2, 2, [False])


def test_goals_may_be_masks_and_threads_change_nothing() -> None:
    model = random_model(4, 30, 3, 3, quarters=False)
    goals = [0, 4, 9, 17]
    one, two = value_iteration(model, goals, workers=1), value_iteration(model, goals, workers=2)
    mask = np.zeros((2, 30), bool)
    mask[0, 0] = mask[1, [4, 9]] = True
    masked = value_iteration(model, mask)
    np.testing.assert_array_equal(one.values, two.values)
    np.testing.assert_array_equal(one.actions, two.actions)
    np.testing.assert_array_equal(masked.values[0], one.values[0])
    assert (masked.values[1] <= np.minimum(one.values[1], one.values[2]) + 1e-6).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1], [1.0, 1.0]), r"next_states must be \[S, A, K\] integers"),
        (([[0.5]], [[1.0]]), "of float64"),
        (([[0], [1]], [[1.0, 1.0]]), r"costs must be \[2, 1, 1\] or \[2, 1\]"),
        (([[[0], [1]]], [[1.0, 1.0]], [[[1.0]]]), r"chances must be \[1, 2, 1\]"),
        (([[2], [0]], [[1.0], [1.0]]), r"next_states must be -1 \.\. 1; found 0 \.\. 2"),
        (([[[0, 0]]], [[1.0]], [[[0.5, 0.2]]]), "sum to 1 or all be 0"),
        (([[[0, 0]]], [[1.0]], [[[1.5, -0.5]]]), "must not be negative"),
        (([[0]], [[-1.0]]), r"costs must be finite and not negative; found -1.0"),
        (([[0]], [[math.nan]]), "costs must be finite"),
    ],
)
def test_a_model_without_sense_is_named(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(PlannerError, match=message):
        FiniteModel.of(*arguments)


@pytest.mark.parametrize(
    ("goals", "options", "message"),
    [
        ([4], {}, r"goals must be states 0 \.\. 3; found 4"),
        ([0.5], {}, "goals must be"),
        (np.zeros((1, 3), bool), {}, r"\[G, 4\] of bool, not \[1, 3\]"),
        ([0], {"discount": 0.0}, r"discount must be in \(0, 1\]"),
        ([0], {"give_up": 0.0}, "give_up must be positive"),
        ([0], {"tolerance": -1.0}, "tolerance must be positive"),
    ],
)
def test_a_question_without_sense_is_named(goals: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(PlannerError, match=message):
        value_iteration(trap(), goals, **options)
    with pytest.raises(PlannerError, match=r"starts must be \[1, N\]"):
        value_iteration(trap(), [0]).walk(trap(), [0], 1)
