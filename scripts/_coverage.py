"""Explorers that know nothing, and how much ground an exploration has covered; the map serves scoring alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hjepa.data import Trajectories
from worlds import Map, PointMaze
from worlds.compiled import RADIUS

Points = NDArray[np.float32]
BIN = 0.5
"""Side of a bin, world units."""
NEVER = -1
BINS = 0.5
"""Share of the bins that is scored: along the walls are many that hardly anybody ever enters."""


@dataclass(frozen=True, eq=False)
class Walk:
    """What several runs of one explorer recorded.

    Attributes:
        seen: [runs, T + 1, 2] places, world units.
        taken: [runs, T, 2] the actions between them.
    """

    seen: Points
    taken: Points

    def trajectories(self, run: int, steps: int) -> Trajectories:
        """The first steps of one run as one episode, for training."""
        actions = np.concatenate([self.taken[run, :steps], np.zeros((1, 2), np.float32)])
        return Trajectories.from_arrays(self.seen[run, : steps + 1], actions, np.arange(steps + 1) == steps, "random")


@dataclass(frozen=True)
class RandomExplorer:
    """Random actions, each held for a while: OGBench's way to record its ``explore`` data.

    Attributes:
        hold: mean world steps for which an action is held (geometric); 1 draws a new one at every step.
        noise: standard deviation added to a held action.
    """

    hold: float
    noise: float = 0.2

    @property
    def name(self) -> str:
        """For tables."""
        noise = f", noise {self.noise:g}" if self.noise else ""
        return "uniform actions" if self.hold <= 1 else f"directions held for {self.hold:g} steps{noise}"

    def walk(self, map: Map, steps: int, runs: int, seed: int) -> Walk:
        """Walks from the same start as every explorer's; nobody is ever reset."""
        world, first = start_world(map, runs, seed)
        generator = np.random.default_rng(seed)
        seen, taken = np.empty((runs, steps + 1, 2), np.float32), np.empty((runs, steps, 2), np.float32)
        seen[:, 0], actions = first, self._draw(generator, runs)
        for step in range(steps):
            anew = generator.random(runs) * self.hold < 1
            actions = np.where(anew[:, None], self._draw(generator, runs), actions)
            noise = generator.normal(0, self.noise, (runs, 2)) if self.hold > 1 else 0.0
            taken[:, step] = np.clip(actions + noise, -1, 1)
            seen[:, step + 1] = world.step(torch.from_numpy(taken[:, step]))[0].numpy()
        return Walk(seen, taken)

    def _draw(self, generator: np.random.Generator, runs: int) -> NDArray[np.float64]:
        """Uniform over the box at every step; a held one points anywhere, as fast as can be."""
        drawn = generator.uniform(-1, 1, (runs, 2)) if self.hold <= 1 else generator.normal(size=(runs, 2))
        return drawn if self.hold <= 1 else drawn / np.abs(drawn).max(1, keepdims=True)


RANDOM = (
    RandomExplorer(1),
    *(RandomExplorer(hold, noise) for noise in (0.0, 0.2) for hold in (20, 30, 40, 60, 80)),
)
"""Against all of these curiosity is measured; the one that turns out fastest, on the runs measured, is its rival."""


def start_world(map: Map, runs: int, seed: int) -> tuple[PointMaze, Points]:
    """A world in which all runs begin at the centre of the first free cell, and [runs, 2] what they see there."""
    world = PointMaze(map, runs, seed=seed)
    place = torch.from_numpy(map.center(map.free_cells()[:1])).expand(runs, -1)
    return world, world.reset(place, place).numpy()


def start_alone(map: Map, seed: int) -> tuple[Callable[[Points], Points], Points]:
    """A world for one agent: its step, [2] actions to [2] observations, and the [2] first observation."""
    world, first = start_world(map, 1, seed)

    def step(action: Points) -> Points:
        return world.step(torch.from_numpy(action[None]))[0].numpy()[0]

    return step, first[0]


class Ground:
    """What there is to be covered in a maze.

    Args:
        map: the maze.

    Attributes:
        cells: free cells.
        bins: bins of half a unit that the ball's centre can be in.
    """

    def __init__(self, map: Map) -> None:
        self.map = map
        self.cells = len(map.free_cells())
        rows, columns = map.shape
        per_cell = round(4 / BIN)
        middle = np.stack(np.meshgrid(*(np.arange(n * per_cell) for n in (columns, rows))), -1)
        centres = (middle + 0.5) * BIN - 6
        offsets = RADIUS * np.array([(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1)])
        around = map.cell_of(centres[:, :, None] + offsets).clip(0, np.array(map.shape) - 1)
        self.reachable = ~map.walls[around[..., 0], around[..., 1]].any(-1)
        self.bins = int(self.reachable.sum())

    def cell_shares(self, seen: Points) -> NDArray[np.float64]:
        """[T, 2] observations to the [T] share of free cells entered so far."""
        cells = self.map.cell_of(seen)
        return _growth(cells[:, 0] * self.map.shape[1] + cells[:, 1]) / self.cells

    def bin_shares(self, seen: Points) -> NDArray[np.float64]:
        """[T, 2] observations to the [T] share of reachable bins entered so far."""
        bins = self.bin_of(seen)
        inside = self.reachable[bins[:, 0], bins[:, 1]]
        number = np.where(inside, bins[:, 0] * self.reachable.shape[1] + bins[:, 1], NEVER)
        return (_growth(number) - (np.cumsum(~inside) > 0)) / self.bins

    def bin_of(self, seen: Points) -> NDArray[np.int64]:
        """[T, 2] observations to their [T, 2] bins: row and column."""
        return np.floor((seen[:, ::-1] + 6) / BIN).astype(np.int64)

    def first_seen(self, seen: Points) -> NDArray[np.int64]:
        """[h, w] the step at which each bin was entered first; -1 where it never was."""
        first = np.full(self.reachable.shape, NEVER)
        rows, columns = self.bin_of(seen[::-1]).T
        first[rows, columns] = np.arange(len(seen))[::-1]
        return first


def _growth(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """[T] how many different numbers there were so far."""
    new = np.zeros(len(numbers), np.int64)
    new[np.unique(numbers, return_index=True)[1]] = 1
    return np.cumsum(new)


def steps_until(shares: NDArray[np.float64], share: float) -> int:
    """World steps until a share was reached; -1 where it never was."""
    there = np.flatnonzero(shares >= share - 1e-9)
    return int(there[0]) if len(there) else NEVER


@dataclass(frozen=True)
class Score:
    """How soon several runs of one explorer covered a maze.

    Attributes:
        name: of the explorer.
        limit: world steps of each run.
        cells: per run, steps until every free cell was entered; -1 where some never was.
        bins: per run, steps until half of the reachable bins were entered; likewise.
    """

    name: str
    limit: int
    cells: list[int]
    bins: list[int]

    @classmethod
    def of(cls, name: str, ground: Ground, runs: Iterable[Points]) -> Score:
        """Scores [T + 1, 2] runs of equal length."""
        runs = list(runs)
        cells = [steps_until(ground.cell_shares(seen), 1.0) for seen in runs]
        bins = [steps_until(ground.bin_shares(seen), BINS) for seen in runs]
        return cls(name, len(runs[0]) - 1, cells, bins)

    def least(self, steps: list[int]) -> NDArray[np.int64]:
        """[runs] steps; a run that never got there counts as its limit, which flatters it."""
        return np.array([self.limit if count == NEVER else count for count in steps])

    @property
    def median(self) -> float:
        """Median steps to every cell."""
        return float(np.median(self.least(self.cells)))

    def interval(self, seed: int) -> tuple[float, float]:
        """95 % bootstrap interval of the median."""
        low, high = np.quantile(_medians(self, np.random.default_rng(seed)), (0.025, 0.975))
        return float(low), float(high)

    def line(self, seed: int) -> str:
        """One row of the table."""
        values, (low, high), missed = self.least(self.cells), self.interval(seed), self.cells.count(NEVER)
        cells, span = f"{self.median:,.0f} [{low:,.0f}, {high:,.0f}]", f"{values.min():,} to {values.max():,}"
        bins = f"{'over ' if NEVER in self.bins else ''}{np.median(self.least(self.bins)):,.0f}"
        note = f"  {missed} not in {self.limit:,}" if missed else ""
        return f"{self.name:52s} {len(values):4d} {cells:>24s} {span:>18s} {bins:>12s}{note}"


HEADER = f"{'steps to every cell':52s} {'runs':>4s} {'median [95 %]':>24s} {'range':>18s} {'half of bins':>12s}"
DRAWS = 10_000


def fastest(ground: Ground, steps: int, runs: int, seed: int) -> tuple[Score, Walk]:
    """The score and the runs of the random explorer that covers a maze fastest; prints the scores of all."""
    best: tuple[Score, Walk] | None = None
    for explorer in RANDOM:
        walk = explorer.walk(ground.map, steps, runs, seed)
        score = Score.of(f"random: {explorer.name}", ground, walk.seen)
        print(score.line(seed), flush=True)
        if best is None or score.median < best[0].median:
            best = score, walk
    assert best is not None
    return best


def ratio_interval(first: Score, second: Score, seed: int) -> tuple[float, float, float]:
    """The ratio of two explorers' median steps to every cell, and its 95 % bootstrap interval over runs."""
    generator = np.random.default_rng(seed)
    low, high = np.quantile(_medians(first, generator) / _medians(second, generator), (0.025, 0.975))
    return first.median / second.median, float(low), float(high)


def _medians(score: Score, generator: np.random.Generator) -> NDArray[np.float64]:
    """[DRAWS] medians of runs drawn with replacement."""
    steps = score.least(score.cells)
    return np.median(generator.choice(steps, (DRAWS, len(steps))), axis=1)
