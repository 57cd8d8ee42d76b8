"""Recordings and scenes as files: everything that it takes to draw the same picture again.

A file is a zip archive: ``scene.json`` (see :mod:`viz.viewer.packing`) and one ``.npy`` for all arrays of a dtype.
There is no pickle in it. It is written beside its place and then renamed, so that a broken write leaves the old file.
"""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planners.trace import Decision, Episode, Points
from viz.viewer.document import Document
from viz.viewer.messages import Field, Fork, LevelFacts, Notice, Probed
from viz.viewer.model import Model, Run
from viz.viewer.packing import Packer, PackingError, Unpacker
from viz.viewer.recording import Mark, Recording
from viz.viewer.state import ViewState

FORMAT, VERSION = "hjepa scene", 1
HEADER = "scene.json"


class SceneError(ValueError):
    """A file that is no scene, or a damaged one; one line."""


@dataclass(frozen=True, eq=False)
class _Recorded:
    """A :class:`Recording` as it is stored."""

    documents: tuple[tuple[int, Document], ...]
    observations: Points
    decisions: tuple[Decision, ...]
    marks: tuple[Mark, ...]
    status: str
    seconds: float
    calls: int


@dataclass(frozen=True, eq=False)
class _Run:
    """A :class:`Run` as it is stored."""

    recorded: _Recorded | None
    loaded: bool
    sees_map: bool
    levels: tuple[LevelFacts, ...]
    forks: tuple[Fork, ...]
    probe: Probed | None
    fields: tuple[Field, ...]


@dataclass(frozen=True, eq=False)
class _Scene:
    runs: tuple[_Run, ...]
    notices: tuple[Notice, ...]
    state: ViewState | None


def save_scene(path: str | Path, model: Model, state: ViewState | None = None) -> Path:
    """Writes all that has been recorded, and how it is looked at.

    Raises:
        OSError: where the file can't be written.
    """
    target, packer = Path(path), Packer()
    runs = tuple(_stored(run) for run in model.runs)
    content = packer.pack(_Scene(runs, tuple(model.notices), state))
    header = {"format": FORMAT, "version": VERSION, "schema": packer.schema, "content": content}
    text = json.dumps(header, separators=(",", ":")).encode()
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        _write(partial, text, packer.arrays())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def load_scene(path: str | Path) -> tuple[Model, ViewState | None]:
    """Reads what :func:`save_scene` has written.

    Raises:
        SceneError: where there is no such file, or it is damaged, of another version, or something else.
    """
    try:
        header, arrays = _read(Path(path))
    except SceneError:
        raise
    except OSError as error:
        raise SceneError(f"{path}: {error.strerror or error}") from error
    except Exception as error:  # a damaged archive fails in many ways
        raise SceneError(f"{path}: not a scene, or a damaged one ({_one_line(error)})") from error
    if header.get("version") != VERSION:
        raise SceneError(f"{path}: a scene of version {header.get('version')}, expected {VERSION}")
    try:
        scene = Unpacker(_Scene, header["schema"], arrays).unpack(header["content"])
        if not isinstance(scene, _Scene):
            raise PackingError("it holds something else")
        return _model(scene), scene.state
    except Exception as error:
        raise SceneError(f"{path}: a damaged scene, or one of another viewer ({_one_line(error)})") from error


def from_episode(episode: Episode, document: Document, levels: tuple[LevelFacts, ...] = ()) -> Model:
    """A recorded evaluation or demo, to be watched.

    Args:
        episode: what was recorded.
        document: where; its map, start, goal and setup.
        levels: facts about the agent's levels, where they are known.
    """
    model = Model()
    run = model.runs[0]
    run.loaded, run.levels = bool(levels), levels
    run.recording = Recording(document, episode.observations[0])
    run.recording.extend(episode.observations[1:], episode.decisions)
    run.recording.finish("arrived" if episode.success else "out of time")
    run.recording.calls = sum(view.calls for decision in episode.decisions for view in decision.levels if not view.age)
    return model


def _stored(run: Run) -> _Run:
    fields = tuple(run.fields())
    return _Run(_recorded(run.recording), run.loaded, run.sees_map, run.levels, run.forks, run.probe, fields)


def _recorded(recording: Recording | None) -> _Recorded | None:
    if recording is None:
        return None
    return _Recorded(
        documents=tuple(recording.documents),
        observations=recording.trail(recording.last),
        decisions=tuple(recording.decisions),
        marks=tuple(recording.marks),
        status=recording.status,
        seconds=recording.seconds,
        calls=recording.calls,
    )


def _model(scene: _Scene) -> Model:
    model = Model()
    model.runs = [_run(stored) for stored in scene.runs]
    model.notices = list(scene.notices)
    return model


def _run(stored: _Run) -> Run:
    run = Run()
    run.loaded, run.sees_map, run.levels = stored.loaded, stored.sees_map, stored.levels
    run.forks, run.probe = stored.forks, stored.probe
    for field in stored.fields:
        run.keep(field)
    if stored.recorded is not None:
        run.recording = _recording(stored.recorded)
    return run


def _recording(stored: _Recorded) -> Recording:
    recording = Recording(stored.documents[0][1], stored.observations[0])
    recording.extend(stored.observations[1:], stored.decisions)
    recording.documents[1:] = stored.documents[1:]
    recording.marks = list(stored.marks)
    recording.status, recording.seconds, recording.calls = stored.status, stored.seconds, stored.calls
    return recording


def _write(path: Path, text: bytes, arrays: dict[str, NDArray[Any]]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(HEADER, text)
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    with zipfile.ZipFile(path) as archive:
        if HEADER not in archive.namelist():
            raise SceneError(f"{path}: not a scene: there is no {HEADER} in it")
        header = json.loads(archive.read(HEADER))
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            raise SceneError(f"{path}: not a scene: {HEADER} doesn't say that it is one")
        arrays = {}
        for name in archive.namelist():
            if name.endswith(".npy"):
                with archive.open(name) as member:
                    arrays[name.removesuffix(".npy")] = np.lib.format.read_array(member, allow_pickle=False)
    return header, arrays


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
