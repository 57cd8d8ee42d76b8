"""How many threads the networks run on."""

from __future__ import annotations

import numba
import torch


def use_one_thread() -> None:
    """Keeps networks to one thread; simulator, searches and collector have threads of their own.

    A layer of ours takes microseconds: handing half of it to a second thread takes longer than doing it, and forty
    times as long where the machine has something else to do.
    """
    # Numba's OpenMP threads share PyTorch's runtime: their first use would set PyTorch back to all cores.
    numba.config.THREADING_LAYER = "workqueue"
    torch.set_num_threads(1)
