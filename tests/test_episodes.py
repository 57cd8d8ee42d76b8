"""Recorded episodes: windows, longer steps, and parts."""

import numpy as np
import pytest
import torch

from worlds.episodes import Episodes


def counted(episodes=4, steps=7):
    """States that tell episode and time, actions likewise."""
    index = np.arange(episodes)[:, None] * 100 + np.arange(steps + 1)
    states = np.stack([index, -index], -1).astype(np.float32)
    return Episodes(states, states[:, :-1] + 0.5, np.arange(episodes))


def test_windows_are_parts_of_episodes_with_their_actions_and_layouts():
    states, actions, maps = counted().windows(500, 3, torch.Generator().manual_seed(0))
    assert states.shape == (500, 4, 2) and actions.shape == (500, 3, 2)
    assert torch.equal(states[:, 1:, 0] - states[:, :-1, 0], torch.ones(500, 3))
    assert torch.equal(actions, states[:, :-1] + 0.5)
    assert torch.equal((states[:, 0, 0] // 100).long(), maps)
    starts = {(int(m), int(s) % 100) for m, s in zip(maps, states[:, 0, 0], strict=True)}
    assert starts == {(m, s) for m in range(4) for s in range(5)}


def test_windows_depend_on_the_generator_only():
    first, same, other = (counted().windows(9, 2, torch.Generator().manual_seed(seed))[0] for seed in (1, 1, 2))
    assert torch.equal(first, same) and not torch.equal(first, other)


def test_every_third_frame_keeps_all_actions():
    data = counted().every(3)
    np.testing.assert_array_equal(data.states[1, :, 0], [100, 103, 106])
    np.testing.assert_array_equal(data.actions[1, 1, ::2], [103.5, 104.5, 105.5])
    assert data.transitions == 8


def test_parts_are_joined():
    data = counted()
    joined = Episodes.joined([data.take(np.array([2])), data.take(np.array([0, 1]))])
    assert joined.maps.tolist() == [2, 0, 1] and len(joined) == 3
    np.testing.assert_array_equal(joined.states[0], data.states[2])


@pytest.mark.parametrize("steps", [0, 8])
def test_windows_longer_than_episodes_get_one_clear_line(steps):
    with pytest.raises(ValueError, match=rf"windows must be of 1..7 steps, not {steps}"):
        counted().windows(1, steps, torch.Generator())
    with pytest.raises(ValueError, match=rf"skip must be 1..7, not {steps}"):
        counted().every(steps)


def test_shapes_that_differ_get_one_clear_line():
    data = counted()
    with pytest.raises(ValueError, match=r"states \(4, 8, 2\), actions \(4, 7, 2\) and maps \(3,\) differ"):
        Episodes(data.states, data.actions, data.maps[:3])
