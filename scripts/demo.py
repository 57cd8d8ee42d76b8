"""Plans one episode in a maze with a shipped agent, and shows what every level had in mind.

python scripts/demo.py --maze giant --task 1 --levels 3
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Literal

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hjepa.actor import Actor
from hjepa.agent import Agent
from hjepa.cost_to_go import cost_to_go
from hjepa.evaluate import Outcome, run_episodes
from hjepa.pretrained import pretrained
from planners.trace import Episode
from scripts import view
from scripts._cli import Flat, run
from scripts._machine import use_one_thread
from scripts._tasks import agent_folder, official_episode
from viz.figures import episode_figure, save
from viz.record import write_gif
from viz.viewer.app import show, why_no_display
from worlds import named_map

SHOWN = 20.0  # seconds until the window closes by itself, where nobody touches it


Scenario = Literal["portals", "guardrails", "closed-door", "experiment", "preference"]
SCENARIOS: dict[Scenario, str] = {
    "portals": "scripts._scenario_portals",
    "guardrails": "scripts._scenario_guardrails",
    "closed-door": "scripts._closed_door",
    "experiment": "scripts.experiment",
    "preference": "scripts.preference",
}
"""Modules with a function of the scenario's name, which draws it into a folder."""


@dataclass(frozen=True)
class Options:
    """Which episode, and who plans it."""

    scenario: Scenario | None = None
    """Another story, as a picture: portals that lead somewhere by chance, guardrails that are kept, a corridor that
    closes, an experiment that tells two world models apart, a preference learned from demonstrations."""
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
    """Plans, says what happened, draws it, and opens the viewer."""
    begun = time.perf_counter()
    use_one_thread()
    if options.scenario is not None:
        draw = getattr(import_module(SCENARIOS[options.scenario]), options.scenario.replace("-", "_"))
        print(f"{draw(options.out)} written; {time.perf_counter() - begun:.0f} s in all")
        return
    name = f"ogbench/pointmaze-{options.maze}-navigate"
    agent = Agent.load(agent_folder(options.agent) if options.agent else pretrained(name))
    map = named_map(options.maze)
    tasks = official_episode(map, options.task, options.seed)
    run_episodes(Actor(agent, options.levels, seed=options.seed), tasks)  # compiles what plans; not timed
    actor = Actor(agent, options.levels, seed=options.seed)
    heading = f"{options.maze} maze, task {options.task}: {actor.levels} level{'s' * (actor.levels > 1)}"
    print(f"{heading}, no map; only what the agent learned from recorded steps", flush=True)
    outcome, episode = run_episodes(actor, tasks, record=0)
    assert episode is not None
    describe(agent, episode, outcome, int(tasks.oracle_steps()[0]))
    episode, heat = replace(episode, title=heading), cost_to_go(agent, episode.goal)
    figure = save(episode_figure(map, episode, heat), options.out / "demo.png")
    gif = write_gif(map, episode, options.out / "demo.gif", heat)
    print(f"{figure} and {gif} written; {time.perf_counter() - begun:.0f} s in all", flush=True)
    watch(options)


def watch(options: Options) -> None:
    """Opens the viewer on the same task, where there is a display."""
    obstacle = why_no_display()
    if obstacle is not None:
        print(f"no window opened ({obstacle}); `python scripts/view.py --save out/view.html` needs none")
        return
    print("window: F1 lists the keys; it closes by itself unless you take hold of it", flush=True)
    agent = str(options.agent) if options.agent else None
    watched = view.Options(maze=options.maze, task=options.task, agent=agent, levels=options.levels or 3)
    show(view.opened(watched, headless=False), seconds=SHOWN)


def describe(agent: Agent, episode: Episode, outcome: Outcome, oracle: int) -> None:
    """Says what each level did, coarsest first, and what came of it."""
    events = Counter(event for decision in episode.decisions for event in decision.events)
    for k in range(len(episode.decisions[0].levels), 0, -1):
        ahead = len(episode.decisions[0].levels[k - 1].plan) - 1
        plans = events[f"replan {k}"] if k > 1 else len(episode.decisions)
        line = f"  level {k}  stride {_of(agent.stack.level(k).config.stride, 'step'):<8}  {_of(plans, 'plan'):<9}"
        line += f"  the first {_of(ahead, 'state')} long"
        if k > 1:
            line += f", {_of(outcome.first[k], 'node')} searched, {_of(events[f'rejected {k}'], 'edge')} rejected"
        print(line)
    steps, milliseconds = int(outcome.steps[0]), 1000 * np.array(outcome.seconds)
    verdict = "goal reached" if episode.success else "goal not reached"
    print(f"{verdict} in {_of(steps, 'step')}; a breadth-first oracle, which has the map, takes {oracle}")
    decision = milliseconds.sum() / len(episode.decisions)
    print(f"planning: {decision:.1f} ms per decision, {milliseconds.sum() / steps:.2f} ms per step, ", end="")
    print(f"{milliseconds.max():.0f} ms at most")


def _of(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


if __name__ == "__main__":
    run(main, description=__doc__)
