"""What the layers of one map pane draw with, and what they draw."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pygame
from numpy.typing import ArrayLike

from planners.trace import LevelView, Work
from viz.theme import LevelStyle, Theme, get_theme
from viz.viewer.actions import Layer
from viz.viewer.document import Document
from viz.viewer.ground import line_scale
from viz.viewer.layout import Projection, Rect
from viz.viewer.marks import shown_document, shown_step, shown_views
from viz.viewer.messages import LevelFacts
from viz.viewer.model import Model, Run
from viz.viewer.paint import Floats
from viz.viewer.selected import up_to
from viz.viewer.state import ViewState


@dataclass(frozen=True)
class Pane:
    """One map pane at one moment.

    Attributes:
        surface: the pane alone: its top left pixel is (0, 0).
        projection: of that surface.
        theme: look.
        state: where the person looks.
        run: what is known of the run shown.
        selected: whether it is the selected one.
        document: shown.
        step: world step shown.
        views: of all levels, finest first; empty before the first decision.
    """

    surface: pygame.Surface
    projection: Projection
    theme: Theme
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
        return cls(
            surface.subsurface(visible), Projection(Rect(0, 0, *visible.size), corner, projection.scale),
            get_theme(state.theme), state, model.run(run), run == state.run, shown_document(state, model, run),
            shown_step(state, model, run), shown_views(state, model, run),
        )  # fmt: skip

    @cached_property
    def unit(self) -> float:
        """Pixels per point of the theme's widths and sizes."""
        return 1.15 * line_scale(self.projection)

    @cached_property
    def agent(self) -> Floats | None:
        """[2] pixels where the agent is; None before the episode has begun."""
        recording = self.run.recording
        return self.pixels(recording.observation(self.step)) if recording is not None else None

    @property
    def level(self) -> int:
        """The selected level, or the top one where there are fewer."""
        return max(1, min(self.state.level, len(self.views) or len(self.run.levels) or 1))

    @property
    def facts(self) -> LevelFacts | None:
        """What is known of the selected level."""
        return self.run.levels[self.level - 1] if self.level <= len(self.run.levels) else None

    @property
    def work(self) -> tuple[Work, ...]:
        """How the selected level's plan was found, up to the round shown."""
        recording = self.run.recording
        decision = recording.made(self.level, self.step) if recording is not None else None
        if decision is None or self.level > len(decision.levels):
            return ()
        return up_to(decision.levels[self.level - 1].work, self.state.round if self.selected else None)

    def alpha(self, layer: Layer) -> float:
        """Opacity of a layer; 0 where it is hidden."""
        shown = self.state.layer(layer)
        return shown.alpha if shown.shown else 0.0

    def pixels(self, places: ArrayLike) -> Floats:
        """[..., 2] world positions to [..., 2] pixels."""
        return self.projection.pixels(places).astype(np.float32)

    def style(self, level: int) -> LevelStyle:
        """A level's style; width and size in pixels."""
        style = self.theme.level(level)
        return replace(style, width=style.width * self.unit, size=style.size * self.unit)
