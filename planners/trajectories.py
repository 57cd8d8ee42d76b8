"""Paths from any planner over a level's predictor, with no landmarks: search and optimisation in the raw latent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from planners.astar import SearchGoal
from planners.base import AnyDynamics, Cost, Plan, Planner, Recorder
from planners.landmarks import NONE, Path, Query
from planners.support import Support

Embed = Callable[[Tensor], Tensor]
Floats = NDArray[np.float32]
NOWHERE = 1e9
"""World steps: coordinates of a place that is too far to matter."""


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
        support: where predictions are believed; None believes all. The number of a way is that of the remembered place
            nearest to its end: it is what is handed down, and what a rejected way keeps the next plan away from.
        weight: world steps that a state costs for each world step outside the support, or too near a rejected place.
        surcharge: [..., D] states to the [...] extra world steps per world step spent there; None if there are none.
            It is paid by planners that sum costs over states; a search must be given it as its edge cost.
        forbidden: [..., D] states to [...] whether the agent must not be there; a path that enters is not found.
    """

    planner: Planner
    dynamics: AnyDynamics
    embed: Embed
    measure: Embed
    level: int
    stride: int
    tolerance: float
    generator: torch.Generator
    support: Support | None = None
    weight: float = 0.0
    surcharge: Embed | None = None
    forbidden: Embed | None = None

    def below(self, landmark: int) -> int:
        """There are no landmarks."""
        return NONE

    def paths(self, queries: list[Query], recorder: Recorder | None = None) -> list[Path]:
        """One path per query, all planned in one batch, which the recorder hears of."""
        device = self.generator.device
        start = torch.as_tensor(np.stack([query.state for query in queries]), device=device)
        target = torch.as_tensor(np.stack([query.target.point for query in queries]), device=device)
        # What a problem has rejected travels with its goal: a cost knows its problem by that alone.
        rejected = self._rejected(queries)
        goal = torch.cat([target, rejected], -1)
        paid = None if self.surcharge is None else self._paid
        cost: Cost = SearchGoal(goal, self._cost_to_go, self.tolerance, self._distance, paid)
        plan = self.planner.plan(self.dynamics, cost, start, generator=self.generator, recorder=recorder)
        with torch.no_grad():
            points = self.embed(plan.states)
            apart = torch.linalg.vector_norm(self.measure(plan.states) - target.unsqueeze(1), dim=-1).cpu().numpy()
        lengths = self._lengths(plan, apart)
        return [
            self._path(query, plan.states[b, : n + 1], points[b, : n + 1], apart[b, : n + 1], plan, rejected[b])
            for b, (query, n) in enumerate(zip(queries, lengths.tolist(), strict=True))
        ]

    def _rejected(self, queries: list[Query]) -> Tensor:
        """[B, R * E] the places that each problem has rejected, one after the other; far ones fill up."""
        device = self.generator.device
        if self.support is None:
            return torch.empty(len(queries), 0, device=device)
        places = self.support.places
        most = max(len(query.rejected) for query in queries)
        rejected = torch.full((len(queries), most, places.shape[-1]), NOWHERE, dtype=places.dtype, device=device)
        for row, query in zip(rejected, queries, strict=True):
            row[: len(query.rejected)] = places[sorted(query.rejected)]
        return rejected.flatten(1)

    def _cost_to_go(self, states: Tensor, goals: Tensor) -> Tensor:
        """[M, D] states and [M, E' + R * E] goals to [M] world steps, those for unbelievable states included."""
        targets = self.measure(states)
        distance = torch.linalg.vector_norm(targets - goals[:, : targets.shape[-1]], dim=-1)
        if self.support is None:
            return distance
        unfamiliar, refused = _doubts(self.support, self.embed(states), goals[:, targets.shape[-1] :])
        return distance + self.weight * (unfamiliar + refused)

    def _paid(self, states: Tensor) -> Tensor:
        """[..., D] states to the [...] extra world steps of a prediction that ends there."""
        assert self.surcharge is not None
        return self.stride * self.surcharge(states)

    def _distance(self, states: Tensor, goals: Tensor) -> Tensor:
        points = self.measure(states)
        return torch.linalg.vector_norm(points - goals[:, : points.shape[-1]], dim=-1)

    def _lengths(self, plan: Plan, apart: Floats) -> NDArray[np.int64]:
        """Steps of each plan that are worth following: those of the search, or up to the state nearest the target."""
        if "path_lengths" in plan.extras:
            return np.maximum(1, np.asarray(plan.extras["path_lengths"]))
        return 1 + apart[:, 1:].argmin(1)

    def _path(self, query: Query, states: Tensor, points: Tensor, apart: Floats, plan: Plan, rejected: Tensor) -> Path:
        """A plan of [n+1, D] states at [n+1, E] points, [n+1] world steps apart from the target."""
        numbers = np.full(len(states) - 1, NONE)
        surcharges = self._surcharges(states[1:], points[1:], rejected)
        if self.support is not None:
            # What was predicted just inside a wall is handed down as the place that was seen beside it.
            nearest = self.support.nearest(points[1:])
            numbers, points = nearest.cpu().numpy(), torch.cat([points[:1], self.support.places[nearest]])
        goal = query.target.goal if apart.min() <= self.tolerance else None
        embedding = points.cpu().numpy().copy()
        if goal is not None:
            embedding[-1] = goal[self.level - 1]
        share = plan.model_calls // len(plan.states)
        return Path(
            states=states.cpu().numpy().copy(),
            embedding=embedding,
            arrival=self.stride * np.arange(len(states), dtype=np.float32),
            landmarks=np.full(len(states), NONE),
            edges=numbers,
            final=goal is not None,
            found=not self._enters(states),
            expanded=share,
            calls=share,
            surcharges=surcharges,
        )

    @torch.no_grad()
    def _surcharges(self, states: Tensor, points: Tensor, rejected: Tensor) -> dict[str, Floats]:
        """What the ways to [n, D] states at [n, E] points cost on top of their time."""
        nothing = points.new_zeros(len(points))
        paid = {"zones": nothing if self.surcharge is None else self._paid(states), "rejected": nothing}
        if self.support is not None:
            unfamiliar, refused = _doubts(self.support, points, rejected.expand(len(points), -1))
            paid |= {"unfamiliar": self.weight * unfamiliar, "rejected": self.weight * refused}
        return {name: extra.cpu().numpy() for name, extra in paid.items()}

    @torch.no_grad()
    def _enters(self, states: Tensor) -> bool:
        """Whether a path of [n+1, D] states leads into a forbidden place; to lead out of one is allowed."""
        if self.forbidden is None:
            return False
        inside = self.forbidden(states)
        return bool((inside[1:] & ~inside[:-1]).any())


def _doubts(support: Support, points: Tensor, rejected: Tensor) -> tuple[Tensor, Tensor]:
    """[M, E] points to the [M] world steps outside the support, and too near [M, R * E] rejected places."""
    places = rejected.unflatten(-1, (-1, points.shape[-1]))
    too_near = support.radius - torch.linalg.vector_norm(points.unsqueeze(1) - places, dim=-1)
    return support.excess(points), too_near.clamp(min=0).sum(-1)
