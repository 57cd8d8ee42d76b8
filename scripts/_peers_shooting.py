"""Sampling planners of other libraries: stable-worldmodel, pytorch-mppi, torchrl and evotorch."""

from __future__ import annotations

import contextlib
import io
import logging
from dataclasses import dataclass
from importlib import import_module
from types import SimpleNamespace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from scripts._latent_task import ACTION, LATENT, Task
from scripts._rivals import Contender, import_part

ELITES = 64

Kind = Literal["CEM", "MPPI"]


@dataclass(frozen=True)
class Sizes:
    """How much is planned.

    Attributes:
        problems: B.
        samples: candidates per problem and round, N.
        horizon: steps, H.
        iterations: rounds.
    """

    problems: int
    samples: int = 512
    horizon: int = 16
    iterations: int = 6


class _Costable(nn.Module):
    """The task, as stable-worldmodel's solvers see it."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.network, self.task = task.world.network, task

    def get_cost(self, info: dict[str, Tensor], actions: Tensor) -> Tensor:
        """[B, N, H, A] actions to [B, N] costs."""
        return self.task.total(info["state"], info["goal"], actions.clamp(-1, 1))


def stable_worldmodel_solver(
    task: Task, module: str, solver: str, samples: int, horizon: int, **settings: Any
) -> Contender:
    """One of stable-worldmodel's solvers on a task; 0.1 is the version that this calls."""
    spaces, problems = import_module("gymnasium.spaces"), len(task.starts)
    make = getattr(import_part(f"stable_worldmodel.solver.{module}"), solver)
    device = str(task.starts.device)
    solve = make(_Costable(task), batch_size=problems, num_samples=samples, device=device, **settings)
    config = SimpleNamespace(horizon=horizon, receding_horizon=1, action_block=1)
    solve.configure(action_space=spaces.Box(-1, 1, (problems, ACTION)), n_envs=problems, config=config)

    def call() -> Any:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints how long it took
            return solve.solve({"state": task.starts, "goal": task.goals})

    return Contender(call, lambda result: task.mean_cost(result["actions"]))


def stable_worldmodel(kind: Kind, sizes: Sizes, device: torch.device) -> Contender:
    """Its CEM or MPPI."""
    task = Task.make(sizes.problems, sizes.horizon, device)
    settings = {"n_steps": sizes.iterations, "topk": ELITES}
    return stable_worldmodel_solver(task, kind.lower(), f"{kind}Solver", sizes.samples, sizes.horizon, **settings)


def pytorch_mppi(kind: Kind, sizes: Sizes, device: torch.device, compiled: bool) -> Contender:
    """A command is one round, and its goals are to be closed over."""
    make = import_module("pytorch_mppi.mppi").MPPI_Batched
    task = Task.make(sizes.problems, sizes.horizon, device)
    goals = task.goals.repeat_interleave(sizes.samples, 0)
    planner = make(
        task.world.network,
        lambda states, actions: task.running_cost(states, actions, goals),
        LATENT,
        torch.eye(ACTION, device=device) * 0.25,
        num_envs=sizes.problems,
        num_samples=sizes.samples,
        horizon=sizes.horizon,
        device=device,
        u_min=task.world.actions.low,
        u_max=task.world.actions.high,
    )
    if compiled:
        planner.compile()

    @torch.no_grad()
    def call() -> Tensor:
        planner.U = torch.zeros_like(planner.U)
        for _ in range(sizes.iterations):
            planner.command(task.starts, shift_nominal_trajectory=False)
        return planner.U

    return Contender(call, task.mean_cost)


def torchrl(kind: Kind, sizes: Sizes, device: torch.device) -> Contender:
    """Its CEM or MPPI; they return a first action, no plan."""
    modules, task = import_module("torchrl.modules"), Task.make(sizes.problems, sizes.horizon, device)
    environment = _torchrl_environment(task)
    settings = {"planning_horizon": sizes.horizon, "optim_steps": sizes.iterations, "num_candidates": sizes.samples}
    if kind == "CEM":
        planner = modules.CEMPlanner(environment, top_k=ELITES, **settings)
    else:
        estimators = import_module("torchrl.objectives.value")
        value = modules.ValueOperator(_NoValue(), in_keys=["state"])
        advantage = estimators.TDLambdaEstimator(gamma=0.99, lmbda=0.95, value_network=value)
        planner = modules.MPPIPlanner(environment, advantage, temperature=1.0, top_k=ELITES, **settings)
    flags = dict.fromkeys(("done", "terminated"), torch.zeros(sizes.problems, 1, dtype=torch.bool, device=device))
    content = {"state": task.starts, "goal": task.goals, **flags}
    start = import_module("tensordict").TensorDict(content, batch_size=[sizes.problems], device=device)
    call = torch.no_grad()(lambda: planner(start.clone()))
    return Contender(call, lambda result: float("nan"))


class _NoValue(nn.Module):
    """torchrl's MPPI wants a value function."""

    def forward(self, state: Tensor) -> Tensor:
        """Zeros."""
        return torch.zeros_like(state[..., :1])


def _torchrl_environment(task: Task) -> Any:
    base = import_module("torchrl.envs.model_based").ModelBasedEnvBase
    data, modules = import_module("torchrl.data"), import_module("torchrl.modules")
    module, device = import_module("tensordict.nn").TensorDictModule, task.starts.device

    class Environment(base):  # type: ignore[misc, valid-type]
        def __init__(self, model: Any) -> None:
            super().__init__(model, device=device, batch_size=[])
            self.observation_spec = data.Composite(state=data.Unbounded((LATENT,)), goal=data.Unbounded((LATENT,)))
            self.state_spec = self.observation_spec.clone()
            self.action_spec = data.Bounded(-1.0, 1.0, (ACTION,))
            self.reward_spec = data.Unbounded((1,))

        def _reset(self, tensordict: Any) -> Any:
            raise NotImplementedError

    def reward(states: Tensor, actions: Tensor, goals: Tensor) -> Tensor:
        return -task.running_cost(states, actions, goals).unsqueeze(-1)

    keys = ["state", "action", "goal"]
    step = module(
        lambda *inputs: (task.world.network(*inputs[:2]), inputs[2]), in_keys=keys, out_keys=["state", "goal"]
    )
    return Environment(modules.WorldModelWrapper(step, module(reward, in_keys=keys, out_keys=["reward"])))


def evotorch(kind: Kind, sizes: Sizes, device: torch.device) -> Contender:
    """A general optimiser: one problem, made anew for every plan."""
    core, algorithms = import_module("evotorch"), import_module("evotorch.algorithms")
    logging.getLogger("evotorch").setLevel(logging.WARNING)  # its import sets another one
    task = Task.make(1, sizes.horizon, device)

    def totals(flat: Tensor) -> Tensor:
        return task.total(task.starts, task.goals, flat.view(-1, sizes.horizon, ACTION).clamp(-1, 1))

    def call() -> Tensor:
        problem = core.Problem(
            "min",
            totals,
            solution_length=sizes.horizon * ACTION,
            initial_bounds=(-1, 1),
            vectorized=True,
            device=device,
            dtype=torch.float32,
        )
        search = algorithms.CEM(problem, popsize=sizes.samples, parenthood_ratio=ELITES / sizes.samples, stdev_init=1.0)
        search.run(sizes.iterations)
        return search.status["center"].view(1, sizes.horizon, ACTION)

    return Contender(call, task.mean_cost)
