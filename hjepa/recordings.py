"""Recorded experience on disk: OGBench's ``.npz`` files and Minari's HDF5 layout."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hjepa.trajectories import ARRAYS, DataError, Trajectories

_MINARI_FILE = Path("data") / "main_data.hdf5"


def load_trajectories(path: str | Path) -> Trajectories:
    """Reads an OGBench ``.npz`` file, or a data set in Minari's layout (its folder, or its HDF5 file).

    Raises:
        DataError: for a file that is missing, damaged, or does not hold what it should, in one line.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path}: no such file")
    if path.is_dir() or path.suffix in (".hdf5", ".h5"):
        return _load_minari(path)
    arrays = _read_npz(path)
    return Trajectories.from_arrays(arrays["observations"], arrays["actions"], arrays["terminals"], str(path))


def _read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """The three arrays of an OGBench file; others in it (``qpos``, ...) are not even read."""
    try:
        with open(path, "rb") as file:  # numpy would leave a damaged file open
            if not zipfile.is_zipfile(path):
                raise ValueError("no zip archive; it may be cut off")
            archive = np.load(file, allow_pickle=False)
            missing = [key for key in ARRAYS if key not in archive.files]
            if not missing:
                return {key: archive[key] for key in ARRAYS}
            found = ", ".join(archive.files) or "nothing"
    except Exception as error:  # numpy and zipfile raise a dozen types for damaged files
        raise DataError(f"{path}: not a readable .npz file ({_reason(error)})") from error
    raise DataError(f"{path}: no array {missing[0]!r}; found {found}; expected {', '.join(ARRAYS)}")


def _reason(error: Exception) -> str:
    """Another library's error in one line."""
    reason = str(error).partition("\n")[0]
    if "allow_pickle" in reason:
        return "it holds pickled Python objects where plain numbers are expected"
    return reason or type(error).__name__


def _load_minari(path: Path) -> Trajectories:
    try:
        import h5py
    except ImportError:
        raise DataError(f"{path}: reading HDF5 needs h5py; install it with: pip install 'hjepa[minari]'") from None
    file = path / _MINARI_FILE if path.is_dir() else path
    if not file.exists():
        raise DataError(f"{path}: no {_MINARI_FILE} in this folder; expected a data set in Minari's layout")
    try:
        with h5py.File(file, "r") as root:
            return _join(list(_minari_episodes(root, str(file))), str(file))
    except DataError:
        raise
    except Exception as error:  # h5py raises OSError, KeyError, RuntimeError, ... for damaged files
        raise DataError(f"{file}: not a readable HDF5 file ({_reason(error)})") from error


def _minari_episodes(root: Any, source: str) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Each episode's [T+1, D] observations and [T, A] actions, in the order of their numbers."""
    names = [name for name in root if re.fullmatch(r"episode_\d+", name)]
    for name in sorted(names, key=lambda name: int(name.removeprefix("episode_"))):
        observations = _minari_array(root, f"{name}/observations", source)
        actions = _minari_array(root, f"{name}/actions", source)
        if observations.ndim != 2 or actions.ndim != 2 or len(observations) != len(actions) + 1:
            raise DataError(
                f"{source}: {name} has observations {list(observations.shape)} and actions {list(actions.shape)}; "
                "expected [T+1, D] and [T, A]"
            )
        yield observations, actions


def _minari_array(root: Any, key: str, source: str) -> NDArray[Any]:
    """One array; of a goal-conditioned (dictionary) observation, its ``observation`` entry."""
    node = root.get(key)
    if node is not None and hasattr(node, "keys"):
        key = f"{key}/observation"
        node = root.get(key)
    if node is None:
        raise DataError(f"{source}: no array {key!r}; expected Minari's layout")
    return np.asarray(node)


def _join(episodes: list[tuple[NDArray[Any], NDArray[Any]]], source: str) -> Trajectories:
    """Lays Minari's episodes end to end; an action that leads nowhere fills up each last row."""
    if not episodes:
        raise DataError(f"{source}: no group 'episode_0', 'episode_1', ...; expected Minari's layout")
    widths = {(observations.shape[1], actions.shape[1]) for observations, actions in episodes}
    if len(widths) > 1:
        raise DataError(f"{source}: episodes differ in (D, A): {sorted(widths)}; expected one shape throughout")
    observations = np.concatenate([observations for observations, _ in episodes])
    actions = np.concatenate([np.pad(actions, ((0, 1), (0, 0))) for _, actions in episodes])
    terminals = np.zeros(len(observations), dtype=bool)
    terminals[np.cumsum([len(observations) for observations, _ in episodes]) - 1] = True
    return Trajectories.from_arrays(observations, actions, terminals, source)
