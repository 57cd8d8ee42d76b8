"""Chance nodes: where an agent plans around a portal, through it, and what it says of it."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hjepa.actor import Actor
from hjepa.agent import Agent
from hjepa.determined import determined
from hjepa.forks import believed_forks
from hjepa.latent import Jumps
from hjepa.memory import build_landmarks
from hjepa.planning import Attitude
from hjepa.stack import Stack
from hjepa.trajectories import Trajectories
from planners.landmarks import LandmarkGraph, LandmarkPlanner
from planners.stochastic_graph import NOWHERE, ChanceNodes

FAR_OFF = (60.0, 60.0)


class Portal:
    """A model of events that knows: within 1.5 of a place, to another one, or (one in four times) off the map."""

    def __init__(self, stack: Stack, place: Tensor, exit: Tensor) -> None:
        self.stack, self.place = stack, place
        self.exits = torch.stack([exit, torch.tensor(FAR_OFF)])
        self.alive = torch.zeros(2)

    def hazard(self, states: Tensor) -> Tensor:
        return ((self.stack.decode(states, 1) - self.place).norm(dim=-1) < 1.5).float()

    def outcomes(self, states: Tensor) -> Tensor:
        return self.stack.encode(self.exits).expand(*states.shape[:-1], 2, -1)

    def log_prior(self, states: Tensor) -> Tensor:
        return torch.tensor([0.75, 0.25]).log().expand(*states.shape[:-1], 2)


@pytest.fixture(scope="module")
def ends(small_data: Trajectories) -> tuple[Tensor, Tensor]:
    """Two recorded places, far from each other."""
    places = small_data.observations[::50]
    first = places[places.sum(-1).argmin()]
    return first, places[(places - first).norm(dim=-1).argmax()]


@pytest.fixture(scope="module")
def agent(small_agent: Agent, small_data: Trajectories, ends: tuple[Tensor, Tensor]) -> Agent:
    stack = copy.deepcopy(small_agent.stack)
    assert isinstance(stack, Stack)
    stack.jumps = Portal(stack, *ends)  # type: ignore[assignment]
    graphs, verified = build_landmarks(stack, small_data.observations[::3])
    return replace(small_agent, stack=stack, graphs=graphs, verified=verified)


@pytest.mark.parametrize("k", [2, 3])
def test_landmarks_in_a_portal_are_chance_nodes(agent: Agent, ends: tuple[Tensor, Tensor], k: int) -> None:
    landmarks = agent.graphs[k]
    chances = landmarks.chances
    assert chances is not None and len(chances.nodes)
    away = np.linalg.norm(landmarks.observations - ends[0].numpy(), axis=1)
    assert (away[chances.nodes] < 2.0).all()
    assert (np.delete(away, chances.nodes) > 1.0).all()
    degree = np.diff(landmarks.graph.indptr)
    assert (degree[chances.nodes] == 0).all()
    assert np.isin(chances.nodes, landmarks.graph.targets).any()


@pytest.mark.parametrize("k", [2, 3])
def test_outcomes_are_landmarks_or_nowhere(agent: Agent, ends: tuple[Tensor, Tensor], k: int) -> None:
    landmarks = agent.graphs[k]
    chances = landmarks.chances
    assert chances is not None
    assert (chances.outcomes[:, 1] == NOWHERE).all()
    away = np.linalg.norm(landmarks.observations[chances.outcomes[:, 0]] - ends[1].numpy(), axis=1)
    assert (away < 2.0 * k).all()
    assert np.allclose(chances.probabilities, [0.75, 0.25])


def test_the_attitude_and_the_price_of_a_trap_decide(agent: Agent, ends: tuple[Tensor, Tensor]) -> None:
    start = agent.graphs[2].observations[np.linalg.norm(agent.graphs[2].observations - ends[0].numpy(), axis=1) > 2.5]
    start = start[np.linalg.norm(start - ends[0].numpy(), axis=1).argmin()]
    into: dict[tuple[str, float], bool] = {}
    for risk in ("average", "worst"):
        for give_up in (20.0, 10_000.0):
            planning = replace(agent.experiment.planning, give_up=give_up)
            priced = replace(agent, experiment=replace(agent.experiment, planning=planning))
            actor = Actor(priced, risk=risk)
            actor.begin(ends[1].numpy()[None])
            actor.act(start[None])
            track = actor.session.track(3, 0)  # type: ignore[union-attr]
            into[risk, give_up] = not track.path.final
    assert into == {("average", 20.0): True, ("average", 1e4): False, ("worst", 20.0): True, ("worst", 1e4): False}


@pytest.mark.parametrize("leaving", [False, True])
@pytest.mark.parametrize("k", [2, 3])
def test_beside_a_wide_portal_there_is_another_way(
    agent: Agent, ends: tuple[Tensor, Tensor], k: int, leaving: bool
) -> None:
    planner: LandmarkPlanner | None = None
    for graph in (agent.graphs[2], agent.graphs[3])[: k - 1]:
        planner = LandmarkPlanner(wide_portal(graph, ends[0].numpy()), planner)
    assert planner is not None and planner.landmarks.chances is not None
    states = agent.stack.encode_all(ends[0])
    points = tuple(agent.stack.level(level).critic.embed(state).numpy() for level, state in enumerate(states, 1))
    found, _, _ = planner.entries(points, leaving)
    among = planner.landmarks.chances.among(found)
    assert among.any()
    assert not among.all()


def wide_portal(landmarks: LandmarkGraph, place: np.ndarray) -> LandmarkGraph:
    """The same graph, at all of whose landmarks around a place chance decides."""
    nodes = np.flatnonzero(np.linalg.norm(landmarks.observations - place, axis=1) < 4.5)
    nowhere = np.full((len(nodes), 1), NOWHERE)
    return replace(landmarks, chances=ChanceNodes(nodes, nowhere, np.ones(nowhere.shape), np.ones(nowhere.shape)))


def into_the_portal(agent: Agent, risk: Attitude, start: np.ndarray, goal: np.ndarray) -> bool:
    """Whether the top level's way ends where the world decides."""
    actor = Actor(agent, risk=risk)
    actor.begin(goal[None])
    actor.act(start[None])
    assert actor.session is not None
    return not actor.session.track(3, 0).path.final


@pytest.mark.parametrize(
    ("risk", "bad", "enters"),
    [("likeliest", 0.25, True), ("likeliest", 0.6, False), ("optimistic", 0.6, True), ("average", 0.25, False)],
)
def test_who_ignores_chance_enters(
    agent: Agent, ends: tuple[Tensor, Tensor], risk: Attitude, bad: float, enters: bool
) -> None:
    places = agent.graphs[2].observations
    away = np.linalg.norm(places - ends[0].numpy(), axis=1)
    start = places[np.where(away > 2.5, away, np.inf).argmin()]
    likely = {k: likelier(landmarks, 1 - bad) for k, landmarks in agent.graphs.items()}
    assert into_the_portal(replace(agent, graphs=likely), risk, start, ends[1].numpy()) == enters


def likelier(landmarks: LandmarkGraph, first: float) -> LandmarkGraph:
    """The same graph, at whose chance nodes the first of two outcomes has another probability."""
    assert landmarks.chances is not None
    probabilities = np.tile([first, 1 - first], (len(landmarks.chances.nodes), 1))
    return replace(landmarks, chances=replace(landmarks.chances, probabilities=probabilities))


@pytest.mark.parametrize("k", [2, 3])
def test_the_mean_outcome_lies_between(agent: Agent, ends: tuple[Tensor, Tensor], k: int) -> None:
    landmarks = determined(agent.stack, agent.graphs, "mean-outcome")[k]
    chances, before = landmarks.chances, agent.graphs[k].chances
    assert chances is not None and before is not None
    assert chances.outcomes.shape == (len(before.nodes), 1)
    exits = torch.stack([ends[1], torch.tensor(FAR_OFF)])
    mean = torch.tensor([0.75, 0.25]) @ agent.stack.encode(exits)
    nearest = torch.cdist(agent.stack.raise_states(mean[None], 1, 2), torch.from_numpy(agent.graphs[2].states)).argmin()
    here = landmarks.observations[chances.outcomes[0, 0]]
    assert np.linalg.norm(here - agent.graphs[2].observations[nearest]) < 2.0 * k


def test_what_knows_no_chance_stays_as_it_is(small_agent: Agent) -> None:
    graphs = determined(small_agent.stack, small_agent.graphs, "likeliest")
    assert all(vars(graphs[k]) == vars(small_agent.graphs[k]) for k in graphs)


def test_what_is_believed_can_be_told(agent: Agent, small_agent: Agent, ends: tuple[Tensor, Tensor]) -> None:
    (fork,) = believed_forks(agent)
    assert np.linalg.norm(fork.place - ends[0].numpy()) < 1.5
    assert np.linalg.norm(fork.outcomes[0] - ends[1].numpy()) < 1.5
    assert fork.probabilities.tolist() == pytest.approx([0.75, 0.25])
    assert believed_forks(small_agent) == []


def test_it_is_saved_with_the_agent(agent: Agent, small_agent: Agent, tmp_path: Path) -> None:
    stack = copy.deepcopy(agent.stack)
    assert isinstance(stack, Stack)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        stack.jumps = Jumps(4, agent.experiment.train.events.modes)
    replace(agent, stack=stack).save(tmp_path / "portal")
    small_agent.save(tmp_path / "none")
    loaded = Agent.load(tmp_path / "portal")
    assert isinstance(loaded.stack, Stack)
    states = torch.randn(7, 4, generator=torch.Generator().manual_seed(0))
    assert loaded.stack.jumps is not None
    assert torch.equal(loaded.stack.jumps.outcomes(states), stack.jumps.outcomes(states))
    for k in (2, 3):
        saved, read = agent.graphs[k].chances, loaded.graphs[k].chances
        assert saved is not None and read is not None
        assert all(np.array_equal(vars(saved)[name], vars(read)[name]) for name in vars(saved))
    without = Agent.load(tmp_path / "none")
    assert without.graphs[2].chances is None and without.stack.jumps is None  # type: ignore[attr-defined]
