"""The support of macro-actions: planners exploit whatever a model was never shown, so they stay on the data's."""

from __future__ import annotations

import torch
from torch import Tensor

from hjepa.stack import Stack


def k_means(points: Tensor, clusters: int, generator: torch.Generator, iterations: int = 20) -> Tensor:
    """Lloyd's algorithm from a farthest-point start: [N, A] points to [clusters, A] centres.

    The farthest-point start keeps rare but decisive macro-actions (sharp turns) among the codes.
    """
    centres = points[torch.randint(len(points), (1,), generator=generator)]
    nearest = (points - centres[0]).square().sum(-1)
    for _ in range(clusters - 1):
        newest = points[nearest.argmax()].unsqueeze(0)
        centres = torch.cat([centres, newest])
        nearest = torch.minimum(nearest, (points - newest).square().sum(-1))
    for _ in range(iterations):
        owner = torch.cdist(points, centres).argmin(1)
        sums = torch.zeros_like(centres).index_add_(0, owner, points)
        counts = torch.zeros(clusters, dtype=points.dtype).index_add_(0, owner, torch.ones(len(points)))
        centres = torch.where(counts.unsqueeze(1) > 0, sums / counts.clamp_min(1).unsqueeze(1), centres)
    return centres


@torch.no_grad()
def fit_support(stack: Stack, actions: Tensor, seed: int) -> None:
    """Fits every level's codebook and percentile box.

    Args:
        stack: a trained stack; its buffers are written.
        actions: [N, T, A_1] world actions of N recorded windows, T at least the longest stride.
        seed: of the k-means start.
    """
    for k in range(1, len(stack) + 1):
        level = stack.level(k)
        chunk = actions[:, : level.config.stride].cpu()
        macro_actions = stack.macro_actions(chunk.to(stack.scale.device), k)[:, 0].cpu()
        generator = torch.Generator().manual_seed(seed + k)
        level.codebook.copy_(k_means(macro_actions, level.config.codes, generator))
        level.support.copy_(torch.quantile(macro_actions, torch.tensor([0.01, 0.99]), dim=0))


@torch.no_grad()
def fit_probes(stack: Stack, observations: Tensor) -> None:
    """Fits every level's linear read-out of [N, O] observations, for pictures.

    In double precision: in single, the last digits depend on where in memory the numbers happen to lie.
    """
    wanted = observations.cpu().double()
    for k, states in enumerate(stack.encode_all(observations), start=1):
        inputs = torch.cat([states.cpu().double(), torch.ones(len(states), 1, dtype=torch.float64)], 1)
        stack.level(k).probe.copy_(torch.linalg.lstsq(inputs, wanted).solution)
