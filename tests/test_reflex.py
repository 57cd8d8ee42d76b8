"""The reflex: a whole stack in Mode-1 acts as the hierarchy does with the same parts, and hands over to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hjepa.actor import Actor
from hjepa.agent import Agent
from hjepa.evaluate import run_episodes
from hjepa.planning import LevelPlanner
from hjepa.zones import Zones
from planners.hierarchy import HierarchicalPlanner
from worlds.maps import Map
from worlds.tasks import MazeTasks

MODE_1: tuple[LevelPlanner, ...] = ("mode1",)
TOLERANCE = 1e-3
"""Of actions between -1 and 1: the sums are the same, in another order."""


def impatient(agent: Agent) -> Agent:
    """Gives up edges at every second decision without progress."""
    planning = replace(agent.experiment.planning, patience=0.7)
    return replace(agent, experiment=replace(agent.experiment, planning=planning))


def twins(agent: Agent, levels: int, goals: np.ndarray) -> tuple[Actor, Actor]:
    """Two actors in Mode-1: by reflex, and through the hierarchy."""
    reflex, slow = Actor(agent, levels, MODE_1), Actor(agent, levels, MODE_1)
    slow.reflex = None
    for actor in (reflex, slow):
        actor.begin(goals)
    assert reflex.reflex is not None
    return reflex, slow


def assert_alike(reflex: Actor, slow: Actor, seen: np.ndarray, active: np.ndarray | None = None) -> np.ndarray:
    """One step of both; returns what the hierarchy does."""
    left, right = reflex.act(seen, active), slow.act(seen, active)
    np.testing.assert_allclose(left, right, atol=TOLERANCE)
    return right


def assert_same_memory(reflex: Actor, slow: Actor, levels: int) -> None:
    """The same search nodes and plans above level 1, and the same expectations, world steps."""
    assert reflex.session is not None and slow.session is not None
    for name in ("expanded", "plans"):
        left, right = (getattr(actor.session.spent, name) for actor in (reflex, slow))  # type: ignore[union-attr]
        assert {k: left[k] for k in range(2, levels + 1)} == {k: right.get(k, 0) for k in range(2, levels + 1)}
    left, right = reflex.recent.last(), slow.recent.last()
    for k in range(2, levels + 1):
        np.testing.assert_allclose(left[f"level {k}"], right[f"level {k}"], atol=0.1)


@pytest.mark.parametrize("levels", [2, 3])
def test_it_acts_as_the_hierarchy_does(distilled_agent: Agent, small_map: Map, levels: int) -> None:
    tasks = MazeTasks(small_map, 32, seed=3, time_limit=200)
    seen, goals = tasks.reset()
    reflex, slow = twins(distilled_agent, levels, goals)
    while (active := tasks.active()).any():
        seen, success = tasks.step(assert_alike(reflex, slow, seen, active))
    assert success.mean() > 0.9
    assert_same_memory(reflex, slow, levels)
    assert slow.session is not None and slow.session.spent.plans[2] >= 32 * (levels - 1)
    assert reflex.session is not None and reflex.session.spent.calls == {1: 0} | dict.fromkeys(range(2, levels + 1), 0)


def test_who_is_stuck_rejects_the_same_ways(distilled_agent: Agent, small_map: Map) -> None:
    """Nothing moves: level after level gives up edge after edge."""
    seen, goals = MazeTasks(small_map, 12, seed=6, min_distance=4).reset()
    reflex, slow = twins(impatient(distilled_agent), 3, goals)
    for _ in range(4 * 40):
        assert_alike(reflex, slow, seen)
    assert_same_memory(reflex, slow, 3)
    assert slow.session is not None and reflex.reflex is not None
    for b in range(12):
        given_up = sum(len(slow.session.rejected[k][b]) for k in (2, 3))
        assert reflex.reflex.walks.rejected[b].sum() == given_up >= 3


def torn(agent: Agent) -> Agent:
    """With half of all edges gone, so that many walks end where all ways lead back."""
    generator = np.random.default_rng(0)
    graphs = {
        k: replace(landmarks, graph=landmarks.graph.without(generator.random(landmarks.graph.num_edges) < 0.5))
        for k, landmarks in agent.graphs.items()
    }
    return replace(agent, graphs=graphs)


def test_who_is_thrown_about_and_lost_plans_anew_alike(distilled_agent: Agent, small_map: Map) -> None:
    reflex, slow = twins(torn(distilled_agent), 3, MazeTasks(small_map, 16, seed=7).reset()[1])
    lost = 0
    for seed in range(15):
        seen, _ = MazeTasks(small_map, 16, seed=100 + seed).reset()
        for _ in range(4):
            assert_alike(reflex, slow, seen)
        assert slow.session is not None
        tracks = [slow.session.tracks[k][b] for k in (2, 3) for b in range(16)]
        lost += sum(track is None or not track.path.found for track in tracks)
    assert lost > 10
    assert_same_memory(reflex, slow, 3)


def test_it_perceives_what_the_stack_encodes(distilled_agent: Agent, small_map: Map) -> None:
    seen, goals = MazeTasks(small_map, 16, seed=8).reset()
    reflex, slow = twins(distilled_agent, 3, goals)
    assert_alike(reflex, slow, seen)
    assert reflex.reflex is not None
    points = slow.planner.embed(slow._see(seen).states)
    for j in range(2):
        np.testing.assert_allclose(reflex.reflex.walks.here[:, j], points[j + 1], rtol=1e-4, atol=1e-2)


def test_problems_do_not_touch_and_idle_ones_rest(distilled_agent: Agent, small_map: Map) -> None:
    seen, goals = MazeTasks(small_map, 4, seed=9, min_distance=4).reset()
    together = Actor(distilled_agent, planners=MODE_1)
    together.begin(goals)
    active = np.array([True, False, True, True])
    actions = together.act(seen, active)
    assert (actions[1] == 0).all() and (actions[active] != 0).any(-1).all()
    for b in np.flatnonzero(active):
        alone = Actor(distilled_agent, planners=MODE_1)
        alone.begin(goals[b : b + 1])
        assert np.array_equal(alone.act(seen[b : b + 1])[0], actions[b])


def test_an_action_is_held_for_a_decision_and_belongs_to_its_caller(distilled_agent: Agent, small_map: Map) -> None:
    seen, goals = MazeTasks(small_map, 2, seed=10, min_distance=4).reset()
    actor = Actor(distilled_agent, planners=MODE_1)
    actor.begin(goals)
    first, fresh = actor.act(seen), [actor.fresh]
    kept = first.copy()
    first[:] = 9.0
    for _ in range(actor.config.commit - 1):
        assert np.array_equal(actor.act(seen), kept)
        fresh.append(actor.fresh)
    actor.act(seen)
    assert [*fresh, actor.fresh] == [True, False, False, False, True]
    assert np.isnan(actor.recent.last()["plan"]).all(), "a reflex predicts nothing that it could pay"


def test_it_does_not_read_past_what_it_was_given(distilled_agent: Agent, small_map: Map) -> None:
    seen, goals = MazeTasks(small_map, 2, seed=10).reset()
    actor = Actor(distilled_agent, planners=MODE_1)
    actor.begin(goals)
    for wrong, active in ((np.tile(seen, (2, 1)), None), (seen[:, :1], None), (seen, np.ones(3, bool))):
        with pytest.raises(ValueError, match=r"observations and active must be \[2, 2\] and \[2\], not \[") as caught:
            actor.act(wrong, active)
        assert "\n" not in str(caught.value)
    lost = seen.copy()
    lost[0, 1] = np.nan
    with pytest.raises(ValueError, match="observations must be finite"):
        actor.act(lost)
    assert np.isfinite(actor.act(lost, np.array([False, True]))).all(), "whoever does not matter may be anywhere"


def zones() -> Zones:
    costs = np.zeros((7, 9), np.float32)
    costs[1, 1] = 5.0
    return Zones(costs, corner=(0.0, 0.0), size=4.0)


def untouched(hierarchy: HierarchicalPlanner) -> HierarchicalPlanner:
    return hierarchy


@pytest.mark.parametrize(
    ("levels", "planners", "options"),
    [
        (3, None, {}),
        (3, ("mode1", "landmarks"), {}),
        (3, ("mode1", "mode1", "landmarks"), {}),
        (3, ("guided", "mode1"), {}),
        (3, ("cem", "mode1"), {}),
        (1, ("mode1",), {}),
        (3, ("mode1",), {"watch": True}),
        (3, ("mode1",), {"zones": zones()}),
        (3, ("mode1",), {"around": untouched}),
    ],
)
def test_who_does_more_than_react_has_no_reflex(
    distilled_agent: Agent, levels: int, planners: tuple[LevelPlanner, ...] | None, options: dict[str, Any]
) -> None:
    assert Actor(distilled_agent, levels, planners, **options).reflex is None
    assert Actor(distilled_agent, 3, MODE_1).reflex is not None


def test_a_policy_that_must_answer_more_often_has_no_reflex(distilled_agent: Agent) -> None:
    planning = replace(distilled_agent.experiment.planning, hold=2)
    agent = replace(distilled_agent, experiment=replace(distilled_agent.experiment, planning=planning))
    assert Actor(agent, planners=MODE_1).reflex is None


# Handing over


def test_a_recorded_episode_is_the_hierarchys(distilled_agent: Agent, small_map: Map) -> None:
    def outcome(record: int | None, reflex: bool) -> tuple[np.ndarray, Any]:
        actor = Actor(distilled_agent, planners=MODE_1)
        if not reflex:
            actor.reflex = None
        found, episode = run_episodes(actor, MazeTasks(small_map, 4, seed=2), record)
        return found.steps, episode

    slow, recorded = outcome(0, reflex=False)
    fast, looked_into = outcome(0, reflex=True)
    assert np.array_equal(slow, fast) and np.array_equal(slow, outcome(None, reflex=True)[0])
    np.testing.assert_allclose(looked_into.observations, recorded.observations, atol=TOLERANCE)
    for left, right in zip(looked_into.decisions, recorded.decisions, strict=True):
        assert [level.planner for level in left.levels] == [level.planner for level in right.levels]
        np.testing.assert_allclose(left.levels[1].subgoal, right.levels[1].subgoal, atol=0.01)


@pytest.mark.parametrize("touch", ["view", "pin", "forget"])
def test_who_looks_or_takes_hold_meets_the_hierarchy_which_goes_on(
    distilled_agent: Agent, small_map: Map, touch: str
) -> None:
    tasks = MazeTasks(small_map, 1, seed=1, min_distance=5)
    seen, goals = tasks.reset()
    actor = Actor(distilled_agent, planners=MODE_1)
    actor.begin(goals)
    for step in range(300):
        if not tasks.active().any():
            break
        action = actor.act(seen)
        if step == 10:
            if touch == "view":
                view = actor.view(step)
                assert len(view.levels) == 3 and len(view.levels[2].plan) > 1
            elif touch == "pin":
                actor.pin(3, seen[0])  # where it stands: reached at once
            else:
                actor.forget(3)
        seen, success = tasks.step(action)
    assert success.all()
    assert actor.session is not None
    assert actor.session.tracks[3][0] is not None, "the hierarchy has a plan of its own"


def test_what_would_be_planned_elsewhere_leaves_the_reflex_alone(distilled_agent: Agent, small_map: Map) -> None:
    seen, goals = MazeTasks(small_map, 2, seed=11, min_distance=4).reset()
    reflex, slow = twins(distilled_agent, 3, goals)
    for step in range(12):
        if step == 5:
            assert len(reflex.plan_from(seen[1]).levels) == 3
        assert_alike(reflex, slow, seen)
    assert reflex.session is not None and reflex.session.tracks[2][0] is None


def test_new_goals_are_met_by_the_reflex_again(distilled_agent: Agent, small_map: Map) -> None:
    seen, goals = MazeTasks(small_map, 1, seed=12, min_distance=4).reset()
    actor = Actor(distilled_agent, planners=MODE_1)
    for _ in range(2):
        actor.begin(goals)
        actor.act(seen)
        assert actor.session is not None and actor.session.tracks[2][0] is None
        actor.view(0)
        assert actor.session.tracks[2][0] is not None
