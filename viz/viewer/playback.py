"""Time: playing, scrubbing, following what happens live, and the planner's rounds."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import replace

from viz.viewer.actions import Action, Follow, RoundBy, Save, Seek, SeekMark, SeekRound, Speed, StepBy, TogglePlay
from viz.viewer.messages import Advance, Request
from viz.viewer.model import Model
from viz.viewer.recording import ENDS
from viz.viewer.selected import made, recordings, rounds, running
from viz.viewer.state import SPEEDS, ViewState

Outgoing = Request | Save
Result = tuple[ViewState, tuple[Outgoing, ...]]

AHEAD = 0.15
"""Seconds of playing that the session is asked for at once, so that it is neither late nor far ahead of the hand."""
LONGEST_TICK = 100
"""Milliseconds: where a frame took longer, time stood still meanwhile."""


def play(state: ViewState, action: Action, model: Model) -> Result | None:
    """What an action about time does; None for the others."""
    match action:
        case TogglePlay():
            return _toggled(state, model), ()
        case StepBy(steps):
            return _stepped(state, steps, model)
        case Seek(step):
            return seek(state, step, model), ()
        case SeekMark(direction):
            return _at_mark(state, direction, model), ()
        case Follow():
            return newest(state, model), ()
        case Speed(change):
            return replace(state, speed=_speed(state.speed, change)), ()
        case SeekRound(number):
            return _at_round(state, number, model), ()
        case RoundBy(by):
            last = rounds(state, model) - 1
            return _at_round(state, (last if state.round is None else state.round) + by, model), ()
    return None


def seek(state: ViewState, step: int, model: Model) -> ViewState:
    """At a world step, or as near as there is one."""
    last = model.last
    step = min(max(step, 0), last)
    return at_step(replace(state, fraction=0.0, target=None, following=step >= last), step, model)


def newest(state: ViewState, model: Model) -> ViewState:
    """At the newest world step, and with it from then on."""
    return seek(state, model.last, model)


def at_step(state: ViewState, step: int, model: Model) -> ViewState:
    """Shows a world step; rounds and nodes are of one decision, and mean nothing in another one."""
    if step == state.step:
        return state
    moved = replace(state, step=step)
    if state.round is None and state.node is None:
        return moved
    return moved if made(moved, model) is made(state, model) else replace(moved, round=None, node=None)


def tick(state: ViewState, milliseconds: int, model: Model) -> Result:
    """Time passes while playing: what is recorded is shown, and the session is asked for more in good time."""
    if not state.playing or (state.gesture is not None and state.gesture.kind == "control"):
        return state, ()
    exact = state.fraction + SPEEDS[state.speed] * min(max(milliseconds, 0), LONGEST_TICK) / 1000
    last, whole = model.last, int(exact)
    step = min(state.step + whole, last)
    live = state.following or step >= last
    state = at_step(state, step, model)
    fraction = exact - whole if step < last else 0.0
    if (fraction, live) != (state.fraction, state.following):
        state = replace(state, fraction=fraction, following=live)
    return _live(state, model) if live else (state, ())


def _live(state: ViewState, model: Model) -> Result:
    """Asks the session to go on in good time, or stops where no run ever will."""
    going, ahead = running(state, model), math.ceil(SPEEDS[state.speed] * AHEAD)
    if going:
        return _asked(state, ahead, model) if model.last - state.step < ahead else (state, ())
    if state.step >= model.last and _finished(state, model):
        return replace(state, playing=False, rested=True), ()
    return state, ()


def _asked(state: ViewState, steps: int, model: Model) -> Result:
    """Asks the session for so many world steps, unless it owes an answer."""
    if state.awaited is not None:
        return state, ()
    return replace(state, awaited=_front(state, model) + steps), (Advance(steps),)


def answered(state: ViewState, model: Model) -> Result:
    """After reports: whether the session has gone as far as it was asked, and what was waited for can be shown."""
    going = running(state, model)
    if state.awaited is not None and (not going or _front(state, model) >= state.awaited):
        state = replace(state, awaited=None)
    if state.rested and going:
        state = replace(state, playing=True, rested=False)
    if state.target is None:
        return state, ()
    state = at_step(state, min(state.target, model.last), model)
    missing = state.target - model.last if state.target is not None else 0
    if missing <= 0 or not going:
        return replace(state, target=None), ()
    return _asked(state, missing, model)


def _front(state: ViewState, model: Model) -> int:
    """The newest world step of the slowest run that can go on."""
    return min((recording.last for recording in running(state, model)), default=model.last)


def _finished(state: ViewState, model: Model) -> bool:
    """Whether every run has come to its end, rather than waits for a hand's help."""
    known = recordings(state, model)
    return bool(known) and all(recording.status in ENDS for recording in known)


def _toggled(state: ViewState, model: Model) -> ViewState:
    state = replace(state, target=None, rested=False, fraction=0.0)
    if state.playing:
        return replace(state, playing=False)
    if state.step >= model.last > 0 and _finished(state, model):  # as every player does: from the beginning again
        return replace(at_step(state, 0, model), playing=True, following=False)
    return replace(state, playing=True, following=state.step >= model.last)


def _stepped(state: ViewState, steps: int, model: Model) -> Result:
    origin = state.step if state.target is None else state.target
    state = replace(seek(state, origin + steps, model), playing=False, rested=False)
    missing = origin + steps - model.last
    if missing <= 0 or not running(state, model):
        return state, ()
    return _asked(replace(state, target=origin + steps), missing, model)


def _at_mark(state: ViewState, direction: int, model: Model) -> ViewState:
    """At the next mark of the selected run in a direction; where there is none, at the end of time that way."""
    recording = model.run(state.run).recording
    steps = sorted({mark.step for mark in recording.marks}) if recording is not None else []
    if direction > 0:
        later = steps[bisect_right(steps, state.step) :]
        return seek(state, later[0] if later else model.last, model)
    earlier = steps[: bisect_left(steps, state.step)]
    return seek(state, earlier[-1] if earlier else 0, model)


def _speed(present: int, change: int) -> int:
    if change in SPEEDS:
        return SPEEDS.index(change)
    return min(max(present + change, 0), len(SPEEDS) - 1)


def _at_round(state: ViewState, number: int | None, model: Model) -> ViewState:
    """At a round, while time stands still; the last one stays the last, however many there will be."""
    last = rounds(state, model) - 1
    shown = None if number is None or number >= last or last < 1 else max(number, 0)
    return replace(state, round=shown, node=None if shown != state.round else state.node, playing=False, rested=False)
