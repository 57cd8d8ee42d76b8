"""What a viewer replays: an episode as world steps, and what every level had in mind at each decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]
Floats = NDArray[np.float32]
Ints = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Round:
    """One round of an optimiser: the trajectories that it tried.

    Attributes:
        candidates: [N, T+1, 2] their predicted states, the cheapest first; world units.
        costs: [N] their costs, ascending; world steps.
        elites: how many of them shape the next round.
        relaxed: whether states were free to leap between predictions; costs are then in a unit of their own.
    """

    candidates: Points
    costs: Floats
    elites: int
    relaxed: bool = False


@dataclass(frozen=True, eq=False)
class Expansion:
    """A search: the places that it looked at.

    Attributes:
        places: [n, 2] in the order of their expansion; world units.
        parents: [n] the earlier place that each was reached from; -1 where there is none, or it is not known.
    """

    places: Points
    parents: Ints


@dataclass(frozen=True, eq=False)
class Tree:
    """A Monte-Carlo tree; node 0 is the root, and parents come before their children.

    Attributes:
        parents: [M] -1 for the root.
        visits: [M] N, simulations that went through each node.
        values: [M] Q of the way to each node; world steps, negative: the higher, the better.
        places: [M, 2] their states; world units.
        chance: [M] whether the world moves here, rather than the agent.
    """

    parents: Ints
    visits: Ints
    values: Floats
    places: Points
    chance: NDArray[np.bool_]


Work = Round | Expansion | Tree


@dataclass(frozen=True, eq=False)
class LevelView:
    """One level's newest plan at one decision, decoded to observation space for people to look at.

    Attributes:
        plan: [n, 2] the states that the level predicts, from the last one that the agent has passed; world units.
        subgoal: [2] the state that it asks of the level below (for level 1: of the world).
        age: world steps since this plan was made.
        expanded: search nodes (or sampled candidates) that it took to make the plan.
        arrival: [n] when the level expects to be there; world steps after this decision, the first may be negative.
        planner: the name of what planned.
        calls: states passed through the level's predictor to make the plan.
        terms: the energy of the rest of the plan by term, world steps; their sum is the plan's cost.
        pinned: whether the subgoal was set by hand.
        work: how the plan was found, in the order in which it happened; empty unless it was made at this decision.
        latent: [n, 2] the plan in the plane of the level's two principal components.
    """

    plan: Points
    subgoal: Points
    age: int = 0
    expanded: int = 0
    arrival: Floats = field(default_factory=lambda: np.empty(0, np.float32))
    planner: str = ""
    calls: int = 0
    terms: Mapping[str, float] = field(default_factory=dict)
    pinned: bool = False
    work: tuple[Work, ...] = ()
    latent: Points = field(default_factory=lambda: np.empty((0, 2), np.float32))

    @property
    def cost(self) -> float:
        """Energy of the rest of the plan; world steps."""
        return sum(self.terms.values())


@dataclass(frozen=True, eq=False)
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


@dataclass(frozen=True, eq=False)
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
