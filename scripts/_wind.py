"""A maze in which one half is windy, recordings of it, and what the levels of a shipped agent learn of the wind."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hjepa.agent import Agent
from hjepa.drift import DriftDynamics
from hjepa.drift_fit import DriftConfig, LevelWindows, fit_drift, fit_temperature, information
from hjepa.energy import Drifting, EnergyModel, Foreseen
from hjepa.pretrained import pretrained
from hjepa.reliability import Reliability, auroc, region_rank
from hjepa.stack import Stack
from hjepa.trajectories import Trajectories
from worlds import Map, named_map
from worlds.gusts import repeat_in_wind
from worlds.maps import WALL

CALM, WINDY = 0.15, 0.45
"""Strength of gusts in the left half of the maze and in the right one, in units of action."""
EPISODE = 241
HORIZONS = {1: (1, 10, 20), 2: (1, 2, 5), 3: (1, 2, 3)}
"""Predictions of each level after which outcomes are compared."""
FUTURES = 200
FIT = {
    1: DriftConfig(mean_steps=1500, steps=500),
    2: DriftConfig(mean_steps=600, steps=500),
    3: DriftConfig(mean_steps=600, steps=500),
}
"""Chosen on recordings of other seeds than those that are reported."""


@dataclass(frozen=True)
class Told:
    """How reliable one prediction is.

    Attributes:
        level: k.
        steps: world steps that it looks ahead.
        source: what was predicted.
        reliability: of its regions.
        spread: predicted standard deviation of a place, root mean square over the outcomes; world units.
        error: root mean square distance between an outcome and the mean prediction; world units.
    """

    level: int
    steps: int
    source: str
    reliability: Reliability
    spread: float
    error: float

    @classmethod
    def of(cls, level: int, steps: int, source: str, futures: Tensor, outcomes: Tensor) -> Told:
        """From [N, S, 2] predicted places and the [N, 2] places that it came to."""
        away, missed = futures - futures.mean(1, keepdim=True), outcomes - futures.mean(1)
        size = [float(each.square().sum(-1).mean().sqrt()) for each in (away, missed)]
        return cls(level, steps, source, Reliability.of(region_rank(futures, outcomes)), *size)


@final
@dataclass(frozen=True, eq=False)
class Wind:
    """The maze, and the stack of an agent that learned it in calm air.

    Attributes:
        map: the maze.
        strength: [rows, columns] of the gusts.
        stack: of the shipped agent.
    """

    map: Map
    strength: NDArray[np.float64]
    stack: Stack

    @classmethod
    def in_maze(cls, name: str) -> Wind:
        """A maze by name."""
        map, agent = named_map(name), Agent.load(pretrained(f"ogbench/pointmaze-{name}-navigate"))
        strength = np.full(map.shape, CALM)
        strength[:, map.shape[1] // 2 :] = WINDY
        assert isinstance(agent.stack, Stack)
        return cls(map, strength, agent.stack)

    def record(self, rows: int, seed: int, map: Map | None = None) -> Trajectories:
        """Walks of the maze in calm air, repeated in the wind; of another map where one is given."""
        seen = repeat_in_wind(self.map, rows, self.strength, episode_rows=EPISODE, seed=seed, changed=map)
        return Trajectories.from_arrays(seen.observations, seen.actions, seen.terminals, "wind")

    def fit(self, k: int, training: Trajectories, tuning: Trajectories, seed: int, effort: float) -> DriftDynamics:
        """Level ``k`` with its latent variable, whose temperature is fitted on the tuning recordings."""
        steps = {name: max(1, round(effort * getattr(FIT[k], name))) for name in ("mean_steps", "steps")}
        drift = fit_drift(self.stack, k, training, replace(FIT[k], **steps), seed)
        dynamics = DriftDynamics(self.stack.level(k), drift)
        fit_temperature(dynamics, *LevelWindows(self.stack, k, tuning, HORIZONS[k][1], 300, seed).batch(0))
        return dynamics

    def places(self, k: int, states: Tensor) -> Tensor:
        """[..., D_k] states to the [..., 2] places that they are read as."""
        return self.stack.decode(states, k)


@torch.no_grad()
def on_recordings(wind: Wind, k: int, dynamics: DriftDynamics, held_out: Trajectories, windows: int) -> list[Told]:
    """Recorded outcomes against what level ``k`` predicts for the recorded actions."""
    states, actions = LevelWindows(wind.stack, k, held_out, max(HORIZONS[k]), windows, 0).batch(0)
    drawn = dynamics.sample(states[:, 0], actions, FUTURES, torch.Generator().manual_seed(0))
    seen, futures = wind.places(k, states), wind.places(k, drawn)
    stride = wind.stack.level(k).config.stride
    return [Told.of(k, h * stride, "recordings", futures[:, :, h], seen[:, h]) for h in HORIZONS[k]]


def nats(wind: Wind, k: int, dynamics: DriftDynamics, held_out: Trajectories) -> float:
    """Mean information in ``z``, nats per prediction of level ``k``."""
    states, actions = LevelWindows(wind.stack, k, held_out, 1, 1000, 0).batch(0)
    with torch.no_grad():
        return float(information(*dynamics.posterior(states[:, 0], actions[:, 0], states[:, 1])).sum(-1).mean())


@final
@dataclass(frozen=True)
class Tells:
    """How well a level's free energy tells observed pairs from others: AUROC and interval, with ``z`` and without.

    Attributes:
        level: k.
        what: the others.
        pairs: of each kind.
        latent: by the free energy of the level with its latent variable.
        plain: by the prediction error alone.
    """

    level: int
    what: str
    pairs: int
    latent: tuple[float, tuple[float, float]]
    plain: tuple[float, tuple[float, float]]


@torch.no_grad()
def energies(wind: Wind, k: int, dynamics: DriftDynamics, held_out: Trajectories, changed: Trajectories) -> list[Tells]:
    """Observed pairs against pairs with another one's actions, and against those of a maze with a cell closed.

    Args:
        wind: the maze.
        k: level.
        dynamics: the level with its latent variable.
        held_out: recordings.
        changed: the same walks in the same gusts where a cell is closed.
    """
    models: dict[str, EnergyModel] = {"latent": Drifting(dynamics), "plain": Foreseen(wind.stack.level(k))}
    states, actions = LevelWindows(wind.stack, k, held_out, 1, 1000, 0).batch(0)
    pair = states[:, 0], actions[:, 0], states[:, 1]
    others = states[:, 0], actions[:, 0].roll(1, 0), states[:, 1]
    found = [_tells(k, "another one's actions", models, pair, others)]
    bumped = _bumped(wind, k, held_out, changed)
    return [*found, _tells(k, "a cell closed", models, *bumped)] if len(bumped[0][0]) else found


Triple = tuple[Tensor, Tensor, Tensor]


def _tells(k: int, what: str, models: dict[str, EnergyModel], observed: Triple, others: Triple) -> Tells:
    scores: dict[str, Any] = {
        name: auroc(model.free_energy(*others, beta=1.0), model.free_energy(*observed, beta=1.0))
        for name, model in models.items()
    }
    return Tells(k, what, len(observed[0]), **scores)


def _bumped(wind: Wind, k: int, first: Trajectories, second: Trajectories) -> tuple[Triple, Triple]:
    """The pairs that begin alike in two mazes and end more than a world unit apart, at most a thousand."""
    stride = wind.stack.level(k).config.stride
    rows = torch.arange(len(first)).view(-1, EPISODE)[:, :-stride].flatten()
    apart = (first.observations - second.observations).norm(dim=-1)
    rows = rows[(apart[rows] < 0.3) & (apart[rows + stride] > min(1.0, 0.15 * stride))]
    rows = rows[:: max(1, len(rows) // 1000)][:1000]
    window = rows[:, None] + torch.arange(stride)
    doing = wind.stack.macro_actions(first.actions[window], k)[:, 0]
    pairs = [
        (wind.stack.encode(each.observations[rows], k), doing, wind.stack.encode(each.observations[rows + stride], k))
        for each in (first, second)
    ]
    return pairs[0], pairs[1]


def with_a_cell_closed(map: Map, seed: int) -> Map:
    """The maze with one of its corridor cells walled up."""
    rng = np.random.default_rng(seed)
    junctions = {tuple(cell) for cell in map.non_corridor_cells()}
    corridors = [cell for cell in map.free_cells() if tuple(cell) not in junctions]
    cells = np.array(map.cells)
    cells[tuple(corridors[rng.integers(len(corridors))])] = WALL
    return Map(cells, f"{map.name}, a cell closed")
