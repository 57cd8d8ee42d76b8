"""Agents: saved and loaded without a change, every way to plan, and no map anywhere."""

from __future__ import annotations

import inspect
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pytest
import torch

import hjepa
from hjepa.actor import Actor
from hjepa.agent import Agent
from hjepa.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from hjepa.config import to_dict
from hjepa.optimizers import Optimizer
from hjepa.planning import LevelPlanner, PlanningConfig, Search
from worlds.maps import Map
from worlds.tasks import MazeTasks


@pytest.fixture(scope="module")
def saved(small_agent: Agent, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("agents") / "small"
    small_agent.save(folder)
    return folder


@pytest.fixture(scope="module")
def places(small_agent: Agent) -> tuple[np.ndarray, np.ndarray]:
    """Starts and goals, by observation only: four remembered places each."""
    observations = small_agent.graphs[2].observations
    return observations[[3, 40, 70, 100]], observations[[110, 60, 5, 20]]


def actions_of(actor: Actor, places: tuple[np.ndarray, np.ndarray], steps: int = 12) -> np.ndarray:
    """[steps, B, A] what an actor does where every action works as in the open."""
    observations, goals = places
    actor.begin(goals)
    taken = []
    for _ in range(steps):
        taken.append(actor.act(observations))
        observations = observations + 0.2 * taken[-1]
    return np.stack(taken)


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_a_loaded_agent_acts_identically(small_agent: Agent, saved: Path, places, levels: int) -> None:
    loaded = Agent.load(saved)
    left, right = (actions_of(Actor(agent, levels, seed=3), places) for agent in (small_agent, loaded))
    assert np.array_equal(left, right)
    assert (np.abs(left) <= 1).all()
    assert not np.array_equal(left, actions_of(Actor(small_agent, levels, seed=4), places))


def test_a_round_trip_loses_nothing(small_agent: Agent, saved: Path) -> None:
    loaded = Agent.load(saved)
    assert loaded.experiment == small_agent.experiment
    assert loaded.card == small_agent.card
    assert loaded.verified == small_agent.verified
    state = small_agent.stack.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in loaded.stack.state_dict().items())
    assert not any(weight.requires_grad for weight in loaded.stack.parameters())
    assert loaded.graphs.keys() == small_agent.graphs.keys() == {2, 3}
    for k, graph in loaded.graphs.items():
        own = small_agent.graphs[k]
        for name in ("observations", "below"):
            assert np.array_equal(getattr(graph, name), getattr(own, name))
        for name in ("states", "embedding", "measure"):
            np.testing.assert_allclose(getattr(graph, name), getattr(own, name), rtol=1e-4, atol=1e-2)
        for name in ("indptr", "targets", "costs"):
            assert np.array_equal(getattr(graph.graph, name), getattr(own.graph, name))
        assert (graph.level, graph.stride) == (own.level, own.stride)


def fails_in_one_line(folder: Path, *words: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        Agent.load(folder)
    message = str(caught.value)
    assert "\n" not in message
    for word in (str(folder), *words):
        assert word in message


def test_no_agent_there(tmp_path: Path) -> None:
    fails_in_one_line(tmp_path / "nothing", "no checkpoint here")


def test_a_training_checkpoint_is_no_agent(small_agent: Agent, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "run", {"stack": small_agent.stack.state_dict()}, {"step": 5})
    fails_in_one_line(tmp_path / "run", "training", "not an agent")


@pytest.mark.parametrize("file", ["stack.safetensors", "memory.safetensors", "meta.json"])
def test_a_damaged_agent(small_agent: Agent, tmp_path: Path, file: str) -> None:
    small_agent.save(tmp_path / "agent")
    content = bytearray((tmp_path / "agent" / file).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "agent" / file).write_bytes(content)
    fails_in_one_line(tmp_path / "agent", "damaged", file)


def test_weights_of_another_shape(small_agent: Agent, tmp_path: Path) -> None:
    stack = small_agent.experiment.stack
    wider = replace(stack, levels=(*stack.levels[:2], replace(stack.levels[2], state_dim=7)))
    other = replace(small_agent, experiment=replace(small_agent.experiment, stack=wider))
    other.save(tmp_path / "agent")
    fails_in_one_line(tmp_path / "agent", "the weights do not fit the experiment")


@pytest.mark.parametrize("levels", [-1, 0, 4])
def test_levels_that_the_agent_has_not(small_agent: Agent, levels: int) -> None:
    with pytest.raises(ValueError, match=f"levels must be 1 to 3 for this agent, not {levels}") as caught:
        Actor(small_agent, levels)
    assert "\n" not in str(caught.value)


def test_acting_before_the_beginning(small_agent: Agent, places) -> None:
    with pytest.raises(RuntimeError, match="begin"):
        Actor(small_agent).act(places[0])


EVERY_PLANNER = [(name, "landmarks") for name in get_args(Optimizer)] + [
    ("cem", name) for name in get_args(Literal[Optimizer, Search])
]


@pytest.mark.parametrize("levels", [2, 3])
@pytest.mark.parametrize("planners", EVERY_PLANNER, ids="-".join)
def test_every_planner_plans(small_agent: Agent, places, planners: tuple[LevelPlanner, ...], levels: int) -> None:
    actor = Actor(small_agent, levels, planners, seed=1)
    two = (places[0][:2], places[1][:2])
    taken = actions_of(actor, two, steps=6)
    assert taken.shape == (6, 2, 2)
    assert np.isfinite(taken).all()
    assert (np.abs(taken) <= 1 + 1e-6).all()
    assert actor.session is not None
    spent = actor.session.spent
    assert set(spent.plans) == set(range(1, levels + 1))
    assert all(spent.expanded[k] > 0 for k in range(1, levels + 1))
    assert (spent.calls[2] > 0) == (planners[1] != "landmarks"), "landmarks are planned over without the predictor"
    decision = actor.view(step=4)
    assert len(decision.levels) == levels
    for view in decision.levels:
        assert view.plan.ndim == 2
        assert view.plan.shape[1] == 2
        assert view.subgoal.shape == (2,)
        assert np.isfinite(view.plan).all()
    assert np.array_equal(taken, actions_of(Actor(small_agent, levels, planners, seed=1), two, steps=6))


def test_levels_may_have_different_planners(small_agent: Agent, places) -> None:
    actor = Actor(small_agent, 3, ("mppi", "supported", "landmarks"))
    actions_of(actor, (places[0][:2], places[1][:2]), steps=1)
    assert actor.session is not None
    assert actor.session.spent.calls[2] > 0
    assert actor.session.spent.calls[3] == 0


@pytest.mark.parametrize(
    ("planners", "message"), [((), "must name at least one"), (("landmarks",), "level 1 has no 'landmarks'")]
)
def test_planners_that_fit_no_level(planners: tuple[LevelPlanner, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PlanningConfig(planners=planners)


def test_a_view_begins_here_and_leads_to_the_goal(small_agent: Agent, places) -> None:
    actor = Actor(small_agent, 3)
    actor.begin(places[1])
    actor.act(places[0])
    for problem in range(4):
        decision = actor.view(0, problem)
        assert decision.events == ("replan 3", "replan 2")
        for view in decision.levels:
            assert np.linalg.norm(view.plan[0] - places[0][problem]) < 1.5, "decoded, so not exact"


def test_decisions_are_followed_for_a_while(small_agent: Agent, places) -> None:
    actor = Actor(small_agent)
    actor.begin(places[1])
    for step in range(9):
        actor.act(places[0])
        assert actor.session is not None
        assert actor.session.spent.plans[1] == 4 * (1 + step // actor.config.commit)


# No map


def modules() -> list[str]:
    return sorted(f"hjepa.{path.stem}" for path in Path(hjepa.__file__).parent.glob("*.py") if path.stem != "__init__")


def test_the_agent_works_without_any_world(saved: Path) -> None:
    """In a fresh interpreter: every module of the model, and a decision of a loaded agent."""
    program = f"""
import importlib, sys
for name in {modules()!r}:
    importlib.import_module(name)
import numpy as np
from hjepa.agent import Agent
from hjepa.actor import Actor
actor = Actor(Agent.load({str(saved)!r}))
actor.begin(np.array([[4.0, 4.0]], np.float32))
assert actor.act(np.array([[20.0, 4.0]], np.float32)).shape == (1, 2)
bad = [name for name in sys.modules if name.partition(".")[0] in ("worlds", "ogbench", "mujoco", "gymnasium")]
assert not bad, bad
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(hjepa.__file__).parents[1]
    )
    assert done.returncode == 0, done.stderr


def test_agents_and_actors_are_given_observations_and_actions_only() -> None:
    def names(function: object) -> list[str]:
        return [name for name in inspect.signature(function).parameters if name != "self"]  # type: ignore[arg-type]

    assert names(Agent.remember) == ["stack", "observations", "experiment", "card"]
    expected = "agent levels planners seed risk zones adaptation ways around watch"
    assert " ".join(names(Actor)) == expected
    assert names(Actor.begin) == ["goals"]
    assert names(Actor.act) == ["observations", "active"]


def test_a_saved_agent_holds_nothing_of_the_map(small_agent: Agent, small_map: Map, saved: Path) -> None:
    tensors, meta = load_checkpoint(saved)
    assert set(tensors) == {"stack", "memory"}
    assert set(tensors["stack"]) == set(small_agent.stack.state_dict())
    kinds = {name.rpartition(".")[0] for name in tensors["memory"]}
    assert kinds == {"observations", "below", "indptr", "targets", "costs"}
    assert set(meta) == {"kind", "experiment", "card", "verified"}
    assert meta["experiment"] == to_dict(small_agent.experiment)
    rows = [row.encode() for row in small_map.to_text().split()]
    for file in saved.iterdir():
        content = file.read_bytes()
        assert not any(row in content for row in rows), file
        assert small_map.version.encode() not in content


def test_plans_come_from_the_data_not_from_the_world(small_agent: Agent, small_map: Map) -> None:
    """Put into the map upside down, the agent plans as ever: through walls that it has never met."""
    mirrored = Map.parse("\n".join(small_map.to_text().split()[::-1]), "mirrored")
    world = MazeTasks(mirrored, 8, seed=0, min_distance=6)
    observations, goals = world.reset()
    plans = []
    for _ in range(2):
        actor = Actor(small_agent, 2, seed=0)
        actor.begin(goals)
        actor.act(observations)
        plans.append([actor.view(0, problem).levels[1].plan for problem in range(8)])
        world.step(np.ones((8, 2)))  # whatever happens in the world meanwhile
    assert all(np.array_equal(left, right) for left, right in zip(*plans, strict=True))
    crossed = np.concatenate([plan[1:-1] for plan in plans[0]])
    own, other = (maze.walls[tuple(maze.cell_of(crossed).T)] for maze in (small_map, mirrored))
    assert own.mean() < 0.02
    assert other.mean() > 0.1
