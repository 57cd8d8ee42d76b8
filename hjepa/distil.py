"""Compiles Mode-2 into Mode-1: trains a policy on problems that the agent imagines, with no step in any world.

The policy descends the very cost that level 1's planner would minimise, through the frozen predictor: it learns to
give at once the action that planning would arrive at (amortised planning).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import pad

from hjepa.dynamics import LevelDynamics, world_actions
from hjepa.planning import measure, target_level
from hjepa.policy import Policy, PolicyConfig, PolicyPlanner
from hjepa.world_model import WorldModel
from planners.base import rollout
from planners.candidates import hold_actions
from planners.hierarchy import SubgoalCost
from planners.landmarks import LandmarkGraph

HOPS = 2
"""Edges of level 2 to the farthest target: what it hands down is at most one edge from its path, and so the agent."""


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
    optimizer = torch.optim.Adam(policy.parameters())
    for step in range(config.steps):
        for group in optimizer.param_groups:
            group["lr"] = 0.5 * config.learning_rate * (1 + math.cos(math.pi * step / config.steps))
        start, end = practice.problems(config.batch)
        cost = SubgoalCost(distance, distance(end))
        actions = hold_actions(planner.answers(dynamics, cost, start), hold, horizon)
        loss = cost(rollout(dynamics, start, actions), actions).sum(-1).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return policy.eval().requires_grad_(False)
