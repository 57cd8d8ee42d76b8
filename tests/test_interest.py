"""What an agent learns of its actions, and what counts as unknown."""

from __future__ import annotations

import numpy as np
import pytest

from hjepa.interest import ActionLatent, Frontier, headings

Points = np.ndarray
NONE = np.empty((0, 2))


def babbling(view: Points, blocked: float = 0.3, steps: int = 200) -> tuple[Points, Points]:
    """Observations through a view, and actions of which a share meet with a wall that stops x."""
    random = np.random.default_rng(0)
    actions = random.uniform(-1, 1, (steps, 2))
    free = np.where(random.random((steps, 1)) < blocked, [0.0, 1.0], [1.0, 1.0])
    places = np.concatenate([np.zeros((1, 2)), np.cumsum(0.2 * actions * free, 0)])
    return places @ view + 7.0, actions


@pytest.mark.parametrize("view", [np.eye(2), np.array([[0.0, -3.0], [2.0, 1.0]]), np.array([[1.0, 2, 0], [0, 1, 5]])])
def test_an_action_moves_the_latent_by_itself_whatever_the_view(view: Points) -> None:
    """Rotated, stretched or of more numbers; and although walls cut a third of the steps short."""
    observations, actions = babbling(view)
    latent = ActionLatent.fit(observations, actions)
    there = latent.place(observations[0] + 0.2 * np.array([1.0, -0.5]) @ view)
    assert there == pytest.approx([1.0, -0.5], abs=1e-6)


def test_walls_would_spoil_an_untrimmed_fit() -> None:
    observations, actions = babbling(np.eye(2))
    held = actions.copy()
    held[:, 0] = np.abs(held[:, 0])  # pushes against the wall while it slides up
    blocked = np.abs(np.diff(observations[:, 0])) < 1e-12
    held[blocked, 1] = held[blocked, 0]
    moved = np.where(blocked[:, None], [0.0, 1.0], [1.0, 1.0]) * held
    seen = np.concatenate([np.zeros((1, 2)), np.cumsum(0.2 * moved, 0)])
    plain = np.linalg.lstsq(np.diff(seen, axis=0), held, rcond=None)[0]
    assert np.abs(plain - 5 * np.eye(2)).max() > 1
    assert ActionLatent.fit(seen, held).encoder == pytest.approx(5 * np.eye(2), abs=1e-6)


def test_what_no_action_moves_is_not_seen() -> None:
    observations, actions = babbling(np.eye(2))
    cloud = np.random.default_rng(1).normal(0, 1, (len(observations), 1))
    latent = ActionLatent.fit(np.concatenate([observations, cloud], 1), actions)
    assert np.abs(latent.encoder[2]).max() < 1e-6


def test_headings_are_as_fast_as_can_be_and_differ() -> None:
    drawn = headings(3, 10, np.random.default_rng(0))
    assert np.abs(drawn).max(1) == pytest.approx(np.ones(10))
    assert len(np.unique(drawn, axis=0)) == 10


EAST, WEST = np.array([[1.0, 0.0]]), np.array([[-1.0, 0.0]])


def test_only_what_is_far_from_all_memories_is_unknown() -> None:
    frontier, landmarks = Frontier(2, radius=9.0), np.array([[0.0, 0.0], [11.0, 0.0]])
    frontier.imagine(0, landmarks[:1], np.concatenate([EAST, WEST]))
    assert frontier.places.tolist() == [[12.0, 0.0], [-12.0, 0.0]]
    frontier.imagine(1, landmarks, np.concatenate([EAST, WEST]))  # makes the first one known; back west is known
    assert frontier.places.tolist() == [[-12.0, 0.0], [23.0, 0.0]] and frontier.origins.tolist() == [0, 1]


def test_a_refuted_place_is_known_and_stays_so() -> None:
    frontier, here = Frontier(2, radius=9.0), np.zeros((1, 2))
    frontier.imagine(0, here, EAST)
    assert frontier.holds(np.array([12.0, 0.0]))
    frontier.refute(np.array([12.0, 5.0]))
    assert not frontier.holds(np.array([12.0, 0.0]))
    frontier.imagine(0, here, EAST)
    assert not len(frontier.places)


def test_a_surprise_refutes_what_lies_behind_it_and_not_what_lies_beside() -> None:
    frontier = Frontier(2, radius=9.0)
    frontier.imagine(0, np.zeros((1, 2)), np.array([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
    frontier.surprise(np.array([3.0, 0.0]), np.array([0.7, 0.0]))  # a wall in the east
    assert frontier.places.tolist() == [[0.0, 12.0], [0.0, -12.0]]
