"""Recordings of an episode: small animated GIFs with one shared palette."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from planners.trace import Episode
from viz.backdrop import Array, FigureError, MazeMap
from viz.frames import FrameRenderer
from viz.heat import CostToGo
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
    samples = [renderer.frame(episode, step) for step in sample_steps(steps)]
    writer = GifWriter(target, round(100 / fps) * 10, accents, samples)
    for step in steps:
        writer.add(renderer.frame(episode, step))
    writer.close()
    return target


def chosen_steps(length: int, most: int) -> list[int]:
    """At most ``most`` of the steps 0 .. length-1, evenly spaced, the first and the last among them."""
    return [int(step) for step in np.unique(np.linspace(0, length - 1, min(length, most)).round())]


def sample_steps(steps: list[int]) -> list[int]:
    """A few of the steps of a film, from its beginning to its end: their frames are enough to choose colours by."""
    return [steps[index] for index in sorted({0, len(steps) // 3, 2 * len(steps) // 3, len(steps) - 1})]


class GifWriter:
    """Writes frames as an animated GIF that loops, with one palette for all of them.

    Args:
        path: where to write; the folder is made if needed.
        duration: of a frame; milliseconds, rounded to tens by the format.
        accents: [n, 3] colours that must be in the palette, though they cover few pixels.
        samples: frames that the rest of the palette is fitted to.
    """

    def __init__(self, path: Path, duration: int, accents: Array, samples: list[Image.Image]) -> None:
        self.path, self.duration = path, duration
        self._palette = _palette(samples, accents)
        self._shown: Array | None = None
        self._changes: list[Image.Image] = []

    def add(self, frame: Image.Image) -> None:
        """The next frame, RGB; of it, only what has changed is kept: the rest is transparent, and packs well."""
        indices = np.asarray(frame.quantize(palette=self._palette, dither=Image.Dither.NONE))
        changed = indices if self._shown is None else np.where(indices == self._shown, np.uint8(COLORS), indices)
        self._shown = indices
        self._changes.append(_with_palette(changed, self._palette))

    def close(self) -> None:
        """Writes the file."""
        durations = [self.duration] * (len(self._changes) - 1) + [max(LINGER, self.duration)]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._changes[0].save(
            self.path, save_all=True, append_images=self._changes[1:], duration=durations, loop=0, optimize=False,
            disposal=1, transparency=COLORS,
        )  # fmt: skip


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
