"""Which device the networks run on, and with how many threads."""

from __future__ import annotations

from typing import Literal

import torch

from hjepa.threads import use_one_thread

__all__ = ["Device", "use_device", "use_one_thread"]

Device = Literal["auto", "cpu", "cuda"]


def use_device(name: Device) -> torch.device:
    """The device asked for, with threads set as suits it.

    Raises:
        ValueError: for ``cuda`` where there is none.
    """
    use_one_thread()
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: PyTorch finds no CUDA device here; expected auto or cpu")
    use_cuda = name == "cuda" or (name == "auto" and torch.cuda.is_available())
    return torch.device("cuda" if use_cuda else "cpu")
