"""The official OGBench environment against our batched point maze: speed, and how far they are apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from scripts._official import OfficialProcesses, official_environment, seconds_per_step
from scripts._timing import Timing, machine, print_columns, seconds_per_call, take_turns, write_json
from worlds import PointMaze, collect, named_map
from worlds.external import require_ogbench

BACKENDS: tuple[Literal["compiled", "torch"], ...] = ("compiled", "torch")
Rival = tuple[str, int]  # the name of a world, and its number of agents
ONE: Rival = ("official, one process", 1)
TWO: Rival = ("official, two processes", 2)
EPISODE = 1000  # steps from one start of a compared roll-out
PUSH = 20  # steps in one direction

Points = NDArray[np.float64]
Row = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """What is compared."""

    maze: Literal["medium", "large", "giant"] = "giant"
    """One of OGBench's mazes."""
    agents: tuple[int, ...] = (1, 64, 4096, 65536)
    """Batch sizes of our world."""
    repeats: int = 7
    """How often every world has its turn."""
    seconds: float = 0.3
    """Length of one turn."""
    steps: int = 20_000
    """Steps of each roll-out along which the worlds are compared."""
    seed: int = 0
    """Of actions and starts."""
    json: Path | None = None
    """File for the results."""


def benchmark(options: Options) -> None:
    """Measures, prints two tables, and writes what was asked for."""
    _check(options)
    require_ogbench()
    rates = speed(options)
    _print_speed(rates)
    deviations = deviation(options)
    print()
    _print_deviation(deviations)
    result = {"maze": options.maze, "machine": machine(), "speed": rates, "deviation": deviations}
    write_json(options.json, result)


def _check(options: Options) -> None:
    for name, value, least in (("--steps", options.steps, 1), ("--agents", min(options.agents, default=0), 1)):
        if value < least:
            raise ValueError(f"{name} must be at least {least}, not {value}")
    if not options.seconds > 0:
        raise ValueError(f"--seconds must be positive, not {options.seconds}")


def speed(options: Options) -> list[Row]:
    """Steps/s with random actions, every world in turn.

    Returns:
        One row per world: ``world``, ``agents``, ``best`` and ``median`` (steps/s), ``ratio_to_one_process``,
        ``ratio_to_two_processes`` (of medians) and ``noisy``.
    """
    env = official_environment(options.maze)
    steps = max(1, round(options.seconds / seconds_per_step(env, 200, options.seed)))
    with OfficialProcesses(options.maze, count=2) as pair:
        rivals: dict[Rival, Callable[[], float]] = {
            ONE: lambda: seconds_per_step(env, steps, options.seed),
            TWO: lambda: pair.seconds_per_step(steps),
        }
        for backend in BACKENDS:
            for agents in options.agents:
                rivals[f"ours, {backend}", agents] = partial(_ours, options, backend, agents)
        timings = {rival: Timing(tuple(found)) for rival, found in take_turns(rivals, options.repeats).items()}
    env.close()
    return [_row(rival, timings) for rival in timings]


def _ours(options: Options, backend: Literal["compiled", "torch"], agents: int) -> float:
    """Seconds per world step and agent."""
    world = PointMaze(options.maze, agents, seed=options.seed, backend=backend)
    actions = torch.rand(8, agents, 2, generator=torch.Generator().manual_seed(options.seed)) * 2 - 1
    stream = cycle(actions.unbind())
    return seconds_per_call(lambda: world.step(next(stream)), options.seconds) / agents


def _row(rival: Rival, timings: dict[Rival, Timing]) -> Row:
    timing = timings[rival]
    return {
        "world": rival[0],
        "agents": rival[1],
        "best": 1 / timing.best,
        "median": 1 / timing.median,
        "ratio_to_one_process": timings[ONE].median / timing.median,
        "ratio_to_two_processes": timings[TWO].median / timing.median,
        "noisy": timing.noisy,
    }


def _print_speed(rows: list[Row]) -> None:
    heads = ("random actions", "agents", "steps/s, best", "median", "x one process", "x two processes", "")
    print_columns(heads, [_cells(row) for row in rows])


def _cells(row: Row) -> tuple[str, ...]:
    ratios = (f"{row[f'ratio_to_{name}']:.2f}" for name in ("one_process", "two_processes"))
    return (
        row["world"],
        f"{row['agents']:,}",
        f"{row['best']:,.0f}",
        f"{row['median']:,.0f}",
        *ratios,
        "noisy" if row["noisy"] else "",
    )


def deviation(options: Options) -> list[Row]:
    """How far one step of ours ends from one step of MuJoCo's, from the same place, along MuJoCo's roll-outs.

    Returns:
        One row per roll-out: ``rollout``, ``steps``, ``contacts`` (share of steps that a wall changed), and the largest
        difference of a coordinate for each backend, world units.
    """
    env = official_environment(options.maze)
    rows = []
    for name, (actions, starts) in rollouts(options).items():
        before, after = _official_rollout(env, actions, starts)
        moved = np.abs(after - before - 0.2 * actions).max(1) > 1e-9
        row: Row = {"rollout": name, "steps": len(actions), "contacts": float(moved.mean())}
        rows.append(row | {backend: _largest(options.maze, backend, before, actions, after) for backend in BACKENDS})
    env.close()
    return rows


def rollouts(options: Options) -> dict[str, tuple[Points, Points]]:
    """[T, 2] actions and [ceil(T / 1000), 2] starts of each kind: random, navigate-like, and pushing into walls."""
    map, steps = named_map(options.maze), options.steps
    rng = np.random.default_rng(options.seed)
    walk = collect(map, "navigate", steps, episode_rows=EPISODE, seed=options.seed)
    cells = map.free_cells()[rng.integers(len(map.free_cells()), size=(2, -(-steps // EPISODE)))]
    starts = map.center(cells) + rng.uniform(-1, 1, cells.shape)
    angles = rng.uniform(0, 2 * np.pi, -(-steps // PUSH)).repeat(PUSH)[:steps]
    pushes = np.clip(1.5 * np.stack([np.cos(angles), np.sin(angles)], -1), -1, 1)  # full force on both axes at times
    return {
        "random": (rng.uniform(-1, 1, (steps, 2)), starts[0]),
        "navigate": (walk.actions[:steps].astype(np.float64), walk.qpos[::EPISODE].astype(np.float64)),
        "pushing": (pushes, starts[1]),
    }


def _official_rollout(env: Any, actions: Points, starts: Points) -> tuple[Points, Points]:
    """[T, 2] places before and after each step; every 1000 steps, the ball is put at the next start."""
    before, after = np.empty_like(actions), np.empty_like(actions)
    for t, action in enumerate(actions):
        if t % EPISODE == 0:
            env.set_xy(starts[t // EPISODE])
        before[t] = env.get_xy()
        after[t] = env.step(action)[0]
    return before, after


def _largest(maze: str, backend: Literal["compiled", "torch"], before: Points, actions: Points, after: Points) -> float:
    world = PointMaze(maze, len(actions), backend=backend)
    world.reset(starts=torch.from_numpy(before))
    world.step(torch.from_numpy(actions))
    return float(np.abs(world.position.numpy() - after).max())


def _print_deviation(rows: list[Row]) -> None:
    heads = ("largest step deviation from MuJoCo", "steps", "in contact", *BACKENDS)
    print_columns(
        heads,
        [
            (row["rollout"], f"{row['steps']:,}", f"{row['contacts']:.1%}", *(f"{row[name]:.1e}" for name in BACKENDS))
            for row in rows
        ],
    )
