"""What an actor tells of its decisions: true to the plans, for every planner at every level, and without a trace."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
import pytest
import torch

from hjepa.actor import Actor
from hjepa.agent import Agent
from hjepa.distil import make_policy
from hjepa.known_map import map_agent
from hjepa.optimizers import Optimizer
from hjepa.planning import Distilled, LevelPlanner, Search
from hjepa.telling import Plane, _plane, principal_plane, remembered_states
from hjepa.zones import Zones
from planners.trace import Decision, Expansion, LevelView, Points, Round, Tree, Work
from worlds.maps import CELL_SIZE, Map

EVERY_PLANNER: list[tuple[LevelPlanner, LevelPlanner]] = [
    *((name, "landmarks") for name in get_args(Optimizer)),
    *(("cem", name) for name in get_args(Literal[Optimizer, Search])),
]
SEARCHES = {"landmarks", "latent", "supported", "values"}


@pytest.fixture(scope="module")
def here(small_agent: Agent) -> Points:
    """[1, 2] where the agent is, by observation."""
    return small_agent.graphs[2].observations[[3]]


@pytest.fixture(scope="module")
def goal(small_agent: Agent) -> Points:
    """[1, 2] far from here."""
    observations = small_agent.graphs[2].observations
    return observations[[np.linalg.norm(observations - observations[3], axis=1).argmax()]]


def episode(actor: Actor, here: Points, goal: Points, steps: int) -> tuple[Points, list[Decision]]:
    """[steps, B, A] what an actor does where every action works as in the open, and what it tells."""
    actor.begin(goal)
    taken, told = [], []
    for step in range(steps):
        taken.append(actor.act(here))
        here = here + 0.2 * taken[-1]
        if actor.fresh:
            told.append(actor.view(step))
    return np.stack(taken), told


def first_decision(agent: Agent, here: Points, goal: Points, *args: object, **options: object) -> Decision:
    actor = Actor(agent, *args, watch=True, **options)  # type: ignore[arg-type]
    return episode(actor, here, goal, 1)[1][0]


# Every planner at every level


@pytest.mark.parametrize("planners", EVERY_PLANNER, ids="-".join)
def test_every_planner_tells_its_plan(
    small_agent: Agent, small_map: Map, here: Points, goal: Points, planners: tuple[LevelPlanner, ...]
) -> None:
    watched, blind = Actor(small_agent, 3, planners, 1, watch=True), Actor(small_agent, 3, planners, 1)
    taken, told = episode(watched, here, goal, 5)
    same, silent = episode(blind, here, goal, 5)
    assert np.array_equal(taken, same), "watching changes nothing"
    assert all(not view.work for decision in silent for view in decision.levels)
    for number, decision in enumerate(told):
        for k, view in enumerate(decision.levels, 1):
            check_view(view, watched.config.planner(k), here if number == 0 else None)
            for work in view.work:
                check_work(work, view, extent(small_map))
    if "landmarks" not in planners[1:]:
        assert all(view.work for view in told[0].levels)
    assert [view.age for view in told[0].levels] == [0, 0, 0]


@pytest.mark.parametrize("planner", get_args(Distilled))
def test_mode_1_tells_its_plan(small_agent: Agent, here: Points, goal: Points, planner: LevelPlanner) -> None:
    policy = make_policy(small_agent.stack, small_agent.experiment.policy)
    view = first_decision(replace(small_agent, policy=policy), here, goal, 2, (planner, "landmarks")).levels[0]
    check_view(view, planner, here)
    best = min((work for work in view.work if isinstance(work, Round)), key=lambda part: part.costs[0])
    np.testing.assert_allclose(best.candidates[0, 1:], view.plan[1:], atol=1e-3)
    if planner == "guided":
        assert len(view.work) > 1


@pytest.mark.parametrize("planner", ["cem", "mcts"])
def test_one_level_alone(small_agent: Agent, here: Points, goal: Points, planner: LevelPlanner) -> None:
    (view,) = first_decision(small_agent, here, goal, 1, (planner,)).levels
    check_view(view, planner, here)
    assert view.work


def test_an_agent_of_one_level_has_no_latent_map() -> None:
    agent = map_agent(np.pad(np.zeros((3, 3), bool), 1, constant_values=True), (0.0, 0.0), 4.0, levels=1)
    (view,) = first_decision(agent, np.full((1, 2), 6, np.float32), np.full((1, 2), 12, np.float32)).levels
    assert view.latent.shape == (0, 2)
    assert len(view.plan) == len(view.arrival) > 1


def extent(map: Map) -> tuple[Points, Points]:
    """The corners of a map, with what a quickly trained agent may be wrong by."""
    corners = map.center([(0, 0), np.subtract(map.shape, 1)]).astype(np.float32)
    return corners[0] - 6, corners[1] + 6


def check_view(view: LevelView, planner: str, here: Points | None) -> None:
    assert view.planner == planner
    assert view.plan.shape == view.latent.shape == (len(view.arrival), 2)
    assert view.plan.dtype == view.latent.dtype == view.arrival.dtype == np.float32
    assert np.isfinite(view.plan).all()
    assert np.isfinite(view.latent).all()
    assert np.isfinite(view.subgoal).all()
    assert (np.diff(view.arrival) >= 0).all()
    assert view.terms
    assert all(np.isfinite(term) and term >= 0 for term in view.terms.values())
    assert view.cost > 0
    if here is not None:
        assert np.array_equal(view.plan[0], here[0]), "it begins where the agent is, exactly"
        assert view.arrival[0] == 0


def check_work(work: Work, view: LevelView, extent: tuple[Points, Points]) -> None:
    assert isinstance(work, Tree if view.planner == "mcts" else Expansion if view.planner in SEARCHES else Round)
    places = work.candidates if isinstance(work, Round) else work.places
    assert np.isfinite(places).all()
    middle = np.median(places.reshape(-1, 2), 0)
    assert (middle > extent[0]).all()
    assert (middle < extent[1]).all()
    match work:
        case Round():
            assert (np.diff(work.costs) >= 0).all()
            assert 1 <= work.elites <= len(work.costs) == len(places)
            assert work.relaxed <= (view.planner == "lifted")
            if view.planner in ("cem", "icem") and len(work.costs) > 1:
                assert work.elites == 16, "its own number, at every level"
        case Expansion():
            assert (work.parents < np.arange(len(places))).all()
        case Tree():
            assert work.visits[0] == len(places), "simulations, and the root itself"
            assert (work.parents < np.arange(len(places))).all()
            assert work.visits[1:].max() < work.visits[0]


def test_the_plan_is_the_best_of_the_rounds(small_agent: Agent, here: Points, goal: Points) -> None:
    for planner in ("random", "cem", "icem", "mppi", "gradient", "lbfgs"):
        view = first_decision(small_agent, here, goal, 3, (planner,)).levels[0]
        rounds = [work for work in view.work if isinstance(work, Round)]
        best = min(rounds, key=lambda part: part.costs[0])
        assert best.costs[0] == pytest.approx(view.cost, rel=1e-4)
        np.testing.assert_allclose(best.candidates[0, 1:], view.plan[1:], atol=1e-3)


def test_work_is_told_once(small_agent: Agent, here: Points, goal: Points) -> None:
    _, told = episode(Actor(small_agent, 3, watch=True), here, goal, 9)
    assert [len(decision.levels[0].work) for decision in told] == [3, 3, 3], "level 1 plans at every decision"
    for decision in told:
        for view in decision.levels[1:]:
            assert not view.work or view.age == 0
    assert told[0].levels[1].work
    assert not told[1].levels[1].work, "its plan is followed"


def test_effort_is_told(small_agent: Agent, here: Points, goal: Points) -> None:
    for planners in (("cem", "landmarks"), ("icem", "supported")):
        actor = Actor(small_agent, 2, planners, watch=True)
        _, (decision,) = episode(actor, here, goal, 1)
        assert actor.session is not None
        for k, view in enumerate(decision.levels, 1):
            assert view.calls == actor.session.spent.calls[k]
            assert view.expanded == actor.session.spent.expanded[k]


# Plans as they age


def test_a_plan_is_told_the_same_until_it_is_made_anew(small_agent: Agent, here: Points, goal: Points) -> None:
    _, told = episode(Actor(small_agent, 3), here, goal, 17)
    followed = 0
    for before, after in zip(told, told[1:], strict=False):
        for old, new in zip(before.levels[1:], after.levels[1:], strict=True):
            if new.age == 0:
                continue
            followed += 1
            passed = len(old.plan) - len(new.plan)
            assert new.age == old.age + 4
            np.testing.assert_array_equal(new.plan, old.plan[passed:])
            np.testing.assert_array_equal(new.latent, old.latent[passed:])
            np.testing.assert_allclose(new.arrival, old.arrival[passed:] - 4, atol=1e-4)
    assert followed >= 3


def test_the_way_ends_at_the_goal(small_agent: Agent, here: Points, goal: Points) -> None:
    top = first_decision(small_agent, here, goal).levels[-1]
    assert np.array_equal(top.plan[-1], goal[0])
    state = small_agent.stack.encode(torch.from_numpy(goal), 3).numpy()
    np.testing.assert_allclose(top.latent[-1], principal_plane(small_agent, 3).project(state)[0], atol=1e-4)


def test_each_problem_of_a_batch_is_told_by_itself(small_agent: Agent) -> None:
    observations = small_agent.graphs[2].observations
    here, goals = observations[[3, 40, 70]] + np.float32(0.3), observations[[110, 60, 5]]
    together = Actor(small_agent)
    together.begin(goals)
    together.act(here)
    for problem in range(3):
        decision = together.view(0, problem)
        alone = first_decision(small_agent, here[[problem]], goals[[problem]])
        for ours, own in zip(decision.levels[1:], alone.levels[1:], strict=True):
            np.testing.assert_allclose(ours.plan, own.plan, atol=1e-4)
            assert ours.terms == pytest.approx(own.terms, abs=1e-2)
        assert np.array_equal(decision.levels[0].plan[0], here[problem])
        assert decision.levels[0].expanded == alone.levels[0].expanded


def test_an_agent_may_own_the_memory_of_what_it_decodes() -> None:
    """The agent that sees the map decodes a state to itself: pictures of plans must not write to the plans."""
    walls = np.ones((5, 7), bool)
    walls[1:-1, 1:-1] = False
    agent = map_agent(walls, (0.0, 0.0), 4.0)
    here, goal = np.array([[6.0, 6.0]], np.float32), np.array([[20.0, 12.0]], np.float32)
    actor = Actor(agent, watch=True)
    actor.begin(goal)
    actor.act(here)
    first, again = actor.view(0), actor.view(0)
    for view, same in zip(first.levels, again.levels, strict=True):
        view.plan[:] = np.nan
        assert np.isfinite(same.plan).all()
        assert np.isfinite(same.latent).all()
    assert np.isfinite(actor.view(0).levels[0].plan).all()
    assert np.array_equal(again.levels[-1].plan[-1], goal[0])


# Hands


@pytest.fixture
def pinned(small_agent: Agent, here: Points, goal: Points) -> tuple[Actor, Points]:
    """An actor three steps into an episode, with level 3's subgoal pinned where nobody would go, and that place."""
    actor = Actor(small_agent, 3, watch=True)
    episode(actor, here, goal, 4)
    observations = small_agent.graphs[2].observations
    aside = observations[np.linalg.norm(observations - (here + goal) / 2, axis=1).argmax()]
    actor.pin(3, aside)
    return actor, aside


def test_levels_below_a_pin_plan_towards_it(pinned: tuple[Actor, Points], here: Points) -> None:
    actor, place = pinned
    actor.act(here)
    decision = actor.view(4)
    assert decision.levels[2].pinned
    assert not decision.levels[1].pinned
    assert np.array_equal(decision.levels[2].subgoal, place)
    assert np.array_equal(decision.levels[1].plan[-1], place)
    assert {"pinned 3", "replan 2"} <= set(decision.events)
    assert decision.levels[1].age == 0


def test_a_pin_is_let_go(pinned: tuple[Actor, Points], here: Points, goal: Points) -> None:
    actor, place = pinned
    for _ in range(4):
        actor.act(here)
    actor.pin(3, None)
    actor.act(here)
    decision = actor.view(8)
    assert not any(view.pinned for view in decision.levels)
    assert not np.array_equal(decision.levels[2].subgoal, place)
    assert np.array_equal(decision.levels[2].plan[-1], goal[0])
    assert not np.array_equal(decision.levels[1].plan[-1], place)


def test_a_new_episode_has_no_pins(pinned: tuple[Actor, Points], here: Points, goal: Points) -> None:
    actor, _ = pinned
    _, (decision,) = episode(actor, here, goal, 1)
    assert not any(view.pinned for view in decision.levels)


@pytest.mark.parametrize("level", [-9, 1, 4])
def test_a_level_that_cannot_be_pinned(pinned: tuple[Actor, Points], level: int) -> None:
    actor, place = pinned
    with pytest.raises(ValueError, match=f"level must be 2 to 3, not {level}"):
        actor.pin(level, place)


def test_forgotten_plans_are_made_anew(small_agent: Agent, here: Points, goal: Points) -> None:
    actor = Actor(small_agent, 3)
    episode(actor, here, goal, 4)
    actor.forget(2)
    actor.act(here)
    assert "replan 2" in actor.view(4).events
    assert "replan 3" not in actor.view(4).events


def test_zones_are_told_as_a_term(small_agent: Agent, small_map: Map, here: Points, goal: Points) -> None:
    x, y = small_map.center((0, 0)) - CELL_SIZE / 2
    zones = Zones(np.full(small_map.shape, 0.5, np.float32), (x, y), CELL_SIZE)
    dear = first_decision(small_agent, here, goal, 2, zones=zones)
    free = first_decision(small_agent, here, goal, 2)
    assert all(view.terms["zones"] > 1 for view in dear.levels)
    assert all(view.terms["zones"] == 0 for view in free.levels)


# Asking what would be


def test_asking_is_what_an_actor_would_plan_there(small_agent: Agent, here: Points, goal: Points) -> None:
    actor = Actor(small_agent, 3, seed=7)
    episode(actor, here, goal, 6)
    place = small_agent.graphs[2].observations[60]
    answers = [actor.plan_from(place) for _ in range(2)]
    expected = episode(Actor(small_agent, 3, seed=7), place[None], goal, 1)[1][0]
    for answer in answers:
        assert answer.events == expected.events
        for view, other in zip(answer.levels, expected.levels, strict=True):
            assert np.array_equal(view.plan, other.plan)
            assert view.terms == other.terms
            assert np.array_equal(view.plan[0], place)
            assert not view.work


@pytest.mark.parametrize("planners", [("cem", "landmarks"), ("mppi", "cem")], ids="-".join)
def test_asking_leaves_no_trace(
    small_agent: Agent, here: Points, goal: Points, planners: tuple[LevelPlanner, ...]
) -> None:
    results = []
    for asks in (False, True):
        actor = Actor(small_agent, 2, planners, watch=True)
        actor.begin(goal)
        place, taken, told = here, [], []
        for step in range(9):
            taken.append(actor.act(place))
            place = place + 0.2 * taken[-1]
            if asks:
                actor.plan_from(goal[0])
            told.append(actor.view(step))
        assert actor.session is not None
        results.append((np.stack(taken), told, actor.session.spent))
    (actions, told, spent), (same_actions, same_told, same_spent) = results
    assert np.array_equal(actions, same_actions)
    assert spent == same_spent
    for one, other in zip(told, same_told, strict=True):
        assert one.events == other.events
        assert [len(view.work) for view in one.levels] == [len(view.work) for view in other.levels]


def test_asking_heeds_pins(pinned: tuple[Actor, Points], here: Points) -> None:
    actor, place = pinned
    answer = actor.plan_from(here[0])
    assert answer.levels[2].pinned
    assert np.array_equal(answer.levels[1].plan[-1], place)


# What does not go


def test_several_episodes_cannot_be_watched(small_agent: Agent, here: Points) -> None:
    actor = Actor(small_agent, watch=True)
    with pytest.raises(ValueError, match="watches one episode at a time, not 2"):
        actor.begin(np.concatenate([here, here]))


def test_nothing_to_tell_yet(small_agent: Agent, here: Points, goal: Points) -> None:
    actor = Actor(small_agent)
    for ask in (lambda: actor.view(0), lambda: actor.plan_from(here[0]), lambda: actor.forget(2)):
        with pytest.raises(RuntimeError, match="begin"):
            ask()
    actor.begin(goal)
    with pytest.raises(RuntimeError, match="act"):
        actor.view(0)


# The latent map


@pytest.fixture
def states() -> Iterator[tuple[Points, Points]]:
    """[50, 5] states that hold [50, 2] places, mixed and mirrored, and a little of something else."""
    random = np.random.default_rng(0)
    places = random.uniform(-5, 5, (50, 2)).astype(np.float32)
    mixing, _ = np.linalg.qr(random.normal(size=(5, 5)))
    others = 0.1 * random.normal(size=(50, 3))
    yield (np.concatenate([-places, others], 1) @ mixing + 3).astype(np.float32), places


def test_the_plane_resembles_the_map(states: tuple[Points, Points]) -> None:
    plane = _plane(*states)
    assert isinstance(plane, Plane)
    np.testing.assert_allclose(plane.axes.T @ plane.axes, np.eye(2), atol=1e-5)
    np.testing.assert_allclose(plane.project(states[0]), states[1] - states[1].mean(0), atol=0.5)


def test_signs_of_components_do_not_matter(states: tuple[Points, Points]) -> None:
    mirrored = states[0] * np.array([-1, 1, -1, 1, 1], np.float32)
    np.testing.assert_allclose(
        _plane(mirrored, states[1]).project(mirrored), _plane(*states).project(states[0]), atol=1e-4
    )


@pytest.mark.parametrize("k", [1, 2, 3])
def test_planes_of_an_agent(small_agent: Agent, k: int) -> None:
    plane = principal_plane(small_agent, k)
    known = remembered_states(small_agent, k)
    assert principal_plane(small_agent, k) is plane, "worked out once"
    assert plane.axes.shape == (known.shape[1], 2)
    latent, observations = plane.project(known), small_agent.graphs[max(k, 2)].observations
    assert len(latent) == len(observations)
    assert np.sum((latent - latent.mean(0)) * (observations - observations.mean(0))) > 0
    total = np.square(known - plane.mean).sum()
    assert np.square(latent).sum() >= 2 / known.shape[1] * total, "no other plane holds more"


def test_planes_do_not_outlive_their_agent() -> None:
    from hjepa.telling import _planes

    agent = map_agent(np.pad(np.zeros((3, 3), bool), 1, constant_values=True), (0.0, 0.0), 4.0)
    principal_plane(agent, 2)
    count = len(_planes)
    del agent
    gc.collect()
    assert len(_planes) == count - 1
