"""How far do agents that see plan? Mazes up to four times as wide as those they learned from, two and three levels.

Every search, on every level, may expand ``--expansions`` nodes; two levels alone are tried with more, too. Starts and
goals are far apart; success is to come within half a cell of the goal, ever, in the time limit of the row. Batches that
are finished are kept in the file of results, and not repeated.

Example: ``python scripts/wide.py --agent runs/diverse --out docs/wide.png``
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hjepa.metrics import wilson_interval
from hjepa.pretrained import pretrained
from hjepa.vision.actor import VisionActor
from hjepa.vision.agent import VisionAgent
from scripts._cli import Flat, run
from scripts._evaluate_seen import look_and_act
from scripts._machine import use_device
from scripts._mazes_seen import DIVERSE_MAZE, TASK, MazeTrials, Size
from scripts._tasks import agent_folder
from scripts._wide_figure import wide_figure
from viz.figures import save


class Far(NamedTuple):
    """Trials of one range of distances."""

    size: Size
    distance: tuple[int, int]
    time_limit: int


FAR = (
    Far("large", (9, 16), 500),
    Far("wide", (20, 40), 1000),
    Far("vast", (40, 60), 1500),
    Far("vast", (70, 110), 2000),
)
Result = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """What to measure.

    Attributes:
        agent: folder of a run or an agent; the shipped one by default.
        levels: numbers of levels to plan with.
        expansions: most nodes of a search.
        more: the same for two levels alone, to see what they lack.
        rows: which of the ranges of distances, from 0 (the nearest).
        episodes: of every row.
        batch: episodes side by side.
        seed: of mazes, starts, goals and planners. Nothing was tuned on the default one.
        results: file of all that was measured so far.
        out: the figure.
    """

    agent: Path | None = None
    levels: tuple[int, ...] = (2, 3)
    expansions: int = 1500
    more: tuple[int, ...] = (5000, 20000)
    rows: tuple[int, ...] = tuple(range(len(FAR)))
    episodes: int = 200
    batch: int = 20
    seed: int = 1000
    results: Path = Path("runs/wide.json")
    out: Path = Path("runs/wide.png")


def main(options: Flat[Options]) -> None:
    """Measures what is missing, prints the table and draws the figure."""
    if min(options.episodes, options.batch, options.expansions, *options.more) < 1:
        raise ValueError("--episodes, --batch, --expansions and --more must be at least 1")
    if not set(options.rows) <= set(range(len(FAR))):
        raise ValueError(f"--rows must be among 0 to {len(FAR) - 1}, not {options.rows}")
    use_device("cpu")
    agent = VisionAgent.load(pretrained(TASK) if options.agent is None else agent_folder(options.agent))
    if max(options.levels) > len(agent.stack):
        raise ValueError(f"--levels must be at most {len(agent.stack)} for this agent, not {max(options.levels)}")
    done: dict[str, Result] = json.loads(options.results.read_text()) if options.results.exists() else {}
    ways = [(levels, options.expansions) for levels in options.levels]
    ways += [(2, more) for more in options.more if 2 in options.levels]
    print(f"{TASK}, mazes not learned from; success within half a cell, ever; seed {options.seed}")
    print(
        f"{'mazes':>6} {'cells':>8} {'levels':>7} {'nodes':>6} {'success':>24} {'steps':>6} {'nodes/episode':>14} "
        f"{'ms/step':>8}"
    )
    rows = [_row(agent, FAR[row], levels, nodes, options, done) for row in options.rows for levels, nodes in ways]
    save(wide_figure(rows), options.out)
    print(options.out)


def _row(agent: VisionAgent, far: Far, levels: int, nodes: int, options: Options, done: dict[str, Result]) -> Result:
    """All batches of one row, those that are missing being measured, and what they come to."""
    trials = MazeTrials(size=far.size, distances=(far.distance,), time_limit=far.time_limit)
    planning = replace(DIVERSE_MAZE.planning, expansions=nodes)
    batches = []
    for first in range(0, options.episodes, options.batch):
        count = min(options.batch, options.episodes - first)
        key = f"{far.size} {far.distance} {far.time_limit} {levels} {nodes} {options.seed} {first} {count}"
        if key not in done:
            [row] = trials.rows(agent.card, options.seed)
            outcome = look_and_act(VisionActor(agent, levels, planning, options.seed), row.tasks(first, count))
            done[key] = {
                "success": outcome.success.tolist(), "steps": outcome.steps.tolist(), "seconds": sum(outcome.seconds),
                "nodes": sum(outcome.expanded.get(k, 0) for k in range(2, levels + 1)),
            }  # fmt: skip
            _keep(options.results, done)
        batches.append(done[key])
    return _told(far, levels, nodes, batches)


def _keep(file: Path, done: dict[str, Result]) -> None:
    """Writes all results; an interrupted write leaves the old ones."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".part")
    draft.write_text(json.dumps(done, indent=1) + "\n", encoding="utf-8")
    draft.replace(file)


def _told(far: Far, levels: int, nodes: int, batches: list[Result]) -> Result:
    """Prints one row, and returns it."""
    success = np.concatenate([batch["success"] for batch in batches])
    steps = np.concatenate([batch["steps"] for batch in batches])
    low, high = wilson_interval(int(success.sum()), len(success))
    row = {
        "size": far.size, "distance": far.distance, "levels": levels, "expansions": nodes,
        "successes": int(success.sum()), "episodes": len(success), "ci95": (low, high),
        "mean_steps": float(steps[success].mean()) if success.any() else float("nan"),
        "nodes": sum(batch["nodes"] for batch in batches) / len(success),
        "ms": 1000 * sum(batch["seconds"] for batch in batches) / float(steps.sum()),
    }  # fmt: skip
    print(
        f"{far.size:>6} {far.distance[0]:>4}..{far.distance[1]:<3} {levels:>6} {nodes:>6} "
        f"{f'{success.sum()}/{len(success)} [{low:.1%}, {high:.1%}]':>24} {row['mean_steps']:>6.0f} "
        f"{row['nodes']:>14,.0f} {row['ms']:>8.2f}", flush=True,
    )  # fmt: skip
    return row


if __name__ == "__main__":
    run(main)
