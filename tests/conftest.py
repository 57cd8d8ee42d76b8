"""Settings that every test shares."""

import os

# Before any test imports what reads them: no display, no sound, no banner.
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("SDL_AUDIODRIVER", "dummy")
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")

import torch
from hypothesis import HealthCheck, settings

# One thread: the tensors are small, and a loaded machine must not change a test's time or result.
torch.set_num_threads(1)
settings.register_profile(
    "shared", max_examples=50, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("shared")
