"""Probes: how much of the world's truth can be read from a latent, by a linear map and by a small network.

They are fitted on some layouts and judged in others, after training and for people alone: nothing that is read here
goes back into an agent (Alain and Bengio, 2016, "Understanding intermediate layers using linear classifier probes").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss, pad, unfold

from hjepa.layers import mlp
from hjepa.vision.features import grid_cells

RIDGES = (1e-3, 1e-1, 1e1)
"""Penalties that a linear probe chooses from, relative to the variance of its inputs."""
STARTS = 3
"""Of a small probe."""
RESAMPLES = 1000
"""Of the bootstrap."""
ASIDE = 0.25
"""Share of the groups that a linear probe chooses its penalty on."""

Reader = Callable[[Tensor], Tensor]
"""[N, ...] latents to [N, T] what is read from them."""


@dataclass(frozen=True)
class Score:
    """A measured number.

    Attributes:
        value: of all rows.
        low: lower end of its 95 % interval.
        high: upper end.
    """

    value: float
    low: float
    high: float


class Sample(NamedTuple):
    """What a probe is fitted to, or judged on.

    Attributes:
        inputs: [N, D] vectors or [N, C, h, w] maps.
        wanted: [N, T] the truth.
        groups: [N] numbers from 0; rows of one group (a layout) are not independent of each other.
    """

    inputs: Tensor
    wanted: Tensor
    groups: Tensor

    def where(self, rows: Tensor) -> Sample:
        """Some of the rows."""
        return Sample(self.inputs[rows], self.wanted[rows], self.groups[rows])


def fit_linear(sample: Sample) -> Reader:
    """Ridge regression from standardised inputs; its penalty is chosen on groups that are left out, then refitted."""
    aside = sample.groups >= (1 - ASIDE) * (int(sample.groups.max()) + 1)
    if len(sample.groups.unique()) < 2:
        return _ridge(sample, RIDGES[0])
    chosen, rest = sample.where(aside), sample.where(~aside)
    errors = [float(mse_loss(_ridge(rest, ridge)(chosen.inputs), chosen.wanted)) for ridge in RIDGES]
    return _ridge(sample, RIDGES[errors.index(min(errors))])


def _ridge(sample: Sample, ridge: float) -> Reader:
    """Solved for the weights of the inputs, or of the rows where these are fewer."""
    rows = sample.inputs.flatten(1)
    mean, centre = rows.mean(0), sample.wanted.mean(0)
    scale = rows.std(0).clamp_min(1e-6)
    x, y = (rows - mean) / scale, sample.wanted - centre
    penalty = ridge * len(x)
    if x.shape[1] <= len(x):
        weights = torch.linalg.solve(x.T @ x + penalty * torch.eye(x.shape[1]), x.T @ y)
    else:
        weights = x.T @ torch.linalg.solve(x @ x.T + penalty * torch.eye(len(x)), y)
    return lambda inputs: (inputs.flatten(1) - mean) / scale @ weights + centre


@final
class Keypoints(nn.Module):
    """A small probe of maps: attends to a few places of a map, and tells what is wanted from where they are.

    Args:
        channels: C, of the maps.
        wanted: T, numbers to tell.
    """

    COUNT, WIDTH, SHARPNESS = 4, 24, 4.0

    def __init__(self, channels: int, wanted: int) -> None:
        super().__init__()
        self.look = nn.Sequential(
            nn.Conv2d(channels, self.WIDTH, 3, padding=1, padding_mode="replicate"),
            nn.SiLU(),
            nn.Conv2d(self.WIDTH, self.COUNT, 1),
        )
        self.tell = nn.Linear(2 * self.COUNT, wanted)

    def forward(self, maps: Tensor) -> Tensor:
        """[N, C, h, w] maps to [N, T] readings."""
        seen = self.look(maps).flatten(2)
        standard = (seen - seen.mean(-1, keepdim=True)) / seen.std(-1, keepdim=True).clamp_min(1e-4)
        cells = grid_cells(maps.shape[-2], maps.shape[-1], maps).T / maps.shape[-1] - 0.5
        return self.tell(((self.SHARPNESS * standard).softmax(-1) @ cells).flatten(1))


def fit_small(sample: Sample, seed: int = 0, steps: int = 300, batch: int = 32) -> Reader:
    """A small network on whitened inputs, trained for seconds: two hidden layers, or :class:`Keypoints` for maps.

    What is found first depends on where a network starts: of :data:`STARTS`, the one that fits best is kept.
    """
    white, centre, unit = _whitening(sample.inputs), sample.wanted.mean(0), sample.wanted.std(0).clamp_min(1e-6)
    scaled = Sample(white(sample.inputs), (sample.wanted - centre) / unit, sample.groups)
    found = [_trained(scaled, seed + start, steps, batch) for start in range(STARTS)]
    errors = [float(mse_loss(_read(network, scaled.inputs), scaled.wanted)) for network in found]
    network = found[errors.index(min(errors))]
    return lambda inputs: _read(network, white(inputs)) * unit + centre


@torch.no_grad()
def _read(network: nn.Module, inputs: Tensor) -> Tensor:
    return torch.cat([network(part) for part in inputs.split(512)])


def _whitening(inputs: Tensor) -> Reader:
    """Makes the channels of [N, C, ...] inputs uncorrelated and of variance 1: what is rare then stands out."""
    rows = inputs.movedim(1, -1).reshape(-1, inputs.shape[1]).double()
    middle = rows.mean(0)
    variances, axes = torch.linalg.eigh((rows - middle).T @ (rows - middle) / len(rows))
    turn = (axes / variances.clamp_min(1e-6 * float(variances[-1]) + 1e-12).sqrt()).float()
    return lambda given: ((given.movedim(1, -1) - middle.float()) @ turn).movedim(-1, 1)


def _trained(sample: Sample, seed: int, steps: int, batch: int) -> nn.Module:
    """Least squares by AdamW, along a cosine."""
    size, wanted = sample.inputs.shape[1], sample.wanted.shape[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: nn.Module = mlp(size, (64, 64), wanted) if sample.inputs.dim() == 2 else Keypoints(size, wanted)
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        rows = torch.randint(len(sample.inputs), (batch,), generator=generator)
        loss = mse_loss(network(sample.inputs[rows]), sample.wanted[rows])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
    return network


def cells_of(maps: Tensor, truth: Tensor, groups: Tensor, around: int = 0) -> Sample:
    """One row per cell of a map, and whether something is there, as +1 or -1.

    Args:
        maps: [N, C, h, w].
        truth: [N, h, w] bools.
        groups: [N].
        around: cells to each side that a row holds, too.
    """
    side = 2 * around + 1
    patches = unfold(pad(maps, [around] * 4, mode="replicate"), side) if around else maps.flatten(2)
    rows = patches.transpose(1, 2).flatten(0, 1)
    cells = truth.shape[1] * truth.shape[2]
    return Sample(rows, 2.0 * truth.flatten().unsqueeze(1).float() - 1, groups.repeat_interleave(cells))


def balanced(sample: Sample, rows: int, seed: int = 0) -> Sample:
    """As many rows of either answer, ``rows`` in all, drawn with replacement."""
    generator = torch.Generator().manual_seed(seed)
    picks = []
    for answer in (sample.wanted[:, 0] > 0, sample.wanted[:, 0] <= 0):
        found = answer.nonzero().squeeze(1)
        if len(found):
            picks.append(found[torch.randint(len(found), (rows // 2,), generator=generator)])
    return sample.where(torch.cat(picks))


def r_squared(readings: Tensor, wanted: Tensor, groups: Tensor) -> Score:
    """The share of the variance of [N, T] truths that [N, T] readings explain; an interval over groups."""
    errors = (readings - wanted).square().sum(1, keepdim=True)
    columns = torch.cat([errors, wanted.square().sum(1, keepdim=True), torch.ones_like(errors), wanted], 1)

    def measure(sums: Tensor) -> Tensor:
        spread = sums[:, 1] - sums[:, 3:].square().sum(1) / sums[:, 2]
        return 1 - sums[:, 0] / spread.clamp_min(1e-12)

    return _over_groups(columns, groups, measure)


def root_mean_square(errors: Tensor, groups: Tensor) -> Score:
    """Of [N] errors; an interval over groups."""
    columns = torch.stack([errors.square(), torch.ones_like(errors)], 1)
    return _over_groups(columns, groups, lambda sums: (sums[:, 0] / sums[:, 1]).sqrt())


def mean(values: Tensor, groups: Tensor) -> Score:
    """Of [N] values; an interval over groups."""
    columns = torch.stack([values, torch.ones_like(values)], 1)
    return _over_groups(columns, groups, lambda sums: sums[:, 0] / sums[:, 1])


def balanced_accuracy(readings: Tensor, wanted: Tensor, groups: Tensor) -> Score:
    """How often either answer is found, on average (0.5: guesses); [N, 1] readings by sign; an interval over groups."""
    yes, hit = wanted[:, 0] > 0, (readings[:, 0] > 0) == (wanted[:, 0] > 0)
    columns = torch.stack([yes & hit, yes, ~yes & hit, ~yes], 1).float()

    def measure(sums: Tensor) -> Tensor:
        return (sums[:, 0] / sums[:, 1].clamp_min(1) + sums[:, 2] / sums[:, 3].clamp_min(1)) / 2

    return _over_groups(columns, groups, measure)


def _over_groups(columns: Tensor, groups: Tensor, measure: Reader) -> Score:
    """A function of column sums, and its interval under a bootstrap of whole groups (Efron and Tibshirani, 1993).

    Args:
        columns: [N, S] what is summed.
        groups: [N].
        measure: [R, S] sums to [R] values.
    """
    _, numbers = groups.unique(return_inverse=True)
    count = int(numbers.max()) + 1
    sums = torch.zeros(count, columns.shape[1], dtype=torch.float64).index_add_(0, numbers, columns.double())
    draws = torch.randint(count, (RESAMPLES, count), generator=torch.Generator().manual_seed(0))
    low, high = measure(sums[draws].sum(1)).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return Score(float(measure(sums.sum(0, keepdim=True))), low, high)
