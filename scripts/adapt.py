"""Closes a corridor that an agent relies on, and measures how it gets through: with adaptation and without.

python scripts/adapt.py --mazes medium large giant --pairs 40

For each of many random tasks, a random cell of the way that the agent took is walled up, so that there is another way
round. The agent has no map and is not told. It then has four episodes on the changed map; what it remembers of
surprises is kept from one to the next. Then a task elsewhere shows what adaptation costs where nothing was to be
learned. At last, where the first corridor is then needed, it opens again and one on the new way closes: what was
learned must be taken back. Steps are means over all episodes; failed ones count in full.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hjepa.actor import Actor
from hjepa.adaptation import Adaptation
from hjepa.agent import Agent
from hjepa.metrics import wilson_interval
from hjepa.pretrained import pretrained
from hjepa.surprises import Surprises
from scripts._cli import Flat, run
from scripts._closures import Attempt, Closure, attempt, draw_closures
from scripts._machine import use_one_thread
from worlds import Map, named_map
from worlds.collection import collect
from worlds.tasks import LEAST_TIME

Maze = Literal["medium", "large", "giant"]
EPISODES, SWAPPED = 4, 3
RECORDED = 100_000
"""Steps recorded before the closure, by which surprise is calibrated."""


@dataclass(frozen=True)
class Options:
    """What is closed, and how often."""

    mazes: tuple[Maze, ...] = ("medium", "large", "giant")
    """OGBench's mazes; the agent shipped for each is used."""
    pairs: int = 40
    """Tasks and closures on each maze."""
    seed: int = 7
    """Of tasks, closures and planners, and of the recorded steps by which surprise is calibrated."""
    json: Path | None = None
    """File for the results."""


Trials = dict[str, list[Attempt]]


def main(options: Flat[Options]) -> None:
    """Runs everything, and prints a table for each maze."""
    if options.pairs < 1 or not options.mazes:
        raise ValueError(f"--pairs must be at least 1 and --mazes name one, not {options.pairs} and {options.mazes}")
    use_one_thread()
    results = {maze: measure(maze, options.pairs, options.seed) for maze in options.mazes}
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def measure(maze: Maze, pairs: int, seed: int) -> list[dict[str, Any]]:
    """One maze's table, printed."""
    agent, map = Agent.load(pretrained(f"ogbench/pointmaze-{maze}-navigate")), named_map(maze)
    memory = calibrated(agent, map, seed)
    closures = draw_closures(Actor(agent, seed=seed), map, pairs, seed)
    tasks, changed = [c.task for c in closures], [c.map for c in closures]
    plain = attempt(Actor(agent, seed=seed), EPISODES * tasks, EPISODES * changed)
    others = attempt(Actor(agent, seed=seed), [c.other for c in closures], changed)
    trials: Trials = {"before the closure": [c.before[0] for c in closures]}
    trials |= {f"no adaptation, episode {n + 1}": plain[n * pairs : (n + 1) * pairs] for n in range(EPISODES)}
    for number, closure in enumerate(tqdm(closures, desc=maze, leave=False, disable=None)):
        for name, one in adapting(Actor(agent, seed=number, adaptation=Adaptation(agent, memory)), closure):
            trials.setdefault(name, []).append(one)
    trials |= {"elsewhere, before the closure": [c.before[1] for c in closures], "elsewhere, no adaptation": others}
    rows = [_row(name, attempts) for name, attempts in trials.items()]
    oracle = np.mean([c.task.oracle(c.map) for c in closures])
    print(f"{maze}: {pairs} closed corridors, seed {seed}; at most max(1000, 40 x cells of the way round) steps")
    print(f"surprise: level 1 is wrong by more than {float(memory.threshold):.2f} world steps; ", end="")
    print(f"a breadth-first oracle that sees the changed map takes {oracle:.1f} steps")
    _print_table(rows)
    return rows


def calibrated(agent: Agent, map: Map, seed: int) -> Surprises:
    """No surprises yet; what counts as one is learned from recorded steps on the map that the agent was trained on."""
    data = collect(map, "navigate", RECORDED, seed=seed)
    inside = ~data.terminals[:-1].astype(bool)
    parts = (data.observations[:-1], data.actions[:-1], data.observations[1:])
    before, actions, after = (torch.from_numpy(part[inside]) for part in parts)
    return Surprises.calibrated(agent.stack, before, actions, after)


def adapting(actor: Actor, closure: Closure) -> list[tuple[str, Attempt]]:
    """All episodes of one adapting agent on one changed map, by what they are."""
    task, map = closure.task, closure.map
    trials = [(f"adaptation, episode {n}", attempt(actor, [task], [map])[0]) for n in range(1, EPISODES + 1)]
    way = trials[-1][1].way
    trials.append(("elsewhere, adaptation", attempt(actor, [closure.other], [map])[0]))
    swapped = closure.swapped(way)
    if swapped is not None:
        names = [f"opened again, episode {n}" for n in range(1, SWAPPED + 1)]
        trials += [(name, attempt(actor, [task], [swapped])[0]) for name in names]
    return trials


def _row(name: str, attempts: list[Attempt]) -> dict[str, Any]:
    success, steps = np.array([one.success for one in attempts]), np.array([one.steps for one in attempts])
    return {
        "name": name,
        "trials": len(attempts),
        "success_rate": float(success.mean()),
        "ci95": wilson_interval(int(success.sum()), len(attempts)),
        "within_1000": float((success & (steps <= LEAST_TIME)).mean()),
        "mean_steps": float(steps.mean()),
    }


def _print_table(rows: list[dict[str, Any]]) -> None:
    print(f"{'':32} {'success':>8} {'95 % interval':>17} {'in 1000':>8} {'steps':>7} {'trials':>7}")
    for row in sorted(rows, key=lambda row: row["name"].startswith("opened")):
        low, high = row["ci95"]
        numbers = f"{row['success_rate']:>8.1%} {f'{low:.1%} to {high:.1%}':>17} {row['within_1000']:>8.1%}"
        print(f"{row['name']:32} {numbers} {row['mean_steps']:>7.1f} {row['trials']:>7}")


if __name__ == "__main__":
    run(main, description=__doc__)
