"""What attitudes to chance are worth where portals lead somewhere by chance, and a picture of what the agent believes.

python scripts/portals.py --figure out/portals.png

python scripts/portals.py --agent runs/teleport --deterministic runs/deterministic --give-up 1000 10000

The shipped agent learned of portals from recorded steps; one that was trained with --train.events.no-detect can be put
beside it. OGBench's five tasks, in our own simulator; in the official one, scripts/evaluate.py --risk.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hjepa.agent import Agent
from hjepa.planning import Attitude
from hjepa.pretrained import pretrained
from scripts._cli import Flat, run
from scripts._machine import use_one_thread
from scripts._portals import ATTITUDES, TASKS, Planning, line, require_chances, story
from scripts._tasks import agent_folder
from viz.figures import SUFFIXES, save

SHIPPED = "ogbench/pointmaze-teleport-navigate"


@dataclass(frozen=True)
class Options:
    """Who plans, and how often."""

    agent: Path | None = None
    """Run or agent that learned of portals; the shipped one by default."""
    deterministic: Path | None = None
    """Run or agent trained on the same data with --train.events.no-detect, for comparison."""
    risks: tuple[Attitude, ...] = ATTITUDES
    """Attitudes: those that weigh what may happen, and those that believe one outcome to be certain."""
    give_up: tuple[float, ...] = ()
    """What being trapped costs, world steps: a row for each attitude and price. As the agent was configured by
    default."""
    episodes: int = 20
    """Episodes for each of the five tasks."""
    seed: int = 5
    """Of starts, goals, portals and planners."""
    figure: Path | None = None
    """File (.png, .svg, .pdf) for the picture."""
    task: int = 5
    """The task that is drawn."""


def main(options: Flat[Options]) -> None:
    """Prints success by attitude, and draws what was asked for."""
    _check(options)
    use_one_thread()
    agent = Agent.load(agent_folder(options.agent) if options.agent else pretrained(SHIPPED))
    require_chances(agent, options.agent or SHIPPED)
    print(f"success on OGBench's 5 tasks x {options.episodes} episodes, own simulator, seed {options.seed}", flush=True)
    for row in _rows(agent, options):
        print(f"{row.label:28s} {line(row.outcome(options.episodes, options.seed))}", flush=True)
    if options.figure is not None:
        print(save(story(agent, options.task, options.seed), options.figure))


def _check(options: Options) -> None:
    if options.episodes < 1 or options.task not in TASKS:
        raise ValueError(f"--episodes must be at least 1 and --task 1 to 5, not {options.episodes} and {options.task}")
    if options.figure is not None and options.figure.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{options.figure}: expected a file ending in {', '.join(SUFFIXES)}")


def _rows(agent: Agent, options: Options) -> Iterator[Planning]:
    for price in options.give_up or (None,):
        for risk in options.risks:
            yield Planning(risk if price is None else f"{risk}, trap {price:,.0f}", agent, risk, price)
    if options.deterministic is not None:
        yield Planning("trained without events", Agent.load(agent_folder(options.deterministic)), "average")


if __name__ == "__main__":
    run(main, description=__doc__)
