"""Ways of a level that looks far: A* along edges that it believes, each of which the level below then has to find.

Far edges are cheap to guess and, now and then, wrong; searches find out the wrong ones. So a way that was found is
shown to the level below before it is taken: an edge to which that finds no way, or one that is much too long, is
refused, and the search goes again (lazy evaluation of edges: Dellin and Srinivasa, 2016). The level below only ever
looks for near places, so that its searches stay small however far the goal is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from hjepa.vision.far_level import FarLevel
from hjepa.vision.place_level import LAYOUT, PLACE, STATE
from planners.astar import LatentAStar, SearchGoal
from planners.base import Dynamics, Plan, Recorder
from planners.landmarks import NONE, Path, PathPlanner, Query, Target

ATTEMPTS = 12
"""Searches for one query, before the best that is known is taken as it is."""


@dataclass(frozen=True)
class FarPlanning:
    """How a level that looks far plans.

    Attributes:
        doubt: logit below which an edge is none.
        caution: strides that an edge costs more for each nat that it is doubted.
        near: cells of the feature map within which two places are the same, when a way is refused.
        resolution: cells of the feature map within which its search tells no states apart.
        weight: of the estimate of what is still to go.
        expansions: most nodes that a search of the level below expands, now that it need not go far.
        bound: strides that the level below may take for one of this level's; if it needs more, there is no edge.
    """

    doubt: float = 0.0
    caution: float = 1.0
    near: float = 2.0
    resolution: float = 2.0
    weight: float = 1.5
    expansions: int = 300
    bound: float = 1.67


@final
@dataclass(frozen=True)
class FarEdges:
    """What the edges of a level that looks far cost.

    Attributes:
        level: tells edges.
        layouts: [M, C, h, w] those that are seen now.
        doubt: logit below which an edge is none.
        caution: strides that an edge costs more for each nat that it is doubted.
    """

    level: FarLevel
    layouts: Tensor
    doubt: float
    caution: float

    def __call__(self, before: Tensor, after: Tensor) -> Tensor:
        """[N, 5] states and those to come next to [N] world steps, infinite where there is no edge."""
        logits = self.level.logits(self.layouts, before, after)
        costs = self.level.config.stride * (1 + self.caution * softplus(-logits))
        return costs.masked_fill(logits < self.doubt, torch.inf)


@final
@dataclass(frozen=True)
class FarWayPlanner:
    """Plans a level's far ways; see :class:`planners.landmarks.PathPlanner`.

    A way's number, by which it can be rejected, is its place in ``ways``.

    Attributes:
        search: A* over the codes.
        dynamics: the level's predictor.
        edges: of the level.
        below: finds ways to near places on the level below.
        pace: [] cells per world step, at which straight distances become estimates of time.
        near: cells within which two places are the same, when a way is refused.
        bound: world steps that the level below may take for one stride.
        generator: its device is where plans are made.
        ways: [2, 2] the beginning and the end of every way that was handed down or refused, cells.
        refused: by problem, numbers of the ways that the level below did not find.
    """

    search: LatentAStar
    dynamics: Dynamics
    edges: FarEdges
    below_planner: PathPlanner
    pace: Tensor
    near: float
    bound: float
    generator: torch.Generator
    ways: list[Tensor] = field(default_factory=list)
    refused: dict[int, set[int]] = field(default_factory=dict)

    def below(self, landmark: int) -> int:
        """There are no landmarks."""
        return NONE

    def paths(self, queries: list[Query], recorder: Recorder | None = None) -> list[Path]:
        """One path per query, which the level below has found passable stride by stride."""
        done, pending = dict[int, Path](), dict(enumerate(queries))
        spent = [(0, 0)] * len(queries)
        for attempt in range(ATTEMPTS):
            found = self._search(list(pending.values()), recorder)
            checked = self._check(list(pending.values()), found)
            for (number, query), (path, wrong) in zip(list(pending.items()), checked, strict=True):
                spent[number] = (spent[number][0] + path.expanded, spent[number][1] + path.calls)
                problem = int(query.state[LAYOUT])
                self.refused.setdefault(problem, set()).update(path.edges[wrong].tolist())
                if not wrong.any() or attempt == ATTEMPTS - 1:
                    done[number] = replace(path, expanded=spent[number][0], calls=spent[number][1])
                    del pending[number]
            if not pending:
                break
        return [done[number] for number in range(len(queries))]

    def _search(self, queries: list[Query], recorder: Recorder | None) -> list[Path]:
        """One path per query along edges that this level believes."""
        device = self.generator.device
        start = torch.as_tensor(np.stack([query.state for query in queries]), device=device)
        target = torch.as_tensor(np.stack([query.target.point for query in queries]), device=device)
        goals = torch.zeros(len(queries), STATE, device=device)
        goals[:, PLACE], goals[:, LAYOUT] = target * self.pace, start[:, LAYOUT]
        refused = {int(query.state[LAYOUT]): self._refused(query) for query in queries}
        search = replace(self.search, edge_cost=lambda before, after: self._costs(before, after, refused))
        goal = SearchGoal(target, self._estimate, -self.edges.doubt, self._doubts(goals))
        plan = search.plan(self.dynamics, goal, start, generator=self.generator, recorder=recorder)
        return [self._path(query, plan, row, goals[row]) for row, query in enumerate(queries)]

    def _estimate(self, states: Tensor, points: Tensor) -> Tensor:
        """[M, 5] states and [M, 2] targets to the [M] world steps between them, at the recorded pace."""
        return torch.linalg.vector_norm(states[:, PLACE] / self.pace - points, dim=-1)

    def _doubts(self, goals: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        """How much is to be doubted that a stride leads to [B, 5] goals: judged from there, as ways lead back, too."""
        seen = self.edges.level.around(self.edges.layouts, goals)
        row = {int(number): index for index, number in enumerate(goals[:, LAYOUT])}
        rows = torch.tensor([row.get(number, 0) for number in range(max(row) + 1)], device=goals.device)

        def doubts(states: Tensor, points: Tensor) -> Tensor:
            mine = rows[states[:, LAYOUT].long()]
            ways = states[:, None, PLACE] - goals[mine][:, None, PLACE]
            return -self.edges.level.judge(seen[mine], ways).squeeze(1)

        return doubts

    def _refused(self, query: Query) -> Tensor:
        """[n, 2, 2] the ways that one problem must not take again."""
        numbers = sorted(query.rejected | self.refused.get(int(query.state[LAYOUT]), set()))
        return torch.stack([self.ways[number] for number in numbers]) if numbers else torch.zeros(0, 2, 2)

    def _costs(self, before: Tensor, after: Tensor, refused: dict[int, Tensor]) -> Tensor:
        """See :class:`FarEdges`; refused ways are none."""
        costs = self.edges(before, after)
        for problem, ways in refused.items():
            if len(ways):
                mine = (before[:, LAYOUT] == problem).nonzero().squeeze(1)
                ends = torch.stack([before[mine, PLACE], after[mine, PLACE]], 1)
                apart = torch.linalg.vector_norm(ends.unsqueeze(1) - ways, dim=-1).amax(-1)
                costs[mine] = costs[mine].masked_fill((apart < self.near).any(-1), torch.inf)
        return costs

    def _path(self, query: Query, plan: Plan, row: int, goal: Tensor) -> Path:
        """The plan of one problem, and the last stride to its target."""
        length, found = int(plan.extras["path_lengths"][row]), bool(plan.extras["found"][row])
        states = plan.states[row, : length + 1]
        states = torch.cat([states, goal.unsqueeze(0)]) if found else states
        if len(states) == 1:  # it stays where it is
            states = states.repeat(2, 1)
        first, steps = len(self.ways), len(states) - 1
        self.ways.extend(torch.stack([states[:-1, PLACE], states[1:, PLACE]], 1))
        expanded = int(plan.extras["expanded"][row])
        return Path(
            states=states.cpu().numpy().copy(),
            embedding=(states[:, PLACE] / self.pace).cpu().numpy().copy(),
            arrival=self.edges.level.config.stride * np.arange(steps + 1, dtype=np.float32),
            landmarks=np.full(steps + 1, NONE),
            edges=first + np.arange(steps),
            final=found and query.target.goal is not None,
            found=found,
            expanded=expanded,
            calls=expanded * len(self.edges.level.codebook),
        )

    def _check(self, queries: list[Query], paths: list[Path]) -> list[tuple[Path, np.ndarray]]:
        """Paths with the times that the level below needs, and which of their ways it does not find."""
        asked = [
            Query(path.states[i], (), Target(path.embedding[i + 1])) for path in paths for i in range(len(path.edges))
        ]
        answers, result = iter(self.below_planner.paths(asked)), []
        for path in paths:
            ways = [next(answers) for _ in path.edges]
            taken = np.array([way.arrival[-1] for way in ways], np.float32)
            wrong = np.array([not way.found for way in ways]) | (taken > self.bound)
            arrival = np.concatenate([np.zeros(1, np.float32), taken.cumsum()])
            expanded = path.expanded + sum(way.expanded for way in ways)
            calls = path.calls + sum(way.calls for way in ways)
            result.append((replace(path, arrival=arrival, expanded=expanded, calls=calls), wrong))
        return result
