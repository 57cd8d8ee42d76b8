"""Evaluates agents on a task: success, steps, and what planning costs.

python scripts/evaluate.py ogbench/pointmaze-giant-navigate --levels 3 --episodes 50 --json out/giant.json

python scripts/evaluate.py point-maze --map my-maze.txt --agent runs/mine --episodes 250 --json out/mine.json

python scripts/evaluate.py diverse-maze (or two-rooms, four-rooms: from pictures; --help after it lists its own flags)

python scripts/evaluate.py probe --agent runs/diverse (what an agent that sees keeps, imagines, and where it fails)

--agent takes a run's folder, or several (one for each training seed): their results are averaged.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hjepa.actor import Actor
from hjepa.agent import Agent
from hjepa.cost_to_go import cost_to_go
from hjepa.evaluate import Naming, Report, random_success_rate, report, run_episodes
from hjepa.planning import Attitude, LevelPlanner
from hjepa.pretrained import pretrained
from planners.trace import Episode
from scripts._cli import Flat, run
from scripts._evaluate_seen import command_line as evaluate_seen
from scripts._machine import use_device
from scripts._probe_seen import PROBE
from scripts._probe_seen import command_line as probe_seen
from scripts._results import pooled, print_table
from scripts._scene import record_scene
from scripts._seen_worlds import seen_world
from scripts._tasks import DEFAULT_TASK, Maze, Task, TaskName, agent_folder, make_task
from viz.figures import SUFFIXES, episode_figure, save
from viz.record import write_gif
from viz.viewer.document import Setup


@dataclass(frozen=True)
class Options:
    """Who is evaluated, and how."""

    agent: tuple[Path, ...] = ()
    """Folders of runs or agents; by default the agent shipped for the task."""
    levels: int | None = None
    """Levels that plan, from the finest; all of them by default."""
    planners: tuple[LevelPlanner, ...] | None = None
    """What plans at each level, the finest first; the last one does so at all further levels. As the agent was
    configured by default."""
    risk: Attitude | None = None
    """What possible outcomes count as where the agent learned that chance decides: their average, the worst tenth of
    them, or the worst one; or, for comparison, as if there were no chance: the likeliest, the one that suits it best,
    or the mean of all. As the agent was configured by default."""
    episodes: int | None = None
    """Episodes: of OGBench's tasks, for each of the five (50 by default); of point-maze, in all (250)."""
    seed: int = 1000
    """Of starts, goals and planners. Nothing was tuned on the default one."""
    json: Path | None = None
    """File for the results."""
    figure: Path | None = None
    """File (.png, .svg, .pdf) for a picture of the first episode with every level's plan."""
    gif: Path | None = None
    """File for an animation of the same episode."""
    scene: Path | None = None
    """File (.scene) for a recording of the first episode: python scripts/view.py --scene FILE."""


def main(maze: Flat[Maze], options: Flat[Options], task: TaskName = DEFAULT_TASK) -> None:
    """Evaluates, prints a table, and writes what was asked for."""
    chosen = make_task(task, maze)
    use_device("cpu")
    episodes = chosen.episodes if options.episodes is None else options.episodes
    folders = [agent_folder(folder) for folder in options.agent] or [pretrained(chosen.name)]
    agents = [Agent.load(folder) for folder in folders]
    _check(options, agents, episodes)
    names = [str(folder) for folder in options.agent] or [f"shipped for {chosen.name}"]
    random_rate = random_success_rate(chosen.random_episodes(episodes, options.seed), options.seed)
    reports = []
    for agent, name in zip(agents, names, strict=True):
        one = evaluate(agent, chosen, name, replace(options, episodes=episodes), random_rate)
        print_table(one.to_dict())
        reports.append(one)
    result = reports[0].to_dict() if len(reports) == 1 else pooled(reports)
    if len(reports) > 1:
        print_table(result)
    if options.risk is not None:
        result["risk"] = options.risk
        print(f"{'risk':10} {options.risk}")
    if options.json is not None:
        _write_json(options.json, result)


def _check(options: Options, agents: list[Agent], episodes: int) -> None:
    """Finds mistakes before the episodes are run, rather than after."""
    if episodes < 1:
        raise ValueError(f"--episodes must be at least 1, not {episodes}")
    for path, suffixes in ((options.figure, SUFFIXES), (options.gif, (".gif",)), (options.scene, (".scene",))):
        if path is not None and path.suffix.lower() not in suffixes:
            raise ValueError(f"{path}: expected a file ending in {', '.join(suffixes)}")
    for agent in agents:
        Actor(agent, options.levels, options.planners, risk=options.risk)


def evaluate(agent: Agent, task: Task, name: str, options: Options, random_rate: float) -> Report:
    """One agent's results on a task, all episodes in one batch and then some alone."""
    assert options.episodes is not None
    tasks = task.evaluation(options.episodes, options.seed)
    actor = Actor(agent, options.levels, options.planners, options.seed, risk=options.risk)
    # Code is compiled, and memory laid out, at the first decision: that one is thrown away, and counts for no time.
    for throw_away in (tasks, task.single_episodes(options.seed)[0]):
        observations, goals = throw_away.reset()
        actor.begin(goals)
        actor.act(observations)
    draws = any(path is not None for path in (options.figure, options.gif, options.scene))
    actor = Actor(agent, options.levels, options.planners, options.seed, risk=options.risk)
    outcome, episode = run_episodes(actor, tasks, record=0 if draws else None)
    alone = [
        run_episodes(Actor(agent, options.levels, options.planners, options.seed, risk=options.risk), single)[0]
        for single in task.single_episodes(options.seed)
    ]
    if episode is not None:
        _draw(agent, task, replace(episode, title=f"{task.name}, {actor.levels} levels"), options)
        if options.scene is not None:
            planners = tuple(actor.config.planner(k) for k in range(1, actor.levels + 1))
            print(
                record_scene(
                    agent,
                    task.map,
                    episode,
                    Setup(name if options.agent else task.map.name, actor.levels, planners),
                    options.scene,
                )
            )
    naming = Naming(task.name, task.protocol_of(options.episodes), name)
    return report(naming, actor, tasks, outcome, alone, random_rate, options.seed)


def _draw(agent: Agent, task: Task, episode: Episode, options: Options) -> None:
    heat = cost_to_go(agent, episode.goal)
    if options.figure is not None:
        print(save(episode_figure(task.map, episode, heat), options.figure))
    if options.gif is not None:
        print(write_gif(task.map, episode, options.gif, heat))


def _write_json(path: Path, result: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def start(args: Sequence[str]) -> None:
    """Runs the script with its command line's arguments."""
    debug = [word for word in args if word == "--debug"]
    rest = [word for word in args if word != "--debug"]
    if PROBE in rest or seen_world(rest):
        run(lambda: (probe_seen if PROBE in rest else evaluate_seen)(rest), debug)
    else:
        run(main, args, description=__doc__)


if __name__ == "__main__":
    start(sys.argv[1:])
