"""Codebooks, percentile boxes and probes of a stack."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hjepa.level import LevelConfig
from hjepa.macro_action import fit_probes, fit_support, k_means
from hjepa.stack import Stack, StackConfig


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def stack_of(strides: tuple[int, ...] = (1, 4), codes: int = 12) -> Stack:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Stack(StackConfig(levels=tuple(LevelConfig(stride=n, codes=codes, hidden=(8,)) for n in strides)))


def clusters() -> Tensor:
    centres = torch.tensor([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0], [9.0, 9.0]])
    sizes = [400, 300, 200, 3]  # the last one is rare
    noise = 0.1 * torch.randn(sum(sizes), 2, generator=seeded())
    return centres.repeat_interleave(torch.tensor(sizes), 0) + noise


@pytest.mark.parametrize("seed", range(5))
def test_k_means_finds_clusters_the_rare_one_too(seed: int) -> None:
    centres = k_means(clusters(), 4, seeded(seed))
    expected = torch.tensor([[0.0, 0.0], [0.0, 5.0], [5.0, 0.0], [9.0, 9.0]])
    apart = torch.cdist(expected, centres)
    assert (apart.min(1).values < 0.15).all()
    assert sorted(apart.argmin(1).tolist()) == [0, 1, 2, 3]


def test_k_means_ends_where_lloyd_stands_still() -> None:
    points = torch.rand(300, 3, generator=seeded(1))
    centres = k_means(points, 7, seeded(2), iterations=100)
    owner = torch.cdist(points, centres).argmin(1)
    means = torch.stack([points[owner == k].mean(0) for k in range(7)])
    torch.testing.assert_close(centres, means, atol=1e-5, rtol=0)


def test_k_means_with_more_clusters_than_places() -> None:
    points = torch.tensor([[1.0, 1.0], [2.0, 2.0]]).repeat(10, 1)
    centres = k_means(points, 5, seeded())
    assert centres.isfinite().all()
    assert torch.cdist(points, centres).min(1).values.max() == 0


def test_support_is_that_of_the_data() -> None:
    stack = stack_of()
    actions = 2 * torch.rand(2000, 8, 2, generator=seeded(3)) - 1
    fit_support(stack, actions, seed=0)
    first = actions[:, 0]
    torch.testing.assert_close(
        stack.level(1).support, torch.quantile(first, torch.tensor([0.01, 0.99]), dim=0), msg="level 1 has real actions"
    )
    for k, level in ((1, stack.level(1)), (2, stack.level(2))):
        macro_actions = stack.macro_actions(actions[:, : level.config.stride], k)[:, 0]
        inside = ((macro_actions >= level.support[0]) & (macro_actions <= level.support[1])).float().mean(0)
        torch.testing.assert_close(inside, torch.full_like(inside, 0.98), atol=0.005, rtol=0)
        low, high = macro_actions.min(0).values, macro_actions.max(0).values
        assert ((level.codebook >= low) & (level.codebook <= high)).all(), "codes are means of macro-actions"
        gaps = torch.cdist(level.codebook, level.codebook) + torch.eye(12)
        assert gaps.min() > 0.01, "codes differ"


def test_support_is_a_function_of_its_seed() -> None:
    actions = torch.rand(500, 4, 2, generator=seeded(3))
    stacks = [stack_of() for _ in range(3)]
    for stack, seed in zip(stacks, (0, 0, 1), strict=True):
        fit_support(stack, actions, seed)
    assert torch.equal(stacks[0].level(2).codebook, stacks[1].level(2).codebook)
    assert not torch.equal(stacks[0].level(2).codebook, stacks[2].level(2).codebook)


def test_probes_decode_what_is_linear() -> None:
    stack = stack_of((1, 4, 8))
    observations = 7 * torch.rand(500, 2, generator=seeded(4)) + 20
    stack.calibrate(observations)
    fit_probes(stack, observations)
    for k in (1, 2, 3):  # fresh encoders are all but linear
        decoded = stack.decode(stack.encode(observations, k), k)
        assert (decoded - observations).abs().max() < 0.1
