"""One cell of ``scripts/ablate.py``: an agent that sees, planning in one way, tried in mazes that it has never seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hjepa.vision.actor import VisionActor
from hjepa.vision.agent import VisionAgent
from hjepa.vision.planning import VisionPlanning
from scripts._evaluate_seen import look_and_act
from scripts._mazes_seen import held_out, lessons_layouts
from scripts._seen import SeenTasks
from worlds import DiverseMazeTasks, MazeView, maze_raster
from worlds.force import D4RL

Cell = dict[str, Any]
MAZES = 20
"""Held out."""


@dataclass(frozen=True)
class Trial:
    """Where and how long.

    Attributes:
        view: of the mazes.
        distance: least and largest cells between start and goal.
        first: number of the first episode.
        episodes: side by side.
        time_limit: world steps.
        seed: of mazes, starts, goals and planners.
    """

    view: MazeView
    distance: tuple[int, int]
    first: int
    episodes: int
    time_limit: int
    seed: int


def measure(agent: VisionAgent, planning: VisionPlanning, levels: int | None, trial: Trial) -> Cell:
    """Successes and steps, and what planning above level 1 took: predictions per plan and per world step."""
    mazes = held_out("large", MAZES, trial.seed, lessons_layouts(agent.card))
    tasks = DiverseMazeTasks(mazes, trial.episodes, trial.distance, trial.seed, trial.time_limit, D4RL, trial.first)
    actor = VisionActor(agent, levels, planning, trial.seed + trial.first)
    outcome = look_and_act(actor, SeenTasks(tasks, maze_raster(mazes, trial.view)))
    assert actor.session is not None
    spent, steps = actor.session.spent, float(outcome.steps.sum())
    top = actor.levels
    above = sum(calls for level, calls in spent.calls.items() if level > 1)
    return {
        "successes": int(outcome.success.sum()),
        "episodes": len(outcome.success),
        "steps": float(outcome.steps[outcome.success].sum()),
        "world_steps": steps,
        "top_calls": spent.calls.get(top, 0) if top > 1 else 0,
        "top_plans": spent.plans.get(top, 0) if top > 1 else 0,
        "calls_above": above,
        "calls": outcome.calls,
        "seconds": sum(outcome.seconds),
    }
