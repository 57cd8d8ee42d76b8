"""A small compiled random stream (SplitMix64), one per episode, so that data don't depend on threads or batches.

``numba`` compiles NumPy's own generators, but one per thread; here stream ``i`` of a seed is the same wherever and in
whatever company it is drawn.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)
S30, S27, S31, S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
UNIT = 2.0**-53


@njit(cache=True, nogil=True)
def _next(stream: NDArray[np.uint64]) -> np.uint64:
    stream[0] += GOLDEN
    z = stream[0]
    z = (z ^ (z >> S30)) * MIX_1
    z = (z ^ (z >> S27)) * MIX_2
    return z ^ (z >> S31)


@njit(cache=True, nogil=True)
def random_stream(seed: int, index: int) -> NDArray[np.uint64]:
    """Stream number ``index`` of a seed."""
    stream = np.empty(1, dtype=np.uint64)
    stream[0] = np.uint64(seed)
    stream[0] = _next(stream) ^ np.uint64(index)
    stream[0] = _next(stream)
    return stream


@njit(cache=True, nogil=True)
def uniform(stream: NDArray[np.uint64]) -> float:
    """A number in [0, 1)."""
    return (_next(stream) >> S11) * UNIT


@njit(cache=True, nogil=True)
def below(stream: NDArray[np.uint64], n: int) -> int:
    """An integer in 0 .. n - 1."""
    return int(uniform(stream) * n)


@njit(cache=True, nogil=True)
def normal_pair(stream: NDArray[np.uint64]) -> tuple[float, float]:
    """Two independent standard normal numbers (Box and Muller)."""
    radius = math.sqrt(-2 * math.log(1 - uniform(stream)))
    angle = 2 * math.pi * uniform(stream)
    return radius * math.cos(angle), radius * math.sin(angle)
