"""Recordings of an episode: small animated GIFs with one shared palette."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from planners.trace import Episode
from viz.film import Film
from viz.heat import Array, CostToGo, FigureError
from viz.theme import Theme, rgb255
from worlds.maps import Map

LINGER = 1500  # ms for which the last frame stays
COLORS = 255  # the 256th is kept free for the unchanged pixels of a frame
UNKNOWN = -1


def write_gif(
    map: Map,
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
        map: the maze.
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
    film = Film(map, episode, width, theme, cost_to_go)
    steps = chosen_steps(len(episode.observations), max_frames)
    accents = accents_of(film.theme, max((len(decision.levels) for decision in episode.decisions), default=0))
    samples = [film.frame(step) for step in sample_steps(steps)]
    writer = GifWriter(target, round(100 / fps) * 10, accents, samples)
    for step in steps:
        writer.add(film.frame(step))
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
        self._nearest = np.full(1 << 24, UNKNOWN, np.int16)  # of the palette, to every colour that has been met
        self._colors, self._shown = (np.full(samples[0].size[::-1], UNKNOWN, np.int32) for _ in range(2))
        self._frames: list[Image.Image] = []

    def add(self, frame: Image.Image) -> None:
        """The next frame, RGB; of it, only what has changed is kept: the rest is transparent, and packs well."""
        colors = np.asarray(frame.convert("RGBX")).view("<i4")[..., 0] & 0xFFFFFF
        other = colors != self._colors
        indices, self._colors = self._indices(colors[other]), colors
        kept = np.full(colors.shape, COLORS, np.uint8)
        kept[other] = np.where(indices == self._shown[other], COLORS, indices)
        self._shown[other] = indices
        self._frames.append(_with_palette(kept, self._palette))

    def _indices(self, colors: Array) -> Array:
        """[n] the nearest colours of the palette (Pillow's own search is coarse: white would become ivory)."""
        new = np.unique(colors[self._nearest[colors] == UNKNOWN])
        rgb, palette = new[:, None] >> np.array([0, 8, 16]) & 255, self._palette.astype(np.float32)
        self._nearest[new] = np.argmin((palette**2).sum(1) - 2 * rgb.astype(np.float32) @ palette.T, axis=1)
        return self._nearest[colors]

    def close(self) -> None:
        """Writes the file."""
        durations = [self.duration] * (len(self._frames) - 1) + [max(LINGER, self.duration)]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._frames[0].save(
            self.path, save_all=True, append_images=self._frames[1:], duration=durations, loop=0, optimize=False,
            disposal=1, transparency=COLORS,
        )  # fmt: skip


def _with_palette(indices: Array, palette: Array) -> Image.Image:
    image = Image.fromarray(indices)
    image.putpalette(palette.tobytes())
    return image


def _palette(samples: list[Image.Image], accents: Array) -> NDArray[np.uint8]:
    """[n, 3] at most ``COLORS`` colours: the accents, which cover too few pixels to win a place, and the rest."""
    sheet = Image.fromarray(np.concatenate([np.asarray(sample) for sample in samples]))
    fitted = sheet.quantize(COLORS - len(accents), method=Image.Quantize.MEDIANCUT).getpalette() or []
    return np.concatenate([accents, np.array(fitted, np.uint8).reshape(-1, 3)])[:COLORS]


def accents_of(theme: Theme, levels: int) -> Array:
    """[n, 3] the colours of ``levels`` levels, the goal and lines, pure and blended with what they are drawn on."""
    hues = (*theme.hues[:levels], theme.goal, theme.ink, theme.muted)
    pure = np.array([rgb255(color) for color in hues], dtype=float)
    grounds = np.array([rgb255(color) for color in (theme.page, theme.halo, theme.wall, *theme.heat[::2])], dtype=float)
    blends = [pure * share + ground * (1 - share) for ground in grounds for share in (0.6, 0.3)]
    return np.concatenate([pure, grounds, *blends]).round().astype(np.uint8)
