"""Adaptation: an agent whose world has changed corrects what it plans with, while it acts.

Every executed transition is compared with level 1's prediction (:mod:`hjepa.surprises`). What is then believed
corrects the agent from the bottom up: level 1's predictions stop at the fronts; edges of level 2 whose straight way
leads through one become a last resort, and the landmarks just behind it are no entries; edges of the levels above are
verified anew by the level below, as they were when the graphs were made. The trained weights and the graphs themselves
are not touched, so that everything comes back once a front is forgotten, and an agent without surprises plans as it
always did.

Planners of predicted states above level 1 (``latent``, ``mcts``, ...) use no graph: only level 1 is corrected for them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hjepa.agent import Agent
from hjepa.memory import path_costs
from hjepa.surprises import REACH, Prediction, SurpriseError, Surprises
from hjepa.world_model import WorldModel
from planners.base import ActionSpace, Dynamics
from planners.graph import reachable
from planners.hierarchy import Session
from planners.landmarks import LandmarkGraph

Points = NDArray[np.float32]
Ints = NDArray[np.int64]

LAST_RESORT = 10_000.0
"""Least world steps that a blocked edge costs on top: more than any way round, less than having no way at all."""
OLD = 2
"""Sessions after which a front is old. An edge costs double for each that is missing: where all ways are blocked, what
was found long ago is the first to be doubted."""
FAR = 16 * LAST_RESORT
"""World steps of the longest way that is looked for, through blocked edges if need be."""
SLACK = 1.0
"""World steps by which the way along an upper edge may grow before its cost does."""


@final
class Adaptation:
    """What one agent learns from surprises while it acts; pass it to :class:`hjepa.actor.Actor`.

    One adaptation is for one world. All episodes of an actor share it, and so may several actors, one after the other.

    Args:
        agent: whose model and graphs are corrected; it stays as it is.
        memory: what is remembered; what the agent was saved with by default.

    Attributes:
        memory: the surprises so far; ``replace(agent, surprises=adaptation.memory)`` is saved with them.
        noticed: [n, O] where the newest transitions were surprising; for pictures.

    Raises:
        SurpriseError: where neither gives a memory, which holds what counts as a surprise.
    """

    def __init__(self, agent: Agent, memory: Surprises | None = None) -> None:
        memory = agent.surprises if memory is None else memory
        if memory is None:
            raise SurpriseError("an agent without surprises needs Surprises.calibrated(...), its threshold, to adapt")
        self.agent, self.stack, self.memory = agent, agent.stack, memory
        self.noticed = memory.observations[:0]
        self.graphs = self._corrected()

    def observe(self, before: Points, actions: Points, after: Points, active: NDArray[np.bool_] | None = None) -> bool:
        """Learns from world steps, of one episode or of several.

        Args:
            before: [n, O] what was seen.
            actions: [n, A] what was done.
            after: [n, O] what was seen next.
            active: [n] steps that count; all by default.

        Returns:
            Whether plans made before are out of date: what is believed has changed.
        """
        which = slice(None) if active is None else active
        device = self.stack.scale.device
        seen = (torch.as_tensor(part[which], device=device) for part in (before, actions, after))
        prediction = Prediction.of(self.stack, *seen)
        stopped = self.memory.stopped(prediction)
        self.noticed = prediction.observations[stopped]
        memory = self.memory.passed(prediction.begin[~stopped], prediction.end[~stopped])
        return self._learn(memory.bumped(prediction.fronts(memory.threshold, stopped)))

    def recall(self, session: Session) -> bool:
        """Learns from a session that is over: fronts grow older, and ways that level 2 rejected are a bump each.

        What the levels above rejected is not carried over: their edges are verified by the level below. Returns
        whether what is believed has changed.
        """
        if 2 not in self.graphs:
            return self._learn(self.memory.older())
        edges = sorted({edge for rejected in session.rejected[2] for edge in rejected if edge >= 0})
        fronts = self._edge_fronts(np.array(edges, np.int64))
        known = self.memory.believed.crossings(*self._ends(np.array(edges, np.int64)))
        unexplained = fronts.only(~torch.isfinite(known).any(1))
        return self._learn(self.memory.older().bumped(_apart(unexplained)))

    def corrected(self, dynamics: Dynamics) -> Dynamics:
        """Level 1's dynamics, stopped at the fronts that are believed now."""
        fronts = self.memory.believed
        fronts = fronts.only(fronts.errors.norm(dim=-1) > 0)
        return StoppedDynamics(dynamics, self.stack, fronts) if len(fronts) else dynamics

    def _learn(self, memory: Surprises) -> bool:
        if memory is self.memory:
            return False
        old, self.memory = self.memory.believed, memory
        new = memory.believed
        same = torch.equal(old.places, new.places) and torch.equal(old.reach, new.reach)
        if same and torch.equal(old.age.clamp(max=OLD), new.age.clamp(max=OLD)):
            return False
        self.graphs = self._corrected()
        return True

    def _corrected(self) -> dict[int, LandmarkGraph]:
        """The agent's graphs as far as they are still believed."""
        fronts, graphs = self.memory.believed, self.agent.graphs
        if not len(fronts) or 2 not in graphs or not graphs[2].graph.num_edges:
            return graphs
        points = self._points(graphs[2])
        sealed = fronts.behind(points, float(graphs[2].stride)).cpu().numpy()
        result = {2: replace(_dearer(graphs[2], self._tolls(fronts)), sealed=None if sealed.all() else sealed)}
        tolerance = self.agent.experiment.memory.tolerance
        for k in range(3, max(graphs) + 1):
            result[k] = verified_again(graphs[k], graphs[k - 1], result[k - 1], tolerance * graphs[k].stride)
        return result

    def _tolls(self, fronts: Surprises) -> Points:
        """[E] what ways of level 2 cost on top where they lead through fronts."""
        begin, end = self._ends()
        furthest = (end - begin).norm(dim=-1).amax() + REACH
        near = torch.cdist(begin, fronts.places).amin(1) <= furthest  # the others don't come as far
        crossed = torch.isfinite(fronts.crossings(begin[near], end[near]))
        price = LAST_RESORT * 2.0 ** (OLD - fronts.age.clamp(max=OLD))
        tolls = torch.zeros(len(begin), device=begin.device)
        tolls[near] = torch.where(crossed, price, 0.0).amax(1)
        return tolls.cpu().numpy()

    @torch.no_grad()
    def _points(self, landmarks: LandmarkGraph) -> Tensor:
        """[L, E] landmarks in level 1's critic space."""
        places = torch.from_numpy(landmarks.observations).to(self.stack.scale.device)
        return self.stack.level(1).critic.embed(self.stack.encode(places))

    def _ends(self, edges: Ints | None = None) -> tuple[Tensor, Tensor]:
        """[n, E] and [n, E] ends of level-2 edges in level 1's critic space; of all edges by default."""
        graph, points = self.agent.graphs[2].graph, self._points(self.agent.graphs[2])
        chosen = np.arange(graph.num_edges) if edges is None else edges
        return points[graph.sources[chosen].astype(np.int64)], points[graph.targets[chosen].astype(np.int64)]

    @torch.no_grad()
    def _edge_fronts(self, edges: Ints) -> Surprises:
        """Fronts across the middle of level-2 edges, one bump each; they correct no prediction."""
        landmarks = self.agent.graphs[2]
        begin, end = self._ends(edges)
        where = torch.from_numpy(landmarks.observations[landmarks.graph.sources[edges]]).to(begin)
        state, ones = self.stack.encode(where), torch.ones(len(edges), device=begin.device)
        heading = torch.nn.functional.normalize(end - begin, dim=-1)
        middle, right = (begin + end) / 2, torch.zeros_like(state)
        return Surprises(
            self.memory.threshold, where, middle, heading, state, right, REACH * ones, ones, torch.zeros_like(ones)
        )


@final
@dataclass(frozen=True)
class StoppedDynamics:
    """Level 1's dynamics with a local correction: predictions that lead through a front end where the agent ended.

    Near a front, what a prediction has in excess along the error that was seen there is taken off; elsewhere nothing
    changes. One bump so corrects every action that leads through the same place.

    Attributes:
        plain: the dynamics as trained.
        stack: whose level 1 it is.
        fronts: M of them, with errors that are not 0.
    """

    plain: Dynamics
    stack: WorldModel
    fronts: Surprises

    @property
    def actions(self) -> ActionSpace:
        """The actions that :meth:`step` takes."""
        return self.plain.actions

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        """[..., D] states and [..., A] actions to the [..., D] next states."""
        guess, fronts = self.plain.step(state, action), self.fronts
        point = self.stack.level(1).critic.embed(state)
        near = torch.cdist(point.flatten(0, -2), fronts.places).view(*point.shape[:-1], -1) <= fronts.reach
        for number in near.flatten(0, -2).any(0).nonzero().flatten().tolist():
            normal = torch.nn.functional.normalize(fronts.errors[number], dim=0)
            before, beyond = ((s - fronts.states[number]) @ normal for s in (state, guess))
            excess = torch.where(near[..., number], beyond - before.clamp(min=0), 0.0).clamp(min=0)
            guess = guess - excess[..., None] * normal
        return guess


def verified_again(landmarks: LandmarkGraph, was: LandmarkGraph, below: LandmarkGraph, limit: float) -> LandmarkGraph:
    """One level's graph after the level below was corrected: dearer where the way is, a last resort where it is shut.

    Only edges whose ways may have used a corrected one are looked up again.

    Args:
        landmarks: the graph as it was made.
        was: the level below, as it was made.
        below: the same, corrected.
        limit: world steps above which an edge counts as shut.
    """
    changed = np.flatnonzero(below.graph.costs > was.graph.costs)
    if not len(changed):
        return landmarks
    graph = landmarks.graph
    starts = np.unique(was.graph.sources[changed])
    touched, _ = reachable(was.graph.reversed(), starts, np.zeros(len(starts)), limit)
    affected = np.flatnonzero(np.isin(landmarks.below[graph.sources], touched))
    if not len(affected):
        return landmarks
    ends = np.stack([graph.sources[affected], graph.targets[affected]], 1)
    chosen, numbers = np.unique(ends, return_inverse=True)
    costs = path_costs(below.graph, landmarks.below[chosen], numbers.reshape(-1, 2), FAR)
    costs = np.minimum(costs, FAR)
    grown = costs - graph.costs[affected]
    grown = np.where(costs > limit, np.maximum(grown, LAST_RESORT), grown)
    extra = np.zeros(graph.num_edges, np.float32)
    extra[affected] = np.where(grown > SLACK, grown, 0.0)
    return _dearer(landmarks, extra)


def _dearer(landmarks: LandmarkGraph, extra: Points) -> LandmarkGraph:
    """With [E] world steps added to its edges. Edges keep their numbers, by which sessions reject them."""
    graph = landmarks.graph
    costs = graph.costs + extra.astype(graph.costs.dtype)
    paid = np.where(extra >= LAST_RESORT, extra, 0.0).astype(np.float32)  # a way that has grown is time, and no toll
    paid = paid if landmarks.tolls is None else landmarks.tolls + paid
    return replace(landmarks, graph=replace(graph, costs=costs), tolls=paid)


def _apart(fronts: Surprises) -> Surprises:
    """One of each group of fronts that would count as one, so that one session is one bump."""
    memory = fronts.only(torch.zeros(0, dtype=torch.long, device=fronts.evidence.device)).bumped(fronts)
    return replace(memory, evidence=torch.ones_like(memory.evidence))
