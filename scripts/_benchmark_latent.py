"""A* over a learned model: nodes expanded per second, beside the model alone.

The goal is out of reach, so that every problem expands as many nodes as it may. ``predictor alone`` passes the same
states through the predictor and the heuristic, and searches nothing. Answers are the nodes expanded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from planners.astar import LatentAStar, SearchGoal
from planners.base import Discrete, Plan
from scripts._rivals import Case, Contender, Rival

LATENT, HIDDEN, ACTIONS = 32, 128, 16


@dataclass(frozen=True)
class World:
    """A residual predictor with two layers, as a dynamics of ours."""

    network: nn.Sequential
    codes: Tensor  # [A, A] one-hot actions
    actions: Discrete = Discrete(ACTIONS)

    @staticmethod
    def make(device: torch.device) -> World:
        """On a device; the same on all."""
        generator = torch.Generator().manual_seed(0)
        layers = [nn.Linear(LATENT + ACTIONS, HIDDEN), nn.Linear(HIDDEN, LATENT)]
        for layer in layers:
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5, generator=generator)
        network = nn.Sequential(layers[0], nn.ReLU(), layers[1]).requires_grad_(False)
        return World(network.to(device), torch.eye(ACTIONS, device=device))

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        """One macro-action."""
        return state + self.network(torch.cat([state, self.codes[action]], -1))


def distance(states: Tensor, goals: Tensor) -> Tensor:
    """[M, D] states and goals to [M] distances."""
    return torch.linalg.vector_norm(states - goals, dim=-1)


def cases(size: Literal["quick", "full"], device: torch.device) -> Iterator[Case]:
    """One problem, and many."""
    if size == "quick":
        yield _case(2, 48, device)
        return
    for problems in (1, 64, 4096 if device.type == "cuda" else 512):
        yield _case(problems, 240, device)


def _case(problems: int, expansions: int, device: torch.device) -> Case:
    return Case(
        family="latent",
        name=f"A* over a predictor, {problems} problem{'s' * (problems > 1)} x {expansions} nodes x {ACTIONS} actions",
        sizes={"B": problems, "expansions": expansions, "actions": ACTIONS},
        unit="nodes/s",
        work=problems * expansions,
        answer="expanded",
        ours=partial(_ours, problems, expansions, device),
        rivals=(Rival("predictor alone", partial(_predictor, problems, expansions, device)),),
    )


def _ends(problems: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """[B, D] starts, and [B, D] goals far away."""
    starts = torch.randn(problems, LATENT, generator=torch.Generator().manual_seed(1)).to(device)
    return starts, torch.full_like(starts, 1e3)


def _ours(problems: int, expansions: int, device: torch.device) -> Contender:
    world, planner = World.make(device), LatentAStar(resolution=1e-3, max_expansions=expansions)
    starts, goals = _ends(problems, device)
    goal = SearchGoal(goals, distance, tolerance=0.0)

    def call() -> Plan:
        return planner.plan(world, goal, starts)

    return Contender(call, lambda plan: float(plan.extras["expanded"].sum()))


def _predictor(problems: int, expansions: int, device: torch.device) -> Contender:
    world, settings = World.make(device), LatentAStar(resolution=1.0)
    starts, goals = _ends(problems, device)
    rows = problems * settings.batch * ACTIONS
    states, aims = (tensor.repeat_interleave(rows // problems, 0) for tensor in (starts, goals))
    actions = torch.arange(rows, device=device) % ACTIONS
    parts = [tensor.split(settings.chunk) for tensor in (states, actions, aims)]

    @torch.no_grad()
    def call() -> Tensor:
        for _ in range(expansions // settings.batch):
            estimates = [distance(world.step(state, action), aim) for state, action, aim in zip(*parts, strict=True)]
        return torch.cat(estimates)

    return Contender(call, lambda estimates: float(len(estimates) // ACTIONS * (expansions // settings.batch)))
