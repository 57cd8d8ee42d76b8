"""How the paths of anytime A* get better with time."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from planners.grid import GridPath, GridPlanner

Answers = list[tuple[float, GridPath]]
"""Every answer to one problem, and the seconds after which it came."""


def timed(planner: GridPlanner, start: NDArray[np.integer], goal: NDArray[np.integer]) -> Answers:
    """Plans until the shortest path is proven."""
    begun = time.perf_counter()
    return [(time.perf_counter() - begun, path) for path in planner.improve(start, goal)]


def progress(answers: list[Answers]) -> dict[str, str]:
    """What was known after each search: means over the problems that were solved, by the search's number."""
    solved = [found for found in answers if found[-1][1].found and found[-1][1].cost > 0]
    rows = {}
    for search in range(max(map(len, solved), default=0)):
        latest = [found[min(search, len(found) - 1)] for found in solved]
        ms = 1000 * np.mean([seconds for seconds, _ in latest])
        bound = np.mean([path.bound for _, path in latest])
        ratio = np.mean([path.cost / found[-1][1].cost for (_, path), found in zip(latest, solved, strict=True)])
        rows[f"after_search_{search + 1}"] = f"{ms:.3g} ms, at most {bound:.3f} x the shortest, in fact {ratio:.3f} x"
    return rows
