"""Compiles Mode-2 into Mode-1: trains policies on problems that the agent imagines, with no step in any world.

Level 1's policy descends the very cost that its planner would minimise, through the frozen predictor: it learns to
give at once the action that planning would arrive at (amortised planning). Regression onto the answers of CEM ends in
the same place, but those answers take twenty times as long. Above level 1, planning is a search that can be carried to
its end: the signposts learn from the true lengths of all ways on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, pad, softmax

from hjepa.dynamics import LevelDynamics, world_actions
from hjepa.planning import measure, target_level
from hjepa.policy import Policy, PolicyConfig, PolicyPlanner
from hjepa.signpost import Signpost, SignpostConfig, ways_on
from hjepa.world_model import WorldModel
from planners.base import rollout
from planners.candidates import hold_actions
from planners.graph import distances_to
from planners.hierarchy import SubgoalCost
from planners.landmarks import LandmarkGraph

Network = TypeVar("Network", bound=nn.Module)
HOPS = 2
"""Edges of level 2 to the farthest target: what it hands down is at most one edge from its path, and so the agent."""
NEVER = -1e9
"""Preference for a way that is none: finite, so that nothing times it is nothing."""


def make_policy(stack: WorldModel, config: PolicyConfig) -> Policy:
    """An untrained policy for level 1 of a stack; its targets are in the critic space of level 2."""
    below, above = stack.level(1).config, stack.level(target_level(stack)).config
    sizes = below.state_dim, above.critic_dim, stack.config.action_dim
    return Policy(*sizes, config.hidden, config.reach * above.stride)


class Practice:
    """Problems for level 1, as level 2 poses them, from an agent's memory and its predictor.

    Both the state and the target are imagined: where the predictor says that a random walk ends that began at a
    landmark. The target's landmark is the state's own, or a few edges on.

    Args:
        stack: trained.
        landmarks: of level 2.
        stray: longest random walk, world steps.
        generator: draws the problems.
    """

    def __init__(self, stack: WorldModel, landmarks: LandmarkGraph, stray: int, generator: torch.Generator) -> None:
        device = stack.scale.device
        self.stack, self.stray, self.generator = stack, stray, generator
        self.states = stack.encode(torch.from_numpy(landmarks.observations).to(device))
        self.first = torch.from_numpy(landmarks.graph.indptr).to(device).long()
        # With one more, which the last landmark may look up if no edge leads on from it.
        self.edges = pad(torch.from_numpy(landmarks.graph.targets).to(device).long(), (0, 1))

    @torch.no_grad()
    def problems(self, count: int) -> tuple[Tensor, Tensor]:
        """[count, D] states of level 1, and [count, D] states of level 1 to go to."""
        here = self._integers(0, len(self.states), count)
        there, hops = here, self._integers(0, HOPS + 1, count)
        for hop in range(HOPS):
            there = torch.where(hop < hops, self._next(there), there)
        return self._stray(self.states[here]), self._stray(self.states[there])

    def _next(self, landmarks: Tensor) -> Tensor:
        """[count] landmarks, each one edge on; where no edge leads on, the same one."""
        first, degree = self.first[landmarks], self.first[landmarks + 1] - self.first[landmarks]
        edge = first + (self._uniform(len(landmarks)) * degree).long()
        return torch.where(degree > 0, self.edges[edge], landmarks)

    def _stray(self, states: Tensor) -> Tensor:
        """Each of [count, D] states after up to ``stray`` steps in one direction."""
        actions = 2 * self._uniform(len(states), self.stack.config.action_dim) - 1
        steps = self._integers(0, self.stray + 1, len(states)).unsqueeze(1)
        for step in range(self.stray):
            states = torch.where(step < steps, self.stack.level(1).predictor(states, actions), states)
        return states

    def _integers(self, low: int, high: int, count: int) -> Tensor:
        return torch.randint(low, high, (count,), generator=self.generator, device=self.generator.device)

    def _uniform(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.generator, device=self.generator.device)


def distil(
    stack: WorldModel, landmarks: LandmarkGraph, config: PolicyConfig, horizon: int, hold: int, seed: int = 0
) -> Policy:
    """Trains level 1's policy.

    Args:
        stack: trained and frozen.
        landmarks: of level 2.
        config: how.
        horizon: world steps that level 1 looks ahead.
        hold: world steps for which it holds an action.
        seed: of the initial weights and the problems.
    """
    device = stack.scale.device
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        policy = make_policy(stack, config).to(device)
    practice = Practice(stack, landmarks, hold, torch.Generator(device).manual_seed(seed))
    dynamics, planner = LevelDynamics(stack.level(1), world_actions(stack)), PolicyPlanner(policy, horizon, hold)
    distance = measure(stack, 1, target_level(stack))

    def loss() -> Tensor:
        start, end = practice.problems(config.batch)
        cost = SubgoalCost(distance, distance(end))
        actions = hold_actions(planner.answers(dynamics, cost, start), hold, horizon)
        return cost(rollout(dynamics, start, actions), actions).sum(-1).mean()

    return _descend(policy, loss, config.steps, config.learning_rate)


def _descend(network: Network, loss: Callable[[], Tensor], steps: int, learning_rate: float) -> Network:
    """Adam along a cosine; the network is then frozen."""
    optimizer = torch.optim.Adam(network.parameters())
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 0.5 * learning_rate * (1 + math.cos(math.pi * step / steps))
        optimizer.zero_grad(set_to_none=True)
        loss().backward()
        optimizer.step()
    return network.eval().requires_grad_(False)


# Above level 1


class Lessons:
    """How long the ways on from a landmark to another one are, for all landmarks and some goals.

    Args:
        landmarks: of the level.
        goals: at most so many.
        generator: draws the goals and the lessons.
    """

    def __init__(self, landmarks: LandmarkGraph, goals: int, generator: torch.Generator) -> None:
        graph, device = landmarks.graph, generator.device
        self.generator, self.size = generator, graph.num_nodes
        self.goals = torch.randperm(self.size, generator=generator, device=device)[:goals]
        degrees = np.diff(graph.indptr)
        slots = np.arange(degrees.max(initial=1))
        table = np.minimum(graph.indptr[:-1, None] + slots, graph.num_edges - 1)
        self.edges = torch.from_numpy(table).to(device).long()
        self.missing = torch.from_numpy(slots >= degrees[:, None]).to(device)
        self.costs, self.ends = (torch.from_numpy(part).to(device) for part in (graph.costs, graph.targets))
        self.ways = torch.from_numpy(ways_on(landmarks)).to(device)
        rest = np.stack([distances_to(graph, [goal], [0.0]) for goal in self.goals.tolist()])
        self.rest = torch.from_numpy(rest.astype(np.float32)).to(device)
        self.pairs = torch.from_numpy(np.flatnonzero(np.isfinite(rest) & (rest > 0))).to(device)

    def draw(self, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """[count] landmarks and [count] goals; the [count, n, E] ways on, in strides, and their [count, n] lengths.

        A way's length, in world steps, goes all the way to the goal. It is infinite where there is no such way.
        """
        drawn = torch.randint(len(self.pairs), (count,), generator=self.generator, device=self.generator.device)
        pair = self.pairs[drawn]
        here, goal = pair % self.size, pair // self.size
        edges = self.edges[here]
        lengths = self.costs[edges] + self.rest[goal.unsqueeze(1), self.ends[edges]]
        return here, self.goals[goal], self.ways[edges], lengths.masked_fill(self.missing[here], torch.inf)


def distil_signpost(landmarks: LandmarkGraph, config: SignpostConfig, generator: torch.Generator) -> Signpost:
    """Trains the signposts of one level.

    Args:
        landmarks: of the level.
        config: how.
        generator: draws the initial weights and the lessons, on the device to train on.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(generator.initial_seed())
        signpost = Signpost(landmarks.embedding.shape[1], config).to(generator.device)
    points = torch.from_numpy(landmarks.embedding).to(generator.device)
    signpost.calibrate(points)
    lessons, described = Lessons(landmarks, config.goals, generator), signpost.describe(points)

    def loss() -> Tensor:
        here, goal, ways, lengths = lessons.draw(config.batch)
        scores = (ways * signpost(described[here], described[goal]).unsqueeze(1)).sum(-1)
        scores = log_softmax(scores.masked_fill(lengths.isinf(), NEVER), -1)
        return -(softmax(-lengths / (config.softness * landmarks.stride), -1) * scores).sum(-1).mean()

    return _descend(signpost, loss, config.steps if len(lessons.pairs) else 0, config.learning_rate)
