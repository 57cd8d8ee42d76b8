"""Memory by content: a ring of the latest steps, and values by the keys that are near."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from hjepa.recall import AssociativeMemory, RecallError, ShortTermMemory


def test_the_ring_keeps_the_latest_steps_in_order() -> None:
    memory = ShortTermMemory(3)
    assert memory.last() == {} and len(memory) == 0
    for step in range(5):
        memory.write({"observation": np.full((2, 1), step), "active": np.array([True, step < 4])})
    kept = memory.last()
    assert len(memory) == 3 and kept["observation"][:, 0, 0].tolist() == [2, 3, 4]
    assert kept["active"][:, 1].tolist() == [True, True, False]
    assert memory.last(1)["observation"].tolist() == [[[4], [4]]]


def test_what_was_written_does_not_change_with_its_source() -> None:
    memory, seen = ShortTermMemory(2), np.zeros((1, 2))
    memory.write({"observation": seen})
    seen += 1
    assert (memory.last()["observation"] == 0).all()


def test_every_step_of_the_ring_holds_the_same_things() -> None:
    memory = ShortTermMemory(2)
    memory.write({"observation": np.zeros((1, 2))})
    with pytest.raises(RecallError, match="each step holds observation, not action"):
        memory.write({"action": np.zeros((1, 2))})
    with pytest.raises(RecallError, match="at least 1 step, not 0"):
        ShortTermMemory(0)


def numbered(keys: np.ndarray, capacity: int = 1000, radius: float = 2.0) -> AssociativeMemory:
    """Each key's value is its number."""
    keys = np.asarray(keys, np.float32)
    return AssociativeMemory(keys, {"number": np.arange(len(keys))}, radius, capacity)


def test_recall_finds_the_nearest_keys_as_brute_force_does() -> None:
    generator = np.random.default_rng(0)
    keys, queries = generator.normal(0, 5, (300, 4)).astype(np.float32), generator.normal(0, 5, (20, 4))
    memory = numbered(keys)
    for query in queries.astype(np.float32):
        distances = np.linalg.norm(keys - query, axis=1)
        nearest = memory.recall(query, 5)
        np.testing.assert_array_equal(nearest.values["number"], np.argsort(distances)[:5])
        np.testing.assert_allclose(nearest.distances, np.sort(distances)[:5], rtol=1e-5)
        assert sorted(memory.near(query).rows.tolist()) == np.flatnonzero(distances <= 2.0).tolist()


def test_an_empty_memory_recalls_nothing() -> None:
    memory = numbered(np.empty((0, 3)))
    assert len(memory.recall(np.zeros(3, np.float32), 4).rows) == 0
    assert memory.near(np.zeros(3, np.float32)).values["number"].tolist() == []


def test_what_was_of_no_use_for_longest_is_forgotten() -> None:
    memory = numbered(np.array([[0.0, 0], [1, 0], [2, 0]]), capacity=3)
    memory.use(np.array([0]))
    memory.write(np.array([[3.0, 0], [4, 0]], np.float32), {"number": np.array([3, 4])})
    assert memory.values["number"].tolist() == [0, 3, 4]
    assert memory.recall(np.array([2.1, 0], np.float32), 1).values["number"].tolist() == [3]


def test_what_is_not_kept_is_not_recalled() -> None:
    memory = numbered(np.array([[0.0, 0], [1, 0]]))
    assert memory.recall(np.zeros(2, np.float32), 1).values["number"].tolist() == [0]
    memory.keep(np.array([False, True]))
    assert memory.recall(np.zeros(2, np.float32), 1).values["number"].tolist() == [1]


def test_a_memory_is_saved_and_comes_back() -> None:
    memory = numbered(np.array([[0.0, 0], [1, 0], [2, 0]]), capacity=3)
    memory.use(np.array([2]))
    again = AssociativeMemory.from_state(memory.state(), radius=2.0, capacity=3)
    for one in (memory, again):
        one.write(np.array([[9.0, 9]], np.float32), {"number": np.array([9])})
    assert again.values["number"].tolist() == memory.values["number"].tolist() == [1, 2, 9]
    assert again.clock == memory.clock


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: numbered(np.zeros((1, 2)), capacity=0), "positive radius and capacity"),
        (lambda: numbered(np.zeros((1, 2)), radius=0.0), "positive radius and capacity"),
        (
            lambda: numbered(np.zeros((1, 2))).write(np.zeros((1, 3), np.float32), {"number": np.zeros(1)}),
            "does not hold",
        ),
        (
            lambda: numbered(np.zeros((1, 2))).write(np.zeros((1, 2), np.float32), {"size": np.zeros(1)}),
            "does not hold",
        ),
        (
            lambda: numbered(np.zeros((1, 2))).write(np.zeros((1, 2), np.float32), {"number": np.zeros(3)}),
            "3 values for 1 keys",
        ),
        (lambda: AssociativeMemory.from_state({}, 1.0, 1), "keys is missing"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(wrong: Callable[[], object], message: str) -> None:
    with pytest.raises(RecallError, match=message) as caught:
        wrong()
    assert "\n" not in str(caught.value)
