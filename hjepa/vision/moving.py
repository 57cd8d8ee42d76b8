"""Motion teaches attention: pictures of one episode differ where something moves.

So an infant learns to see (Pathak et al., 2017, "Learning features by watching objects move").
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d


def motion_loss(logits: Tensor, frames: Tensor, patch: int, lag: int = 0) -> Tensor:
    """[] how far attention is from where pictures of one episode differ, nats.

    Args:
        logits: [B, U, h * w] of attending to each cell.
        frames: [B, U, 3, H, W] bytes, of successive world steps but for the last one, which is at any time.
        patch: pixels in a cell.
        lag: world steps before and after each frame at which are those that it is compared with; 0: all are compared
            with the last one.

    Raises:
        ValueError: where the window is too short for the lag.
    """
    return _against_neighbours(logits, frames[:, :-1], patch, lag) if lag else _against_last(logits, frames, patch)


def _against_last(logits: Tensor, frames: Tensor, patch: int) -> Tensor:
    """They differ where what moves is, and where it was in the other picture; only the former is seen, and learned."""
    shares = _shares((frames[:, :-1].float() - frames[:, -1:].float()).abs(), patch)
    shares = shares / shares.sum(-1, keepdim=True).clamp_min(1e-6)
    return -(shares * logits[:, :-1].log_softmax(-1)).sum(-1).mean()


def _against_neighbours(logits: Tensor, frames: Tensor, patch: int, lag: int) -> Tensor:
    """Three-frame differencing (Kameda and Minoh, 1996): what a frame shows that neither shows before nor after it.

    Those are the places of what moves on and on; what jumps now and then stays where it is in one of the two. Frames in
    which little moves count little.
    """
    middle = frames[:, lag:-lag]
    if not middle.shape[1]:
        raise ValueError(f"lag: a frame {lag} steps before and one after do not fit into a window of {frames.shape[1]}")
    apart = torch.minimum(_apart(middle, frames[:, : -2 * lag]), _apart(middle, frames[:, 2 * lag :]))
    shares = _shares(apart.float(), patch)
    told = -(shares * logits[:, lag : lag + middle.shape[1]].log_softmax(-1)).sum()
    return told / shares.sum().clamp_min(1e-6)


def _apart(first: Tensor, second: Tensor) -> Tensor:
    """How far bytes are from bytes, as bytes: floats would be four times as many."""
    return torch.maximum(first, second) - torch.minimum(first, second)


def _shares(apart: Tensor, patch: int) -> Tensor:
    """[B, U, 3, H, W] differences to [B, U, h * w] means over cells."""
    return avg_pool2d(apart.mean(2), patch).flatten(2)
