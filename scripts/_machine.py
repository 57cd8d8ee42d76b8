"""Which device the networks run on, and with how many threads."""

from __future__ import annotations

from typing import Literal

import numba
import torch

Device = Literal["auto", "cpu", "cuda"]


def use_one_thread() -> None:
    """Keeps networks to one thread; simulator, searches and collector have threads of their own.

    A layer of ours takes microseconds: handing half of it to a second thread takes longer than doing it, and forty
    times as long where the machine has something else to do.
    """
    # Numba's OpenMP threads share PyTorch's runtime: their first use would set PyTorch back to all cores.
    numba.config.THREADING_LAYER = "workqueue"
    torch.set_num_threads(1)


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
