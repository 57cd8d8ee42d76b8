"""Distillation: Mode-2 compiled into Mode-1, from an agent's memory and predictions alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hjepa import pretrained as registry
from hjepa.actor import Actor
from hjepa.agent import Agent
from hjepa.checkpoint import CheckpointError
from hjepa.distil import Practice, distil, make_policy
from hjepa.dynamics import LevelDynamics, world_actions
from hjepa.evaluate import run_episodes
from hjepa.planning import LevelPlanner, measure
from hjepa.policy import PolicyConfig, PolicyPlanner
from hjepa.stack import Stack
from planners.graph import SearchGraph
from planners.hierarchy import SubgoalCost
from planners.sampling import CEM
from scripts import distil as script
from scripts._cli import run
from worlds.maps import Map
from worlds.tasks import MazeTasks

HOLD = 5


def practice(agent: Agent, seed: int = 0, stray: int = HOLD) -> Practice:
    return Practice(agent.stack, agent.graphs[2], stray, torch.Generator().manual_seed(seed))


def test_the_policy_plans_as_well_as_the_planner_that_it_stands_for(distilled_agent: Agent) -> None:
    """On problems that it has not practised, it costs no more than CEM finds with 65 times the predictions."""
    stack = distilled_agent.stack
    start, end = practice(distilled_agent, seed=99).problems(1000)
    distance = measure(stack, 1, 2)
    cost, dynamics = SubgoalCost(distance, distance(end)), LevelDynamics(stack.level(1), world_actions(stack))
    assert distilled_agent.policy is not None
    planners = {
        "mode1": PolicyPlanner(distilled_agent.policy, HOLD, HOLD),
        "untrained": PolicyPlanner(make_policy(stack, PolicyConfig()), HOLD, HOLD),
        "cem": CEM(horizon=HOLD, hold=HOLD, samples=32, iterations=2, init_std=1.0),
    }
    generator = torch.Generator().manual_seed(0)
    plans = {name: planner.plan(dynamics, cost, start, generator=generator) for name, planner in planners.items()}
    costs = {name: float(plan.cost.mean()) for name, plan in plans.items()}
    assert costs["mode1"] < 1.01 * costs["cem"]
    assert costs["mode1"] < 0.8 * costs["untrained"]
    assert 60 * plans["mode1"].model_calls < plans["cem"].model_calls


@pytest.mark.parametrize("name", ["mode1", "guided"])
def test_an_agent_acts_with_its_policy(distilled_agent: Agent, small_map: Map, name: LevelPlanner) -> None:
    outcomes = {}
    for planner in ("cem", name):
        tasks = MazeTasks(small_map, 16, seed=4, min_distance=4)
        outcomes[planner], _ = run_episodes(Actor(distilled_agent, 3, (planner, "landmarks"), seed=0), tasks)
    mode2, mode1 = outcomes["cem"], outcomes[name]
    assert mode1.success.mean() >= 0.9 * mode2.success.mean() > 0.8
    assert mode1.steps.mean() < 1.1 * mode2.steps.mean()
    assert 3 * mode1.calls / mode1.steps.sum() < mode2.calls / mode2.steps.sum()


def test_a_flat_agent_is_measured_as_the_policy_was(distilled_agent: Agent, small_map: Map) -> None:
    """One level: the goal is a far target in the space that the policy knows."""
    actor = Actor(distilled_agent, 1, ("mode1",))
    tasks = MazeTasks(small_map, 12, seed=1, min_distance=1)
    outcome, _ = run_episodes(actor, tasks)
    assert outcome.success[tasks.cell_distances <= 2].all() and (tasks.cell_distances <= 2).any()


def test_distillation_is_a_function_of_its_seed(small_agent: Agent) -> None:
    def weights(seed: int) -> torch.Tensor:
        config = PolicyConfig(steps=3, batch=8)
        policy = distil(small_agent.stack, small_agent.graphs[2], config, HOLD, HOLD, seed)
        return torch.cat([each.flatten() for each in policy.parameters()])

    before = torch.random.get_rng_state()
    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))
    assert torch.equal(before, torch.random.get_rng_state()), "the global generator is nobody's business"


def test_nothing_but_the_policy_changes(small_agent: Agent, distilled_agent: Agent) -> None:
    weights = {name: weight.clone() for name, weight in small_agent.stack.state_dict().items()}
    distil(small_agent.stack, small_agent.graphs[2], PolicyConfig(steps=2, batch=8), HOLD, HOLD)
    assert all(torch.equal(weight, weights[name]) for name, weight in small_agent.stack.state_dict().items())
    assert small_agent.policy is None and distilled_agent.policy is not None
    assert distilled_agent.stack is small_agent.stack and distilled_agent.graphs is small_agent.graphs
    assert not any(
        weight.requires_grad for weight in (*distilled_agent.stack.parameters(), *distilled_agent.policy.parameters())
    )


def test_problems_are_those_that_level_2_poses(small_agent: Agent) -> None:
    """At their landmarks when nothing strays: from one to itself, or one or two edges on."""
    landmarks = small_agent.graphs[2]
    start, end = practice(small_agent, stray=0).problems(600)
    states = torch.from_numpy(landmarks.states)  # level 2's, which tell the landmarks apart as well
    raised = [small_agent.stack.raise_states(each, 1, 2) for each in (start, end)]
    here, there = (torch.cdist(each, states).argmin(1).numpy() for each in raised)
    graph = landmarks.graph
    ahead = [set(graph.targets[graph.indptr[i] : graph.indptr[i + 1]].tolist()) for i in range(graph.num_nodes)]
    two = [{k for j in ahead[i] for k in ahead[j]} for i in range(graph.num_nodes)]
    kinds = np.array([(i == j, j in ahead[i], j in two[i]) for i, j in zip(here, there, strict=True)])
    assert kinds.any(1).all()
    assert 0.2 < kinds[:, 0].mean() < 0.6 and kinds[:, 1].mean() > 0.3
    strayed, _ = practice(small_agent).problems(600)
    apart = torch.cdist(small_agent.stack.raise_states(strayed, 1, 2), states).amin(1)
    assert apart.max() > 10 * torch.cdist(raised[0], states).amin(1).max()


def test_a_landmark_with_no_way_on_is_practised_on_the_spot(small_agent: Agent) -> None:
    empty = SearchGraph.from_edges(len(small_agent.graphs[2].states), np.empty(0, int), np.empty(0, int), np.empty(0))
    problems = Practice(small_agent.stack, replace(small_agent.graphs[2], graph=empty), 0, torch.Generator())
    start, end = problems.problems(64)
    assert torch.equal(start, end)


# Saved with the agent


def test_a_policy_is_saved_and_loaded(distilled_agent: Agent, tmp_path: Path) -> None:
    distilled_agent.save(tmp_path / "agent")
    loaded = Agent.load(tmp_path / "agent")
    assert loaded.policy is not None and distilled_agent.policy is not None
    state = distilled_agent.policy.state_dict()
    assert all(torch.equal(weight, state[name]) for name, weight in loaded.policy.state_dict().items())
    assert loaded.policy.reach == distilled_agent.policy.reach
    assert not any(weight.requires_grad for weight in loaded.policy.parameters())


def test_a_policy_of_another_shape_is_refused(distilled_agent: Agent, tmp_path: Path) -> None:
    config = replace(distilled_agent.experiment.policy, hidden=(8,))
    other = replace(distilled_agent.experiment, policy=config)
    replace(distilled_agent, experiment=other).save(tmp_path / "agent")
    with pytest.raises(CheckpointError, match="the weights do not fit the experiment"):
        Agent.load(tmp_path / "agent")


@pytest.mark.parametrize("name", ["mode1", "guided"])
def test_an_agent_without_a_policy_says_so(small_agent: Agent, tmp_path: Path, name: LevelPlanner) -> None:
    small_agent.save(tmp_path / "agent")
    loaded = Agent.load(tmp_path / "agent")
    assert loaded.policy is None
    with pytest.raises(ValueError, match=f"planners: '{name}' needs a policy, which this agent has not") as caught:
        Actor(loaded, 3, (name, "landmarks"))
    assert "\n" not in str(caught.value)


def test_guided_planning_is_for_level_1(distilled_agent: Agent) -> None:
    with pytest.raises(ValueError, match="planners: 'guided' plans at level 1 only; name another planner for level 2"):
        Actor(distilled_agent, 3, ("cem", "guided"))


def test_no_policy_where_none_is_wanted_or_there_is_nothing_to_practise_on(small_agent: Agent) -> None:
    unwilling = replace(small_agent, experiment=replace(small_agent.experiment, policy=PolicyConfig(steps=0)))
    for agent in (unwilling, replace(small_agent, graphs={})):
        assert agent.distilled() is agent


@pytest.mark.parametrize("name", [name for name in registry.shipped() if name.startswith("ogbench/")])
def test_shipped_agents_have_a_policy(name: str) -> None:
    agent = Agent.load(registry.pretrained(name))
    assert agent.policy is not None
    Actor(agent, planners=("mode1",))


def test_the_script_names_an_agent_of_one_level(
    small_agent: Agent, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shape = replace(small_agent.experiment.stack, levels=small_agent.experiment.stack.levels[:1])
    experiment = replace(small_agent.experiment, stack=shape)
    Agent(Stack(shape), experiment, {}, {}, {}).save(tmp_path / "agent")
    with pytest.raises(SystemExit):
        run(script.main, [str(tmp_path / "agent")])
    assert f"{tmp_path / 'agent'}: has one level" in capsys.readouterr().err


def test_the_script_adds_a_policy_and_leaves_the_rest(
    small_agent: Agent, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small_agent.save(tmp_path / "run" / "agent")
    before = {path.name: path.read_bytes() for path in (tmp_path / "run" / "agent").glob("*.safetensors")}
    run(script.main, f"{tmp_path / 'run'} --policy.steps 2 --policy.batch 8 --policy.ways.steps 2".split())
    assert "has a policy" in capsys.readouterr().out
    after = {path.name: path.read_bytes() for path in (tmp_path / "run" / "agent").glob("*.safetensors")}
    assert all(after.pop(f"{name}.safetensors") for name in ("policy", "signpost.2", "signpost.3"))
    assert after == before
    loaded = Agent.load(tmp_path / "run" / "agent")
    assert loaded.experiment.policy.steps == 2 and loaded.card == small_agent.card
    with pytest.raises(SystemExit):
        run(script.main, [str(tmp_path / "run"), "--policy.steps", "0"])
    assert "--policy.steps must be at least 1, not 0" in capsys.readouterr().err
