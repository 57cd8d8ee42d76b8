"""Worlds with a secret, and what an agent does to find it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hjepa.actor import Actor
from hjepa.agent import Agent
from hjepa.dynamics import LevelDynamics, world_actions
from hjepa.experiment import Trial, Verdict, telling_place
from hjepa.zones import Zones, priced
from planners.base import Box, Dynamics, Planner
from planners.landmarks import LandmarkPlanner
from planners.sampling import CEM
from planners.support import Support
from worlds import Map, PointMaze
from worlds.compiled import RADIUS
from worlds.maps import CELL_SIZE, WALL
from worlds.places import place_near

Points = NDArray[np.float32]
Seed = tuple[int, int]
COMMIT = 4  # steps of a plan that are taken before the next one


@dataclass(frozen=True, eq=False)
class Outcome:
    """One trial.

    Attributes:
        truth: the hypothesis that is right.
        verdict: what was found.
        trail: [T+1, 2] places.
        odds: [T+1] log-odds of the best hypothesis against the second, as they grew.
        door: (row, column), where there is one.
    """

    truth: str
    verdict: Verdict
    trail: Points
    odds: NDArray[np.float64]
    door: tuple[int, int] | None = None

    @property
    def steps(self) -> int:
        """World steps until the end."""
        return len(self.trail) - 1


class Lab(Protocol):
    """Where trials are made."""

    LIMIT: ClassVar[int]

    def trial(self, seed: Seed, way: str, truth: str | None = None) -> Outcome:
        """One trial: by experiment or with random actions; a truth that is not given is drawn."""
        ...


def margin(verdict: Verdict) -> float:
    """Log-odds of the best hypothesis against the second."""
    return sorted(verdict.log_odds.values())[1]


@final
class Shut:
    """A model's twin in which one cell can't be entered: who pushes against it slides along.

    Args:
        open: the model.
        agent: whose; it says where its states are.
        centre: [2] of the cell, world units.
    """

    def __init__(self, open: LevelDynamics, agent: Agent, centre: Tensor) -> None:
        self.open, self.stack, self.centre, self.actions = open, agent.stack, centre, open.actions

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        """[..., D] states and [..., A] actions to the [..., D] next states."""
        following = self.open.step(state, action)
        before, after = (self.stack.decode(one, 1) - self.centre for one in (state, following))
        door = after.clamp(-CELL_SIZE / 2, CELL_SIZE / 2)  # its point nearest to the ball
        gap = torch.linalg.vector_norm(after - door, dim=-1, keepdim=True)
        held = torch.where(gap > 0, door + (after - door) * (RADIUS / gap.clamp(min=1e-6)), before)
        change = self.stack.encode(held + self.centre, 1) - self.stack.encode(after + self.centre, 1)
        return torch.where(gap < RADIUS, following + change, following)


class DoorLab:
    """Mazes in which one cell may be shut.

    Args:
        agent: who wants to know.
        map: its maze, with all doors open.
    """

    LIMIT: ClassVar[int] = 1000
    NOISE: ClassVar[float] = 0.03
    """World units by which level 1 is wrong about one step."""
    BIAS: ClassVar[float] = 0.1
    """World units by which it may be wrong every time, where it never touched a wall before."""
    ALIKE: ClassVar[float] = 0.5
    """World units over which it is wrong in the same way."""
    FAMILIAR: ClassVar[float] = 3.5
    """World steps from a landmark up to which level 1 is believed."""
    NEAR: ClassVar[float] = 1.0
    """World units from the telling place at which the travel is over."""

    def __init__(self, agent: Agent, map: Map) -> None:
        self.agent, self.map, self.stack = agent, map, agent.stack
        self.planner = CEM(horizon=20, hold=5, samples=64, iterations=3, elites=8)
        remembered = self.stack.encode(torch.from_numpy(agent.graphs[2].observations), 1)
        self.support = Support(self.stack.level(1).critic.embed(remembered).detach(), self.FAMILIAR)

    def trial(self, seed: Seed, way: str, truth: str | None = None) -> Outcome:
        """A random door, start and truth (unless it is given)."""
        rng, free = np.random.default_rng(seed), self.map.free_cells()
        door, start = rng.choice(free, 2, replace=False)
        closed = bool(rng.integers(2)) if truth is None else truth == "closed"
        cells = np.array(self.map.cells)
        cells[tuple(door)] = WALL if closed else cells[tuple(door)]
        world = PointMaze(Map(cells, self.map.name), 1, seed=int(rng.integers(2**31)))
        place = world.reset(torch.from_numpy(place_near(self.map, start, rng)[None])).numpy()
        open_model = LevelDynamics(self.stack.level(1), world_actions(self.stack))
        centre = torch.from_numpy(self.map.center(door).astype(np.float32))
        models: dict[str, Dynamics] = {"open": open_model, "closed": Shut(open_model, self.agent, centre)}
        trial = Trial(
            models, lambda states: self.stack.decode(states, 1), self.NOISE,
            doubt=self._doubt, bias=self.BIAS, alike=self.ALIKE,
        )  # fmt: skip
        trail = [place] if way == "random" else self._travel(world, place, door)
        odds = [0.0] * len(trail)
        generator = torch.Generator().manual_seed(seed[1])
        while len(trail) <= self.LIMIT and trial.verdict().survivor is None:
            for action in _next_actions(trial, self._see(trail[-1]), self.planner, way, generator):
                trail.append(world.step(action[None])[0].numpy())
                trial.observe(self._see(trail[-2]), action, self._see(trail[-1]))
                odds.append(margin(trial.verdict()))
        name = "closed" if closed else "open"
        return Outcome(name, trial.verdict(), np.concatenate(trail), np.array(odds), (int(door[0]), int(door[1])))

    def _doubt(self, states: Tensor) -> Tensor:
        """[..., D] states to the [...] world steps that they are too far from anything remembered."""
        return self.support.excess(self.stack.level(1).critic.embed(states))

    def _travel(self, world: PointMaze, place: Points, door: NDArray[np.int64]) -> list[Points]:
        """Through the whole hierarchy to where the graphs differ, as if the door were closed: [1, 2] places."""
        goal, zones = self._telling(place, door)
        actor, trail = Actor(self.agent, zones=zones), [place]
        actor.begin(goal)
        while len(trail) <= self.LIMIT and np.linalg.norm(trail[-1] - goal) > self.NEAR:
            trail.append(world.step(torch.from_numpy(actor.act(trail[-1])))[0].numpy())
        return trail

    def _telling(self, place: Points, door: NDArray[np.int64]) -> tuple[Points, Zones]:
        """[1, 2] the place to go to, and the closed door as a guardrail."""
        cells = np.zeros(self.map.shape, np.float32)
        cells[tuple(door)] = np.inf
        zones = Zones(cells, (-1.5 * CELL_SIZE,) * 2, CELL_SIZE, margin=RADIUS)
        landmarks = self.agent.graphs[2]
        points = [self.stack.level(k).critic.embed(self.stack.encode(torch.from_numpy(place), k)) for k in (1, 2)]
        begins, costs, _ = LandmarkPlanner(landmarks).entries(tuple(point[0].detach().numpy() for point in points))
        number = telling_place(priced({2: landmarks}, zones)[2], landmarks, begins, costs)
        return landmarks.observations[number][None], zones

    @torch.no_grad()
    def _see(self, place: Points) -> Tensor:
        return self.stack.encode(torch.from_numpy(place[0]), 1)


@torch.no_grad()
def _next_actions(trial: Trial, state: Tensor, planner: Planner, way: str, generator: torch.Generator) -> Tensor:
    """[COMMIT, A] the next actions: those that tell most, or any."""
    box = trial.joint.actions
    assert isinstance(box, Box)
    if way == "random":
        return box.sample((COMMIT,), generator)
    start = trial.joint.start(state)[None]
    return planner.plan(trial.joint, trial.cost, start, generator=generator).actions[0, :COMMIT]


@final
class Windy:
    """A ball on a plain with a gust: within it, the wind carries it along.

    Args:
        centre: [2] of the gust; world units.
        wind: [2] world units per step in its middle.
    """

    RADIUS = 2.0

    def __init__(self, centre: Tensor, wind: Tensor) -> None:
        self.centre, self.wind = centre, wind
        self.actions = Box(-torch.ones(2), torch.ones(2))

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        """[..., 2] places and [..., 2] actions to the [..., 2] next places."""
        away = (state - self.centre).square().sum(-1, keepdim=True)
        return state + 0.2 * action + self.wind * torch.exp(-away / (2 * self.RADIUS**2))


class WindLab:
    """Plains with a gust that blows north, east, south or west, and a ball a few steps away from it."""

    LIMIT: ClassVar[int] = 300
    NOISE: ClassVar[float] = 0.05
    SPEED: ClassVar[float] = 0.06
    AWAY: ClassVar[float] = 6.0
    """World units from the start to the middle of the gust."""
    WINDS: ClassVar[dict[str, tuple[float, float]]] = {
        "north": (0, -1),
        "east": (1, 0),
        "south": (0, 1),
        "west": (-1, 0),
    }

    def __init__(self) -> None:
        self.planner = CEM(horizon=40, hold=5, samples=64, iterations=4, elites=8)

    def trial(self, seed: Seed, way: str, truth: str | None = None) -> Outcome:
        """A random gust, and wind (unless it is given)."""
        rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed[1])
        angle, drawn = rng.uniform(0, 2 * np.pi), str(rng.choice(list(self.WINDS)))
        truth = truth or drawn
        centre = torch.tensor([np.cos(angle), np.sin(angle)], dtype=torch.float32) * self.AWAY
        models = {name: Windy(centre, self.SPEED * torch.tensor(wind)) for name, wind in self.WINDS.items()}
        trial, state = Trial(models, lambda states: states, self.NOISE), torch.zeros(2)
        trail, odds = [state], [0.0]
        while len(trail) <= self.LIMIT and trial.verdict().survivor is None:
            for action in _next_actions(trial, trail[-1], self.planner, way, generator):
                blown = self.NOISE * torch.randn(2, generator=generator)
                trail.append(models[truth].step(trail[-1], action) + blown)
                trial.observe(trail[-2], action, trail[-1])
                odds.append(margin(trial.verdict()))
        return Outcome(truth, trial.verdict(), torch.stack(trail).numpy(), np.array(odds))
