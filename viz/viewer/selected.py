"""What the selected level and run are about: pure look-ups in the state and the model, the same for hands and eyes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from planners.trace import Decision, Expansion, Tree, Work
from viz.viewer.document import Setup
from viz.viewer.messages import LevelFacts
from viz.viewer.model import Model
from viz.viewer.recording import Recording
from viz.viewer.state import ViewState


def setup(state: ViewState) -> Setup:
    """The selected run's configuration."""
    return state.document.setups[min(state.run, len(state.document.setups) - 1)]


def most_levels(state: ViewState, model: Model) -> int:
    """How many levels the selected run's agent can plan with; as long as nothing is known of it, those that do."""
    return len(model.run(state.run).levels) or setup(state).levels


def facts(state: ViewState, model: Model, level: int | None = None) -> LevelFacts | None:
    """What is known of a level (None: of the selected one) of the selected run."""
    known, level = model.run(state.run).levels, level or state.level
    return known[level - 1] if level <= len(known) else None


def choices(state: ViewState, model: Model, level: int) -> tuple[str, ...]:
    """Names of what can plan at a level; as long as nothing is known, of what does."""
    known = facts(state, model, level)
    planners = setup(state).planners
    return known.planners if known is not None else planners[level - 1 : level]


def made(state: ViewState, model: Model) -> Decision | None:
    """The decision at which the selected level's plan of the world step shown was made."""
    recording = model.run(state.run).recording
    return recording.made(state.level, state.step) if recording is not None else None


def work(state: ViewState, model: Model) -> tuple[Work, ...]:
    """How that plan was found, whole."""
    decision = made(state, model)
    return decision.levels[state.level - 1].work if decision is not None else ()


def rounds(state: ViewState, model: Model) -> int:
    """Rounds of that work: every round of an optimiser, tree, or place that a search looked at counts as one."""
    return sum(map(_length, work(state, model)))


def shown_work(state: ViewState, model: Model) -> tuple[Work, ...]:
    """That work up to the round shown; its last item is what is being looked at."""
    return up_to(work(state, model), state.round)


def up_to(items: Iterable[Work], number: int | None) -> tuple[Work, ...]:
    """Work up to a round (counted from 0; None for all of it), a search cut where it was by then."""
    shown: list[Work] = []
    left = float("inf") if number is None else number + 1
    for item in items:
        if left <= 0:
            break
        shown.append(_cut(item, int(min(left, _length(item)))))
        left -= _length(item)
    return tuple(shown)


def tree(state: ViewState, model: Model) -> Tree | None:
    """The MCTS tree shown, if the selected level plans with one."""
    trees = [item for item in shown_work(state, model) if isinstance(item, Tree)]
    return trees[-1] if trees else None


def recordings(state: ViewState, model: Model) -> list[Recording]:
    """What is recorded of the configurations that there are; a comparison that is over no longer counts."""
    runs = model.runs[: len(state.document.setups)]
    return [run.recording for run in runs if run.recording is not None]


def running(state: ViewState, model: Model) -> list[Recording]:
    """The recordings of runs that can go on."""
    return [recording for recording in recordings(state, model) if recording.status == "running"]


def _length(item: Work) -> int:
    return len(item.places) if isinstance(item, Expansion) else 1


def _cut(item: Work, rounds: int) -> Work:
    if not isinstance(item, Expansion) or rounds == len(item.places):
        return item
    return replace(item, places=item.places[:rounds], parents=item.parents[:rounds])
