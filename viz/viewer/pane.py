"""One map pane at one moment: where it draws, and what it draws."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pygame

from planners.trace import LevelView, Round, Work
from viz.theme import get_theme
from viz.viewer.actions import Layer
from viz.viewer.document import Document
from viz.viewer.layout import Projection, Rect
from viz.viewer.marks import shown_document, shown_step, shown_views
from viz.viewer.messages import LevelFacts
from viz.viewer.model import Model, Run
from viz.viewer.paint import Floats
from viz.viewer.selected import up_to
from viz.viewer.sheet import Sheet
from viz.viewer.state import ViewState


@dataclass(frozen=True)
class Pane:
    """One map pane at one moment.

    Attributes:
        sheet: the pane's own part of the screen.
        state: where the person looks.
        run: what is known of the run shown.
        selected: whether it is the selected one.
        document: shown.
        step: world step shown.
        views: of all levels, finest first; empty before the first decision.
    """

    sheet: Sheet
    state: ViewState
    run: Run
    selected: bool
    document: Document
    step: int
    views: list[LevelView]

    @classmethod
    def of(cls, surface: pygame.Surface, state: ViewState, model: Model, run: int, projection: Projection) -> Pane:
        """The pane of a run, on a surface that holds more than it."""
        visible = surface.get_rect().clip(pygame.Rect(projection.rect))
        corner = projection.world(visible.x, visible.y)
        local = Projection(Rect(0, 0, visible.width, visible.height), corner, projection.scale)
        return cls(
            Sheet(surface.subsurface(visible), local, get_theme(state.theme)), state, model.run(run),
            run == state.run, shown_document(state, model, run), shown_step(state, model, run),
            shown_views(state, model, run),
        )  # fmt: skip

    @cached_property
    def agent(self) -> Floats | None:
        """[2] pixels where the agent is; None before the episode has begun."""
        recording = self.run.recording
        return self.sheet.pixels(recording.observation(self.step)) if recording is not None else None

    @property
    def level(self) -> int:
        """The selected level, or the top one where there are fewer."""
        return max(1, min(self.state.level, len(self.views) or len(self.run.levels)))

    @property
    def facts(self) -> LevelFacts | None:
        """What is known of the selected level."""
        return self.run.levels[self.level - 1] if self.level <= len(self.run.levels) else None

    @cached_property
    def work(self) -> Work | None:
        """How the selected level's plan was found: what there was of it at the round shown, or else the last of it.

        The last is the last round that had a choice: optimisers end by looking once more at what they found.
        """
        recording, number = self.run.recording, self.state.round if self.selected else None
        decision = recording.made(self.level, self.step) if recording is not None else None
        if decision is None or self.level > len(decision.levels):
            return None
        shown = up_to(decision.levels[self.level - 1].work, number)
        choices = [item for item in shown if number is not None or not isinstance(item, Round) or len(item.costs) > 1]
        return (*shown[-1:], *choices[-1:])[-1] if shown else None

    def alpha(self, layer: Layer) -> float:
        """Opacity of a layer; 0 where it is hidden."""
        shown = self.state.layer(layer)
        return shown.alpha if shown.shown else 0.0
