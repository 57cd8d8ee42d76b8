"""What comes of episodes for which an agent was configured, one by one."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hjepa.configurator import Configured
from hjepa.evaluate import Outcome
from hjepa.metrics import wilson_interval
from worlds import MazeTasks
from worlds.hazards import Hazards

Points = NDArray[np.float32]


@dataclass(frozen=True)
class Row:
    """What came of one kind of task.

    Attributes:
        why: the lines that the configurator gives, and how many of the episodes they are true of.
        success: [n] whether episodes arrived.
        steps: [n] world steps.
        milliseconds: of the agent's processor time per world step, one agent alone.
        nodes: expanded by searches above level 1, per episode.
        violations: of guardrails; None where there are none.
        refused: tasks that the configurator refused.
    """

    why: tuple[list[str], int]
    success: NDArray[np.bool_]
    steps: NDArray[np.int64]
    milliseconds: float
    nodes: float
    violations: int | None
    refused: int = 0

    def told(self) -> str:
        """In one line."""
        won, of = int(self.success.sum()), len(self.success)
        low, high = wilson_interval(won, of)
        line = f"{won} of {of} arrived [{low:.0%}, {high:.0%}], {self.steps.mean():.0f} steps, "
        line += f"{self.milliseconds:.2f} ms per step, {self.nodes:.0f} nodes searched"
        line += "" if self.violations is None else f", {self.violations} steps within guardrails"
        return f"{line}; {self.refused} refused" if self.refused else line


@dataclass(frozen=True)
class Done:
    """One episode.

    Attributes:
        configured: how the agent was.
        outcome: what came of it.
        seconds: of processor time that the agent took.
        violations: steps within guardrails, if there are any.
    """

    configured: Configured
    outcome: Outcome
    seconds: float
    violations: int | None


def row_of(done: list[Done], refused: int) -> Row:
    """What came of some episodes."""
    outcomes, first = [each.outcome for each in done], done[0].configured
    steps = np.array([one.steps[0] for one in outcomes])
    nodes = sum(count for one in outcomes for k, count in one.expanded.items() if k > 1)
    broken = [each.violations for each in done if each.violations is not None]
    return Row(
        why=(first.why(), sum(each.configured.modes == first.modes for each in done)),
        success=np.array([one.success[0] for one in outcomes]),
        steps=steps,
        milliseconds=1000 * sum(each.seconds for each in done) / steps.sum(),
        nodes=nodes / len(done),
        violations=sum(broken) if broken else None,
        refused=refused,
    )


class Judged:
    """One episode whose steps are judged by the world's hazards; the agent is not told.

    Args:
        world: the episode.
        hazards: what is dangerous.
    """

    def __init__(self, world: MazeTasks, hazards: Hazards | None) -> None:
        self.world, self.hazards, self.violations, self.seconds = world, hazards, 0, 0.0
        self.num_envs, self.time_limit, self.task_names = world.num_envs, world.time_limit, world.task_names
        self.active, self.oracle_steps = world.active, world.oracle_steps

    def reset(self) -> tuple[Points, Points]:
        """Begins the episode."""
        self._seen, goals = self.world.reset()
        self._steps = 0
        return self._seen, goals

    def step(self, actions: NDArray[np.floating]) -> tuple[Points, NDArray[np.bool_]]:
        """One step, judged."""
        begun, before = time.process_time(), self._seen
        self._seen, success = self.world.step(actions)
        self._steps += 1
        if self.hazards is not None:
            self.violations += int(np.any(list(self.hazards.broken(before, self._seen, self._steps).values())))
        self.seconds += time.process_time() - begun
        return self._seen, success
