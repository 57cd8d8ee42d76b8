"""The demo's scenario of portals: the shipped agent plans with chance, and as if there were none."""

from __future__ import annotations

from pathlib import Path

from hjepa.agent import Agent
from hjepa.planning import Attitude
from hjepa.pretrained import pretrained
from scripts._portals import Planning, line, story
from scripts.portals import SHIPPED
from viz.figures import save

EPISODES, SEED, TASK = 4, 5, 5
"""Episodes of each of the five tasks; the task that is drawn."""
TOLD: tuple[Attitude, ...] = ("average", "worst", "likeliest", "optimistic")


def portals(out: Path) -> Path:
    """Says what a few attitudes to chance are worth, and draws what the agent believes and where that leads it."""
    agent = Agent.load(pretrained(SHIPPED))
    for risk in TOLD:
        print(f"  {risk:11} {line(Planning(risk, agent, risk).outcome(EPISODES, SEED))}", flush=True)
    return save(story(agent, TASK, SEED), out / "portals.png")
