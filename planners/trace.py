"""What a viewer replays: an episode as world steps, and what every level had in mind at each decision."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]


@dataclass(frozen=True)
class LevelView:
    """One level's newest plan at one decision, decoded to observation space for people to look at.

    Attributes:
        plan: [n, 2] the states that the level predicts, from the last one that the agent has passed; world units.
        subgoal: [2] the state that it asks of the level below (for level 1: of the world).
        age: world steps since this plan was made.
        expanded: search nodes (or sampled candidates) that it took to make the plan.
    """

    plan: Points
    subgoal: Points
    age: int = 0
    expanded: int = 0


@dataclass(frozen=True)
class Decision:
    """What the hierarchy had in mind at one world step.

    Attributes:
        step: world step at which the decision was taken.
        levels: one view per level; ``levels[0]`` is level 1, the finest.
        events: what happened, such as ``replan 3`` or ``rejected 2`` (kind, level).
    """

    step: int
    levels: tuple[LevelView, ...]
    events: tuple[str, ...] = ()


@dataclass(frozen=True)
class Episode:
    """One recorded episode.

    Attributes:
        observations: [T+1, 2] where the agent was; world units.
        goal: [2] where it should go.
        success: whether it got there in time.
        decisions: in the order of their steps; a level shows its newest plan until the next decision.
        title: what to write above a picture of it.
    """

    observations: Points
    goal: Points
    success: bool
    decisions: list[Decision] = field(default_factory=list)
    title: str = ""

    def latest(self, step: int) -> Decision | None:
        """The newest decision taken at or before a world step, or None before the first one."""
        earlier = [decision for decision in self.decisions if decision.step <= step]
        return earlier[-1] if earlier else None
