"""CEM and MPPI: ours beside stable-worldmodel, torchrl, pytorch-mppi and evotorch, with the same model and cost.

``bare roll-out`` rolls the same number of given samples out and scores them, in chunks of 512 rows: nobody can plan
faster with that model. Answers are the mean costs of the plans; torchrl returns a first action and no plan.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from types import SimpleNamespace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from planners.base import Box, Plan, rollout
from planners.sampling import CEM, MPPI, SamplingPlanner
from scripts._rivals import Case, Contender, Rival, Target, faster, import_part, within

LATENT, ACTION, HIDDEN = 32, 4, 128
ELITES, CHUNK = 64, 512

Kind = Literal["CEM", "MPPI"]
KINDS: tuple[Kind, ...] = ("CEM", "MPPI")


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
    iterations: int = 3


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


Make = Callable[[Kind, Sizes, torch.device], Contender]


def cases(size: Literal["quick", "full"], device: torch.device) -> Iterator[Case]:
    """64 problems and one; many for MPPI, since that is where a GPU pays."""
    if size == "quick":
        tiny = Sizes(2, samples=ELITES, horizon=3, iterations=1)
        for kind in KINDS:
            yield _case(kind, tiny, device, {})
        return
    floor, twice, ahead = within(1.1), faster(2), faster(1.1)
    many = {"bare roll-out": floor, "stable-worldmodel": ahead, "torchrl": twice, "pytorch-mppi, compiled": faster(1)}
    one = dict.fromkeys(
        ("stable-worldmodel", "torchrl", "evotorch", "pytorch-mppi", "pytorch-mppi, compiled"), faster(1)
    )
    for kind in KINDS:
        yield _case(kind, Sizes(64), device, many)
        yield _case(kind, Sizes(1), device, one)
    yield _case("MPPI", Sizes(4096 if device.type == "cuda" else 256, iterations=1), device, {})


def _case(kind: Kind, sizes: Sizes, device: torch.device, targets: dict[str, Target]) -> Case:
    rivals: list[tuple[str, Make, str | None]] = [
        ("bare roll-out", _bare, None),
        ("stable-worldmodel", _stable_worldmodel, "stable-worldmodel"),
        ("torchrl", _torchrl, "torchrl"),
    ]
    if kind == "MPPI":
        rivals.append(("pytorch-mppi", partial(_pytorch_mppi, compiled=False), "pytorch-mppi"))
        rivals.append(("pytorch-mppi, compiled", partial(_pytorch_mppi, compiled=True), "pytorch-mppi"))
    elif sizes.problems == 1:
        rivals.append(("evotorch", _evotorch, "evotorch"))
    problems = f"{sizes.problems} problem{'s' if sizes.problems > 1 else ''}"
    return Case(
        family="shooting",
        name=f"{kind}, {problems} x {sizes.samples} samples x horizon {sizes.horizon}, {sizes.iterations} rounds",
        sizes={"B": sizes.problems, "samples": sizes.samples, "H": sizes.horizon, "rounds": sizes.iterations},
        unit="plans/s",
        work=sizes.problems,
        answer="plan cost",
        ours=partial(_ours, kind, sizes, device),
        rivals=tuple(
            Rival(name, partial(make, kind, sizes, device), peer, targets.get(name)) for name, make, peer in rivals
        ),
    )


def _planner(kind: Kind, sizes: Sizes) -> SamplingPlanner:
    settings: dict[str, Any] = {"horizon": sizes.horizon, "samples": sizes.samples, "iterations": sizes.iterations}
    return CEM(elites=ELITES, **settings) if kind == "CEM" else MPPI(**settings)


def _ours(kind: Kind, sizes: Sizes, device: torch.device) -> Contender:
    task, planner = Task.make(sizes.problems, sizes.horizon, device), _planner(kind, sizes)
    generator = torch.Generator(device).manual_seed(0)

    def call() -> Plan:
        return planner.plan(task.world, task.cost, task.starts, generator=generator)

    return Contender(call, lambda plan: task.mean_cost(plan.actions))


def _bare(kind: Kind, sizes: Sizes, device: torch.device) -> Contender:
    task = Task.make(sizes.problems, sizes.horizon, device)
    rows = sizes.problems * sizes.samples
    samples = torch.rand(rows, sizes.horizon, ACTION, device=device) * 2 - 1

    @torch.inference_mode()
    def call() -> Tensor:
        for _ in range(sizes.iterations):
            timed = samples.transpose(0, 1).contiguous().transpose(0, 1)  # a step's actions side by side in memory
            parts = (tensor.repeat_interleave(sizes.samples, 0) for tensor in (task.starts, task.goals))
            split = [tensor.split(CHUNK) for tensor in (*parts, timed)]
            totals = [task.total(*chunk) for chunk in zip(*split, strict=True)]
        return torch.cat(totals)

    return Contender(call, lambda totals: float(totals.view(sizes.problems, -1).amin(1).mean()))


class _Costable(nn.Module):
    """The task, as stable-worldmodel's solvers see it."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.network, self.task = task.world.network, task

    def get_cost(self, info: dict[str, Tensor], actions: Tensor) -> Tensor:
        """[B, N, H, A] actions to [B, N] costs."""
        return self.task.total(info["state"], info["goal"], actions.clamp(-1, 1))


def stable_worldmodel(task: Task, module: str, solver: str, samples: int, horizon: int, **settings: Any) -> Contender:
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


def _stable_worldmodel(kind: Kind, sizes: Sizes, device: torch.device) -> Contender:
    task = Task.make(sizes.problems, sizes.horizon, device)
    settings = {"n_steps": sizes.iterations, "topk": ELITES}
    return stable_worldmodel(task, kind.lower(), f"{kind}Solver", sizes.samples, sizes.horizon, **settings)


def _pytorch_mppi(kind: Kind, sizes: Sizes, device: torch.device, compiled: bool) -> Contender:
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


def _torchrl(kind: Kind, sizes: Sizes, device: torch.device) -> Contender:
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


def _evotorch(kind: Kind, sizes: Sizes, device: torch.device) -> Contender:
    """A general optimiser: one problem, made anew for every plan."""
    logging.getLogger("evotorch").setLevel(logging.WARNING)
    evotorch, algorithms = import_module("evotorch"), import_module("evotorch.algorithms")
    task = Task.make(1, sizes.horizon, device)

    def totals(flat: Tensor) -> Tensor:
        return task.total(task.starts, task.goals, flat.view(-1, sizes.horizon, ACTION).clamp(-1, 1))

    def call() -> Tensor:
        problem = evotorch.Problem(
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
