"""The search on the device grows the trees of the compiled search, in few operations, and asks the device nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from planners.base import Budget
from planners.candidates import PlannerError
from planners.mcts import MCTS
from planners.mcts.device import DeviceMCTS
from planners.mcts.device_forest import DeviceTree
from planners.mcts.forest import Prediction
from planners.mcts.trees import Root

NEEDS_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@dataclass(frozen=True)
class Table:
    """A model of S states and A actions as tables; states are [M, 1] numbers."""

    after: Tensor
    rewards: Tensor
    discounts: Tensor
    logits: Tensor
    values: Tensor

    @staticmethod
    def random(seed: int, actions: int = 3, states: int = 9) -> Table:
        g = torch.Generator().manual_seed(seed)
        shape, double = (states, actions), {"generator": g, "dtype": torch.float64}
        after = torch.randint(states, shape, generator=g)
        logits = torch.randn(shape, **double)
        logits[torch.rand(shape, **double) < 0.15] = -torch.inf
        discounts = 0.95 * (torch.rand(shape, **double) > 0.15)
        return Table(after, torch.randn(shape, **double), discounts, logits, torch.randn(states, **double))

    def root(self, starts: list[int]) -> Root:
        start = torch.tensor(starts, device=self.values.device)
        return Root(start[:, None].double(), self.logits[start].nan_to_num(neginf=-9.0), self.values[start])

    def __call__(self, states: Tensor, actions: Tensor) -> Prediction:
        here = states[:, 0].long()
        after = self.after[here, actions]
        follows = (self.rewards[here, actions], self.discounts[here, actions])
        return Prediction(after[:, None].double(), *follows, self.logits[after], self.values[after])

    def to(self, device: str) -> Table:
        return Table(*(table.to(device) for table in vars(self).values()))


def linear(states: Tensor, actions: Tensor) -> Prediction:
    """A model of 4 actions without tables."""
    after = (states + actions[:, None]).cos()
    value = after.sum(1)
    return Prediction(after, value.sin(), torch.full_like(value, 0.9), after.repeat(1, 2), value)


def linear_root(device: str, batch: int = 3) -> Root:
    states = torch.arange(2.0 * batch).view(batch, 2).to(device)
    return Root(states, states.repeat(1, 2), states.sum(1))


def assert_same(left: Any, right: Any) -> None:
    """Two results' trees and choices are the same; right is on the device."""
    tree = right.tree.numpy()
    for name in tree._fields:
        np.testing.assert_allclose(getattr(tree, name), getattr(left.tree, name), rtol=0, atol=1e-12, err_msg=name)
    assert torch.equal(left.states, right.states.cpu())
    assert torch.equal(left.action, right.action.cpu())
    torch.testing.assert_close(left.action_weights, right.action_weights.cpu(), rtol=0, atol=1e-12)
    torch.testing.assert_close(left.root_value, right.root_value.cpu(), rtol=0, atol=1e-12)


@given(
    st.integers(0, 10_000),
    st.integers(1, 6),
    st.lists(st.integers(0, 8), min_size=1, max_size=5),
    st.integers(1, 60),
)
def test_grows_the_trees_of_the_compiled_search(seed: int, actions: int, starts: list[int], simulations: int) -> None:
    table = Table.random(seed, actions)
    expected = MCTS(num_simulations=simulations).search(table.root(starts), table)
    assert_same(expected, DeviceMCTS(num_simulations=simulations).search(table.root(starts), table))


def test_deep_narrow_trees_are_the_same() -> None:
    table = Table.random(0, 1)
    deep = DeviceMCTS(num_simulations=70).search(table.root([0, 3]), table)
    assert deep.tree.parents[0].tolist() == list(range(-1, 70))
    assert_same(MCTS(num_simulations=70).search(table.root([0, 3]), table), deep)


def depths(tree: DeviceTree) -> Tensor:
    """[B, N] depths of the nodes."""
    found = torch.zeros_like(tree.parents)
    for node in range(1, found.shape[1]):
        found[:, node] = found.gather(1, tree.parents[:, node, None])[:, 0] + 1
    return found


def test_a_largest_depth_that_is_not_reached_changes_nothing() -> None:
    table = Table.random(10, 4)
    expected = MCTS(num_simulations=50).search(table.root([0, 3]), table)
    depth = depths(DeviceMCTS(num_simulations=50).search(table.root([0, 3]), table).tree).max()
    assert_same(expected, DeviceMCTS(num_simulations=50, max_depth=int(depth)).search(table.root([0, 3]), table))


def test_a_largest_depth_keeps_trees_flat_and_counts_what_is_there_again() -> None:
    table = Table.random(11, 3)
    tree = DeviceMCTS(num_simulations=60, max_depth=2).search(table.root([0, 3]), table).tree
    there = tree.visits > 0
    assert depths(tree)[there].max() == 2
    assert (there.sum(1) <= 13).all()
    assert tree.visits[:, 0].tolist() == [61, 61]
    for problem, node in there.nonzero().tolist():
        edges, q = tree.edge_visits[problem, node], tree.q[problem, node]
        # A node's own value is counted once, or as often as a simulation ended there.
        assert edges.sum() == (0 if depths(tree)[problem, node] == 2 else tree.visits[problem, node] - 1)
        for child, visits, value in zip(tree.children[problem, node].tolist(), edges, q, strict=True):
            if visits > 0:
                assert tree.visits[problem, child] == visits
                follows = tree.discounts[problem, child] * tree.values[problem, child]
                torch.testing.assert_close(value, tree.rewards[problem, child] + follows)


def test_ties_go_to_the_first_action_as_there() -> None:
    table = Table.random(1)
    flat = Table(
        table.after, *(torch.zeros_like(part) for part in (table.rewards, table.discounts, table.logits, table.values))
    )
    expected = MCTS(num_simulations=50).search(flat.root([0, 4]), flat)
    assert_same(expected, DeviceMCTS(num_simulations=50).search(flat.root([0, 4]), flat))


def test_invalid_actions_and_settings_are_those_of_the_compiled_search() -> None:
    table, starts = Table.random(2, 4), [0, 1, 2]
    invalid = torch.tensor([[True, False, False, True], [False] * 4, [True, True, True, False]])
    settings = {"num_simulations": 40, "pb_c_init": 3.0, "pb_c_base": 50.0}
    expected = MCTS(**settings).search(table.root(starts), table, invalid_actions=invalid)
    found = DeviceMCTS(**settings).search(table.root(starts), table, invalid_actions=invalid)
    assert_same(expected, found)
    assert (found.action_weights[invalid] == 0).all()


def test_noise_and_temperature_draw_what_the_compiled_search_draws() -> None:
    table, starts = Table.random(3, 4), [0, 1, 2, 3]
    settings = {"num_simulations": 20, "dirichlet_fraction": 0.4, "temperature": 1.0}
    results = [
        kind(**settings).search(table.root(starts), table, generator=np.random.default_rng(5))
        for kind in (MCTS, DeviceMCTS)
    ]
    assert_same(*results)


def test_the_host_never_asks_the_device() -> None:
    # Tensors on the meta device hold no numbers: reading one, or a shape that depends on one, is an error.
    result = DeviceMCTS(num_simulations=6, max_depth=2).search(linear_root("meta"), linear)
    assert result.action.is_meta
    assert result.states.shape == (3, 7, 2)


class Counter(TorchDispatchMode):
    """Counts operations that compute something."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        views = ("view", "slice", "select", "unsqueeze", "expand", "unbind", "scalar_tensor")
        self.count += not str(function).removeprefix("aten.").startswith(views)
        return function(*args, **(kwargs or {}))


def operations(simulations: int) -> int:
    root = linear_root("cpu")
    prediction = linear(root.states, torch.zeros(3))
    search = DeviceMCTS(num_simulations=simulations).capture(root, lambda states, actions: prediction)
    with Counter() as counter:
        search(root)
    return counter.count


def test_a_simulation_takes_a_bounded_number_of_operations() -> None:
    few, some, many = operations(5), operations(10), operations(40)
    each = (some - few) / 5
    assert (many - some) / 30 == each
    assert each <= 75


def test_a_captured_search_runs_again_for_other_roots() -> None:
    table = Table.random(4, 4)
    settings = DeviceMCTS(num_simulations=30, dirichlet_fraction=0.25)
    captured = settings.capture(table.root([0, 0, 0]), table)
    for starts in ([1, 2, 3], [4, 5, 6], [1, 2, 3]):
        draws = (np.random.default_rng(starts[0]) for _ in range(2))
        expected = MCTS(num_simulations=30, dirichlet_fraction=0.25).search(
            table.root(starts), table, generator=next(draws)
        )
        assert_same(expected, captured(table.root(starts), generator=next(draws)))


def test_a_captured_search_takes_roots_of_its_shape_only() -> None:
    table = Table.random(4)
    captured = DeviceMCTS(num_simulations=3).capture(table.root([0, 0]), table)
    with pytest.raises(PlannerError, match=r"root.states must be \[2, 1\] on cpu, as captured, not \[3, 1\] on cpu"):
        captured(table.root([0, 1, 2]))


@NEEDS_CUDA
def test_a_graph_on_the_gpu_grows_the_same_trees() -> None:
    table = Table.random(5, 4)
    captured = DeviceMCTS(num_simulations=60).capture(table.to("cuda").root([0, 0, 0]), table.to("cuda"))
    for starts in ([1, 2, 3], [4, 5, 6]):
        expected = MCTS(num_simulations=60).search(table.root(starts), table)
        assert_same(expected, captured(table.to("cuda").root(starts)))


@pytest.mark.parametrize("budget", [Budget(iterations=4), Budget(model_calls=12)], ids=["iterations", "model calls"])
def test_a_budget_ends_the_search(budget: Budget) -> None:
    table = Table.random(6)
    expected = MCTS(num_simulations=50).search(table.root([0, 1, 2]), table, budget=budget)
    found = DeviceMCTS(num_simulations=50).search(table.root([0, 1, 2]), table, budget=budget)
    assert found.tree.visits.shape == (3, 5)
    assert_same(expected, found)


def test_the_least_budget_of_seconds_gives_one_simulation() -> None:
    table = Table.random(6)
    result = DeviceMCTS(num_simulations=50).search(table.root([0, 1]), table, budget=Budget(seconds=1e-9))
    assert result.tree.visits[:, 0].tolist() == [2, 2]


def test_single_precision_stays_single() -> None:
    result = DeviceMCTS(num_simulations=12).search(linear_root("cpu"), linear)
    assert result.root_value.dtype == result.action_weights.dtype == result.tree.q.dtype == torch.float32
    torch.testing.assert_close(result.action_weights.sum(1), torch.ones(3))


@pytest.mark.parametrize("name", ["rewards", "discounts", "prior_logits", "values"])
def test_numbers_that_are_none_are_said_so(name: str) -> None:
    table = Table.random(7)

    def broken(states: Tensor, actions: Tensor) -> Prediction:
        prediction = table(states, actions)
        return prediction._replace(**{name: torch.full_like(getattr(prediction, name), torch.nan)})

    with pytest.raises(PlannerError, match="problem 0 .* is not finite"):
        DeviceMCTS(num_simulations=5).search(table.root([0, 1]), broken)


def test_a_root_without_a_valid_action_is_said_so() -> None:
    table = Table.random(8)
    invalid = torch.tensor([[False] * 3, [True] * 3])
    with pytest.raises(PlannerError, match="problem 1 has no valid action at its root"):
        DeviceMCTS(num_simulations=5).search(table.root([0, 1]), table, invalid_actions=invalid)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"states": torch.zeros(2)}, r"root.states must be \[B, D\]"),
        ({"prior_logits": torch.zeros(1, 3)}, r"root.prior_logits must be \[2, A\]"),
        ({"values": torch.zeros(2, 1)}, r"root.values must be \[2\]"),
    ],
)
def test_roots_of_a_wrong_shape_get_one_clear_line(change: dict[str, Tensor], message: str) -> None:
    table = Table.random(9)
    with pytest.raises(PlannerError, match=message):
        DeviceMCTS(num_simulations=5).search(table.root([0, 1])._replace(**change), table)


def test_predictions_and_masks_of_a_wrong_shape_get_one_clear_line() -> None:
    table = Table.random(9)
    with pytest.raises(PlannerError, match=r"the model's rewards must be \[2\], not \[2, 1\]"):
        DeviceMCTS(num_simulations=5).search(
            table.root([0, 1]), lambda s, a: table(s, a)._replace(rewards=torch.zeros(2, 1))
        )
    with pytest.raises(PlannerError, match=r"invalid_actions must be \[2, 3\] of bool, not \[2, 3\] of torch.float32"):
        DeviceMCTS(num_simulations=5).search(table.root([0, 1]), table, invalid_actions=torch.zeros(2, 3))


@pytest.mark.parametrize(
    "settings",
    [{"num_simulations": 0}, {"pb_c_init": -1.0}, {"dirichlet_fraction": 2.0}, {"temperature": -1.0}, {"max_depth": 0}],
    ids=str,
)
def test_settings_that_make_no_sense_are_named(settings: dict[str, Any]) -> None:
    with pytest.raises(PlannerError, match=f"DeviceMCTS.{next(iter(settings))}"):
        DeviceMCTS(**{"num_simulations": 1, **settings})


def test_noise_needs_a_generator() -> None:
    table = Table.random(9)
    with pytest.raises(PlannerError, match="needs a generator"):
        DeviceMCTS(num_simulations=5, temperature=1.0).search(table.root([0, 1]), table)
