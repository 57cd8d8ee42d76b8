"""Distils Mode-1, level 1's policy, from an agent's planning, and saves it with the agent.

python scripts/distil.py runs/giant

New agents are trained with a policy; this is for older ones, and for another try with other settings. It needs no data:
the agent practises on what it remembers and predicts.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hjepa.agent import Agent
from hjepa.policy import PolicyConfig
from scripts._cli import Flat, run
from scripts._machine import use_device
from scripts._tasks import agent_folder


@dataclass(frozen=True)
class Options:
    """What to distil, and how."""

    agent: tyro.conf.Positional[Path]
    """Folder of a run or an agent; it gets the policy, and the rest of it stays as it is."""
    policy: PolicyConfig = PolicyConfig()
    """How."""


def main(options: Flat[Options]) -> None:
    """Loads an agent, distils its policy, and saves it again."""
    if options.policy.steps < 1:
        raise ValueError(f"--policy.steps must be at least 1, not {options.policy.steps}")
    use_device("cpu")
    folder = agent_folder(options.agent)
    agent = Agent.load(folder)
    if len(agent.stack) < 2:
        raise ValueError(f"{folder}: has one level; a policy is distilled from the subgoals of a second one")
    begun = time.perf_counter()
    agent = replace(agent, experiment=replace(agent.experiment, policy=options.policy)).distilled()
    agent.save(folder)
    print(f"{folder}: has a policy, distilled in {time.perf_counter() - begun:.1f} s")


if __name__ == "__main__":
    run(main, description=__doc__)
