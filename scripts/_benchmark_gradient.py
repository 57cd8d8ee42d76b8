"""Gradient planning with Adam: ours beside stable-worldmodel's solver, and the share of time that the model takes.

``forward and backward alone`` rolls the same number of action sequences out and differentiates their costs as often,
and does nothing else. Answers are the mean costs of the plans.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from planners.base import Plan
from planners.gradient import GradientPlanner
from scripts._latent_task import ACTION, Task
from scripts._peers_shooting import stable_worldmodel_solver
from scripts._rivals import Case, Contender, Rival, Target, faster

LEARNING_RATE = 0.05


@dataclass(frozen=True)
class Sizes:
    """How much is planned.

    Attributes:
        problems: B.
        restarts: action sequences per problem, R.
        horizon: steps, H.
        steps: of Adam.
    """

    problems: int
    restarts: int = 8
    horizon: int = 16
    steps: int = 50


def cases(size: Literal["quick", "full"], device: torch.device) -> Iterator[Case]:
    """64 problems, and one."""
    if size == "quick":
        yield _case(Sizes(2, restarts=2, horizon=3, steps=2), device, {})
        return
    share = Target(0.6, ">= 60 % of our time")
    targets = {"stable-worldmodel": faster(1.25), "forward and backward alone": share}
    yield _case(Sizes(64), device, targets)
    yield _case(Sizes(1), device, {})


def _case(sizes: Sizes, device: torch.device, targets: dict[str, Target]) -> Case:
    solver, alone = "stable-worldmodel", "forward and backward alone"
    problems = f"{sizes.problems} problem{'s' if sizes.problems > 1 else ''}"
    return Case(
        family="gradient",
        name=f"Adam, {problems} x {sizes.restarts} restarts x {sizes.steps} steps, horizon {sizes.horizon}",
        sizes={"B": sizes.problems, "restarts": sizes.restarts, "H": sizes.horizon, "steps": sizes.steps},
        unit="plans/s",
        work=sizes.problems,
        answer="plan cost",
        ours=partial(_ours, sizes, device),
        rivals=(
            Rival(alone, partial(_alone, sizes, device), target=targets.get(alone)),
            Rival(solver, partial(_stable_worldmodel, sizes, device), solver, targets.get(solver)),
        ),
    )


def _ours(sizes: Sizes, device: torch.device) -> Contender:
    task, generator = Task.make(sizes.problems, sizes.horizon, device), torch.Generator(device).manual_seed(0)
    planner = GradientPlanner(
        horizon=sizes.horizon, restarts=sizes.restarts, iterations=sizes.steps, learning_rate=LEARNING_RATE
    )

    def call() -> Plan:
        return planner.plan(task.world, task.cost, task.starts, generator=generator)

    return Contender(call, lambda plan: task.mean_cost(plan.actions))


def _alone(sizes: Sizes, device: torch.device) -> Contender:
    task = Task.make(sizes.problems, sizes.horizon, device)
    actions = torch.zeros(sizes.problems, sizes.restarts, sizes.horizon, ACTION, device=device, requires_grad=True)

    def call() -> Tensor:
        for _ in range(sizes.steps):
            total = task.total(task.starts.unsqueeze(1), task.goals.unsqueeze(1), actions)
            torch.autograd.grad(total.sum(), actions)
        return total

    return Contender(call, lambda total: float(total.mean()))


def _stable_worldmodel(sizes: Sizes, device: torch.device) -> Contender:
    task = Task.make(sizes.problems, sizes.horizon, device)
    adam = {"optimizer_cls": torch.optim.Adam, "optimizer_kwargs": {"lr": LEARNING_RATE}}
    return stable_worldmodel_solver(
        task, "gd", "GradientSolver", sizes.restarts, sizes.horizon, n_steps=sizes.steps, **adam
    )
