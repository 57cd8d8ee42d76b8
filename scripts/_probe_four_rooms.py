"""More tables of ``scripts/evaluate.py probe`` for Four Rooms: doors, and how much of a map distractors make up."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from hjepa.vision.probes import Sample, Score, balanced_accuracy, fit_linear, mean
from scripts._probe_data import Sight
from scripts._probe_tables import Table, distractors

DOORS = 4


def doors(fit: Sight, test: Sight) -> Table:
    """Which doors are open, from every latent by a linear probe: balanced accuracy, all four together."""
    table: Table = {}
    for name, latent in fit.latents.named.items():
        known = Sample(latent, _open(fit.groups), fit.groups)
        asked = Sample(test.latents.named[name], _open(test.groups), test.groups)
        table[name] = {"linear": _told(fit_linear(known)(asked.inputs), asked)}
    return table


def _open(layouts: Tensor) -> Tensor:
    """[N] numbers of layouts to [N, 4] doors, open (+1) or closed (-1)."""
    return 2.0 * (layouts.unsqueeze(1) >> torch.arange(DOORS) & 1).float() - 1


def _told(readings: Tensor, asked: Sample) -> Score:
    """All doors together."""
    return balanced_accuracy(
        readings.reshape(-1, 1), asked.wanted.reshape(-1, 1), asked.groups.repeat_interleave(DOORS)
    )


def controls(fit: Sight, test: Sight, steps: int) -> Table:
    """What distractors' cells can be told by where there is nothing of them to be seen: chance, for a probe.

    It is above 0.5, as they never stand in walls, and seldom close to them.
    """
    return distractors(_cleared(fit), _cleared(test), steps) if fit.others is not None else {}


def _cleared(sight: Sight) -> Sight:
    """Every map as it usually is in the same layout, without what moves or jumps."""
    made, groups = sight.latents, sight.groups
    maps = {k: _usual(layouts, groups) for k, layouts in made.layouts.items()}
    return replace(sight, latents=replace(made, features=_usual(made.features, groups), layouts=maps))


def imprints(test: Sight) -> Table:
    """How far distractors move the cells of a map that they are in.

    As a share of what the map's cells differ by (imprint), and how many of these cells are moved at all (changed).
    """
    assert test.others is not None
    return {
        name: _imprint(latent, test.others, test.groups)
        for name, latent in test.latents.named.items()
        if latent.dim() == 4
    }


def _imprint(maps: Tensor, others: Tensor, groups: Tensor) -> dict[str, Score]:
    moved = (maps - _usual(maps, groups)).square().sum(1)[others]
    cells = groups[:, None, None].expand_as(others)[others]
    return {"imprint": mean(moved / maps.var((0, 2, 3)).sum(), cells), "changed": mean((moved > 0).float(), cells)}


def _usual(maps: Tensor, groups: Tensor) -> Tensor:
    """[N, C, h, w] the medians of maps of the same layout, whose distractors stand elsewhere."""
    usual = torch.empty_like(maps)
    for layout in groups.unique():
        usual[groups == layout] = maps[groups == layout].median(0).values
    return usual
