"""What the viewer asks of a session, and what a session reports: plain values, which cross a process boundary.

A session answers in its own time; reports carry the run (0, or 1 for the second of a comparison) that they are about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from planners.trace import Decision, Points
from viz.viewer.document import Document, Point

FieldName = Literal["heat", "unfamiliar"]
"""``heat``: cost-to-go to the goal. ``unfamiliar``: distance to what the agent remembers. Both in world steps."""


# --- requests ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Apply:
    """Makes a document the present one: at once where it is the first, between two world steps otherwise."""

    document: Document


@dataclass(frozen=True)
class Advance:
    """Lets every run go on for some world steps (those that have arrived, or can't go on, stay)."""

    steps: int


@dataclass(frozen=True)
class AskField:
    """Asks for a field over the map, as the present document has it."""

    run: int
    name: FieldName
    level: int


@dataclass(frozen=True)
class AskProbe:
    """Asks what the plan would be from another place."""

    run: int
    place: Point


@dataclass(frozen=True)
class Replan:
    """Makes a level (and those below) plan anew at its next look."""

    run: int
    level: int


Request = Apply | Advance | AskField | AskProbe | Replan


# --- reports -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class LevelFacts:
    """What is known of one level of an agent, once it is loaded.

    Attributes:
        stride: world steps of one prediction.
        planners: the names of what can plan here.
        places: [L, 2] remembered landmarks; world units (none at level 1).
        edges: [E, 2] which of them are joined.
        latent: [L, 2] the landmarks in the plane of their two principal components.
    """

    stride: int
    planners: tuple[str, ...]
    places: Points
    edges: NDArray[np.int32]
    latent: Points


@dataclass(frozen=True, eq=False)
class Fork:
    """Where a latent variable decides: from a place, the agent believes, it may go to several.

    Attributes:
        place: where it happens; world units.
        outcomes: [n, 2] where it may lead.
        probabilities: [n] how likely the agent believes that to be.
    """

    place: Point
    outcomes: Points
    probabilities: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Loaded:
    """A run's agent is there (again: whenever its setup, or the map that it sees, has changed).

    Attributes:
        run: which.
        sees_map: whether the agent knows the walls.
        levels: finest first.
        forks: what it believes of portals.
    """

    run: int
    sees_map: bool
    levels: tuple[LevelFacts, ...]
    forks: tuple[Fork, ...] = ()


@dataclass(frozen=True, eq=False)
class Began:
    """A new episode has begun: what was recorded of the one before is over."""

    run: int
    document: Document
    observation: Point


@dataclass(frozen=True, eq=False)
class Edited:
    """A document has come into force within an episode, before the world step after ``step``."""

    run: int
    step: int
    document: Document


@dataclass(frozen=True, eq=False)
class Stepped:
    """The world went on.

    Attributes:
        run: which.
        step: the world step at which the first of the decisions can have been taken: the newest one before.
        observations: [n, 2] what was seen after each step from then on.
        decisions: those taken on the way.
        seconds: of planning, in all of them together.
        calls: states passed through predictors, in all of them together.
        status: ``running``, ``arrived``, ``out of time``, or why nothing moves (``waiting: the goal is in a wall``).
    """

    run: int
    step: int
    observations: Points
    decisions: tuple[Decision, ...]
    seconds: float
    calls: int
    status: str


@dataclass(frozen=True, eq=False)
class Field:
    """A field over the map.

    Attributes:
        run: whose.
        name: what it shows.
        level: whose estimate.
        version: of the document that it was computed for.
        goal: it leads to; world units.
        x: [w] sample positions; world units.
        y: [h] sample positions; world units.
        steps: [h, w] world steps; NaN where unknown.
    """

    run: int
    name: FieldName
    level: int
    version: str
    goal: Point
    x: NDArray[np.float32]
    y: NDArray[np.float32]
    steps: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Probed:
    """What the plan would be from another place."""

    run: int
    place: Point
    version: str
    decision: Decision


@dataclass(frozen=True)
class Notice:
    """Something for a person to read: a banner.

    Attributes:
        text: one line.
        urgent: whether something is wrong.
    """

    text: str
    urgent: bool = False


@dataclass(frozen=True)
class PinReached:
    """The agent came to a pinned subgoal, which is let go."""

    run: int
    level: int


Report = Loaded | Began | Edited | Stepped | Field | Probed | Notice | PinReached
