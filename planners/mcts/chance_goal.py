"""Paths to a goal where the dynamics has a latent variable with modes: chance nodes for :class:`MCTSPlanner`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from planners.astar import SearchGoal
from planners.base import Categorical, StochasticDynamics
from planners.mcts.chance import Afterstate
from planners.mcts.forest import Prediction, SearchResult
from planners.mcts.kernels import Tree
from planners.mcts.models import GoalModel
from planners.risk import Risk


@final
@dataclass(frozen=True)
class LikeliestOutcome:
    """Predicts the likeliest outcome of an action, at the cost by which all of them together are worse than it.

    With that, the cost of a step and the estimate from there are what the risk makes of the estimates of all outcomes.

    Attributes:
        dynamics: the world model.
        goal: estimates costs to go.
        risk: what many possible costs count as.
        latents: [C] modes, or [C, Z] values: the density's peak, which counts nothing, and then samples.
    """

    dynamics: StochasticDynamics
    goal: SearchGoal
    risk: Risk
    latents: Tensor

    @classmethod
    def of(cls, dynamics: StochasticDynamics, goal: SearchGoal, risk: Risk, samples: Tensor) -> LikeliestOutcome:
        """Weighs all modes; or, where there are none, [S, Z] samples."""
        space = dynamics.latents
        if isinstance(space, Categorical):
            return cls(dynamics, goal, risk, torch.arange(space.n, device=samples.device))
        return cls(dynamics, goal, risk, torch.cat([torch.zeros_like(samples[:1]), samples]))

    @property
    def outcomes(self) -> int:
        """Number of outcomes, C."""
        return len(self.latents)

    def __call__(self, states: Tensor, actions: Tensor, problems: Tensor) -> tuple[Tensor, Tensor]:
        """[M, D] states, actions and [M] problems to [M, D] next states and [M] costs."""
        latents = self.latents.repeat(len(states), *[1] * (self.latents.dim() - 1))
        before, doing = (part.repeat_interleave(self.outcomes, 0) for part in (states, actions))
        after = self.dynamics.step(before, doing, latents)
        estimates, arrived = self.goal.measure(after, problems.repeat_interleave(self.outcomes))
        costs = estimates.masked_fill(arrived, 0.0).view(len(states), -1)
        chances = self._chances(states, actions, costs)
        likely, rows = chances.argmax(-1), torch.arange(len(states), device=states.device)
        if self.latents.is_floating_point():
            likely = torch.zeros_like(likely)
        surcharge = self.risk(costs, chances) - costs[rows, likely]
        return after.view(len(states), self.outcomes, -1)[rows, likely], surcharge

    def _chances(self, states: Tensor, actions: Tensor, like: Tensor) -> Tensor:
        """[M, C] probabilities of the outcomes."""
        if not self.latents.is_floating_point():
            return self.dynamics.log_prior(states, actions).exp()
        even = torch.full_like(like, 1 / (self.outcomes - 1))
        even[:, 0] = 0
        return even


@final
@dataclass(frozen=True)
class ChanceGoalModel:
    """A :class:`planners.mcts.chance.StochasticModel`: a :class:`GoalModel` whose steps have more than one outcome.

    An afterstate is a node's record with the number of the edge taken there.

    Attributes:
        model: what is said of states; its predictions are a :class:`LikeliestOutcome`'s.
        dynamics: the world model.
        num_outcomes: its modes, C.
    """

    model: GoalModel
    dynamics: StochasticDynamics
    num_outcomes: int

    def afterstate_dim(self, state_dim: int) -> int:
        """The record's numbers and the edge."""
        return state_dim + 1

    def afterstate(self, states: Tensor, actions: Tensor, problems: Tensor) -> Afterstate:
        """[M, R] nodes and the [M] edges taken there to afterstates."""
        here, numbers = self.model.taken(states, actions)
        chance_logits = self.dynamics.log_prior(here, self.model.branches.decode(numbers))
        scores, _ = self.model.scores(here, numbers[:, None], problems.nonzero()[:, 0])
        return Afterstate(torch.cat([states, actions[:, None].to(states)], 1), chance_logits, -scores[:, 0])

    def outcome(self, afterstates: Tensor, outcomes: Tensor, problems: Tensor) -> Prediction:
        """[M, R + 1] afterstates and [M] modes to the nodes reached."""
        records, edges, rows = afterstates[:, :-1], afterstates[:, -1].long(), problems.nonzero()[:, 0]
        here, numbers = self.model.taken(records, edges)
        reached = self.dynamics.step(here, self.model.branches.decode(numbers), outcomes)
        self.model.meter.model_calls += len(rows)
        costs = self.model.costs(here, reached)[:, None]
        return self.model.arrive(records, edges, reached, costs, rows)


def principal_variation(model: GoalModel, result: SearchResult) -> tuple[Tensor, Tensor]:
    """[B, W, A] the actions taken most often, over the likeliest outcomes as far as visited; and [B] their numbers."""
    trees = result.trees
    paths = [_most_visited(result.tree, problem)[: model.horizon] for problem in range(len(result.action))]
    steps = torch.tensor([len(path) for path in paths], device=trees.states.device)
    padded = torch.tensor([path + [path[-1]] * (int(steps.max()) - len(path)) for path in paths], device=steps.device)
    nodes, edges = padded.unbind(-1)
    rows = torch.arange(len(paths), device=steps.device)[:, None]
    records = result.states[rows, nodes, : trees.state_dim]
    _, actions = model.taken(records.flatten(0, 1), edges.flatten())
    return actions.unflatten(0, nodes.shape), steps


def _most_visited(tree: Tree, problem: int) -> list[tuple[int, int]]:
    """Nodes and the edges taken there most often."""
    children, visits, priors = (part[problem] for part in (tree.children, tree.edge_visits, tree.priors))
    path, node = [(0, int(visits[0].argmax()))], 0
    while True:
        chance = children[path[-1]]
        node = children[chance, priors[chance].argmax()]
        if chance == 0 or node == 0 or not visits[node].any():
            return path
        path.append((int(node), int(visits[node].argmax())))
