"""Recordings of an episode: small animated GIFs with one shared palette."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from planners.trace import Episode
from viz.backdrop import Array, CostToGo, FigureError, MazeMap
from viz.frames import FrameRenderer
from viz.theme import Theme, rgb255

LINGER = 1500  # ms for which the last frame stays
COLORS = 255  # the 256th is kept free for the unchanged pixels of a frame


def write_gif(
    map: MazeMap,
    episode: Episode,
    path: str | Path,
    cost_to_go: CostToGo | None = None,
    fps: int = 20,
    max_frames: int = 150,
    width: int = 640,
    theme: str | Theme = "paper",
) -> Path:
    """Writes an episode as an animated GIF that loops; makes the folder if needed.

    Args:
        map: the maze; ``cells`` is [rows, cols].
        episode: what was recorded.
        path: where to write; must end in ``.gif``.
        cost_to_go: [M, 2] world positions to [M] world steps to the goal; None draws no heat map.
        fps: frames per second, 1..50 (players slow faster GIFs down); rounded to GIF's hundredths of a second.
        max_frames: world steps are skipped evenly to stay below this number.
        width: pixels across.
        theme: ``paper``, ``dark`` or a :class:`Theme`.

    Raises:
        FigureError: if an argument is out of range or the suffix isn't ``.gif``.
    """
    target = Path(path)
    if target.suffix.lower() != ".gif":
        raise FigureError(f"{target.name}: expected a file ending in .gif, not {target.suffix or 'no suffix'!r}")
    if not 1 <= fps <= 50:
        raise FigureError(f"fps: expected 1..50, not {fps}")
    if max_frames < 2:
        raise FigureError(f"max_frames: expected at least 2, not {max_frames}")
    renderer = FrameRenderer(map, width, theme, cost_to_go)
    steps = chosen_steps(len(episode.observations), max_frames)
    accents = accents_of(renderer.theme, max((len(decision.levels) for decision in episode.decisions), default=0))
    _encode((renderer.frame(episode, step) for step in steps), len(steps), target, round(100 / fps) * 10, accents)
    return target


def chosen_steps(length: int, most: int) -> list[int]:
    """At most ``most`` of the steps 0 .. length-1, evenly spaced, the first and the last among them."""
    return [int(step) for step in np.unique(np.linspace(0, length - 1, min(length, most)).round())]


def _encode(frames: Iterable[Image.Image], count: int, target: Path, duration: int, accents: Array) -> None:
    """Writes frames with a palette fitted to the accents, the first, some of the middle and the last frame."""
    pictures = list(frames)
    palette = _palette([pictures[index] for index in sorted({0, count // 3, 2 * count // 3, count - 1})], accents)
    indexed = [np.asarray(picture.quantize(palette=palette, dither=Image.Dither.NONE)) for picture in pictures]
    changes = [_with_palette(image, palette) for image in _changes(indexed)]
    durations = [duration] * (count - 1) + [max(LINGER, duration)]
    target.parent.mkdir(parents=True, exist_ok=True)
    changes[0].save(
        target, save_all=True, append_images=changes[1:], duration=durations, loop=0, optimize=False,
        disposal=1, transparency=COLORS,
    )  # fmt: skip


def _changes(images: list[Array]) -> list[Array]:
    """[h, w] colour indices of each image, the unchanged ones replaced by the transparent index: those pack well."""
    pairs = itertools.pairwise(images)
    return images[:1] + [np.where(new == old, np.uint8(COLORS), new) for old, new in pairs]


def _with_palette(indices: Array, palette: Image.Image) -> Image.Image:
    image = Image.fromarray(indices)
    image.putpalette(palette.getpalette() or [])
    return image


def _palette(samples: list[Image.Image], accents: Array) -> Image.Image:
    """A palette of ``COLORS`` colours: the [n, 3] accents, which cover too few pixels to win a place, and the rest."""
    width, height = samples[0].size
    sheet = Image.new("RGB", (width, height * len(samples)))
    for index, sample in enumerate(samples):
        sheet.paste(sample, (0, index * height))
    fitted = sheet.quantize(COLORS - len(accents), method=Image.Quantize.MEDIANCUT).getpalette() or []
    colors = [*accents.ravel().tolist(), *fitted][: 3 * COLORS]
    palette = Image.new("P", (1, 1))
    palette.putpalette(colors)
    return palette


def accents_of(theme: Theme, levels: int) -> Array:
    """[n, 3] the colours of ``levels`` levels and the goal, pure and blended with what they are drawn on."""
    pure = np.array([rgb255(color) for color in (*theme.hues[:levels], theme.goal)], dtype=float)
    grounds = np.array([rgb255(color) for color in (theme.halo, theme.ink, theme.wall, *theme.heat[::2])], dtype=float)
    blends = [pure * share + ground * (1 - share) for ground in grounds for share in (0.6, 0.3)]
    return np.concatenate([pure, grounds, *blends]).round().astype(np.uint8)
