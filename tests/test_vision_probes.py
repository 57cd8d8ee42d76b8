"""Probes: they find what is there, nothing else, and say how sure they are."""

from __future__ import annotations

import torch
from torch import Tensor

from hjepa.vision.probes import (
    RESAMPLES,
    Keypoints,
    Sample,
    balanced,
    balanced_accuracy,
    cells_of,
    fit_linear,
    fit_small,
    mean,
    r_squared,
    root_mean_square,
)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def halves(inputs: Tensor, wanted: Tensor) -> tuple[Sample, Sample]:
    groups, half = torch.arange(len(inputs)) // 10, len(inputs) // 2
    whole = Sample(inputs, wanted, groups)
    return whole.where(groups * 10 < half), whole.where(groups * 10 >= half)


def test_a_linear_probe_reads_what_is_linear_and_nothing_else() -> None:
    inputs = noise(400, 5)
    for wanted, least, most in ((inputs @ noise(5, 2, seed=1) + 3, 0.999, 1.0), (noise(400, 2, seed=2), -1, 0.1)):
        fit, test = halves(inputs, wanted)
        assert least <= r_squared(fit_linear(fit)(test.inputs), test.wanted, test.groups).value <= most


def test_more_inputs_than_rows_are_no_obstacle() -> None:
    inputs = noise(400, 2, seed=1) @ noise(2, 300, seed=2) + 0.01 * noise(400, 300)
    fit, test = halves(inputs, inputs[:, :2])
    assert len(fit.inputs) < 300 and r_squared(fit_linear(fit)(test.inputs), test.wanted, test.groups).value > 0.99


def test_a_small_probe_reads_what_is_not_linear() -> None:
    inputs = noise(800, 2)
    fit, test = halves(inputs, (inputs[:, :1] * inputs[:, 1:]).tanh())
    linear, small = (r_squared(of(fit)(test.inputs), test.wanted, test.groups) for of in (fit_linear, fit_small))
    assert linear.value < 0.1 and small.value > 0.8


def test_a_small_probe_of_maps_finds_where_something_is() -> None:
    cells = torch.randint(0, 36, (600,), generator=torch.Generator().manual_seed(0))
    maps = 0.1 * noise(600, 2, 36)
    maps[torch.arange(600), 0, cells] += 3
    wanted = torch.stack([cells % 6, cells // 6], 1).float()
    fit, test = halves(maps.unflatten(2, (6, 6)), wanted)
    read = fit_small(fit)
    assert r_squared(read(test.inputs), test.wanted, test.groups).value > 0.9
    assert isinstance(Keypoints(2, 3)(test.inputs), Tensor)


def test_probes_are_the_same_every_time_and_leave_the_global_randomness_alone() -> None:
    fit, test = halves(noise(200, 3), noise(200, 1, seed=1))
    before = torch.random.get_rng_state()
    first, second = (fit_small(fit, steps=20)(test.inputs) for _ in range(2))
    assert torch.equal(first, second) and torch.equal(before, torch.random.get_rng_state())


def test_cells_are_rows_with_their_neighbours() -> None:
    maps = torch.arange(2 * 3 * 12.0).view(2, 3, 3, 4)
    truth = torch.zeros(2, 3, 4, dtype=torch.bool)
    truth[1, 2, 3] = True
    alone, around = (cells_of(maps, truth, torch.tensor([4, 9]), reach) for reach in (0, 1))
    assert torch.equal(alone.inputs[-1], maps[1, :, 2, 3]) and alone.wanted.sum() == -22 and alone.wanted[-1] == 1
    assert torch.equal(around.inputs.view(24, 3, 9)[5, :, 4], maps[0, :, 1, 1])
    assert alone.groups.tolist() == [4] * 12 + [9] * 12


def test_a_balanced_sample_has_as_many_of_either() -> None:
    rare = Sample(torch.arange(100.0).view(-1, 1), torch.tensor([[1.0]] + [[-1.0]] * 99), torch.zeros(100))
    drawn = balanced(rare, 40)
    assert drawn.wanted.sum() == 0 and (drawn.inputs[drawn.wanted > 0] == 0).all() and len(drawn.inputs) == 40


def test_guesses_are_half_right() -> None:
    wanted = torch.tensor([[1.0]] * 10 + [[-1.0]] * 90)
    always = balanced_accuracy(-torch.ones(100, 1), wanted, torch.arange(100) % 10)
    assert always.value == 0.5 and balanced_accuracy(wanted, wanted, torch.arange(100)).value == 1.0


def test_means_and_errors_are_exact() -> None:
    values, groups = torch.tensor([1.0, 2.0, 3.0, 6.0]), torch.arange(4)
    assert mean(values, groups).value == 3.0
    assert abs(root_mean_square(values, groups).value - 12.5**0.5) < 1e-9
    wanted = values.view(-1, 1)
    assert abs(r_squared(wanted + 1, wanted, groups).value - (1 - 4 / 14)) < 1e-9


def test_an_interval_covers_as_often_as_it_says() -> None:
    """Rows of a group are copies: who counted them as independent would be far too sure."""
    covered = 0
    for trial in range(200):
        draws = noise(20, seed=trial).repeat_interleave(10)
        score = mean(draws, torch.arange(20).repeat_interleave(10))
        covered += score.low <= 0 <= score.high
    assert RESAMPLES >= 1000 and 0.87 <= covered / 200 <= 0.99
