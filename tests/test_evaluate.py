"""Evaluation: a quickly trained agent succeeds, and the report's figures agree with each other."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hjepa.actor import Actor
from hjepa.agent import Agent
from hjepa.evaluate import Naming, Outcome, random_success_rate, report, run_episodes
from hjepa.metrics import wilson_interval
from worlds.maps import Map
from worlds.tasks import MazeTasks

PROMISED = [
    "suite",
    "protocol",
    "agent",
    "levels",
    "seed",
    "episodes",
    "success_rate",
    "ci95",
    "per_task",
    "mean_steps",
    "oracle_steps",
    "ms_per_step",
    "ms_per_step_p99",
    "predictor_calls_per_step",
    "random_success_rate",
]
NAMING = Naming("small", "random starts and goals", "small agent")


def play(agent: Agent, map: Map, levels: int, episodes: int = 20, **options) -> tuple[Outcome, MazeTasks, Actor]:
    tasks, actor = MazeTasks(map, episodes, seed=1, **options), Actor(agent, levels)
    outcome, episode = run_episodes(actor, tasks)
    assert episode is None
    return outcome, tasks, actor


@pytest.mark.parametrize("levels", [2, 3])
def test_a_quickly_trained_agent_succeeds(small_agent: Agent, small_map: Map, levels: int) -> None:
    outcome, tasks, _ = play(small_agent, small_map, levels)
    assert outcome.success.mean() >= 0.95
    assert outcome.steps.mean() < 1.6 * tasks.oracle_steps().mean()


def test_one_level_cannot(small_agent: Agent, small_map: Map) -> None:
    """The comparison: the same checkpoint without its upper levels fails where the way is not straight."""
    outcome, _, _ = play(small_agent, small_map, 1, time_limit=200, min_distance=7)
    assert outcome.success.mean() < 0.7
    deep, _, _ = play(small_agent, small_map, 3, time_limit=200, min_distance=7)
    assert deep.success.mean() >= 0.9


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_counts_agree(small_agent: Agent, small_map: Map, levels: int) -> None:
    outcome, tasks, actor = play(small_agent, small_map, levels, episodes=8, time_limit=60)
    assert outcome.steps.shape == outcome.success.shape == (8,)
    assert len(outcome.seconds) == outcome.steps.max()
    assert (outcome.steps[~outcome.success] == 60).all()
    assert (outcome.steps >= 1).all()
    assert set(outcome.first) == set(outcome.expanded) == set(range(1, levels + 1))
    assert all(outcome.expanded[k] >= outcome.first[k] > 0 for k in outcome.first)
    assert actor.session is not None
    spent = actor.session.spent
    assert outcome.calls == sum(spent.calls.values())
    decisions = np.ceil(outcome.steps.max() / actor.config.commit)
    assert 8 <= spent.plans[1] <= 8 * decisions
    per_plan = actor.config.samples * actor.config.iterations * actor.config.horizon
    assert per_plan <= spent.calls[1] / spent.plans[1] <= per_plan + 2 * actor.config.horizon


def test_an_evaluation_repeats_itself(small_agent: Agent, small_map: Map) -> None:
    first, tasks, actor = play(small_agent, small_map, 3, episodes=6)
    again, _, _ = play(small_agent, small_map, 3, episodes=6)
    assert first.steps.tolist() == again.steps.tolist()
    assert first.expanded == again.expanded


def test_the_recorded_episode_is_the_one_that_was_played(small_agent: Agent, small_map: Map) -> None:
    tasks = MazeTasks(small_map, 5, seed=2)
    starts, goals = tasks.reset()
    outcome, episode = run_episodes(Actor(small_agent, 3), tasks, record=3)
    assert episode is not None
    assert len(episode.observations) == outcome.steps[3] + 1
    assert np.array_equal(episode.observations[0], starts[3])
    assert np.array_equal(episode.goal, goals[3])
    assert episode.success == outcome.success[3]
    assert np.linalg.norm(episode.observations[-1] - goals[3]) <= 1.0
    steps = [decision.step for decision in episode.decisions]
    assert steps == sorted(set(steps))
    assert steps[0] == 0
    assert all(len(decision.levels) == 3 for decision in episode.decisions)
    moves = np.linalg.norm(np.diff(episode.observations, axis=0), axis=1)
    assert moves.max() < 0.4, "nobody jumps"


def test_recording_changes_nothing(small_agent: Agent, small_map: Map) -> None:
    left, _ = run_episodes(Actor(small_agent, 2), MazeTasks(small_map, 4, seed=2))
    right, _ = run_episodes(Actor(small_agent, 2), MazeTasks(small_map, 4, seed=2), record=0)
    assert left.steps.tolist() == right.steps.tolist()


def test_random_actions_seldom_succeed(small_map: Map) -> None:
    far = MazeTasks(small_map, 30, seed=0, time_limit=100, min_distance=6)
    assert 0 <= random_success_rate(far, seed=0) <= 0.1
    near = MazeTasks(small_map, 30, seed=0, time_limit=1000)
    rate = random_success_rate(near, seed=0)
    assert 0 < rate <= 1
    assert rate == random_success_rate(near, seed=0)


@pytest.mark.parametrize("levels", [1, 3])
def test_the_report_holds_what_was_promised(small_agent: Agent, small_map: Map, levels: int) -> None:
    outcome, tasks, actor = play(small_agent, small_map, levels, episodes=6, time_limit=150)
    alone = [play(small_agent, small_map, levels, episodes=1)[0] for _ in range(2)]
    written = json.loads(json.dumps(report(NAMING, actor, tasks, outcome, alone, 0.25, 7).to_dict(), allow_nan=False))
    assert set(PROMISED) <= set(written)
    assert (written["suite"], written["protocol"], written["agent"]) == tuple(vars(NAMING).values())
    assert (written["levels"], written["seed"], written["episodes"]) == (levels, 7, 6)
    assert written["success_rate"] == outcome.success.mean() == written["per_task"]["random"]
    assert written["ci95"] == list(wilson_interval(int(outcome.success.sum()), 6))
    assert written["oracle_steps"]["random"] == pytest.approx(tasks.oracle_steps().mean())
    if outcome.success.any():
        assert written["mean_steps"]["random"] == pytest.approx(outcome.steps[outcome.success].mean())
    single = np.concatenate([one.seconds for one in alone]) * 1000
    assert written["ms_per_step"] == pytest.approx(single.mean())
    assert written["ms_per_step_p99"] == pytest.approx(np.percentile(single, 99))
    assert written["ms_per_step"] <= written["ms_per_step_p99"]
    assert written["predictor_calls_per_step"] == outcome.calls / outcome.steps.sum() > 0
    assert written["random_success_rate"] == 0.25
    assert set(written["nodes_expanded_per_goal"]) == {str(k) for k in range(2, levels + 1)}


def outcome_of(success: list[bool], steps: list[int]) -> Outcome:
    return Outcome(np.array(success), np.array(steps), [0.001] * max(steps), {1: 4, 2: 8}, {1: 8, 2: 40}, 300)


class Table:
    """Tasks that only have names and oracle steps."""

    num_envs, time_limit = 4, 100
    task_names = ["task1", "task1", "task2", "task2"]

    def oracle_steps(self) -> np.ndarray:
        return np.array([10, 20, 30, 50])


def test_means_are_by_task_and_over_successes(small_agent: Agent) -> None:
    outcome = outcome_of([True, False, True, True], [12, 100, 40, 60])
    made = report(NAMING, Actor(small_agent, 2), Table(), outcome, [outcome], 0.0, 0)  # type: ignore[arg-type]
    assert made.per_task == {"task1": 0.5, "task2": 1.0}
    assert made.mean_steps == {"task1": 12, "task2": 50}
    assert made.oracle_steps == {"task1": 15, "task2": 40}
    assert (made.mean_steps_overall, made.oracle_steps_overall) == (31, 27.5)
    assert made.success_rate == 0.75
    assert made.nodes_expanded_per_goal == {"2": 2.0}
    assert made.nodes_expanded_per_episode == {"2": 10.0}
    assert made.predictor_calls_per_step == 300 / 212
    assert made.ms_per_step_batched == pytest.approx(100 / 212)


def test_nobody_succeeds(small_agent: Agent) -> None:
    outcome = outcome_of([False] * 4, [100] * 4)
    made = report(NAMING, Actor(small_agent, 2), Table(), outcome, [outcome], 0.0, 0)  # type: ignore[arg-type]
    assert made.success_rate == 0
    assert made.mean_steps == {"task1": 0, "task2": 0}
    json.dumps(made.to_dict(), allow_nan=False)
