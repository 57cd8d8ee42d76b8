"""The demo's scenario of guardrails: one task, by an agent that knows of them and by one that does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scripts._guardrails import Run, Way, World
from viz.figures import save
from viz.hazards import Walk, hazards_figure
from worlds.hazards import Hazards

EPISODES, SEED = 24, 3


def guardrails(out: Path) -> Path:
    """Runs both agents on the large maze, draws a task on which ignorance does harm, and says what happened."""
    world = World.load("large")
    hazards = Hazards.draw(world.map, SEED)
    runs: dict[Way, Run] = {way: Run(world, hazards, way, SEED) for way in ("none", "guarded")}
    for run in runs.values():
        run.episodes(EPISODES)
    # The shield should have had something to do.
    worst = int((np.sum(runs["none"].wrong, 0) * (np.sum(runs["guarded"].stepped_in, 0) > 0)).argmax())
    walks = [walk(runs["none"], worst, "no guardrails"), walk(runs["guarded"], worst, "guarded")]
    for each, run in zip(walks, runs.values(), strict=True):
        tally = run.tally
        print(f"  {each.caption}; all {tally.episodes} episodes: {tally.successes} reached their goals, ", end="")
        print(f"{tally.violations} violations in {tally.steps:,} steps")
    title = "Guardrails: the same task, without and with them"
    return save(hazards_figure(hazards, runs["none"].goals[worst], walks, title), out / "guardrails.png")


def walk(run: Run, episode: int, caption: str) -> Walk:
    """One episode of a batch, up to where it ended."""
    trail, wrong = (np.array([frame[episode] for frame in frames]) for frames in (run.trail, run.wrong))
    stepped_in = np.array([*(frame[episode] for frame in run.stepped_in), False])
    stepped_in = stepped_in if len(stepped_in) == len(trail) else np.zeros(len(trail), bool)
    moved = np.flatnonzero((np.diff(trail, axis=0) != 0).any(-1))
    last = int(moved[-1]) + 2 if len(moved) else 1
    broken, helped = int(wrong[:last].sum()), int(stepped_in[:last].sum())
    text = f"{caption}: {last - 1} steps, {broken} of them wrong"
    if run.way == "guarded":
        text += f"; shield stepped in at {helped}"
    return Walk(trail[:last], wrong[:last], stepped_in[:last], text)
