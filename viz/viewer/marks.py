"""What can be taken hold of on a map pane, and where it is: for drawing it, and for finding it under the pointer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from numpy.typing import ArrayLike

from planners.trace import LevelView
from viz.viewer.document import Document, Point
from viz.viewer.layout import Projection
from viz.viewer.model import Model
from viz.viewer.state import ViewState

MarkKind = Literal["goal", "subgoal", "agent", "start"]


class MapMark(NamedTuple):
    """Something on the map that can be dragged.

    Attributes:
        kind: what it is.
        level: whose subgoal; 0 for everything else.
        x: of its centre; pixels.
        y: of its centre; pixels.
    """

    kind: MarkKind
    level: int
    x: float
    y: float


def map_marks(state: ViewState, model: Model, run: int, projection: Projection) -> tuple[MapMark, ...]:
    """What can be dragged on one map pane, that on top first: the goal, subgoals from fine to coarse, agent, start."""
    document = shown_document(state, model, run)
    return tuple(_marks(document, state, model, run, projection))


def shown_document(state: ViewState, model: Model, run: int) -> Document:
    """The document that a map pane shows: what was in force at the world step shown.

    The newest step, and a document that isn't in force anywhere yet, are shown as edited: a hand sees what it does at
    once.
    """
    recording = model.run(run).recording
    if recording is None or state.step >= recording.last or recording.document(recording.last) != state.document:
        return state.document
    return recording.document(state.step)


def shown_step(state: ViewState, model: Model, run: int) -> int:
    """The world step that a map pane shows: a run that ended before the others stays at its end."""
    return min(state.step, model.run(run).last)


def shown_views(state: ViewState, model: Model, run: int) -> list[LevelView]:
    """What every level has in mind at the world step shown, finest first; empty before the first decision."""
    recording, step = model.run(run).recording, shown_step(state, model, run)
    decision = recording.decision(step) if recording is not None else None
    if recording is None or decision is None:
        return []
    views = (recording.view(level, step) for level in range(1, len(decision.levels) + 1))
    return [view for view in views if view is not None]


def subgoal(document: Document, views: list[LevelView], level: int) -> ArrayLike | None:
    """[2] what a level asks of the one below: where it is pinned, or else as planned; None if there is neither."""
    pin = document.pin(level)
    if pin is not None:
        return pin.place
    return views[level - 1].subgoal if level <= len(views) else None


def agent_place(state: ViewState, model: Model, run: int) -> Point:
    """Where the agent is at the world step shown: at the start, before the episode has begun; world units."""
    recording = model.run(run).recording
    if recording is None:
        return state.document.start
    x, y = recording.observation(shown_step(state, model, run)).tolist()
    return x, y


def _marks(document: Document, state: ViewState, model: Model, run: int, projection: Projection) -> Iterator[MapMark]:
    yield _mark("goal", 0, document.goal, projection)
    views, setups = shown_views(state, model, run), document.setups[run : run + 1]
    for level in range(2, (len(views) or sum(setup.levels for setup in setups)) + 1):
        place = subgoal(document, views, level)
        if place is not None:
            yield _mark("subgoal", level, place, projection)
    yield _mark("agent", 0, agent_place(state, model, run), projection)
    yield _mark("start", 0, document.start, projection)


def _mark(kind: MarkKind, level: int, place: ArrayLike, projection: Projection) -> MapMark:
    x, y = projection.pixels(place).tolist()
    return MapMark(kind, level, x, y)
