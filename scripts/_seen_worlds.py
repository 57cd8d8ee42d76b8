"""The worlds that are seen in pictures, by the names of their tasks."""

from __future__ import annotations

from collections.abc import Sequence

from scripts._four_rooms_seen import FOUR_ROOMS
from scripts._mazes_seen import DIVERSE_MAZE
from scripts._rooms_seen import TWO_ROOMS
from scripts._seen import SeenWorld

SEEN: dict[str, SeenWorld] = {world.name: world for world in (DIVERSE_MAZE, TWO_ROOMS, FOUR_ROOMS)}


def seen_world(words: Sequence[str]) -> SeenWorld | None:
    """The one that a command line names, if any."""
    return next((SEEN[word] for word in words if word in SEEN), None)
