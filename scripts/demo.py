"""Plans one episode in a maze with a shipped agent, and shows what every level had in mind.

python scripts/demo.py --maze giant --task 1 --levels 3
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hjepa.actor import Actor
from hjepa.agent import Agent
from hjepa.cost_to_go import cost_to_go
from hjepa.evaluate import Outcome, run_episodes
from hjepa.pretrained import pretrained
from planners.trace import Decision, Episode
from scripts._cli import Flat, run
from scripts._machine import use_one_thread
from scripts._tasks import agent_folder, official_episode
from viz.figures import episode_figure, save
from viz.record import write_gif
from viz.window import show_episode, why_no_display
from worlds import named_map

SHOWN = 20.0  # seconds until the window closes by itself


@dataclass(frozen=True)
class Options:
    """Which episode, and who plans it."""

    maze: Literal["medium", "large", "giant"] = "giant"
    """One of OGBench's mazes."""
    task: int = 1
    """1 to 5: OGBench's start and goal."""
    levels: int | None = None
    """Levels that plan, from the finest; all of the agent's by default."""
    seed: int = 0
    """Of the noise in start and goal, and of the planners."""
    agent: Path | None = None
    """Folder of a run or an agent, in the place of the shipped one."""
    out: Path = Path("out")
    """Folder for demo.gif and demo.png."""


def main(options: Flat[Options]) -> None:
    """Plans, says what happened, draws it, and plays it in a window."""
    begun = time.perf_counter()
    use_one_thread()
    name = f"ogbench/pointmaze-{options.maze}-navigate"
    agent = Agent.load(agent_folder(options.agent) if options.agent else pretrained(name))
    map = named_map(options.maze)
    tasks = official_episode(map, options.task, options.seed)
    run_episodes(Actor(agent, options.levels, seed=options.seed), tasks)  # compiles what plans; not timed
    actor = Actor(agent, options.levels, seed=options.seed)
    print(
        f"{options.maze} maze, task {options.task}, {actor.levels} levels; the agent has never seen a map", flush=True
    )
    outcome, episode = run_episodes(actor, tasks, record=0)
    assert episode is not None
    describe(agent, episode, outcome, int(tasks.oracle_steps()[0]))
    heat = cost_to_go(agent, episode.goal)
    episode = replace(episode, title=f"{options.maze} maze, task {options.task}: {actor.levels} levels plan")
    figure = save(episode_figure(map, episode, heat), options.out / "demo.png")
    gif = write_gif(map, episode, options.out / "demo.gif", heat)
    print(f"{gif}, {figure}: {time.perf_counter() - begun:.0f} s in all", flush=True)
    if not show_episode(map, episode, heat, seconds=SHOWN):
        print(f"no window opened ({why_no_display() or 'the display went away'})")


def describe(agent: Agent, episode: Episode, outcome: Outcome, oracle: int) -> None:
    """Says what each level did, coarsest first, and what came of it."""
    decisions = fresh_decisions(episode)
    events = Counter(event for decision in decisions for event in decision.events)
    for k in range(len(decisions[0].levels), 0, -1):
        stride = agent.stack.level(k).config.stride
        ahead = len(decisions[0].levels[k - 1].plan) - 1
        line = (
            f"level {k}: {stride:>2} step{'s' if stride > 1 else ''} per prediction, first plan {ahead:>2} states ahead"
        )
        if k > 1:
            line += f", {outcome.first[k]} nodes expanded; plans: {events[f'replan {k}']}"
            line += f", edges rejected: {events[f'rejected {k}']}"
        else:
            line += f"; plans: {len(decisions)}"
        print(line)
    steps = int(outcome.steps[0])
    reached = "goal reached in" if episode.success else "goal not reached in"
    print(f"{reached} {steps} steps (an oracle that walks the map breadth first: {oracle})")
    slowest = 1000 * max(outcome.seconds)
    print(f"{1000 * sum(outcome.seconds) / steps:.2f} ms of planning per step on average, {slowest:.0f} ms at most")


def fresh_decisions(episode: Episode) -> list[Decision]:
    """The decisions without their repetitions: each is followed for a few steps, and recorded at all of them."""
    changed = [
        not np.array_equal(before.levels[0].plan, after.levels[0].plan) for before, after in pairwise(episode.decisions)
    ]
    return [decision for decision, new in zip(episode.decisions, [True, *changed], strict=True) if new]


if __name__ == "__main__":
    run(main, description=__doc__)
