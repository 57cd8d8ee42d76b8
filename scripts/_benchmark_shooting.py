"""CEM and MPPI: ours beside stable-worldmodel, torchrl, pytorch-mppi and evotorch, with the same model and cost.

``bare roll-out`` rolls the same number of given samples out and scores them, on a CPU in chunks of 512 rows: nobody
can plan faster with that model. Answers are the mean costs of the plans; torchrl returns a first action and no plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from planners.base import Plan
from planners.imagination import Precision
from planners.sampling import CEM, MPPI, SamplingPlanner
from scripts._latent_task import ACTION, Task
from scripts._peers_shooting import ELITES, Kind, Sizes, evotorch, pytorch_mppi, stable_worldmodel, torchrl
from scripts._rivals import Case, Contender, Rival, Target, faster, within

CHUNKS = {"cpu": 512, "cuda": 2**18}  # rows that stay in cache, or that fill a GPU
KINDS: tuple[Kind, ...] = ("CEM", "MPPI")

Make = Callable[[Kind, Sizes, torch.device], Contender]


def cases(size: Literal["quick", "full"], device: torch.device) -> Iterator[Case]:
    """64 problems and one; many for MPPI, since that is where a GPU pays."""
    if size == "quick":
        tiny = Sizes(2, samples=ELITES, horizon=3, iterations=1)
        for kind in KINDS:
            yield _case(kind, tiny, device, {})
        yield _bfloat16("CEM", tiny, device, None)
        return
    floor, twice, ahead = within(1.1), faster(2), faster(1.1)
    many = {"bare roll-out": floor, "stable-worldmodel": ahead, "torchrl": twice, "pytorch-mppi, compiled": faster(1)}
    one = dict.fromkeys(
        ("stable-worldmodel", "torchrl", "evotorch", "pytorch-mppi", "pytorch-mppi, compiled"), faster(1)
    )
    for kind in KINDS:
        yield _case(kind, Sizes(64), device, many)
        yield _case(kind, Sizes(1), device, one)
    for kind in KINDS:
        yield _bfloat16(kind, Sizes(64), device, faster(1.5))
    yield _case("MPPI", Sizes(4096 if device.type == "cuda" else 256, iterations=1), device, {})


def _case(kind: Kind, sizes: Sizes, device: torch.device, targets: dict[str, Target]) -> Case:
    rivals: list[tuple[str, Make, str | None]] = [
        ("bare roll-out", _bare, None),
        ("stable-worldmodel", stable_worldmodel, "stable-worldmodel"),
        ("torchrl", torchrl, "torchrl"),
    ]
    if kind == "MPPI":
        rivals.append(("pytorch-mppi", partial(pytorch_mppi, compiled=False), "pytorch-mppi"))
        rivals.append(("pytorch-mppi, compiled", partial(pytorch_mppi, compiled=True), "pytorch-mppi"))
    elif sizes.problems == 1:
        rivals.append(("evotorch", evotorch, "evotorch"))
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


def _bfloat16(kind: Kind, sizes: Sizes, device: torch.device, target: Target | None) -> Case:
    """The same case with the model's calls in half the precision, beside itself in full."""
    case = _case(kind, sizes, device, {})
    full = Rival("ours, full precision", case.ours, target=target)
    ours = partial(_ours, kind, sizes, device, "bfloat16")
    return replace(case, name=f"{case.name}, bfloat16", ours=ours, rivals=(full,))


def _planner(kind: Kind, sizes: Sizes, precision: Precision) -> SamplingPlanner:
    settings: dict[str, Any] = {"horizon": sizes.horizon, "samples": sizes.samples, "iterations": sizes.iterations}
    settings["precision"] = precision
    settings["init_std"] = 1.0  # as stable-worldmodel's
    return CEM(elites=ELITES, **settings) if kind == "CEM" else MPPI(**settings)


def _ours(kind: Kind, sizes: Sizes, device: torch.device, precision: Precision = "full") -> Contender:
    task, planner = Task.make(sizes.problems, sizes.horizon, device), _planner(kind, sizes, precision)
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
            split = [tensor.split(CHUNKS[device.type]) for tensor in (*parts, timed)]
            totals = [task.total(*chunk) for chunk in zip(*split, strict=True)]
        return torch.cat(totals)

    return Contender(call, lambda totals: float(totals.view(sizes.problems, -1).amin(1).mean()))
