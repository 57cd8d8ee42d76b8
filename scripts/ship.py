"""Ships a trained agent with the package: copies it to ``hjepa/pretrained/`` with its scores on its card.

Example: ``python scripts/ship.py ogbench/pointmaze-giant-navigate --run runs/giant --evaluation out/giant.json``
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from hjepa.agent import Agent
from hjepa.pretrained import FOLDER
from scripts._cli import Flat, run

SCORES = ("protocol", "levels", "seed", "episodes", "success_rate", "ci95", "per_task", "mean_steps", "oracle_steps")


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
    agent = Agent.load(options.run / "agent")
    found = json.loads(options.evaluation.read_text(encoding="utf-8"))
    if found.get("suite") != options.task:
        raise ValueError(f"{options.evaluation}: is about {found.get('suite')!r}, expected {options.task!r}")
    scores = {name: found[name] for name in SCORES}
    folder = FOLDER / options.task.replace("/", "-")
    replace(agent, card=agent.card | {"scores": scores}).save(folder)
    print(f"{folder.name}: {sum(file.stat().st_size for file in folder.iterdir()) / 1e3:.0f} kB")


if __name__ == "__main__":
    run(main)
