"""Journeys that a level imagines: all that it believes it could do in some strides, from where it is."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from hjepa.vision.place_level import PLACE, PlaceLevel
from hjepa.vision.reachability import Reachability

BELIEVED = 0.0
"""Logit from which on an imagined edge is believed."""
CHUNK = 512
"""States that are expanded at once."""
SAME = 1.0
"""Cells within which two imagined places are one."""
WIDEST = 4096
"""More cells than a picture has in a row."""
FALSE = 1.5
"""Cells from every place that is reached from which on a place counts as out of reach."""
ENDS = 24
"""Places within reach, and as many out of it, that are kept of each beginning."""


class Journeys(NamedTuple):
    """Imagined journeys from S beginnings.

    Attributes:
        begins: [S, 5] states.
        ways: [S, n, T, 2] that were made stride by stride, cells.
        ends: [S, n, 5] states that they lead to.
        missed: [S, n, 2] places around each beginning that none of all its journeys comes near to, cells.
    """

    begins: Tensor
    ways: Tensor
    ends: Tensor
    missed: Tensor


@torch.no_grad()
def imagine(
    level: PlaceLevel, edges: Reachability, layouts: Tensor, begins: Tensor, strides: int, reach: float,
    generator: torch.Generator,
) -> Journeys:  # fmt: skip
    """Journeys of T strides: every macro-action in every place, as far as edges are believed.

    Beginnings from which there are none, or which lead almost everywhere around, are left out.

    Args:
        level: imagines.
        edges: its edge classifier.
        layouts: [M, C, h, w] of that level.
        begins: [S, 5] states.
        strides: T.
        reach: cells to all sides of a beginning in which places out of reach are drawn.
        generator: of what is kept of many.

    Raises:
        ValueError: where no beginning is left.
    """
    states, owner = begins, torch.arange(len(begins), device=begins.device)
    ways = begins.new_zeros(len(begins), 0, 2)
    for _ in range(strides):
        parents, after = _stride(level, edges, layouts, states)
        made = (after - states[parents])[:, None, PLACE]
        kept = _one_per_place(after, owner[parents], generator)
        parents, states = parents[kept], after[kept]
        ways, owner = torch.cat([ways[parents], made[kept]], 1), owner[parents]
    return _sample(begins, states, ways, owner, reach, generator)


def _stride(level: PlaceLevel, edges: Reachability, layouts: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
    """Every believed edge from [N, 5] states: [E] numbers of the states where they begin, and [E, 5] states after."""
    number = len(level.codebook)
    after, believed = [], []
    for part in states.split(CHUNK):
        before = part.repeat_interleave(number, 0)
        after.append(level(layouts, before, level.codebook.repeat(len(part), 1)))
        believed.append(edges(layouts, before, after[-1]) >= BELIEVED)
    kept = torch.cat(believed).nonzero().squeeze(1)
    return kept // number, torch.cat(after)[kept]


def _one_per_place(states: Tensor, owner: Tensor, generator: torch.Generator) -> Tensor:
    """Numbers, ascending, of the [N, 5] states that are kept: any one of those of one owner that are in one place."""
    order = torch.randperm(len(states), generator=generator).to(states.device)
    x, y = (states[:, PLACE] / SAME).round().long().unbind(-1)
    _, which = torch.unique(((owner * WIDEST + y) * WIDEST + x)[order], return_inverse=True)
    numbers = torch.arange(len(states), device=states.device)
    first = torch.full_like(numbers, len(states)).scatter_reduce(0, which, numbers, "amin")
    return order[first[first < len(states)]].sort().values


def _sample(
    begins: Tensor, states: Tensor, ways: Tensor, owner: Tensor, reach: float, generator: torch.Generator
) -> Journeys:
    """Some of the journeys from each beginning that has any, and some places that none of them leads to.

    Args:
        begins: [S, 5] states.
        states: [E, 5] where journeys end.
        ways: [E, T, 2] that were made.
        owner: [E] which beginning each is from, ascending.
        reach: cells to all sides of a beginning.
        generator: of the choices.
    """
    counts = torch.bincount(owner, minlength=len(begins)).tolist()
    picked: list[tuple[Tensor, ...]] = []
    for begin, ends, made in zip(begins, states.split(counts), ways.split(counts), strict=True):
        drawn = begin[PLACE] + reach * (2 * torch.rand(4 * ENDS, 2, generator=generator).to(begin) - 1)
        if not len(ends):
            continue
        missed = drawn[torch.cdist(drawn, ends[:, PLACE]).amin(1) > FALSE][:ENDS]
        if len(missed) == ENDS:
            some = torch.randint(len(ends), (ENDS,), generator=generator).to(ends.device)
            picked.append((begin, made[some], ends[some], missed))
    if not picked:
        raise ValueError("practice: the level below believes no journey, or every one; it needs more training")
    return Journeys(*(torch.stack(part) for part in zip(*picked, strict=True)))
