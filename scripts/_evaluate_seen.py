"""scripts/evaluate.py for worlds that are seen in pictures: an agent that sees, mostly where it has never been."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hjepa.config import to_dict
from hjepa.evaluate import Outcome
from hjepa.metrics import wilson_interval
from hjepa.pretrained import pretrained
from hjepa.vision.actor import VisionActor
from hjepa.vision.agent import VisionAgent
from hjepa.vision.planning import VisionPlanning
from scripts._machine import use_device
from scripts._seen import Row, SeenTasks, SeenWorld, Trials
from scripts._seen_figure import draw_episode, require_drawable
from scripts._seen_flags import parse
from scripts._seen_worlds import seen_world
from scripts._tasks import agent_folder


@dataclass(frozen=True)
class Options:
    """Who is evaluated, and how long."""

    agent: Path | None = None
    """Folder of a run or an agent; the shipped one by default."""
    levels: int | None = None
    """Levels that plan, from the finest; all of them by default."""
    episodes: int = 200
    """Per row."""
    batch: int = 50
    """Episodes side by side."""
    seed: int = 1000
    """Of layouts, starts, goals and planners. Nothing was tuned on the default one."""
    json: Path | None = None
    """File for the results."""
    figure: Path | None = None
    """File (.png, .svg, .pdf; .gif for a film) for a picture of the last row's first episode and its plans."""


def command_line(args: Sequence[str]) -> None:
    """Parses the arguments, which name the world, and evaluates."""
    world = seen_world(args)
    assert world is not None
    parts = {"options": Options(), "trials": world.trials}
    found = parse(world.name, world.evaluation, parts, {"planning": world.planning}, args)
    main(world, found.options, found.trials, found.planning)


def main(world: SeenWorld, options: Options, trials: Trials, planning: VisionPlanning) -> None:
    """Runs every row, prints it, and writes what was asked for."""
    if options.episodes < 1 or options.batch < 1:
        raise ValueError(f"--episodes and --batch must be at least 1, not {options.episodes} and {options.batch}")
    use_device("cpu")
    agent = VisionAgent.load(pretrained(trials.shipped) if options.agent is None else agent_folder(options.agent))
    learned = agent.card.get("task", world.name)
    if learned != world.name:
        raise ValueError(f"{options.agent}: this agent is for {learned!r}, expected one for {world.name!r}")
    if options.figure is not None:
        require_drawable(trials.rows(agent.card, options.seed)[-1].tasks(0, 1), options.figure)
    levels = len(agent.stack) if options.levels is None else options.levels
    print(f"{world.name}, {trials.protocol}; {levels} levels, seed {options.seed}")
    print(
        f"{world.heading:>12} {'success':>24} {'steps':>7} {'oracle':>7} {'ms/step':>8} {'s/episode':>10} "
        f"{'predictions/step':>17}"
    )
    rows = [_row(agent, row, levels, planning, options) for row in trials.rows(agent.card, options.seed)]
    if options.figure is not None:
        last = trials.rows(agent.card, options.seed)[-1]
        title = f"{world.name}, {last.name} {world.heading}, {levels} levels"
        print(draw_episode(VisionActor(agent, levels, planning, options.seed), last.tasks(0, 1), title, options.figure))
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        protocol = {"task": world.name, "protocol": trials.protocol} | to_dict(trials)
        protocol |= {"levels": levels, "seed": options.seed, "planning": to_dict(planning)}
        options.json.write_text(json.dumps(protocol | {"rows": rows}, indent=2) + "\n", encoding="utf-8")


def _row(agent: VisionAgent, row: Row, levels: int, planning: VisionPlanning, options: Options) -> dict[str, Any]:
    """Evaluates one row, batch by batch, and prints it."""
    outcomes, oracle = [], []
    for first in range(0, options.episodes, options.batch):
        seen = row.tasks(first, min(options.batch, options.episodes - first))
        outcomes.append(look_and_act(VisionActor(agent, levels, planning, options.seed), seen))
        oracle.append(seen.oracle_steps())
    result = _measured(outcomes, np.concatenate(oracle), levels)
    low, high = result["ci95"]
    shown = f"{result['successes']}/{result['episodes']} [{low:.1%}, {high:.1%}]"
    walked = "-" if result["mean_steps"] is None else f"{result['mean_steps']:.1f}"
    print(
        f"{row.name:>12} {shown:>24} {walked:>7} {result['oracle_steps']:>7.1f} {result['ms_per_step_batched']:>8.2f} "
        f"{result['seconds_per_episode_batched']:>10.3f} {result['predictions_per_step']:>17,.0f}", flush=True,
    )  # fmt: skip
    return row.facts | result


def _measured(outcomes: list[Outcome], oracle: np.ndarray, levels: int) -> dict[str, Any]:
    """What is told of the episodes of a row."""
    success = np.concatenate([outcome.success for outcome in outcomes])
    steps = np.concatenate([outcome.steps for outcome in outcomes])
    seconds = sum(sum(outcome.seconds) for outcome in outcomes)
    return {
        "episodes": len(success),
        "successes": int(success.sum()),
        "success_rate": float(success.mean()),
        "ci95": wilson_interval(int(success.sum()), len(success)),
        "mean_steps": float(steps[success].mean()) if success.any() else None,
        "oracle_steps": float(oracle.mean()),
        "ms_per_step_batched": 1000 * seconds / float(steps.sum()),
        "seconds_per_episode_batched": seconds / len(success),
        "predictions_per_step": sum(outcome.calls for outcome in outcomes) / float(steps.sum()),
        "nodes_per_episode": {
            k: sum(outcome.expanded.get(k, 0) for outcome in outcomes) / len(success) for k in range(2, levels + 1)
        },
    }


def look_and_act(actor: VisionActor, tasks: SeenTasks) -> Outcome:
    """Runs a batch of episodes to their ends; no frame is kept."""
    frames, goals = tasks.reset()
    actor.begin(goals)
    active, steps, seconds = tasks.active(), np.zeros(tasks.num_envs, np.int64), []
    first: dict[int, int] = {}
    success = np.zeros(tasks.num_envs, bool)
    while active.any():
        now = time.perf_counter()
        actions = actor.act(frames, active)
        seconds.append(time.perf_counter() - now)
        assert actor.session is not None
        first = first or dict(actor.session.spent.expanded)
        frames, success = tasks.step(actions)
        steps += active
        active = tasks.active()
    assert actor.session is not None
    spent = actor.session.spent
    return Outcome(success, steps, seconds, first, dict(spent.expanded), sum(spent.calls.values()))
