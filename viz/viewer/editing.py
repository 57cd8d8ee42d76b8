"""Taking hold: edits of the document, which can be undone, and what they mean for the session."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from viz.viewer.actions import (
    Action,
    Brush,
    EndStroke,
    MoveGoal,
    MovePin,
    MoveStart,
    NewMap,
    Paint,
    Probe,
    Redo,
    ReplanLevel,
    Restart,
    SetAgent,
    SetLevels,
    SetPlanner,
    SetRisk,
    ToggleCompare,
    Undo,
)
from viz.viewer.document import ATTITUDES, CLEAR, COST, GUARDRAIL, Cell, Document, Point, Setup, Zones
from viz.viewer.messages import Notice, Replan
from viz.viewer.model import Model
from viz.viewer.playback import Result, newest
from viz.viewer.selected import choices, most_levels, setup
from viz.viewer.state import ViewState
from worlds.maps import CELL_SIZE, FREE, WALL, Map, MapError, generate_maze

HISTORY = 200
"""Edits that can be undone."""
UPPER_PLANNER = "landmarks"
"""What plans at a level that nobody has chosen a planner for."""
INSIDE = 0.7
"""World units that a place keeps from the border's walls: the agent's radius."""

_ZONES: dict[Brush, int] = {"cost": COST, "guardrail": GUARDRAIL, "erase": CLEAR}


def edit(state: ViewState, action: Action, model: Model) -> Result | None:
    """What an action that takes hold does; None for the others."""
    match action:
        case Paint(brush, cells):
            return _painted(state, brush, cells, model), ()
        case MoveGoal(place):
            there = inside(place, state.document.map)
            return (state if there is None else stroking(state, replace(state.document, goal=there), model)), ()
        case MoveStart(place):
            there = inside(place, state.document.map)
            return (state if there is None else stroking(state, replace(state.document, start=there), model)), ()
        case MovePin(level, place):
            return _pinned(state, level, place, model), ()
        case EndStroke():
            return end_stroke(state), ()
        case Probe(place):
            there = inside(place, state.document.map)
            return (state if there is None else replace(state, probe=there)), ()
        case ReplanLevel(level):
            runs = range(len(state.document.setups)) if 1 <= level <= setup(state).levels else ()
            return state, tuple(Replan(run, level) for run in runs if run == state.run)
        case Undo():
            return _undone(end_stroke(state), model), ()
        case Redo():
            return _redone(end_stroke(state), model), ()
    changed = _changed(end_stroke(state), action, model)
    return None if changed is None else (changed, ())


def _changed(state: ViewState, action: Action, model: Model) -> ViewState | None:
    """What an action does that changes the document at one blow; None for the others."""
    document, chosen = state.document, setup(state)
    match action:
        case Restart():
            again = replace(document, episode=document.episode + 1)
            return replace(state, document=again, unsent=True, playing=True, rested=False)
        case NewMap(seed):
            return _on_a_new_map(state, state.maze + 1 if seed is None else abs(seed), model)
        case SetPlanner(level, planner):
            planners = _padded(state, chosen.planners, chosen.levels, model)
            if not 1 <= level <= chosen.levels:
                return state
            planners = (*planners[: level - 1], planner, *planners[level:])
            return _with_setup(state, replace(chosen, planners=planners), model)
        case SetLevels(levels):
            levels = min(max(levels, 1), most_levels(state, model))
            planners = _padded(state, chosen.planners, levels, model)
            return _with_setup(state, replace(chosen, levels=levels, planners=planners), model)
        case SetRisk(risk):
            return _with_setup(state, replace(chosen, risk=risk), model) if risk in ATTITUDES else state
        case SetAgent(agent):
            return _with_setup(state, replace(chosen, agent=agent), model)
        case ToggleCompare():
            return _compared(state, model)
    return None


# --- documents -----------------------------------------------------------------------------------------------------


def changed(state: ViewState, document: Document, model: Model) -> ViewState:
    """With another document, in one step that can be undone, or as a part of the stroke in progress.

    Whoever edits sees the present: an edit comes into force at the newest world step.
    """
    if document == state.document:
        return state
    state = state if state.step >= model.last else newest(state, model)
    if state.stroke is not None:
        return replace(state, document=document, unsent=True)
    past = (*state.past, state.document)[-HISTORY:]
    return replace(state, document=document, past=past, future=(), unsent=True)


def stroking(state: ViewState, document: Document, model: Model) -> ViewState:
    """With another document; until the end of the stroke, all of it is one edit."""
    return changed(state if state.stroke is not None else replace(state, stroke=state.document), document, model)


def end_stroke(state: ViewState) -> ViewState:
    """The stroke is over: it can be undone, and where it moved the start, a new episode begins there."""
    before, document = state.stroke, state.document
    if before is None:
        return state
    state = replace(state, stroke=None)
    if document == before:
        return state
    if document.start != before.start:
        document = replace(document, episode=document.episode + 1)
    past = (*state.past, before)[-HISTORY:]
    return replace(state, document=document, past=past, future=(), unsent=state.unsent or document != state.document)


def drop_pin(state: ViewState, level: int) -> ViewState:
    """Without a level's pin, which was reached: nor does undoing something else bring it back."""
    pin = state.document.pin(level)
    if pin is None:
        return state

    def without(documents: Iterable[Document]) -> tuple[Document, ...]:
        return tuple(item.with_pin(level, None) if item.pin(level) == pin else item for item in documents)

    (document,), stroke = without([state.document]), state.stroke
    stroke = stroke if stroke is None else without([stroke])[0]
    return replace(state, document=document, stroke=stroke, past=without(state.past), future=without(state.future))


def _undone(state: ViewState, model: Model) -> ViewState:
    past = state.past
    while past and past[-1] == state.document:
        past = past[:-1]
    if not past:
        return replace(state, past=())
    document = _in_force(past[-1], state.document)
    future = (state.document, *state.future)
    return valid(replace(newest(state, model), document=document, past=past[:-1], future=future, unsent=True))


def _redone(state: ViewState, model: Model) -> ViewState:
    if not state.future:
        return state
    document, past = _in_force(state.future[0], state.document), (*state.past, state.document)[-HISTORY:]
    state = replace(newest(state, model), document=document, past=past, future=state.future[1:], unsent=True)
    return valid(state)


def _in_force(document: Document, present: Document) -> Document:
    """A document of before or after in the present's place: another start or maze means another episode."""
    anew = document.start != present.start or document.map.name != present.map.name
    return replace(document, episode=present.episode + anew)


def valid(state: ViewState) -> ViewState:
    """With a selection that there is: after an edit there may be fewer runs, or levels."""
    run = min(max(state.run, 0), len(state.document.setups) - 1)
    level = min(max(state.level, 1), state.document.setups[run].levels)
    if (run, level) == (state.run, state.level):
        return state
    return replace(state, run=run, level=level, round=None, node=None, landmark=None, hovered=None)


# --- the map -------------------------------------------------------------------------------------------------------


def _painted(state: ViewState, brush: Brush, cells: Iterable[Cell], model: Model) -> ViewState:
    rows, columns = state.document.map.shape
    inner = [(i, j) for i, j in cells if 0 < i < rows - 1 and 0 < j < columns - 1]
    if not inner:
        return state
    try:
        return stroking(state, _with_cells(state.document, brush, np.array(inner)), model)
    except MapError as error:
        return replace(state, banner=Notice(str(error)), age=0)


def _with_cells(document: Document, brush: Brush, cells: NDArray[np.int64]) -> Document:
    """With [n, 2] cells painted: walls on the map; costs and guardrails on its floor; erased, plain floor."""
    walls, at = document.map.walls, (cells[:, 0], cells[:, 1])
    if brush == "wall":
        painted = np.where(_mask(walls.shape, at), WALL, document.map.cells)
        return replace(document, map=_map(document.map, painted))
    zones = document.zones.cells.copy()
    zones[at] = np.where(walls[at] & (brush != "erase"), zones[at], _ZONES[brush])
    map = document.map
    if brush == "erase" and walls[at].any():
        map = _map(map, np.where(_mask(walls.shape, at) & walls, FREE, map.cells))
    return replace(document, map=map, zones=Zones(zones))


def _mask(shape: tuple[int, ...], at: tuple[NDArray[np.int64], NDArray[np.int64]]) -> NDArray[np.bool_]:
    mask = np.zeros(shape, dtype=bool)
    mask[at] = True
    return mask


def _map(map: Map, cells: NDArray[np.uint8]) -> Map:
    return Map(cells, map.name)


def inside(place: Point, map: Map) -> Point | None:
    """The nearest place within the map's border; None for what is no place at all."""
    x, y = float(place[0]), float(place[1])
    if not (math.isfinite(x) and math.isfinite(y)):
        return None
    rows, columns = map.shape
    low = 0.5 * CELL_SIZE - CELL_SIZE + INSIDE  # the border's cells are centred at -CELL_SIZE
    right, bottom = ((count - 2.5) * CELL_SIZE - INSIDE for count in (columns, rows))
    return min(max(x, low), right), min(max(y, low), bottom)


def _pinned(state: ViewState, level: int, place: Point | None, model: Model) -> ViewState:
    if place is None:
        return changed(end_stroke(state), state.document.with_pin(level, None), model)
    there = inside(place, state.document.map)
    if not 2 <= level <= max(one.levels for one in state.document.setups):
        text = "level 1 asks for world steps: select level 2 or above to pin its subgoal"
        return replace(state, banner=Notice(text), age=0)
    return state if there is None else stroking(state, state.document.with_pin(level, there), model)


def _on_a_new_map(state: ViewState, seed: int, model: Model) -> ViewState:
    """A maze of the present one's size, its start and goal as far apart as can be, for agents that see it."""
    document = state.document
    map = generate_maze(*document.map.shape, seed)
    start = _farthest(map, map.free_cells()[0])
    goal = _farthest(map, start)
    setups = tuple(replace(one, agent="map") for one in document.setups)
    (start_x, start_y), (goal_x, goal_y) = map.center(start).tolist(), map.center(goal).tolist()
    document = Document(
        map, Zones.none(map.shape), (start_x, start_y), (goal_x, goal_y), setups, (), document.seed,
        document.episode + 1,
    )  # fmt: skip
    return replace(changed(state, document, model), maze=seed, playing=True, rested=False)


def _farthest(map: Map, cell: NDArray[np.int64]) -> NDArray[np.int64]:
    """[2] the cell that is farthest to walk to."""
    distances = map.distances_from(cell)
    return np.array(np.unravel_index(int(np.argmax(distances)), distances.shape))


# --- who plans -----------------------------------------------------------------------------------------------------


def _with_setup(state: ViewState, chosen: Setup, model: Model) -> ViewState:
    document = state.document.with_setup(min(state.run, len(state.document.setups) - 1), chosen)
    highest = max(one.levels for one in document.setups)
    document = replace(document, pins=tuple(pin for pin in document.pins if pin.level <= highest))
    return valid(changed(state, document, model))


def _padded(state: ViewState, planners: tuple[str, ...], levels: int, model: Model) -> tuple[str, ...]:
    """A planner for each of so many levels: those that there are, or else the first that can plan there."""
    missing = range(len(planners) + 1, levels + 1)
    return (*planners[:levels], *((choices(state, model, level) or (UPPER_PLANNER,))[0] for level in missing))


def _compared(state: ViewState, model: Model) -> ViewState:
    """With a second configuration that differs in one planner (the session lets both begin anew); or without it."""
    document = state.document
    if len(document.setups) > 1:
        return valid(changed(state, replace(document, setups=document.setups[:1]), model))
    setups = (*document.setups, _rival(state, model))
    return replace(changed(state, replace(document, setups=setups), model), playing=True, rested=False)


def _rival(state: ViewState, model: Model) -> Setup:
    """The present configuration with another planner at the selected level: MCTS, if it can plan there."""
    chosen, level = setup(state), state.level
    planners = _padded(state, chosen.planners, chosen.levels, model)
    others = [name for name in choices(state, model, level) if name != planners[level - 1]]
    other = "mcts" if "mcts" in others else next(iter(others), planners[level - 1])
    return replace(chosen, planners=(*planners[: level - 1], other, *planners[level:]))
