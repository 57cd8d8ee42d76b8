"""Attitudes to chance on OGBench's teleport maze: who they are, and what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
from matplotlib.figure import Figure

from hjepa.actor import Actor
from hjepa.agent import Agent
from hjepa.evaluate import Outcome, run_episodes
from hjepa.forks import believed_forks, dead_ends
from hjepa.metrics import wilson_interval
from hjepa.planning import Attitude
from planners.trace import Episode
from viz.portals import Attempts, Belief, portals_figure
from worlds import MazeTasks, named_map
from worlds.external import TIME_LIMIT
from worlds.places import official_task, place_near

TASKS = range(1, 6)
ATTITUDES: tuple[Attitude, ...] = get_args(Attitude)
DRAWN = 12
"""Episodes of the drawn task, for each attitude."""
STORIES: tuple[tuple[str, Attitude, float | None], ...] = (
    ("average", "average", None),
    ("worst case", "worst", None),
    ("average, trap at 1000", "average", 1000.0),
    ("deterministic: likeliest z", "likeliest", None),
    ("optimistic: best z", "optimistic", None),
)
"""Labels, attitudes and prices of the picture."""


@dataclass(frozen=True)
class Planning:
    """One row of the table.

    Attributes:
        label: its name.
        agent: who plans.
        risk: its attitude.
        give_up: world steps that being trapped costs; None for what the agent was configured with.
    """

    label: str
    agent: Agent
    risk: Attitude
    give_up: float | None = None

    def actor(self, seed: int) -> Actor:
        """Acts by it."""
        experiment = self.agent.experiment
        price = experiment.planning.give_up if self.give_up is None else self.give_up
        planning = replace(experiment.planning, give_up=price)
        return Actor(replace(self.agent, experiment=replace(experiment, planning=planning)), seed=seed, risk=self.risk)

    def outcome(self, episodes: int, seed: int) -> Outcome:
        """What becomes of it on all tasks."""
        return run_episodes(self.actor(seed), all_tasks(episodes, seed))[0]


def require_chances(agent: Agent, name: object) -> None:
    """Complains of an agent that has met no portals.

    Raises:
        ValueError: naming it.
    """
    if 2 not in agent.graphs or agent.graphs[2].chances is None:
        raise ValueError(f"{name}: this agent knows of no portals; train one on pointmaze-teleport")


def all_tasks(episodes: int, seed: int) -> MazeTasks:
    """OGBench's five tasks of the teleport maze in our own simulator, some episodes of each."""
    map, generator = named_map("teleport"), np.random.default_rng(seed)
    tasks = MazeTasks(map, len(TASKS) * episodes, seed, TIME_LIMIT)
    for index, task in enumerate(np.repeat(TASKS, episodes)):
        start, goal = official_task(map, int(task))
        tasks.starts[index], tasks.goals[index] = (place_near(map, cell, generator) for cell in (start, goal))
    return tasks


def one_task(task: int, episodes: int, seed: int) -> MazeTasks:
    """Episodes with the same start and goal, in which portals lead elsewhere."""
    map, generator = named_map("teleport"), np.random.default_rng(seed)
    tasks = MazeTasks(map, episodes, seed, TIME_LIMIT)
    start, goal = official_task(map, task)
    tasks.starts[:], tasks.goals[:] = place_near(map, start, generator), place_near(map, goal, generator)
    return tasks


def trails(actor: Actor, tasks: MazeTasks) -> list[Episode]:
    """Runs all episodes to their ends, and keeps where each of them went."""
    seen, goals = tasks.reset()
    actor.begin(goals)
    frames, steps, success = [seen], np.zeros(tasks.num_envs, np.int64), np.zeros(tasks.num_envs, bool)
    while (active := tasks.active()).any():
        seen, success = tasks.step(actor.act(seen, active))
        frames.append(seen)
        steps += active
    ways = np.stack(frames, 1).astype(np.float32)
    ended = zip(ways, steps, goals.astype(np.float32), success, strict=True)
    return [Episode(way[: last + 1], goal, bool(won)) for way, last, goal, won in ended]


def line(outcome: Outcome) -> str:
    """Success with its interval, steps, and success by task."""
    won, of = int(outcome.success.sum()), len(outcome.success)
    low, high = wilson_interval(won, of)
    steps = f"{outcome.steps[outcome.success].mean():.0f}" if won else "-"
    by_task = " ".join(f"{100 * share:3.0f}" for share in outcome.success.reshape(len(TASKS), -1).mean(1))
    return f"{won}/{of} = {won / of:6.1%} ({low:.1%} to {high:.1%}), mean steps {steps}, by task {by_task} %"


def story(agent: Agent, task: int, seed: int) -> Figure:
    """The picture: what an agent believes, and what each attitude does with it on one task."""
    beliefs = [Belief(*pair) for pair in zip(believed_forks(agent), dead_ends(agent), strict=True)]
    attempts = [
        Attempts(label, trails(Planning(label, agent, risk, price).actor(seed), one_task(task, DRAWN, seed)))
        for label, risk, price in STORIES
    ]
    title = f"A portal leads where chance has it: {DRAWN} episodes of task {task} for each attitude"
    return portals_figure(named_map("teleport"), beliefs, attempts, title)
