"""A picture of adaptation: one task before its corridor closes, and after."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hjepa.actor import Actor
from hjepa.adaptation import LAST_RESORT, Adaptation
from hjepa.agent import Agent
from hjepa.pretrained import pretrained
from planners.trace import Episode
from scripts._closures import Attempt, Closure, attempt, draw_closures
from scripts.adapt import calibrated
from viz.closure import Panel, closure_figure
from viz.figures import save
from worlds import named_map

MAZE, SEED, PAIR = "large", 7, 0


def closed_door(out: Path) -> Path:
    """Closes a corridor, has the agent run into it, and draws how it gets through; writes ``closed-door.png``.

    Args:
        out: folder for the picture.
    """
    agent, map = Agent.load(pretrained(f"ogbench/pointmaze-{MAZE}-navigate")), named_map(MAZE)
    closure = draw_closures(Actor(agent, seed=SEED), map, PAIR + 1, SEED)[PAIR]
    adaptation = Adaptation(agent, calibrated(agent, map, SEED))
    plain, actor = Actor(agent, seed=PAIR), Actor(agent, seed=PAIR, adaptation=adaptation)
    tasks, maps = [closure.task], [closure.map]
    panels = [
        Panel(map, _episode(closure, closure.before[0], "before")),
        Panel(closure.map, _episode(closure, attempt(plain, tasks, maps)[0], "no adaptation"), closed=closure.cell),
    ]
    for number in (1, 2, 3):
        (one,) = attempt(actor, tasks, maps)
        if number != 2:  # by then it differs little from the third
            panels.append(_panel(closure, _episode(closure, one, f"adaptation, episode {number}"), adaptation))
    return save(closure_figure(panels), out / "closed-door.png")


def _episode(closure: Closure, one: Attempt, title: str) -> Episode:
    return Episode(one.way, closure.task.goal.astype(np.float32), one.success, title=title)


def _panel(closure: Closure, episode: Episode, adaptation: Adaptation) -> Panel:
    """An episode with what is believed after it."""
    landmarks = adaptation.graphs[2]
    graph = landmarks.graph
    given_up = graph.costs >= LAST_RESORT
    ends = landmarks.observations[np.stack([graph.sources[given_up], graph.targets[given_up]], 1)]
    surprises = adaptation.memory.believed.observations.cpu().numpy()
    return Panel(closure.map, episode, surprises, ends, closure.cell)
