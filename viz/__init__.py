"""Figures, recordings and the interactive viewer."""

import os

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # a library doesn't greet
