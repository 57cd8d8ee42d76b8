"""Crash-safe checkpoints: safetensors and JSON in a folder, with a SHA-256 manifest and no pickle.

A checkpoint is written beside the one it replaces, flushed to the disk, and swapped in by renaming, so that a crash
at any instant leaves either the old one or the new one. The manifest is what notices flipped bits: tensor files with
a damaged value load without complaint.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

_FORMAT = 1
_MANIFEST = "manifest.json"
_META = "meta.json"
_SUFFIX = ".safetensors"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")

StateDict = Mapping[str, Tensor]


class CheckpointError(ValueError):
    """A checkpoint that cannot be written or trusted; the message is one line."""


def save_checkpoint(directory: str | Path, tensors: Mapping[str, StateDict], meta: Mapping[str, Any]) -> None:
    """Replaces the checkpoint in a folder, all or nothing.

    Args:
        directory: the checkpoint's folder; its siblings ``.NAME.new`` and ``.NAME.old`` are used on the way.
        tensors: state dictionaries by name, one safetensors file each.
        meta: anything that JSON holds (step, configuration, scores).

    Raises:
        CheckpointError: for a name that is no file name, or meta that is no JSON.
    """
    directory = Path(directory).absolute()
    contents = {f"{_checked(name)}{_SUFFIX}": _tensor_bytes(state) for name, state in tensors.items()}
    contents[_META] = _json_bytes(meta)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    contents[_MANIFEST] = _json_bytes({"format": _FORMAT, "sha256": hashes})
    new, old = _siblings(directory)
    directory.parent.mkdir(parents=True, exist_ok=True)
    _write_folder(new, contents)
    _swap(directory, new, old)


def load_checkpoint(directory: str | Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Reads a checkpoint back, every byte verified: its state dictionaries by name (on the CPU), and its meta.

    Raises:
        CheckpointError: for a checkpoint that is missing, incomplete or damaged.
    """
    folder = _current(Path(directory).absolute())
    hashes = _read_manifest(folder)
    contents = {name: _read_verified(folder / name, digest) for name, digest in hashes.items()}
    meta = json.loads(contents.pop(_META))
    return {name.removesuffix(_SUFFIX): safetensors.torch.load(data) for name, data in contents.items()}, meta


def load_run(directory: str | Path, meta: Mapping[str, Any]) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Reads the checkpoint of an interrupted run, to go on with it.

    Args:
        directory: of the checkpoint.
        meta: what the run that goes on was given.

    Raises:
        CheckpointError: where there is no checkpoint, or one of another experiment.
    """
    tensors, saved = load_checkpoint(directory)
    for key, value in meta.items():
        if saved.get(key) != value:
            raise CheckpointError(f"{directory}: cannot resume: its {key} differs from this run's; train anew")
    return tensors, saved


def has_checkpoint(directory: str | Path) -> bool:
    """Whether there is a checkpoint to resume from, be it the one that an interrupted save was replacing."""
    return (_current(Path(directory).absolute()) / _MANIFEST).exists()


# Writing


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise CheckpointError(f"{name!r} cannot name a checkpoint's file; use letters, digits, '.', '_' and '-'")
    return name


def _tensor_bytes(state: StateDict) -> bytes:
    # Clones, because safetensors refuses tensors that share storage (tied weights, views).
    return safetensors.torch.save({key: value.detach().cpu().contiguous().clone() for key, value in state.items()})


def _json_bytes(data: Mapping[str, Any]) -> bytes:
    try:
        return (json.dumps(data, indent=2, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"a checkpoint's meta must be JSON: {error}") from error


def _siblings(directory: Path) -> tuple[Path, Path]:
    return directory.with_name(f".{directory.name}.new"), directory.with_name(f".{directory.name}.old")


def _write_folder(folder: Path, contents: Mapping[str, bytes]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in contents.items():
        with open(folder / name, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    """Flushes a folder's list of names, without which a renamed file may be gone after a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _swap(directory: Path, new: Path, old: Path) -> None:
    """Puts ``new`` in the place of ``directory``; ``old`` is only ever removed while ``directory`` stands."""
    if directory.exists():
        shutil.rmtree(old, ignore_errors=True)
        os.rename(directory, old)
    os.rename(new, directory)
    _sync_folder(directory.parent)
    shutil.rmtree(old, ignore_errors=True)


# Reading


def _current(directory: Path) -> Path:
    """The checkpoint's folder, or the previous one where a save died between its two renames."""
    old = _siblings(directory)[1]
    return old if not directory.exists() and old.exists() else directory


def _read_manifest(folder: Path) -> dict[str, str]:
    path = folder / _MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
        version, hashes = manifest["format"], manifest["sha256"]
        whole = _META in hashes and all(_NAME.fullmatch(name) and isinstance(hashes[name], str) for name in hashes)
    except OSError:
        raise CheckpointError(f"{folder}: no checkpoint here ({_MANIFEST} cannot be read)") from None
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: damaged manifest; restore the checkpoint from a copy") from error
    if version != _FORMAT or not whole:
        raise CheckpointError(f"{path}: format {version!r} is not {_FORMAT}, or the manifest is damaged")
    return hashes


def _read_verified(path: Path, digest: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError:
        raise CheckpointError(
            f"{path}: cannot be read, but the manifest lists it; the checkpoint is incomplete"
        ) from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise CheckpointError(f"{path}: damaged (its SHA-256 is not the manifest's); restore it from a copy")
    return content


# Optimizers


def flatten_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimizer's state as flat tensors: ``state.P.KEY`` per parameter P, ``group.G.KEY`` per parameter group.

    Numbers become 0-d tensors of double precision, so that every bit survives; what is neither a tensor nor a number
    (None, names, the parameters themselves) is left to the optimizer that :func:`restore_optimizer` is given.
    """
    saved = optimizer.state_dict()
    flat = {}
    for part, entries in (("state", saved["state"]), ("group", dict(enumerate(saved["param_groups"])))):
        for index, entry in entries.items():
            for key, value in entry.items():
                if key != "params" and _is_numeric(value):
                    flat[f"{part}.{index}.{key}"] = _to_tensor(value)
    return flat


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: StateDict) -> None:
    """Puts what :func:`flatten_optimizer` returned into an optimizer built alike.

    Raises:
        CheckpointError: if the tensors belong to another list of parameters.
    """
    target = optimizer.state_dict()
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        part, index, key = name.split(".", 2)
        if part == "group" and int(index) < len(target["param_groups"]):
            group = target["param_groups"][int(index)]
            group[key] = _like(tensor, group.get(key))
        elif part == "state" and int(index) < len(parameters) and _matches(tensor, parameters[int(index)]):
            state.setdefault(int(index), {})[key] = tensor.clone()
        else:
            raise CheckpointError(f"optimizer entry {name!r} {list(tensor.shape)} fits no parameter of this optimizer")
    optimizer.load_state_dict({"state": state, "param_groups": target["param_groups"]})


def _is_numeric(value: object) -> bool:
    if isinstance(value, tuple | list):
        return all(isinstance(item, int | float) for item in value)
    return isinstance(value, Tensor | bool | int | float)


def _to_tensor(value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach().clone()
    items = value if isinstance(value, tuple | list) else [value]
    exact = torch.float64 if any(isinstance(item, float) for item in items) else None
    return torch.tensor(value, dtype=exact)


def _like(tensor: Tensor, present: object) -> Any:
    """A saved number in the type in which the optimizer holds it at present."""
    if isinstance(present, Tensor):
        return tensor.clone()
    return tuple(tensor.tolist()) if isinstance(present, tuple) else tensor.tolist()


def _matches(tensor: Tensor, parameter: Tensor) -> bool:
    return tensor.ndim == 0 or tensor.shape == parameter.shape
