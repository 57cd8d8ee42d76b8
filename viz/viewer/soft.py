"""Areas of a map's cells as soft shapes: how far every pixel is from their softly rounded outlines."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from viz.viewer.layout import Projection, Rect
from viz.viewer.paint import Array, Floats
from worlds.maps import CELL_SIZE

SAMPLES = 16
"""Samples per cell and axis of an outline."""
BLUR = 0.13
"""How round corners are, in cells: as in the figures."""

BAND = 40
"""Rows of pixels that are worked on together."""


def inside(cells: NDArray[np.bool_], projection: Projection) -> Floats:
    """[h, w] pixels from every pixel of a pane to the outline of [rows, columns] cells; positive inside."""
    samples = _samples(cells.shape, np.ascontiguousarray(cells).tobytes())
    places = (np.arange(n, dtype=np.float32) / SAMPLES * CELL_SIZE for n in samples.shape)
    first = (0.5 / SAMPLES - 2.5) * CELL_SIZE  # one cell of nothing lies around the map
    ys, xs = (first + along for along in places)
    return resampled(samples, xs, ys, projection) * np.float32(projection.scale * CELL_SIZE)


def resampled(values: Array, x: Array, y: Array, projection: Projection) -> Floats:
    """[h, w] values at the pixels of a pane, from those at regular [n] ``x`` and [m] ``y``, linearly between them."""
    above, down = _weights(y, projection.corner[1], projection.scale, projection.rect.height)
    before, right = _weights(x, projection.corner[0], projection.scale, projection.rect.width)
    known = np.asarray(values, np.float32)
    rows = known[above] * (1 - down)[:, None] + known[above + 1] * down[:, None]
    return rows.take(before, 1) * (1 - right) + rows.take(before + 1, 1) * right


def in_bands(projection: Projection, part: Callable[[Projection], NDArray[np.uint32]]) -> NDArray[np.uint32]:
    """[h, w] what ``part`` makes of a pane, asked for a few rows at a time: those fit into the processor's cache."""
    height, width = projection.rect.height, projection.rect.width
    pixels = np.empty((height, width), np.uint32)
    for top in range(0, height, BAND):
        rect = Rect(0, 0, width, min(BAND, height - top))
        corner = projection.corner[0], projection.corner[1] + top / projection.scale
        pixels[top : top + BAND] = part(Projection(rect, corner, projection.scale))
    return pixels


def pixel_lines(projection: Projection) -> tuple[Floats, Floats]:
    """World ``x`` of a pane's [w] columns and ``y`` of its [h] rows."""
    x, y = (np.arange(n) / projection.scale for n in (projection.rect.width, projection.rect.height))
    return (projection.corner[0] + x).astype(np.float32), (projection.corner[1] + y).astype(np.float32)


def _weights(samples: Array, corner: float, scale: float, count: int) -> tuple[Array, Floats]:
    """For [count] pixels, the sample before each and the share of the one after it; constant beyond the ends."""
    spacing = float(samples[1] - samples[0])
    at = (corner + np.arange(count) / scale - float(samples[0])) / spacing
    below = np.clip(np.floor(at), 0, len(samples) - 2).astype(np.int32)
    return below, np.clip(at - below, 0, 1).astype(np.float32)


@lru_cache(maxsize=16)
def _samples(shape: tuple[int, int], cells: bytes) -> Floats:
    """[m, n] cells from each sample to the outline, roughly; a cell of nothing is added all round."""
    area = np.frombuffer(cells, bool).reshape(shape)
    hard = np.pad(np.kron(area, np.ones((SAMPLES, SAMPLES), np.float32)), SAMPLES)
    soft = _blurred(_blurred(hard).T).T
    steepness = np.maximum(np.hypot(*np.gradient(soft)), 0.04 / SAMPLES) * SAMPLES
    return np.clip((soft - 0.5) / steepness, -0.5, 0.5).astype(np.float32)


def _blurred(image: Floats) -> Floats:
    """Gaussian blur along the first axis."""
    sigma = BLUR * SAMPLES
    reach = int(np.ceil(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1, dtype=np.float32) / sigma) ** 2)
    padded = np.pad(image, ((reach, reach), (0, 0)))
    return sum((weight * padded[i : i + len(image)] for i, weight in enumerate(kernel / kernel.sum())), 0 * image)


def smooth(distance: ArrayLike) -> Floats:
    """Pixels inside an edge to coverage, 0..1."""
    return np.clip(np.asarray(distance, np.float32) + 0.5, 0, 1)
