"""One level's ways: A* through predicted places, along edges that are believed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import final

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from hjepa.vision.place_level import LAYOUT, PLACE
from hjepa.vision.reachability import Reachability
from hjepa.vision.time_to_go import TimeToGo
from planners.astar import SearchGoal
from planners.base import Dynamics, Plan, Planner, Recorder
from planners.edges import StateFunction
from planners.landmarks import NONE, Path, Query

Ways = dict[int, Tensor]
"""By problem, the [n, 2, 2] beginnings and ends of ways that did not lead where the model said, cells."""
Searcher = Callable[[StateFunction], Planner]
"""What edges cost (see :class:`Edges`) to a planner that finds paths along them."""


@final
@dataclass(frozen=True)
class Edges:
    """What the edges of a level cost.

    Attributes:
        reachability: the level's edge classifier.
        layouts: [M, C, h, w] those that are seen now.
        stride: world steps of an edge.
        doubt: logit below which an edge is none.
        caution: strides that an edge costs more for each nat that it is doubted.
        near: cells within which two places are the same one.
    """

    reachability: Reachability
    layouts: Tensor
    stride: int
    doubt: float
    caution: float
    near: float

    @property
    def trusted(self) -> bool:
        """Whether all edges are, so that the classifier need not be asked."""
        return self.doubt == -torch.inf and self.caution == 0

    def __call__(self, before: Tensor, after: Tensor, refused: Ways) -> Tensor:
        """[N, 5] states and those to come next to [N] world steps, infinite where there is no edge."""
        logits = before.new_zeros(len(before)) if self.trusted else self.reachability(self.layouts, before, after)
        costs = self.stride * (1 + self.caution * softplus(-logits))
        closed = (logits < self.doubt) | is_refused(before, after, refused, self.near)
        return costs.masked_fill(closed, torch.inf)


def is_refused(before: Tensor, after: Tensor, refused: Ways, near: float) -> Tensor:
    """[N] whether ways between [N, 5] states are among the refused ones of their problems, within ``near`` cells."""
    found = torch.zeros(len(before), dtype=torch.bool, device=before.device)
    for problem, ways in refused.items():
        mine = (before[:, LAYOUT] == problem).nonzero().squeeze(1)
        ends = torch.stack([before[mine, PLACE], after[mine, PLACE]], 1)
        apart = torch.linalg.vector_norm(ends.unsqueeze(1) - ways, dim=-1).amax(-1)
        found[mine] |= (apart < near).any(-1)
    return found


@final
@dataclass(frozen=True)
class WayPlanner:
    """Plans a level's ways; see :class:`planners.landmarks.PathPlanner`.

    A way's number, by which it can be rejected, is its place in ``ways``.

    Attributes:
        search: what finds paths.
        dynamics: the level's predictor.
        codes: predictions of a node that the planner expands: those of the codebook.
        edges: of the level.
        pace: [] cells per world step, at which straight distances become estimates of time.
        tolerance: a target counts as reached within this many world steps.
        generator: of the search; its device is where plans are made.
        critic: estimates what is still to go; without one it is the distance.
        ways: [2, 2] the beginning and the end of every way that was handed down, cells.
    """

    search: Searcher
    dynamics: Dynamics
    codes: int
    edges: Edges
    pace: Tensor
    tolerance: float
    generator: torch.Generator
    critic: TimeToGo | None = None
    ways: list[Tensor] = field(default_factory=list)

    def below(self, landmark: int) -> int:
        """There are no landmarks."""
        return NONE

    def paths(self, queries: list[Query], recorder: Recorder | None = None) -> list[Path]:
        """One path per query, all searched in one batch, which the recorder hears of."""
        device = self.generator.device
        start = torch.as_tensor(np.stack([query.state for query in queries]), device=device)
        target = torch.as_tensor(np.stack([query.target.point for query in queries]), device=device)
        refused = {
            int(query.state[LAYOUT]): torch.stack([self.ways[number] for number in sorted(query.rejected)])
            for query in queries
            if query.rejected
        }
        search = self.search(lambda before, after: self.edges(before, after, refused))
        goal = self._goal(start, target)
        plan = search.plan(self.dynamics, goal, start, generator=self.generator, recorder=recorder)
        return [self._path(query, plan, row) for row, query in enumerate(queries)]

    def _goal(self, start: Tensor, target: Tensor) -> SearchGoal:
        """[B, 5] states and their [B, 2] targets to what a search aims at."""
        if self.critic is None:
            return SearchGoal(target, self._distance, self.tolerance)
        fields = self.critic.fields(self.edges.layouts[start[:, LAYOUT].long()], target * self.pace)

        def to_go(states: Tensor, points: Tensor) -> Tensor:
            steps = fields.at(points[:, 2].long(), states[:, None, PLACE]).squeeze(1)
            return torch.maximum(steps, self._distance(states, points))

        rows = torch.arange(len(target), device=target.device).to(target).unsqueeze(1)
        return SearchGoal(torch.cat([target, rows], 1), to_go, self.tolerance, self._distance)

    def _distance(self, states: Tensor, points: Tensor) -> Tensor:
        """[M, 5] states and [M, 2] targets (or more) to the [M] world steps between them, at the recorded pace."""
        return torch.linalg.vector_norm(states[:, PLACE] / self.pace - points[:, :2], dim=-1)

    def _path(self, query: Query, plan: Plan, row: int) -> Path:
        """The plan of one problem."""
        length = int(plan.extras["path_lengths"][row])
        states = plan.states[row, : length + 1] if length else plan.states[row, :1].repeat(2, 1)  # it stays where it is
        steps = len(states) - 1
        first = len(self.ways)
        self.ways.extend(torch.stack([states[:-1, PLACE], states[1:, PLACE]], 1))
        found = bool(plan.extras["found"][row])
        points = (states[:, PLACE] / self.pace).cpu().numpy().copy()
        final = found and query.target.goal is not None
        if final:
            points[-1] = query.target.point
        expanded = int(plan.extras["expanded"][row])
        return Path(
            states=states.cpu().numpy().copy(),
            embedding=points,
            arrival=self.edges.stride * np.arange(steps + 1, dtype=np.float32),
            landmarks=np.full(steps + 1, NONE),
            edges=first + np.arange(steps),
            final=final,
            found=found,
            expanded=expanded,
            calls=expanded * self.codes,
        )
