"""Evaluation: success, effort and time of an agent on a batch of tasks, as one report."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hjepa.actor import Actor
from hjepa.guarded import GuardedActor
from hjepa.metrics import wilson_interval
from planners.trace import Episode

Points = NDArray[np.float32]
Flags = NDArray[np.bool_]


class Tasks(Protocol):
    """Episodes side by side, as :class:`worlds.base.TaskBatch` offers them."""

    num_envs: int
    time_limit: int
    task_names: list[str]

    def reset(self) -> tuple[Points, Points]:
        """Begins all episodes: [B, O] observations and goals."""
        ...

    def step(self, actions: NDArray[np.floating]) -> tuple[Points, Flags]:
        """[B, A] actions to [B, O] observations and [B] who has succeeded so far."""
        ...

    def active(self) -> Flags:
        """[B] which episodes still run."""
        ...

    def oracle_steps(self) -> NDArray[np.int64]:
        """[B] steps of a breadth-first oracle."""
        ...


@dataclass(frozen=True)
class Outcome:
    """What a batch of episodes came to.

    Attributes:
        success: [B].
        steps: [B] steps until success, or until the end.
        seconds: per decision of the batch, wall-clock; the first one belongs to the new goals.
        first: per level, nodes expanded for the first decision (the new goals), summed over episodes.
        expanded: per level, nodes expanded in all.
        calls: states passed through the levels' predictors in all.
    """

    success: Flags
    steps: NDArray[np.int64]
    seconds: list[float]
    first: dict[int, int] = field(default_factory=dict)
    expanded: dict[int, int] = field(default_factory=dict)
    calls: int = 0


def run_episodes(
    actor: Actor | GuardedActor, tasks: Tasks, record: int | None = None
) -> tuple[Outcome, Episode | None]:
    """Runs a batch of episodes to their ends.

    Args:
        actor: acts.
        tasks: the episodes.
        record: the number of the episode to record, with every level's plans; None for no recording.

    Returns:
        The outcome, and the recorded episode.
    """
    observations, goals = tasks.reset()
    actor.begin(goals)
    trail, decisions, seconds = [observations], [], []
    active, steps = tasks.active(), np.zeros(tasks.num_envs, np.int64)
    first: dict[int, int] = {}
    success = np.zeros(tasks.num_envs, bool)
    while active.any():
        now = time.perf_counter()
        actions = actor.act(observations, active)
        seconds.append(time.perf_counter() - now)
        assert actor.session is not None
        first = first or dict(actor.session.spent.expanded)
        if record is not None and actor.fresh and active[record]:
            decisions.append(actor.view(int(steps.max()), record))
        observations, success = tasks.step(actions)
        steps += active
        trail.append(observations)
        active = tasks.active()
    assert actor.session is not None
    spent = actor.session.spent
    outcome = Outcome(success, steps, seconds, first, dict(spent.expanded), sum(spent.calls.values()))
    if record is None:
        return outcome, None
    path = np.stack([frame[record] for frame in trail[: steps[record] + 1]]).astype(np.float32)
    return outcome, Episode(path, goals[record].astype(np.float32), bool(success[record]), decisions)


def random_success_rate(tasks: Tasks, seed: int) -> float:
    """Success rate of uniformly random actions on the same tasks."""
    generator = np.random.default_rng(seed)
    tasks.reset()
    success = np.zeros(tasks.num_envs, bool)
    while tasks.active().any():
        _, success = tasks.step(generator.uniform(-1, 1, (tasks.num_envs, 2)))
    return float(success.mean())


@dataclass(frozen=True)
class Report:
    """One evaluation; the fields are the keys of the JSON file.

    Attributes:
        suite: what was evaluated on.
        protocol: how, in words.
        agent: the agent's name or folder.
        planners: what planned at each level, the finest first.
        levels: levels that planned.
        seed: of starts, goals and planner.
        episodes: in all.
        success_rate: share of episodes that succeeded.
        ci95: its 95 % Wilson interval.
        per_task: success rate by task.
        mean_steps: by task, mean steps of successful episodes.
        oracle_steps: by task, mean steps of the breadth-first oracle on the same episodes.
        mean_steps_overall: mean of the tasks' mean steps.
        oracle_steps_overall: the same for the oracle.
        ms_per_step: wall-clock per world step, one agent alone, mean.
        ms_per_step_p99: its 99th percentile.
        ms_per_step_batched: per world step and agent, all episodes planned in one batch.
        predictor_calls_per_step: states passed through predictors per world step and agent.
        nodes_expanded_per_goal: by level, search nodes for the first decision towards a new goal.
        nodes_expanded_per_episode: by level, search nodes in the whole episode.
        random_success_rate: of random actions on the first episodes of the same tasks.
    """

    suite: str
    protocol: str
    agent: str
    planners: list[str]
    levels: int
    seed: int
    episodes: int
    success_rate: float
    ci95: tuple[float, float]
    per_task: dict[str, float]
    mean_steps: dict[str, float]
    oracle_steps: dict[str, float]
    mean_steps_overall: float
    oracle_steps_overall: float
    ms_per_step: float
    ms_per_step_p99: float
    ms_per_step_batched: float
    predictor_calls_per_step: float
    nodes_expanded_per_goal: dict[str, float]
    nodes_expanded_per_episode: dict[str, float]
    random_success_rate: float

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON can hold it."""
        return asdict(self)


@dataclass(frozen=True)
class Naming:
    """What a report says about itself: ``suite``, ``protocol`` and ``agent`` of :class:`Report`."""

    suite: str
    protocol: str
    agent: str


def report(
    naming: Naming, actor: Actor, tasks: Tasks, outcome: Outcome, alone: list[Outcome], random_rate: float, seed: int
) -> Report:
    """Puts a report together.

    Args:
        naming: what was evaluated.
        actor: who acted.
        tasks: the episodes of ``outcome``, for their names and the oracle.
        outcome: all episodes in one batch.
        alone: single episodes, one agent each, for the time of a decision.
        random_rate: success rate of random actions.
        seed: of the evaluation.
    """
    size, world_steps = tasks.num_envs, int(outcome.steps.sum())
    oracle = tasks.oracle_steps()
    single = 1000 * np.concatenate([np.array(one.seconds) for one in alone])
    mean_steps = _by_task(tasks, np.where(outcome.success, outcome.steps, np.nan))
    oracle_steps = _by_task(tasks, oracle.astype(np.float64))
    return Report(
        **vars(naming),
        planners=[actor.config.planner(k) for k in range(1, actor.levels + 1)],
        levels=actor.levels,
        seed=seed,
        episodes=size,
        success_rate=float(outcome.success.mean()),
        ci95=wilson_interval(int(outcome.success.sum()), size),
        per_task=_by_task(tasks, outcome.success.astype(np.float64)),
        mean_steps=mean_steps,
        oracle_steps=oracle_steps,
        mean_steps_overall=_mean(np.array(list(mean_steps.values()))),
        oracle_steps_overall=_mean(np.array(list(oracle_steps.values()))),
        ms_per_step=float(single.mean()),
        ms_per_step_p99=float(np.percentile(single, 99)),
        ms_per_step_batched=1000 * sum(outcome.seconds) / world_steps,
        predictor_calls_per_step=outcome.calls / world_steps,
        nodes_expanded_per_goal={str(k): count / size for k, count in sorted(outcome.first.items()) if k > 1},
        nodes_expanded_per_episode={str(k): count / size for k, count in sorted(outcome.expanded.items()) if k > 1},
        random_success_rate=random_rate,
    )


def _by_task(tasks: Tasks, values: NDArray[np.float64]) -> dict[str, float]:
    names = np.array(tasks.task_names)
    return {str(name): _mean(values[names == name]) for name in dict.fromkeys(tasks.task_names)}


def _mean(values: NDArray[np.float64]) -> float:
    """Mean of the numbers that are there; 0 where there is none (no episode succeeded)."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else 0.0
