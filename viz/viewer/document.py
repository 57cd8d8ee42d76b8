"""What a person can edit: the map, the zones painted on it, start, goal, pinned subgoals, and who plans.

A document is immutable: every edit makes a new one, undo goes back to the old one, and whatever is computed from a
document is kept under its :attr:`Document.version`, so that nothing stale survives an edit.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from worlds.maps import Map

Point = tuple[float, float]
"""(x, y), world units."""
Cell = tuple[int, int]
"""(row, column)."""
Attitude = Literal["average", "cautious", "worst"]
ATTITUDES: tuple[Attitude, ...] = ("average", "cautious", "worst")
"""What planners weigh where a latent variable decides: the mean, the mean of the worst tenth (CVaR), the worst case."""

CLEAR, COST, GUARDRAIL = 0, 1, 2
"""Zones: a dear place costs extra at every step; a guardrail must not be entered, by any level's plan."""


@dataclass(frozen=True)
class Pin:
    """A level's subgoal, set by hand: the levels below plan towards it until it is reached or let go.

    Attributes:
        level: whose subgoal (2 or above).
        place: where; world units.
    """

    level: int
    place: Point


@dataclass(frozen=True)
class Setup:
    """Who plans, and how.

    Attributes:
        agent: ``map`` for the agent that sees the map, or the name or folder of a trained one, which doesn't.
        levels: how many levels plan.
        planners: what plans at each of them, the finest first.
        risk: attitude where the world has a latent variable.
    """

    agent: str
    levels: int
    planners: tuple[str, ...]
    risk: Attitude = "average"


@dataclass(frozen=True, eq=False)
class Zones:
    """Costs and guardrails painted on a map's cells; immutable, compared by value.

    Attributes:
        cells: [rows, columns] read-only uint8 of ``CLEAR``, ``COST`` and ``GUARDRAIL``.
    """

    cells: NDArray[np.uint8]

    def __post_init__(self) -> None:
        cells = np.array(self.cells, dtype=np.uint8)
        cells.flags.writeable = False
        object.__setattr__(self, "cells", cells)

    @classmethod
    def none(cls, shape: tuple[int, int]) -> Zones:
        """No zones on a map of a shape."""
        return cls(np.zeros(shape, np.uint8))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Zones) and np.array_equal(self.cells, other.cells)

    def __hash__(self) -> int:
        return hash(self.cells.tobytes())


@dataclass(frozen=True)
class Document:
    """Everything that a session runs on.

    Attributes:
        map: the walls and portals.
        zones: costs and guardrails.
        start: where an episode begins.
        goal: where it should end.
        pins: subgoals set by hand, at most one a level.
        setups: one configuration, or two to be compared.
        seed: of the world and the planners.
        episode: counted up to begin again from the start.
    """

    map: Map
    zones: Zones
    start: Point
    goal: Point
    setups: tuple[Setup, ...]
    pins: tuple[Pin, ...] = ()
    seed: int = 0
    episode: int = 0

    @cached_property
    def version(self) -> str:
        """Hash of what is on the map: walls, portals and zones. Heat maps and plans belong to one version."""
        return hashlib.sha256(self.map.version.encode() + self.zones.cells.tobytes()).hexdigest()[:16]

    def pin(self, level: int) -> Pin | None:
        """The pin of a level, if it has one."""
        return next((pin for pin in self.pins if pin.level == level), None)

    def with_pin(self, level: int, place: Point | None) -> Document:
        """With one level's pin set, moved, or let go (None)."""
        others = tuple(pin for pin in self.pins if pin.level != level)
        return replace(self, pins=others if place is None else tuple(sorted((*others, Pin(level, place)), key=_level)))

    def with_setup(self, run: int, setup: Setup) -> Document:
        """With one run's configuration replaced."""
        return replace(self, setups=(*self.setups[:run], setup, *self.setups[run + 1 :]))


def _level(pin: Pin) -> int:
    return pin.level
