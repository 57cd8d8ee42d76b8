"""Which device the networks run on, and with how many threads."""

from __future__ import annotations

from typing import Literal

import torch

Device = Literal["auto", "cpu", "cuda"]


def use_device(name: Device) -> torch.device:
    """The device asked for, ready for networks as small as ours.

    Raises:
        ValueError: for ``cuda`` where there is none.
    """
    # A layer of ours takes microseconds: handing half of it to a second thread takes longer than doing it, and far
    # longer where the machine has something else to do. The collector and the searches have threads of their own.
    torch.set_num_threads(1)
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: PyTorch finds no CUDA device here; expected auto or cpu")
    use_cuda = name == "cuda" or (name == "auto" and torch.cuda.is_available())
    return torch.device("cuda" if use_cuda else "cpu")
