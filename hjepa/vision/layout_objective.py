"""What a layout is to be: the same throughout an episode, and yet not the same everywhere.

The first alone is easiest for a map that is constant. Four ways to forbid that, and none, to show the collapse.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from hjepa.regularizer import EMATarget, InfoNCE, NoRegularizer, Regularizer, SIGReg, VICReg

LayoutRegularizer = Literal["vicreg", "sigreg", "ema", "contrastive", "none"]
LAYOUTS: dict[LayoutRegularizer, Regularizer] = {
    "vicreg": VICReg(variance=1.0, covariance=0.1),
    "sigreg": SIGReg(weight=2.5),  # as VICReg here, it costs about 1 where a map is constant
    "ema": EMATarget(),
    "none": NoRegularizer(),
}
MACROS: dict[LayoutRegularizer, Regularizer] = {"sigreg": SIGReg(), "none": NoRegularizer()}
"""Others are VICReg's: an action has neither a second view nor a target that moves slowly."""
SAMPLED = 1024
"""Cells of a batch that are looked at where the cost is more than linear in their number."""


def ema_decay(name: LayoutRegularizer) -> float | None:
    """Decay of the moving average whose layouts are the targets; None where there is none."""
    return LAYOUTS[name].ema_decay if name in LAYOUTS else None


def layout_loss(
    layouts: Tensor,
    name: LayoutRegularizer,
    target: Tensor | None = None,
    generator: torch.Generator | None = None,
    steady: float = 1.0,
) -> Tensor:
    """[] how much a layout changes within an episode, and how near it is to a collapse.

    Args:
        layouts: [B, 2, C, h, w] at two times of an episode.
        name: what keeps them from collapsing.
        target: [B, C, h, w] the second ones, of a moving average.
        generator: of the cells and directions that are looked at.
        steady: weight of the change; of no matter to contrastive learning, which has one term.
    """
    cells = layouts.permute(0, 1, 3, 4, 2).flatten(2, 3)
    if name == "contrastive":
        pairs = cells.transpose(1, 2).flatten(0, 1)
        return InfoNCE().loss(*_some(pairs, generator).unbind(1))
    later = cells[:, 1] if target is None else target.detach().permute(0, 2, 3, 1).flatten(1, 2)
    rows = cells.flatten(0, 2)
    seen = _some(rows, generator) if name == "sigreg" else rows
    return steady * (cells[:, 0] - later).square().mean() + LAYOUTS[name].penalty(seen, generator)


def macro_penalty(name: LayoutRegularizer, macro_actions: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """[] what keeps [N, A] macro-actions from collapsing."""
    return MACROS.get(name, VICReg()).penalty(macro_actions, generator)


def _some(rows: Tensor, generator: torch.Generator | None) -> Tensor:
    return rows[torch.randperm(len(rows), generator=generator)[:SAMPLED].to(rows.device)]
