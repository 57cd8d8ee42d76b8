"""What it costs to act: Mode-2, which plans, and Mode-1, which answers at once; and Mode-2 that starts from its answer.

Mode-2 is a shipped agent's default: CEM at level 1 below A* over landmarks; or gradient descent in CEM's place. Mode-1
is the same stack with a policy at every level (hjepa/policy.py, hjepa/signpost.py), compiled (hjepa/reflex.py). All act
on the same random tasks, with one decision for every four world steps; times are of acting alone, without the world.

Example: ``python scripts/actors.py --mazes giant --seed 900 --figure out/actors.png``
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hjepa.agent import Agent
from hjepa.evaluate import random_success_rate
from hjepa.pretrained import pretrained
from scripts._actors import Row, Study, cells
from scripts._actors_figure import actors_figure
from scripts._cli import Flat, run
from scripts._machine import use_device
from scripts._timing import machine, print_columns, write_json
from viz.figures import SUFFIXES, save
from worlds import MazeTasks, as_map


@dataclass(frozen=True)
class Options:
    """What to measure."""

    mazes: tuple[Literal["medium", "large", "giant"], ...] = ("medium", "large", "giant")
    """OGBench's point mazes; the agents are those shipped for their navigate data."""
    batch: int = 64
    """Agents side by side, in each turn."""
    single: int = 5
    """Episodes of the agent alone, in each turn."""
    repeats: int = 3
    """How often every mode has its turn; each turn has tasks of its own."""
    seed: int = 0
    """Of tasks and planners."""
    steps: int | None = None
    """World steps of an episode at most; by default max(1000, 40 x cells of the shortest path)."""
    json: Path | None = None
    """File for the results."""
    figure: Path | None = None
    """Picture of the table (.png, .svg or .pdf)."""


HEADS = ("", "success [95 %]", "steps", "states/step", "ms/step alone", "of Mode-2", "batched", "of Mode-2")


def main(options: Flat[Options]) -> None:
    """Measures every mode in every maze, and prints a table."""
    if options.figure is not None and options.figure.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{options.figure}: expected a file ending in {', '.join(SUFFIXES)}")
    use_device("cpu")
    study = Study(options.batch, options.single, options.repeats, options.seed, options.steps)
    print(
        f"Own simulator, random starts and goals, seed {study.seed}: {study.repeats} turns of {study.batch} tasks in a "
        f"batch (success, steps, states, ms batched) and of {study.single} alone.\nms of acting per world step and "
        "agent: least / median over turns; shares of Mode-2's are the worse of the two.",
        flush=True,
    )
    found: dict[str, list[Row]] = {}
    for maze in options.mazes:
        map, agent = as_map(maze), Agent.load(pretrained(f"ogbench/pointmaze-{maze}-navigate"))
        random = random_success_rate(MazeTasks(map, study.batch, study.seed, time_limit=study.steps), study.seed)
        found[maze] = study.rows(agent, map)
        print_columns((f"{maze} (random actions: {random:.0%})", *HEADS[1:]), [cells(row) for row in found[maze]])
    write_json(options.json, {"study": asdict(study), "machine": machine(), "mazes": found})
    if options.figure is not None:
        print(save(actors_figure(found, study.batch), options.figure))


if __name__ == "__main__":
    run(main, description=__doc__)
