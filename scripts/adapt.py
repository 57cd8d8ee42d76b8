"""Closes a corridor that an agent relies on, and measures how it gets through: with adaptation and without.

python scripts/adapt.py --mazes medium large giant --pairs 40

For each of many random tasks, a random cell of the way that the agent took is walled up, so that there is another way
round. The agent has no map and is not told. It then has four episodes on the changed map; what it remembers of
surprises is kept from one to the next. Then a task elsewhere shows what adaptation costs where nothing was to be
learned, and random actions around the closed cell show how wrong level 1 is, as trained and as corrected. At last,
where the first corridor is then needed, it opens again and one on the new way closes: what was learned must be taken
back. Steps are means over all episodes; failed ones count in full.
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
from hjepa.pretrained import pretrained
from hjepa.surprises import Surprises
from scripts._adaptation_table import error_row, print_errors, print_rows, row
from scripts._cli import Flat, run
from scripts._closures import Attempt, Closure, attempt, draw_closures
from scripts._local_error import GROUPS, Errors, local_errors
from scripts._machine import use_one_thread
from worlds import Map, named_map
from worlds.collection import collect

Maze = Literal["medium", "large", "giant"]
EPISODES, SWAPPED = 4, 3
ORDER = ("before", "no adaptation", "adaptation", "elsewhere", "opened")
"""Of the table's lines."""
RECORDED = 100_000
"""Steps recorded before the closure, by which surprise is calibrated."""


@dataclass(frozen=True)
class Options:
    """What is closed, and how often."""

    mazes: tuple[Maze, ...] = ("medium", "large", "giant")
    """OGBench's mazes; the agent shipped for each is used."""
    pairs: int = 40
    """Tasks and closures on each maze."""
    seed: int = 11
    """Of tasks, closures and planners, and of the recorded steps by which surprise is calibrated. Nothing was tuned on
    the default one."""
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


def measure(maze: Maze, pairs: int, seed: int) -> dict[str, Any]:
    """One maze's tables, printed."""
    agent, map = Agent.load(pretrained(f"ogbench/pointmaze-{maze}-navigate")), named_map(maze)
    memory = calibrated(agent, map, seed)
    closures = draw_closures(Actor(agent, seed=seed), map, pairs, seed)
    trials, errors = without(agent, closures, seed), []
    for number, closure in enumerate(tqdm(closures, desc=maze, leave=False, disable=None)):
        attempts, wrong = adapting(agent, memory, closure, number)
        errors.append(wrong)
        for name, one in attempts:
            trials.setdefault(name, []).append(one)
    rows = [row(name, trials[name]) for name in sorted(trials, key=_place)]
    wrong_rows = [error_row(group, errors) for group in GROUPS]
    oracle = np.mean([closure.task.oracle(closure.map) for closure in closures])
    print(f"{maze}: {pairs} closed corridors, seed {seed}; at most max(1000, 40 x cells of the way round) steps")
    print(f"surprise: level 1 is wrong by more than {float(memory.threshold):.2f} world steps; ", end="")
    print(f"a breadth-first oracle that sees the changed map takes {oracle:.1f} steps")
    print_rows(rows)
    print_errors(wrong_rows)
    return {"attempts": rows, "errors": wrong_rows, "oracle_steps": float(oracle)}


def _place(name: str) -> int:
    return next(place for place, start in enumerate(ORDER) if name.startswith(start))


def calibrated(agent: Agent, map: Map, seed: int) -> Surprises:
    """No surprises yet; what counts as one is learned from recorded steps on the map that the agent was trained on."""
    data = collect(map, "navigate", RECORDED, seed=seed)
    inside = ~data.terminals[:-1].astype(bool)
    parts = (data.observations[:-1], data.actions[:-1], data.observations[1:])
    before, actions, after = (torch.from_numpy(part[inside]) for part in parts)
    return Surprises.calibrated(agent.stack, before, actions, after)


def without(agent: Agent, closures: list[Closure], seed: int) -> Trials:
    """Before the closure, and after it without adaptation; all episodes at once, which takes less time."""
    tasks, maps, pairs = [c.task for c in closures], [c.map for c in closures], len(closures)
    plain = attempt(Actor(agent, seed=seed), EPISODES * tasks, EPISODES * maps)
    trials: Trials = {"before the closure": [c.before[0] for c in closures]}
    trials |= {f"no adaptation, episode {n + 1}": plain[n * pairs : (n + 1) * pairs] for n in range(EPISODES)}
    trials["elsewhere, before the closure"] = [c.before[1] for c in closures]
    trials["elsewhere, no adaptation"] = attempt(Actor(agent, seed=seed), [c.other for c in closures], maps)
    return trials


def adapting(agent: Agent, memory: Surprises, closure: Closure, seed: int) -> tuple[list[tuple[str, Attempt]], Errors]:
    """All episodes of one adapting agent on one changed map by what they are, and level 1's errors after them."""
    task, map, adaptation = closure.task, closure.map, Adaptation(agent, memory)
    actor = Actor(agent, seed=seed, adaptation=adaptation)
    trials = [(f"adaptation, episode {n}", attempt(actor, [task], [map])[0]) for n in range(1, EPISODES + 1)]
    swapped = closure.swapped(trials[-1][1].way)
    trials.append(("elsewhere, adaptation", attempt(actor, [closure.other], [map])[0]))
    errors = local_errors(adaptation, closure, seed)
    if swapped is not None:
        names = [f"opened again, episode {n}" for n in range(1, SWAPPED + 1)]
        trials += [(name, attempt(actor, [task], [swapped])[0]) for name in names]
    return trials, errors


if __name__ == "__main__":
    run(main, description=__doc__)
