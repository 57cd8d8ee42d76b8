"""Ours beside its rivals on one problem: who isn't installed is skipped, who fails is left out, each with a line."""

from __future__ import annotations

import importlib
import importlib.util
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple

import torch

from scripts._timing import Timing, seconds_per_call, take_turns

OURS = "ours"
CPU = torch.device("cpu")
PEERS = {
    "networkx": "networkx",
    "rustworkx": "rustworkx",
    "scipy": "scipy",
    "pyastar2d": "pyastar2d",
    "mctx": "mctx",
    "LightZero": "lzero",
    "pytorch-mppi": "pytorch_mppi",
    "torchrl": "torchrl",
    "stable-worldmodel": "stable_worldmodel",
    "evotorch": "evotorch",
}
"""Peers, and the package that each is imported as."""

Row = dict[str, Any]


class Contender(NamedTuple):
    """Something that can be timed.

    Attributes:
        call: does all the work of a case once.
        answer: turns what the call returned into the number that shows that the same problem was solved, and how well.
    """

    call: Callable[[], Any]
    answer: Callable[[Any], float]


Build = Callable[[], Contender]


class Target(NamedTuple):
    """What was aimed at: our speed over the rival's is to be at least so much; ``text`` says it in the usual words."""

    least: float
    text: str


def faster(factor: float) -> Target:
    """At least ``factor`` times the rival's throughput."""
    return Target(factor, f">= {factor:g} x its speed")


def within(factor: float) -> Target:
    """At most ``factor`` times the rival's time."""
    return Target(1 / factor, f"<= {factor:g} x its time")


@dataclass(frozen=True)
class Rival:
    """What ours is compared with.

    Attributes:
        name: as the table shows it.
        build: imports and prepares it; not timed.
        peer: which of :data:`PEERS` it needs, None for a reference of our own.
        target: what is aimed at.
    """

    name: str
    build: Build
    peer: str | None = None
    target: Target | None = None


@dataclass(frozen=True)
class Case:
    """One problem, solved by ours and by its rivals.

    Attributes:
        family: of planners, as ``--only`` names it.
        name: says what is solved, and how large it is.
        sizes: the same in numbers, by name.
        unit: of throughput.
        work: units in one call.
        answer: what the answers are.
        ours: imports and prepares ours.
        rivals: whom ours is compared with.
    """

    family: str
    name: str
    sizes: dict[str, int]
    unit: str
    work: int
    answer: str
    ours: Build
    rivals: Sequence[Rival]


@dataclass(frozen=True)
class Comparison:
    """What a case showed.

    Attributes:
        rows: one per contender, ours first.
        failures: rivals that failed, and why.
    """

    rows: list[Row]
    failures: dict[str, str] = field(default_factory=dict)


def installed(peer: str) -> bool:
    """Whether a peer can be imported."""
    name = PEERS[peer]
    return name in sys.modules and sys.modules[name] is not None or importlib.util.find_spec(name) is not None


def import_part(name: str) -> ModuleType:
    """Imports a module of a package without running the packages around it.

    A planner is often a small part of a package that loads simulators, data bases and image codecs at its import.
    """
    parents = name.split(".")[:-1]
    for depth in range(1, len(parents) + 1):
        parent = ".".join(parents[:depth])
        if parent not in sys.modules:
            spec = importlib.util.find_spec(parent)
            if spec is None or spec.submodule_search_locations is None:
                raise ModuleNotFoundError(f"no package {parent}")
            bare = ModuleType(parent)
            bare.__path__ = list(spec.submodule_search_locations)
            sys.modules[parent] = bare
    return importlib.import_module(name)


def compare(case: Case, repeats: int, seconds: float, device: torch.device = CPU) -> Comparison:
    """Lets ours and every rival that is installed take turns of so many seconds; whoever fails is left out.

    Where ours fails there is nothing to compare, and no rows.
    """
    failures: dict[str, str] = {}
    calls: dict[str, Callable[[], Any]] = {}
    answers: dict[str, float] = {}
    for rival in (Rival(OURS, case.ours), *case.rivals):
        if rival.peer is not None and not installed(rival.peer):
            continue
        try:
            contender = rival.build()
            calls[rival.name] = _finishing(contender.call, device)
            # The first call compiles and isn't timed.
            answers[rival.name] = contender.answer(calls[rival.name]())
        except Exception as error:
            failures[rival.name] = _line(error)
            if rival.name == OURS:
                return Comparison([], failures)
    timings = _time({name: calls[name] for name in answers}, failures, repeats, seconds)
    if OURS not in timings:
        return Comparison([], failures)
    targets = {rival.name: rival.target for rival in case.rivals}
    return Comparison([_row(case, name, timings, answers[name], targets.get(name)) for name in timings], failures)


def _finishing(call: Callable[[], Any], device: torch.device) -> Callable[[], Any]:
    """The call, which on a GPU is over only when the GPU has finished."""
    if device.type != "cuda":
        return call

    def finished() -> Any:
        result = call()
        torch.cuda.synchronize(device)
        return result

    return finished


def _time(
    calls: dict[str, Callable[[], Any]], failures: dict[str, str], repeats: int, seconds: float
) -> dict[str, Timing]:
    """Timings of those that never failed; the others join the failures."""

    def turn(name: str) -> float:
        if name in failures:
            return math.nan
        try:
            return seconds_per_call(calls[name], seconds, warm_up=False)
        except Exception as error:
            failures[name] = _line(error)
            return math.nan

    found = take_turns({name: partial(turn, name) for name in calls}, repeats)
    return {name: Timing(tuple(values)) for name, values in found.items() if name not in failures}


def _row(case: Case, name: str, timings: dict[str, Timing], answer: float, target: Target | None) -> Row:
    timing, ours = timings[name], timings[OURS]
    ratio = timing.best / ours.best
    return {
        "family": case.family,
        "case": case.name,
        "sizes": case.sizes,
        "rival": name,
        "unit": case.unit,
        "ms_best": 1000 * timing.best,
        "ms_median": 1000 * timing.median,
        "per_second_best": case.work / timing.best,
        "per_second_median": case.work / timing.median,
        "ratio_best": ratio,
        "ratio_median": timing.median / ours.median,
        "answer": answer if math.isfinite(answer) else None,
        "noisy": timing.noisy,
        "target": None if target is None else target.text,
        "met": None if target is None else ratio >= target.least,
    }


def _line(error: Exception) -> str:
    """The first line of what an exception says."""
    text = " ".join((str(error).strip() or "no message").splitlines()[0].split())
    return f"{type(error).__name__}: {text[:160]}"
