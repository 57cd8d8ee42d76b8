"""Walks beside what is dear, in the wind: what attitudes to risk are worth. And plans, told with their uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hjepa.drift import DriftDynamics
from hjepa.dynamics import LevelDynamics, world_actions
from hjepa.forecast import Forecast, ForecastPlanner
from hjepa.metrics import wilson_interval
from hjepa.reliability import Reliability, quantile_rank
from planners.base import Cost
from planners.hierarchy import SubgoalCost
from planners.risk import MEAN, WORST, Risk
from planners.sampling import CEM
from scripts._wind import FUTURES, Told, Wind
from worlds import Map
from worlds.gusts import GustyMaze
from worlds.places import Cell, place_near

BESIDE = 0.1
"""World units between the straight way and the border of what is dear."""
PRICE = 10.0
"""Steps that a step within it counts as, on top of itself."""
COMMIT, LIMIT, REACHED = 2, 80, 1.0
ATTITUDES: dict[str, Risk | None] = {"no z": None, "average": MEAN, "CVaR 10 %": Risk(0.1), "worst": WORST}


@final
@dataclass(frozen=True, eq=False)
class Ledges:
    """Straight walks through two cells of the windy half, along the border of a dear strip.

    Attributes:
        starts, targets: [B, 2] places.
        ahead, aside: [B, 2] unit vectors along the way, and towards the strip.
    """

    starts: Tensor
    targets: Tensor
    ahead: Tensor
    aside: Tensor

    @classmethod
    def draw(cls, wind: Wind, count: int, seed: int) -> Ledges:
        """Random stretches, directions and sides."""
        rng, map = np.random.default_rng(seed), wind.map
        pairs = _neighbours(map, map.shape[1] // 2)
        ends = np.array([pairs[i] for i in rng.integers(len(pairs), size=count)])
        places = torch.from_numpy(map.center(ends)).float()
        ahead = (places[:, 1] - places[:, 0]) / (places[:, 1] - places[:, 0]).norm(dim=-1, keepdim=True)
        aside = torch.stack([-ahead[:, 1], ahead[:, 0]], -1) * torch.from_numpy(rng.choice([-1.0, 1.0], (count, 1)))
        return cls(places[:, 0], places[:, 1], ahead, aside.float())

    def offset(self, places: Tensor) -> Tensor:
        """[B, ..., 2] places to the [B, ...] world units by which they are beyond the border, below 0 on this side."""
        axes = [len(self.starts), *[1] * (places.dim() - 2), 2]
        return ((places - self.starts.view(axes)) * self.aside.view(axes)).sum(-1) - BESIDE

    def progress(self, places: Tensor) -> Tensor:
        """[B, 2] places to the [B] world units that they are along the way."""
        return ((places - self.starts) * self.ahead).sum(-1)


@dataclass(frozen=True, eq=False)
class Walked:
    """What one attitude came to on B walks.

    Attributes:
        attitude: its name.
        trails: [B, T+1, 2] places; an arrived ball stays.
        offsets: [B, T+1] world units beyond the border.
        steps: [B] until arrival, or the limit.
        inside: [B] steps within the strip.
        arrived: [B].
    """

    attitude: str
    trails: NDArray[np.float32]
    offsets: NDArray[np.float32]
    steps: NDArray[np.int64]
    inside: NDArray[np.int64]
    arrived: NDArray[np.bool_]

    @property
    def cost(self) -> NDArray[np.float64]:
        """[B] steps, and the price of those within the strip."""
        return self.steps + PRICE * self.inside

    def row(self) -> str:
        """One line of a table."""
        low, high = wilson_interval(int((self.inside > 0).sum()), len(self.steps))
        tail = np.sort(self.cost)[-max(1, len(self.cost) // 10) :].mean()
        error = 1.96 * self.cost.std(ddof=1) / np.sqrt(len(self.cost))
        return (
            f"  {self.attitude:10} {np.mean(self.inside > 0):6.0%} [{low:4.0%}, {high:4.0%}]"
            f"  {self.inside.sum() / self.steps.sum():9.1%}  {self.steps.mean():6.1f}"
            f"  {self.cost.mean():7.1f} ±{error:4.1f}  {tail:9.1f}  {self.arrived.mean():6.0%}"
        )


HEADER = "  attitude   walks that enter it   steps in it   steps    mean cost   worst tenth  arrive"


def walk(wind: Wind, ledges: Ledges, dynamics: DriftDynamics, attitude: str, seed: int) -> Walked:
    """All walks with one attitude; ``no z`` plans with the level's own deterministic predictor."""
    risk = ATTITUDES[attitude]
    model = LevelDynamics(dynamics.level, world_actions(wind.stack)) if risk is None else dynamics
    cost = _cost(wind, ledges)
    planner = CEM(horizon=8, hold=2, samples=32, iterations=3, elites=8, init_std=1.0, risk=risk or MEAN, scenarios=16)
    count, generator = len(ledges.starts), torch.Generator().manual_seed(seed)
    world = GustyMaze(wind.map, count, wind.strength, seed)
    seen = world.reset(ledges.starts, ledges.targets)
    trail, arrived, steps = [seen], torch.zeros(count, dtype=torch.bool), torch.zeros(count, dtype=torch.long)
    while int(steps.max()) < LIMIT and not arrived.all():
        plan = planner.plan(model, cost, wind.stack.encode(seen), generator=generator)
        for action in plan.actions[:, :COMMIT].unbind(1):
            steps += ~arrived
            moved = world.step(action)[0]
            seen = torch.where(arrived[:, None], seen, moved)
            trail.append(seen)
            arrived = arrived | ((seen - ledges.targets).norm(dim=-1) < REACHED)
    trails = torch.stack(trail, 1)
    offsets = ledges.offset(trails)
    moving = torch.arange(1, trails.shape[1]) <= steps[:, None]
    inside = ((offsets[:, 1:] > 0) & moving).sum(1)
    numbers = (each.numpy() for each in (trails, offsets, steps, inside, arrived))
    return Walked(attitude, *numbers)


def _cost(wind: Wind, ledges: Ledges) -> Cost:
    """Distance still to go, in steps, and the price of the strip, as level 1 reads its predictions."""

    def cost(states: Tensor, actions: Tensor) -> Tensor:
        places = wind.places(1, states)
        axes = [len(ledges.targets), *[1] * (places.dim() - 2), 2]
        left = (places - ledges.targets.view(axes)).norm(dim=-1) / 0.2
        return left + PRICE * (ledges.offset(places) > 0)

    return cost


@dataclass(frozen=True, eq=False)
class Reach:
    """Where plans were forecast to lead, and where they led.

    Attributes:
        futures: [B, S, H+1, 2] predicted places.
        outcome: [B, H+1, 2] places.
    """

    futures: NDArray[np.float32]
    outcome: NDArray[np.float32]


@torch.no_grad()
def on_plans(wind: Wind, dynamics: DriftDynamics, count: int, seed: int, horizon: int = 20) -> tuple[list[Told], Reach]:
    """Plans of level 1 for tasks of their own, carried out without a look: places and costs against the forecast."""
    starts, targets = _near_tasks(wind.map, count, np.random.default_rng(seed))
    world = GustyMaze(wind.map, count, wind.strength, seed)
    here = world.reset(starts, targets)
    embed = wind.stack.level(2).critic.embed
    cost = SubgoalCost(
        lambda states: embed(wind.stack.raise_states(states, 1, 2)), embed(wind.stack.encode(targets.float(), 2))
    )
    inner = CEM(horizon=horizon, hold=5, samples=48, iterations=3, elites=8, scenarios=8)
    planner = ForecastPlanner(inner, FUTURES, lambda states: wind.places(1, states))
    plan = planner.plan(dynamics, cost, wind.stack.encode(here), generator=torch.Generator().manual_seed(seed))
    told: Forecast = plan.extras["forecast"]
    seen = torch.stack([here, *(world.step(action)[0] for action in plan.actions.unbind(1))], 1)
    states = wind.stack.encode(seen)
    outcome = wind.places(1, states)
    rows = [Told.of(1, h, "plans", told.places[:, :, h], outcome[:, h]) for h in (5, 10, horizon)]
    paid = cost(states, plan.actions).sum(-1)
    spread, missed = told.costs.std(1).square().mean().sqrt(), (paid - told.costs.mean(1)).square().mean().sqrt()
    reliability = Reliability.of(quantile_rank(told.costs, paid))
    priced = Told(1, horizon, "cost of plans", reliability, float(spread), float(missed))
    return [*rows, priced], Reach(told.places.numpy(), outcome.numpy())


def _near_tasks(map: Map, count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """[count, 2] random starts, and targets in a neighbouring cell: what level 1 is asked to reach."""
    pairs = _neighbours(map)
    ends = [[place_near(map, cell, rng) for cell in pairs[i]] for i in rng.integers(len(pairs), size=count)]
    starts, targets = torch.from_numpy(np.array(ends)).unbind(1)
    return starts, targets


def _neighbours(map: Map, first_column: int = 0) -> list[tuple[Cell, Cell]]:
    """All pairs of free cells side by side, both ways round."""
    free = {(int(row), int(column)) for row, column in map.free_cells() if column >= first_column}
    pairs = [(a, (a[0] + r, a[1] + c)) for a in sorted(free) for r, c in ((0, 1), (1, 0), (0, -1), (-1, 0))]
    return [pair for pair in pairs if pair[1] in free]
