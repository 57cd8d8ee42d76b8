"""Ships a trained agent with the package: copies it to ``hjepa/pretrained/`` with its scores on its card.

python scripts/ship.py ogbench/pointmaze-giant-navigate --run runs/giant --evaluation out/giant.json

python scripts/ship.py two-rooms-fixed --run runs/rooms --evaluation out/rooms.json (one that sees)
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from hjepa.agent import Agent
from hjepa.checkpoint import load_checkpoint
from hjepa.pretrained import FOLDER
from hjepa.vision.agent import VisionAgent
from scripts._cli import Flat, run

SCORES = ("protocol", "levels", "seed", "episodes", "success_rate", "ci95", "per_task", "mean_steps", "oracle_steps")
SEEN_SCORES = ("protocol", "levels", "seed", "rows")


@dataclass(frozen=True)
class Options:
    """What to ship.

    Attributes:
        task: the name that scripts will know the agent by.
        run: folder of a finished training run.
        evaluation: JSON file that ``scripts/evaluate.py`` wrote about this very agent.
    """

    task: tyro.conf.Positional[str]
    run: Path
    evaluation: Path


def main(options: Flat[Options]) -> None:
    """Copies a trained agent, with its scores on its card, to the checkpoints that come with the package."""
    agent = load_agent(options.run / "agent")
    found = json.loads(options.evaluation.read_text(encoding="utf-8"))
    seen = isinstance(agent, VisionAgent)
    about, expected = (found.get("task"), agent.card["task"]) if seen else (found.get("suite"), options.task)
    if about != expected:
        raise ValueError(f"{options.evaluation}: is about {about!r}, expected {expected!r}")
    if seen and not options.task.startswith(expected):
        raise ValueError(f"this agent is for {expected!r}, expected a name that begins so, not {options.task!r}")
    scores = {name: found[name] for name in (SEEN_SCORES if seen else SCORES)}
    folder = FOLDER / options.task.replace("/", "-")
    replace(agent, card=agent.card | {"scores": scores}).save(folder)
    print(f"{folder.name}: {sum(file.stat().st_size for file in folder.iterdir()) / 1e3:.0f} kB")


def load_agent(folder: Path) -> Agent | VisionAgent:
    """An agent of either kind."""
    kind = load_checkpoint(folder)[1].get("kind")
    return VisionAgent.load(folder) if kind == "vision" else Agent.load(folder)


if __name__ == "__main__":
    run(main)
