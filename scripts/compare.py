"""Which planner suits which level? Swaps planners in, one level at a time, and evaluates the same agent on a task.

Everything else stays: the checkpoint, the episodes, their seed, and what plans at the other levels. By default every
planner has a turn at level 1, at level 2 and, where it is a search, at the top.

python scripts/compare.py ogbench/pointmaze-giant-navigate --episodes 10 --out runs/compare

python scripts/compare.py --combinations mppi-landmarks cem-mcts-landmarks --out runs/mine
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hjepa.actor import Actor
from hjepa.agent import Agent
from hjepa.optimizers import Optimizer
from hjepa.planning import LevelPlanner, Search
from hjepa.pretrained import pretrained
from scripts._cli import Flat, run
from scripts._machine import use_device
from scripts._tasks import Maze, Task, TaskName, agent_folder, make_task
from scripts._timing import print_columns
from scripts.evaluate import Options as Evaluation
from scripts.evaluate import evaluate
from viz.figures import comparison_figure, save

Combination = tuple[LevelPlanner, ...]


@dataclass(frozen=True)
class Options:
    """What to compare."""

    combinations: tuple[str, ...] = ()
    """What plans at each level, the finest first, joined by hyphens; the last one does so at all further levels."""
    agent: Path | None = None
    """Folder of a run or an agent; by default the agent shipped for the task."""
    levels: int | None = None
    """Levels that plan, from the finest; all of them by default."""
    episodes: int | None = None
    """Episodes: of OGBench's tasks, for each of the five (10 by default); of point-maze, in all (50)."""
    seed: int = 1000
    """Of starts, goals and planners."""
    out: Path = Path("runs/compare")
    """Folder for ``compare.jsonl`` (rows that are there are not measured again) and ``compare.png``."""


def default_combinations(levels: int) -> list[Combination]:
    """Every planner at level 1, at level 2 below landmarks, and every search at the top, above landmarks."""
    optimizers: list[LevelPlanner] = list(get_args(Optimizer))
    searches: list[LevelPlanner] = [name for name in get_args(Search) if name != "landmarks"]
    middle: list[LevelPlanner] = ["landmarks"] * (levels - 2)
    found: list[Combination] = [(name, *middle, "landmarks") for name in optimizers]
    if levels >= 3:
        found += [("cem", name, *middle) for name in dict.fromkeys((*searches, *optimizers))]
    return found + [("cem", *middle, name) for name in searches]


def main(maze: Flat[Maze], options: Flat[Options], task: TaskName = "ogbench/pointmaze-giant-navigate") -> None:
    """Evaluates every combination, one row each, and draws them."""
    chosen = make_task(task, maze)
    use_device("cpu")
    folder = pretrained(chosen.name) if options.agent is None else agent_folder(options.agent)
    agent, name = Agent.load(folder), f"shipped for {chosen.name}" if options.agent is None else str(options.agent)
    levels = len(agent.stack) if options.levels is None else options.levels
    episodes = options.episodes or (10 if chosen.official else 50)
    combinations = [_parse(text) for text in options.combinations] or default_combinations(levels)
    for planners in combinations:  # mistakes before the first minutes have passed
        Actor(agent, levels, planners)
    options.out.mkdir(parents=True, exist_ok=True)
    log = options.out / "compare.jsonl"
    known = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()] if log.exists() else []
    rows = []
    for planners in combinations:
        key = {"task": chosen.label, "agent": name, "levels": levels, "episodes": episodes, "seed": options.seed}
        key["planners"] = "-".join(planners)
        row = next((row for row in known if key.items() <= row.items()), None)
        if row is None:
            row = key | _measure(agent, chosen, planners, key)
            with log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        print(f"{row['planners']}: {row['success_rate']:.0%}", file=sys.stderr, flush=True)
        rows.append(row)
    print(f"{chosen.label}, {name}, {levels} levels, {chosen.protocol_of(episodes)}, seed {options.seed}")
    print_columns(HEADS, [_cells(row) for row in rows])
    print(save(comparison_figure(rows), options.out / "compare.png"))


def _measure(agent: Agent, task: Task, planners: Combination, key: dict[str, Any]) -> dict[str, Any]:
    wanted = Evaluation(levels=key["levels"], planners=planners, episodes=key["episodes"], seed=key["seed"])
    result = evaluate(agent, task, key["agent"], wanted, random_rate=0.0)
    commit = agent.experiment.planning.commit
    return {
        "swapped": _swapped(planners),
        "trials": result.episodes,
        "success_rate": result.success_rate,
        "ci95": result.ci95,
        "steps": result.mean_steps_overall,
        "ms_per_decision": commit * result.ms_per_step,
        "ms_per_decision_batched": commit * result.ms_per_step_batched,
        "predictor_states_per_step": result.predictor_calls_per_step,
    }


def _swapped(planners: Combination) -> int | None:
    """The one level that differs from the default; None where there is none, or several."""
    default = ("cem", *["landmarks"] * (len(planners) - 1))
    levels = [k for k, pair in enumerate(zip(planners, default, strict=True), start=1) if pair[0] != pair[1]]
    return levels[0] if len(levels) == 1 else None


HEADS = ("planners, finest level first", "success [95 %]", "steps", "ms/decision", "batched", "states/step")


def _cells(row: dict[str, Any]) -> list[str]:
    low, high = row["ci95"]
    return [
        row["planners"].replace("-", ", "),
        f"{row['success_rate']:.0%} [{100 * low:.0f}, {100 * high:.0f}] of {row['trials']}",
        f"{row['steps']:.0f}" if row["success_rate"] else "-",
        f"{row['ms_per_decision']:.1f}",
        f"{row['ms_per_decision_batched']:.2f}",
        f"{row['predictor_states_per_step']:,.0f}",
    ]


def _parse(text: str) -> Combination:
    names = text.split("-")
    for name in names:
        if name not in get_args(LevelPlanner):
            raise ValueError(f"--combinations {text}: unknown planner {name!r}, expected {_choices()}")
    return cast(Combination, tuple(names))


def _choices() -> str:
    return ", ".join(get_args(LevelPlanner))


if __name__ == "__main__":
    run(main, description=__doc__)
