"""The folder of a training run: what may be in it already, and what becomes of that."""

from __future__ import annotations

import shutil
from pathlib import Path

from hjepa.checkpoint import has_checkpoint


def make_way(folder: Path, resume: bool, overwrite: bool) -> bool:
    """Makes the folder of a run; returns whether a checkpoint in it is to be continued from.

    Raises:
        ValueError: where there is a run already and nobody said what to do with it, or none that could be resumed.
    """
    if overwrite and resume:
        raise ValueError("--resume continues a run and --overwrite replaces it: expected one of them")
    if overwrite:
        for name in ("checkpoint", "agent"):
            shutil.rmtree(folder / name, ignore_errors=True)
    elif has_checkpoint(folder / "agent"):
        raise ValueError(f"{folder}: a finished run is here; --overwrite replaces it, --out names another folder")
    elif has_checkpoint(folder / "checkpoint") and not resume:
        raise ValueError(f"{folder}: an unfinished run is here; --resume continues it, --overwrite replaces it")
    elif resume and not (folder / "experiment.toml").exists():
        raise ValueError(f"{folder}: --resume finds no run here")
    folder.mkdir(parents=True, exist_ok=True)
    return has_checkpoint(folder / "checkpoint")
