"""What can be taken away: a picture, a film, a page that replays everything, a scene that opens again just so.

Every export is a generator that says how far it is, so that the window stays alive; its last line names the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pygame
from PIL import Image

from viz.record import GifWriter, accents_of, chosen_steps, sample_steps
from viz.theme import get_theme
from viz.viewer.actions import Export
from viz.viewer.frame import Painter
from viz.viewer.model import Model
from viz.viewer.replay import write_replay
from viz.viewer.state import ViewState
from viz.viewer.storage import save_scene

FILM_FRAMES, FILM_WIDTH, FILM_RATE = 150, 960, 20


class ExportError(ValueError):
    """Something can't be saved; the message says why."""


def export(kind: Export, state: ViewState, model: Model, folder: Path) -> Iterator[str]:
    """Saves under a new name in a folder; see :func:`write`."""
    folder.mkdir(parents=True, exist_ok=True)
    yield from write(kind, state, model, _unused(folder, f".{kind}"))


def write(kind: Export, state: ViewState, model: Model, path: Path) -> Iterator[str]:
    """Saves to a file, and says how far it is.

    Raises:
        ExportError: where the format needs a package that isn't installed.
        OSError: where the file can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    clean = replace(state, menu=None, help=False, banner=None, pointer=None)
    if kind == "png":
        picture(clean, model).save(path)
    elif kind == "html":
        write_replay(path, model, clean)
    elif kind == "scene":
        save_scene(path, model, clean)
    else:
        yield from _film(kind, clean, model, path)
    yield f"saved {path}"


def picture(state: ViewState, model: Model, painter: Painter | None = None) -> Image.Image:
    """The window's picture, without a window."""
    surface = pygame.Surface(state.size)
    (painter or Painter()).draw(surface, state, model)
    return Image.frombytes("RGB", state.size, pygame.image.tobytes(surface, "RGB"))


def _film(kind: Export, state: ViewState, model: Model, path: Path) -> Iterator[str]:
    """Frames from the first world step to the last."""
    steps, painter = chosen_steps(model.last + 1, FILM_FRAMES), Painter()
    width = min(FILM_WIDTH, state.size[0]) // 2 * 2
    size = (width, round(state.size[1] * width / state.size[0]) // 2 * 2)

    def frame(step: int) -> Image.Image:
        shown = replace(state, step=step, round=None, playing=False, following=False)
        return picture(shown, model, painter).resize(size, Image.Resampling.LANCZOS)

    writer: GifWriter | Mp4Writer
    if kind == "gif":
        levels = max((len(run.levels) for run in model.runs), default=0)
        samples = [frame(step) for step in sample_steps(steps)]
        writer = GifWriter(path, round(1000 / FILM_RATE), accents_of(get_theme(state.theme), levels), samples)
    else:
        writer = Mp4Writer(path, FILM_RATE, size)
    for number, step in enumerate(steps, 1):
        writer.add(frame(step))
        yield f"saving {path.name}: {100 * number // len(steps)} %"
    writer.close()


class Mp4Writer:
    """Writes frames of one size as an MP4.

    Raises:
        ExportError: where imageio-ffmpeg isn't installed.
    """

    def __init__(self, path: Path, rate: int, size: tuple[int, int]) -> None:
        try:
            import imageio_ffmpeg
        except ImportError as error:
            raise ExportError("MP4 needs imageio-ffmpeg: pip install 'hjepa[video]'") from error
        self._sink = imageio_ffmpeg.write_frames(str(path), size, fps=rate, macro_block_size=2)
        self._sink.send(None)

    def add(self, frame: Image.Image) -> None:
        """The next frame, RGB."""
        self._sink.send(frame.tobytes())

    def close(self) -> None:
        """Ends the file."""
        self._sink.close()


def _unused(folder: Path, suffix: str) -> Path:
    """A name that is not taken yet."""
    names = (f"view{'' if number == 1 else f'-{number}'}{suffix}" for number in range(1, 10_000))
    return next(folder / name for name in names if not (folder / name).exists())
