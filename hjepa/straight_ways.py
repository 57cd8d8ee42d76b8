"""Straight ways and square cells: how near one comes to the other, how much of it lies inside. Nothing is sampled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
CORNERS = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
FLAT = 1e-12
"""Stands for a component of a way that is 0, so that nothing is divided by it."""


def distance(begin: Floats, end: Floats, centres: Floats, half: float) -> Floats:
    """[N] distances of N straight ways to the nearest of M squares; 0 for one that meets a square, infinite for M = 0.

    Of two convex shapes apart from each other, the points nearest to the other one can be chosen such that one of them
    is a corner: an end of the way, or a corner of a square.

    Args:
        begin: [N, 2].
        end: [N, 2].
        centres: [M, 2] of the squares.
        half: half the side of a square.
    """
    begin, way = np.asarray(begin, np.float64), np.asarray(end, np.float64) - begin
    corners = (centres[:, None] + half * CORNERS).reshape(-1, 2)
    length = np.maximum(np.square(way).sum(-1), FLAT)[:, None]
    share = ((corners - begin[:, None]) * way[:, None]).sum(-1) / length
    nearest = begin[:, None] + share.clip(0, 1)[..., None] * way[:, None]
    gaps = [np.linalg.norm(nearest - corners, axis=-1)]
    for ends in (begin, begin + way):
        gaps.append(np.linalg.norm((np.abs(ends[:, None] - centres) - half).clip(min=0), axis=-1))
    gaps.append(np.where(np.greater(*_spans(begin, way, centres, half)[::-1]), 0.0, np.inf))
    return np.concatenate(gaps, -1).min(-1, initial=np.inf)


def share_inside(begin: Floats, end: Floats, centres: Floats, half: float) -> Floats:
    """[N] the shares of N straight ways that lie inside of M squares that do not overlap; see :func:`distance`."""
    begin, way = np.asarray(begin, np.float64), np.asarray(end, np.float64) - begin
    entering, leaving = _spans(begin, way, centres, half)
    return (leaving - entering).clip(min=0).sum(-1)


def _spans(begin: Floats, way: Floats, centres: Floats, half: float) -> tuple[Floats, Floats]:
    """Where N ways enter and leave M squares, as [N, M] shares of the way; the former is larger where they miss it."""
    ahead = np.where(np.abs(way) < FLAT, FLAT, way)[:, None]
    first, last = ((centres - begin[:, None] + side * half) / ahead for side in (-1, 1))
    entering, leaving = np.minimum(first, last).max(-1), np.maximum(first, last).min(-1)
    return np.maximum(entering, 0.0), np.minimum(leaving, 1.0)
