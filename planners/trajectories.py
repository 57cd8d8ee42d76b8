"""Paths from any planner over a level's predictor, with no landmarks: search and optimisation in the raw latent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from planners.astar import SearchGoal
from planners.base import Cost, Dynamics, Plan, Planner
from planners.landmarks import NONE, Path, Query

Embed = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class TrajectoryPlanner:
    """Lets a :class:`planners.base.Planner` plan a level's paths (see :class:`planners.landmarks.PathPlanner`).

    Attributes:
        planner: plans macro-actions.
        dynamics: the level's predictor.
        embed: [..., D] states to the level's critic space.
        measure: [..., D] states to the space in which targets are given.
        level: k.
        stride: world steps of one prediction.
        tolerance: a target counts as reached within this many world steps.
        generator: randomness of the planner; plans are made on its device.
        penalty: [..., D] states to the [...] world steps that a state costs beside its distance to the target.
    """

    planner: Planner
    dynamics: Dynamics
    embed: Embed
    measure: Embed
    level: int
    stride: int
    tolerance: float
    generator: torch.Generator
    penalty: Embed | None = None

    def below(self, landmark: int) -> int:
        """There are no landmarks."""
        return NONE

    def paths(self, queries: list[Query]) -> list[Path]:
        """One path per query, all planned in one batch."""
        device = self.generator.device
        start = torch.as_tensor(np.stack([query.state for query in queries]), device=device)
        target = torch.as_tensor(np.stack([query.target.point for query in queries]), device=device)
        cost: Cost = SearchGoal(target, self._cost_to_go, self.tolerance, self._distance)
        plan = self.planner.plan(self.dynamics, cost, start, generator=self.generator)
        with torch.no_grad():
            points = self.embed(plan.states).cpu().numpy()
            apart = torch.linalg.vector_norm(self.measure(plan.states) - target.unsqueeze(1), dim=-1).cpu().numpy()
        lengths = self._lengths(plan, apart)
        return [
            self._path(query, plan.states[b].cpu().numpy(), points[b], apart[b], int(lengths[b]), plan)
            for b, query in enumerate(queries)
        ]

    def _cost_to_go(self, states: Tensor, goals: Tensor) -> Tensor:
        distance = self._distance(states, goals)
        return distance if self.penalty is None else distance + self.penalty(states)

    def _distance(self, states: Tensor, goals: Tensor) -> Tensor:
        return torch.linalg.vector_norm(self.measure(states) - goals, dim=-1)

    def _lengths(self, plan: Plan, apart: NDArray[np.float32]) -> NDArray[np.int64]:
        """Steps of each plan that are worth following: those of the search, or up to the state nearest the target."""
        if "path_lengths" in plan.extras:
            return np.maximum(1, np.asarray(plan.extras["path_lengths"]))
        return 1 + apart[:, 1:].argmin(1)

    def _path(
        self,
        query: Query,
        states: NDArray[np.float32],
        points: NDArray[np.float32],
        apart: NDArray[np.float32],
        length: int,
        plan: Plan,
    ) -> Path:
        states, points = states[: length + 1].copy(), points[: length + 1].copy()
        arrival = np.float32(self.stride) * np.arange(len(states), dtype=np.float32)
        reached = bool(apart[: length + 1].min() <= self.tolerance)
        final = reached and query.target.goal is not None
        if final and query.target.goal is not None:
            points[-1] = query.target.goal[self.level - 1]
        share = plan.model_calls // len(plan.states)
        return Path(
            states, points, arrival, np.full(len(states), NONE), np.full(len(states) - 1, NONE),
            final=final, found=True, expanded=share, calls=share,
        )  # fmt: skip
