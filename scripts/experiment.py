"""Is this door open? Which way does the wind blow? An agent whose models disagree goes and finds out.

Door: a shipped agent doubts whether one cell of its maze can be passed. One landmark graph has the ways through it, the
other has not; it travels to where they differ, by ways that both know, and then does what tells the two apart.
Wind: a ball in the open, and a gust somewhere that blows one of several ways; hypotheses are as many models.
Beside the experiments, random actions from the same starts in the same worlds.

python scripts/experiment.py --trials 100 --maze medium
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hjepa.agent import Agent
from hjepa.metrics import wilson_interval
from hjepa.pretrained import pretrained
from scripts._cli import Flat, run
from scripts._machine import use_one_thread
from scripts._trials import DoorLab, Outcome, WindLab
from viz.experiment import door_figure
from viz.figures import save
from worlds import named_map


@dataclass(frozen=True)
class Options:
    """How many experiments."""

    trials: int = 100
    """Random trials of each kind, half of them with random actions beside."""
    maze: Literal["medium", "large", "giant"] = "medium"
    """Whose shipped agent doubts its doors."""
    seed: int = 0
    """Of starts, doors, winds and planners."""
    out: Path = Path("out")
    """Folder for the picture."""


def main(options: Flat[Options]) -> None:
    """Runs all trials, prints a table, and draws one experiment."""
    use_one_thread()
    door, wind = _door_lab(options.maze), WindLab()
    for name, lab, limit in (("door open or closed", door, door.LIMIT), ("wind, one of four", wind, wind.LIMIT)):
        print(f"{name}: {options.trials} trials of at most {limit} steps, seed {options.seed}", flush=True)
        for way in ("experiment", "random"):
            outcomes = [lab.trial((options.seed, number), way) for number in range(options.trials)]
            print(f"  {way:12} {_row(outcomes, limit)}", flush=True)
    print(experiment(options.out))


def _door_lab(maze: str) -> DoorLab:
    return DoorLab(Agent.load(pretrained(f"ogbench/pointmaze-{maze}-navigate")), named_map(maze))


def _row(outcomes: list[Outcome], limit: int) -> str:
    """How often the right hypothesis survived alone, how often a wrong one did, and the steps that it took."""
    right = [one.verdict.survivor == one.truth for one in outcomes]
    wrong = sum(one.verdict.survivor not in (None, one.truth) for one in outcomes)
    low, high = wilson_interval(sum(right), len(right))
    steps = np.mean([one.steps if one.verdict.survivor else limit for one in outcomes])
    shares = f"right {np.mean(right):.0%} [{low:.1%}, {high:.1%}], wrong {wrong}, undecided"
    return f"{shares} {len(right) - sum(right) - wrong}; {steps:.0f} steps on average"


def experiment(out: Path) -> Path:
    """The demo's scenario: one door, in the world where it is open and in the one where it is closed."""
    lab = _door_lab("medium")
    outcomes = {truth: lab.trial((3, 1), "experiment", truth) for truth in ("open", "closed")}
    for truth, outcome in outcomes.items():
        verdict = outcome.verdict
        odds = max(verdict.log_odds.values())
        told = f"refuted: {', '.join(verdict.refuted) or 'nothing'}; log-odds {odds:.1f}"
        errors = ", ".join(f"{name} {error:.3f}" for name, error in verdict.error.items())
        print(f"the door is {truth}: {told} after {outcome.steps} steps ({verdict.steps} observed)")
        print(f"  prediction error by hypothesis, world units: {errors}")
    return save(door_figure(lab.map, outcomes), out / "experiment.png")


if __name__ == "__main__":
    run(main, description=__doc__)
