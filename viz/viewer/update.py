"""The reducer: what an event, an action, or reports make of the view state, and what is to be sent.

Total and pure: nothing that a hand does, in any state and with any model, raises, and the same events give the same
states.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from viz.viewer.actions import Action, Layer
from viz.viewer.editing import drop_pin, edit, valid
from viz.viewer.events import Close, Event, Key, Leave, Move, Press, Release, Resize, Tick, Wheel
from viz.viewer.keys import action_of
from viz.viewer.looking import look
from viz.viewer.messages import (
    Apply,
    AskField,
    AskProbe,
    Began,
    Field,
    FieldName,
    Loaded,
    Notice,
    PinReached,
    Report,
    Request,
)
from viz.viewer.model import Model
from viz.viewer.playback import Outgoing, Result, answered, at_step, newest, play, tick
from viz.viewer.pointer import gesture
from viz.viewer.state import FieldKey, ViewState

__all__ = ["Outgoing", "apply", "reported", "update"]

BANNER = 4000
"""Milliseconds for which a notice is shown that isn't urgent."""
FIELDS: tuple[tuple[FieldName, tuple[Layer, ...]], ...] = (
    ("heat", ("heat", "isolines")),
    ("unfamiliar", ("unfamiliar",)),
)
"""Fields, and the layers that show them."""


def update(state: ViewState, event: Event, model: Model) -> Result:
    """What hands do, or a frame's time, makes of the state, and what is to be sent for it."""
    state = _possible(state, model)
    match event:
        case Tick(milliseconds):
            return _ticked(state, milliseconds, model)
        case Key():
            action = action_of(event, state, model)
            return (state, ()) if action is None else apply(state, action, model)
        case Resize(width, height):
            return replace(state, size=(max(1, width), max(1, height))), ()
        case Close():
            return replace(state, open=False), ()
        case Leave():
            return replace(state, pointer=None, hovered=None), ()
        case Press() | Release() | Move() | Wheel():
            state, actions = gesture(state, event, model)
            return _in_turn(state, actions, model)


def apply(state: ViewState, action: Action, model: Model) -> Result:
    """What an action makes of the state, and what is to be sent for it."""
    result = play(state, action, model) or edit(state, action, model) or look(state, action, model)
    state, outgoing = result if result is not None else (state, ())
    if state.stroke is not None:  # until it is over, at most once a frame
        return state, outgoing
    state, documents = _sent(state)
    return state, (*documents, *outgoing)


def reported(state: ViewState, reports: Iterable[Report], model: Model) -> Result:
    """What reports change, once the model has absorbed them."""
    for report in reports:
        match report:
            case Began():
                begun = replace(state, awaited=None, target=None, fraction=0.0, following=True, rested=False)
                state = at_step(begun, 0, model)
            case Loaded(run):
                state = replace(state, asked=frozenset(key for key in state.asked if key[0] != run))
            case Field(run, name, level):
                state = replace(state, asked=frozenset(key for key in state.asked if key[:3] != (run, name, level)))
            case PinReached(_, level):
                state = drop_pin(state, level)
            case Notice():
                state = _told(state, report)
    return answered(_possible(state, model), model)


def _in_turn(state: ViewState, actions: Iterable[Action], model: Model) -> Result:
    outgoing: tuple[Outgoing, ...] = ()
    for action in actions:
        state, more = apply(state, action, model)
        outgoing += more
    return state, outgoing


def _possible(state: ViewState, model: Model) -> ViewState:
    """At a world step that there is: an episode may have begun again meanwhile."""
    return valid(state if 0 <= state.step <= model.last else newest(state, model))


def _told(state: ViewState, notice: Notice) -> ViewState:
    """With a notice to read; what is urgent stays until something else is urgent, or it is dismissed."""
    if state.banner is not None and state.banner.urgent and not notice.urgent:
        return state
    return replace(state, banner=notice, age=0)


# --- frames --------------------------------------------------------------------------------------------------------


def _ticked(state: ViewState, milliseconds: int, model: Model) -> Result:
    """A frame's time: the session hears of edits, time goes on, and what isn't known yet is asked for."""
    state = _aged(state, milliseconds)
    state, documents = _sent(state)
    state, steps = tick(state, milliseconds, model)
    state, questions = _asked(state, model)
    return state, (*documents, *steps, *questions)


def _aged(state: ViewState, milliseconds: int) -> ViewState:
    if state.banner is None or state.banner.urgent:
        return state
    age = state.age + max(0, milliseconds)
    return replace(state, age=age) if age < BANNER else replace(state, banner=None, age=0)


def _sent(state: ViewState) -> tuple[ViewState, tuple[Request, ...]]:
    """The document, if the session doesn't have it; a start that is being dragged isn't one yet."""
    document, stroke = state.document, state.stroke
    if not state.unsent or (stroke is not None and stroke.start != document.start):
        return state, ()
    return replace(state, unsent=False, probed=None), (Apply(document),)


def _asked(state: ViewState, model: Model) -> tuple[ViewState, tuple[Request, ...]]:
    """Fields that layers need and the probe that is shown, each asked for once.

    While a hand drags something, every answer is waited for: the heat map keeps up as well as it can.
    """
    if state.unsent or (state.stroke is not None and state.asked):
        return state, ()
    questions: list[Request] = []
    missing = [key for key in _needed(state, model) if key not in state.asked]
    if missing:
        version, goal = state.document.version, state.document.goal
        still = {key for key in state.asked if key[3:] == (version, goal)}
        state = replace(state, asked=frozenset(still.union(missing)))
        questions += [AskField(run, name, level) for run, name, level, _, _ in missing]
    if state.probe is not None and state.probe != state.probed:
        questions += [AskProbe(run, state.probe) for run in range(len(state.document.setups))]
        state = replace(state, probed=state.probe)
    return state, tuple(questions)


def _needed(state: ViewState, model: Model) -> list[FieldKey]:
    """Fields that are to be seen and aren't known."""
    document, level = state.document, state.level
    names = [name for name, layers in FIELDS if any(state.layer(layer).shown for layer in layers)]
    return [
        (run, name, min(level, setup.levels), document.version, document.goal)
        for run, setup in enumerate(document.setups)
        for name in names
        if model.run(run).loaded and model.run(run).field(name, min(level, setup.levels), document) is None
    ]
