"""The actor that sees: looks at every frame, plans through the hierarchy, and acts, for a batch of episodes at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hjepa.vision.agent import VisionAgent
from hjepa.vision.planning import Ground, VisionPlanning, vision_hierarchy
from hjepa.vision.spatial_level import Backdrop, SpatialLevel
from hjepa.vision.stack import states_of
from planners.hierarchy import HierarchicalPlanner, Session

Frames = NDArray[np.uint8]
Actions = NDArray[np.float32]


class Look(NamedTuple):
    """What is seen at one time in B episodes.

    Attributes:
        features: [B, C, h, w].
        places: [B, 2] of what moves, cells.
    """

    features: Tensor
    places: Tensor


class VisionActor:
    """Acts towards goals that it is shown. It sees frames, nothing else of the world.

    Motion is what a frame shows beside the frame before it: short-term memory.

    Args:
        agent: whose stack to use.
        levels: levels to plan with, counted from the finest; all by default.
        config: how to plan; by default as :class:`VisionPlanning` does.
        seed: of the planners' randomness.

    Raises:
        ValueError: for a number of levels that the agent does not have.

    Attributes:
        fresh: whether the newest action was the first of a new decision.
    """

    def __init__(
        self, agent: VisionAgent, levels: int | None = None, config: VisionPlanning | None = None, seed: int = 0
    ) -> None:
        self.agent, self.stack, self.config = agent, agent.stack, config or VisionPlanning()
        self.levels = len(agent.stack) if levels is None else levels
        if not 1 <= self.levels <= len(agent.stack):
            raise ValueError(f"levels must be 1 to {len(agent.stack)} for this agent, not {levels}")
        self.generator = torch.Generator(self.stack.pace.device).manual_seed(seed)
        self.session: Session | None = None
        self.fresh = False

    def begin(self, goals: Frames) -> None:
        """Starts new episodes with [B, 3, H, W] pictures of their goals."""
        self._goal_frames = goals
        self.session = None
        self._before: Look | None = None
        self._queue: list[Actions] = []

    @torch.no_grad()
    def act(self, frames: Frames, active: NDArray[np.bool_] | None = None) -> Actions:
        """[B, 3, H, W] frames to the [B, A] actions of one world step; plans anew every ``commit`` steps.

        Args:
            frames: what is seen now.
            active: [B] episodes that still run.
        """
        if len(self._queue) > 1:  # what decisions need is the frame of theirs and the one before
            self.fresh = False
            return self._queue.pop(0)
        now = self._look(frames)
        if self.session is None:
            self._planner, self.session = self._look_around(now)
        self.fresh = not self._queue
        if self.fresh:
            plan = self._planner.plan(
                self._states(now, now if self._before is None else self._before),
                self.session,
                elapsed=0.0 if self._before is None else float(self.config.commit),
                active=active,
                generator=self.generator,
            )
            actions = plan.actions[:, : self.config.commit]
            self._queue = [action.cpu().numpy() for action in actions.unbind(1)]
        self._before = now
        return self._queue.pop(0)

    def _look_around(self, now: Look) -> tuple[HierarchicalPlanner, Session]:
        """The first look at an episode: its layout, from the first frame and the picture of the goal, and its goal."""
        goal = self._look(self._goal_frames)
        layouts = [
            (self.stack.layouts(now.features, k) + self.stack.layouts(goal.features, k)) / 2
            for k in range(2, self.levels + 1)
        ]
        planner = vision_hierarchy(self.agent, self._ground(now, goal), layouts, self.config, self.generator)
        return planner, planner.start([goal.places / self.stack.pace] * self.levels)

    def _ground(self, now: Look, goal: Look) -> Ground:
        """What level 1 makes of the layouts."""
        if isinstance(self.stack.first, SpatialLevel):
            features, places = (torch.stack(pair, 1) for pair in zip(now, goal, strict=True))
            return Backdrop.remember(self.stack.attention, features, places)
        return (self.stack.layouts(now.features, 1) + self.stack.layouts(goal.features, 1)) / 2

    def _states(self, now: Look, before: Look) -> list[Tensor]:
        """The state of every level that plans, finest first."""
        numbers = torch.arange(len(now.places), device=now.places.device)
        state = states_of(now.places, before.places, numbers)
        first = self.stack.first
        if isinstance(first, SpatialLevel):
            fine = first.states(now.features, before.features, now.places, numbers)
            return [fine] + [state] * (self.levels - 1)
        return [state] * self.levels

    def _look(self, frames: Frames) -> Look:
        features = self.stack.backbone(torch.as_tensor(frames, device=self.stack.pace.device))
        return Look(features, self.stack.places(features))
