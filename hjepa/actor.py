"""The actor in Mode 2: observes, plans through the hierarchy, and acts, for a batch of episodes at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hjepa.agent import Agent
from hjepa.planning import LevelPlanner, make_hierarchy
from planners.hierarchy import Session
from planners.landmarks import NONE
from planners.trace import Decision, LevelView

Points = NDArray[np.float32]


class Actor:
    """Acts towards goals. It sees observations and goals, nothing else of the world.

    Args:
        agent: whose stack and landmarks to use.
        levels: levels to plan with, counted from the finest; all by default.
        planners: overrides what plans at each level, the finest first (see :class:`hjepa.planning.PlanningConfig`).
        seed: of the planners' randomness.

    Attributes:
        fresh: whether the newest action was the first of a new decision.
    """

    def __init__(
        self,
        agent: Agent,
        levels: int | None = None,
        planners: tuple[LevelPlanner, ...] | None = None,
        seed: int = 0,
    ) -> None:
        self.agent, self.stack = agent, agent.stack
        self.levels = len(agent.stack) if levels is None else levels
        planning = agent.experiment.planning
        self.config = planning if planners is None else replace(planning, planners=planners)
        self.generator = torch.Generator(self.stack.scale.device).manual_seed(seed)
        self.planner = make_hierarchy(self.stack, agent.graphs, self.config, self.levels, self.generator)
        self.session: Session | None = None
        self.fresh = False

    @torch.no_grad()
    def begin(self, goals: Points) -> None:
        """Starts new episodes with [B, O] goals."""
        states = self.stack.encode_all(self._tensor(goals))
        if self.levels == 1:
            points = [self.planner.controller.measure(states[0])]
        else:
            points = self.planner.embed(states[: self.levels])
        self.session = self.planner.start(points)
        self._queue: list[Points] = []
        self._plan: Tensor | None = None

    def act(self, observations: Points, active: NDArray[np.bool_] | None = None) -> Points:
        """[B, O] observations to the [B, A] actions of one world step; plans anew every ``commit`` steps.

        Args:
            observations: what is seen now.
            active: [B] episodes that still run.

        Raises:
            RuntimeError: before :meth:`begin`.
        """
        if self.session is None:
            raise RuntimeError("Actor.begin(goals) must come before act()")
        self.fresh = not self._queue
        if self.fresh:
            self._decide(self._tensor(observations), active)
        return self._queue.pop(0)

    @torch.no_grad()
    def _decide(self, observations: Tensor, active: NDArray[np.bool_] | None) -> None:
        assert self.session is not None
        states = self.stack.encode_all(observations)[: self.levels]
        elapsed = 0.0 if self._plan is None else float(self.config.commit)
        plan = self.planner.plan(states, self.session, elapsed=elapsed, active=active, generator=self.generator)
        self._plan = plan.states
        self._queue = [actions.cpu().numpy() for actions in plan.actions[:, : self.config.commit].unbind(1)]

    def view(self, step: int, problem: int = 0) -> Decision:
        """What the hierarchy has in mind for one episode, decoded for people."""
        assert self.session is not None and self._plan is not None
        levels = [self._level_one(problem)]
        for k in range(2, self.levels + 1):
            levels.append(self._level_view(k, problem))
        return Decision(step, tuple(levels), tuple(self.session.events[problem]))

    @torch.no_grad()
    def _level_one(self, problem: int) -> LevelView:
        assert self._plan is not None
        points = self.stack.decode(self._plan[problem]).cpu().numpy()
        return LevelView(points, points[-1])

    def _level_view(self, k: int, problem: int) -> LevelView:
        assert self.session is not None
        track = self.session.track(k, problem)
        states = torch.from_numpy(track.path.states).to(self.stack.scale.device)
        points = self.stack.decode(states, k).cpu().numpy()
        known = track.path.landmarks != NONE  # what was observed there is truer than what can be decoded
        points[known] = self.agent.graphs[k].observations[track.path.landmarks[known]]
        return LevelView(points[track.at :], points[track.carrot], int(track.age), track.path.expanded)

    def _tensor(self, observations: Points) -> Tensor:
        return torch.as_tensor(observations, dtype=torch.float32, device=self.stack.scale.device)
