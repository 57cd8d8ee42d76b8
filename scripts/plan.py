"""Plans every problem of a grid map, checks the lengths, says how fast, and draws a path.

python scripts/plan.py FILE.map --scen FILE.scen --planner astar --figure out/plan.png
python scripts/plan.py FILE.map --scen FILE.scen --planner anytime
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from planners.grid import GridPath, GridPlanner, Moves
from scripts._anytime import progress, timed
from scripts._cli import Flat, run
from scripts._grid_figure import Expansions, search_figure
from viz.figures import save
from worlds import generate_maze
from worlds.maps import WALL
from worlds.movingai import Scenario, load_grid, load_scenario

TOLERANCE = (1e-3, 1e-5)  # absolute, and relative to the length: files give six digits


@dataclass(frozen=True)
class Options:
    """Which problems, and what to make of the answers."""

    map: Annotated[Path | None, tyro.conf.Positional] = None
    """A MovingAI .map file; a generated maze by default."""
    scen: Path | None = None
    """Its .scen file of problems; random problems by default."""
    planner: Literal["astar", "dijkstra", "bidirectional", "anytime"] = "astar"
    """All end exact: Dijkstra has no heuristic, bidirectional A* has two ends, anytime A* improves a first path."""
    weight: float = 1.0
    """Of A*'s heuristic; above 1, paths are at most so many times too long and found sooner."""
    moves: Moves = "octile"
    """Without cutting corners (as lengths in .scen files are meant), cutting them, or no diagonals."""
    limit: int | None = None
    """Plan the first problems only; so many random ones where there is no --scen (100 by default)."""
    size: int = 257
    """Of the generated maze, cells a side."""
    seed: int = 0
    """Of the generated maze and of random problems."""
    json: bool = False
    """Print the results as JSON instead of a table."""
    figure: Path | None = None
    """Draw the longest path that was found, and the order in which cells were expanded, to this file."""


def main(options: Flat[Options]) -> None:
    """Plans, checks, reports, draws."""
    if options.limit is not None and options.limit < 1:
        raise ValueError(f"--limit must be at least 1, not {options.limit}")
    if options.scen is not None and options.map is None:
        raise ValueError("--scen needs the map whose problems it holds, as the first argument")
    if options.planner == "anytime" and options.weight != 1:
        raise ValueError("--weight is not for --planner anytime, whose weights descend to 1 by themselves")
    name, free = _grid(options)
    planner = GridPlanner(free, moves=options.moves)
    problems = _problems(options, free)
    weight = 0.0 if options.planner == "dijkstra" else options.weight
    both = options.planner == "bidirectional"
    planner.plan(problems.starts[0], problems.starts[0], weight, both)  # compiles; not timed
    begun = time.perf_counter()
    if options.planner == "anytime":
        answers = [timed(planner, *ends) for ends in zip(problems.starts, problems.goals, strict=True)]
        paths = [found[-1][1] for found in answers]
    else:
        answers, paths = [], planner.plan_many(problems.starts, problems.goals, weight, both)
    seconds = time.perf_counter() - begun
    # Published lengths are the shortest octile ones: anything else has nothing to be compared with.
    published = options.scen is not None and options.moves == "octile" and weight <= 1
    result: dict[str, Any] = {"map": name, "planner": options.planner, "moves": options.moves, "weight": weight}
    result |= _report(paths, problems if published else None, seconds) | progress(answers)
    print(json.dumps(result) if options.json else _table(result))
    if options.figure is not None:
        longest, heard = int(np.argmax([path.found * len(path.cells) for path in paths])), Expansions()
        path = planner.plan(problems.starts[longest], problems.goals[longest], weight, both, heard)
        save(search_figure(free, path, heard), options.figure)
    if result["wrong"]:
        raise ValueError(f"{result['wrong']} of {len(paths)} paths are not as long as {options.scen} says")


def _grid(options: Options) -> tuple[str, NDArray[np.bool_]]:
    if options.map is not None:
        return options.map.stem, load_grid(options.map)
    maze = generate_maze(options.size, options.size, options.seed)
    return maze.name, maze.cells != WALL


def _problems(options: Options, free: NDArray[np.bool_]) -> Scenario:
    if options.scen is None:
        cells, generator = np.argwhere(free), np.random.default_rng(options.seed)
        if not len(cells):
            raise ValueError(f"{options.map}: no free cell to start from")
        ends = cells[generator.integers(len(cells), size=(options.limit or 100, 2))]
        return Scenario("random", (free.shape[0], free.shape[1]), ends[:, 0], ends[:, 1], np.zeros(len(ends)))
    problems = load_scenario(options.scen)
    if problems.shape != free.shape:
        sizes = [f"{rows} x {columns}" for rows, columns in (free.shape, problems.shape)]
        raise ValueError(f"{options.scen}: problems of {problems.map}, {sizes[1]}; {options.map} is {sizes[0]}")
    return problems if options.limit is None else problems.head(options.limit)


def _report(paths: list[GridPath], published: Scenario | None, seconds: float) -> dict[str, float | int | None]:
    """Counts, errors against the published lengths (None without them), and speed."""
    costs, expanded = np.array([path.cost for path in paths]), sum(path.expanded for path in paths)
    found, error, wrong = np.isfinite(costs), None, None
    if published is not None:
        both = found & published.solvable
        gaps = np.abs(costs - published.lengths, where=both, out=np.zeros(len(paths)))
        off = gaps > TOLERANCE[0] + TOLERANCE[1] * published.lengths
        error, wrong = float(gaps.max()), int((off | (found != published.solvable)).sum())
    return {
        "problems": len(paths),
        "solved": int(found.sum()),
        "wrong": wrong,
        "largest_error": error,
        "ms_per_query": 1000 * seconds / len(paths),
        "nodes_per_query": expanded / len(paths),
        "nodes_per_second": expanded / seconds,
    }


def _table(result: dict) -> str:
    def text(value: object) -> str:
        return "-" if value is None else f"{value:,.4g}" if isinstance(value, float) else str(value)

    rows = {key.replace("_", " "): text(value) for key, value in result.items()}
    rows["nodes per second"] = f"{result['nodes_per_second'] / 1e6:.2f} million"
    return "\n".join(f"{key:<18}{value}" for key, value in rows.items())


if __name__ == "__main__":
    run(main, description=__doc__)
