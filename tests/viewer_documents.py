"""Documents to run, and how to read what a session reports of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from viz.viewer.document import Document, Setup, Zones
from viz.viewer.messages import (
    Report,
    Request,
    Stepped,
)
from viz.viewer.model import Model
from viz.viewer.packing import Packer
from viz.viewer.recording import Recording
from viz.viewer.session import Session
from worlds.maps import WALL, Map

R = TypeVar("R")
RING = Map.parse("#########\n#.......#\n#.#####.#\n#.......#\n#########", "ring")
"""Two ways from anywhere to anywhere."""
SEES, BLIND = Setup("map", 2, ("cem", "landmarks")), Setup("medium", 2, ("cem", "landmarks"))


def at(map: Map, row: int, column: int) -> tuple[float, float]:
    x, y = map.center((row, column))
    return float(x), float(y)


def on(map: Map, start: tuple[int, int], goal: tuple[int, int], *setups: Setup) -> Document:
    return Document(map, Zones.none(map.shape), at(map, *start), at(map, *goal), setups)


def ring(*setups: Setup) -> Document:
    return on(RING, (1, 1), (1, 7), *(setups or (SEES,)))


def painted(document: Document, *cells: tuple[int, int], kind: int = WALL) -> Document:
    changed = document.map.cells.copy()
    for cell in cells:
        changed[cell] = kind
    return replace(document, map=Map(changed, document.map.name))


def zoned(document: Document, *cells: tuple[int, int], kind: int) -> Document:
    changed = document.zones.cells.copy()
    for cell in cells:
        changed[cell] = kind
    return replace(document, zones=Zones(changed))


def of(kind: type[R], reports: list[Report]) -> list[R]:
    return [report for report in reports if isinstance(report, kind)]


def begun(*requests: Request) -> tuple[Session, list[Report]]:
    session = Session()
    return session, session.handle(requests)


def packed(reports: Sequence[Report]) -> object:
    """Everything that was told, but for the seconds."""
    packer = Packer()
    timeless = [replace(report, seconds=0.0) if isinstance(report, Stepped) else report for report in reports]
    content = packer.pack(timeless)
    return content, {name: array.tobytes() for name, array in packer.arrays().items()}


def recorded(reports: list[Report]) -> Recording:
    """What a viewer keeps of what the first run reported."""
    model = Model()
    model.absorb(reports)
    recording = model.runs[0].recording
    assert recording is not None
    return recording
