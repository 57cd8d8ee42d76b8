"""Is this door open? Which way does the wind blow? An agent whose models disagree goes and finds out.

Door: a shipped agent doubts whether one cell of its maze can be passed. One landmark graph has the ways through it, the
other has not; it travels to where they differ, by ways that both know, and then does what tells the two apart.
Wind: a ball in the open, and a gust somewhere that blows one of several ways; hypotheses are as many models.
What the models get wrong at one place counts once, however often it is tried there: a verdict that isn't certain is
"undecided". Beside the experiments, random actions from the same starts in the same worlds.

python scripts/experiment.py --trials 100 --random 20 --maze medium
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
from scripts._trials import DoorLab, Lab, Outcome, WindLab
from viz.experiment import door_figure
from viz.figures import save
from worlds import named_map


@dataclass(frozen=True)
class Options:
    """How many experiments."""

    trials: int = 100
    """Of each kind: doors that are open, doors that are closed, winds."""
    random: int = 20
    """The first so many of them with random actions as well."""
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
    table: tuple[tuple[str, Lab, str | None], ...] = (
        ("door, in truth open", door, "open"),
        ("door, in truth closed", door, "closed"),
        ("wind, one of four", wind, None),
    )
    for name, lab, truth in table:
        print(f"{name}: at most {lab.LIMIT} steps, seed {options.seed}", flush=True)
        for way, trials in (("experiment", options.trials), ("random", min(options.random, options.trials))):
            outcomes = [lab.trial((options.seed, number), way, truth) for number in range(trials)]
            if outcomes:
                print(f"  {way:12} {_row(outcomes, lab.LIMIT)}", flush=True)
    print(experiment(options.out))


def _door_lab(maze: str) -> DoorLab:
    return DoorLab(Agent.load(pretrained(f"ogbench/pointmaze-{maze}-navigate")), named_map(maze))


def _row(outcomes: list[Outcome], limit: int) -> str:
    """How often the right hypothesis survived alone, how often a wrong one did, and the steps that it took."""
    right = [one.verdict.survivor == one.truth for one in outcomes]
    wrong = sum(one.verdict.survivor not in (None, one.truth) for one in outcomes)
    low, high = wilson_interval(sum(right), len(right))
    steps = np.mean([one.steps if one.verdict.survivor else limit for one in outcomes])
    rate = f"{sum(right)} of {len(right)} right, {np.mean(right):.1%} [{low:.1%}, {high:.1%}]"
    return f"{rate}; {wrong} wrong, {len(right) - sum(right) - wrong} undecided; {steps:.0f} steps on average"


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
