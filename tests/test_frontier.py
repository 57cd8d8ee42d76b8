"""The search trees of many problems, beside plain sorted lists."""

from __future__ import annotations

import numpy as np
import pytest

from planners.frontier import Frontiers, Offers


@pytest.mark.parametrize("seed", range(5))
def test_heaps_of_many_problems_pop_in_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frontiers, expected = Frontiers(3, weight=2.0), [[], [], []]
    for _ in range(60):
        problems = np.sort(rng.integers(0, 3, 40))
        steps, estimates = rng.integers(0, 50, 40) / 2, rng.integers(0, 50, 40) / 4
        none = np.full(40, -1)
        made = frontiers.add(
            Offers(problems, none, none, rng.integers(-(2**62), 2**62, 40), steps, estimates, np.zeros(40))
        )
        assert (np.diff(made) == 1).all()
        for problem, key in zip(problems, steps + 2 * estimates, strict=True):
            expected[problem].append(float(key))
        most = int(rng.integers(1, 60))
        popped = frontiers.pop(most, 10**9)
        for problem, waiting in enumerate(expected):
            keys = frontiers.nodes["key"][popped[frontiers.nodes["problem"][popped] == problem]]
            waiting.sort()
            assert keys.tolist() == waiting[: len(keys)]
            assert len(keys) == min(most, len(waiting))
            del waiting[: len(keys)]
    assert len(frontiers.waiting()) == sum(map(len, expected))


def offer(frontiers: Frontiers, cell: int, step: float, estimate: float, parent: int = -1, arrived: int = 0) -> int:
    """Offers one state of problem 0."""
    one = [np.array([value]) for value in (0, parent, 7, cell)]
    (made,) = frontiers.add(Offers(*one, *(np.array([float(value)]) for value in (step, estimate, arrived))))
    return int(made)


def test_the_cheapest_of_a_cell_is_kept() -> None:
    frontiers = Frontiers(1, weight=1.0)
    first = offer(frontiers, 5, 3.0, 1.0)
    assert offer(frontiers, 5, 3.0, 0.5) == -1, "no cheaper"
    assert offer(frontiers, 6, np.inf, 0.5) == offer(frontiers, 6, 1.0, np.nan) == -1, "not usable"
    second = offer(frontiers, 5, 2.0, 1.0)
    assert frontiers.pop(9, 99).tolist() == [second] != [first]
    third = offer(frontiers, 5, 1.0, 1.0)
    assert frontiers.pop(9, 99).tolist() == [third], "opened again"


def test_without_a_weight_an_infinite_estimate_says_nothing() -> None:
    frontiers = Frontiers(1, weight=0.0)
    nodes = [offer(frontiers, cell, step, np.inf) for cell, step in enumerate((3.0, 1.0, 2.0))]
    assert frontiers.pop(9, 99).tolist() == [nodes[1], nodes[2], nodes[0]]
    hopeless = Frontiers(1, weight=1.0)
    offer(hopeless, 0, 1.0, np.inf)
    assert hopeless.pop(9, 99).tolist() == [] and hopeless.trees["finished"].all()


def test_a_smaller_weight_orders_anew_and_bounds_are_those_of_open_nodes() -> None:
    frontiers = Frontiers(1, weight=3.0, anytime=True)
    start = offer(frontiers, 0, 0.0, 6.0)
    assert np.isinf(frontiers.bounds()).all()
    assert frontiers.pop(1, 99).tolist() == [start]
    near, far = offer(frontiers, 1, 5.0, 1.0, start), offer(frontiers, 2, 1.0, 5.0, start)
    assert frontiers.pop(1, 99).tolist() == [near]
    goal = offer(frontiers, 3, 4.0, 0.0, near, arrived=1)
    assert frontiers.bounds().tolist() == [9 / 6]
    assert frontiers.path(0).tolist() == [start, near, goal]
    assert frontiers.trees["weight"][0] == 3
    assert frontiers.pop(9, 99).tolist() == [far], "its key was 16, and is 6 + 5 * excess at most"
    assert 1 <= frontiers.trees["weight"][0] < 2
    frontiers.put_back(np.array([far]))
    assert frontiers.trees["expanded"][0] == 2 and frontiers.waiting().tolist() == [far, goal]
    offer(frontiers, 3, 3.0, 0.0, far, arrived=1)
    frontiers.pop(9, 99)
    frontiers.settle()
    assert frontiers.trees["finished"].all() and frontiers.bounds().tolist() == [1.0]
    assert frontiers.trees["best_cost"].tolist() == [4.0]


def test_problems_with_the_same_cells_stay_apart() -> None:
    frontiers = Frontiers(50, weight=1.0)
    problems, zeros = np.arange(50), np.zeros(50)
    for cell in range(200):  # outgrows the first table
        none, cells = np.full(50, -1), np.full(50, cell)
        made = frontiers.add(Offers(problems, none, none, cells, zeros + cell, zeros, zeros))
        assert (made >= 0).all()
        again = frontiers.add(Offers(problems, none, none, cells, zeros + cell, zeros, zeros))
        assert (again == -1).all()
    assert frontiers.count == 50 * 200
