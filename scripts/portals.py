"""What attitudes to risk are worth where portals lead somewhere by chance, and a picture of what the agent believes.

python scripts/portals.py --agent runs/teleport --deterministic runs/teleport-deterministic --figure out/portals.png

The agents come from scripts/train.py ogbench/pointmaze-teleport-navigate; the deterministic one was trained with
--train.events.no-detect. OGBench's five tasks, in our own simulator; the official one is scripts/evaluate.py --risk.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hjepa.actor import Actor
from hjepa.agent import Agent
from hjepa.evaluate import Outcome, run_episodes
from hjepa.forks import believed_forks
from hjepa.metrics import wilson_interval
from hjepa.planning import Attitude
from scripts._cli import Flat, run
from scripts._tasks import agent_folder, official_episode
from viz.figures import save
from viz.portals import Route, portals_figure
from worlds import MazeTasks, named_map
from worlds.external import TIME_LIMIT
from worlds.places import official_task, place_near

TASKS = range(1, 6)


@dataclass(frozen=True)
class Options:
    """Who plans, and how often."""

    agent: Path = Path("runs/ogbench-pointmaze-teleport-navigate-seed0")
    """Run or agent that learned of portals."""
    deterministic: Path | None = None
    """Run or agent trained on the same data with --train.events.no-detect, for comparison."""
    episodes: int = 50
    """Episodes for each of the five tasks."""
    seed: int = 5
    """Of starts, goals, portals and planners."""
    figure: Path | None = None
    """File (.png, .svg, .pdf) for the picture."""
    task: int = 5
    """The task that is drawn."""


@dataclass(frozen=True)
class Attitudes:
    """One row of the table: an agent, its attitude to risk, and what it counts for being trapped."""

    label: str
    agent: Agent
    risk: Attitude
    give_up: float

    def actor(self, seed: int) -> Actor:
        """Acts by it."""
        planning = replace(self.agent.experiment.planning, give_up=self.give_up)
        agent = replace(self.agent, experiment=replace(self.agent.experiment, planning=planning))
        return Actor(agent, seed=seed, risk=self.risk)


def main(options: Flat[Options]) -> None:
    """Prints success by attitude, and draws what was asked for."""
    if options.episodes < 1 or options.task not in TASKS:
        raise ValueError(f"--episodes must be at least 1 and --task 1 to 5, not {options.episodes} and {options.task}")
    rows = list(_rows(options))
    print(f"success on OGBench's 5 tasks x {options.episodes} episodes, own simulator, seed {options.seed}")
    for row in rows:
        outcome, _ = run_episodes(row.actor(options.seed), all_tasks(options.episodes, options.seed))
        print(f"{row.label:32s} {_line(outcome)}", flush=True)
    if options.figure is not None:
        print(save(_figure(rows, options), options.figure))


def all_tasks(episodes: int, seed: int) -> MazeTasks:
    """OGBench's five tasks of the teleport maze in our own simulator, some episodes of each."""
    map, generator = named_map("teleport"), np.random.default_rng(seed)
    tasks = MazeTasks(map, len(TASKS) * episodes, seed, TIME_LIMIT)
    for index, task in enumerate(np.repeat(TASKS, episodes)):
        start, goal = official_task(map, int(task))
        tasks.starts[index], tasks.goals[index] = (place_near(map, cell, generator) for cell in (start, goal))
    return tasks


def _rows(options: Options) -> Iterator[Attitudes]:
    agent = Agent.load(agent_folder(options.agent))
    if 2 not in agent.graphs or agent.graphs[2].chances is None:
        raise ValueError(f"{options.agent}: this agent knows of no portals; train one on pointmaze-teleport")
    yield Attitudes("average", agent, "average", 10_000.0)
    yield Attitudes("average, a trap costs 1000", agent, "average", 1000.0)
    yield Attitudes("worst case", agent, "worst", 10_000.0)
    if options.deterministic is not None:
        yield Attitudes("deterministic", Agent.load(agent_folder(options.deterministic)), "average", 10_000.0)


def _line(outcome: Outcome) -> str:
    won, of = int(outcome.success.sum()), len(outcome.success)
    low, high = wilson_interval(won, of)
    steps = outcome.steps[outcome.success].mean() if won else float("nan")
    by_task = " ".join(f"{100 * share:3.0f}" for share in outcome.success.reshape(len(TASKS), -1).mean(1))
    return f"{won}/{of} = {won / of:6.1%} ({low:.1%} to {high:.1%}), mean steps {steps:.0f}, by task {by_task} %"


def _figure(rows: list[Attitudes], options: Options) -> Figure:
    map, routes = named_map("teleport"), []
    for row in rows:
        _, episode = run_episodes(row.actor(options.seed), official_episode(map, options.task, options.seed), record=0)
        assert episode is not None
        arrived = f"{len(episode.observations) - 1} steps" if episode.success else "never arrived"
        routes.append(Route(f"{row.label} ({arrived})", episode))
    return portals_figure(
        map, believed_forks(rows[0].agent), routes, f"teleport, task {options.task}: what is believed"
    )


if __name__ == "__main__":
    run(main, description=__doc__)
