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
from hjepa.vision.ways import Ways, is_refused
from planners.astar import LatentAStar, SearchGoal
from planners.base import Discrete, Recorder
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
        expansions: most nodes that the level below expands in imagination for one stride.
        reached: strides of the fastest pace within which a state of a way counts as passed.
        bound: strides that the level below may take for one of this level's; if it needs more, there is no edge.
    """

    doubt: float = 1.0
    caution: float = 1.0
    near: float = 1.0
    resolution: float = 2.0
    weight: float = 2.0
    expansions: int = 300
    reached: float = 0.2
    bound: float = 2.5


@final
class FarSight:
    """A level that looks far, among the layouts that are seen now; a :class:`planners.base.Dynamics` of its codes.

    Looking is what takes time. It looks once where many macro-actions of the same state are asked for in succession,
    and keeps what it saw last: edges are judged right after they are predicted.

    Args:
        level: looks.
        layouts: [M, C, h, w] those that are seen now.
    """

    def __init__(self, level: FarLevel, layouts: Tensor) -> None:
        self.level, self.layouts, self.actions = level, layouts, Discrete(len(level.codebook))
        self._states, self._seen = layouts.new_zeros(0, STATE), layouts.new_zeros(0)

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        """[N, 5] states and [N] numbers of codes to the [N, 5] predicted states."""
        return self.level.step(self.around(state), state, self.level.codebook[action])

    def logits(self, before: Tensor, after: Tensor) -> Tensor:
        """[N, 5] states to [N] logits that a stride can lead from the former to the latter."""
        return self.level.judge(self.around(before), (after - before)[:, None, PLACE]).squeeze(1)

    def around(self, states: Tensor) -> Tensor:
        """:meth:`FarLevel.around` of [N, 5] states."""
        if not torch.equal(states, self._states):
            fresh = torch.ones(len(states), dtype=torch.bool, device=states.device)
            fresh[1:] = (states[1:] != states[:-1]).any(-1)
            self._states = states
            self._seen = self.level.around(self.layouts, states[fresh])[fresh.cumsum(0) - 1]
        return self._seen


class _Walk:
    """A walk of the level below along a path of far strides.

    Args:
        path: as it was found.
    """

    def __init__(self, path: Path) -> None:
        self.found, self.clear = path, path.found
        self.states, self.times = [path.states[0]], [0.0]
        self.expanded, self.calls = path.expanded, path.calls

    @property
    def going(self) -> bool:
        """Whether there are strides left, and the last one was found."""
        return self.clear and len(self.times) <= len(self.found.edges)

    def query(self) -> Query:
        """What the level below is asked next."""
        return Query(self.states[-1], (), Target(self.found.embedding[len(self.times)]))

    def go(self, way: Path, bound: float) -> None:
        """Goes on by the answer, if it is a way of at most ``bound`` world steps."""
        self.clear = way.found and float(way.arrival[-1]) <= bound
        self.states.append(way.states[-1])
        self.times.append(self.times[-1] + float(way.arrival[-1]))
        self.expanded, self.calls = self.expanded + way.expanded, self.calls + way.calls

    def path(self) -> Path:
        """As far as it went, the stride that was not found included."""
        found, count = self.found, len(self.times)
        return replace(
            found,
            states=found.states[:count],
            embedding=found.embedding[:count],
            arrival=np.array(self.times, np.float32),
            landmarks=found.landmarks[:count],
            edges=found.edges[: count - 1],
            final=found.final and self.clear,
            found=found.found and self.clear,
            expanded=self.expanded,
            calls=self.calls,
        )


@final
@dataclass(frozen=True)
class FarWayPlanner:
    """Plans a level's far ways; see :class:`planners.landmarks.PathPlanner`.

    A way's number, by which it can be rejected, is its place in ``ways``.

    Attributes:
        search: A* over the codes.
        sight: of the level: its predictor and its edges.
        doubt: logit below which an edge is none.
        caution: strides that an edge costs more for each nat that it is doubted.
        below_planner: finds ways to near places on the level below.
        pace: [] cells per world step, at which straight distances become estimates of time.
        near: cells within which two places are the same, when a way is refused.
        bound: world steps that the level below may take for one stride.
        generator: its device is where plans are made.
        ways: [2, 2] the beginning and the end of every way that was handed down or refused, cells.
        refused: by problem, numbers of the ways that the level below did not find.
    """

    search: LatentAStar
    sight: FarSight
    doubt: float
    caution: float
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
        """One path per query, which the level below has walked in imagination; its target alone where there is none."""
        done, pending = dict[int, Path](), dict(enumerate(queries))
        spent = [(0, 0)] * len(queries)
        for attempt in range(ATTEMPTS):
            walked = self._walk(self._search(list(pending.values()), recorder))
            for (number, query), (path, clear) in zip(list(pending.items()), walked, strict=True):
                spent[number] = (spent[number][0] + path.expanded, spent[number][1] + path.calls)
                lost = not clear and (not len(path.edges) or attempt == ATTEMPTS - 1)
                if clear or lost:
                    path = self._straight(query) if lost else path
                    done[number] = replace(path, expanded=spent[number][0], calls=spent[number][1])
                    del pending[number]
                else:
                    self.refused.setdefault(int(query.state[LAYOUT]), set()).add(int(path.edges[-1]))
            if not pending:
                break
        return [done[number] for number in range(len(queries))]

    def _straight(self, query: Query) -> Path:
        """The target alone: the level below has to find it by itself, and what was refused is tried again."""
        self.refused.pop(int(query.state[LAYOUT]), None)
        state = torch.as_tensor(query.state)
        goal = state.clone()
        goal[PLACE] = torch.as_tensor(query.target.point) * self.pace.cpu()
        return replace(self._path(query, torch.stack([state, goal]), True), found=False)

    def _search(self, queries: list[Query], recorder: Recorder | None) -> list[Path]:
        """One path per query along edges that this level believes."""
        device = self.generator.device
        start = torch.as_tensor(np.stack([query.state for query in queries]), device=device)
        target = torch.as_tensor(np.stack([query.target.point for query in queries]), device=device)
        goals = torch.zeros(len(queries), STATE, device=device)
        goals[:, PLACE], goals[:, LAYOUT] = target * self.pace, start[:, LAYOUT]
        refused = {int(query.state[LAYOUT]): ways for query in queries if len(ways := self._refused(query))}
        search = replace(self.search, edge_cost=lambda before, after: self._costs(before, after, refused))
        goal = SearchGoal(target, self._estimate, 0.0, self._doubts(goals))
        plan = search.plan(self.sight, goal, start, generator=self.generator, recorder=recorder)
        found, lengths = plan.extras["found"].tolist(), plan.extras["path_lengths"].tolist()
        expanded = plan.extras["expanded"].tolist()
        paths = [
            self._path(query, torch.cat([plan.states[row, : lengths[row] + 1], goals[row : row + 1]]), found[row])
            for row, query in enumerate(queries)
        ]
        return [
            replace(path, expanded=count, calls=count * self.sight.actions.n)
            for path, count in zip(paths, expanded, strict=True)
        ]

    def _estimate(self, states: Tensor, points: Tensor) -> Tensor:
        """[M, 5] states and [M, 2] targets to the [M] world steps between them, at the recorded pace."""
        return torch.linalg.vector_norm(states[:, PLACE] / self.pace - points, dim=-1)

    def _doubts(self, goals: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        """How much too doubtful a stride to [B, 5] goals is, nats: judged from there, as ways lead back, too."""
        level, numbers = self.sight.level, goals[:, LAYOUT].long()
        seen = level.around(self.sight.layouts, goals)
        rows = torch.zeros(int(numbers.max()) + 1, dtype=torch.long, device=goals.device)
        rows[numbers] = torch.arange(len(goals), device=goals.device)

        def doubts(states: Tensor, points: Tensor) -> Tensor:
            mine = rows[states[:, LAYOUT].long()]
            ways = (states - goals[mine])[:, None, PLACE]
            return (self.doubt - level.judge(seen[mine], ways).squeeze(1)).clamp_min(0)

        return doubts

    def _refused(self, query: Query) -> Tensor:
        """[n, 2, 2] the ways that one problem must not take again."""
        numbers = sorted(query.rejected | self.refused.get(int(query.state[LAYOUT]), set()))
        return torch.stack([self.ways[number] for number in numbers]) if numbers else torch.zeros(0, 2, 2)

    def _costs(self, before: Tensor, after: Tensor, refused: Ways) -> Tensor:
        """[N, 5] states and those to come next to [N] world steps, infinite for no edge and for refused ones."""
        logits = self.sight.logits(before, after)
        closed = (logits < self.doubt) | is_refused(before, after, refused, self.near)
        costs = self.sight.level.config.stride * (1 + self.caution * softplus(-logits))
        return costs.masked_fill(closed, torch.inf)

    def _path(self, query: Query, states: Tensor, found: bool) -> Path:
        """[n+1, 5] states, the last one at the target, as a path."""
        first, steps = len(self.ways), len(states) - 1
        self.ways.extend(torch.stack([states[:-1, PLACE], states[1:, PLACE]], 1).to(self.pace))
        return Path(
            states=states.cpu().numpy().copy(),
            embedding=(states[:, PLACE] / self.pace.to(states)).cpu().numpy().copy(),
            arrival=self.sight.level.config.stride * np.arange(steps + 1, dtype=np.float32),
            landmarks=np.full(steps + 1, NONE),
            edges=first + np.arange(steps),
            final=query.target.goal is not None,
            found=found,
        )

    def _walk(self, paths: list[Path]) -> list[tuple[Path, bool]]:
        """Has the level below walk along paths, from beginning to end.

        Every stride begins where the one before it ended on the level below, so that errors do not add up to a way
        through a wall.

        Returns:
            The paths, with the times that the level below needs, up to the first way that it does not find, if there is
            one; and whether there is none.
        """
        walks = [_Walk(path) for path in paths]
        while asked := [walk for walk in walks if walk.going]:
            for walk, way in zip(asked, self.below_planner.paths([walk.query() for walk in asked]), strict=True):
                walk.go(way, self.bound)
        return [(walk.path(), walk.clear) for walk in walks]
