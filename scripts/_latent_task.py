"""The task that shooting and gradient planners are compared over: a small latent world model and goals in it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from planners.base import Box, rollout

LATENT, ACTION, HIDDEN = 32, 4, 128


class Network(nn.Module):
    """A residual world model: ``z' = z + f(z, u)`` with three layers and SiLU between."""

    def __init__(self) -> None:
        super().__init__()
        widths = (LATENT + ACTION, HIDDEN, HIDDEN, LATENT)
        layers = [nn.Linear(before, after) for before, after in zip(widths, widths[1:], strict=False)]
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for layer in layers:
                layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) / layer.in_features**0.5)
                layer.bias.copy_(torch.randn(layer.bias.shape, generator=generator) / 10)
            layers[-1].weight.mul_(0.3)
        self.net = nn.Sequential(layers[0], nn.SiLU(), layers[1], nn.SiLU(), layers[2])

    def forward(self, states: Tensor, actions: Tensor) -> Tensor:
        """[..., D] states and [..., A] actions to the next states."""
        return states + self.net(torch.cat([states, actions], -1))


@dataclass(frozen=True)
class World:
    """The model, as a dynamics of ours."""

    network: Network
    actions: Box

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        """One step of the model."""
        return self.network(state, action)


@dataclass(frozen=True)
class GoalCost:
    """Squared distance to [B, D] goals after every step, and a little for the actions."""

    goals: Tensor

    def __call__(self, states: Tensor, actions: Tensor) -> Tensor:
        """As :class:`planners.base.Cost`; the start's own distance is the same for all candidates."""
        goals = self.goals.view(len(self.goals), *[1] * (states.dim() - 2), LATENT)
        costs = (states - goals).square().sum(-1)
        costs[..., 1:] += step_cost(actions)
        return costs


def step_cost(actions: Tensor) -> Tensor:
    """[..., A] actions to what they cost."""
    return 0.01 * actions.square().sum(-1)


@dataclass(frozen=True)
class Task:
    """What is planned: a world, [B, D] starts, and [B, D] goals that random actions lead to."""

    world: World
    starts: Tensor
    goals: Tensor

    @staticmethod
    def make(problems: int, horizon: int, device: torch.device) -> Task:
        """On a device; the same on all."""
        network = Network().requires_grad_(False).eval()
        generator = torch.Generator().manual_seed(1)
        box = Box(-torch.ones(ACTION), torch.ones(ACTION))
        starts = torch.randn(problems, LATENT, generator=generator)
        goals = rollout(World(network, box), starts, box.sample((problems, horizon), generator))[:, -1]
        box = Box(box.low.to(device), box.high.to(device))
        return Task(World(network.to(device), box), starts.to(device), goals.to(device))

    @property
    def cost(self) -> GoalCost:
        """The cost, as one of ours."""
        return GoalCost(self.goals)

    def running_cost(self, states: Tensor, actions: Tensor, goals: Tensor) -> Tensor:
        """[..., D] states that [..., A] actions led to: the cost of that step."""
        return (states - goals).square().sum(-1) + step_cost(actions)

    def total(self, starts: Tensor, goals: Tensor, actions: Tensor) -> Tensor:
        """[..., D] starts and goals, and [..., H, A] actions, to the actions' [...] costs, step by step."""
        states, total = starts.expand(*actions.shape[:-2], LATENT), torch.zeros((), device=starts.device)
        for action in actions.unbind(-2):
            states = self.world.network(states, action)
            total = total + self.running_cost(states, action, goals)
        return total

    @torch.no_grad()
    def mean_cost(self, actions: Tensor) -> float:
        """Of [B, H, A] plans, by the model in single precision."""
        clipped = actions.to(self.starts).clamp(-1, 1)
        return float(self.total(self.starts, self.goals, clipped).mean())
