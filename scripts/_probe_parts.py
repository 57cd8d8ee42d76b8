"""Which part of an agent loses the success: one after the other is replaced by the truth, or left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hjepa.metrics import wilson_interval
from hjepa.vision.agent import VisionAgent
from hjepa.vision.diagnostics import Affine
from hjepa.vision.planning import VisionPlanning
from hjepa.vision.probes import Score
from scripts._oracle_seen import OracleActor, Part
from scripts._probe_paths import Judged, Watched, judged_edges, watch
from scripts._seen import SeenTasks


@dataclass(frozen=True)
class Variant:
    """An agent with some parts replaced.

    Attributes:
        name: in the table.
        true: the parts that are true.
        levels: that plan; all by default.
        classified: whether edges are asked about.
    """

    name: str
    true: frozenset[Part] = frozenset()
    levels: int | None = None
    classified: bool = True


VARIANTS = (
    Variant("as it is"),
    Variant("no edge classifier", classified=False),
    Variant("true places", frozenset({"places"})),
    Variant("true walls for its edges", frozenset({"walls"})),
    Variant("true dynamics in level 1", frozenset({"dynamics"})),
    Variant("true subgoals", frozenset({"subgoals"})),
    Variant("level 1 alone", levels=1),
    Variant("level 1 alone, true dynamics", frozenset({"dynamics"}), levels=1),
)


@dataclass(frozen=True)
class Tried:
    """What came of a variant.

    Attributes:
        variant: which.
        watched: its episodes.
        edges: of its upper levels, what the truth says of them.
    """

    variant: Variant
    watched: Watched
    edges: dict[int, Judged]


def tried(
    agent: VisionAgent, seen: SeenTasks, calibration: Affine, planning: VisionPlanning, seed: int
) -> Iterator[Tried]:
    """Runs every variant on the same episodes."""
    blind = replace(planning, doubt=-np.inf, caution=0.0)
    for variant in VARIANTS:
        config = planning if variant.classified else blind
        watched = watch(OracleActor(agent, seen, calibration, variant.true, variant.levels, config, seed), seen)
        edges = {k: judged_edges(watched, seen, calibration, k) for k in range(2, len(agent.stack) + 1)}
        yield Tried(variant, watched, {k: judged for k, judged in edges.items() if judged is not None})


def print_parts(variants: Iterator[Tried]) -> dict[str, Any]:
    """A line for each as soon as it is there; returns it all."""
    print("\nwhich part loses the success; planned edges that cross a wall, that need a detour by half or more")
    print(f"{'':<30}{'success':>24}{'steps':>8}   edges through walls")
    found = {}
    for one in variants:
        success, steps = one.watched.success, one.watched.steps
        low, high = wilson_interval(int(success.sum()), len(success))
        shown = f"{success.sum()}/{len(success)} [{low:.1%}, {high:.1%}]"
        walked = f"{steps[success].mean():.1f}" if success.any() else "-"
        through = "; ".join(
            f"level {k}: {_percent(judged.crossing)} cross, {_percent(judged.astray)} detour of {judged.edges}"
            for k, judged in one.edges.items()
        )
        print(f"{one.variant.name:<30}{shown:>24}{walked:>8}   {through}", flush=True)
        found[one.variant.name] = {
            "successes": int(success.sum()),
            "episodes": len(success),
            "ci95": (low, high),
            "mean_steps": float(steps[success].mean()) if success.any() else None,
            "edges": {k: judged._asdict() for k, judged in one.edges.items()},
        }
    return found


def _percent(score: Score) -> str:
    return f"{score.value:.1%} [{score.low:.1%}, {score.high:.1%}]"
